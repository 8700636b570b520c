//! Checks that every file, function and link target that a document names exists, and that the tables of
//! parameters are those of the code.
//!
//! After a file has been moved or renamed, a failure names the line of the document to update. A function
//! is checked where a document says: `name` in `src/file.rs`.

mod debian;
mod messages;
mod performance;
mod site;
mod status_names;

use std::fs;
use std::path::{Path, PathBuf};

use mod_proxy_ajp_rs::config::{BalancerKeys, ParameterDocs, WorkerSettings};

/// A code span that begins like this is a path from the root of the sources.
const FOLDERS: &[&str] = &[
    "src/",
    "tests/",
    "test-support/",
    "docs/",
    "ci/",
    "c_shim/",
    "benches/",
    "fuzz/",
    "schedules/",
    "httpd-conf/",
    "packaging/",
    "manuals/",
];

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// Every document, with its path from the root.
fn documents() -> Vec<(String, String)> {
    let mut paths: Vec<PathBuf> =
        ["README.md", "CONTRIBUTING.md", "SECURITY.md"].map(|name| root().join(name)).into();
    let entries = fs::read_dir(root().join("docs")).expect("the documents are there");
    paths.extend(entries.map(|entry| entry.expect("readable").path()));
    paths.retain(|path| path.extension().is_some_and(|extension| extension == "md"));
    paths.sort();
    let read = |path: PathBuf| {
        let text = fs::read_to_string(&path).expect("a document is text");
        let name = path.strip_prefix(root()).expect("below the root").display().to_string();
        (name, text)
    };
    paths.into_iter().map(read).collect()
}

/// The text outside of fenced examples; every line keeps its number.
fn prose(text: &str) -> String {
    let mut in_example = false;
    let mut prose = String::new();
    for line in text.lines() {
        let is_fence = line.trim_start().starts_with("```");
        in_example ^= is_fence;
        if !in_example && !is_fence {
            prose.push_str(line);
        }
        prose.push('\n');
    }
    prose
}

/// The text between backticks: each span with its line and the text between it and the span before.
fn code_spans(prose: &str) -> Vec<(usize, &str, &str)> {
    let mut spans = Vec::new();
    let mut line = 1;
    let mut before = "";
    for (at, part) in prose.split('`').enumerate() {
        if at % 2 == 1 {
            spans.push((line, before, part));
        }
        line += part.matches('\n').count();
        before = part;
    }
    spans
}

/// The names of all Rust files below a folder.
fn rust_files(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).expect("a folder").map(|entry| entry.expect("readable"));
    let mut names = Vec::new();
    for path in entries.map(|entry| entry.path()) {
        if path.is_dir() {
            names.extend(rust_files(&path));
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            names.extend(path.file_name().map(|name| name.to_string_lossy().into_owned()));
        }
    }
    names
}

/// Whether a span is the name of a Rust file, without its folder.
fn is_file_name(span: &str) -> bool {
    span.ends_with(".rs") && !span.contains(['/', ' ', '*'])
}

fn is_path(span: &str) -> bool {
    FOLDERS.iter().any(|folder| span.starts_with(folder)) && !span.contains(['*', '<', '{'])
}

/// Whether a file contains the last part of `Type::name` as a whole word.
fn has_name(text: &str, name: &str) -> bool {
    let last = name.rsplit("::").next().unwrap_or(name);
    let is_word = |c: char| c.is_alphanumeric() || c == '_';
    text.split(|c| !is_word(c)).any(|word| word == last)
}

/// The names in a document that the sources do not have.
fn missing(document: &str, text: &str) -> Vec<String> {
    let prose = prose(text);
    let mut missing = Vec::new();
    let mut named = "";
    let files =
        ["src", "tests", "test-support"].map(|folder| rust_files(&root().join(folder))).concat();
    for (line, before, span) in code_spans(&prose) {
        if is_file_name(span) && span != "build.rs" && !files.iter().any(|file| file == span) {
            missing.push(format!("{document}:{line}: there is no {span}"));
        }
        if is_path(span) {
            // `ci/demo --once` is a command.
            let path = root().join(span.split_whitespace().next().unwrap_or(span));
            if !path.exists() {
                missing.push(format!("{document}:{line}: there is no {span}"));
            } else if before.trim() == "in" && path.is_file() {
                let source = fs::read_to_string(&path).expect("a source file is text");
                if !has_name(&source, named) {
                    missing.push(format!("{document}:{line}: {span} has no {named}"));
                }
            }
        }
        named = span;
    }
    missing.extend(broken_links(document, &prose));
    missing
}

fn broken_links(document: &str, prose: &str) -> Vec<String> {
    let folder = root().join(document);
    let folder = folder.parent().expect("a document is in a folder");
    let mut broken = Vec::new();
    for (number, line) in prose.lines().enumerate() {
        for rest in line.split("](").skip(1) {
            let target = rest.split(')').next().unwrap_or(rest);
            let file = target.split('#').next().unwrap_or(target);
            let is_local = !file.is_empty() && !file.contains("://");
            if is_local && !folder.join(file).exists() {
                broken.push(format!("{document}:{}: broken link to {target}", number + 1));
            }
        }
    }
    broken
}

/// The anchor that a heading gets: lower case, a hyphen for each space, no punctuation.
fn anchor(heading: &str) -> String {
    let text = heading.trim_start_matches('#').trim().to_lowercase();
    let kept = text.chars().filter(|c| c.is_alphanumeric() || "-_ ".contains(*c));
    kept.map(|c| if c == ' ' { '-' } else { c }).collect()
}

/// The links of a document to a heading that does not exist.
fn broken_anchors(document: &str, text: &str) -> Vec<String> {
    let folder = Path::new(document).parent().expect("a document is in a folder");
    let mut broken = Vec::new();
    for (number, line) in prose(text).lines().enumerate() {
        for rest in line.split("](").skip(1) {
            let target = rest.split(')').next().unwrap_or(rest);
            let Some((file, name)) = target.split_once('#') else { continue };
            if file.contains("://") {
                continue;
            }
            let read = |file: &str| fs::read_to_string(root().join(folder).join(file));
            let other = if file.is_empty() { Ok(text.to_owned()) } else { read(file) };
            let headings = prose(&other.unwrap_or_default());
            let mut headings = headings.lines().filter(|line| line.starts_with('#'));
            if !headings.any(|heading| anchor(heading) == name) {
                broken.push(format!("{document}:{}: no heading for {target}", number + 1));
            }
        }
    }
    broken
}

#[test]
fn every_link_to_a_heading_finds_it() {
    let documents = documents();
    let broken: Vec<String> =
        documents.iter().flat_map(|(name, text)| broken_anchors(name, text)).collect();
    assert!(broken.is_empty(), "\n  {}", broken.join("\n  "));
}

#[test]
fn every_file_function_and_link_in_a_document_exists() {
    let missing: Vec<String> =
        documents().iter().flat_map(|(name, text)| missing(name, text)).collect();
    assert!(missing.is_empty(), "\n  {}", missing.join("\n  "));
}

/// The rows of the table below the heading row `| parameter …`: the cells of each, without backticks.
fn table_of_parameters(text: &str, heading: &str) -> Vec<Vec<String>> {
    let lines = text.lines().skip_while(|line| !line.starts_with(heading)).skip(2);
    let rows = lines.take_while(|line| line.starts_with('|'));
    let cell = |cell: &str| cell.replace('`', "").trim().to_owned();
    rows.map(|row| row.trim_matches('|').split('|').map(cell).collect()).collect()
}

/// The differences between the rows of a document and those of the code: name, unit, range and default.
fn differences(table: &[Vec<String>], parameters: &[ParameterDocs]) -> Vec<String> {
    let names = |row: &Vec<String>| -> Vec<String> {
        row[0].split(',').map(|name| name.trim().to_owned()).collect()
    };
    let mut found = Vec::new();
    for docs in parameters {
        let Some(row) = table.iter().find(|row| names(row).iter().any(|name| name == docs.name))
        else {
            found.push(format!("{} has no row", docs.name));
            continue;
        };
        let unit = if docs.unit.is_empty() { String::new() } else { format!("{}, ", docs.unit) };
        let range = format!("{unit}{}", docs.range);
        // A document may say more about a range, behind a semicolon.
        if row[1] != range && !row[1].starts_with(&format!("{range};")) {
            found.push(format!("{}: the range is `{range}`, not `{}`", docs.name, row[1]));
        }
        if row[2] != docs.default {
            found.push(format!(
                "{}: the default is `{}`, not `{}`",
                docs.name, docs.default, row[2]
            ));
        }
    }
    let is_known = |name: &String| parameters.iter().any(|docs| docs.name == *name);
    let unknown = table.iter().flat_map(names).filter(|name| !is_known(name));
    found.extend(unknown.map(|name| format!("{name} is no parameter")));
    found
}

fn document(name: &str) -> String {
    let mut documents = documents().into_iter();
    documents.find(|(path, _)| path == name).expect("it is there").1
}

#[test]
fn the_table_of_a_worker_s_parameters_is_that_of_the_code() {
    let table = table_of_parameters(
        &document("docs/reference.md"),
        "| parameter | unit, range | default |",
    );
    let parameters: Vec<ParameterDocs> = WorkerSettings::documented().collect();
    let found = differences(&table, &parameters);
    assert!(found.is_empty(), "docs/reference.md:\n  {}", found.join("\n  "));
    for row in table {
        let mut settings = WorkerSettings::default();
        let (name, value) = row[3].split_once('=').expect("an example is a name and a value");
        assert_eq!(settings.set(name, value), Ok(true), "the example {}", row[3]);
    }
}

#[test]
fn the_table_of_a_balancer_s_parameters_is_that_of_the_code() {
    let table = table_of_parameters(&document("docs/balancing.md"), "| parameter of a balancer |");
    let parameters: Vec<ParameterDocs> = BalancerKeys::documented().collect();
    let found = differences(&table, &parameters);
    assert!(found.is_empty(), "docs/balancing.md:\n  {}", found.join("\n  "));
}

/// The directives of the rows in the sources.
fn directives(source: &str) -> Vec<String> {
    let names = source.split("Directive::new(").skip(1);
    let names = names.filter_map(|row| row.trim_start().strip_prefix("c\"")?.split('"').next());
    sorted(names)
}

/// The directives that begin a row of a table.
fn documented_directives(document: &str) -> Vec<String> {
    let rows = document.lines().filter_map(|line| line.strip_prefix("| `ProxyAjp"));
    sorted(
        rows.filter_map(|row| row.split([' ', '`']).next()).map(|name| format!("ProxyAjp{name}")),
    )
}

fn sorted(names: impl Iterator<Item = impl Into<String>>) -> Vec<String> {
    let mut all: Vec<String> = names.map(Into::into).collect();
    all.sort();
    all
}

#[test]
fn every_directive_has_one_row_in_the_reference_and_every_row_a_directive() {
    let read = |path| fs::read_to_string(root().join(path)).expect("it is there");
    let known = directives(&read("src/ffi/startup/directives.rs"));
    assert!(known.len() >= 4, "{known:?}");
    assert_eq!(documented_directives(&read("docs/reference.md")), known);
}

// Tests of the checker.

#[test]
fn directives_are_found_in_rows_of_the_source_and_of_the_document() {
    let source =
        "[\n Directive::new(\n c\"ProxyAjpB\", c\"help\",\n Directive::new(c\"ProxyAjpA\", c\"\")";
    assert_eq!(directives(source), ["ProxyAjpA", "ProxyAjpB"]);
    let document = "| `ProxyAjpB NAME` | x |\nsee `ProxyAjpC`\n| `ProxyAjpA` | y |\n| `other` |";
    assert_eq!(documented_directives(document), ["ProxyAjpA", "ProxyAjpB"]);
}

#[test]
fn a_parameter_whose_row_is_missing_wrong_or_too_many_is_reported() {
    let row = |cells: [&str; 3]| cells.map(str::to_owned).to_vec();
    let of = |name, unit, range| ParameterDocs { name, unit, range, default: "none", example: "7" };
    let parameters = [of("a", "seconds", "0 to 9"), of("b", "", "0 to 9"), of("c", "", "On, Off")];
    let table = [row(["a, b", "seconds, 0 to 9; also 5s", "none"]), row(["d", "On, Off", "Off"])];
    assert_eq!(
        differences(&table, &parameters),
        [
            "b: the range is `0 to 9`, not `seconds, 0 to 9; also 5s`",
            "c has no row",
            "d is no parameter"
        ]
    );
    let table = [row(["a", "seconds, 0 to 9", "1"])];
    assert_eq!(differences(&table, &parameters[..1]), ["a: the default is `none`, not `1`"]);
}

#[test]
fn a_missing_file_function_or_link_is_reported_with_its_line() {
    for (text, expected) in [
        ("a\n`src/nowhere.rs` b", "README.md:2: there is no src/nowhere.rs"),
        ("`nowhere.rs`", "README.md:1: there is no nowhere.rs"),
        ("`Type::f` in `src/lib.rs`", "README.md:1: src/lib.rs has no Type::f"),
        ("`f` in\n`src/lib.rs`", "README.md:2: src/lib.rs has no f"),
        ("see [it](docs/nowhere.md#a)", "README.md:1: broken link to docs/nowhere.md#a"),
        ("`ci/nothing --once`", "README.md:1: there is no ci/nothing --once"),
    ] {
        assert_eq!(missing("README.md", text), [expected], "{text}");
    }
}

#[test]
fn existing_files_examples_and_other_words_are_accepted() {
    for text in [
        "`backend` in `src/lib.rs`, `ci/demo --once`, [a](docs/reference.md#the-pool), [b](#c)",
        "```sh\n`src/nowhere.rs`\n```\n`conf/node1.key` and `src/*/mod.rs`",
        "`f` of `src/lib.rs`, [far](https://example.org/nowhere.md)",
    ] {
        assert_eq!(missing("README.md", text), [""; 0], "{text}");
    }
}

#[test]
fn a_heading_is_found_by_its_anchor_and_a_missing_one_is_reported() {
    assert_eq!(anchor("## Why `ping=` is not set, at all?"), "why-ping-is-not-set-at-all");
    let text = "# One\n[a](#one), [b](#two)\n```sh\n# Two\n```\n[c](docs/reference.md#the-pool)";
    assert_eq!(broken_anchors("README.md", text), ["README.md:2: no heading for #two"]);
    let text = "[c](docs/reference.md#nothing), [far](https://example.org/x#y)";
    let expected = ["README.md:1: no heading for docs/reference.md#nothing"];
    assert_eq!(broken_anchors("README.md", text), expected);
}
