//! Expands `$(name)` in mod_jk's values and `${NAME}` in httpd's lines: by an earlier definition, else by
//! the process environment.

use crate::migrate::text::limits::MAX_EXPANSION;

/// Looks up a name in the process environment.
pub type Environment<'e> = dyn Fn(&str) -> Option<String> + 'e;

/// The number of macros that are expanded in one value (mod_jk's limit).
const MAX_MACROS: usize = 20;

/// Returns the value with its macros expanded, and the names that are undefined, which stay as written.
///
/// Macros in an expansion are not expanded.
pub fn substitute(
    value: &str,
    defined: impl Fn(&str) -> Option<String>,
    environment: &Environment<'_>,
) -> (String, Vec<String>) {
    let mut text = String::with_capacity(value.len());
    let mut unknown = Vec::new();
    let mut rest = value;
    for _ in 0..MAX_MACROS {
        let Some((before, behind)) = rest.split_once("$(") else { break };
        let Some((name, after)) = behind.split_once(')') else { break };
        text.push_str(before);
        if let Some(found) = defined(name).or_else(|| environment(name)) {
            text.push_str(&found);
        } else {
            unknown.push(name.to_owned());
            text.push_str(&rest[before.len()..rest.len() - after.len()]);
        }
        rest = after;
    }
    text.push_str(rest);
    (text, unknown)
}

/// The longest name of a variable of httpd's.
const MAX_NAME: usize = 4_096;

/// Returns a line of httpd's configuration with each known `${NAME}` expanded; others stay as written.
/// Returns `None` if the line becomes too long.
pub fn expand(line: &str, known: impl Fn(&str) -> Option<String>) -> Option<String> {
    let mut text = String::with_capacity(line.len());
    let mut rest = line;
    while let Some((before, behind)) = rest.split_once("${") {
        text.push_str(before);
        let end = behind.bytes().take(MAX_NAME).position(|byte| byte == b'}');
        let found = end.and_then(|end| Some((known(&behind[..end])?, &behind[end + 1..])));
        match found {
            Some((value, after)) => {
                text.push_str(&value);
                if text.len() > line.len() + MAX_EXPANSION {
                    return None;
                }
                rest = after;
            }
            None => {
                text.push_str("${");
                rest = behind;
            }
        }
    }
    text.push_str(rest);
    Some(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with(value: &str) -> (String, Vec<String>) {
        let defined = |name: &str| (name == "H").then(|| "$(deep)host".to_owned());
        substitute(value, defined, &|name| (name == "E").then(|| "env".to_owned()))
    }

    #[test]
    fn a_definition_comes_first_and_is_not_expanded_again() {
        assert_eq!(with("a$(H)b$(E)"), ("a$(deep)hostbenv".into(), vec![]));
    }

    #[test]
    fn an_undefined_name_stays_as_written_and_is_returned() {
        assert_eq!(with("$(nobody)-$(H"), ("$(nobody)-$(H".into(), vec!["nobody".into()]));
    }

    #[test]
    fn a_known_variable_of_httpd_s_is_expanded() {
        let known = |name: &str| (name == "V").then(|| "v${V}".to_owned());
        for (line, wanted) in
            [("a ${V}b${V}", "a v${V}bv${V}"), ("${no} ${V", "${no} ${V"), ("${${V}", "${v${V}")]
        {
            assert_eq!(expand(line, known).as_deref(), Some(wanted), "{line}");
        }
        assert_eq!(expand(&"${V}".repeat(20), |_| Some("x".repeat(10_000))), None);
    }

    #[test]
    fn twenty_macros_are_expanded_in_one_value() {
        let (text, _) = with(&"$(E)".repeat(21));
        assert_eq!(text, format!("{}$(E)", "env".repeat(20)));
    }
}
