//! The files of this machine: reads the ones to convert, and writes the result.

use std::fs::{self, File, Metadata, Permissions};
use std::io::{self, ErrorKind, Write};
use std::os::unix::fs::{MetadataExt, PermissionsExt, fchown};
use std::path::{Path, PathBuf};

use mod_proxy_ajp_rs::migrate::{COPIED, Files, OutputFile};
use rustix::process::geteuid;

use crate::failure::Failure;

/// The file system.
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

/// Returns the failure of a file operation, with the path.
pub(crate) fn failed(path: &Path, error: &io::Error) -> Failure {
    Failure::Io(format!("{}: {error}", path.display()))
}

/// Writes the files.
///
/// Each file is replaced as a whole or not at all, and keeps its owner. A new file, and one that holds
/// a secret, can be read by its owner only.
pub(crate) fn save(directory: &Path, files: &[OutputFile]) -> Result<(), Failure> {
    fs::create_dir_all(directory).map_err(|error| failed(directory, &error))?;
    for file in files {
        save_file(directory, &file.name, file.text.as_bytes(), None)?;
    }
    Ok(())
}

/// The files of the output directory as they were before a new version is written.
#[derive(Debug)]
pub(crate) struct FileState {
    directory: PathBuf,
    /// Each name with the content; `None` if there is no such file.
    files: Vec<(String, Option<Content>)>,
}

/// A file's content and its mode.
type Content = (Vec<u8>, Permissions);

/// How new files differ from those in the directory. The greatest difference is the last.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Difference {
    /// Not at all.
    None,
    /// Only in comments, which httpd ignores; they name the lines that something comes from.
    Comments,
    /// In a directive, or because a file does not exist yet.
    Directives,
}

impl FileState {
    /// Reads the files that `files` will replace.
    pub(crate) fn read(directory: &Path, files: &[OutputFile]) -> Result<Self, Failure> {
        let read = |file: &OutputFile| {
            let path = directory.join(&file.name);
            match fs::read(&path).and_then(|bytes| Ok((bytes, fs::metadata(&path)?.permissions())))
            {
                Ok(content) => Ok((file.name.clone(), Some(content))),
                Err(error) if error.kind() == ErrorKind::NotFound => Ok((file.name.clone(), None)),
                Err(error) => Err(failed(&path, &error)),
            }
        };
        let files = files.iter().map(read).collect::<Result<_, _>>()?;
        Ok(Self { directory: directory.to_owned(), files })
    }

    /// Returns whether the directory has none of the files.
    pub(crate) fn is_empty(&self) -> bool {
        self.files.iter().all(|(_, bytes)| bytes.is_none())
    }

    /// Returns the greatest difference to any of `files`.
    pub(crate) fn difference(&self, files: &[OutputFile]) -> Difference {
        let pairs = self.files.iter().zip(files);
        let differences = pairs.map(|((_, bytes), file)| match bytes {
            Some((bytes, _)) if bytes == file.text.as_bytes() => Difference::None,
            Some((bytes, _))
                if directives(&String::from_utf8_lossy(bytes)).eq(directives(&file.text)) =>
            {
                Difference::Comments
            }
            _ => Difference::Directives,
        });
        differences.max().unwrap_or(Difference::None)
    }

    /// Restores all files, and removes those that did not exist.
    pub(crate) fn restore(&self) -> Result<(), Failure> {
        for (name, bytes) in &self.files {
            match bytes {
                Some((bytes, permissions)) => {
                    save_file(&self.directory, name, bytes, Some(permissions))?;
                }
                None => {
                    let path = self.directory.join(name);
                    match fs::remove_file(&path) {
                        Err(error) if error.kind() != ErrorKind::NotFound => {
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

/// Returns the lines that httpd does not ignore.
fn directives(text: &str) -> impl Iterator<Item = &str> {
    text.lines().filter(|line| !line.trim_start().starts_with('#'))
}

/// Writes a file. It gets `permissions`; if `None`, those of the file it replaces.
fn save_file(
    directory: &Path,
    name: &str,
    text: &[u8],
    permissions: Option<&Permissions>,
) -> Result<(), Failure> {
    let path = directory.join(name);
    let write = || {
        // A temporary file with an unpredictable name and mode 600, which is removed unless it is
        // renamed to its final name. No pattern of Include matches a name that begins with a dot.
        let mut new = tempfile::Builder::new()
            .prefix(&format!(".{name}."))
            .permissions(Permissions::from_mode(0o600))
            .tempfile_in(directory)?;
        new.write_all(text)?;
        if let Some(old) = trusted(directory, &path)? {
            let mode = permissions.unwrap_or(&old.permissions()).mode() & 0o777;
            let mode = if has_secret(text) { mode & 0o600 } else { mode };
            keep_owner(new.as_file(), &old, mode)?;
        }
        new.as_file().sync_all()?;
        new.persist(&path)?;
        Ok(())
    };
    write().map_err(|error| failed(&path, &error))
}

/// Returns the file to be replaced, if only this user, root or the directory's owner can have created it.
fn trusted(directory: &Path, path: &Path) -> io::Result<Option<Metadata>> {
    let old = match fs::symlink_metadata(path) {
        Ok(old) if old.is_file() => old,
        Ok(_) => return Ok(None),
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error),
    };
    let directory = fs::metadata(directory)?;
    let others_write = directory.mode() & 0o022 != 0;
    let is_trusted = [0, geteuid().as_raw(), directory.uid()].contains(&old.uid());
    Ok((is_trusted || !others_write).then_some(old))
}

/// Gives the new file the owner and group of the old one, and the mode.
fn keep_owner(file: &File, old: &Metadata, mode: u32) -> io::Result<()> {
    let new = file.metadata()?;
    if new.uid() != old.uid() {
        fchown(file, Some(old.uid()), None).map_err(|error| {
            let text =
                format!("cannot keep its owner (uid {}), which only root can: {error}", old.uid());
            io::Error::new(error.kind(), text)
        })?;
    }
    // If the group cannot be kept, it gets no access.
    let has_group = new.gid() == old.gid() || fchown(file, None, Some(old.gid())).is_ok();
    let mode = if has_group { mode } else { mode & 0o707 };
    file.set_permissions(Permissions::from_mode(mode))
}

/// Returns whether the text holds a secret, or may hold one because lines were copied into it
/// unchanged.
fn has_secret(text: &[u8]) -> bool {
    let has = |word: &str| memchr::memmem::find(text, word.as_bytes()).is_some();
    has("secret=") || has(COPIED)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(name: &str, text: &str) -> OutputFile {
        OutputFile { name: name.into(), text: text.into(), host: None }
    }

    #[test]
    fn a_file_with_copied_lines_may_have_a_secret_in_it() {
        assert!(has_secret(format!("# {COPIED}\nAuthLDAPBindPassword x\n").as_bytes()));
        assert!(has_secret(b"ProxySet secret=x"));
        assert!(!has_secret(b"ProxySet timeout=1"));
    }

    #[test]
    fn files_are_compared_with_their_new_version_and_can_be_restored() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path();
        let old = [file("a", "# m:1\nA\n"), file("b", "B\n")];
        assert!(FileState::read(path, &old).unwrap().is_empty());
        save(path, &old).unwrap();
        let state = FileState::read(path, &old).unwrap();
        let with = |text: &str| [file("a", text), file("b", "B\n")];
        assert_eq!(state.difference(&old), Difference::None);
        assert_eq!(state.difference(&with("# m:2\n  # more\nA\n")), Difference::Comments);
        assert_eq!(state.difference(&with("# m:1\nA 1\n")), Difference::Directives);

        fs::set_permissions(path.join("a"), Permissions::from_mode(0o644)).unwrap();
        let new = [file("a", "C secret=x\n"), file("c", "C\n")];
        let state = FileState::read(path, &new).unwrap();
        assert_eq!(state.difference(&new), Difference::Directives, "c does not exist");
        let mode = || fs::metadata(path.join("a")).unwrap().mode() & 0o777;
        save(path, &new).unwrap();
        assert_eq!(mode(), 0o600);
        state.restore().unwrap();
        assert_eq!(mode(), 0o644);
        let text = |name: &str| fs::read_to_string(path.join(name)).ok();
        let all = ["a", "b", "c"].map(text);
        assert_eq!(all, [Some("# m:1\nA\n".into()), Some("B\n".into()), None]);
        assert_eq!(fs::read_dir(path).unwrap().count(), 2, "no temporary file is left");
    }
}
