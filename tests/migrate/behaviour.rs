//! The same requests through mod_jk and through the configuration that `jk2ajp` writes: they reach the
//! same backend, and sessions stay where they are. Rows 89-92, 94 and 95 of what mod_jk's users know
//! (see `jk/reuse.rs`) are among them.

use std::collections::{BTreeSet, HashMap};
use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, OnceLock};

use mod_proxy_ajp_rs::migrate::{Conversion, Input, convert};
use test_support::ajp::ScriptedPeer;
use test_support::http::Client;
use test_support::httpd::{Httpd, Setup};
use test_support::members::named_with_uri;
use test_support::process::free_port;

use super::disk::Disk;

/// Members `a`, `b`, `c`, `d`: each answers with its own name and the URI it was asked for.
fn peers() -> &'static [ScriptedPeer; 4] {
    static PEERS: OnceLock<[ScriptedPeer; 4]> = OnceLock::new();
    PEERS.get_or_init(|| ["a", "b", "c", "d"].map(named_with_uri))
}

/// The requests for every configuration: sixty targets, some with headers.
const REQUESTS: [(&str, &str); 60] = [
    ("/", ""),
    ("/app", ""),
    ("/app/", ""),
    ("/app/x", ""),
    ("/apple", ""),
    ("/App/x", ""),
    ("/app/x?q=1&r=/app/static/", ""),
    ("/app/x.jsp", ""),
    ("/x.jsp", ""),
    ("/x.jsp/more", ""),
    ("/x_jsp", ""),
    ("/a/b/c.jsp", ""),
    ("/a/x", ""),
    ("/app/static", ""),
    ("/app/static/", ""),
    ("/app/static/x.gif", ""),
    ("/app/static/x.jsp", ""),
    ("/x.gif", ""),
    ("/app/x.gif", ""),
    ("/private/", ""),
    ("/private/x", ""),
    ("/admin/x", ""),
    ("/nojk/x", ""),
    ("/nowhere", ""),
    // Paths that are written in more than one way.
    ("//app//x", ""),
    ("/app/./x", ""),
    ("/app/../x.jsp", ""),
    ("/app/static/../x", ""),
    ("/%61pp/x", ""),
    ("/app/%73tatic/x", ""),
    ("/app/x%20y", ""),
    ("/app/x%25y", ""),
    ("/app/x%5Cy", ""),
    ("/app/x%3By", ""),
    ("/app/x%2Fy", ""),
    ("/app/*", ""),
    // Parameters.
    ("/app;v=1/x", ""),
    ("/app/x;v=1", ""),
    ("/x.jsp;v=1", ""),
    ("/x;v=.jsp", ""),
    ("/app/static;v=1/x", ""),
    ("/app;v=/static/x", ""),
    // Sessions.
    ("/app/x", "Cookie: JSESSIONID=1.a\r\n"),
    ("/app/x", "Cookie: JSESSIONID=1.b\r\n"),
    ("/app/x", "Cookie: JSESSIONID=\"1.b\"\r\n"),
    ("/app/x", "Cookie: JSESSIONID=1.zz; JSESSIONID=2.b\r\n"),
    ("/app/x", "Cookie: SID=1.a; JSESSIONID=2.b\r\n"),
    ("/app/x", "Cookie: SID=1.b\r\n"),
    ("/app/x;jsessionid=1.a", ""),
    ("/app/x;jsessionid=1.b", ""),
    ("/app;jsessionid=1.b/x", ""),
    ("/app/x;jsessionid=1.b?q=;jsessionid=1.a", ""),
    ("/app/x;sid=1.a", ""),
    ("/admin/x", "Cookie: JSESSIONID=1.a\r\n"),
    ("/private/x", "Cookie: JSESSIONID=1.b\r\n"),
    ("/app/static/x", "Cookie: JSESSIONID=1.a\r\n"),
    ("/a/x;sid=1.b", ""),
    // Other hosts.
    ("/app/x", "Host: www.example.org\r\n"),
    ("/x.jsp", "Host: www.example.org\r\n"),
    ("/app/x", "Host: none.example.org\r\n"),
];

/// The member that answered, and the URI that it got; for httpd's own answers the status.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Answer {
    who: String,
    uri: String,
}

fn ask_all(httpd: &Httpd) -> Vec<Answer> {
    let mut client = httpd.client();
    REQUESTS.iter().map(|(target, headers)| ask(&mut client, httpd, target, headers)).collect()
}

fn ask(client: &mut Client, httpd: &Httpd, target: &str, headers: &str) -> Answer {
    let host = if headers.starts_with("Host:") { "" } else { "Host: localhost\r\n" };
    client.send(format!("GET {target} HTTP/1.1\r\n{host}{headers}\r\n"));
    let answer = client.response("GET");
    if answer.header("Connection").is_some_and(|word| word.eq_ignore_ascii_case("close")) {
        *client = httpd.client();
    }
    let text = answer.text();
    match text.split_once(' ') {
        Some((who, uri)) if answer.status == 200 => Answer { who: who.into(), uri: uri.into() },
        _ => Answer { who: format!("httpd {}", answer.status), uri: String::new() },
    }
}

/// The session's name, unless a fixture says otherwise.
const USUAL: &[(&str, &str)] = &[("/", "JSESSIONID")];

fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/migrate/fixtures").join(name)
}

fn variables(name: &str, port: u16) -> HashMap<String, String> {
    let ports = ["A_PORT", "B_PORT", "C_PORT", "D_PORT"].into_iter().zip(peers());
    let mut all: HashMap<String, String> =
        ports.map(|(variable, peer)| (variable.to_owned(), peer.port().to_string())).collect();
    all.insert("PORT".into(), port.to_string());
    // A second one, which is in no virtual host.
    all.insert("MAIN_PORT".into(), main_port(port).to_string());
    all.insert("FIXTURE".into(), fixture(name).display().to_string());
    all
}

/// The second port that belongs to a port.
fn main_port(port: u16) -> u16 {
    static PORTS: Mutex<Vec<(u16, u16)>> = Mutex::new(Vec::new());
    let mut ports = PORTS.lock().expect("nobody panics with it");
    if let Some((_, main)) = ports.iter().find(|(known, _)| *known == port) {
        return *main;
    }
    let main = free_port();
    ports.push((port, main));
    main
}

fn converted(name: &str, port: u16) -> Conversion {
    let input = Input {
        httpd_conf: Some(fixture(name).join("httpd.conf").display().to_string()),
        variables: variables(name, port),
        ..Input::default()
    };
    let done = convert(&input, &Disk, &|_| None).expect("the fixture can be read");
    let said: Vec<_> = done.messages.iter().map(|message| message.render(&done.sources)).collect();
    assert!(!done.has_failed(), "{name}: {}", said.join("\n"));
    done
}

fn setup(name: &str, port: u16) -> Setup {
    let mut setup = Httpd::setup()
        .conf("StartServers 1\nServerLimit 1\nMaxRequestWorkers 16\nMaxSpareThreads 16")
        .modules(&["rewrite"])
        .port(port);
    for (variable, value) in variables(name, port) {
        setup = setup.define(&variable, value);
    }
    setup
}

/// mod_jk with the unchanged fixture.
fn with_mod_jk(name: &str) -> Httpd {
    let port = free_port();
    let conf = fixture(name).join("httpd.conf");
    setup(name, port)
        .mod_jk()
        .conf("JkShmFile jk-shm\nJkLogFile jk.log\nJkLogLevel info")
        .conf(&format!("Include \"{}\"", conf.display()))
        .start()
}

/// Our module with the converted fixture: its Jk lines are removed, and Include lines added, as
/// `jk2ajp` tells an administrator to do.
fn with_ours(name: &str, directory: &Path) -> Httpd {
    let port = free_port();
    let done = converted(name, port);
    for file in &done.files {
        fs::write(directory.join(&file.name), &file.text).expect("our own directory");
    }
    let include = |number: usize| {
        let start =
            if number == 0 { "jk2ajp.conf".into() } else { format!("jk2ajp-host-{number}") };
        let file = done.files.iter().find(|file| file.name.starts_with(&start));
        file.map(|file| format!("Include \"{}\"\n", directory.join(&file.name).display()))
    };
    let main = include(0).expect("the main server has a file");
    let mut lines = String::new();
    let mut hosts = 0;
    let own = fs::read_to_string(fixture(name).join("httpd.conf")).expect("a fixture");
    for line in own.lines().filter(|line| !line.trim().starts_with("Jk")) {
        lines.push_str(line);
        lines.push('\n');
        if line.starts_with("<VirtualHost") {
            hosts += 1;
            lines.push_str(&include(hosts).unwrap_or_default());
        }
    }
    lines.push_str(&main);
    setup(name, port)
        .modules(&["lbmethod_bybusyness", "lbmethod_bytraffic"])
        .conf(&main)
        .conf(&lines)
        .start()
}

/// Sends the requests to both, and compares the answers. `shared` are members that get requests without
/// a session in turn; `sessions` has the name of the session for paths that begin so.
#[track_caller]
fn compare(name: &str, shared: &[&str], sessions: &[(&str, &str)]) {
    let theirs = ask_all(&with_mod_jk(name));
    let directory = tempfile::tempdir().expect("a temporary directory");
    let ours = ask_all(&with_ours(name, directory.path()));
    let mut differences = Vec::new();
    for (((target, headers), jk), own) in REQUESTS.iter().zip(&theirs).zip(&ours) {
        let in_turn = |answer: &Answer| shared.contains(&answer.who.as_str());
        let is_free = !says_a_session(target, headers, sessions) && in_turn(jk) && in_turn(own);
        if (jk.who != own.who && !is_free) || jk.uri != own.uri {
            differences
                .push(format!("{target} {headers:?}\n    mod_jk: {jk:?}\n    ours:   {own:?}"));
        }
    }
    assert!(differences.is_empty(), "{name}:\n{}", differences.join("\n"));
    // Each member that gets requests there gets some here.
    let members = |answers: &[Answer]| {
        answers.iter().map(|answer| answer.who.clone()).collect::<BTreeSet<String>>()
    };
    assert_eq!(members(&theirs), members(&ours), "{name}");
    assert!(
        theirs.iter().any(|answer| !answer.who.starts_with("httpd")),
        "{name}: nothing is mapped"
    );
}

fn says_a_session(target: &str, headers: &str, sessions: &[(&str, &str)]) -> bool {
    let is_there = |name: &str| {
        let cookies = headers.split([' ', ';']).any(|word| word.starts_with(&format!("{name}=")));
        let path = target.split('?').next().unwrap_or("");
        cookies || path.contains(&format!(";{}=", name.to_lowercase()))
    };
    sessions.iter().any(|(start, name)| target.starts_with(start) && is_there(name))
}

#[test]
fn one_worker_and_its_application() {
    compare("01-one-worker", &[], USUAL);
}

#[test]
fn contexts_come_before_extensions() {
    compare("02-extensions-and-contexts", &[], USUAL);
}

#[test]
fn an_exclusion_applies_to_one_worker() {
    compare("03-exclusions-of-one-worker", &[], USUAL);
}

#[test]
fn an_exclusion_of_all_and_disabled_rules() {
    compare("04-exclusions-of-all", &[], USUAL);
}

#[test]
fn a_balancer_from_a_template() {
    compare("05-balanced", &["a", "b"], USUAL);
}

#[test]
fn sessions_of_another_name() {
    compare("06-own-session-names", &["a", "b"], &[("/", "SID")]);
}

#[test]
fn a_balancer_without_sessions() {
    compare("07-without-sessions", &["a", "b"], &[]);
}

#[test]
fn a_member_that_drains() {
    compare("08-draining", &[], USUAL);
}

#[test]
fn a_stopped_member_and_its_domain() {
    compare("09-stopped-with-a-domain", &["b", "c"], USUAL);
}

#[test]
fn near_and_far_members() {
    compare("10-near-and-far", &[], USUAL);
}

#[test]
fn a_stopped_member_and_its_redirect() {
    compare("11-hot-standby", &[], USUAL);
}

#[test]
fn sessions_that_must_stay() {
    compare("12-forced-sessions", &["a", "b"], USUAL);
}

#[test]
fn rules_with_members_of_their_own() {
    compare(
        "13-rules-with-members-of-their-own",
        &["a", "b"],
        &[
            ("/app", "JSESSIONID"),
            ("/admin", "JSESSIONID"),
            ("/private", "JSESSIONID"),
            ("/a/", "SID"),
        ],
    );
}

#[test]
fn rules_that_ignore_the_session() {
    let with_sessions =
        ["/app/x", "/app;", "/admin", "/private"].map(|start| (start, "JSESSIONID"));
    compare("14-rules-without-sessions", &["a", "b"], &with_sessions);
}

#[test]
fn macros_and_templates_of_templates() {
    compare("15-macros-and-templates-of-templates", &["a", "b"], USUAL);
}

#[test]
fn mounts_in_locations() {
    compare("16-mounts-in-locations", &["a", "b"], USUAL);
}

#[test]
fn virtual_hosts_with_and_without_copies() {
    compare("17-virtual-hosts", &["a", "b"], USUAL);
}

#[test]
fn mounts_of_workers() {
    compare("18-mounts-of-workers", &["a", "b"], USUAL);
}

#[test]
fn old_names() {
    compare("19-old-names", &[], USUAL);
}

#[test]
fn unsafe_paths_and_no_jk() {
    compare("20-unsafe-paths-and-no-jk", &[], USUAL);
}

#[test]
fn the_shape_of_mod_jk_s_own_sample() {
    compare("24-as-mod_jk-s-sample", &["a", "b"], USUAL);
}

#[test]
fn the_smallest_configuration() {
    compare("25-the-least-that-can-be-said", &[], USUAL);
}

#[test]
fn the_main_server_s_rules_are_copied_to_all_virtual_hosts() {
    compare("26-copied-to-all-hosts", &["a", "b"], USUAL);
}

#[test]
fn lines_beside_jk_lines_in_ifmodule_mod_jk() {
    compare("30-beside-jk-lines", &[], USUAL);
}

/// The answers to requests to a port that no virtual host has, with mod_jk and with the converted
/// configuration: the name of the member, or the status.
#[track_caller]
fn main_server_says(name: &str, expected: &[(&str, &str)]) {
    let directory = tempfile::tempdir().expect("a temporary directory");
    for httpd in [with_mod_jk(name), with_ours(name, directory.path())] {
        let main = SocketAddr::from(([127, 0, 0, 1], main_port(httpd.port())));
        for (target, who) in expected {
            let answer = Client::connect(main).get(target);
            let text = answer.text();
            let found = match answer.status {
                200 => text.split(' ').next().unwrap_or_default().to_owned(),
                status => status.to_string(),
            };
            assert_eq!(found, *who, "{target}");
        }
    }
}

#[test]
fn the_main_server_s_own_rules_beside_virtual_hosts() {
    let expected = [("/app/x;jsessionid=1.b", "b"), ("/x.jsp", "c"), ("/private/x", "404")];
    main_server_says("17-virtual-hosts", &expected);
}

#[test]
fn a_path_that_the_main_server_rewrites_to_403_stays_forbidden_beside_virtual_hosts() {
    let name = "28-rewriting-in-the-main-server";
    main_server_says(name, &[("/app/x", "a"), ("/app/closed", "403")]);
}
