//! Blanks and control characters.

/// Removes white space, as C defines it, from both ends.
pub fn trim(text: &str) -> &str {
    text.trim_matches([' ', '\t', '\r', '\n', '\x0B', '\x0C'])
}

/// The text of the error for a line with a control character, which cannot be written.
pub const CONTROL_CHARACTER: &str = "a control character";

/// Returns the first control character other than a tab (U+0080 to U+009F included), as a slice of the text.
#[must_use]
pub fn control_character(text: &str) -> Option<&str> {
    let (at, c) = text.char_indices().find(|(_, c)| c.is_control() && *c != '\t')?;
    text.get(at..at + c.len_utf8())
}
