//! The regular expressions that `jk2ajp` writes: they match what mod_jk's patterns match, and the
//! number of steps that PCRE2 needs, on any path, grows with its length. An expression that needs more
//! runs into PCRE2's limit, which httpd takes for "no match": an exclusion could be bypassed.

use std::collections::HashMap;

use mod_proxy_ajp_rs::config::Words;
use mod_proxy_ajp_rs::migrate::{Files, Input, Pattern, convert};
use pcre2::bytes::{Regex, RegexBuilder};
use test_support::random::Random;

/// Compiles an expression as httpd does.
fn compiled(regex: &str) -> Regex {
    RegexBuilder::new().dotall(true).build(regex).unwrap_or_else(|e| panic!("{regex}: {e}"))
}

fn pattern(text: &str) -> Pattern {
    Pattern::parse(text).expect("it begins with a slash")
}

/// The path as Tomcat and mod_jk see it: without the parameters of each segment, and with `//` as `/`.
fn seen(path: &str) -> String {
    let bare: Vec<&str> =
        path.split('/').map(|segment| segment.split(';').next().unwrap_or("")).collect();
    let mut seen = bare.join("/");
    while seen.contains("//") {
        seen = seen.replace("//", "/");
    }
    seen
}

#[test]
fn an_empty_segment_with_parameters_is_no_segment() {
    let private = compiled(&pattern("/app/private/*").regex());
    for path in [
        "/app/private/s.txt",
        "/app/;/private/s.txt",
        "/app/;x/private/s.txt",
        "/app/;x;y=1/;/private/s.txt",
        "/;/app/private/s.txt",
        "/app;v=1/;x/private;v=2/s.txt",
        "/app//private/s.txt",
        "/app/private/;x",
    ] {
        assert!(private.is_match(path.as_bytes()).expect("within the limit"), "{path}");
    }
    for path in ["/app/;/private", "/app/;private/s.txt", "/app/x/private/s.txt", "/;app/private/"]
    {
        assert!(!private.is_match(path.as_bytes()).expect("within the limit"), "{path}");
    }
    let all = compiled(&pattern("/*/admin").regex());
    for (path, wanted) in [("/x/;/admin", true), ("/x/;/admin;v", true), ("/;x/admin", false)] {
        assert_eq!(all.is_match(path.as_bytes()).expect("within the limit"), wanted, "{path}");
    }
}

#[test]
fn an_expression_matches_what_its_pattern_matches_in_a_path_without_parameters() {
    let mut random = Random::new(14);
    let paths: Vec<String> = (0..400)
        .map(|_| format!("/{}", random.words(&["/", ";", "a", "b", ".", "/a", ";x=", "/;"], 9)))
        .collect();
    let mut found = [0, 0];
    for _ in 0..700 {
        let [one, two] = [(); 2]
            .map(|()| format!("/{}", random.words(&["/", "*", "?", "a", "b", ".", "/*"], 6)));
        let [Ok(one), Ok(two)] = [one, two].map(|text| Pattern::parse(&text)) else { continue };
        let (first, both) = (compiled(&one.regex()), compiled(&one.regex_with(&two)));
        for path in &paths {
            let bare = seen(path);
            let is_match =
                |regex: &Regex| regex.is_match(path.as_bytes()).expect("within the limit");
            let (is_one, is_two) = (one.matches(&bare), two.matches(&bare));
            assert_eq!(is_match(&first), is_one, "{} {path} ({bare})", one.as_str());
            let names = (one.as_str(), two.as_str());
            assert_eq!(is_match(&both), is_one && is_two, "{names:?} {path} ({bare})");
            found[usize::from(is_one)] += 1;
        }
    }
    assert!(found.iter().all(|count| *count > 5_000), "both outcomes are there: {found:?}");
}

/// Each construct that a pattern can have, and all of them together.
const PATTERNS: [&str; 20] = [
    "/*",
    "/app",
    "/app/*",
    "/*.jsp",
    "/app*",
    "/*/admin/*",
    "/*/*/admin/*",
    "/*/*.jsp",
    "/*/*/*/*/x",
    "/*a*a*a*a*b",
    "/*a*a*a*a*b/*",
    "/*/a/b/c/a/b/d*",
    "/?/?/?*?/?",
    "/*????????????b",
    "/*?/?/?/?/?/?/b",
    "/*??*??*??*b",
    "/*/?*/?*/admin",
    "/a/b/c/*/x.gif",
    "/**/***/x",
    "/*.jsp/*;",
];

/// Configurations whose expressions have other sources.
const OTHERS: &str = "JkOptions +RejectUnsafeURI\nJkStripSession On\n\
    JkStripSession On ;jsessionid\nJkStripSession On ;a;a;a\n";

struct Memory {
    httpd: String,
    map: String,
}

impl Files for Memory {
    fn read(&self, path: &str) -> Result<Vec<u8>, String> {
        match path {
            "httpd.conf" => Ok(self.httpd.clone().into_bytes()),
            "map" => Ok(self.map.clone().into_bytes()),
            _ => Ok(b"worker.list=v,w,s\nworker.s.type=status\nworker.w.port=8109\n".to_vec()),
        }
    }
    fn find(&self, _: &str) -> Vec<String> {
        Vec::new()
    }
}

/// All expressions in the written files.
fn written(memory: &Memory) -> Vec<String> {
    let input = Input {
        httpd_conf: Some("httpd.conf".into()),
        workers: Some("workers".into()),
        variables: HashMap::new(),
        ..Input::default()
    };
    let done = convert(&input, memory, &|_| None).expect("the files are there");
    let mut found = Vec::new();
    for line in done.files.iter().flat_map(|file| file.text.lines()) {
        let line = line.trim().trim_end_matches('>');
        let (name, rest) = line.split_once(' ').unwrap_or((line, ""));
        let words: Vec<_> = Words::of(rest).map(|word| word.text.into_owned()).collect();
        match name {
            "ProxyPassMatch" | "<LocationMatch" | "RewriteRule" => found.push(words[0].clone()),
            "RewriteCond" => found.push(words[1].trim_start_matches('!').to_owned()),
            _ => {}
        }
    }
    found
}

fn all_that_can_be_written() -> Vec<String> {
    let mut all = Vec::new();
    let patterns = PATTERNS.iter().filter(|text| !text.contains(';'));
    for (number, one) in patterns.clone().enumerate() {
        let other = patterns.clone().nth((number * 7 + 3) % 19).expect("there are so many");
        // Two workers, so that the exclusions belong to one of them; and a rule with a section of its
        // own.
        let map = format!("{one}=v;reply_timeout=5\n!{other}=v\n/{number}=w\n");
        all.extend(written(&Memory { httpd: "JkMountFile map\n".into(), map: map.clone() }));
        all.extend(written(&Memory {
            httpd: "JkMountFile map\n".into(),
            map: format!("{one}=s\n!{other}=*\n"),
        }));
    }
    for line in OTHERS.lines() {
        let httpd = format!("{line}\nJkMount /app/* v\n");
        all.extend(written(&Memory { httpd, map: String::new() }));
    }
    all.sort();
    all.dedup();
    all
}

/// The same expression, in which PCRE2 counts every byte that it reads: not only those to which it may
/// have to return.
fn counted(regex: &str) -> String {
    let mut out = String::new();
    let mut rest = regex;
    while !rest.is_empty() {
        let end = match rest.as_bytes()[0] {
            b'[' => rest.find(']').expect("it is closed") + 1,
            b'\\' => 2,
            _ => 1,
        };
        let (item, behind) = rest.split_at(end);
        let is_class = item.starts_with('[') || item == ".";
        if is_class && behind.starts_with(['*', '+']) {
            out.push_str(&format!("(?:{item})"));
        } else {
            out.push_str(item);
        }
        rest = behind;
    }
    out
}

/// Whether PCRE2 can decide with 32 KiB of memory. A thread of httpd keeps the memory of a match
/// forever.
fn is_small(regex: &str, path: &[u8]) -> bool {
    compiled(&format!("(*LIMIT_HEAP=32)(*NO_START_OPT){regex}")).is_match(path).is_ok()
}

/// The steps in which PCRE2 can decide, 512 or a multiple of it by two; `None` if these are more than
/// `most`.
fn steps(regex: &str, path: &[u8], most: usize) -> Option<usize> {
    let limits = std::iter::successors(Some(512), |limit| Some(limit * 2));
    let mut limits = limits.take_while(|limit| *limit <= most);
    limits.find(|limit| knows_in(*limit, regex, path))
}

/// Whether PCRE2 can decide in this many steps.
fn knows_in(limit: usize, regex: &str, path: &[u8]) -> bool {
    let regex = format!("(*LIMIT_MATCH={limit})(*NO_START_OPT){}", counted(regex));
    compiled(&regex).is_match(path).is_ok()
}

/// The parts of long paths that are hard for an expression.
const PIECES: [&str; 18] = [
    "/", ";", "/;", "/;x", ";x/", "a", "/a", "a/", "/a/b/c", "/admin", "/admi", "/adminx", ".jsp",
    ".jsp;", "/x.jsp/", "/.", ";a", "\n",
];

fn path(length: usize, first: &str, second: &str) -> Vec<u8> {
    let mut path = b"/".to_vec();
    while path.len() < length / 2 {
        path.extend_from_slice(first.as_bytes());
    }
    while path.len() < length {
        path.extend_from_slice(second.as_bytes());
    }
    path
}

#[test]
fn no_expression_needs_more_steps_than_a_multiple_of_the_path_s_length() {
    const SHORT: usize = 512;
    const LONG: usize = 8192;
    let mut random = Random::new(8);
    let mut failed = Vec::new();
    let all = all_that_can_be_written();
    assert!(all.len() > 50, "{all:#?}");
    for regex in &all {
        for first in PIECES {
            let second = random.pick(&PIECES);
            let second = if random.once_in(2) { first } else { second };
            let short = steps(regex, &path(SHORT, first, second), 100_000);
            let Some(short) = short else {
                failed.push(format!("{regex} {first:?} {second:?}: over 100000 for {SHORT} bytes"));
                break;
            };
            let long = path(LONG, first, second);
            if !is_small(regex, &long) {
                failed.push(format!("{regex} {first:?} {second:?}: memory"));
                break;
            }
            // A number of steps that grows with the square would be 256 times as large.
            if !knows_in(short * (LONG / SHORT) * 5 / 4, regex, &long) {
                let is = steps(regex, &long, 10_000_000);
                let is = is.map_or("over httpd's limit of 10000000".into(), |n| n.to_string());
                failed.push(format!("{regex} {first:?} {second:?}: {short} steps, then {is}"));
                break;
            }
        }
    }
    assert!(failed.is_empty(), "{} of {}:\n{}", failed.len(), all.len(), failed.join("\n"));
}
