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

fn save_file(directory: &Path, name: &str, text: &[u8]) -> Result<(), Failure> {
    let path = directory.join(name);
    let new = directory.join(format!("{name}.new"));
    let written = OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .open(&new)
        .and_then(|mut opened| opened.write_all(text))
        .and_then(|()| fs::rename(&new, &path));
    written.map_err(|error| failed(&path, &error))
}
