//! What `ci/install` needs of the machine.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::PathBuf;
use std::process::Command;

use super::{Place, succeed};

/// A directory with links to the commands that every system has, and to those named; nothing else is on the path.
fn path_of(place: &Place, others: &[&str]) -> PathBuf {
    let directory = place.path("built/commands");
    fs::create_dir_all(&directory).expect("our own directory");
    let basic = [
        "bash", "sh", "env", "dirname", "basename", "sed", "grep", "awk", "cat", "cp", "mv", "rm",
        "tee", "install", "mktemp", "id", "cmp", "tr", "true", "gzip",
    ];
    for name in basic.iter().chain(others) {
        let found = succeed(Command::new("sh").args(["-c", "command -v -- \"$1\"", "-", name]));
        symlink(found.trim(), directory.join(name)).expect("our own directory");
    }
    directory
}

#[test]
fn what_is_missing_is_named_with_the_commands_of_apt_dnf_and_apk() {
    let place = Place::new("conf");

    let output = place
        .install()
        .env("PATH", path_of(&place, &[]))
        .env("HOME", place.path(""))
        .env("APXS", place.path("no-apxs"))
        .output()
        .expect("it can be started");

    let said = String::from_utf8(output.stderr).expect("text");
    assert!(!output.status.success());
    for words in [
        "no-apxs, of httpd's development files",
        "cargo 1.85 or later",
        "a C compiler",
        "apt-get install apache2-dev cargo gcc libc6-dev",
        "dnf install httpd-devel cargo gcc",
        "apk add apache2-dev cargo gcc musl-dev",
    ] {
        assert!(said.contains(words), "no {words} in {said}");
    }
    assert_eq!(place.files().len(), 1, "nothing but apxs: {:?}", place.files().keys());
}

#[test]
fn a_library_that_was_built_elsewhere_is_installed_without_cargo_compiler_and_package_manager() {
    let place = Place::new("conf");
    place.write("conf/httpd.conf", "Listen 80\n");
    let target = place.built_elsewhere();

    succeed(
        place
            .install()
            .arg("--no-build")
            .env("PATH", path_of(&place, &["strip"]))
            .env("HOME", place.path(""))
            .env("CARGO_TARGET_DIR", target),
    );

    assert!(place.path("modules/mod_proxy_ajp_rs.so").is_file());
    assert!(place.read("conf/httpd.conf").contains("modules/mod_proxy_ajp_rs.so"));
}
