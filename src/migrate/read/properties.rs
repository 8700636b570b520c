//! The syntax of workers.properties and uriworkermap.properties: one `name=value` a line.
//!
//! `#` begins a comment wherever it stands, blanks around name and value do not count, the first
//! `=` splits, and there are no continued lines (mod_jk's `jk_map_read_properties`).

use crate::migrate::text::characters::CONTROL_CHARACTER;
use crate::migrate::text::characters::trim;
use crate::migrate::text::message::Message;
use crate::migrate::text::property::Property;
use crate::migrate::text::source::SourceFile;

/// The longest line mod_jk reads as one.
const LONGEST: usize = 8190;

/// All lines of a file that say something. Those that mod_jk passes over are told.
pub fn parse(file: &SourceFile, messages: &mut Vec<Message>) -> Vec<Property> {
    let mut found = Vec::new();
    for whole in file.text().split('\n') {
        if whole.len() > LONGEST {
            messages.push(
                Message::error(file.span(whole), "a line of more than 8190 bytes")
                    .help("mod_jk reads such a line as two; make it shorter"),
            );
            continue;
        }
        let line = whole.split('#').next().unwrap_or("");
        found.extend(parse_line(file, line, messages));
    }
    found
}

/// One line (a slice of the file's text), or the argument of JkWorkerProperty. `None`: it says
/// nothing.
pub fn parse_line(file: &SourceFile, line: &str, messages: &mut Vec<Message>) -> Option<Property> {
    let line = trim(line);
    if line.is_empty() {
        return None;
    }
    let Some((name, value)) = line.split_once('=') else {
        messages.push(
            Message::warning(file.span(line), "a line without `=`: mod_jk passes it over")
                .help("write name=value, or put a # before it"),
        );
        return None;
    };
    let (name, value) = (trim(name), trim(value));
    if name.is_empty() || value.is_empty() {
        let what = if name.is_empty() { "name" } else { "value" };
        let text = format!("a line without a {what}: mod_jk passes it over");
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
    fn the_first_equals_sign_splits_and_blanks_and_comments_do_not_count() {
        let (pairs, said) = read("  a = b=c  # d=e\r\n#x=1\n\n\tf=g#h");
        assert_eq!(pairs, [("a".into(), "b=c".into()), ("f".into(), "g".into())]);
        assert!(said.is_empty());
    }

    #[test]
    fn what_mod_jk_passes_over_is_told() {
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
    fn name_and_value_know_their_places() {
        let mut sources = Sources::default();
        let file = sources.add("f", b"\n  name =  value \n");
        let found = parse(&file, &mut Vec::new());
        let (name, value) = (sources.place(found[0].name_at), sources.place(found[0].value_at));
        assert_eq!((name.line, name.column), (2, 3));
        assert_eq!((value.line, value.column), (2, 11));
        assert_eq!(sources.place(found[0].at()).range, 2..15);
    }
}
