//! Reads `tests/codec/golden/*.hex`.

use std::fs;
use std::path::{Path, PathBuf};

use crate::places::root;

/// One golden file. Lines that start with `#` are comments, and the first says where the bytes come from. The
/// rest is one packet or several, in hexadecimal.
#[derive(Debug)]
pub struct Golden {
    /// The file name, without `.hex`.
    pub name: String,
    /// The packets.
    pub bytes: Vec<u8>,
}

/// Reads the file of this name.
pub fn golden(name: &str) -> Golden {
    read(&folder().join(format!("{name}.hex")))
}

/// Reads all files, in the order of their names.
pub fn all_golden() -> Vec<Golden> {
    let entries = fs::read_dir(folder()).expect("tests/codec/golden is there");
    let paths = entries.map(|entry| entry.expect("readable").path());
    let mut paths: Vec<_> =
        paths.filter(|path| path.extension().is_some_and(|extension| extension == "hex")).collect();
    paths.sort();
    paths.iter().map(|path| read(path)).collect()
}

fn folder() -> PathBuf {
    root().join("tests/codec/golden")
}

fn read(path: &Path) -> Golden {
    let text = fs::read_to_string(path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
    assert!(text.starts_with("# "), "{}: no origin", path.display());
    let hex = text.lines().filter(|line| !line.starts_with('#')).flat_map(str::split_whitespace);
    let bytes = hex.map(|byte| {
        u8::from_str_radix(byte, 16).unwrap_or_else(|e| panic!("{}: {byte}: {e}", path.display()))
    });
    let name = path.file_stem().expect("a file").to_string_lossy().into_owned();
    Golden { name, bytes: bytes.collect() }
}
