//! The log lines, and how often they come: no client can fill the log at warn or above.

use test_support::ajp::echo::{respond, uris};
use test_support::ajp::{ForwardRequest, PeerConnection, ScriptedPeer, end_response, headers};
use test_support::httpd::Httpd;
use test_support::members::{backend, balancer, hold, holding, one_child};
use test_support::process::free_port;

/// The lines of this module with these words, at each of its levels: error, warn, info.
fn lines(httpd: &Httpd, words: &str) -> [usize; 3] {
    let log = httpd.error_log();
    let lines = log.lines().filter(|line| line.contains(words)).collect::<Vec<_>>();
    ["error", "warn", "info"].map(|level| {
        let level = format!("[proxy_ajp:{level}]");
        lines.iter().filter(|line| line.contains(&level)).count()
    })
}

/// Asks six times; each answer has this status.
fn six(httpd: &Httpd, target: impl Fn(usize) -> String, headers: &str, status: u16) {
    for at in 0..6 {
        httpd.request("GET", &target(at), headers).expect(status);
    }
}

#[test]
fn requests_beyond_busylimit_warn_once_a_minute_for_each_backend() {
    let (peer, gate) = holding();
    let other = ScriptedPeer::start(uris);
    let lines_of =
        |port: u16, path: &str| format!("ProxyPass /{path} ajp://127.0.0.1:{port}/app busylimit=1");
    let httpd = one_child()
        .conf(&lines_of(peer.port(), "app"))
        .conf(&lines_of(other.port(), "other"))
        .start();
    let held = hold(&httpd, 1);
    peer.wait_for_requests(1);
    six(&httpd, |_| "/app/x".into(), "", 503);
    httpd.get("/other/x").expect(200);
    gate.open();
    drop(held);
    assert_eq!(lines(&httpd, "as many as busylimit allows"), [0, 1, 5]);
}

#[test]
fn each_backend_has_a_warning_of_its_own() {
    let (a, b) = (backend(not_found), backend(not_found));
    let spare = ScriptedPeer::start(uris);
    let of = |name: &str, port: u16| {
        format!(
            "<Proxy balancer://{name}>\nBalancerMember ajp://127.0.0.1:{port} failstatus=-404\n\
             BalancerMember ajp://127.0.0.1:{} lbset=1\n</Proxy>\n\
             ProxyPass /{name} balancer://{name}\n",
            spare.port()
        )
    };
    let httpd = one_child().conf(&of("a", a.port())).conf(&of("b", b.port())).start();
    for name in ["a", "b"] {
        six(&httpd, |_| format!("/{name}/x"), "", 200);
    }
    assert_eq!(lines(&httpd, "which failstatus lists"), [0, 2, 10]);
    for port in [a.port(), b.port()] {
        assert_eq!(lines(&httpd, &format!("ajp://127.0.0.1:{port}: status 404")), [0, 1, 5]);
    }
}

fn not_found(conn: &mut PeerConnection, _: &ForwardRequest) -> std::io::Result<bool> {
    conn.send(headers(404))?;
    conn.send(end_response().reuse(true)).map(|()| true)
}

#[test]
fn backends_whose_names_come_from_the_client_s_url_share_one_warning_a_minute() {
    let setup = one_child().conf("ProxyPassMatch ^/to/([a-z]+)/ ajp://$1.invalid:8009/");
    let httpd = setup.start();
    let name = |at: usize| ["a", "b", "c", "d", "e", "f"][at];
    six(&httpd, |at| format!("/to/{}/", name(at)), "", 503);
    assert_eq!(lines(&httpd, ".invalid:8009: "), [1, 0, 5]);
}

#[test]
fn a_failure_that_a_client_cannot_cause_at_will_is_logged_each_time() {
    let down = free_port();
    let httpd = one_child().conf(&format!("ProxyPass /app ajp://127.0.0.1:{down}/app")).start();
    six(&httpd, |_| "/app/x".into(), "", 503);
    assert_eq!(lines(&httpd, "while connecting"), [6, 0, 0]);
}

#[test]
fn a_request_for_a_disabled_worker_is_logged_once_a_minute() {
    let line = "ProxyPass /app ajp://127.0.0.1:8009/app status=+D";
    let httpd = one_child().conf(line).start();
    six(&httpd, |_| "/app/x".into(), "", 503);
    assert_eq!(lines(&httpd, "disabled or stopped"), [1, 0, 5]);
}

#[test]
fn a_session_that_no_member_may_take_is_logged_once_a_minute() {
    let peer = backend(|conn, _| respond(conn, "a").map(|()| true));
    let members = [format!("ajp://127.0.0.1:{} route=a status=+S", peer.port())];
    let httpd =
        balancer(one_child(), &members).conf("ProxySet balancer://members nofailover=On").start();
    six(&httpd, |_| "/app/x".into(), "Cookie: JSESSIONID=x.a\r\n", 503);
    assert_eq!(lines(&httpd, "no member left that could take the request"), [1, 0, 5]);
}

#[test]
fn a_url_that_must_not_be_forwarded_is_logged_once_a_minute() {
    let rule = "RewriteEngine On\nRewriteRule ^/raw/(.*)$ ajp://127.0.0.1:8009/$1 [P,NE]";
    let httpd = one_child().conf(rule).start();
    six(&httpd, |at| format!("/raw/{at}%20b"), "", 403);
    assert_eq!(lines(&httpd, "contains control characters or spaces"), [1, 0, 5]);
}
