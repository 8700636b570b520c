//! Where files come from.

/// The files of the machine, or what stands for them.
pub trait Files {
    /// All of a file.
    ///
    /// # Errors
    /// Why it cannot be read.
    fn read(&self, path: &str) -> Result<Vec<u8>, String>;

    /// The files that an Include names: one, those of a directory, or those a pattern matches, in
    /// their order.
    fn find(&self, pattern: &str) -> Vec<String>;
}

/// A path as httpd takes it: below ServerRoot, unless it begins at the root.
#[must_use]
pub fn resolve_path(root: Option<&str>, path: &str) -> String {
    match root {
        Some(root) if !path.starts_with('/') => format!("{}/{path}", root.trim_end_matches('/')),
        _ => path.into(),
    }
}
