//! The files of this machine: those that are read, and those that are written.

use std::fs::{self, File, Metadata, Permissions};
use std::io::{self, ErrorKind, Write};
use std::os::unix::fs::{MetadataExt, PermissionsExt, fchown};
use std::path::{Path, PathBuf};

use mod_proxy_ajp_rs::migrate::{COPIED, Files, OutputFile};
use rustix::process::geteuid;

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

/// Writes the files. Each is whole or as it was, and stays its owner's; a new one, and one that holds
/// a secret, is for its owner alone.
pub(crate) fn save(directory: &Path, files: &[OutputFile]) -> Result<(), Failure> {
    fs::create_dir_all(directory).map_err(|error| failed(directory, &error))?;
    for file in files {
        save_file(directory, &file.name, file.text.as_bytes(), None)?;
    }
    Ok(())
}

/// What is in the places of files that are to be written.
#[derive(Debug)]
pub(crate) struct Standing {
    directory: PathBuf,
    /// By their names; `None` where there is none.
    files: Vec<(String, Option<Content>)>,
}

/// What is in a file, and who may read it.
type Content = (Vec<u8>, Permissions);

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
            match fs::read(&path).and_then(|bytes| Ok((bytes, fs::metadata(&path)?.permissions())))
            {
                Ok(is) => Ok((file.name.clone(), Some(is))),
                Err(error) if error.kind() == ErrorKind::NotFound => Ok((file.name.clone(), None)),
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
            Some((bytes, _)) if bytes == file.text.as_bytes() => Difference::None,
            Some((bytes, _))
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

/// The lines that httpd reads.
fn directives(text: &str) -> impl Iterator<Item = &str> {
    text.lines().filter(|line| !line.trim_start().starts_with('#'))
}

/// `permissions`: those it is to have, in the place of those it has.
fn save_file(
    directory: &Path,
    name: &str,
    text: &[u8],
    permissions: Option<&Permissions>,
) -> Result<(), Failure> {
    let path = directory.join(name);
    let write = || {
        // A new file with a name that nobody knows before, for its owner alone; removed where it is
        // not put in place. A pattern of Include does not match a name that begins with a dot.
        let mut new = tempfile::Builder::new()
            .prefix(&format!(".{name}."))
            .permissions(Permissions::from_mode(0o600))
            .tempfile_in(directory)?;
        new.write_all(text)?;
        if let Some(old) = trusted(directory, &path)? {
            let all = permissions.unwrap_or(&old.permissions()).mode() & 0o777;
            let mode = if has_secret(text) { all & 0o600 } else { all };
            hand_over(new.as_file(), &old, mode)?;
        }
        new.as_file().sync_all()?;
        new.persist(&path)?;
        Ok(())
    };
    write().map_err(|error| failed(&path, &error))
}

/// The file that is to be replaced, if nobody but us, root and who has the directory can have put it there.
fn trusted(directory: &Path, path: &Path) -> io::Result<Option<Metadata>> {
    let old = match fs::symlink_metadata(path) {
        Ok(old) if old.is_file() => old,
        Ok(_) => return Ok(None),
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error),
    };
    let directory = fs::metadata(directory)?;
    let others_write = directory.mode() & 0o022 != 0;
    let is_known = [0, geteuid().as_raw(), directory.uid()].contains(&old.uid());
    Ok((is_known || !others_write).then_some(old))
}

/// Makes the file its owner's.
fn hand_over(file: &File, old: &Metadata, mode: u32) -> io::Result<()> {
    let new = file.metadata()?;
    if new.uid() != old.uid() {
        fchown(file, Some(old.uid()), None).map_err(|error| {
            let text = format!("only root can leave it to its owner, {}: {error}", old.uid());
            io::Error::new(error.kind(), text)
        })?;
    }
    // A group that is not ours gets nothing.
    let is_group_s = new.gid() == old.gid() || fchown(file, None, Some(old.gid())).is_ok();
    let mode = if is_group_s { mode } else { mode & 0o707 };
    file.set_permissions(Permissions::from_mode(mode))
}

/// Whether it is for its owner's eyes: there is a secret in it, or what may be one, since lines are
/// copied as they are.
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

        fs::set_permissions(path.join("a"), Permissions::from_mode(0o644)).unwrap();
        let new = [file("a", "C secret=x\n"), file("c", "C\n")];
        let standing = Standing::read(path, &new).unwrap();
        assert_eq!(standing.difference(&new), Difference::Words, "and c is missing");
        let mode = || fs::metadata(path.join("a")).unwrap().mode() & 0o777;
        save(path, &new).unwrap();
        assert_eq!(mode(), 0o600);
        standing.restore().unwrap();
        assert_eq!(mode(), 0o644);
        let text = |name: &str| fs::read_to_string(path.join(name)).ok();
        let all = ["a", "b", "c"].map(text);
        assert_eq!(all, [Some("# m:1\nA\n".into()), Some("B\n".into()), None]);
        assert_eq!(fs::read_dir(path).unwrap().count(), 2, "nothing is left aside");
    }
}
