//! The commands of the documents are run as they stand, with Debian's paths mapped.

use std::fs;
use std::os::unix::fs::MetadataExt;

use test_support::httpd::{Httpd, Module, binary};
use test_support::markdown::{Block, blocks, blocks_of};
use test_support::places::program;
use test_support::process::{Guarded, is_root, wait_for};

use super::shell;
use super::site::Site;

/// Every block of commands that must work as it stands, by words in it. A test below, in `drain` or in `going_back` runs it.
const RUN: &[(&str, &str)] = &[
    ("README.md", "jk2ajp"),
    ("docs/ajp-dialer.md", "ajp-dialer --httpd"),
    ("docs/migrating.md", "jk2ajp"),
    ("docs/operations.md", "htpasswd"),
    ("docs/operations.md", "#!/bin/sh"),
    ("docs/operations.md", "apachectl"),
    ("docs/parking.md", "APACHE_ULIMIT_MAX_FILES"),
    ("docs/reverse.md", "openssl rand"),
    ("docs/reverse.md", "install "),
    ("docs/security.md", "AJP_SECRET"),
    ("docs/troubleshooting.md", "uniq -c"),
    ("docs/troubleshooting.md", "tail -n 20"),
    ("docs/upgrading.md", "grep"),
];

#[test]
fn every_block_of_commands_has_its_test() {
    let complete: Vec<Block> = blocks()
        .into_iter()
        .filter(|block| block.language == "sh" && block.is_complete())
        .collect();
    for block in &complete {
        let is_known = |(document, words): &(&str, &str)| {
            block.document == *document && block.text.contains(words)
        };
        assert!(RUN.iter().any(is_known), "no test runs {}", block.place());
    }
    assert_eq!(complete.len(), RUN.len());
}

/// Mode and, for root, owner and group by name.
fn owner_and_mode(site: &Site, path: &str) -> (String, u32) {
    let of = fs::metadata(site.path(path)).expect("the command has created it");
    let name = |file: &str, id: u32| {
        let text = fs::read_to_string(file).expect("readable");
        let has_id = |line: &&str| line.split(':').nth(2) == Some(id.to_string().as_str());
        let line = text.lines().find(has_id).unwrap_or_default().to_owned();
        line.split(':').next().unwrap_or_default().to_owned()
    };
    let owner = if is_root() {
        format!("{}:{}", name("/etc/passwd", of.uid()), name("/etc/group", of.gid()))
    } else {
        String::new()
    };
    (owner, of.mode() & 0o7777)
}

#[track_caller]
fn belongs(site: &Site, path: &str, owner: &str, mode: u32) {
    let (found, found_mode) = owner_and_mode(site, path);
    assert_eq!((found_mode, found == owner || !is_root()), (mode, true), "{path}: {found}");
}

#[test]
fn the_file_of_passwords_is_for_httpd_s_user_and_no_other() {
    let mut site = Site::new();
    site.command("htpasswd", "exec /usr/bin/htpasswd -b \"$@\" operator");
    site.succeed(&shell("docs/operations.md", "htpasswd"), &[]);
    belongs(&site, "/etc/apache2/ajp-operators", "root:www-data", 0o640);
}

#[test]
fn the_secret_is_in_a_file_that_only_root_can_read_and_short_enough_for_httpd() {
    let mut site = Site::new();
    site.succeed(&shell("docs/security.md", "AJP_SECRET"), &[]);
    belongs(&site, "/etc/apache2/ajp-secret.conf", "root:root", 0o600);
    let line = fs::read_to_string(site.path("/etc/apache2/ajp-secret.conf")).expect("it is there");
    let secret = line.strip_prefix("Define AJP_SECRET ").expect("that directive").trim_end();
    assert!((32..64).contains(&secret.len()), "{}", secret.len());
}

#[test]
fn the_key_is_for_root_on_httpd_s_machine_and_for_tomcat_s_user_on_the_other() {
    let mut site = Site::new();
    site.succeed(&shell("docs/reverse.md", "openssl rand"), &[]);
    belongs(&site, "/etc/apache2/ajp-node1.key", "root:root", 0o600);
    site.succeed(&shell("docs/reverse.md", "install "), &[]);
    belongs(&site, "/etc/tomcat10/node1.key", "root:tomcat", 0o640);
    let read = |path| fs::read_to_string(site.path(path)).expect("it is there");
    let key = read("/etc/apache2/ajp-node1.key");
    assert_eq!((key.trim().len(), &key), (64, &read("/etc/tomcat10/node1.key")));
}

/// A machine whose httpd still has mod_jk's configuration, with `jk2ajp` and the module of this build.
fn with_mod_jk() -> Site {
    let site = Site::new();
    let apache2 = site.path("/etc/apache2");
    site.write(
        "/etc/apache2/apache2.conf",
        &format!(
            "ServerRoot \"{0}\"\nJkWorkersFile {0}/workers.properties\nJkMount /shop|/* node1\n\
             <VirtualHost *:443>\nServerName shop.example.org\nJkMount /blog|/* node1\n</VirtualHost>\n",
            apache2.display()
        ),
    );
    site.write(
        "/etc/apache2/workers.properties",
        "worker.list=node1\nworker.node1.type=ajp13\nworker.node1.host=127.0.0.1\nworker.node1.port=8009\n",
    );
    let (program, module) = (program("jk2ajp"), Module::Ours.path());
    site.command(
        "jk2ajp",
        &format!("exec {} --module {} \"$@\"", program.display(), module.display()),
    );
    site
}

#[test]
fn jk2ajp_converts_a_configuration_with_the_commands_of_readme_and_of_the_page_on_migrating() {
    for document in ["README.md", "docs/migrating.md"] {
        let mut site = with_mod_jk();
        let printed = site.succeed(&shell(document, "jk2ajp"), &[]);
        assert!(printed.contains("jk2ajp: httpd accepts the configuration"), "{printed}");
        for name in ["jk2ajp.conf", "jk2ajp-host-1-shop.example.org.conf"] {
            let file = site.path("/etc/apache2/jk2ajp").join(name);
            assert!(printed.contains(&format!("Include \"{}\"", file.display())), "{printed}");
            assert!(
                fs::read_to_string(file).is_ok_and(|text| text.contains("ProxyPass")),
                "{name}"
            );
        }
    }
}

#[test]
fn httpd_is_checked_and_restarted_with_the_commands_of_the_page_on_operations() {
    let mut site = Site::new();
    let httpd = Httpd::setup().port(site.port).start();
    let root = httpd.root().display();
    let start = format!("{} -d {root} -f {root}/httpd.conf", binary().display());
    let script =
        format!("case $1 in configtest) exec {start} -t;; *) exec {start} -k \"$1\";; esac");
    site.command("apachectl", &script);
    let before = httpd.children();
    site.succeed(&shell("docs/operations.md", "apachectl"), &[]);
    httpd.wait_for_new_children(&before, 1);
}

#[test]
fn debian_s_apachectl_gives_httpd_the_limit_of_open_files_in_the_page_on_parking() {
    let block = shell("docs/parking.md", "APACHE_ULIMIT_MAX_FILES");
    let apachectl =
        fs::read_to_string("/usr/sbin/apachectl").expect("apache2 is installed (ci/setup)");
    assert!(apachectl.contains("APACHE_ULIMIT_MAX_FILES"));
    let text = format!("{}$APACHE_ULIMIT_MAX_FILES\nulimit -n\n", block.text);
    let (succeeded, printed) = Site::new().run(&Block { text, ..block }, &[]);
    // Only root may raise a limit above the hard one.
    assert!(printed == "10100\n" || !(is_root() || succeeded), "{printed}");
}

#[test]
fn an_agent_started_with_the_command_of_its_page_brings_requests_to_its_container() {
    let page = "docs/ajp-dialer.md";
    let mut site = Site::new();
    site.is_also("web1:9100", "10.0.0.5:9100");
    site.succeed(&shell("docs/reverse.md", "openssl rand"), &[]);
    fs::copy(site.path("/etc/apache2/ajp-node1.key"), site.path("/etc/ajp/node1.key"))
        .expect("it is there");

    let blocks = blocks_of(page);
    let configuration = blocks.iter().find(|block| block.language == "apache").expect("it has one");
    let text = site.map(&configuration.text);
    let httpd = Httpd::setup().port(site.port).conf(&text).start();
    let container = site.map("127.0.0.1:8009");
    site.container(&container);
    let command = shell(page, "ajp-dialer --httpd");
    let text = command.text.replace("\najp-dialer", "\nexec ajp-dialer");
    site.command("ajp-dialer", &format!("exec {} \"$@\"", program("ajp-dialer").display()));
    let _agent = Guarded::spawn(&mut site.shell(&Block { text, ..command }));
    wait_for("the container's answer", || (httpd.get("/app/x").text() == "/app/x").then_some(()));
}

#[test]
fn every_option_of_a_service_in_the_documents_is_one_of_its_command() {
    let mut seen = 0;
    for block in blocks().into_iter().filter(|block| block.language == "ini") {
        let text = block.text.replace("\\\n", " ");
        let line = text.lines().find_map(|line| line.strip_prefix("ExecStart=/usr/bin/"));
        let words: Vec<&str> = line.expect("it starts a command").split_whitespace().collect();
        let help = std::process::Command::new(program(words[0])).arg("--help").output();
        let help = String::from_utf8(help.expect("it runs").stdout).expect("text");
        for option in words.iter().filter(|word| word.starts_with('-')) {
            seen += 1;
            let is_option =
                |word: &str| word.trim_end_matches(',').split('[').next() == Some(option);
            assert!(help.split_whitespace().any(is_option), "{}: {option}", block.place());
        }
    }
    assert!(seen >= 8, "{seen}");
}

#[test]
fn the_commands_of_the_page_on_troubleshooting_find_the_messages_in_httpd_s_log() {
    let mut site = Site::new();
    let down = "ProxyPass /app ajp://127.0.0.1:9/app";
    let httpd = Httpd::setup().port(site.port).conf(down).start();
    for _ in 0..3 {
        httpd.get("/app/x").expect(503);
    }
    site.write("/var/log/apache2/error.log", &httpd.error_log());
    let counts = site.succeed(&shell("docs/troubleshooting.md", "uniq -c"), &[]);
    let first = counts.lines().next().unwrap_or_default();
    assert_eq!(first.split_whitespace().collect::<Vec<_>>(), ["3", "AJP0107"], "{counts}");
    let lines = site.succeed(&shell("docs/troubleshooting.md", "tail -n 20"), &[]);
    assert_eq!(lines.lines().filter(|line| line.contains("AJP0107: ")).count(), 3, "{lines}");
}
