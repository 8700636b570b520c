//! The names under which ajp-status takes orders: a page whose name another person owns, and points to
//! this server, must not be able to send one (DNS rebinding).

use test_support::ajp::ScriptedPeer;
use test_support::ajp::echo::respond;
use test_support::http::Response;
use test_support::httpd::{Httpd, Setup};
use test_support::members::{backend, balancer, prefork};
use test_support::status::{member, nonce, report, with_status};

/// A balancer of member `a`, in a virtual host that also serves every unknown name.
fn named(setup: Setup) -> (Httpd, ScriptedPeer) {
    let a = backend(|conn, _| respond(conn, "a").map(|()| true));
    let lines = [format!("ajp://127.0.0.1:{} route=a", a.port())];
    let setup = setup.conf(
        "<VirtualHost *:*>\nServerName www.example\nServerAlias Admin.example *.wild.example",
    );
    (with_status(balancer(setup, &lines)).conf("</VirtualHost>").start(), a)
}

fn order(httpd: &Httpd, path: &str, host: &str, form: &str) -> Response {
    let mut client = httpd.client();
    client.send(format!(
        "POST {path} HTTP/1.1\r\nHost: {host}\r\nContent-Length: {}\r\n\
         Content-Type: application/x-www-form-urlencoded\r\n\r\n{form}",
        form.len()
    ));
    client.response("POST")
}

fn activation(httpd: &Httpd) -> String {
    member(&report(httpd), "")["activation"].as_str().expect("a word").to_owned()
}

#[test]
fn an_order_under_a_name_that_is_not_the_server_s_own_is_refused() {
    let (httpd, _a) = named(prefork(1));
    let form = format!("action=drain&member=a&nonce={}", nonce(&httpd));
    let foreign = [
        "evil.example",
        "evil.example:80",
        "x.wild.example",
        "www.example.evil.example",
        "foo.localhost",
    ];
    for host in foreign {
        let answer = order(&httpd, "/ajp-status", host, &form).expect(403).text();
        for name in ["www.example", "Admin.example", "localhost", "an IP address"] {
            assert!(answer.contains(name), "{name} for {host}: {answer}");
        }
        assert!(!answer.contains("*."), "{answer}");
    }
    // As a browser sends it, which takes the page for one of the same site.
    let headers = format!(
        "Origin: http://evil.example\r\nSec-Fetch-Site: same-origin\r\nContent-Length: {}\r\n\
         Content-Type: application/x-www-form-urlencoded\r\n",
        form.len()
    );
    let refuse = |head: &str| {
        let mut client = httpd.client();
        client.send(format!("POST /ajp-status {head}\r\n{headers}\r\n{form}"));
        client.response("POST").expect(403);
    };
    refuse("HTTP/1.1\r\nHost: evil.example");
    // Whatever the header says, the request line decides.
    order(&httpd, "http://evil.example/ajp-status", "localhost", &form).expect(403);
    refuse("HTTP/1.0");
    assert_eq!(activation(&httpd), "active");
    let log = httpd.error_log();
    assert_eq!(log.matches("[proxy_ajp:warn]").count(), 1, "once a minute: {log}");
    assert!(log.contains("ajp-status: order refused, from 127.0.0.1: "), "{log}");

    let prop = format!("{form}&mime=prop");
    let answer = order(&httpd, "/ajp-status", "evil.example", &prop).expect(403).text();
    assert!(answer.starts_with("worker.result.type=ERROR\n"), "{answer}");
}

#[test]
fn an_order_under_the_server_s_names_an_address_or_localhost_is_carried_out() {
    let (httpd, _a) = named(prefork(2));
    let form = format!("action=drain&member=a&nonce={}", nonce(&httpd));
    for host in [
        "www.example",
        "WWW.EXAMPLE:8080",
        "admin.example",
        "localhost",
        "localhost:8443",
        "127.0.0.1",
        "10.0.0.9:80",
        "[::1]:80",
        "[2001:db8::7]",
    ] {
        order(&httpd, "/ajp-status", host, &form).expect(200);
    }
    assert_eq!(activation(&httpd), "draining");
    // Reading is not limited.
    let page = httpd.client().request("GET", "/ajp-status", "", b"");
    page.expect(200);
}

#[test]
fn the_authority_of_http_2_counts_as_host() {
    let setup = prefork(2).modules(&["http2"]).conf("Protocols h2c http/1.1");
    let (httpd, _a) = named(setup);
    let form = format!("action=drain&member=a&nonce={}", nonce(&httpd));
    let ask = |host: &str| {
        let host = format!("Host: {host}");
        let args = ["--http2-prior-knowledge", "-w", " %{http_code}", "-H", &host, "-d", &form];
        httpd.curl(&args, "http", "/ajp-status")
    };
    let refused = ask("evil.example");
    assert!(refused.ends_with(" 403") && refused.contains("www.example"), "{refused}");
    assert_eq!(activation(&httpd), "active");
    assert!(ask("admin.example").ends_with(": done\n 200"));
}

#[test]
fn the_page_to_which_a_form_returns_has_its_path_encoded() {
    let setup =
        prefork(2).conf("<LocationMatch \"status\">\nSetHandler ajp-status\n</LocationMatch>");
    let (httpd, _a) = named(setup.conf("MergeSlashes Off"));
    let form = format!("action=drain&member=a&from=page&confirm=1&nonce={}", nonce(&httpd));
    for (path, target) in [
        ("/status/a%20b%3fc%23d%25", "/status/a%20b%3fc%23d%25?done=drain&count=1&refused=0"),
        ("/status/%c3%a4%22%3cx%3e", "/status/%c3%a4%22%3cx%3e?done=drain&count=1&refused=0"),
        ("/status/%0d%0aX-Evil:1", "/status/%0d%0aX-Evil:1?done=drain&count=1&refused=0"),
        // Not a host that the author of the link has chosen.
        ("//evil.example/status", "/evil.example/status?done=drain&count=1&refused=0"),
    ] {
        let answer = order(&httpd, path, "localhost", &form).expect(303);
        let found = answer.header("Location").expect("somewhere");
        let found =
            found.strip_prefix("http://").map_or(found, |rest| &rest[rest.find('/').unwrap()..]);
        // Behind it come the time and the member.
        assert_eq!(found.split("&at=").next(), Some(target), "{path}");
        assert_eq!(answer.header("X-Evil"), None);
    }
}
