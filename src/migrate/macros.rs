//! `$(name)` in a value: what was defined before, else the process environment.

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
    fn twenty_are_substituted_in_one_line() {
        let (text, _) = with(&"$(E)".repeat(21));
        assert_eq!(text, format!("{}$(E)", "env".repeat(20)));
    }
}
