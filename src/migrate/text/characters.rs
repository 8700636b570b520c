//! Blanks and control characters.

/// Takes C's white space off both ends.
pub fn trim(text: &str) -> &str {
    text.trim_matches([' ', '\t', '\r', '\n', '\x0B', '\x0C'])
}

/// What is said of one, where nothing can be written with it.
pub const CONTROL_CHARACTER: &str = "a control character";

/// The first control character (also of U+0080 to U+009F) that is no tab, as a slice of the text.
#[must_use]
pub fn control_character(text: &str) -> Option<&str> {
    let (at, c) = text.char_indices().find(|(_, c)| c.is_control() && *c != '\t')?;
    text.get(at..at + c.len_utf8())
}
