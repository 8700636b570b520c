//! The output and the messages of `jk2ajp` for the configurations in `fixtures`, line by line.
//!
//! Each directory has an `httpd.conf` with the files that it names, and in `expected` the result. After
//! an intended change, `JK2AJP_BLESS=1 cargo test --test migrate golden` writes the results again; read
//! the difference before you commit it.

use std::collections::HashMap;
use std::fs;
use std::path::{Path, PathBuf};

use mod_proxy_ajp_rs::migrate::{Conversion, Files, Input, convert};

struct Fixture(PathBuf);

impl Files for Fixture {
    fn read(&self, path: &str) -> Result<Vec<u8>, String> {
        fs::read(self.0.join(path)).map_err(|error| error.to_string())
    }
    fn find(&self, _: &str) -> Vec<String> {
        Vec::new()
    }
}

fn fixtures() -> Vec<PathBuf> {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/migrate/fixtures");
    let entries = fs::read_dir(directory).expect("it is part of the crate");
    let mut found: Vec<PathBuf> = entries.map(|entry| entry.expect("readable").path()).collect();
    found.sort();
    found
}

fn converted(fixture: &Path) -> Conversion {
    let ports = [("A_PORT", "8109"), ("B_PORT", "8209"), ("C_PORT", "8309"), ("D_PORT", "8409")];
    let mut variables: HashMap<String, String> =
        ports.iter().map(|(name, port)| ((*name).to_owned(), (*port).to_owned())).collect();
    variables.insert("PORT".into(), "80".into());
    variables.insert("MAIN_PORT".into(), "8080".into());
    // So that files have the same names on every machine.
    variables.insert("FIXTURE".into(), ".".into());
    let input = Input { httpd_conf: Some("httpd.conf".into()), variables, ..Input::default() };
    let is_old = fixture.ends_with("22-as-1.2.6-read-it");
    let input = Input { is_old, ..input };
    convert(&input, &Fixture(fixture.to_owned()), &|_| None).expect("the fixture can be read")
}

/// The files by their names, and `report.txt` and `messages.txt`.
fn all_texts(done: &Conversion) -> Vec<(String, String)> {
    let mut texts: Vec<(String, String)> =
        done.files.iter().map(|file| (file.name.clone(), file.text.clone())).collect();
    texts.push(("report.txt".into(), done.report.render(&done.sources)));
    let messages: Vec<String> =
        done.messages.iter().map(|message| message.render(&done.sources) + "\n").collect();
    texts.push(("messages.txt".into(), messages.join("\n")));
    texts
}

#[test]
fn the_output_and_the_messages_are_those_that_were_reviewed() {
    let bless = std::env::var_os("JK2AJP_BLESS").is_some();
    let mut differences = Vec::new();
    for fixture in fixtures() {
        let expected = fixture.join("expected");
        let texts = all_texts(&converted(&fixture));
        if bless {
            let _ = fs::remove_dir_all(&expected);
            fs::create_dir_all(&expected).expect("part of the crate");
            for (name, text) in &texts {
                fs::write(expected.join(name), text).expect("part of the crate");
            }
        }
        let mut names: Vec<String> = fs::read_dir(&expected)
            .map(|all| all.flatten().map(|e| e.file_name().to_string_lossy().into()).collect())
            .unwrap_or_default();
        for (name, text) in texts {
            names.retain(|known| *known != name);
            let known = fs::read_to_string(expected.join(&name)).unwrap_or_default();
            if known != text {
                differences.push(format!("{}/{name} is now:\n{text}", expected.display()));
            }
        }
        differences.extend(names.iter().map(|name| format!("{name} is not written any more")));
    }
    assert!(differences.is_empty(), "{}", differences.join("\n"));
}

#[test]
fn every_line_that_is_read_is_in_the_report() {
    for fixture in fixtures() {
        let done = converted(&fixture);
        assert_eq!(done.report.unreported().count(), 0, "{}", fixture.display());
    }
}

#[test]
fn a_secret_is_in_the_configuration_and_not_in_the_report() {
    let done = converted(&fixtures()[5]);
    assert!(done.files[0].text.contains("secret=open-sesame"));
    assert!(done.files[0].text.contains("secret=shared"), "of the member that has none");
    let report = done.report.render(&done.sources);
    assert!(!report.contains("open-sesame") && !report.contains("shared"), "{report}");
}
