//! Random rules and random URLs, through mod_jk and through the rules that `jk2ajp` writes: no URL
//! reaches a worker here that mod_jk keeps from it.
//!
//! 1,500 pairs, the same in each run. `JK2AJP_PAIRS=20000 JK2AJP_SEED=2` asks for more, and for others.

use std::fmt::Write;
use std::fs;
use std::path::Path;

use mod_proxy_ajp_rs::migrate::{Files, Input, convert};
use test_support::http::Client;
use test_support::httpd::{Httpd, Setup};
use test_support::members::named_with_uri;
use test_support::process::free_port;
use test_support::random::Random;
use test_support::tomcat::Tomcat;

const WORDS: [&str; 8] = ["app", "private", "static", "admin", "a", "b", "x", "s.txt"];

/// `W` is a word.
const PATTERNS: [&str; 26] = [
    "/W/*",
    "/W/*",
    "/W/*",
    "/W|/*",
    "/W",
    "/W/W/*",
    "/W/W/*",
    "/W/W",
    "/*.jsp",
    "/W/*.jsp",
    "/*/W/*",
    "/*/*/W/*",
    "/W/*/W",
    "/W/*/W/*",
    "/*/W",
    "/*W*",
    "/?/W",
    "/W?",
    "/W*",
    "/*",
    "/",
    "/W/?*/W",
    "/*/*.jsp",
    "/*/?/*.jsp",
    "/*W*W*",
    "/W/?",
];

/// The parts of paths, beside the rules' words.
const PIECES: [&str; 40] = [
    "/",
    "/",
    "/",
    "/",
    ";",
    ";",
    ";x=y",
    ";jsessionid=1.a",
    "/;",
    "/;x/",
    "/;/",
    "//",
    "///",
    ".",
    "..",
    "/.",
    "/..",
    "/./",
    "/../",
    "/x/../",
    "/..;/",
    "/.;x/",
    "%2f",
    "%2F",
    "%3b",
    "%3B",
    "/%3b/",
    "%3bx/",
    "%5c",
    "\\",
    "%2e",
    "%2e%2e",
    "/%2e%2e/",
    "%252f",
    "%25",
    ".jsp",
    ".jsp;",
    "%61",
    "?q=/private/",
    "*",
];

/// Text that does not change what a path names, and text that nearly does not.
const NOISE: [&str; 18] = [
    ";", ";x", ";v=1", "%3b", "%3bx", "/", "//", "/;", "/;x", "/;x/", "/%3b/", "/.", "/./",
    "/x/..", "/.;", "/..;/", "%2f", "%2e/",
];

/// The rules of the first virtual hosts.
const REPORTED: [&str; 2] =
    ["/app/*=a\n!/app/private/*=a\n", "/*=a\n!/*/*/admin/*=a\n/*/*.jsp=b\n!/*/*.jsp=b\n"];

/// The rules of one virtual host, and httpd's lines for it.
struct Host {
    map: String,
    jk_lines: String,
    lines: &'static str,
}

fn rule(random: &mut Random) -> String {
    let mut pattern = String::new();
    for part in random.pick(&PATTERNS).split_inclusive('W') {
        pattern.push_str(part.trim_end_matches('W'));
        if part.ends_with('W') {
            pattern.push_str(random.pick(&WORDS));
        }
    }
    let prefix = random.pick(&["", "", "", "", "", "!", "!", "!", "!", "!", "-", "-!"]);
    let workers: &[&str] = if prefix.ends_with('!') {
        &["a", "a", "a", "b", "lb", "s", "*", "*"]
    } else {
        &["a", "a", "a", "a", "b", "b", "lb", "s", "gone"]
    };
    format!("{prefix}{pattern}={}\n", random.pick(workers))
}

fn host(random: &mut Random, number: usize) -> Host {
    let mut map: String = (0..2 + random.below(6)).map(|_| rule(random)).collect();
    let lines = [
        "",
        "",
        "",
        "AllowEncodedSlashes On",
        "AllowEncodedSlashes NoDecode",
        "MergeSlashes Off",
        "SetEnvIf Request_URI private no-jk",
        "SetEnvIf Request_URI static no-jk",
    ];
    let options = ["", "", "", "JkOptions +RejectUnsafeURI", "JkOptions +ForwardURICompatUnparsed"];
    let (mut lines, mut options) = (random.pick(&lines), random.pick(&options));
    if let Some(reported) = REPORTED.get(number) {
        map = (*reported).into();
        (lines, options) = ("", "");
    }
    let jk_lines = format!("JkMountFile map{number}\n{options}\n");
    Host { map, jk_lines, lines }
}

/// A path that one of the rules matches, or nearly.
fn guided(random: &mut Random, map: &str) -> String {
    let rules: Vec<&str> = map.lines().collect();
    let rule = random.pick(&rules).trim_start_matches(['-', '!']);
    let pattern = rule.split('=').next().unwrap_or("/").replacen('|', "", random.below(2));
    let pattern = pattern.split('|').next().unwrap_or("/");
    let mut path = String::new();
    for c in pattern.chars() {
        match c {
            '*' => {
                for _ in 0..random.below(3) {
                    path.push_str(if random.once_in(3) { "/" } else { random.pick(&WORDS) });
                }
            }
            '?' => path.push_str(random.pick(&["a", "b", "/", "."])),
            c => path.push(c),
        }
    }
    let count = random.below(3);
    noisy(random, &path, count)
}

/// The path with this many pieces of noise in it.
fn noisy(random: &mut Random, path: &str, count: usize) -> String {
    let mut path = path.to_owned();
    for _ in 0..count {
        // Beside a slash, or anywhere.
        let slashes: Vec<usize> = path.match_indices('/').map(|(at, _)| at).collect();
        let at = match random.below(3) {
            0 => random.below(path.len() + 1),
            1 => random.pick(&slashes),
            _ => random.pick(&slashes) + 1,
        };
        path.insert_str(at, random.pick(&NOISE));
    }
    if !path.starts_with('/') {
        path.insert(0, '/');
    }
    path
}

fn target(random: &mut Random, map: &str) -> String {
    if !random.once_in(3) {
        return guided(random, map);
    }
    let pieces: Vec<&str> = PIECES.iter().chain(&WORDS).chain(&WORDS).copied().collect();
    format!("/{}", random.words(&pieces, 9))
}

/// The files of mod_jk's configuration, in memory.
struct Memory<'m> {
    httpd: String,
    workers: &'m str,
    hosts: &'m [Host],
}

impl Files for Memory<'_> {
    fn read(&self, path: &str) -> Result<Vec<u8>, String> {
        let text = match path.strip_prefix("map") {
            Some(number) => &self.hosts[number.parse::<usize>().expect("our own name")].map,
            None if path == "workers" => self.workers,
            None => &self.httpd,
        };
        Ok(text.as_bytes().to_vec())
    }
    fn find(&self, _: &str) -> Vec<String> {
        Vec::new()
    }
}

/// Each host with these lines in it.
fn virtual_hosts(hosts: &[Host], port: u16, lines_of: impl Fn(usize, &Host) -> String) -> String {
    let mut text = String::new();
    for (number, host) in hosts.iter().enumerate() {
        let own = lines_of(number, host);
        let common = host.lines;
        writeln!(
            text,
            "<VirtualHost *:{port}>\nServerName r{number}.test\n{common}\n{own}</VirtualHost>"
        )
        .expect("a String takes all");
    }
    text
}

fn setup(port: u16) -> Setup {
    let one_child = "StartServers 1\nServerLimit 1\nMaxRequestWorkers 16\nMaxSpareThreads 16";
    Httpd::setup().conf(one_child).conf("DirectoryIndex index.jsp").log_level("emerg").port(port)
}

fn with_mod_jk(hosts: &[Host], workers: &str, directory: &Path) -> Httpd {
    let port = free_port();
    fs::write(directory.join("workers"), workers).expect("our own directory");
    for (number, host) in hosts.iter().enumerate() {
        fs::write(directory.join(format!("map{number}")), &host.map).expect("our own directory");
    }
    let in_directory = |lines: &str| lines.replace("map", &format!("{}/map", directory.display()));
    setup(port)
        .mod_jk()
        .conf("JkShmFile jk-shm\nJkLogFile jk.log\nJkLogLevel error")
        .conf(&format!("JkWorkersFile {}/workers", directory.display()))
        .conf(&virtual_hosts(hosts, port, |_, host| in_directory(&host.jk_lines)))
        .start()
}

fn with_ours(hosts: &[Host], workers: &str, directory: &Path) -> Httpd {
    let port = free_port();
    let httpd = virtual_hosts(hosts, port, |_, host| host.jk_lines.clone());
    let files = Memory { httpd: format!("JkWorkersFile workers\n{httpd}"), workers, hosts };
    let input = Input { httpd_conf: Some("httpd.conf".into()), ..Input::default() };
    let done = convert(&input, &files, &|_| None).expect("the files are there");
    let said: Vec<_> = done.messages.iter().map(|message| message.render(&done.sources)).collect();
    assert!(!done.has_failed(), "{}", said.join("\n"));
    for file in &done.files {
        fs::write(directory.join(&file.name), &file.text).expect("our own directory");
    }
    let include = |start: &str| {
        let file = done.files.iter().find(|file| file.name.starts_with(start));
        file.map(|file| format!("Include \"{}\"\n", directory.join(&file.name).display()))
    };
    let of_host = |number: usize, _: &Host| {
        include(&format!("jk2ajp-host-{}-", number + 1)).expect("each host has a file")
    };
    setup(port)
        .conf(&include("jk2ajp.conf").expect("the main server has a file"))
        .conf(&virtual_hosts(hosts, port, of_host))
        .start()
}

/// The worker that answers: `a`, `b`, `lb`, `s`; or none.
fn who(client: &mut Client, httpd: &Httpd, host: usize, target: &str) -> &'static str {
    client.send(format!("GET {target} HTTP/1.1\r\nHost: r{host}.test\r\n\r\n"));
    let answer = client.response("GET");
    if answer.header("Connection").is_some_and(|word| word.eq_ignore_ascii_case("close")) {
        *client = httpd.client();
    }
    let text = answer.text();
    match text.split(' ').next() {
        _ if answer.status != 200 => "nobody",
        Some("a") => "a",
        Some("b") => "b",
        Some("c" | "d") => "lb",
        // One of the status pages.
        _ => "s",
    }
}

fn number_from(variable: &str, default: usize) -> usize {
    std::env::var(variable).map_or(default, |text| text.parse().expect("a number"))
}

/// The intended differences from mod_jk.
fn is_known(host: &Host, target: &str, there: &str, here: &str) -> bool {
    let path = target.split('?').next().unwrap_or("").to_lowercase();
    let plain = path.replace("%3b", ";").replace("%2e", ".").replace("%2f", "/");
    // mod_jk resolves dots with parameters; httpd's proxy refuses `%25` with 400 where it may be
    // part of an encoded slash.
    let has_dots = plain.contains("/.;") || plain.contains("/..;");
    let is_refused = has_dots || (host.lines.ends_with("NoDecode") && path.contains("%25"));
    // A directory's index page comes before our status page, and may be mod_jk's.
    let is_index = there == "s" && plain.ends_with(['/', '.']);
    (here == "nobody" && is_refused) || is_index
}

#[test]
fn no_url_reaches_a_worker_that_mod_jk_keeps_from_it() {
    let pairs = number_from("JK2AJP_PAIRS", 1500);
    let mut random = Random::new(number_from("JK2AJP_SEED", 14) as u64);
    let count = (pairs / 25).clamp(60, 250);
    let hosts: Vec<Host> = (0..count).map(|number| host(&mut random, number)).collect();
    let peers = ["a", "b", "c", "d"].map(named_with_uri);
    let mut workers = "worker.list=a,b,lb,s\nworker.s.type=status\nworker.lb.type=lb\n\
        worker.lb.balance_workers=c,d\n"
        .to_owned();
    for (name, peer) in ["a", "b", "c", "d"].iter().zip(&peers) {
        writeln!(workers, "worker.{name}.host=127.0.0.1\nworker.{name}.port={}", peer.port())
            .expect("a String takes all");
    }
    let directory = tempfile::tempdir().expect("a temporary directory");
    let theirs = with_mod_jk(&hosts, &workers, directory.path());
    let ours = with_ours(&hosts, &workers, directory.path());
    let (mut their_client, mut our_client) = (theirs.client(), ours.client());

    let long = "a/".repeat(1900);
    let reported = [
        (0, "/app/;/private/s.txt".to_owned()),
        (0, "/app/;x/private/s.txt".to_owned()),
        (0, "/app/%3b/private/s.txt".to_owned()),
        (1, format!("/a/a/admin/{long}")),
        (1, format!("/{long}x.jsp")),
    ];
    let mut differences = Vec::new();
    let mut reached = [0, 0];
    for pair in 0..pairs {
        let (host, target) = match reported.get(pair) {
            Some(reported) => reported.clone(),
            None => (pair % count, target(&mut random, &hosts[pair % count].map)),
        };
        let there = who(&mut their_client, &theirs, host, &target);
        let here = who(&mut our_client, &ours, host, &target);
        reached[usize::from(there != "nobody")] += 1;
        if here != there && !is_known(&hosts[host], &target, there, here) {
            let Host { map, jk_lines, lines } = &hosts[host];
            differences.push(format!(
                "{target}: {there} with mod_jk, {here} with ours\n{map}{jk_lines}{lines}"
            ));
        }
    }
    let shown = differences.iter().take(20).cloned().collect::<Vec<_>>().join("\n\n");
    assert!(differences.is_empty(), "{} of {pairs} pairs:\n{shown}", differences.len());
    assert!(reached.iter().all(|count| count * 8 > pairs), "neither is rare: {reached:?}");
    println!("{pairs} pairs, {count} sets of rules: {} reach a worker", reached[1]);
}

#[test]
fn no_url_reaches_an_excluded_path_in_a_tomcat() {
    let tomcat = Tomcat::shared();
    let workers =
        format!("worker.list=a\nworker.a.host=127.0.0.1\nworker.a.port={}\n", tomcat.port);
    let map = "/app/*=a\n!/app/echo/private/*=a\n!/*/echo/*.gif=a\n".to_owned();
    let jk_lines = "JkMountFile map0\n".to_owned();
    let hosts = [Host { map, jk_lines, lines: "" }];
    let directory = tempfile::tempdir().expect("a temporary directory");
    let httpd = with_ours(&hosts, &workers, directory.path());
    let mut client = httpd.client();
    let mut random = Random::new(15);
    let mut reached = 0;
    for _ in 0..600 {
        let start = random.pick(&["/app/echo/private/s.txt", "/app/echo/x/y.gif", "/app/echo/x"]);
        let path = noisy(&mut random, start, 2);
        client.send(format!("GET {path} HTTP/1.1\r\nHost: r0.test\r\n\r\n"));
        let answer = client.response("GET");
        if answer.header("Connection").is_some_and(|word| word.eq_ignore_ascii_case("close")) {
            client = httpd.client();
        }
        // As the servlet sees it, if it is not the application's index page.
        if answer.status == 200 && answer.text().contains("pathInfo=") {
            let info = answer.said("pathInfo");
            assert!(!info.starts_with("/private/") && !info.ends_with(".gif"), "{path}: {info}");
            reached += 1;
        }
    }
    assert!(reached > 100, "some are not excluded: {reached}");
}
