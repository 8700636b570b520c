//! Words that mod_proxy refuses before it asks us, put in words that it passes on.
//!
//! mod_proxy takes no `acquire=0` ("look once"). Our handlers of the same directives are called
//! before mod_proxy's and may edit the line: the word becomes one of ours.

/// The line's arguments with our words in them; `None`: there is nothing to change.
///
/// `context` is what the section around the line says (`<Proxy "ajp://...">`), if there is one:
/// only lines about ajp workers are touched. Everything else stays as it was written, quotes,
/// white space and the closing `>` included.
#[must_use]
pub fn rewrite(arguments: &str, context: &str) -> Option<String> {
    if !mentions_ajp(arguments) && !mentions_ajp(context) {
        return None;
    }
    let mut rewritten = String::with_capacity(arguments.len() + 8);
    let mut changed = false;
    for piece in pieces(arguments) {
        let (word, end) = match piece.strip_suffix('>') {
            Some(word) => (word, ">"),
            None => (piece, ""),
        };
        if is_acquire_0(word) {
            rewritten.push_str(LOOK_ONCE);
            rewritten.push_str("=On");
            rewritten.push_str(end);
            changed = true;
        } else {
            rewritten.push_str(piece);
        }
    }
    changed.then_some(rewritten)
}

/// The parameter that `acquire=0` becomes.
pub(super) const LOOK_ONCE: &str = "acquireonce";

fn mentions_ajp(text: &str) -> bool {
    text.to_ascii_lowercase().contains("ajp://")
}

fn is_acquire_0(word: &str) -> bool {
    let Some((key, value)) = word.split_once('=') else { return false };
    let value = value.trim_matches('"').to_ascii_lowercase();
    let digits = value.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let unit = &value[digits.len()..];
    key.eq_ignore_ascii_case("acquire")
        && !digits.is_empty()
        && digits.bytes().all(|b| b == b'0')
        && matches!(unit, "" | "ms" | "s")
}

/// The line cut into words and the white space between them; white space in quotes is part of a
/// word.
fn pieces(line: &str) -> impl Iterator<Item = &str> {
    let mut rest = line;
    std::iter::from_fn(move || {
        let first = rest.chars().next()?;
        let mut quote = None;
        let len = if first.is_whitespace() {
            rest.find(|c: char| !c.is_whitespace())
        } else {
            rest.char_indices().find_map(|(at, c)| match quote {
                Some(open) if c == open => {
                    quote = None;
                    None
                }
                Some(_) => None,
                None if c == '"' || c == '\'' => {
                    quote = Some(c);
                    None
                }
                None => c.is_whitespace().then_some(at),
            })
        };
        let (piece, after) = rest.split_at(len.unwrap_or(rest.len()));
        rest = after;
        Some(piece)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn acquire_0_becomes_a_word_of_ours() {
        for (line, wanted) in [
            ("/a ajp://h/a acquire=0", "/a ajp://h/a acquireonce=On"),
            ("\"ajp://h\"  ACQUIRE=0ms route=a", "\"ajp://h\"  acquireonce=On route=a"),
            ("ajp://h acquire=\"0\"\tmax=1", "ajp://h acquireonce=On\tmax=1"),
            ("\"ajp://h\" acquire=0>", "\"ajp://h\" acquireonce=On>"),
        ] {
            assert_eq!(rewrite(line, "").as_deref(), Some(wanted), "{line}");
        }
    }

    #[test]
    fn everything_else_stays_as_it_was() {
        for line in [
            "/a ajp://h/a acquire=10",
            "/a http://h/a acquire=0",
            "/a ajp://h/a route=\"x acquire=0 y\"",
            "/a ajp://h/a noacquire=0",
            "",
        ] {
            assert_eq!(rewrite(line, ""), None, "{line}");
        }
    }

    #[test]
    fn proxyset_within_a_section_is_about_the_section_s_worker() {
        assert_eq!(rewrite("acquire=0", "\"ajp://h\">").as_deref(), Some("acquireonce=On"));
        assert_eq!(rewrite("acquire=0", "\"http://h\">"), None);
    }
}
