//! Mistakes in the settings of a connector that connects to httpd: both logs name each of them, and no
//! request is needed for that.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;

use test_support::httpd::Httpd;
use test_support::members::ONE_CHILD;
use test_support::process::{free_port, wait_for};
use test_support::tomcat::Tomcat;

/// What is set on both sides, and what each log says of it.
struct Mistake {
    httpd: &'static str,
    connector: &'static str,
    number: &'static str,
    httpd_says: &'static str,
    tomcat_says: &'static str,
}

/// KEY and OTHER are the paths of two keys.
const MISTAKES: [Mistake; 5] = [
    Mistake {
        httpd: "keyfile=KEY",
        connector: "",
        number: "AJP0351",
        httpd_says: "no hello within 5s: its side probably has no key",
        tomcat_says: "or it has keyfile= and keyFile is missing here",
    },
    Mistake {
        httpd: "allow=127.0.0.1",
        connector: "keyFile='KEY'",
        number: "AJP0352",
        httpd_says: "it begins a handshake, so its side has a key",
        tomcat_says: "or keyfile= is missing there",
    },
    Mistake {
        httpd: "keyfile=KEY node=node1",
        connector: "keyFile='OTHER' nodeName='node1'",
        number: "AJP0350",
        httpd_says: "its key (keyFile, --key-file) is probably not that of keyfile=",
        tomcat_says: "does not prove that it knows the key: keyfile= of its ProxyAjpReverse and keyFile",
    },
    Mistake {
        httpd: "keyfile=KEY node=node1",
        connector: "keyFile='KEY' nodeName='node2'",
        number: "AJP0320",
        httpd_says: "its node name is \"node2\", but node=node1 is configured",
        tomcat_says: "node= of its ProxyAjpReverse is probably not \"node2\"",
    },
    Mistake {
        httpd: "keyfile=KEY allow=127.0.0.9",
        connector: "keyFile='KEY'",
        number: "AJP0316",
        httpd_says: "its address is not in allow=",
        tomcat_says: "allow= of its ProxyAjpReverse does not include this machine, or keyfile=",
    },
];

#[test]
fn each_mistake_is_said_on_both_sides_and_a_connector_is_available_only_without_one() {
    let directory = tempfile::tempdir().expect("a directory");
    let keys = ["KEY", "OTHER"].map(|name| {
        let path = directory.path().join(name.to_lowercase());
        fs::write(&path, format!("0123456789abcdef {name}\n")).expect("it is ours");
        fs::set_permissions(&path, Permissions::from_mode(0o600)).expect("it is ours");
        (name, path.display().to_string())
    });
    let with_keys = |words: &str| {
        keys.iter().fold(words.to_owned(), |words, (name, path)| words.replace(name, path))
    };
    let line = |port: u16, words: &str| {
        format!(
            "ProxyAjpReverse ajp://127.0.0.1:{port} {}\nProxyPass /app{port} ajp://127.0.0.1:{port}/app\n",
            with_keys(words)
        )
    };
    let connector = |port: u16, words: &str| {
        let words = with_keys(words);
        format!("address='127.0.0.1' port='{port}' backoffMax='500' {words}")
    };
    let mistakes = MISTAKES.map(|mistake| (free_port(), mistake));
    let (good, absent, unreadable) = (free_port(), free_port(), free_port());
    let unreadable_key = directory.path().join("unreadable");
    fs::write(&unreadable_key, "0123456789abcdef UNREADABLE\n").expect("it is ours");
    fs::set_permissions(&unreadable_key, Permissions::from_mode(0o000)).expect("it is ours");
    let unreadable_key = unreadable_key.display().to_string();
    let mut conf: String =
        mistakes.iter().map(|(port, mistake)| line(*port, mistake.httpd)).collect();
    conf += &line(good, "keyfile=KEY node=node1");
    conf += &line(absent, "keyfile=KEY");
    conf += &line(unreadable, "keyfile=KEY");
    let httpd = Httpd::setup().conf(ONE_CHILD).conf(&conf).start();
    let mut connectors: Vec<String> =
        mistakes.iter().map(|(port, mistake)| connector(*port, mistake.connector)).collect();
    connectors.push(connector(good, "keyFile='KEY' nodeName='node1'"));
    connectors.push(connector(absent, "keyFile='/nonexistent/node1.key'"));
    connectors.push(connector(unreadable, &format!("keyFile='{unreadable_key}'")));
    let tomcat = Tomcat::start_dialling(&connectors);

    let says = |what: &str, log: &dyn Fn() -> String, words: &[&str]| {
        wait_for(&format!("a line of {what}'s with {words:?}"), || {
            log().lines().any(|line| words.iter().all(|word| line.contains(word))).then_some(())
        });
    };
    for (port, mistake) in &mistakes {
        let address = format!("127.0.0.1:{port}");
        let refused = format!("{}: {address}: connection from 127.0.0.1 refused: ", mistake.number);
        says("httpd", &|| httpd.error_log(), &[&refused, mistake.httpd_says]);
        says("Tomcat", &|| tomcat.log(), &[&address, mistake.tomcat_says]);
    }
    says("Tomcat", &|| tomcat.log(), &["keyFile /nonexistent/node1.key", "there is no such file"]);
    let of_key = format!("keyFile {unreadable_key}");
    says("Tomcat", &|| tomcat.log(), &[&of_key, "Tomcat runs as user ", "who may not read it"]);
    for port in [absent, unreadable] {
        let address = format!("AJP0353: 127.0.0.1:{port}: ");
        says("httpd", &|| httpd.error_log(), &[&address, "no container has connected for "]);
    }

    says("Tomcat", &|| tomcat.log(), &[&format!("127.0.0.1:{good}"), " is available"]);
    let log = tomcat.log();
    assert_eq!(log.matches(" is available").count(), 1, "{log}");
    let httpd_log = httpd.error_log();
    assert!(!httpd_log.contains(&format!("127.0.0.1:{good}: ")), "{httpd_log}");
    let page = httpd.get(&format!("/app{good}/index.html")).expect(200).text();
    assert!(page.contains("the application's index page"), "{page}");
}
