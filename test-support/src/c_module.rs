//! Modules of httpd in C, of this folder, compiled with the server's own flags.

use std::path::PathBuf;
use std::process::Command;

use super::places::root;

/// Compiles `test-support/src/NAME.c`. Returns the module's path.
pub(crate) fn compiled(name: &str) -> PathBuf {
    let source = root().join(format!("test-support/src/{name}.c"));
    let directory = tempfile::tempdir().expect("a temporary directory").keep();
    super::process::remove_at_end(&directory);
    let module = directory.join(format!("mod_test_{name}.so"));
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
