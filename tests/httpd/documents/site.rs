//! A Debian machine for the examples of the documents: its paths and addresses are mapped to private ones.
//!
//! | in a document | here |
//! |---|---|
//! | `/etc/apache2`, `/etc/tomcat10`, `/etc/ajp`, `/run/tomcat`, `/var/log/apache2` | the same below a temporary directory |
//! | `/usr/lib/apache2/modules/mod_proxy_ajp_rs.so` | the module under test |
//! | `/usr/lib/apache2/modules` | the directory of httpd's modules |
//! | `10.0.0.7:8009`, `[2001:db8::7]:8009`, `node2:8009`: a host and a port | `127.0.0.1` and a free port, the same one each time |
//! | `10.0.0.5:9200-9215` | as many free ports in a row |
//! | `10.1.2.0/24`: a network | `127.0.0.0/8` |
//! | `10.0.0.5`: an address alone | `127.0.0.1` |
//! | `*:443`, `*:80`, `http://localhost/` | httpd's port |
//!
//! A container that answers with the URI is at each address that httpd connects to, and an agent that connects to
//! such a container at each address where httpd waits for connections.

use std::collections::BTreeMap;
use std::fs::{self, Permissions};
use std::net::SocketAddr;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use pcre2::bytes::{Captures, Regex};
use tempfile::TempDir;
use test_support::ajp::echo::respond;
use test_support::ajp::{PeerConnection, ScriptedPeer};
use test_support::httpd::{Httpd, Module, Setup, modules_directory};
use test_support::markdown::Block;
use test_support::members::serve;
use test_support::places::program;
use test_support::process::{Guarded, free_port, free_ports, is_root, remove_at_end};

/// The directories of a Debian machine that the documents name.
const DIRECTORIES: &[&str] =
    &["/etc/apache2", "/etc/tomcat10", "/etc/ajp", "/run/tomcat", "/var/log/apache2"];

/// A Debian machine.
#[derive(Debug)]
pub struct Site {
    root: TempDir,
    /// The port of its httpd.
    pub port: u16,
    ports: BTreeMap<String, u16>,
    peers: BTreeMap<String, ScriptedPeer>,
    agents: BTreeMap<String, Guarded>,
}

impl Site {
    /// A machine with the directories, and without any file in them.
    pub fn new() -> Self {
        let root = tempfile::tempdir().expect("a temporary directory");
        remove_at_end(root.path());
        let site = Self {
            root,
            port: free_port(),
            ports: BTreeMap::new(),
            peers: BTreeMap::new(),
            agents: BTreeMap::new(),
        };
        fs::set_permissions(site.root.path(), Permissions::from_mode(0o755)).expect("it is ours");
        for directory in DIRECTORIES {
            fs::create_dir_all(site.path(directory)).expect("it is ours");
        }
        fs::create_dir(site.path("/bin")).expect("it is ours");
        site
    }

    /// Where a path of the machine is.
    pub fn path(&self, path: &str) -> PathBuf {
        self.root.path().join(path.trim_start_matches('/'))
    }

    /// Writes a file of the machine.
    pub fn write(&self, path: &str, text: &str) {
        fs::write(self.path(path), text).expect("it is ours");
    }

    /// Puts a command in front of the machine's own ones, as a shell script.
    pub fn command(&self, name: &str, script: &str) {
        let path = self.path("/bin").join(name);
        fs::write(&path, format!("#!/bin/sh\n{script}\n")).expect("it is ours");
        fs::set_permissions(&path, Permissions::from_mode(0o755)).expect("it is ours");
    }

    /// The text with paths and addresses mapped.
    pub fn map(&mut self, text: &str) -> String {
        let ours = Module::Ours.path().display().to_string();
        let modules = modules_directory().display().to_string();
        let text = text
            .replace("/usr/lib/apache2/modules/mod_proxy_ajp_rs.so", &ours)
            .replace("/usr/lib/apache2/modules", &modules)
            .replace("http://localhost/", &format!("http://127.0.0.1:{}/", self.port));
        let text = DIRECTORIES.iter().fold(text, |text, directory| {
            text.replace(directory, &self.path(directory).display().to_string())
        });
        let networks = replace(r"\b10(?:\.\d+){3}/\d+", &text, |_| "127.0.0.0/8".to_owned());
        let address = r"(?<![\w.])(10(?:\.\d+){3}|127\.0\.0\.1|\[2001:db8::\d\]|node\d|web\d):(\d+)(?:-(\d+))?";
        let own = format!("127.0.0.1:{}", self.port);
        let ports = replace(address, &networks, |found| {
            let all = word(found, 0);
            if all == own { all } else { self.mapped(found) }
        });
        let hosts = replace(r#"\*:(?:443|80)\b"#, &ports, |_| format!("*:{}", self.port));
        replace(r"(?<![\w.])10(?:\.\d+){3}", &hosts, |_| "127.0.0.1".to_owned())
    }

    /// The address for a host and a port, or for a host and a range of ports.
    fn mapped(&mut self, found: &Captures<'_>) -> String {
        let number = |index| word(found, index).parse::<u16>().expect("a port");
        let last = found.get(3).map(|_| number(3));
        let count = last.map_or(1, |last| last - number(2) + 1);
        let name = word(found, 0);
        let first = *self.ports.entry(name).or_insert_with(|| free_ports(count));
        match last {
            Some(_) => format!("127.0.0.1:{first}-{}", first + count - 1),
            None => format!("127.0.0.1:{first}"),
        }
    }

    /// Makes two names of one address, such as `web1:9100` and `10.0.0.5:9100`.
    pub fn is_also(&mut self, name: &str, other: &str) {
        let port = *self.ports.entry(name.to_owned()).or_insert_with(free_port);
        self.ports.insert(other.to_owned(), port);
    }

    /// Begins the configuration of the machine's httpd with this block, and starts the containers it needs.
    pub fn setup(&mut self, block: &Block) -> Setup {
        let text = self.map(&block.text);
        self.start_containers(&text);
        let mut setup = Httpd::setup().port(self.port).log_level("warn mpm_event:notice");
        let mut conf = String::new();
        for line in text.lines() {
            let words: Vec<&str> = line.split_whitespace().collect();
            match words[..] {
                ["LoadModule", "proxy_ajp_module", path] => {
                    setup = setup.module(Module::File(path.into()));
                }
                _ => conf += &format!("{line}\n"),
            }
        }
        if text.contains("hcmethod") {
            setup = setup.modules(&["watchdog", "proxy_hcheck"]);
        }
        setup.conf(&conf)
    }

    /// Starts a container, or an agent, for each address in the lines, unless it is there already.
    fn start_containers(&mut self, text: &str) {
        let mut accepting = BTreeMap::new();
        for line in text.lines().filter(|line| !line.trim_start().starts_with('#')) {
            let of = |pattern: &str| first(pattern, line);
            let Some(url) = of(r"ajp://([\w.]+:\d+)") else { continue };
            if line.contains("ProxyAjpReverse") {
                let listen = of(r"listen=(\S+)").unwrap_or_else(|| url.clone());
                accepting.insert(url, (listen, of(r"keyfile=(\S+)"), of(r"node=(\S+)")));
            } else if line.contains("reversed=On") {
                accepting.insert(url.clone(), (url, None, None));
            }
        }
        for url in all(r"ajp://([\w.]+:\d+)", text) {
            if let Some((listen, key, node)) = accepting.get(&url) {
                let container = free_port();
                self.container(&format!("127.0.0.1:{container}"));
                self.agent(listen, container, key.as_deref(), node.as_deref());
            } else {
                self.container(&url);
            }
        }
        for socket in all(r#"unix:([^|"]+)"#, text) {
            let start = || ScriptedPeer::start_unix(Path::new(&socket), uri).expect("a socket");
            self.peers.entry(socket.clone()).or_insert_with(start);
            // As the container's administrator has to.
            fs::set_permissions(&socket, Permissions::from_mode(0o666)).expect("it is ours");
        }
    }

    /// Starts a container at this address.
    pub fn container(&mut self, at: &str) {
        let address: SocketAddr = at.parse().unwrap_or_else(|_| panic!("{at} is mapped"));
        let start = || ScriptedPeer::start_at(address, uri).expect("the port is free");
        self.peers.entry(at.to_owned()).or_insert_with(start);
    }

    fn agent(&mut self, httpd: &str, container: u16, key: Option<&str>, node: Option<&str>) {
        if self.agents.contains_key(httpd) {
            return;
        }
        let mut command = Command::new(program("ajp-dialer"));
        command.args(["--httpd", httpd, "--backoff-max", "200"]);
        command.args(["--container", &format!("127.0.0.1:{container}")]);
        if let Some(key) = key {
            command.args(["--key-file", key]);
        }
        if let Some(node) = node {
            command.args(["--node", node]);
        }
        let agent = Guarded::spawn(command.stdout(Stdio::null()).stderr(Stdio::null()));
        self.agents.insert(httpd.to_owned(), agent);
    }

    /// The shell that runs the commands of a block as root would, in `/etc/apache2`.
    pub fn shell(&mut self, block: &Block) -> Command {
        if !is_root() {
            // Only root can give files away.
            self.command("chown", "exit 0");
            self.command("install", "for word; do shift; case $word in -[og]) skip=1;; *) \
                [ \"${skip:-}\" ] || set -- \"$@\" \"$word\"; skip=;; esac; done; exec /usr/bin/install \"$@\"");
        }
        let path = std::env::var("PATH").unwrap_or_default();
        let mut command = Command::new("/bin/sh");
        command
            .args(["-e", "-c", &self.map(&block.text)])
            .env("PATH", format!("{}:{path}", self.path("/bin").display()))
            .current_dir(self.path("/etc/apache2"))
            .stdin(Stdio::null());
        command
    }

    /// Runs the commands of a block. Returns whether they succeeded, and the output.
    pub fn run(&mut self, block: &Block, environment: &[(&str, &str)]) -> (bool, String) {
        let mut command = self.shell(block);
        let output = command.envs(environment.iter().copied()).output();
        let output = output.expect("every Unix has /bin/sh");
        let printed = [output.stdout, output.stderr].concat();
        (output.status.success(), String::from_utf8_lossy(&printed).into_owned())
    }

    /// As [`Site::run`]; the commands must succeed.
    #[track_caller]
    pub fn succeed(&mut self, block: &Block, environment: &[(&str, &str)]) -> String {
        let (succeeded, printed) = self.run(block, environment);
        assert!(succeeded, "{}: {printed}", block.place());
        printed
    }
}

/// Answers CPINGs, and every request with its URI.
fn uri(conn: &mut PeerConnection) -> std::io::Result<()> {
    serve(conn, &|conn, request| respond(conn, &request.uri).map(|()| true))
}

fn regex(pattern: &str) -> Regex {
    Regex::new(pattern).expect("the test's own pattern")
}

fn word(found: &Captures<'_>, index: usize) -> String {
    String::from_utf8_lossy(&found[index]).into_owned()
}

/// The first group of each place where the pattern matches.
pub fn all(pattern: &str, text: &str) -> Vec<String> {
    let regex = regex(pattern);
    let found = regex.captures_iter(text.as_bytes());
    found.map(|found| word(&found.expect("no limit is reached"), 1)).collect()
}

fn first(pattern: &str, text: &str) -> Option<String> {
    all(pattern, text).into_iter().next()
}

fn replace(pattern: &str, text: &str, mut by: impl FnMut(&Captures<'_>) -> String) -> String {
    let mut replaced = String::new();
    let mut done = 0;
    for found in regex(pattern).captures_iter(text.as_bytes()) {
        let found = found.expect("no limit is reached");
        let all = found.get(0).expect("it matches");
        replaced.push_str(&text[done..all.start()]);
        replaced.push_str(&by(&found));
        done = all.end();
    }
    replaced + &text[done..]
}
