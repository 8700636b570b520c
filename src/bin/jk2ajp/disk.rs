//! The files of this machine: those that are read, and those that are written.

use std::fs::{self, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use mod_proxy_ajp_rs::migrate::{Files, OutputFile};

use crate::Failure;

/// What is there to be read.
#[derive(Debug)]
pub(crate) struct Disk;

impl Files for Disk {
    fn read(&self, path: &str) -> Result<Vec<u8>, String> {
        fs::read(path).map_err(|error| error.to_string())
    }

    fn find(&self, pattern: &str) -> Vec<String> {
        let text = |path: PathBuf| path.to_string_lossy().into_owned();
        if Path::new(pattern).is_dir() {
            let Ok(entries) = fs::read_dir(pattern) else { return Vec::new() };
            let mut found: Vec<PathBuf> = entries.flatten().map(|entry| entry.path()).collect();
            found.retain(|path| path.is_file());
            found.sort();
            return found.into_iter().map(text).collect();
        }
        let Ok(found) = glob::glob(pattern) else { return Vec::new() };
        found.flatten().filter(|path| path.is_file()).map(text).collect()
    }
}

/// What went wrong with a file.
pub(crate) fn failed(path: &Path, error: &io::Error) -> Failure {
    Failure::Files(format!("{}: {error}", path.display()))
}

/// Writes the files, for their owner alone: they may hold secrets. Each is whole or as it was.
pub(crate) fn save(directory: &Path, files: &[OutputFile]) -> Result<(), Failure> {
    fs::create_dir_all(directory).map_err(|error| failed(directory, &error))?;
    for file in files {
        save_file(directory, &file.name, file.text.as_bytes())?;
    }
    Ok(())
}

/// What is in the places of files that are to be written.
#[derive(Debug)]
pub(crate) struct Standing {
    directory: PathBuf,
    files: Vec<(String, Option<Vec<u8>>)>,
}

/// In what the files that are to be written are other than those that are there.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Difference {
    /// In nothing.
    None,
    /// In what httpd passes over: a line of a comment says from where something comes.
    Comments,
    /// In what httpd reads, or one of them is not there.
    Words,
}

impl Standing {
    /// Reads them.
    pub(crate) fn read(directory: &Path, files: &[OutputFile]) -> Result<Self, Failure> {
        let read = |file: &OutputFile| {
            let path = directory.join(&file.name);
            match fs::read(&path) {
                Ok(bytes) => Ok((file.name.clone(), Some(bytes))),
                Err(error) if error.kind() == io::ErrorKind::NotFound => {
                    Ok((file.name.clone(), None))
                }
                Err(error) => Err(failed(&path, &error)),
            }
        };
        let files = files.iter().map(read).collect::<Result<_, _>>()?;
        Ok(Self { directory: directory.to_owned(), files })
    }

    /// The directory has none of them.
    pub(crate) fn is_empty(&self) -> bool {
        self.files.iter().all(|(_, bytes)| bytes.is_none())
    }

    /// Of all of `files`, the greatest.
    pub(crate) fn difference(&self, files: &[OutputFile]) -> Difference {
        let pairs = self.files.iter().zip(files);
        let differences = pairs.map(|((_, bytes), file)| match bytes {
            Some(bytes) if bytes == file.text.as_bytes() => Difference::None,
            Some(bytes)
                if directives(&String::from_utf8_lossy(bytes)).eq(directives(&file.text)) =>
            {
                Difference::Comments
            }
            _ => Difference::Words,
        });
        differences.max().unwrap_or(Difference::None)
    }

    /// Puts all back as it was.
    pub(crate) fn restore(&self) -> Result<(), Failure> {
        for (name, bytes) in &self.files {
            match bytes {
                Some(bytes) => save_file(&self.directory, name, bytes)?,
                None => {
                    let path = self.directory.join(name);
                    match fs::remove_file(&path) {
                        Err(error) if error.kind() != io::ErrorKind::NotFound => {
                            return Err(failed(&path, &error));
                        }
                        _ => {}
                    }
                }
            }
        }
        Ok(())
    }
}

/// The lines that httpd reads.
fn directives(text: &str) -> impl Iterator<Item = &str> {
    text.lines().filter(|line| !line.trim_start().starts_with('#'))
}

fn save_file(directory: &Path, name: &str, text: &[u8]) -> Result<(), Failure> {
    let path = directory.join(name);
    // A pattern of Include does not match a name that begins with a dot.
    let new = directory.join(format!(".{name}.new"));
    let written = OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .open(&new)
        .and_then(|mut opened| opened.write_all(text).and_then(|()| opened.sync_all()))
        .and_then(|()| fs::rename(&new, &path));
    written.map_err(|error| failed(&path, &error))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(name: &str, text: &str) -> OutputFile {
        OutputFile { name: name.into(), text: text.into(), host: None }
    }

    #[test]
    fn what_is_there_is_compared_and_can_be_put_back() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path();
        let old = [file("a", "# m:1\nA\n"), file("b", "B\n")];
        assert!(Standing::read(path, &old).unwrap().is_empty());
        save(path, &old).unwrap();
        let standing = Standing::read(path, &old).unwrap();
        let with = |text: &str| [file("a", text), file("b", "B\n")];
        assert_eq!(standing.difference(&old), Difference::None);
        assert_eq!(standing.difference(&with("# m:2\n  # more\nA\n")), Difference::Comments);
        assert_eq!(standing.difference(&with("# m:1\nA 1\n")), Difference::Words);

        let new = [file("a", "C\n"), file("c", "C\n")];
        let standing = Standing::read(path, &new).unwrap();
        assert_eq!(standing.difference(&new), Difference::Words, "and c is missing");
        save(path, &new).unwrap();
        standing.restore().unwrap();
        let text = |name: &str| fs::read_to_string(path.join(name)).ok();
        let all = ["a", "b", "c"].map(text);
        assert_eq!(all, [Some("# m:1\nA\n".into()), Some("B\n".into()), None]);
        assert_eq!(fs::read_dir(path).unwrap().count(), 2, "nothing is left aside");
    }
}
