//! The content of all files of a conversion, to compare it with a later one.

use std::cell::RefCell;
use std::collections::BTreeMap;

use crate::migrate::read::files::Files;
use crate::migrate::text::marks::is_output;

/// The content of all files that one conversion read. Equal snapshots give equal results.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FileSnapshot {
    files: BTreeMap<String, Result<Vec<u8>, String>>,
    /// Files that could be read before and cannot now, with the reason. `files` has their last content.
    missing: BTreeMap<String, String>,
}

impl FileSnapshot {
    /// Returns the number of files.
    #[must_use]
    pub fn len(&self) -> usize {
        self.files.len()
    }

    /// Returns whether no file was read.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.files.is_empty()
    }

    /// Returns whether all files have the same content, even if some are missing by now.
    #[must_use]
    pub fn has_same_content(&self, other: &Self) -> bool {
        self.files == other.files
    }

    /// Returns the files with other content than in `before`, and those that only one of the two has.
    pub fn changed<'r>(&'r self, before: &'r Self) -> impl Iterator<Item = &'r str> + 'r {
        let new =
            self.files.iter().filter(|(path, content)| before.files.get(*path) != Some(*content));
        let removed = before.files.iter().filter(|(path, _)| !self.files.contains_key(*path));
        new.chain(removed).map(|(path, _)| path.as_str())
    }

    /// Returns the files that are missing now and were not in `before`, with the reason.
    pub fn newly_missing<'r>(
        &'r self,
        before: &'r Self,
    ) -> impl Iterator<Item = (&'r str, &'r str)> + 'r {
        let is_newly = |(path, _): &(&'r String, &String)| !before.missing.contains_key(*path);
        self.missing.iter().filter(is_newly).map(|(path, why)| (path.as_str(), why.as_str()))
    }
}

/// Reads files and records their content.
///
/// Each file is read once, so that a conversion sees it in one state. A file that has become missing
/// since `before` still gives the content it had then: mod_jk keeps the rules of a
/// uriworkermap.properties that is removed.
#[derive(Debug)]
pub struct SnapshotReader<'r, F> {
    files: &'r F,
    before: &'r FileSnapshot,
    now: RefCell<FileSnapshot>,
}

impl<'r, F: Files> SnapshotReader<'r, F> {
    /// Creates a reader that has read nothing yet.
    pub fn new(files: &'r F, before: &'r FileSnapshot) -> Self {
        Self { files, before, now: RefCell::default() }
    }

    /// Returns the content of the files that were read.
    pub fn into_snapshot(self) -> FileSnapshot {
        self.now.into_inner()
    }
}

impl<F: Files> Files for SnapshotReader<'_, F> {
    fn read(&self, path: &str) -> Result<Vec<u8>, String> {
        let mut now = self.now.borrow_mut();
        if let Some(known) = now.files.get(path) {
            return known.clone();
        }
        let mut read = self.files.read(path);
        if let (Err(why), Some(Ok(before))) = (&read, self.before.files.get(path)) {
            now.missing.insert(path.to_owned(), why.clone());
            read = Ok(before.clone());
        }
        // The output of a conversion is no input of the next one.
        if !read.as_ref().is_ok_and(|bytes| is_output(bytes)) {
            now.files.insert(path.to_owned(), read.clone());
        }
        read
    }

    fn find(&self, pattern: &str) -> Vec<String> {
        let found = self.files.find(pattern);
        // A file that is included by its own name, not by a pattern, and is missing.
        if found.is_empty() && matches!(self.before.files.get(pattern), Some(Ok(_))) {
            return vec![pattern.to_owned()];
        }
        found
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::migrate::read::files::Memory;

    /// Takes a snapshot of `paths`, which may be patterns.
    fn snapshot(
        files: Vec<(&'static str, &'static str)>,
        before: &FileSnapshot,
        paths: &[&str],
    ) -> FileSnapshot {
        let memory = Memory(files);
        let reader = SnapshotReader::new(&memory, before);
        for path in paths.iter().flat_map(|path| reader.find(path)) {
            let _ = reader.read(&path);
        }
        reader.into_snapshot()
    }

    #[test]
    fn a_missing_file_keeps_its_content_and_is_named_once() {
        let before = snapshot(vec![("map", "/a=w")], &FileSnapshot::default(), &["map"]);
        let once = snapshot(vec![], &before, &["map"]);
        assert!(once.has_same_content(&before) && once != before);
        assert_eq!(once.newly_missing(&before).collect::<Vec<_>>(), [("map", "no such file")]);
        let twice = snapshot(vec![], &once, &["map"]);
        assert_eq!(twice, once);
        assert_eq!(twice.newly_missing(&once).count(), 0);
        let back = snapshot(vec![("map", "/a=w")], &twice, &["map"]);
        assert_eq!(back, before);
    }

    #[test]
    fn files_that_match_a_pattern_may_come_and_go() {
        let files = vec![("sites/a", "A"), ("sites/b", "B")];
        let before = snapshot(files, &FileSnapshot::default(), &["sites/*"]);
        let after = snapshot(vec![("sites/a", "A")], &before, &["sites/*"]);
        assert!(!after.has_same_content(&before));
        assert_eq!((after.len(), after.newly_missing(&before).count()), (1, 0));
        let last = snapshot(vec![("sites/a", "a"), ("sites/c", "")], &before, &["sites/*"]);
        assert_eq!(last.changed(&before).collect::<Vec<_>>(), ["sites/a", "sites/c", "sites/b"]);
    }

    #[test]
    fn a_file_that_never_existed_is_an_error_until_it_appears() {
        let (none, memory) = (FileSnapshot::default(), Memory(vec![]));
        let reader = SnapshotReader::new(&memory, &none);
        assert!(reader.read("map").is_err());
        let absent = reader.into_snapshot();
        assert_eq!(absent.newly_missing(&none).count(), 0);
        assert_ne!(snapshot(vec![("map", "")], &absent, &["map"]), absent);
    }

    #[test]
    fn written_files_are_no_part_of_a_snapshot() {
        let all = vec![("m", "JkMount /a w"), ("o", "# Written by jk2ajp for x.\n")];
        let with = snapshot(all, &FileSnapshot::default(), &["m", "o"]);
        assert_eq!(
            with,
            snapshot(vec![("m", "JkMount /a w")], &FileSnapshot::default(), &["m", "o"])
        );
    }
}
