//! A Debian `/etc/apache2`, before and after the one-line switch.

use std::fs;
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::process::{Command, Output};

use test_support::http::Client;
use test_support::process::{Guarded, free_port, wait_for};
use test_support::tomcat::Tomcat;

/// A copy of `/etc/apache2` that listens on a port of its own and writes where we may.
struct Debian {
    root: tempfile::TempDir,
    port: u16,
}

impl Debian {
    /// Copies the machine's configuration and adds an administrator's line: a ProxyPass.
    fn copy() -> Self {
        let root = tempfile::tempdir().expect("a temporary directory");
        let debian = Self { root, port: free_port() };
        for directory in ["run", "log", "lock"] {
            fs::create_dir(debian.path(directory)).expect("our own directory");
        }
        debian.run(Command::new("cp").arg("-a").arg("/etc/apache2").arg(debian.path("apache2")));
        debian.run(Command::new("chmod").args(["-R", "a+rX"]).arg(debian.path("")));
        let listen = format!("Listen 127.0.0.1:{}\n", debian.port);
        fs::write(debian.path("apache2/ports.conf"), listen).expect("our own copy");
        let pass = format!(
            "ServerName localhost\n<IfModule mod_proxy_ajp.c>\n\
             ProxyPass \"/app\" \"ajp://127.0.0.1:{}/app\"\n</IfModule>\n",
            Tomcat::shared().port
        );
        fs::write(debian.path("apache2/conf-enabled/shop.conf"), pass).expect("our own copy");
        debian
    }

    fn path(&self, name: &str) -> std::path::PathBuf {
        self.root.path().join(name)
    }

    #[track_caller]
    fn run(&self, command: &mut Command) -> Output {
        let output = command
            .env("APACHE_CONFDIR", self.path("apache2"))
            .env("APACHE_ENVVARS", self.path("apache2/envvars"))
            .output()
            .expect("the command exists");
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{command:?}: {said}");
        output
    }

    /// Starts it, fetches a page through it, and stops it; returns the page and the error log.
    fn serve_once(&self) -> (String, String) {
        let mut httpd = Guarded::spawn(
            Command::new("apache2")
                .args(["-DFOREGROUND", "-d"])
                .arg(self.path("apache2"))
                .env("APACHE_RUN_USER", "www-data")
                .env("APACHE_RUN_GROUP", "www-data")
                .env("APACHE_PID_FILE", self.path("run/apache2.pid"))
                .env("APACHE_RUN_DIR", self.path("run"))
                .env("APACHE_LOCK_DIR", self.path("lock"))
                .env("APACHE_LOG_DIR", self.path("log")),
        );
        let log = || fs::read_to_string(self.path("log/error.log")).unwrap_or_default();
        let address = SocketAddr::from(([127, 0, 0, 1], self.port));
        wait_for("apache2 accepts connections", || {
            assert!(httpd.is_running(), "apache2 ended at start: {}", log());
            TcpStream::connect(address).ok()
        });
        let page = Client::connect(address).get("/app/static.txt").expect(200).text();
        drop(httpd);
        let log = log();
        fs::remove_file(self.path("log/error.log")).expect("it was written");
        (page, log)
    }
}

#[test]
fn a_debian_configuration_still_works_after_ci_install_and_the_switch_of_modules() {
    let debian = Debian::copy();
    let enabled = debian.path("apache2/mods-enabled");
    // Not relevant here, and not on every machine.
    for other in ["jk.load", "jk.conf", "httpd-jk.conf"] {
        let _ = fs::remove_file(enabled.join(other));
    }
    debian.run(Command::new("a2enmod").args(["-q", "proxy", "proxy_ajp"]));
    let (page, _) = debian.serve_once();

    let package = debian.path("package");
    let install = Path::new(env!("CARGO_MANIFEST_DIR")).join("ci/install");
    debian.run(Command::new(install).env("DESTDIR", &package));
    let load = fs::read_to_string(package.join("etc/apache2/mods-available/proxy_ajp_rs.load"))
        .expect("ci/install writes it");
    let (before, library) = load.split_once("LoadModule proxy_ajp_module ").expect("its one line");
    let installed = package.join(library.trim().trim_start_matches('/'));
    let load = format!("{before}LoadModule proxy_ajp_module {}\n", installed.display());
    fs::write(debian.path("apache2/mods-available/proxy_ajp_rs.load"), load).expect("our own copy");
    debian.run(Command::new("chmod").args(["-R", "a+rX"]).arg(debian.path("")));

    debian.run(Command::new("a2dismod").args(["-q", "proxy_ajp"]));
    debian.run(Command::new("a2enmod").args(["-q", "proxy_ajp_rs"]));
    let (same_page, log) = debian.serve_once();

    assert_eq!(same_page, page);
    assert!(log.contains("resuming normal operations"), "{log}");
    assert_eq!(fs::read_dir(&enabled).expect("it is there").filter(is_ajp).count(), 1);
}

fn is_ajp(entry: &Result<fs::DirEntry, std::io::Error>) -> bool {
    entry.as_ref().is_ok_and(|e| e.file_name().to_string_lossy().starts_with("proxy_ajp"))
}
