//! Comments by which written files, and parts of them, are recognized.

/// The beginning of the comment at the head of each file.
pub const WRITTEN: &str = "Written by jk2ajp";

/// The comment before copied lines. These may hold a secret, since their content is not interpreted.
pub const COPIED: &str = "Copied unchanged: the lines beside Jk lines in <IfModule mod_jk.c>.";

/// Returns whether a file is the output of an earlier conversion.
#[must_use]
pub fn is_output(bytes: &[u8]) -> bool {
    bytes.strip_prefix(b"# ").is_some_and(|rest| rest.starts_with(WRITTEN.as_bytes()))
}
