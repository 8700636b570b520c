//! The Jk lines that a virtual host has from the main server, directive by directive: the same in
//! mod_jk and in the configuration that `jk2ajp` writes.
//!
//! Each main server below has many virtual hosts, and each of them gets the same requests.

use std::fs;
use std::io;
use std::path::Path;

use mod_proxy_ajp_rs::migrate::{Input, convert};
use test_support::ajp::echo::respond;
use test_support::ajp::request::forward_request;
use test_support::ajp::{PeerConnection, ScriptedPeer, cpong};
use test_support::httpd::{Httpd, Setup};
use test_support::process::free_port;

use super::disk::Disk;

/// Answers with its name, whether the connection was used before, the URI, and the attributes that
/// JkEnvVar makes.
fn backend(name: &'static str) -> ScriptedPeer {
    ScriptedPeer::start(move |conn: &mut PeerConnection| -> io::Result<()> {
        let mut is_first = true;
        while let Some(payload) = conn.read_packet()? {
            if payload == [0x0A] {
                conn.send(cpong())?;
                continue;
            }
            let request = forward_request(&payload)?;
            let own = request
                .attributes
                .iter()
                .filter(|known| known.name.to_ascii_uppercase().starts_with("T_"));
            let own: Vec<String> = own.map(|a| format!("{}={}", a.name, a.value)).collect();
            let used = if is_first { "new" } else { "used" };
            respond(conn, &format!("{name} {} {used} {}", request.uri, own.join(",")))?;
            is_first = false;
        }
        Ok(())
    })
}

/// The lines of a main server, and those of its virtual hosts.
struct Case {
    main: &'static str,
    hosts: &'static [(&'static str, &'static str)],
    /// The targets that each host is asked for, twice.
    targets: &'static [&'static str],
}

const WORKERS: &str = "worker.list=a,b\n\
    worker.a.host=127.0.0.1\nworker.a.port=$(A_PORT)\n\
    worker.b.host=127.0.0.1\nworker.b.port=$(B_PORT)\n";

/// The files of one case, with its ports.
struct Written {
    directory: tempfile::TempDir,
    port: u16,
}

impl Written {
    fn conf(&self) -> String {
        self.directory.path().join("jk.conf").display().to_string()
    }
}

fn write(case: &Case, peers: &[ScriptedPeer; 2]) -> Written {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let port = free_port();
    let at = directory.path().display();
    let mut conf = format!(
        "JkWorkersFile \"{at}/workers.properties\"\n\
         JkWorkerProperty A_PORT={}\nJkWorkerProperty B_PORT={}\nListen 127.0.0.1:{port}\n{}\n",
        peers[0].port(),
        peers[1].port(),
        case.main.replace("MAP", &format!("{at}/main.map")),
    );
    for (name, lines) in case.hosts {
        let lines = lines.replace("MAP", &format!("{at}/host.map"));
        conf.push_str(&format!(
            "<VirtualHost *:{port}>\nServerName {name}\n{lines}\n</VirtualHost>\n"
        ));
    }
    for (name, text) in [
        ("jk.conf", conf.as_str()),
        ("workers.properties", WORKERS),
        ("main.map", "/main-map/*=a\n"),
        ("host.map", "/host-map/*=b\n"),
    ] {
        fs::write(directory.path().join(name), text).expect("our own directory");
    }
    Written { directory, port }
}

fn setup() -> Setup {
    Httpd::setup().conf("StartServers 1\nServerLimit 1\nMaxRequestWorkers 16\nMaxSpareThreads 16")
}

fn with_mod_jk(written: &Written) -> Httpd {
    setup()
        .mod_jk()
        .conf("JkShmFile jk-shm\nJkLogFile jk.log")
        .conf(&format!("Include \"{}\"", written.conf()))
        .start()
}

/// Removes the Jk lines, and adds the Include lines.
fn with_ours(written: &Written) -> Httpd {
    let input = Input { httpd_conf: Some(written.conf()), ..Input::default() };
    let done = convert(&input, &Disk, &|_| None).expect("the files are there");
    let said: Vec<_> = done.messages.iter().map(|message| message.render(&done.sources)).collect();
    assert!(!done.has_failed(), "{}", said.join("\n"));
    let at = written.directory.path();
    for file in &done.files {
        fs::write(at.join(&file.name), &file.text).expect("our own directory");
    }
    let include = |start: &str| {
        let file = done.files.iter().find(|file| file.name.starts_with(start));
        file.map(|file| format!("Include \"{}\"\n", at.join(&file.name).display()))
    };
    let mut lines = String::new();
    let mut hosts = 0;
    for line in fs::read_to_string(written.conf()).expect("it was written").lines() {
        if !line.trim_start().starts_with("Jk") {
            lines.push_str(line);
            lines.push('\n');
        }
        if line.starts_with("<VirtualHost") {
            hosts += 1;
            lines.push_str(&include(&format!("jk2ajp-host-{hosts}-")).unwrap_or_default());
        }
    }
    lines.push_str(&include("jk2ajp.conf").expect("the main server has a file"));
    // Not with a housekeeper: while it checks the only idle connection, a request opens another.
    setup().conf("ProxyAjpMaintain 0").conf(&lines).start()
}

/// The lines that httpd itself needs.
fn fill(root: &Path) {
    for name in ["static/a.css", "app/static/a.css", "plain/a.css"] {
        let path = root.join("htdocs").join(name);
        fs::create_dir_all(path.parent().expect("it has one")).expect("our own directory");
        fs::write(path, "httpd's own").expect("our own directory");
    }
}

fn ask_all(case: &Case, written: &Written, httpd: &Httpd) -> Vec<String> {
    fill(httpd.root());
    let address = std::net::SocketAddr::from(([127, 0, 0, 1], written.port));
    let mut answers = Vec::new();
    for (host, _) in case.hosts {
        for target in case.targets {
            let ask = || {
                let mut client = test_support::http::Client::connect(address);
                client.send(format!("GET {target} HTTP/1.1\r\nHost: {host}\r\n\r\n"));
                let answer = client.response("GET");
                if answer.status == 200 { answer.text() } else { answer.status.to_string() }
            };
            // The second time shows whether the first connection was kept.
            ask();
            answers.push(format!("{host} {target}: {}", ask().trim_end()));
        }
    }
    answers
}

/// Sends the requests to both. `expected` are mod_jk's answers, and so ours.
#[track_caller]
fn compare(case: &Case, expected: &[&str]) {
    let peers = [backend("a"), backend("b")];
    let written = write(case, &peers);
    let theirs = ask_all(case, &written, &with_mod_jk(&written));
    let ours = ask_all(case, &written, &with_ours(&written));
    for answer in expected {
        assert!(theirs.iter().any(|known| known == answer), "{answer} in {theirs:#?}");
    }
    let differences: Vec<String> = theirs
        .iter()
        .zip(&ours)
        .filter(|(jk, own)| jk != own)
        .map(|(jk, own)| format!("mod_jk: {jk}\n  ours: {own}"))
        .collect();
    assert!(differences.is_empty(), "{}", differences.join("\n"));
}

/// All ways in which a virtual host may have mounts, its own and copied ones.
macro_rules! hosts {
    ($lines:literal) => {
        &[
            ("bare", $lines),
            ("bare-off", concat!("JkMountCopy Off\n", $lines)),
            ("bare-on", concat!("JkMountCopy On\n", $lines)),
            ("own", concat!("JkMount /own/* b\n", $lines)),
            ("own-off", concat!("JkMountCopy Off\nJkMount /own/* b\n", $lines)),
            ("own-on", concat!("JkMountCopy On\nJkMount /own/* b\n", $lines)),
            ("same", concat!("JkMountCopy On\nJkMount /app/* b\n", $lines)),
            ("unmount", concat!("JkUnMount /app/static/* a\n", $lines)),
            ("unmount-on", concat!("JkMountCopy On\nJkUnMount /app/static/* a\n", $lines)),
            ("map", concat!("JkMountFile \"MAP\"\n", $lines)),
            ("map-on", concat!("JkMountCopy On\nJkMountFile \"MAP\"\n", $lines)),
            (
                "location-on",
                concat!("JkMountCopy On\n<Location /own/x>\nJkMount b\n</Location>\n", $lines),
            ),
        ]
    };
}

const PATHS: &[&str] = &[
    "/app/x",
    "/app/static/a.css",
    "/app/plain/x",
    "/own/x",
    "/main-map/x",
    "/host-map/x",
    "/of-worker/x",
];

const MOUNTS: &str = "JkMount /app/* a\nJkUnMount /app/plain/* a\nJkMountFile \"MAP\"\n\
    JkWorkerProperty worker.a.mount=/of-worker/*";

#[test]
fn mounts_and_maps_stay_in_the_main_server_unless_they_are_copied() {
    let case = Case { main: MOUNTS, hosts: hosts!(""), targets: PATHS };
    compare(&case, &["bare /app/x: 404", "bare-on /app/x: a /app/x used"]);
}

#[test]
fn jkmountcopy_on_in_the_main_server_copies_nothing() {
    let main = "JkMountCopy On\nJkMount /app/* a\nJkMountFile \"MAP\"";
    compare(&Case { main, hosts: hosts!(""), targets: PATHS }, &["bare /app/x: 404"]);
}

#[test]
fn jkmountcopy_all_copies_to_each_host_without_off() {
    let main = "JkMountCopy All\nJkMountCopy Off\nJkMount /app/* a\nJkUnMount /app/plain/* a\n\
        JkMountFile \"MAP\"\nJkWorkerProperty worker.a.mount=/of-worker/*";
    compare(
        &Case { main, hosts: hosts!(""), targets: PATHS },
        &["bare /app/x: a /app/x used", "bare-off /app/x: 404"],
    );
}

const SESSIONS: &[&str] = &[
    "/static/a.css;jsessionid=1.a",
    "/static/a.css;sid=1.a",
    "/app/static/a.css;jsessionid=1.a",
    "/app/x;jsessionid=1.a",
    "/own/x;jsessionid=1.a",
    "/static;jsessionid=1.a/a.css",
    "/static/a.css;jsessionid=1.a;v=1",
];

#[test]
fn jkstripsession_on_reaches_each_host_that_has_mounts_of_its_own_or_copied_ones() {
    let main = "JkStripSession On\nJkMount /app/* a\nJkUnMount /app/static/* a";
    let expected = [
        "own-off /static/a.css;jsessionid=1.a: httpd's own",
        "bare-on /app/static/a.css;jsessionid=1.a: httpd's own",
        "bare /static/a.css;jsessionid=1.a: 404",
    ];
    compare(&Case { main, hosts: hosts!(""), targets: SESSIONS }, &expected);
}

#[test]
fn jkstripsession_off_in_a_host_cancels_it_and_another_parameter_replaces_it() {
    let main = "JkStripSession On\nJkMount /app/* a\nJkUnMount /app/static/* a";
    let off = ["own /static/a.css;jsessionid=1.a: 404"];
    compare(&Case { main, hosts: hosts!("JkStripSession Off"), targets: SESSIONS }, &off);
    let other = ["own /static/a.css;sid=1.a: httpd's own", "own /static/a.css;jsessionid=1.a: 404"];
    compare(&Case { main, hosts: hosts!("JkStripSession On ;sid"), targets: SESSIONS }, &other);
}

#[test]
fn jkstripsession_of_a_host_strips_if_the_host_has_mounts() {
    let main = "JkMount /app/* a";
    let case = Case { main, hosts: hosts!("JkStripSession On"), targets: SESSIONS };
    compare(&case, &["own /static/a.css;jsessionid=1.a: httpd's own"]);
}

#[test]
fn an_exclusion_of_a_more_specific_mount_is_stripped_although_a_less_specific_one_would_match() {
    let main = "JkStripSession On\nJkMount /app/* a\nJkUnMount /app/static/* a\nJkMount /* b";
    let case = Case { main, hosts: hosts!("JkMountCopy On"), targets: SESSIONS };
    compare(&case, &["bare /app/static/a.css;jsessionid=1.a: httpd's own"]);
}

#[test]
fn jkenvvar_of_the_main_server_applies_in_each_host_and_the_host_s_own_replaces_it() {
    let main = "JkMount /app/* a\nJkMountCopy All\nSetEnvIf Request_URI set$ T_C=from-request\n\
        JkEnvVar T_A main-a\nJkEnvVar T_B main-b\nJkEnvVar T_C";
    let targets = &["/app/x", "/app/set"];
    let inherited = ["bare /app/x: a /app/x used T_A=main-a,T_B=main-b"];
    compare(&Case { main, hosts: hosts!(""), targets }, &inherited);
    let hosts = &[
        ("another", "JkEnvVar T_A host-a"),
        ("without", "JkEnvVar T_A"),
        ("more", "JkEnvVar T_D host-d"),
        ("off", "JkMountCopy Off\nJkMount /app/* b\nJkEnvVar T_C host-c"),
        ("twice", "JkEnvVar T_A 1\nJkEnvVar t_a 2"),
        ("small", "JkEnvVar t_a small\nJkEnvVar T_B"),
    ];
    compare(&Case { main, hosts, targets }, &[]);
}

const UNSAFE: &[&str] = &["/app/x%25y", "/own/x%25y", "/app/x%20y", "/app/x"];

#[test]
fn rejectunsafeuri_of_a_server_applies_to_its_mounts() {
    let main = "JkOptions +RejectUnsafeURI\nJkMount /app/* a";
    let expected = ["bare-on /app/x%25y: 404", "own /own/x%25y: 404"];
    compare(&Case { main, hosts: hosts!(""), targets: UNSAFE }, &expected);
    // A host without mounts of its own has the main server's as they are.
    let expected = ["bare-on /app/x%25y: 404", "own /own/x%25y: b /own/x%25y used"];
    let hosts = hosts!("JkOptions -RejectUnsafeURI");
    compare(&Case { main, hosts, targets: UNSAFE }, &expected);
    let main = "JkMount /app/* a";
    let expected = ["bare-on /app/x%25y: a /app/x%25y used", "own /own/x%25y: 404"];
    let hosts = hosts!("JkOptions +RejectUnsafeURI");
    compare(&Case { main, hosts, targets: UNSAFE }, &expected);
}

#[test]
fn disablereuse_is_inherited_and_minus_cancels_it() {
    let main = "JkOptions +DisableReuse\nJkMount /app/* a\nJkMountCopy All";
    let targets = &["/app/x"];
    compare(&Case { main, hosts: &[("bare", "")], targets }, &["bare /app/x: a /app/x new"]);
    let hosts = &[("minus", "JkOptions -DisableReuse")];
    compare(&Case { main, hosts, targets }, &["minus /app/x: a /app/x used"]);
}

#[test]
fn an_option_that_minus_cancels_in_one_server_stays_off_there_in_whichever_order() {
    for main in [
        "JkOptions -DisableReuse +DisableReuse\nJkMountCopy All\nJkMount /app/* a",
        "JkOptions +DisableReuse -DisableReuse\nJkMountCopy All\nJkMount /app/* a",
    ] {
        let hosts = &[("bare", ""), ("own", "JkMount /own/* b")];
        let targets = &["/app/x"];
        let expected = ["bare /app/x: a /app/x used", "own /app/x: a /app/x used"];
        compare(&Case { main, hosts, targets }, &expected);
    }
}

#[test]
fn minus_in_the_main_server_is_not_inherited() {
    let main = "JkOptions -DisableReuse\nJkMountCopy All\nJkMount /app/* a";
    let hosts = &[("plus", "JkOptions +DisableReuse")];
    compare(&Case { main, hosts, targets: &["/app/x"] }, &["plus /app/x: a /app/x new"]);
}

#[test]
fn forwarduri_is_inherited_and_another_one_replaces_it() {
    let main = "JkOptions +ForwardURICompatUnparsed\nJkMount /app/* a";
    let targets = &["/app/%61x", "/own/%61x"];
    let expected = ["bare-on /app/%61x: a /app/%61x used", "own /own/%61x: b /own/%61x used"];
    compare(&Case { main, hosts: hosts!(""), targets }, &expected);
    let hosts = hosts!("JkOptions +ForwardURIProxy");
    let expected = ["bare-on /app/%61x: a /app/ax used", "own /own/%61x: b /own/ax used"];
    compare(&Case { main, hosts, targets }, &expected);
}

#[test]
fn directives_of_the_main_server_only_are_refused_in_a_host_as_by_mod_jk() {
    for (line, is_taken) in [
        ("JkWorkersFile /dev/null", false),
        ("JkWorkerProperty worker.list=a", false),
        ("JkWatchdogInterval 60", false),
        ("JkShmFile jk-shm", false),
        ("JkShmSize 100", false),
        ("JkMountCopy All", false),
        ("JkStripSession Maybe", false),
        ("<Location /x>\nJkEnvVar A\n</Location>", false),
        ("<Location /x>\nJkStripSession On\n</Location>", false),
        ("JkMountCopy On", true),
        ("JkMountFileReload 5", true),
        ("JkStripSession On", true),
        ("JkLogLevel info", true),
        ("JkEnvVar A", true),
        ("JkOptions +FlushPackets", true),
        ("JkAutoAlias /srv", true),
        ("JkWorkerIndicator W", true),
    ] {
        let directory = tempfile::tempdir().expect("a temporary directory");
        let conf = directory.path().join("jk.conf");
        fs::write(&conf, format!("<VirtualHost *:1>\n{line}\n</VirtualHost>\n")).expect("ours");
        let include = format!("Include \"{}\"", conf.display());
        let (taken, said) = setup().mod_jk().conf("JkShmFile s").conf(&include).configtest();
        assert_eq!(taken, is_taken, "mod_jk: {line}: {said}");
        let input = Input { httpd_conf: Some(conf.display().to_string()), ..Input::default() };
        let done = convert(&input, &Disk, &|_| None).expect("the file is there");
        assert_eq!(!done.has_failed(), is_taken, "ours: {line}");
    }
}
