//! The command `jk2ajp` as an administrator runs it.

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown, symlink};
use std::path::Path;
use std::process::{Command, Output};

use tempfile::TempDir;

const WORKERS: &str = "worker.list=lb,status\nworker.lb.type=lb\nworker.lb.balance_workers=a\n\
    worker.a.host=127.0.0.1\nworker.a.secret=hush\nworker.a.connect_timeout=500\nworker.status.type=status\n";

/// A ServerRoot with mod_jk's files, and a virtual host.
fn server() -> TempDir {
    let root = tempfile::tempdir().expect("a temporary directory");
    write(root.path(), "workers.properties", WORKERS);
    write(root.path(), "map", "/shop|/*=lb\n!/shop/static/*=lb\n");
    let conf = format!(
        "ServerRoot \"{}\"\nJkWorkersFile workers.properties\nIncludeOptional sites/*.conf\n",
        root.path().display()
    );
    write(root.path(), "httpd.conf", &conf);
    fs::create_dir(root.path().join("sites")).expect("our own directory");
    let host = "<VirtualHost *:80>\nServerName shop.example.org\nJkMountFile map\n\
        JkMount /status status\n</VirtualHost>\n";
    write(root.path(), "sites/shop.conf", host);
    root
}

fn write(root: &Path, name: &str, text: &str) {
    fs::write(root.join(name), text).expect("our own directory");
}

fn run(root: &Path, arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_jk2ajp"))
        .current_dir(root)
        .args(arguments)
        .output()
        .expect("cargo has built it")
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

#[test]
fn each_server_gets_a_file_that_only_its_owner_can_read_and_the_include_lines_are_printed() {
    let root = server();
    let done = run(root.path(), &["httpd.conf", "--output", "new"]);
    assert!(done.status.success(), "{}", text(&done.stderr));
    let host = "new/jk2ajp-host-1-shop.example.org.conf";
    for name in ["new/jk2ajp.conf", host] {
        let file = fs::metadata(root.path().join(name)).expect("it was written");
        assert_eq!(file.permissions().mode() & 0o777, 0o600, "it may hold secrets");
        assert!(text(&done.stderr).contains(&format!("Include \"{name}\"")));
    }
    let main = fs::read_to_string(root.path().join("new/jk2ajp.conf")).expect("it was written");
    assert!(main.contains("BalancerMember ajp://127.0.0.1:8009 route=a"), "{main}");
    let host = fs::read_to_string(root.path().join(host)).expect("it was written");
    let rule = r#"ProxyPassMatch "^(?:(?:;[^/]*+)?/)++shop(?:;[^/]*+)?/" "balancer://lb""#;
    assert!(host.contains(rule), "{host}");
}

#[test]
fn foreign_links_and_files_beside_the_output_are_neither_followed_nor_used() {
    let root = server();
    let new = root.path().join("new");
    fs::create_dir(&new).expect("our own directory");
    // The names that were used before, and the file itself.
    let host = "jk2ajp-host-1-shop.example.org.conf";
    write(root.path(), "victim", "as it was");
    for name in [".jk2ajp.conf.new".to_owned(), host.to_owned()] {
        symlink(root.path().join("victim"), new.join(name)).expect("our own directory");
    }
    write(&new, &format!(".{host}.new"), "theirs");
    let everybody = fs::Permissions::from_mode(0o666);
    fs::set_permissions(new.join(format!(".{host}.new")), everybody).expect("it is ours");
    let done = run(root.path(), &["httpd.conf", "--output", "new"]);
    assert!(done.status.success(), "{}", text(&done.stderr));
    let victim = fs::read_to_string(root.path().join("victim")).expect("it is there");
    assert_eq!(victim, "as it was");
    for name in ["jk2ajp.conf", host] {
        let file = fs::symlink_metadata(new.join(name)).expect("it was written");
        assert!(file.is_file() && file.permissions().mode() & 0o777 == 0o600, "{name}: {file:?}");
    }
}

#[test]
fn a_file_s_owner_is_kept_and_its_mode_if_it_has_no_secret() {
    let root = server();
    run(root.path(), &["httpd.conf", "--output", "new"]);
    let new = root.path().join("new");
    let (main, host) = (new.join("jk2ajp.conf"), new.join("jk2ajp-host-1-shop.example.org.conf"));
    // Only root can give a file away.
    let own = fs::metadata(&new).expect("it is there").uid();
    let other = if own == 0 { 65534 } else { own };
    for file in [&main, &host] {
        chown(file, Some(other), None).expect("it is ours");
        fs::set_permissions(file, fs::Permissions::from_mode(0o644)).expect("it is ours");
    }
    let found = || {
        [&main, &host].map(|path| {
            let file = fs::metadata(path).expect("it is there");
            (file.uid(), file.permissions().mode() & 0o777)
        })
    };
    let again = || {
        let done = run(root.path(), &["httpd.conf", "--output", "new"]);
        assert!(done.status.success(), "{}", text(&done.stderr));
    };
    again();
    assert_eq!(found(), [(other, 0o600), (other, 0o644)], "the first has the worker's secret");

    // In a directory where everybody may write, a file of another user gets nothing.
    fs::set_permissions(&new, fs::Permissions::from_mode(0o777)).expect("it is ours");
    again();
    let mode = if other == own { 0o644 } else { 0o600 };
    assert_eq!(found(), [(own, 0o600), (own, mode)]);
}

#[test]
fn without_a_directory_the_output_goes_to_standard_output() {
    let root = server();
    let done = run(root.path(), &["httpd.conf"]);
    let said = text(&done.stdout);
    let [main, host] =
        ["<Proxy \"balancer://lb\">", "# ---- jk2ajp-host-1-shop.example.org.conf: for"]
            .map(|part| said.find(part).unwrap_or_else(|| panic!("{part} in {said}")));
    assert!(main < host);
}

#[test]
fn the_two_files_are_enough_without_httpd_conf() {
    let root = server();
    let done = run(root.path(), &["--workers", "workers.properties", "--map", "map"]);
    assert!(done.status.success(), "{}", text(&done.stderr));
    assert!(text(&done.stdout).contains("# map:2: !/shop/static/*=lb"));
}

#[test]
fn the_report_says_for_each_line_whether_it_is_kept_and_as_what() {
    let root = server();
    let done = run(root.path(), &["httpd.conf", "--report"]);
    let said = text(&done.stdout);
    for part in [
        "worker.a.host=127.0.0.1\n      kept: ajp://127.0.0.1",
        "worker.a.connect_timeout=500\n      kept with a different meaning: pingconnect=500\n      In mod_jk too, connect_timeout is the timeout of a ping",
        "worker.a.secret=(not shown)",
        "JkMount /status status\n      kept with a different meaning: ajp-status",
    ] {
        assert!(said.contains(part), "{part} in {said}");
    }
    assert!(!said.contains("<Proxy"), "the configuration is not among it");
}

#[test]
fn without_serverroot_paths_begin_in_the_directory_of_the_file_as_debian_s_do() {
    let root = server();
    write(
        root.path(),
        "httpd.conf",
        "JkWorkersFile ${FILES}/workers.properties\nInclude sites/*.conf\n",
    );
    let done = Command::new(env!("CARGO_BIN_EXE_jk2ajp"))
        .env("FILES", root.path())
        .arg(root.path().join("httpd.conf"))
        .output()
        .expect("cargo has built it");
    assert!(done.status.success(), "{}", text(&done.stderr));
    assert!(text(&done.stdout).contains("balancer://lb"), "{}", text(&done.stdout));
}

// row 97
#[test]
fn an_unknown_property_is_shown_with_its_line_and_nothing_is_written() {
    let root = server();
    write(root.path(), "workers.properties", &format!("{WORKERS}worker.a.prot=8009\n"));
    let done = run(root.path(), &["httpd.conf", "--output", "new"]);
    assert_eq!(done.status.code(), Some(1));
    let said = text(&done.stderr);
    for part in ["workers.properties:8:1", "worker.a.prot=8009", "did you mean `port`?"] {
        assert!(said.contains(part), "{part} in {said}");
    }
    assert!(!root.path().join("new").exists());
}

// row 93
#[test]
fn an_invalid_line_of_the_map_is_reported_and_the_valid_ones_take_effect() {
    let root = server();
    let output = ["httpd.conf", "--output", "new"];
    write(root.path(), "map", "/shop|/*=lb\nbroken\n*.jsp=lb\n/more/*=lb\n");
    let done = run(root.path(), &output);
    assert!(done.status.success());
    assert!(text(&done.stderr).contains("map:2:1") && text(&done.stderr).contains("map:3:1"));
    let file = root.path().join("new/jk2ajp-host-1-shop.example.org.conf");
    let before = fs::read_to_string(&file).expect("it was written");
    assert!(before.contains("/shop") && before.contains("/more"), "{before}");
    // If a file cannot be read, the existing output stays as it is.
    fs::remove_file(root.path().join("map")).expect("it is there");
    assert_eq!(run(root.path(), &output).status.code(), Some(1));
    assert_eq!(fs::read_to_string(&file).expect("it is still there"), before);
}

#[test]
fn a_missing_file_is_named() {
    let root = server();
    let done = run(root.path(), &["none.conf"]);
    assert_eq!(done.status.code(), Some(2));
    assert!(text(&done.stderr).contains("none.conf"));
}

#[cfg(feature = "httpd")]
mod check {
    use super::*;

    fn module() -> String {
        test_support::places::library().display().to_string()
    }

    #[test]
    fn check_lets_httpd_read_the_written_files() {
        let root = server();
        let done = run(root.path(), &["httpd.conf", "--check", "--module", &module(), "-o", "new"]);
        assert!(done.status.success(), "{}", text(&done.stderr));
        assert!(text(&done.stderr).contains("httpd accepts the configuration"));
    }

    #[test]
    fn a_result_that_httpd_rejects_is_reported_in_its_words_and_not_written() {
        let root = server();
        let arguments = ["httpd.conf", "--check", "--module", "/none/such.so", "-o", "new"];
        let done = run(root.path(), &arguments);
        assert_eq!(done.status.code(), Some(3));
        assert!(text(&done.stderr).contains("/none/such.so"), "{}", text(&done.stderr));
        assert!(!root.path().join("new").exists());
    }

    #[test]
    fn httpd_accepts_every_fixture() {
        let fixtures = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/migrate/fixtures");
        for entry in fs::read_dir(fixtures).expect("part of the crate").flatten() {
            let fixture = format!("FIXTURE={}", entry.path().display());
            let ports = [
                "PORT=80",
                "MAIN_PORT=8080",
                "A_PORT=8109",
                "B_PORT=8209",
                "C_PORT=8309",
                "D_PORT=8409",
            ];
            let mut arguments = vec!["httpd.conf", "--check", "-D", &fixture];
            for port in ports {
                arguments.extend(["-D", port]);
            }
            let module = module();
            arguments.extend(["--module", &module]);
            let done = run(&entry.path(), &arguments);
            assert!(done.status.success(), "{}: {}", entry.path().display(), text(&done.stderr));
        }
    }
}

#[test]
fn no_secret_is_in_the_report_or_in_a_message_however_it_is_written() {
    let root = server();
    let workers = "PART=hush1\nSECRET=$(PART)\nworker.list=a,b,c\nworker.a.secret=hush2\n\
        worker.a.secret=hush3\nworker.b.secret=$(SECRET)hush4\nworker.c.secretkey=hush5\n\
        worker.c.host=h\nworker.a.host=127.0.0.1\nworker.b.host=127.0.0.2\n";
    write(root.path(), "workers.properties", workers);
    write(root.path(), "map", "/a/*=a\n/b/*=b\n/c/*=c\n");
    write(root.path(), "sites/shop.conf", "<VirtualHost *:80>\nJkMountFile map\n</VirtualHost>\n");
    let conf = fs::read_to_string(root.path().join("httpd.conf")).expect("our own file");
    write(root.path(), "httpd.conf", &format!("{conf}JkWorkerProperty worker.c.secret=hush6\n"));
    let done = run(root.path(), &["httpd.conf", "--report", "--output", "new"]);
    let said = text(&done.stdout) + &text(&done.stderr);
    assert!(done.status.success(), "{said}");
    assert!(!said.contains("hush"), "{said}");
    for line in ["PART=(not shown)", "SECRET=(not shown)", "worker.b.secret=(not shown)"] {
        assert!(said.contains(line), "{line} in {said}");
    }
    let files = fs::read_dir(root.path().join("new")).expect("it was written");
    let mut files = files.map(|file| fs::read_to_string(file.expect("it is there").path()));
    assert!(files.any(|file| file.is_ok_and(|text| text.contains("hush1hush4"))), "{said}");
}
