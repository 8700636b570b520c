//! Lines of other modules in `<IfModule mod_jk.c>`. Without mod_jk httpd ignores them, so they are
//! copied. Lines in `<IfModule !mod_jk.c>` take effect without mod_jk, which is reported.

use std::sync::Arc;

use crate::config::Words;
use crate::migrate::text::characters::control_character;
use crate::migrate::text::message::Message;
use crate::migrate::text::span::Span;

/// A section around a line: `<Location /x>`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EnclosingSection {
    /// A number that identifies the section.
    pub id: usize,
    /// The line that opens it.
    pub opening: String,
    /// Its name, such as `Location`.
    pub name: String,
}

/// A line that is copied.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CopiedLine {
    /// The index of the server; 0 is the main server.
    pub server: usize,
    /// The line.
    pub at: Span,
    /// The text on one line, with variables as they are written.
    pub text: String,
    /// The sections around it within its server, except those about mod_jk.
    pub around: Vec<Arc<EnclosingSection>>,
}

/// The condition of an `<IfModule>` about mod_jk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ModJkCondition {
    /// mod_jk is loaded.
    Loaded,
    /// mod_jk is not loaded.
    NotLoaded,
}

impl ModJkCondition {
    /// Parses the argument of `<IfModule>`. Returns `None` if it is about another module.
    #[must_use]
    pub fn of(argument: &str) -> Option<Self> {
        let (not, name) = argument.strip_prefix('!').map_or((false, argument), |name| (true, name));
        let is_mod_jk = matches!(name.trim().trim_matches('"'), "mod_jk.c" | "jk_module");
        is_mod_jk.then_some(if not { Self::NotLoaded } else { Self::Loaded })
    }
}

/// Returns a line as it is copied, with tabs between words replaced by spaces.
///
/// # Errors
/// The reason why it cannot be copied.
pub fn one_line(text: &str) -> Result<String, &'static str> {
    let has_tab = Words::of(text).any(|word| word.text.contains('\t'));
    if has_tab || control_character(text).is_some() {
        return Err("it contains a control character");
    }
    // httpd would append the next line to it.
    if text.ends_with('\\') {
        return Err("it ends with a backslash");
    }
    Ok(text.replace('\t', " "))
}

/// Directives that affect the lines below them, and would come too late where they are copied to.
const ORDER_DEPENDENT: [&str; 7] =
    ["define", "undefine", "loadmodule", "loadfile", "use", "undefmacro", "serverroot"];

/// Returns whether a directive has a different effect in another place of the configuration.
#[must_use]
pub fn depends_on_order(name: &str) -> bool {
    ORDER_DEPENDENT.iter().any(|known| name.eq_ignore_ascii_case(known))
}

/// Returns the warning about a line that is lost with mod_jk.
#[must_use]
pub fn lost(at: Span, what: &str, why: &str) -> Message {
    let text = format!(
        "{what} is lost without mod_jk: it is in <IfModule mod_jk.c>, and cannot be copied"
    );
    Message::warning(at, text).help(format!("{why}; move it out of that section"))
}

/// Returns the warning about a line that takes effect without mod_jk.
#[must_use]
pub fn takes_effect(at: Span, what: &str) -> Message {
    let text = format!("{what} takes effect without mod_jk: it is in <IfModule !mod_jk.c>");
    Message::warning(at, text).help("remove it if it is meant for a server without Tomcat")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ifmodule_is_about_mod_jk_by_its_file_and_by_its_record() {
        for (argument, needs) in [
            ("mod_jk.c", Some(ModJkCondition::Loaded)),
            ("jk_module", Some(ModJkCondition::Loaded)),
            ("!mod_jk.c", Some(ModJkCondition::NotLoaded)),
            ("! jk_module", Some(ModJkCondition::NotLoaded)),
            ("mod_rewrite.c", None),
            ("!mod_jk", None),
        ] {
            assert_eq!(ModJkCondition::of(argument), needs, "{argument}");
        }
    }

    #[test]
    fn a_line_that_would_not_stay_one_line_of_words_is_not_copied() {
        assert_eq!(one_line("SetEnv\tA  b").as_deref(), Ok("SetEnv A  b"));
        assert_eq!(one_line(r#"SetEnv A "b \" c""#).as_deref(), Ok(r#"SetEnv A "b \" c""#));
        for text in ["SetEnv A \"b\tc\"", "SetEnv A b\u{85}c", "SetEnv A \\"] {
            assert!(one_line(text).is_err(), "{text:?}");
        }
    }
}
