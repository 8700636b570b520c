//! Stock mod_proxy_ajp and ours give the same answers in front of the same Tomcat, except for the
//! listed differences.
//!
//! The requests are `corpus.txt`, the permitted differences `docs/differences.md`.

use std::collections::{BTreeMap, BTreeSet};
use test_support::http::{Client, Generated, Response};
use test_support::httpd::{Httpd, Module};
use test_support::process::free_port;
use test_support::tomcat::Tomcat;

const CORPUS: &str = include_str!("corpus.txt");
const DIFFERENCES: &str = include_str!("../../docs/differences.md");

/// The two front ends differ only in the module: the second takes over the first one's port.
const FRONT: &str = "\
    ProxyPass /app ajp://127.0.0.1:${AJP_PORT}/app\n\
    ProxyPass /raw ajp://127.0.0.1:${AJP_PORT}/app nocanon\n\
    ProxyPass /user ajp://127.0.0.1:${AJP_PORT}/app\n\
    ProxyPass /mapped ajp://127.0.0.1:${AJP_PORT}/app\n\
    ProxyPass /override ajp://127.0.0.1:${AJP_PORT}/app\n\
    AllowEncodedSlashes NoDecode\n\
    LimitRequestFieldSize 100000\n\
    LimitRequestLine 100000\n\
    RewriteEngine On\n\
    RewriteRule ^/rewritten/(.*)$ ajp://127.0.0.1:${AJP_PORT}/app/echo/$1 [P,NE]\n\
    <Location /mapped>\n\
    ProxyPassReverse /app\n\
    ProxyPassReverse http://inner.test/app\n\
    ProxyPassReverseCookiePath /app /mapped\n\
    ProxyPassReverseCookieDomain inner.test outer.test\n\
    </Location>\n\
    <Location /override>\n\
    ProxyErrorOverride On\n\
    ErrorDocument 401 \"who are you?\"\n\
    ErrorDocument 404 \"not found here\"\n\
    ErrorDocument 503 /app/page.jsp\n\
    </Location>\n\
    <Location /user>\n\
    AuthType Basic\n\
    AuthName test\n\
    AuthUserFile \"${PASSWORDS}\"\n\
    Require valid-user\n\
    </Location>\n\
    SetEnv AJP_from_httpd value\n";

/// The requests of one connection.
struct Case {
    name: String,
    requests: Vec<Request>,
}

#[derive(Clone, Default)]
struct Request {
    line: String,
    headers: Vec<String>,
    body: Vec<u8>,
    has_host: bool,
}

impl Request {
    fn method(&self) -> &str {
        self.line.split(' ').next().expect("split gives at least one")
    }

    fn bytes(&self, cookie: &str) -> Vec<u8> {
        let mut line = self.line.clone();
        if line.split(' ').count() < 3 {
            line += " HTTP/1.1";
        }
        let mut head = line + "\r\n";
        if !self.has_host {
            head += "Host: front.test\r\n";
        }
        for header in &self.headers {
            head += &(header.replace("{cookie}", cookie) + "\r\n");
        }
        let mut bytes = unescape(&(head + "\r\n"));
        bytes.extend_from_slice(&self.body);
        bytes
    }
}

/// Replaces `\xNN` by that byte, `\\` by a backslash and `{c:N}` by N times `c`.
fn unescape(text: &str) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut rest = text.as_bytes();
    while let Some((&first, tail)) = rest.split_first() {
        let (plain, after): (Vec<u8>, &[u8]) = match (first, tail) {
            (b'\\', [b'\\', after @ ..]) => (vec![b'\\'], after),
            (b'\\', [b'x', high, low, after @ ..]) => {
                let digits = [*high, *low];
                let digits = std::str::from_utf8(&digits).expect("hexadecimal digits");
                (vec![u8::from_str_radix(digits, 16).expect("hexadecimal digits")], after)
            }
            (b'{', [letter, b':', after @ ..]) => {
                let end = after.iter().position(|byte| *byte == b'}').expect("a closing brace");
                let count = std::str::from_utf8(&after[..end]).expect("a number");
                (vec![*letter; count.parse().expect("a number")], &after[end + 1..])
            }
            _ => (vec![first], tail),
        };
        bytes.extend(plain);
        rest = after;
    }
    bytes
}

/// The cases of the corpus, those after an `each` once for each of its words.
fn corpus() -> Vec<Case> {
    let mut cases = Vec::new();
    let mut words: Vec<&str> = vec![""];
    let mut lines: Vec<&str> = Vec::new();
    let mut name = None;
    let mut finish = |name: &mut Option<&str>, words: &mut Vec<&str>, lines: &mut Vec<&str>| {
        let Some(name) = name.take() else { return };
        for word in std::mem::replace(words, vec![""]) {
            let filled: Vec<_> = lines.iter().map(|line| line.replace("@@", word)).collect();
            cases.push(Case { name: name.replace("@@", word), requests: requests(&filled) });
        }
        lines.clear();
    };
    for line in CORPUS.lines().filter(|line| !line.is_empty() && !line.starts_with('#')) {
        if let Some(given) = line.strip_prefix("each ") {
            finish(&mut name, &mut words, &mut lines);
            words = given.split(' ').collect();
        } else if let Some(given) = line.strip_prefix("case ") {
            finish(&mut name, &mut words, &mut lines);
            name = Some(given);
        } else {
            lines.push(line);
        }
    }
    finish(&mut name, &mut words, &mut lines);
    cases
}

fn requests(lines: &[String]) -> Vec<Request> {
    let mut requests: Vec<Request> = Vec::new();
    for line in lines {
        let (first, rest) = line.split_once(' ').unwrap_or((line, ""));
        let size = |text: &str| text.parse::<u64>().expect("a number of bytes");
        match (first, requests.last_mut()) {
            ("body", Some(request)) => {
                request.headers.push(format!("Content-Length: {rest}"));
                request.body = Generated::bytes(size(rest), 5);
            }
            ("chunked", Some(request)) => {
                request.headers.push("Transfer-Encoding: chunked".to_owned());
                for chunk in rest.split_whitespace().map(size) {
                    request.body.extend(format!("{chunk:x}\r\n").into_bytes());
                    request.body.extend(Generated::bytes(chunk, chunk));
                    request.body.extend(b"\r\n");
                }
                request.body.extend(b"0\r\n\r\n");
            }
            ("text", Some(request)) => {
                request.body = unescape(rest);
                request.headers.push(format!("Content-Length: {}", request.body.len()));
            }
            ("raw", Some(request)) => request.body = unescape(rest),
            (header, Some(request)) if header.ends_with(':') => {
                request.has_host |= header == "Host:";
                if line != "Host:" {
                    request.headers.push(line.clone());
                }
            }
            _ => requests.push(Request { line: line.clone(), ..Request::default() }),
        }
    }
    requests
}

/// All answers, by case; a case whose connection is closed early has fewer answers than requests.
fn answers(module: Module, port: u16, cases: &[Case]) -> BTreeMap<String, Vec<Response>> {
    use std::os::unix::fs::PermissionsExt;
    let passwords = tempfile::NamedTempFile::new().expect("a temporary file");
    // httpd's {SHA} form of "wonderland".
    std::fs::write(&passwords, "alice:{SHA}tiY7sUhYKUwI5L3866kDY+ENcrQ=\n").expect("it is ours");
    let readable = std::fs::Permissions::from_mode(0o644);
    std::fs::set_permissions(&passwords, readable).expect("it is ours");
    let httpd = Httpd::setup()
        .module(module)
        .port(port)
        .define("AJP_PORT", Tomcat::shared().port)
        .define("PASSWORDS", passwords.path().display())
        .conf(FRONT)
        .start();
    cases.iter().map(|case| (case.name.clone(), run(&httpd, case))).collect()
}

fn run(httpd: &Httpd, case: &Case) -> Vec<Response> {
    let mut client: Client = httpd.client();
    let mut answers: Vec<Response> = Vec::new();
    for request in &case.requests {
        let cookie = answers.iter().rev().find_map(|answer| answer.header("Set-Cookie"));
        let cookie = cookie.and_then(|cookie| cookie.split(';').next()).unwrap_or_default();
        // A server that refuses a request may close before it has read all of it.
        let _ = client.try_send(request.bytes(cookie));
        let Some(answer) = client.try_response(request.method()) else { break };
        answers.push(answer);
    }
    answers
}

/// Text without the parts that differ between any two runs: session ids, the client's port.
fn steady(text: &str) -> String {
    let mut steady = String::new();
    for line in text.split_inclusive('\n') {
        if line.starts_with("remotePort=") {
            steady += "remotePort=*\n";
            continue;
        }
        let mut rest = line;
        let is_id = |text: &str| {
            text.len() >= 32 && text.bytes().take(32).all(|byte| byte.is_ascii_hexdigit())
        };
        while let Some(at) = rest.char_indices().map(|(at, _)| at).find(|at| is_id(&rest[*at..])) {
            steady += &rest[..at];
            steady.push('*');
            rest = &rest[at + 32..];
        }
        steady += rest;
    }
    steady
}

/// The differences between two answers to the same request, in the words of `docs/differences.md`.
fn differences(stock: &Response, ours: &Response) -> BTreeMap<String, String> {
    let mut found = BTreeMap::new();
    let mut compare = |what: &str, stock: String, ours: String| {
        if stock != ours {
            let values = format!("stock {stock:?}, ours {ours:?}");
            found.insert(what.to_owned(), values.chars().take(500).collect());
        }
    };
    compare("status", stock.status.to_string(), ours.status.to_string());
    compare("reason", stock.reason.clone(), ours.reason.clone());
    compare("complete", stock.complete.to_string(), ours.complete.to_string());
    if stock.body != ours.body {
        compare("body", steady(&stock.text()), steady(&ours.text()));
    }
    let names: BTreeSet<String> = [stock, ours]
        .iter()
        .flat_map(|answer| &answer.headers)
        .map(|(name, _)| name.to_lowercase())
        .filter(|name| name != "date")
        .collect();
    for name in names {
        let values = |answer: &Response| {
            let mut values = steady(&answer.all(&name).join("\n"));
            if name == "allow" {
                // httpd lists the methods in the order of a hash table.
                let mut methods: Vec<_> = values.split(',').collect();
                methods.sort_unstable();
                values = methods.join(",");
            }
            values
        };
        let sign = match (stock.header(&name), ours.header(&name)) {
            (None, _) => '+',
            (_, None) => '-',
            _ => '~',
        };
        compare(&format!("{sign}{name}"), values(stock), values(ours));
    }
    found
}

/// The rows of the table: a pattern for cases, the difference.
fn permitted() -> Vec<(String, String)> {
    DIFFERENCES
        .lines()
        .filter_map(|line| line.strip_prefix("| `")?.strip_suffix(" |"))
        .map(|row| {
            let cells: Vec<_> = row.splitn(3, " | ").map(|cell| cell.trim_matches('`')).collect();
            let [case, difference, reason] = cells[..] else { panic!("three columns: {row}") };
            assert!(!reason.trim().is_empty(), "a reason: {row}");
            (case.to_owned(), difference.to_owned())
        })
        .collect()
}

/// Whether `name` is `pattern`, in which each `*` stands for any text.
fn matches(pattern: &str, name: &str) -> bool {
    let Some((start, rest)) = pattern.split_once('*') else { return pattern == name };
    name.strip_prefix(start).is_some_and(|tail| {
        (0..=tail.len()).any(|at| tail.is_char_boundary(at) && matches(rest, &tail[at..]))
    })
}

#[test]
fn the_corpus_has_at_least_a_hundred_requests_and_unique_names() {
    let cases = corpus();
    let names: BTreeSet<_> = cases.iter().map(|case| &case.name).collect();

    assert!(cases.len() >= 100, "{}", cases.len());
    assert_eq!(names.len(), cases.len());
    assert!(cases.iter().all(|case| !case.requests.is_empty()));
}

#[test]
fn both_modules_answer_alike_except_for_the_listed_differences() {
    let cases = corpus();
    let port = free_port();
    let stock = answers(Module::Stock, port, &cases);
    let ours = answers(Module::Ours, port, &cases);

    let permitted = permitted();
    let mut used = BTreeSet::new();
    let mut unlisted = Vec::new();
    for case in &cases {
        let (stock, ours) = (&stock[&case.name], &ours[&case.name]);
        assert!(!stock.is_empty(), "{}: no answer at all", case.name);
        if stock.len() != ours.len() {
            let counts = format!("stock {} answers, ours {}", stock.len(), ours.len());
            unlisted.push(format!("{}: {counts}", case.name));
        }
        for (stock, ours) in stock.iter().zip(ours) {
            for (difference, values) in differences(stock, ours) {
                let row = permitted
                    .iter()
                    .position(|(case_, what)| *what == difference && matches(case_, &case.name));
                match row {
                    Some(row) => _ = used.insert(row),
                    None => unlisted.push(format!("{} {difference}: {values}", case.name)),
                }
            }
        }
    }
    let unused: Vec<_> = (0..permitted.len())
        .filter(|row| !used.contains(row))
        .map(|row| format!("{} {}", permitted[row].0, permitted[row].1))
        .collect();

    assert!(unlisted.is_empty(), "not in docs/differences.md:\n{}", unlisted.join("\n"));
    assert!(unused.is_empty(), "in docs/differences.md, but no longer so:\n{}", unused.join("\n"));
    println!("{} cases compared", cases.len());
}
