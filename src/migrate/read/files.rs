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

/// Files in memory, by their names. A pattern names those that begin as it does up to its `*`.
#[cfg(test)]
pub(crate) struct Memory(pub(crate) Vec<(&'static str, &'static str)>);

#[cfg(test)]
impl Files for Memory {
    fn read(&self, path: &str) -> Result<Vec<u8>, String> {
        let found = self.0.iter().find(|(name, _)| *name == path);
        found.map(|(_, text)| text.as_bytes().to_vec()).ok_or("no such file".into())
    }
    fn find(&self, pattern: &str) -> Vec<String> {
        let start = pattern.split('*').next().unwrap_or_default();
        let named = self.0.iter().filter(|(name, _)| name.starts_with(start));
        named.map(|(name, _)| (*name).to_owned()).collect()
    }
}
