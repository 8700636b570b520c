//! The parts of `ci/docs` that need no mdBook: which pages the site has, and the check of its links.

use std::fs;
use std::path::Path;
use std::process::{Command, Output};

use super::{documents, root};

fn python(script: &str, arguments: &[&Path]) -> Output {
    let mut python = Command::new("python3");
    python.arg("-B").arg(root().join("ci/docs.d").join(script)).args(arguments);
    python.output().expect("python3 is installed (ci/setup)")
}

#[test]
fn the_menu_of_the_site_has_every_document() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let book = directory.path().join("book");

    let made = python("site.py", &[root(), &book]);

    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    let menu = fs::read_to_string(book.join("src/SUMMARY.md")).expect("it was made");
    for (document, _) in documents() {
        let page = document.replace("README.md", "index.md");
        assert_eq!(menu.matches(&format!("]({page})")).count(), 1, "{document}: {menu}");
        assert!(book.join("src").join(page).is_file(), "{document}");
    }
}

#[test]
fn a_link_of_the_site_to_no_file_or_no_place_is_named_with_its_line() {
    let site = tempfile::tempdir().expect("a temporary directory");
    let write = |name: &str, text: &str| fs::write(site.path().join(name), text).expect("ours");
    let good =
        "<a href='b.html#here'>x</a> <a href='https://example.org/y'>y</a> <img src='a.html'>";
    write("a.html", good);
    write("b.html", "<h1 id='here'>b</h1>");
    let checked = python("links.py", &[site.path()]);
    let said = String::from_utf8_lossy(&checked.stdout);
    assert!(checked.status.success());
    assert_eq!(said.trim(), "2 pages, 2 links, 1 more to other servers");

    write(
        "a.html",
        "\n<a href='b.html#there'>x</a>\n<img src='c.png'><a href='../outside.html'>z</a>",
    );
    let checked = python("links.py", &[site.path()]);
    let said = String::from_utf8_lossy(&checked.stderr);
    assert!(!checked.status.success());
    for dead in ["a.html:2: b.html#there", "a.html:3: c.png", "a.html:3: ../outside.html"] {
        assert!(said.contains(dead), "{dead}: {said}");
    }
}
