//! Names with wildcards.

/// A name in which `*` stands for anything and `?` for one character; in any case.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pattern {
    text: String,
    folded: Vec<char>,
}

impl Pattern {
    /// Parses the text.
    pub fn new(text: &str) -> Self {
        Self { text: text.to_owned(), folded: text.chars().flat_map(char::to_lowercase).collect() }
    }

    /// The text that it was made of.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// Whether it matches the whole of `name`. Takes at most as many steps as the product of the lengths.
    pub fn matches(&self, name: &str) -> bool {
        let name: Vec<char> = name.chars().flat_map(char::to_lowercase).collect();
        let (pattern, mut at, mut from) = (&self.folded, 0, 0);
        // The last star, and up to where it has been taken to reach.
        let mut star = None;
        while from < name.len() {
            match pattern.get(at) {
                Some('*') => {
                    star = Some((at, from));
                    at += 1;
                }
                Some(c) if *c == '?' || *c == name[from] => {
                    at += 1;
                    from += 1;
                }
                _ => {
                    let Some((place, reach)) = star else { return false };
                    star = Some((place, reach + 1));
                    at = place + 1;
                    from = reach + 1;
                }
            }
        }
        pattern[at..].iter().all(|c| *c == '*')
    }
}

#[cfg(test)]
mod tests {
    use super::Pattern;

    #[test]
    fn a_star_is_anything_a_question_mark_one_character_and_case_does_not_count() {
        let matches = |pattern: &str, name: &str| Pattern::new(pattern).matches(name);
        for (pattern, name) in [
            ("*", ""),
            ("*", "node1"),
            ("node?", "Node1"),
            ("n*1", "node11"),
            ("*8009", "ajp://10.0.0.1:8009"),
            ("*a*b*", "xxaybz"),
            ("NODE1", "node1"),
            ("**", "x"),
        ] {
            assert!(matches(pattern, name), "{pattern} {name}");
        }
        for (pattern, name) in [
            ("", "a"),
            ("?", ""),
            ("node?", "node"),
            ("*a", "ab"),
            ("node1", "node11"),
            ("a*b", "b"),
        ] {
            assert!(!matches(pattern, name), "{pattern} {name}");
        }
    }

    #[test]
    fn many_stars_take_no_long_time() {
        let pattern = "*a".repeat(2000);
        assert!(!Pattern::new(&pattern).matches(&"a".repeat(1999)));
    }
}
