//! Access to files.

/// The files to convert: those of the machine, or of a test.
pub trait Files {
    /// Reads a whole file.
    ///
    /// # Errors
    /// The reason why the file cannot be read.
    fn read(&self, path: &str) -> Result<Vec<u8>, String>;

    /// Returns the files that an Include names, in httpd's order: one file, those of a directory, or
    /// those that match a pattern.
    fn find(&self, pattern: &str) -> Vec<String>;
}

/// Returns a path as httpd resolves it: relative to ServerRoot, unless it is absolute.
#[must_use]
pub fn resolve_path(root: Option<&str>, path: &str) -> String {
    match root {
        Some(root) if !path.starts_with('/') => format!("{}/{path}", root.trim_end_matches('/')),
        _ => path.into(),
    }
}
