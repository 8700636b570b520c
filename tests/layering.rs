// Over 500 lines: tables, their checker, and the checker's own tests.
//! The rules of the crate's layers: which layer may import which, which rooms some layers have, that no
//! files import each other in a circle, where unsafe code, sockets and the clock may be used, and that
//! no test bounds real time from above. Reads the sources and the tests. A layer need not exist yet.
#![allow(missing_docs)]

#[path = "layering/module_graph.rs"]
mod module_graph;

use std::fmt::Write;
use std::fs;
use std::path::{Path, PathBuf};

use module_graph::{Exception, Graph, Rooms};

/// A folder (or file) of `src/`, and what it may import of the others. From the bottom up.
const LAYERS: &[(&str, &[&str])] = &[
    ("words", &[]),
    ("sync", &[]),
    ("messages", &[]),
    ("protocol", &[]),
    ("exchange", &["protocol"]),
    ("pool", &["sync"]),
    ("config", &["protocol", "balance"]),
    ("balance", &[]),
    ("shared", &["balance", "sync"]),
    ("stats", &["shared", "pool"]),
    ("status", &["pool", "config", "shared", "stats", "balance"]),
    ("migrate", &["protocol", "config"]),
    ("net", &[]),
    ("dialer", &["protocol", "net"]),
    ("command_line", &["protocol", "config", "dialer", "migrate"]),
    ("backend", &["messages", "protocol", "exchange", "pool", "config", "shared", "stats", "net"]),
    (
        "proxy",
        &[
            "messages", "protocol", "exchange", "pool", "config", "shared", "stats", "net",
            "backend",
        ],
    ),
    (
        "ffi",
        &[
            "messages", "protocol", "exchange", "pool", "config", "shared", "stats", "balance",
            "status", "net", "backend", "proxy",
        ],
    ),
];

/// Layers with rooms of their own, each with its table. Code of tests may import any room.
const LAYERS_WITH_ROOMS: &[(&str, &Rooms)] = &[("migrate", MIGRATE_ROOMS), ("ffi", FFI_ROOMS)];

const MIGRATE_ROOMS: &Rooms = &[
    ("text", &[]),
    ("read", &["text"]),
    ("translate", &["text", "read"]),
    ("write", &["text", "read", "translate"]),
    ("convert", &["text", "read", "translate", "write"]),
    ("watch", &["text", "read"]),
];

/// The rooms of `ffi`, from the bottom up. The four below `module` do not know each other.
const FFI_ROOMS: &Rooms = &[
    ("sys", &[]),
    ("guard", &[]),
    ("apr", &["sys", "guard"]),
    ("httpd", &["sys", "guard", "apr"]),
    ("mod_proxy", &["sys", "guard", "apr", "httpd"]),
    ("child", &["sys", "guard", "apr", "httpd", "mod_proxy"]),
    ("state", &["sys", "guard", "apr", "httpd", "mod_proxy", "child"]),
    ("startup", BELOW_THE_HOOKS),
    ("request", BELOW_THE_HOOKS),
    ("balancing", BELOW_THE_HOOKS),
    ("status_page", BELOW_THE_HOOKS),
    ("parking", BELOW_THE_HOOKS),
    (
        "module",
        &[
            "sys",
            "guard",
            "apr",
            "httpd",
            "mod_proxy",
            "child",
            "state",
            "startup",
            "request",
            "balancing",
            "status_page",
            "parking",
        ],
    ),
];

const BELOW_THE_HOOKS: &[&str] = &["sys", "guard", "apr", "httpd", "mod_proxy", "child", "state"];

/// Words that only some files of `ffi` may contain: a word or the beginning of one, then the files or
/// folders.
const FFI_PLACES: &[(&[&str], &[&str], &str)] = &[
    (
        &["sys", "::", "PROXY_WORKER_"],
        &["mod_proxy/"],
        "the flags of a worker's status have their meaning in src/balance/worker_status.rs",
    ),
    (
        &["extern", "fn"],
        &[
            "module.rs",
            "apr/buckets.rs",
            "apr/pool.rs",
            "balancing/lbmethod.rs",
            "child/housekeeping.rs",
            "startup/operator_orders.rs",
        ],
        "what httpd can call stands in module.rs; cleanups of pools and buckets, and lbmethods, beside \
         what they are for",
    ),
    (
        &["ajp_shim_log"],
        &["httpd/log.rs"],
        "a line at level info or above has a message: httpd::log",
    ),
    (
        &["ap_server_conf"],
        &["httpd/server.rs"],
        "httpd::server::main() is the way to the main server",
    ),
];

/// The files that may import each other in a circle, and why. `nodes` empty: any file of the folder.
const CIRCLES: &[Exception] = &[Exception {
    folder: "backend",
    nodes: &["acceptor", "connector", "mod", "packet_question", "source"],
    why: "a source of connections opens them for a backend, and a backend has its source",
}];

/// Words that only some layers may use, and why. Code of tests may read the clock.
const WORDS: &[Rule] = &[
    Rule {
        words: &[&["unsafe"]],
        layers: &["ffi"],
        in_tests: false,
        why: "unsafe code lives in src/ffi and nowhere else",
    },
    Rule {
        words: &[
            &["rustix"],
            &["libc"],
            &["socket2"],
            &["TcpStream"],
            &["TcpListener"],
            &["UnixStream"],
            &["UnixListener"],
        ],
        layers: &["net", "dialer", "backend", "proxy", "ffi"],
        in_tests: false,
        why: "sockets begin in src/net",
    },
    Rule {
        words: &[&["Instant", "::", "now"], &["SystemTime", "::", "now"]],
        layers: &["net", "dialer", "backend", "proxy", "ffi"],
        in_tests: true,
        why: "time is an argument below src/net",
    },
    Rule {
        words: &[&["&", "&", "let"]],
        layers: &[],
        in_tests: false,
        why: "Rust 1.85, which Debian 13 has, knows no chains of let",
    },
];

/// Words that code of tests does not use, in `src/` and in `tests/`: upper bounds on real time. A lower
/// bound holds on every machine, and so does a deadline that only a hang reaches (`wait_for`).
const TOO_SOON: Rule = Rule {
    words: &[
        &["took", "<"],
        &["contains", "(", "&", "took", ")"],
        &["elapsed", "(", ")", "<"],
        &["as_secs", "(", ")", "<"],
        &["as_secs_f64", "(", ")", "<"],
        &["as_millis", "(", ")", "<"],
        &["as_micros", "(", ")", "<"],
        &["<", "Duration", "::"],
        &["<", "=", "Duration", "::"],
        &["<", "std", "::", "time", "::", "Duration"],
        &["<", "=", "std", "::", "time", "::", "Duration"],
        &["set_read_timeout", "(", "Duration"],
        &["set_read_timeout", "(", "Some", "(", "Duration"],
        &["set_write_timeout", "(", "Some", "(", "Duration"],
    ],
    layers: &[],
    in_tests: false,
    why: "a busy machine takes longer; assert an order of events, a count, the log's words, or wait \
          for as long as only a hang takes",
};

struct Rule {
    /// The words, each as a row of tokens.
    words: &'static [&'static [&'static str]],
    layers: &'static [&'static str],
    in_tests: bool,
    why: &'static str,
}

/// The limit in lines. A longer file says why in its first line, in a comment with this number.
const LINES: usize = 500;

#[test]
fn every_layer_imports_only_layers_below_it() {
    let src = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut findings = Vec::new();
    for path in sources(&src) {
        let name = path.strip_prefix(&src).expect("found below src").to_string_lossy().into_owned();
        let text = fs::read_to_string(&path).expect("a source file is text");
        findings.extend(check(&name, &text));
    }
    assert!(findings.is_empty(), "{} broken rules:\n{}", findings.len(), list("src/", &findings));
}

#[test]
fn every_room_imports_only_rooms_below_it() {
    let graph = Graph::read(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src"));
    let findings: Vec<String> = LAYERS_WITH_ROOMS
        .iter()
        .flat_map(|(layer, rooms)| graph.broken_rooms(layer, rooms))
        .collect();
    assert!(findings.is_empty(), "{} broken rules:\n{}", findings.len(), list("src/", &findings));
}

#[test]
fn words_that_belong_to_one_file_of_ffi_are_in_no_other() {
    let src = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/ffi");
    let findings: Vec<String> = sources(&src)
        .into_iter()
        .flat_map(|path| {
            let name = path.strip_prefix(&src).expect("found below it").to_string_lossy();
            misplaced(&name, &fs::read_to_string(&path).expect("a source file is text"))
        })
        .collect();
    let count = findings.len();
    assert!(findings.is_empty(), "{count} broken rules:\n{}", list("src/ffi/", &findings));
}

/// Checks one file, `path` below `src/ffi/`.
fn misplaced(path: &str, text: &str) -> Vec<String> {
    let tokens = tokens(text);
    let mut findings = Vec::new();
    for (words, places, why) in FFI_PLACES {
        if places.iter().any(|place| path.starts_with(place)) {
            continue;
        }
        for found in tokens.windows(words.len()) {
            if found.iter().zip(*words).all(|(token, word)| token.text.starts_with(word)) {
                findings.push(format!("{path}:{}: `{}`: {why}", found[0].line, words.join(" ")));
            }
        }
    }
    findings
}

#[test]
fn a_flag_a_callback_and_the_main_server_in_the_wrong_file_are_found() {
    for (path, code) in [
        ("request/handler.rs", "const A: u32 = sys::PROXY_WORKER_DRAIN;"),
        ("state/marks.rs", "unsafe extern \"C\" fn end(data: *mut c_void) {}"),
        ("child/child_state.rs", "let main = unsafe { sys::ap_server_conf };"),
    ] {
        assert_eq!(misplaced(path, code).len(), 1, "{path}: {code}");
    }
    for (path, code) in [
        ("mod_proxy/worker_fields.rs", "const A: u32 = sys::PROXY_WORKER_DRAIN;"),
        ("module.rs", "unsafe extern \"C\" fn end(data: *mut c_void) {}"),
        ("httpd/server.rs", "let main = unsafe { sys::ap_server_conf };"),
        ("request/handler.rs", "// sys::PROXY_WORKER_DRAIN\nfn f() {}"),
    ] {
        assert_eq!(misplaced(path, code), [""; 0], "{path}: {code}");
    }
}

#[test]
fn no_folder_has_a_circle_of_files() {
    let graph = Graph::read(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src"));
    let findings = graph.circles(CIRCLES);
    assert!(findings.is_empty(), "{} circles:\n{}", findings.len(), list("src/", &findings));
}

/// Folders and files below `src/` whose code is a machine without I/O; its driver is in `blocking.rs`.
const MACHINES: &[&str] = &[
    "proxy/conversation/",
    "backend/acquisition/",
    "backend/handshake.rs",
    "backend/handshakes.rs",
    "backend/size_question.rs",
];

/// Words of code that waits, moves bytes or reads the clock.
const IO: Rule = Rule {
    words: &[
        &["Instant", "::", "now"],
        &["thread"],
        &["Stream"],
        &["send_now"],
        &["receive_now"],
        &["wait_readable"],
        &["rustix"],
    ],
    layers: &[],
    in_tests: true,
    why: "a machine says what to do, and its driver does it",
};

#[test]
fn a_machine_does_no_io_and_reads_no_clock() {
    let src = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let (mut findings, mut files) = (Vec::new(), 0);
    for path in sources(&src) {
        let name = path.strip_prefix(&src).expect("found below src").to_string_lossy().into_owned();
        let is_driver = name.ends_with("/blocking.rs");
        let is_machine = MACHINES.iter().any(|machine| name.starts_with(machine));
        if is_machine && !is_driver && !is_test_file(&name) {
            files += 1;
            let text = fs::read_to_string(&path).expect("a source file is text");
            let tokens = tokens(&text);
            let found = uses(&tokens, &IO, |token| !token.in_tests);
            findings
                .extend(found.into_iter().map(|(line, words)| format!("{name}:{line}: `{words}`")));
        }
    }
    assert!(files > 15, "the machines are where they were");
    assert!(findings.is_empty(), "{}:\n{}", IO.why, list("src/", &findings));
}

#[test]
fn no_test_bounds_real_time_from_above() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut findings = Vec::new();
    for path in
        ["src", "tests", "test-support"].iter().flat_map(|folder| sources(&root.join(folder)))
    {
        let name = path.strip_prefix(root).expect("found below it").to_string_lossy().into_owned();
        let text = fs::read_to_string(&path).expect("a source file is text");
        findings.extend(check_tests(&name, &text));
    }
    assert!(findings.is_empty(), "{} bounds:\n{}", findings.len(), list("", &findings));
}

fn list(folder: &str, findings: &[String]) -> String {
    findings.iter().fold(String::new(), |mut list, finding| {
        writeln!(list, "  {folder}{finding}").expect("a String");
        list
    })
}

fn sources(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).expect("src is there").map(|entry| entry.expect("readable"));
    let mut found = Vec::new();
    for path in entries.map(|entry| entry.path()) {
        if path.is_dir() {
            found.extend(sources(&path));
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
    found.sort();
    found
}

/// Checks one file, `path` below `src/`. Each finding is `path:line: what`.
fn check(path: &str, text: &str) -> Vec<String> {
    let mut findings = Vec::new();
    let lines = text.lines().count();
    let excused = text.lines().next().is_some_and(|l| l.starts_with("//") && l.contains("500"));
    if lines > LINES && !excused {
        findings.push(format!(
            "{path}:1: {lines} lines, and no reason in the first (`// Over 500 lines: …`)"
        ));
    }
    // The crate root names the layers, and binaries stand above them.
    if path == "lib.rs" || path.starts_with("bin/") || path == "main.rs" {
        return findings;
    }
    let layer = path.split('/').next().unwrap_or(path).trim_end_matches(".rs");
    let Some((_, allowed)) = LAYERS.iter().find(|(name, _)| *name == layer) else {
        findings
            .push(format!("{path}:1: `{layer}` is no layer: give it a place in tests/layering.rs"));
        return findings;
    };
    let tokens = tokens(text);
    for (line, target) in imports(&tokens, module_depth(path)) {
        let known = LAYERS.iter().any(|(name, _)| *name == target);
        if known && target != layer && !allowed.contains(&target) {
            findings.push(format!("{path}:{line}: `{layer}` must not import `{target}`"));
        }
    }
    for rule in WORDS.iter().filter(|rule| !rule.layers.contains(&layer)) {
        let holds = |token: &Token<'_>| !(rule.in_tests && (is_test_file(path) || token.in_tests));
        for (line, words) in uses(&tokens, rule, holds) {
            findings.push(format!("{path}:{line}: `{words}` in `{layer}`: {}", rule.why));
        }
    }
    findings
}

/// Checks the code of tests in one file, `path` below the crate's folder.
fn check_tests(path: &str, text: &str) -> Vec<String> {
    let holds = |token: &Token<'_>| is_test_file(path) || token.in_tests;
    let found = uses(&tokens(text), &TOO_SOON, holds);
    let finding = |(line, words)| format!("{path}:{line}: `{words}`: {}", TOO_SOON.why);
    found.into_iter().map(finding).collect()
}

/// How many `super` lead from this file's module to the crate root.
fn module_depth(path: &str) -> usize {
    let parts = path.split('/').count();
    if path.ends_with("/mod.rs") { parts - 1 } else { parts }
}

fn is_test_file(path: &str) -> bool {
    path.starts_with("test-support/")
        || path
            .split('/')
            .any(|part| part == "tests" || part == "tests.rs" || part.ends_with("_tests.rs"))
}

/// The modules of the crate root that these tokens name, each with its line.
fn imports<'a>(tokens: &[Token<'a>], depth: usize) -> Vec<(usize, &'a str)> {
    let mut found = Vec::new();
    let mut at = 0;
    while at < tokens.len() {
        let root = match tokens[at].text {
            "crate" | "mod_proxy_ajp_rs" => 1,
            "super" => {
                let supers = tokens[at..].chunks(2).take_while(|pair| {
                    pair.len() == 2 && pair[0].text == "super" && pair[1].text == "::"
                });
                let (count, needed) = (supers.count(), depth + tokens[at].modules);
                if count < needed {
                    at += 2 * count.max(1);
                    continue;
                }
                2 * count - 1
            }
            _ => 0,
        };
        if root == 0 || tokens.get(at + root).is_none_or(|token| token.text != "::") {
            at += root.max(1);
            continue;
        }
        at += root + 1;
        match tokens.get(at) {
            Some(token) if token.text == "{" => found.extend(group(&tokens[at..])),
            Some(token) => found.push((token.line, token.text)),
            None => {}
        }
    }
    found
}

/// The first names in `{a::b, c}`.
fn group<'a>(tokens: &[Token<'a>]) -> Vec<(usize, &'a str)> {
    let mut found = Vec::new();
    let mut braces = 0;
    let mut before = "";
    for token in tokens {
        match token.text {
            "{" => braces += 1,
            "}" => braces -= 1,
            name if braces == 1 && matches!(before, "{" | ",") => found.push((token.line, name)),
            _ => {}
        }
        if braces == 0 {
            break;
        }
        before = token.text;
    }
    found
}

/// The rule's words, each with its line, if the rule applies to the first token of them.
fn uses(
    tokens: &[Token<'_>],
    rule: &Rule,
    holds: impl Fn(&Token<'_>) -> bool,
) -> Vec<(usize, String)> {
    let mut found = Vec::new();
    for words in rule.words {
        for window in tokens.windows(words.len()) {
            if holds(&window[0]) && window.iter().map(|token| token.text).eq(words.iter().copied())
            {
                found.push((window[0].line, words.concat()));
            }
        }
    }
    found
}

/// A word, `::`, or one other character of code.
#[derive(Debug)]
struct Token<'a> {
    text: &'a str,
    line: usize,
    /// The number of inline modules around it.
    modules: usize,
    /// Whether one of them is called `tests`.
    in_tests: bool,
}

/// Splits source text into tokens, without comments, strings and character literals.
fn tokens(text: &str) -> Vec<Token<'_>> {
    let mut tokens: Vec<Token<'_>> = Vec::new();
    // For each open brace: the name of the module that it opened, if it opened one.
    let mut braces: Vec<Option<&str>> = Vec::new();
    let mut line = 1;
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        let skipped = not_code(rest);
        if skipped > 0 {
            line += rest[..skipped].matches('\n').count();
            rest = &rest[skipped..];
            continue;
        }
        let is_word = |c: char| c.is_alphanumeric() || c == '_';
        let length = if is_word(first) {
            rest.find(|c| !is_word(c)).unwrap_or(rest.len())
        } else if rest.starts_with("::") {
            2
        } else {
            first.len_utf8()
        };
        let token = &rest[..length];
        match (token, &tokens[..]) {
            ("{", [.., keyword, name]) if keyword.text == "mod" => braces.push(Some(name.text)),
            ("{", _) => braces.push(None),
            ("}", _) => drop(braces.pop()),
            _ => {}
        }
        if !first.is_whitespace() {
            let modules = braces.iter().flatten();
            let in_tests = modules.clone().any(|name| *name == "tests");
            tokens.push(Token { text: token, line, modules: modules.count(), in_tests });
        }
        line += usize::from(first == '\n');
        rest = &rest[length..];
    }
    tokens
}

/// The length of the comment, string or character literal that `rest` starts with; 0 if there is none.
fn not_code(rest: &str) -> usize {
    let until = |end: &str, from: usize| {
        rest[from..].find(end).map_or(rest.len(), |found| from + found + end.len())
    };
    if rest.starts_with("//") {
        return rest.find('\n').unwrap_or(rest.len());
    }
    if rest.starts_with("/*") {
        return until("*/", 2);
    }
    let prefix = rest.len() - rest.trim_start_matches(['b', 'c']).len();
    if prefix > 1 {
        return 0;
    }
    let literal = &rest[prefix..];
    if let Some(raw) = literal.strip_prefix('r') {
        let hashes = raw.len() - raw.trim_start_matches('#').len();
        return match raw[hashes..].starts_with('"') {
            true => until(&format!("\"{}", "#".repeat(hashes)), prefix + hashes + 2),
            false => 0,
        };
    }
    match literal.chars().next() {
        Some('"') => quoted(rest, prefix + 1, '"'),
        // 'a' and '\n' are characters, 'a is a lifetime.
        Some('\'') => {
            let mut inner = literal.chars().skip(1);
            match (inner.next(), inner.next()) {
                (Some('\\'), _) | (Some(_), Some('\'')) => quoted(rest, prefix + 1, '\''),
                _ => 0,
            }
        }
        _ => 0,
    }
}

/// The end of the literal that `quote` closes; a backslash hides the character behind it.
fn quoted(rest: &str, from: usize, quote: char) -> usize {
    let mut hidden = false;
    for (at, c) in rest[from..].char_indices() {
        match c {
            _ if hidden => hidden = false,
            '\\' => hidden = true,
            _ if c == quote => return from + at + c.len_utf8(),
            _ => {}
        }
    }
    rest.len()
}

// Tests of the checker.

#[test]
fn an_import_of_a_layer_above_is_found_in_every_form() {
    for (path, code) in [
        ("pool/mod.rs", "use crate::net::Socket;"),
        ("pool/mod.rs", "use super::net;"),
        ("pool/lease.rs", "use super::super::net;"),
        ("pool/lease.rs", "use crate::{\n    pool::Pool, net::Socket};"),
        ("pool/lease.rs", "fn f() -> crate::backend::Error {}"),
        ("pool/lease.rs", "mod tests { use super::super::super::protocol; }"),
        ("net/mod.rs", "use mod_proxy_ajp_rs::protocol::PacketSize;"),
        ("net.rs", "pub use super::config::Timeouts;"),
        ("protocol/codes.rs", "macro_rules! m { () => { $crate::exchange::x() } }"),
    ] {
        assert_eq!(check(path, code).len(), 1, "{path}: {code}: {:?}", check(path, code));
    }
    let finding = check("pool/lease.rs", "//!\n\nuse crate::{pool::Pool,\n  net::Socket};");
    assert_eq!(finding, ["pool/lease.rs:4: `pool` must not import `net`"]);
}

#[test]
fn imports_of_layers_below_and_of_the_own_layer_are_allowed() {
    for (path, code) in [
        ("backend/mod.rs", "use crate::{net::Socket, pool::{Lease, proxy}, protocol};"),
        ("pool/lease.rs", "use super::net::Thing; use crate::pool::stats;"),
        ("pool/lease.rs", "mod tests { use super::super::net; }"),
        ("pool/lease.rs", "// use crate::net;\n/* crate::net */ const A: &str = \"crate::net\";"),
        ("pool/lease.rs", "const A: &str = r#\"a \" crate::net\"#; const B: u8 = b'\"';"),
        ("pool/lease.rs", "fn f<'a>(a: &'a str) -> char { '\\'' } // 'crate::net"),
        ("lib.rs", "pub mod net; pub use crate::net::Socket;"),
        ("bin/tool.rs", "use mod_proxy_ajp_rs::ffi;"),
    ] {
        assert_eq!(check(path, code), [""; 0], "{path}: {code}");
    }
}

#[test]
fn words_are_bound_to_their_layers() {
    assert_eq!(
        check("proxy/mod.rs", "\nfn f() { unsafe { g() } }"),
        ["proxy/mod.rs:2: `unsafe` in `proxy`: unsafe code lives in src/ffi and nowhere else"]
    );
    assert_eq!(check("ffi/guard.rs", "unsafe fn f() {}"), [""; 0]);
    assert_eq!(check("proxy/mod.rs", "#![forbid(unsafe_code)] // unsafe"), [""; 0]);
    assert_eq!(check("pool/mod.rs", "use std::net::TcpStream;").len(), 1);
    assert_eq!(check("config/mod.rs", "use std::net::SocketAddr;"), [""; 0]);
    assert_eq!(check("net/sys.rs", "use rustix::event::poll;"), [""; 0]);
}

#[test]
fn the_clock_is_read_above_pool_and_in_tests_only() {
    let code = "fn f() { let now = Instant::now(); }";
    assert_eq!(check("pool/mod.rs", code).len(), 1);
    assert_eq!(check("pool/mod.rs", &format!("mod tests {{ {code} }}")), [""; 0]);
    assert_eq!(check("pool/tests.rs", code), [""; 0]);
    assert_eq!(check("backend/mod.rs", code), [""; 0]);
}

#[test]
fn an_upper_bound_on_real_time_is_found_in_every_form_and_in_tests_only() {
    for code in [
        "assert!(took < 500);",
        "assert!(took <= limit);",
        "assert!((450..1000).contains(&took), \"one ping timeout\");",
        "assert!(start.elapsed() < TWO_PASSES);",
        "while start.elapsed() < limit {}",
        "assert!(start.elapsed().as_secs() < 25);",
        "assert!(start.elapsed().as_secs_f64() < 2.5);",
        "assert!(timed.as_millis() <= 300);",
        "assert!(timed.as_micros() < 300);",
        "assert!(first < Duration::from_millis(400), \"{first:?}\");",
        "assert!(first <= std::time::Duration::from_secs(1));",
        "assert!(waits.iter().all(|wait| *wait < Duration::from_secs(8)));",
        "stream.set_read_timeout(Some(Duration::from_secs(10))).unwrap();",
        "stream.set_write_timeout(Some(Duration::from_secs(10))).unwrap();",
        "conn.set_read_timeout(Duration::from_secs(4))?;",
    ] {
        for path in
            ["tests/jk/reuse.rs", "test-support/src/http.rs", "src/backend/reverse_tests.rs"]
        {
            assert_eq!(check_tests(path, code).len(), 1, "{path}: {code}");
        }
        let module = format!("fn f() {{}}\nmod tests {{ fn t() {{ {code} }} }}");
        assert_eq!(check_tests("src/net/deadline.rs", &module).len(), 1, "{module}");
        assert_eq!(check_tests("src/net/deadline.rs", code), [""; 0], "it is no test: {code}");
    }
    assert!(
        check_tests("tests/a.rs", "\nassert!(took < 5);")[0].starts_with("tests/a.rs:2: `took<`")
    );
    for fine in [
        "assert!(took >= 450);",
        "assert!(start.elapsed() > Duration::from_secs(3));",
        "assert!(Duration::ZERO < limit);",
        "let all: Vec<Duration> = Vec::new();",
        "let end = Instant::now() + DEADLINE;",
        "stream.set_read_timeout(Some(DEADLINE)).unwrap();",
        "// took < 5 and elapsed() < limit",
        "assert!(open < 4);",
    ] {
        assert_eq!(check_tests("tests/jk/reuse.rs", fine), [""; 0], "{fine}");
    }
}

#[test]
fn a_long_file_says_why() {
    let long = "\n".repeat(501);
    assert_eq!(check("net/mod.rs", &long).len(), 1);
    assert_eq!(check("net/mod.rs", &format!("// Over 500 lines: one table.{long}")), [""; 0]);
    assert_eq!(check("net/mod.rs", &"\n".repeat(500)), [""; 0]);
}

#[test]
fn a_new_folder_needs_a_row_in_the_table_of_layers() {
    assert!(check("misc/mod.rs", "")[0].contains("is no layer"));
}

fn graph(files: &[(&str, &str)]) -> Graph {
    let owned = |(path, text): &(&str, &str)| ((*path).to_owned(), (*text).to_owned());
    let mut graph = Graph::default();
    graph.add("", &files.iter().map(owned).collect::<Vec<_>>());
    graph
}

#[test]
fn a_circle_of_files_is_found_in_every_form() {
    for (one, other) in [
        ("use super::b::B;", "use super::a::A;"),
        ("use super::{c, b::{self, B}};", "use crate::x::a;"),
        ("fn f() -> super::b::B {}", "use mod_proxy_ajp_rs::x::a::{A as Other};"),
        ("mod inner { use super::super::b::B; }", "use super::A;"),
        ("use super::{\n  b as other,\n};", "fn f() { super::a::f::<u8>() }"),
    ] {
        let files = [("x/mod.rs", "pub use a::A;"), ("x/a.rs", one), ("x/b.rs", other)];
        let found = graph(&files).circles(&[]);
        assert_eq!(found.len(), 1, "{one} {other}: {found:?}");
        assert!(found[0].starts_with("x: `a` imports `b` (x/a.rs:"), "{found:?}");
    }
}

#[test]
fn a_circle_of_folders_and_one_with_the_folder_s_own_file_are_circles_of_files() {
    let rooms = [
        ("x/mod.rs", "pub mod read; pub mod write;"),
        ("x/read/mod.rs", "mod file; pub use file::File;"),
        ("x/read/file.rs", "use crate::x::write::text::MARK;"),
        ("x/write/mod.rs", "pub mod text; pub mod all;"),
        ("x/write/text.rs", ""),
        ("x/write/all.rs", "use super::super::read::File;"),
    ];
    assert_eq!(
        graph(&rooms).circles(&[]),
        ["x: `read` imports `write` (x/read/file.rs:1), `write` imports `read` (x/write/all.rs:1)"]
    );
    let own = [("x/mod.rs", "use lease::Lease; struct Pool;"), ("x/lease.rs", "use super::Pool;")];
    assert_eq!(graph(&own).circles(&[]).len(), 1);
    let root = [("lib.rs", "mod a; const A: u8 = a::B;"), ("a.rs", "pub const B: u8 = crate::C;")];
    assert_eq!(graph(&root).circles(&[]).len(), 1);
}

#[test]
fn declarations_re_exports_and_tests_make_no_circle() {
    let files = [
        ("lib.rs", "pub mod x;"),
        ("x/mod.rs", "mod a; mod b; pub use a::A; pub(crate) use b::{B, f as g};"),
        ("x/a.rs", "use super::B; use std::fmt; mod tests { use super::*; use super::super::b; }"),
        ("x/b.rs", "// use super::a;\nfn f() { self::g(); x.a::<u8>(); other::a::b() }"),
        ("x/b_tests.rs", "use super::a::A;"),
    ];
    assert_eq!(graph(&files).circles(&[]), [""; 0]);
}

#[test]
fn an_exception_is_for_its_files_and_needs_a_circle() {
    let files = [
        ("x/mod.rs", ""),
        ("x/a.rs", "use super::b::B;"),
        ("x/b.rs", "use super::{a::A, c::C};"),
        ("x/c.rs", "use super::b::B;"),
    ];
    let exception = |nodes| Exception { folder: "x", nodes, why: "one concept" };
    let graph = graph(&files);
    assert_eq!(graph.circles(&[exception(&["a", "b", "c"])]), [""; 0]);
    assert_eq!(graph.circles(&[exception(&[])]), [""; 0]);
    assert_eq!(graph.circles(&[exception(&["a", "b"])]).len(), 1, "not that of b and c");
    let open = self::graph(&[("x/mod.rs", ""), ("x/a.rs", "use super::b::B;"), ("x/b.rs", "")]);
    assert_eq!(open.circles(&[exception(&[])]), ["x: an exception, and there is no circle"]);
    assert_eq!(open.circles(&[Exception { why: "", ..exception(&[]) }]).len(), 2);
}

#[test]
fn an_import_of_a_room_above_and_a_room_without_a_row_are_found() {
    let files = [
        ("x/mod.rs", "mod text; mod read; mod all; pub use all::all; pub use text::Text;"),
        ("x/text/mod.rs", "pub mod line;"),
        (
            "x/text/line.rs",
            "use crate::x::read::file;\n#[cfg(test)] mod tests { use crate::x::all; }",
        ),
        ("x/read/mod.rs", "pub mod file;"),
        ("x/read/file.rs", "use crate::x::Text;\n\nuse crate::x::all::all;"),
        ("x/all.rs", "use super::{read, text};"),
    ];
    let graph = graph(&files);
    let rooms: &Rooms = &[("text", &[]), ("read", &["text"]), ("all", &["text", "read"])];
    assert_eq!(
        graph.broken_rooms("x", rooms),
        [
            "x/read/file.rs:3: in x, `read` must not import `all`",
            "x/text/line.rs:1: in x, `text` must not import `read`",
        ]
    );
    assert_eq!(graph.broken_rooms("x", &rooms[..2])[0], "x/all: no room in the table of x");
}
