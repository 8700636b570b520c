//! `$(name)` in a value of mod_jk's, `${NAME}` in a line of httpd's: what was defined before, else the
//! process environment.

use crate::migrate::text::limits::MAX_EXPANSION;

/// What looks a name up that no line has defined.
pub type Environment<'e> = dyn Fn(&str) -> Option<String> + 'e;

/// How often one line is substituted at most (mod_jk's limit).
const MOST: usize = 20;

/// The value with its macros put in, and the names that nobody knows, which stay as they are.
///
/// What was put in is not looked at again.
pub fn substitute(
    value: &str,
    defined: impl Fn(&str) -> Option<String>,
    environment: &Environment<'_>,
) -> (String, Vec<String>) {
    let mut text = String::with_capacity(value.len());
    let mut unknown = Vec::new();
    let mut rest = value;
    for _ in 0..MOST {
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

/// As long as the name of a variable of httpd's may be.
const MAX_NAME: usize = 4_096;

/// A line of httpd's configuration with its `${NAME}` put in, where they are known; the rest stays.
/// `None`: it becomes too long.
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
    fn what_was_defined_comes_first_and_is_not_looked_at_again() {
        assert_eq!(with("a$(H)b$(E)"), ("a$(deep)hostbenv".into(), vec![]));
    }

    #[test]
    fn an_unknown_name_stays_as_it_is_and_is_told() {
        assert_eq!(with("$(nobody)-$(H"), ("$(nobody)-$(H".into(), vec!["nobody".into()]));
    }

    #[test]
    fn a_variable_of_httpd_s_is_put_in_where_it_is_known() {
        let known = |name: &str| (name == "V").then(|| "v${V}".to_owned());
        for (line, wanted) in
            [("a ${V}b${V}", "a v${V}bv${V}"), ("${no} ${V", "${no} ${V"), ("${${V}", "${v${V}")]
        {
            assert_eq!(expand(line, known).as_deref(), Some(wanted), "{line}");
        }
        assert_eq!(expand(&"${V}".repeat(20), |_| Some("x".repeat(10_000))), None);
    }

    #[test]
    fn twenty_are_substituted_in_one_line() {
        let (text, _) = with(&"$(E)".repeat(21));
        assert_eq!(text, format!("{}$(E)", "env".repeat(20)));
    }
}
