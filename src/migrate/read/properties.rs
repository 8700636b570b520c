//! The syntax of workers.properties and uriworkermap.properties: one `name=value` per line.
//!
//! `#` begins a comment anywhere in a line, white space around name and value is ignored, the first
//! `=` separates them, and lines cannot be continued (mod_jk's `jk_map_read_properties`).

use crate::migrate::text::characters::{CONTROL_CHARACTER, trim};
use crate::migrate::text::message::Message;
use crate::migrate::text::property::Property;
use crate::migrate::text::source::SourceFile;

/// The longest line that mod_jk reads as one.
const MAX_LINE: usize = 8190;

/// Parses a file. Lines that mod_jk ignores are reported.
pub fn parse(file: &SourceFile, messages: &mut Vec<Message>) -> Vec<Property> {
    let mut found = Vec::new();
    for whole in file.text().split('\n') {
        if whole.len() > MAX_LINE {
            messages.push(
                Message::error(file.span(whole), "a line of more than 8190 bytes")
                    .help("mod_jk reads such a line as two; shorten it"),
            );
            continue;
        }
        let line = whole.split('#').next().unwrap_or("");
        found.extend(parse_line(file, line, messages));
    }
    found
}

/// Parses one line (a slice of the file's text), or the argument of JkWorkerProperty. Returns `None` if
/// it contains no property.
pub fn parse_line(file: &SourceFile, line: &str, messages: &mut Vec<Message>) -> Option<Property> {
    let line = trim(line);
    if line.is_empty() {
        return None;
    }
    let Some((name, value)) = line.split_once('=') else {
        messages.push(
            Message::warning(file.span(line), "a line without `=`: mod_jk ignores it")
                .help("write name=value, or make it a comment with #"),
        );
        return None;
    };
    let (name, value) = (trim(name), trim(value));
    if name.is_empty() || value.is_empty() {
        let what = if name.is_empty() { "name" } else { "value" };
        let text = format!("a line without a {what}: mod_jk ignores it");
        messages.push(Message::warning(file.span(line), text));
        return None;
    }
    if let Some(bad) = [name, value].into_iter().find(|text| text.contains(char::is_control)) {
        messages.push(Message::error(file.span(bad), CONTROL_CHARACTER));
        return None;
    }
    Some(Property {
        name: name.into(),
        value: value.into(),
        name_at: file.span(name),
        value_at: file.span(value),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::migrate::text::source::Sources;

    fn read(text: &str) -> (Vec<(String, String)>, Vec<String>) {
        let mut messages = Vec::new();
        let file = Sources::default().add("f", text.as_bytes());
        let found = parse(&file, &mut messages);
        let pairs = found.into_iter().map(|p| (p.name, p.value)).collect();
        (pairs, messages.into_iter().map(|m| m.text).collect())
    }

    #[test]
    fn the_first_equals_sign_separates_and_white_space_and_comments_are_ignored() {
        let (pairs, said) = read("  a = b=c  # d=e\r\n#x=1\n\n\tf=g#h");
        assert_eq!(pairs, [("a".into(), "b=c".into()), ("f".into(), "g".into())]);
        assert!(said.is_empty());
    }

    #[test]
    fn lines_that_mod_jk_ignores_are_reported() {
        let (pairs, said) = read("alone\n=v\nn=\nn=#v\n");
        assert!(pairs.is_empty());
        assert_eq!(said.len(), 4, "{said:?}");
        assert!(said[0].contains("without `=`") && said[1].contains("without a name"));
    }

    #[test]
    fn a_line_too_long_or_with_a_control_character_is_an_error() {
        let (pairs, said) = read(&format!("a={}\nb=1\x012\nc=1", "x".repeat(9000)));
        assert_eq!(pairs, [("c".into(), "1".into())]);
        assert_eq!(said.len(), 2);
    }

    #[test]
    fn name_and_value_have_their_places() {
        let mut sources = Sources::default();
        let file = sources.add("f", b"\n  name =  value \n");
        let found = parse(&file, &mut Vec::new());
        let (name, value) = (sources.place(found[0].name_at), sources.place(found[0].value_at));
        assert_eq!((name.line, name.column), (2, 3));
        assert_eq!((value.line, value.column), (2, 11));
        assert_eq!(sources.place(found[0].at()).range, 2..15);
    }
}
