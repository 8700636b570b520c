//! A library built for a newer httpd than the one that loads it.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use test_support::httpd::{Httpd, Module};

/// The answer of this machine's apxs.
fn apxs(key: &str) -> String {
    let output = Command::new("apxs").args(["-q", key]).output().expect("apxs (ci/setup)");
    String::from_utf8(output.stdout).expect("a path in UTF-8").trim().to_owned()
}

/// An apxs whose headers are those of a server some releases ahead.
fn apxs_of_the_future(directory: &Path) -> PathBuf {
    let headers = directory.join("include");
    let system = apxs("INCLUDEDIR");
    let copied =
        Command::new("cp").args(["-r", &system]).arg(&headers).status().expect("cp is there");
    assert!(copied.success());
    let mmn = headers.join("ap_mmn.h");
    let text = fs::read_to_string(&mmn).expect("every httpd has it");
    let (before, after) =
        text.split_once("#define MODULE_MAGIC_NUMBER_MINOR ").expect("so does this");
    let rest = after.trim_start_matches(|c: char| c.is_ascii_digit());
    fs::write(&mmn, format!("{before}#define MODULE_MAGIC_NUMBER_MINOR 9999{rest}"))
        .expect("our own copy");
    let script = directory.join("apxs");
    fs::write(
        &script,
        format!(
            "#!/bin/sh\napxs \"$@\" | sed 's|{system}|{headers}|g'\n",
            headers = headers.display()
        ),
    )
    .expect("our own directory");
    fs::set_permissions(&script, Permissions::from_mode(0o755)).expect("it is ours");
    script
}

#[test]
fn on_an_httpd_older_than_it_was_built_for_the_module_refuses_to_start_with_a_message() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let target = Path::new(env!("CARGO_TARGET_TMPDIR")).join("newer-httpd");
    let output = Command::new(env!("CARGO"))
        .args(["build", "--lib", "--target-dir"])
        .arg(&target)
        .env("APXS", apxs_of_the_future(directory.path()))
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .output()
        .expect("cargo runs this test");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));

    let library = target.join("debug/libmod_proxy_ajp_rs.so");
    let httpd = Httpd::setup().module(Module::File(library)).conf("ProxyPass /a ajp://localhost/a");
    let (started, said) = httpd.configtest();

    assert!(!started);
    assert!(said.contains("was built for a newer httpd"), "{said}");
    assert!(said.contains("20120211:9999"), "{said}");
    assert!(said.contains("Build the module on this server"), "{said}");
}
