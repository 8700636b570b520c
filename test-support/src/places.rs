//! Where the sources are, and what cargo has built of them.

use std::fs;
use std::path::{Path, PathBuf};

/// The root of the sources: the folder of the module's `Cargo.toml`.
pub fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the support crate is in a folder of it")
}

/// The folder of the running test (`target/debug/deps`), where cargo puts the libraries it builds.
fn libraries() -> PathBuf {
    let test = std::env::current_exe().expect("Linux knows our path");
    test.parent().expect("a program is in a folder").to_owned()
}

/// The library under test, as cargo has built it for this test.
pub fn library() -> PathBuf {
    libraries().join("libmod_proxy_ajp_rs.so")
}

/// A program of the package, as cargo has built it for this test.
pub fn program(name: &str) -> PathBuf {
    let path = libraries().with_file_name(name);
    assert!(path.exists(), "cargo builds {} for the tests of its package", path.display());
    path
}

/// The folder of `CARGO_TARGET_TMPDIR`, for what a test builds and the next run finds there.
pub fn scratch() -> PathBuf {
    let profile = libraries().parent().expect("a folder of cargo's").to_owned();
    let path = profile.with_file_name("tmp");
    fs::create_dir_all(&path).expect("the target directory is ours");
    path
}
