//! What the pages take from the documents: examples, paragraphs and rows of tables.

use clap_mangen::roff::{Inline, Roff, bold, roman};

/// The first example in a language: what is between the fences.
pub(crate) fn first_example<'d>(document: &'d str, language: &str) -> &'d str {
    let start = format!("```{language}\n");
    let from = document.find(&start).expect("a document begins with an example") + start.len();
    let example = &document[from..];
    &example[..example.find("\n```").expect("every example ends") + 1]
}

/// The first paragraph below the title.
pub(crate) fn first_paragraph(document: &str) -> String {
    let lines = document.lines().skip(1).skip_while(|line| line.is_empty());
    lines.take_while(|line| !line.is_empty()).collect::<Vec<_>>().join(" ")
}

/// The rows of the table whose heading row begins with `heading`, cell by cell.
pub(crate) fn table(document: &str, heading: &str) -> Vec<Vec<String>> {
    let lines = document.lines().skip_while(|line| !line.starts_with(heading)).skip(2);
    lines.take_while(|line| line.starts_with('|')).map(cells).collect()
}

/// The rows that begin with `start`, whatever their table, cell by cell.
pub(crate) fn rows_of(document: &str, start: &str) -> impl Iterator<Item = Vec<String>> {
    document.lines().filter(move |line| line.starts_with(start)).map(cells)
}

fn cells(row: &str) -> Vec<String> {
    row.trim_matches('|').split('|').map(|cell| cell.trim().to_owned()).collect()
}

/// Text without marks: for what is set in one face as a whole.
pub(crate) fn plain(text: &str) -> String {
    pieces(text).into_iter().map(|(text, _)| text).collect()
}

/// Text with code and emphasis in bold, and links as their words.
pub(crate) fn inlines(text: &str) -> Vec<Inline> {
    let pieces = pieces(text).into_iter();
    pieces.map(|(text, is_bold)| if is_bold { bold(text) } else { roman(text) }).collect()
}

/// Lines that are shown as they are.
pub(crate) fn example(roff: &mut Roff, text: &str) {
    roff.control("PP", []).control("RS", ["4"]).control("nf", []);
    for line in text.lines() {
        roff.text([roman(line)]);
    }
    roff.control("fi", []).control("RE", []);
}

/// The pieces of a text, and whether each is code or emphasised.
fn pieces(text: &str) -> Vec<(String, bool)> {
    let mut pieces = Vec::new();
    for (at, span) in text.split('`').enumerate() {
        if at % 2 == 1 {
            pieces.push((span.to_owned(), true));
            continue;
        }
        for (at, part) in span.split("**").enumerate() {
            pieces.push((part.to_owned(), at % 2 == 1));
        }
    }
    let mut without_links: Vec<(String, bool)> = Vec::new();
    let mut in_target = false;
    for (text, is_bold) in pieces {
        let text = if is_bold { text } else { link_words(&text, &mut in_target) };
        if !text.is_empty() {
            without_links.push((text, is_bold));
        }
    }
    without_links
}

/// Takes brackets and targets out of a text. A link's words may have code, so that the text may begin within one.
fn link_words(text: &str, in_target: &mut bool) -> String {
    let mut words = String::new();
    let mut rest = text;
    loop {
        if *in_target {
            let Some(end) = rest.find(')') else { return words };
            rest = &rest[end + 1..];
            *in_target = false;
        }
        let Some(at) = rest.find("](") else {
            words.push_str(&rest.replace('[', ""));
            return words;
        };
        words.push_str(&rest[..at].replace('[', ""));
        rest = &rest[at + 2..];
        *in_target = true;
    }
}
