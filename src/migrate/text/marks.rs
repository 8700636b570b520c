//! Words by which a file that was written here is known again.

/// The first words of each file, in a comment.
pub const WRITTEN: &str = "Written by jk2ajp";

/// The comment before copied lines. What they say is not known here: there may be a secret in them.
pub const COPIED: &str = "What stands beside Jk lines in <IfModule mod_jk.c>, as it is there.";

/// Whether it is a file that was written here, from what the others say.
#[must_use]
pub fn is_ours(bytes: &[u8]) -> bool {
    bytes.strip_prefix(b"# ").is_some_and(|rest| rest.starts_with(WRITTEN.as_bytes()))
}
