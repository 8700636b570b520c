//! The module of `filters.c`, compiled with the server's own flags.

use std::path::PathBuf;
use std::process::Command;
use std::sync::OnceLock;

use super::places::root;

/// Returns the `LoadModule` line of the filters NOTHING and HESITATING (input), RESET, BROKEN_PIPE and
/// SENDFILE (output).
pub fn load() -> String {
    static BUILT: OnceLock<PathBuf> = OnceLock::new();
    format!("LoadModule test_filters_module \"{}\"", BUILT.get_or_init(build).display())
}

fn build() -> PathBuf {
    let source = root().join("test-support/src/filters.c");
    let directory = tempfile::tempdir().expect("a temporary directory").keep();
    super::process::remove_at_end(&directory);
    let module = directory.join("mod_test_filters.so");
    let words = |key: &str| -> Vec<String> {
        let output = Command::new("apxs").args(["-q", key]).output().expect("apxs (ci/setup)");
        let text = String::from_utf8(output.stdout).expect("flags in UTF-8");
        text.split_whitespace().map(str::to_owned).collect()
    };
    let flags = ["CFLAGS", "EXTRA_CPPFLAGS", "EXTRA_CFLAGS", "EXTRA_INCLUDES"].map(words).concat();
    let output = Command::new("cc")
        .args(flags)
        .arg(format!("-I{}", words("INCLUDEDIR").concat()))
        .args(["-shared", "-fPIC", "-o"])
        .args([&module, &source])
        .output()
        .expect("a C compiler (ci/setup)");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    module
}
