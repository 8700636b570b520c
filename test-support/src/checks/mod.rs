//! What must hold for any bytes: fuzz targets and tests share it (see also `ajp::properties`).

pub mod config;
pub mod handshake;
pub mod jk2ajp;
pub mod orders;

use std::fs;

use crate::places::root;

/// Gives each input of the kept corpus of this fuzz target to `check`.
///
/// # Panics
/// If there are none, and as `check` does; the input is named on standard error.
pub fn each_kept(target: &str, check: impl Fn(&[u8])) {
    let folder = root().join("fuzz/corpus").join(target);
    let entries = fs::read_dir(&folder).unwrap_or_else(|e| panic!("{}: {e}", folder.display()));
    let mut count = 0;
    for entry in entries {
        let path = entry.expect("readable").path();
        eprintln!("{}", path.display());
        check(&fs::read(&path).expect("readable"));
        count += 1;
    }
    assert!(count > 0, "{} is empty", folder.display());
}
