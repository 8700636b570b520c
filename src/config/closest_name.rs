//! Suggestions for misspelled names.

/// Returns the known name that is most similar to `name`, if one is similar enough.
#[must_use]
pub fn closest<'n>(name: &str, known: impl Iterator<Item = &'n str>) -> Option<&'n str> {
    let scored = known.take(MAX_NAMES).map(|known| (distance(name, known), known));
    scored.filter(|(far, known)| *far <= known.chars().count() / 2).min().map(|(_, known)| known)
}

/// Returns the suggestion as the help of a message.
#[must_use]
pub fn did_you_mean<'n>(name: &str, known: impl Iterator<Item = &'n str>) -> Option<String> {
    closest(name, known).map(|name| format!("did you mean `{name}`?"))
}

/// The number of names that are compared, and of letters of each.
const MAX_NAMES: usize = 1_000;
const MAX_LETTERS: usize = 64;

/// Returns the Levenshtein distance.
fn distance(one: &str, other: &str) -> usize {
    let one: Vec<char> = one.chars().take(MAX_LETTERS).collect();
    let mut row: Vec<usize> = (0..=one.len()).collect();
    for (line, there) in other.chars().take(MAX_LETTERS).enumerate() {
        let mut diagonal = row[0];
        row[0] = line + 1;
        for (at, here) in one.iter().enumerate() {
            let changed = diagonal + usize::from(*here != there);
            diagonal = row[at + 1];
            row[at + 1] = changed.min(diagonal + 1).min(row[at] + 1);
        }
    }
    row[one.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_closest_name_is_the_one_with_the_fewest_different_letters() {
        let known = ["worker1", "worker2", "lb"];
        let like = |name| closest(name, known.into_iter());
        assert_eq!(like("myworker1"), Some("worker1"));
        assert_eq!(like("worker2x"), Some("worker2"));
        assert_eq!((like("l"), like("x")), (Some("lb"), None));
        assert_eq!(did_you_mean("wroker1", known.into_iter()).unwrap(), "did you mean `worker1`?");
    }
}
