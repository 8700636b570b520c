//! What the files said, so that a later look can tell what is new.

use std::cell::RefCell;
use std::collections::BTreeMap;

use crate::migrate::read::files::Files;
use crate::migrate::text::marks::is_ours;

/// All that was read in one conversion. Two that are equal give the same.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Readings {
    files: BTreeMap<String, Result<Vec<u8>, String>>,
    /// Those that could be read before and cannot now, and why; `files` has what they said.
    gone: BTreeMap<String, String>,
}

impl Readings {
    /// How many files there were.
    #[must_use]
    pub fn len(&self) -> usize {
        self.files.len()
    }

    /// Nothing was read.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.files.is_empty()
    }

    /// The files say the same, though some may be gone by now.
    #[must_use]
    pub fn says_the_same(&self, other: &Self) -> bool {
        self.files == other.files
    }

    /// The files that say something else than in `before`, and those that only one of the two has.
    pub fn news<'r>(&'r self, before: &'r Self) -> impl Iterator<Item = &'r str> + 'r {
        let new = self.files.iter().filter(|(path, said)| before.files.get(*path) != Some(*said));
        let left = before.files.iter().filter(|(path, _)| !self.files.contains_key(*path));
        new.chain(left).map(|(path, _)| path.as_str())
    }

    /// The files that are gone now and were not in `before`, with the reason.
    pub fn newly_gone<'r>(
        &'r self,
        before: &'r Self,
    ) -> impl Iterator<Item = (&'r str, &'r str)> + 'r {
        let is_new = |(path, _): &(&'r String, &String)| !before.gone.contains_key(*path);
        self.gone.iter().filter(is_new).map(|(path, why)| (path.as_str(), why.as_str()))
    }
}

/// Reads files and notes what they say.
///
/// A file is read once, so that one look sees it in one state. One that is gone since `before` says
/// what it said then: mod_jk goes on with the rules of a uriworkermap.properties that is removed.
#[derive(Debug)]
pub struct Reader<'r, F> {
    files: &'r F,
    before: &'r Readings,
    now: RefCell<Readings>,
}

impl<'r, F: Files> Reader<'r, F> {
    /// One that has read nothing yet.
    pub fn new(files: &'r F, before: &'r Readings) -> Self {
        Self { files, before, now: RefCell::default() }
    }

    /// What has been read.
    pub fn into_readings(self) -> Readings {
        self.now.into_inner()
    }
}

impl<F: Files> Files for Reader<'_, F> {
    fn read(&self, path: &str) -> Result<Vec<u8>, String> {
        let mut now = self.now.borrow_mut();
        if let Some(known) = now.files.get(path) {
            return known.clone();
        }
        let mut read = self.files.read(path);
        if let (Err(why), Some(Ok(before))) = (&read, self.before.files.get(path)) {
            now.gone.insert(path.to_owned(), why.clone());
            read = Ok(before.clone());
        }
        // What comes of the others does not count among them.
        if !read.as_ref().is_ok_and(|bytes| is_ours(bytes)) {
            now.files.insert(path.to_owned(), read.clone());
        }
        read
    }

    fn find(&self, pattern: &str) -> Vec<String> {
        let found = self.files.find(pattern);
        // Included by its name, and gone.
        if found.is_empty() && matches!(self.before.files.get(pattern), Some(Ok(_))) {
            return vec![pattern.to_owned()];
        }
        found
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Memory(Vec<(&'static str, &'static str)>);

    impl Files for Memory {
        fn read(&self, path: &str) -> Result<Vec<u8>, String> {
            let found = self.0.iter().find(|(name, _)| *name == path);
            found.map(|(_, text)| text.as_bytes().to_vec()).ok_or("no such file".into())
        }
        fn find(&self, pattern: &str) -> Vec<String> {
            let start = pattern.trim_end_matches('*');
            let named = self.0.iter().filter(|(name, _)| name.starts_with(start));
            named.map(|(name, _)| (*name).to_owned()).collect()
        }
    }

    /// What `paths` say; the files of the patterns among them, too.
    fn readings(
        files: Vec<(&'static str, &'static str)>,
        before: &Readings,
        paths: &[&str],
    ) -> Readings {
        let memory = Memory(files);
        let reader = Reader::new(&memory, before);
        for path in paths.iter().flat_map(|path| reader.find(path)) {
            let _ = reader.read(&path);
        }
        reader.into_readings()
    }

    #[test]
    fn a_file_that_is_gone_says_what_it_said_and_is_named_once() {
        let before = readings(vec![("map", "/a=w")], &Readings::default(), &["map"]);
        let once = readings(vec![], &before, &["map"]);
        assert!(once.says_the_same(&before) && once != before);
        assert_eq!(once.newly_gone(&before).collect::<Vec<_>>(), [("map", "no such file")]);
        let twice = readings(vec![], &once, &["map"]);
        assert_eq!(twice, once);
        assert_eq!(twice.newly_gone(&once).count(), 0);
        let back = readings(vec![("map", "/a=w")], &twice, &["map"]);
        assert_eq!(back, before);
    }

    #[test]
    fn a_file_of_a_pattern_may_go_and_come() {
        let files = vec![("sites/a", "A"), ("sites/b", "B")];
        let before = readings(files, &Readings::default(), &["sites/*"]);
        let after = readings(vec![("sites/a", "A")], &before, &["sites/*"]);
        assert!(!after.says_the_same(&before));
        assert_eq!((after.len(), after.newly_gone(&before).count()), (1, 0));
        let last = readings(vec![("sites/a", "a"), ("sites/c", "")], &before, &["sites/*"]);
        assert_eq!(last.news(&before).collect::<Vec<_>>(), ["sites/a", "sites/c", "sites/b"]);
    }

    #[test]
    fn a_file_that_never_was_there_is_missed_until_it_comes() {
        let (none, memory) = (Readings::default(), Memory(vec![]));
        let reader = Reader::new(&memory, &none);
        assert!(reader.read("map").is_err());
        let missing = reader.into_readings();
        assert_eq!(missing.newly_gone(&none).count(), 0);
        assert_ne!(readings(vec![("map", "")], &missing, &["map"]), missing);
    }

    #[test]
    fn what_was_written_from_them_is_not_among_them() {
        let all = vec![("m", "JkMount /a w"), ("o", "# Written by jk2ajp for x.\n")];
        let with = readings(all, &Readings::default(), &["m", "o"]);
        assert_eq!(with, readings(vec![("m", "JkMount /a w")], &Readings::default(), &["m", "o"]));
    }
}
