//! What stands in the documents as an example is run, as it stands, on a Debian machine of its own.
//!
//! A block may have a mark behind its language: `excerpt` (incomplete on purpose), `not-run` (needs what a test
//! must not touch), `refused` (httpd must refuse it), `refused-by-stock` (mod_proxy_ajp must refuse it). A block
//! without a mark is run.

mod commands;
mod configuration;
mod drain;
mod going_back;
mod site;
mod sizing;

use test_support::markdown::{Block, blocks, blocks_of};

use site::Site;

/// The user and the password of the documents, as a header. `htpasswd` is given the password `operator`.
const OPERATOR: &str = "Authorization: Basic YWRtaW46b3BlcmF0b3I=\r\n";

/// Creates the files that a configuration names, with the commands of the documents.
fn with_files(site: &mut Site, block: &Block) {
    if block.text.contains("AuthUserFile") {
        let commands = shell("docs/operations.md", "htpasswd");
        site.command("htpasswd", "exec /usr/bin/htpasswd -b \"$@\" operator");
        site.succeed(&commands, &[]);
    }
    if block.text.contains("keyfile=") {
        site.succeed(&shell("docs/reverse.md", "openssl rand"), &[]);
    }
    if block.text.contains("/ajp-secret.conf") {
        site.succeed(&shell("docs/security.md", "AJP_SECRET"), &[]);
    }
    if block.text.contains("Include \"/etc/apache2/jk2ajp/") {
        std::fs::create_dir(site.path("/etc/apache2/jk2ajp")).expect("it is ours");
        for path in site::all(r#"Include "([^"]+)""#, &block.text) {
            site.write(&path, "ProxyPass \"/shop\" \"ajp://127.0.0.1:9/shop\"\n");
        }
    }
}

/// The only block of commands in this document that contains these words.
#[track_caller]
fn shell(document: &str, words: &str) -> Block {
    let blocks = blocks_of(document).into_iter().filter(|block| block.language == "sh");
    let mut found = blocks.filter(|block| block.text.contains(words));
    let block = found.next().unwrap_or_else(|| panic!("{document} has no commands with {words}"));
    assert!(found.next().is_none(), "{document} has several with {words}");
    block
}

/// The blocks that no test runs, by document and first line.
const NOT_RUN: &[(&str, &str)] = &[
    // They need what a test must not touch, or half an hour.
    ("CONTRIBUTING.md", "ci/setup"),
    ("README.md", "ci/package deb"),
    ("README.md", "dnf install"),
    ("README.md", "ci/install"),
    ("docs/installing.md", "ci/install"),
    // It is shortened; `tests/migrate` compares what `jk2ajp` writes.
    ("docs/migrating.md", "<Proxy \"balancer://lb\">"),
    ("docs/operations.md", "ajp-drain node1"),
    ("docs/performance.md", "ci/bench"),
    ("docs/performance.md", "ci/bench --delayed"),
    ("docs/performance.md", "ci/bench --footprint"),
    ("docs/performance.md", "ci/bench --instructions"),
    ("docs/performance.md", "ci/bench --load"),
    ("docs/performance.md", "ci/bench --parked"),
    ("docs/reliability.md", "ci/test"),
    ("docs/reliability.md", "schedules/run"),
    // They are for RHEL and SUSE.
    ("docs/rhel.md", "dnf install"),
    ("docs/rhel.md", "ci/package rpm --source"),
    // `tests/install` compares it with the file.
    ("docs/rhel.md", "<IfModule !proxy_module>"),
    ("docs/rhel.md", "getsebool"),
    ("docs/rhel.md", "a2enmod proxy"),
    ("docs/upgrading.md", "apt install"),
    ("docs/upgrading.md", "a2dismod"),
    // It stands for a file and a value of the reader's.
    ("httpd-conf/README.md", "Define AJP_PORT 8009"),
    ("tomcat-connector/README.md", "ci/build-connector"),
];

#[test]
fn every_block_of_a_known_language_is_run_or_is_one_of_those_that_cannot_be() {
    let mut not_run = Vec::new();
    for block in blocks() {
        let place = block.place();
        let marks: &[&str] = match block.language.as_str() {
            "apache" => &["excerpt", "refused", "refused-by-stock"],
            "sh" => &["not-run"],
            "xml" | "ini" | "yaml" | "properties" | "rust" | "" => &[],
            language => panic!("{place}: no test knows what {language} is"),
        };
        if let Some(mark) = &block.mark {
            assert!(marks.contains(&mark.as_str()), "{place}: {} cannot be {mark}", block.language);
        }
        if block.is_marked("excerpt") || block.is_marked("not-run") {
            let line = block.text.lines().find(|line| !line.starts_with('#')).unwrap_or_default();
            not_run.push((block.document.clone(), line.to_owned()));
        }
    }
    let is_listed = |(document, line): &(String, String)| {
        NOT_RUN.iter().any(|(listed, start)| listed == document && line.starts_with(start))
    };
    let unlisted: Vec<_> = not_run.iter().filter(|block| !is_listed(block)).collect();
    assert!(unlisted.is_empty(), "{unlisted:?}");
    assert_eq!(not_run.len(), NOT_RUN.len(), "{not_run:?}");
}
