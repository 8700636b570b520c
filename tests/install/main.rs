//! `ci/install`: where it puts the module, and what it leaves alone.
//!
//! Nothing of the machine's own httpd is touched: a script takes the part of apxs and names directories of the
//! test.

mod layout;
mod release;
mod tools;

use std::collections::BTreeMap;
use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

/// An httpd's directories, with an apxs that names them.
struct Place {
    root: tempfile::TempDir,
}

impl Place {
    /// Makes the directories; `configuration` is what apxs calls SYSCONFDIR.
    fn new(configuration: &str) -> Self {
        let place = Self { root: tempfile::tempdir().expect("a temporary directory") };
        for directory in ["bin", "modules", configuration] {
            fs::create_dir_all(place.path(directory)).expect("our own directory");
        }
        place.write(
            "apxs",
            &format!(
                "#!/bin/sh\ncase $2 in\nLIBEXECDIR) echo {0}/modules ;;\nSYSCONFDIR) echo {0}/{configuration} ;;\n\
                 BINDIR) echo {0}/bin ;;\nPREFIX) echo {0} ;;\n*) exec apxs \"$@\" ;;\nesac\n",
                place.root.path().display()
            ),
        );
        fs::set_permissions(place.path("apxs"), Permissions::from_mode(0o755)).expect("it is ours");
        place
    }

    /// Debian's layout, with the files of Debian's apache2 that matter here, and mod_proxy_ajp enabled.
    fn debian() -> Self {
        let place = Self::new("apache2");
        for name in ["proxy.load", "proxy.conf", "proxy_ajp.load"] {
            let text = fs::read_to_string(Path::new("/etc/apache2/mods-available").join(name))
                .expect("apache2 is installed (ci/setup)");
            place.write(&format!("apache2/mods-available/{name}"), &text);
        }
        for directory in ["mods-enabled", "conf-available", "sites-available"] {
            fs::create_dir_all(place.path("apache2").join(directory)).expect("our own directory");
        }
        let enabled = place.debian_tool("a2enmod").args(["-q", "proxy_ajp"]).output();
        assert!(enabled.expect("apache2 is installed (ci/setup)").status.success());
        place
    }

    /// One of Debian's commands for modules, for this configuration.
    fn debian_tool(&self, name: &str) -> Command {
        let mut command = Command::new(name);
        command
            .env("APACHE_CONFDIR", self.path("apache2"))
            .env("APACHE_STATE_DIRECTORY", self.path("state"));
        command
    }

    fn path(&self, name: &str) -> PathBuf {
        self.root.path().join(name)
    }

    fn write(&self, name: &str, text: &str) {
        let path = self.path(name);
        fs::create_dir_all(path.parent().expect("below the root")).expect("our own directory");
        fs::write(path, text).expect("our own file");
    }

    fn read(&self, name: &str) -> String {
        fs::read_to_string(self.path(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
    }

    /// Puts files into a build directory, as if they had been built elsewhere. What is in them does not matter:
    /// they are programs.
    fn built_elsewhere(&self) -> PathBuf {
        let target = self.path("built");
        fs::create_dir_all(target.join("release")).expect("our own directory");
        for name in ["libmod_proxy_ajp_rs.so", "jk2ajp", "ajp-dialer"] {
            fs::copy("/bin/true", target.join("release").join(name)).expect("every system has it");
        }
        for manual in manuals::all() {
            let path = target.join("release/share").join(manual.path);
            fs::create_dir_all(path.parent().expect("below it")).expect("our own directory");
            fs::write(path, manual.content).expect("our own file");
        }
        target
    }

    /// `ci/install` for this httpd.
    fn install(&self) -> Command {
        let mut command = Command::new(Path::new(env!("CARGO_MANIFEST_DIR")).join("ci/install"));
        command
            .env("APXS", self.path("apxs"))
            .env("APACHE_STATE_DIRECTORY", self.path("state"))
            .env_remove("DESTDIR")
            .env_remove("PREFIX");
        command
    }

    /// `ci/install` without building; returns what it prints.
    #[track_caller]
    fn install_built(&self, arguments: &[&str]) -> String {
        let target = self.built_elsewhere();
        succeed(self.install().arg("--no-build").args(arguments).env("CARGO_TARGET_DIR", target))
    }

    /// Every file with its content, links by their target; without the build directory and Debian's notes on which
    /// modules were enabled by whom.
    fn files(&self) -> BTreeMap<String, String> {
        let mut files = BTreeMap::new();
        collect(self.root.path(), self.root.path(), &mut files);
        files.retain(|name, _| !name.starts_with("built/") && !name.starts_with("state/"));
        files
    }
}

fn collect(root: &Path, directory: &Path, files: &mut BTreeMap<String, String>) {
    for entry in fs::read_dir(directory).expect("a directory") {
        let path = entry.expect("readable").path();
        let name = path.strip_prefix(root).expect("below the root").display().to_string();
        if path.is_symlink() {
            let to = fs::read_link(&path).expect("a link").display().to_string();
            files.insert(name, format!("-> {to}"));
        } else if path.is_dir() {
            collect(root, &path, files);
        } else {
            let content = fs::read(&path).expect("readable");
            files.insert(name, String::from_utf8_lossy(&content).into_owned());
        }
    }
}

/// The man pages and completions below `share`, as they are installed.
fn manuals() -> Vec<String> {
    let installed = |path: String| if path.starts_with("man/") { path + ".gz" } else { path };
    let mut paths: Vec<String> = manuals::all()
        .into_iter()
        .map(|manual| format!("share/{}", installed(manual.path)))
        .collect();
    paths.sort();
    paths
}

/// The names of the files that are in `after` and not in `before`.
fn added(before: &BTreeMap<String, String>, after: &BTreeMap<String, String>) -> Vec<String> {
    after.keys().filter(|name| !before.contains_key(*name)).cloned().collect()
}

/// Runs a command that must succeed; returns its standard output.
#[track_caller]
fn succeed(command: &mut Command) -> String {
    let Output { status, stdout, stderr } = command.output().expect("the command exists");
    assert!(status.success(), "{command:?}: {}", String::from_utf8_lossy(&stderr));
    String::from_utf8(stdout).expect("text")
}
