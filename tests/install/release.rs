//! What is in the installed files.

use std::collections::BTreeMap;
use std::env;
use std::fs;
use std::path::PathBuf;
use std::process::Command;
use std::sync::OnceLock;

use super::{Place, collect, succeed};

/// The library and the programs as `ci/install` installs them for the system's httpd.
pub(crate) fn installed() -> [PathBuf; 3] {
    let below = |name: &str| PathBuf::from(format!("{}/{name}", package().display()));
    let modules = format!("{}/mod_proxy_ajp_rs.so", apxs("LIBEXECDIR"));
    let programs = ["jk2ajp", "ajp-dialer"].map(|name| format!("{}/{name}", apxs("BINDIR")));
    [&modules, &programs[0], &programs[1]].map(|name| below(name))
}

/// The directory below which `ci/install` has copied all of it: built and copied once.
fn package() -> PathBuf {
    static INSTALLED: OnceLock<Place> = OnceLock::new();
    let make = || {
        let place = Place::new("conf");
        succeed(place.install().env_remove("APXS").env("DESTDIR", place.path("package")));
        place
    };
    INSTALLED.get_or_init(make).path("package")
}

/// The answer of the system's apxs.
pub(crate) fn apxs(key: &str) -> String {
    succeed(Command::new("apxs").args(["-q", key])).trim().to_owned()
}

#[test]
fn library_and_programs_name_neither_a_path_of_this_machine_nor_a_registry() {
    let home = env::var("HOME").unwrap_or_default();
    let cargo = env::var("CARGO_HOME").unwrap_or_else(|_| format!("{home}/.cargo"));
    let target = env::var("CARGO_TARGET_DIR").unwrap_or_default();
    let own = env!("CARGO_MANIFEST_DIR");
    let words = [own, &cargo, &target, "/.rustup/", "/registry/src/", "crates.io"];
    for file in &installed() {
        let content = fs::read(file).expect("it is installed");
        let text = String::from_utf8_lossy(&content);
        for word in words.iter().filter(|word| !word.is_empty()) {
            let at = text.find(word).map(|at| text[at..].chars().take(120).collect::<String>());
            assert_eq!(at, None, "{}", file.display());
        }
    }
}

#[test]
fn library_and_programs_are_stripped() {
    for file in &installed() {
        let sections = succeed(Command::new("readelf").args(["-S", "-W"]).arg(file));
        // Not `.debug_gdb_scripts`: 34 bytes that belong to the program, and name no file of this machine.
        for section in [".debug_info", ".debug_line", ".debug_str", ".symtab"] {
            assert!(!sections.contains(section), "{}: {sections}", file.display());
        }
    }
}

#[test]
fn the_installed_library_exports_the_module_record_only() {
    let check = concat!(env!("CARGO_MANIFEST_DIR"), "/ci/exports.sh");
    succeed(Command::new(check).arg(&installed()[0]));
}

#[test]
fn what_is_installed_on_debian_is_what_its_packages_ship() {
    let packages = ["libapache2-mod-proxy-ajp-rs", "ajp-tools"];
    let listed: Vec<String> = packages
        .iter()
        .map(|name| format!("{}/packaging/debian/{name}.install", env!("CARGO_MANIFEST_DIR")))
        .flat_map(|list| {
            let text = fs::read_to_string(&list).unwrap_or_else(|error| panic!("{list}: {error}"));
            text.lines().map(str::to_owned).collect::<Vec<_>>()
        })
        .collect();
    let mut files = BTreeMap::new();
    collect(&package(), &package(), &mut files);
    let is_in = |file: &str, entry: &str| {
        file.strip_prefix(entry).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    };

    for file in files.keys() {
        let entries = listed.iter().filter(|entry| is_in(file, entry)).count();
        assert_eq!(entries, 1, "{file}: {listed:?}");
    }
    for entry in &listed {
        assert!(files.keys().any(|file| is_in(file, entry)), "{entry}: {:?}", files.keys());
    }
}
