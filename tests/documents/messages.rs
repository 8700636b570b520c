//! The messages in docs/troubleshooting.md are those of the code.

use std::collections::BTreeSet;

use mod_proxy_ajp_rs::messages::{Level, Message};

use super::{document, documents};

const DOCUMENT: &str = "docs/troubleshooting.md";

/// Whether a message has an entry of its own. Lines at info are about what a client did, or about what
/// needs no action.
fn has_entry(message: &Message) -> bool {
    matches!(message.level(), Level::Error | Level::Warning)
}

/// The row of a message in the index.
fn index_row(message: &Message) -> String {
    let number = message.number();
    let number = match has_entry(message) {
        true => format!("[{number}](#{})", number.to_lowercase()),
        false => number.to_owned(),
    };
    format!("| {number} | `{}` | {} |", message.level().name(), message.cause())
}

/// The numbers of a text: `AJP` and four digits.
fn numbers(text: &str) -> BTreeSet<String> {
    let digits = |rest: &str| rest.chars().take_while(char::is_ascii_digit).collect::<String>();
    let found = text.split("AJP").skip(1).map(digits);
    found.filter(|digits| digits.len() == 4).map(|digits| format!("AJP{digits}")).collect()
}

#[test]
fn the_index_has_each_message_with_its_level_and_cause_by_number() {
    let text = document(DOCUMENT);
    let index = text.lines().skip_while(|line| *line != "## Index").skip(4);
    let rows: Vec<_> = index.take_while(|line| line.starts_with('|')).collect();
    let expected: Vec<_> = Message::ALL.iter().map(index_row).collect();
    assert_eq!(rows, expected);
}

#[test]
fn each_message_at_warn_and_above_has_an_entry_and_each_entry_a_message() {
    let text = document(DOCUMENT);
    let entries: Vec<_> = text
        .lines()
        .filter_map(|line| line.strip_prefix("### "))
        .filter(|name| name.starts_with("AJP"))
        .collect();
    let messages = Message::ALL.iter().filter(|message| has_entry(message));
    let expected: Vec<_> = messages.map(|message| message.number()).collect();
    assert_eq!(entries, expected, "in the order of their numbers");
}

#[test]
fn each_entry_begins_with_a_line_as_it_is_in_the_log_and_then_says_what_to_do() {
    for entry in document(DOCUMENT).split("\n### AJP").skip(1) {
        let number = &entry[..4];
        let example = format!("{number}\n\n```\nAJP{number}: ");
        assert!(entry.starts_with(&example), "AJP{number}: {entry}");
        let (_, words) =
            entry[example.len()..].split_once("\n```\n\n").expect("the end of the line");
        assert!(words.len() > 40, "AJP{number}: {words}");
    }
}

#[test]
fn a_document_names_only_numbers_that_exist() {
    let known: BTreeSet<_> =
        Message::ALL.iter().map(|message| message.number().to_owned()).collect();
    for (name, text) in documents() {
        let unknown: Vec<_> = numbers(&text).difference(&known).cloned().collect();
        assert!(unknown.is_empty(), "{name}: {unknown:?}");
    }
}

#[test]
fn numbers_are_found_wherever_they_stand() {
    let found = numbers("AJP0101: x, [AJP0102](#ajp0102), AJP13, `AJP01045`");
    assert_eq!(found.into_iter().collect::<Vec<_>>(), ["AJP0101", "AJP0102"]);
}
