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
    assert_eq!(lines(&httpd, "failed: connection refused; GET /app/x; answering 503"), [6, 0, 0]);
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
    assert_eq!(lines(&httpd, "no member left that could take the request: 1 stopped"), [1, 0, 5]);
}

#[test]
fn a_url_that_must_not_be_forwarded_is_logged_once_a_minute() {
    let rule = "RewriteEngine On\nRewriteRule ^/raw/(.*)$ ajp://127.0.0.1:8009/$1 [P,NE]";
    let httpd = one_child().conf(rule).start();
    six(&httpd, |at| format!("/raw/{at}%20b"), "", 403);
    assert_eq!(lines(&httpd, "contains control characters or spaces"), [1, 0, 5]);
}

#[test]
fn the_line_of_a_failed_request_says_which_member_it_was_and_whether_it_was_the_last() {
    let ports = [free_port(), free_port()];
    let members = ports.map(|port| format!("ajp://127.0.0.1:{port}"));
    let httpd = balancer(one_child(), &members)
        .conf("ProxySet balancer://members forcerecovery=Off")
        .start();

    httpd.get("/app/x?token=of-the-client").expect(503);

    let lines = httpd.messages("AJP0107");
    let first = ports.iter().position(|port| lines[0].contains(&format!(":{port}: ")));
    let first = ports[first.expect("one of them")];
    let last = ports.iter().copied().find(|port| *port != first).expect("the other one");
    for ((line, port), next) in lines
        .iter()
        .zip([first, last])
        .zip(["trying another member", "no other member is left, answering 503"])
    {
        let text = format!(
            "AJP0107: balancer://members ajp://127.0.0.1:{port}: connecting to 127.0.0.1:{port} failed: \
             connection refused; GET /app/x; {next}"
        );
        assert!(line.ends_with(&text), "{line}");
    }
    assert_eq!(lines.len(), 2, "{lines:?}");
    httpd.get("/app/next").expect(503);
    let none = httpd.messages("AJP0201");
    assert!(none[0].ends_with("the request: 2 in error; GET /app/next"), "{none:?}");
    let log = httpd.error_log();
    let ours = log.lines().filter(|line| line.contains("[proxy_ajp:"));
    assert!(!ours.fold(String::new(), |all, line| all + line).contains("token"), "{log}");
}

#[test]
fn a_balancer_whose_members_are_all_drained_is_not_said_to_be_in_error() {
    let peer = backend(|conn, _| respond(conn, "a").map(|()| true));
    let port = peer.port();
    for (words, what) in [
        (["status=+N", "status=+N"], "2 draining"),
        (["activation=disabled", "activation=stopped"], "1 stopped, 1 draining"),
        (["status=+S", "status=+D"], "2 stopped"),
    ] {
        let members = [("127.0.0.1", "a", words[0]), ("localhost", "b", words[1])]
            .map(|(host, route, words)| format!("ajp://{host}:{port} route={route} {words}"));
        let httpd = balancer(one_child(), &members).start();

        httpd.get("/app/x").expect(503);

        let lines = httpd.messages("AJP0201");
        assert_eq!(lines.len(), 1, "{}", httpd.error_log());
        let text = format!("no member left that could take the request: {what}; GET /app/x");
        assert!(lines[0].ends_with(&text), "{lines:?}");
        assert!(!httpd.error_log().contains("error state"), "{}", httpd.error_log());
        if words[0] != "status=+S" {
            let session = "Cookie: JSESSIONID=x.a\r\n";
            httpd.request("GET", "/app/x", session).expect(200);
        }
    }
}

#[test]
fn a_member_that_drains_is_tried_for_its_own_sessions_and_else_is_not_the_next() {
    let (down, draining) = (free_port(), free_port());
    let members = [
        format!("ajp://127.0.0.1:{down} route=a"),
        format!("ajp://127.0.0.1:{draining} route=b activation=disabled"),
    ];
    let httpd = balancer(one_child(), &members).start();

    httpd.get("/app/x").expect(503);

    let lines = httpd.messages("AJP0107");
    assert_eq!(lines.len(), 1, "{lines:?}");
    assert!(lines[0].ends_with("; no other member is left, answering 503"), "{lines:?}");
    let none = httpd.messages("AJP0201");
    assert!(none[0].contains(": 1 tried, 1 draining; GET /app/x"), "{none:?}");
}

#[test]
fn a_unix_socket_that_is_not_there_is_no_such_file() {
    let line = "ProxyPass /app unix:/nowhere/ajp.sock|ajp://localhost/app";
    let httpd = one_child().conf(line).start();

    httpd.get("/app/x").expect(503);

    let lines = httpd.messages("AJP0132");
    assert_eq!(lines.len(), 1, "{}", httpd.error_log());
    let text =
        "connecting to unix:/nowhere/ajp.sock failed: no such file; GET /app/x; answering 503";
    assert!(lines[0].ends_with(text), "{lines:?}");
}
