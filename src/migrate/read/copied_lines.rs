//! What stands in `<IfModule mod_jk.c>` and is not mod_jk's: without mod_jk httpd passes it over, so
//! it is copied. What stands in `<IfModule !mod_jk.c>` comes into force, and is told.

use std::sync::Arc;

use crate::config::Words;
use crate::migrate::text::characters::control_character;
use crate::migrate::text::message::Message;
use crate::migrate::text::span::Span;

/// A section around a line: `<Location /x>`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EnclosingSection {
    /// No other section has it.
    pub id: usize,
    /// Its first line.
    pub opening: String,
    /// Its name: `Location`.
    pub name: String,
}

/// A line that is copied.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CopiedLine {
    /// Which server it is for: 0 is the main one.
    pub server: usize,
    /// The line.
    pub at: Span,
    /// As it is written, its variables too; one line.
    pub text: String,
    /// The sections around it, from the server to the line, but for those about mod_jk.
    pub around: Vec<Arc<EnclosingSection>>,
}

/// What `<IfModule>` says of mod_jk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ModJkCondition {
    /// It is loaded.
    Loaded,
    /// It is not.
    NotLoaded,
}

impl ModJkCondition {
    /// Reads the argument of `<IfModule>`. `None`: it is about another module.
    #[must_use]
    pub fn of(argument: &str) -> Option<Self> {
        let (not, name) = argument.strip_prefix('!').map_or((false, argument), |name| (true, name));
        let is_mod_jk = matches!(name.trim().trim_matches('"'), "mod_jk.c" | "jk_module");
        is_mod_jk.then_some(if not { Self::NotLoaded } else { Self::Loaded })
    }
}

/// As it is copied: tabs between words become blanks.
///
/// # Errors
/// Why it cannot be.
pub fn one_line(text: &str) -> Result<String, &'static str> {
    let has_tab = Words::of(text).any(|word| word.text.contains('\t'));
    if has_tab || control_character(text).is_some() {
        return Err("it has a control character");
    }
    // httpd would take the next line into it.
    if text.ends_with('\\') {
        return Err("it ends with a backslash");
    }
    Ok(text.replace('\t', " "))
}

/// Directives that count for the lines behind them: where they are copied to, that is too late.
const OF_THEIR_PLACE: [&str; 7] =
    ["define", "undefine", "loadmodule", "loadfile", "use", "undefmacro", "serverroot"];

/// Whether a directive would do something else in another place of the configuration.
#[must_use]
pub fn is_of_its_place(name: &str) -> bool {
    OF_THEIR_PLACE.iter().any(|known| name.eq_ignore_ascii_case(known))
}

/// Said of a line that is lost with mod_jk.
#[must_use]
pub fn lost(at: Span, what: &str, why: &str) -> Message {
    let text = format!("{what} is lost with mod_jk: it is in <IfModule mod_jk.c>, and not copied");
    Message::warning(at, text).help(format!("{why}; write it outside of that section"))
}

/// Said of a line that there was not with mod_jk.
#[must_use]
pub fn comes_into_force(at: Span, what: &str) -> Message {
    let text = format!("{what} comes into force without mod_jk: it is in <IfModule !mod_jk.c>");
    Message::warning(at, text).help("take it out if it is for a server that has no Tomcat at all")
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
    fn what_would_not_stay_one_line_of_words_is_not_copied() {
        assert_eq!(one_line("SetEnv\tA  b").as_deref(), Ok("SetEnv A  b"));
        assert_eq!(one_line(r#"SetEnv A "b \" c""#).as_deref(), Ok(r#"SetEnv A "b \" c""#));
        for text in ["SetEnv A \"b\tc\"", "SetEnv A b\u{85}c", "SetEnv A \\"] {
            assert!(one_line(text).is_err(), "{text:?}");
        }
    }
}
