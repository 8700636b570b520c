//! Each block of httpd's configuration in the documents is started, and each of its paths requested.

use std::thread;

use test_support::httpd::Module;
use test_support::markdown::{Block, blocks};
use test_support::process::wait_for;

use super::site::{Site, all};
use super::{OPERATOR, with_files};

fn configurations() -> Vec<Block> {
    blocks().into_iter().filter(|block| block.language == "apache").collect()
}

/// The lines that httpd reads.
fn directives(text: &str) -> impl Iterator<Item = &str> {
    text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#'))
}

/// The paths that the lines give to a container.
fn paths(text: &str) -> Vec<String> {
    let mut paths = Vec::new();
    for line in directives(text) {
        paths.extend(all(r#"^ProxyPass\s+"([^"]*)"\s+"[^!]"#, line));
    }
    paths
}

/// Starts httpd with a block, and fails unless each path is served and the log is silent.
fn serve(block: &Block) {
    let place = block.place();
    let mut site = Site::new();
    with_files(&mut site, block);
    let httpd = site.setup(block).start();
    for path in paths(&block.text) {
        let target = format!("{}/x", path.trim_end_matches('/'));
        wait_for(&format!("{place}: {target} is served"), || {
            let response = httpd.get(&target);
            (response.status == 200 && response.text().ends_with("/x")).then_some(())
        });
    }
    if block.text.contains("SetHandler ajp-status") {
        let page = httpd.request("GET", "/ajp-status?format=json", OPERATOR);
        assert_eq!((page.status, page.text().contains("\"balancers\"")), (200, true), "{place}");
    }
    let log = httpd.error_log();
    let mut bad = log.lines().filter(|line| [":error]", ":warn]"].iter().any(|l| line.contains(l)));
    // What a request met before the agents had connected; and CPONG may take longer than a document's `ping=1` says,
    // if the machine is busy.
    let excused = [
        "no container has connected",
        "no member left that could take the request",
        "no CPONG",
        "ProxyAjpParking has no effect",
    ];
    let bad = bad.find(|line| !excused.iter().any(|words| line.contains(words)));
    assert!(bad.is_none(), "{place}: {log}");
}

#[test]
fn each_configuration_of_the_documents_starts_as_it_stands_and_serves_its_paths_without_a_warning()
{
    let complete: Vec<Block> = configurations().into_iter().filter(Block::is_complete).collect();
    assert!(complete.len() >= 20, "{}", complete.len());
    for part in complete.chunks(complete.len().div_ceil(4)) {
        thread::scope(|scope| {
            for block in part {
                scope.spawn(|| serve(block));
            }
        });
    }
}

#[test]
fn a_configuration_that_is_marked_as_refused_is_refused_by_httpd() {
    for block in configurations().iter().filter(|block| block.is_marked("refused")) {
        let mut site = Site::new();
        let (accepted, printed) = site.setup(block).configtest();
        assert!(!accepted, "{}: {printed}", block.place());
    }
}

#[test]
fn a_configuration_that_only_mod_proxy_ajp_refuses_starts_with_this_module() {
    for block in configurations().iter().filter(|block| block.is_marked("refused-by-stock")) {
        let mut site = Site::new();
        let setup = site.setup(block);
        let (accepted, printed) = setup.clone().configtest();
        assert!(accepted, "{}: {printed}", block.place());
        let (accepted, printed) = setup.module(Module::Stock).configtest();
        assert!(!accepted, "{}: {printed}", block.place());
    }
}

#[test]
fn no_line_of_a_configuration_ends_with_a_comment_because_httpd_takes_it_for_arguments() {
    for block in configurations() {
        for line in directives(&block.text) {
            let quotes = |text: &str| text.matches('"').count() % 2 == 0;
            let comment = line.match_indices(" #").find(|(at, _)| quotes(&line[..*at]));
            assert!(comment.is_none(), "{}: {line}", block.place());
        }
    }
}

#[test]
fn a_configuration_that_gives_everything_to_a_container_keeps_ajp_status_out_of_it() {
    for block in configurations() {
        let (mut is_kept, mut has_all) = (false, false);
        for line in directives(&block.text) {
            let words: Vec<&str> = line.split_whitespace().collect();
            match words[..] {
                ["ProxyPass", "\"/ajp-status\"", "\"!\"", ..] => is_kept = !has_all,
                ["ProxyPass", "\"/\"", ..] => has_all = true,
                _ => {}
            }
        }
        assert!(is_kept || !has_all, "{}", block.place());
    }
}

#[test]
fn the_status_page_of_the_documents_is_served_beside_a_proxypass_of_everything_if_its_own_line_comes_first()
 {
    let example = configurations().into_iter().find(|block| block.document == "docs/operations.md");
    let example = example.expect("it begins with an example");
    let kept = "ProxyPass \"/ajp-status\" \"!\"\n";
    let everything = "ProxyPass \"/\" \"ajp://10.0.0.7:8009/\"\n";
    let whole = &example.text;
    let page = whole.replace(kept, "");
    let host = |lines: &str| format!("<VirtualHost *:80>\n{lines}</VirtualHost>\n");
    for (text, is_kept) in [
        (host(&format!("{whole}{everything}")), true),
        (format!("{whole}{everything}"), true),
        (format!("{}{whole}", host(everything)), true),
        // What the comment in the example warns of.
        (host(&format!("{everything}{whole}")), false),
        (format!("{everything}{whole}"), false),
        (host(&format!("{page}{everything}")), false),
    ] {
        let mut site = Site::new();
        let block = Block { text, ..example.clone() };
        with_files(&mut site, &block);
        let httpd = site.setup(&block).start();
        let answer = httpd.request("GET", "/ajp-status?format=json", OPERATOR).expect(200).text();
        assert_eq!(answer.contains("\"balancers\""), is_kept, "{}: {answer}", block.text);
        assert!(is_kept || answer == "/ajp-status", "{}: {answer}", block.text);
    }
}
