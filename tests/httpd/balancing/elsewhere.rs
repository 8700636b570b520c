//! Answers from another member, and the client's status if no member answers.

use test_support::ajp::request::forward_request;
use test_support::ajp::{PeerConnection, ScriptedPeer, chunk, cpong, end_response, headers};
use test_support::httpd::{Httpd, Setup};
use test_support::members::{balancer, is_in_error, prefork};

/// Reads all packets, and never answers.
fn silence(conn: &mut PeerConnection) -> std::io::Result<()> {
    while conn.read_packet()?.is_some() {}
    Ok(())
}

/// Answers by its path: `503` and similar with that status, `silent` never, all others with its own
/// name.
fn serve(name: &'static str) -> impl Fn(&mut PeerConnection) -> std::io::Result<()> {
    move |conn| {
        while let Some(payload) = conn.read_packet()? {
            if payload == [0x0A] {
                conn.send(cpong())?;
                continue;
            }
            let uri = forward_request(&payload)?.uri;
            let word = uri.rsplit('/').next().unwrap_or_default();
            if word == "silent" {
                return silence(conn);
            }
            let only_first = name == "first";
            let status = word.parse().ok().filter(|_| only_first).unwrap_or(200);
            conn.send(headers(status))?;
            conn.send(chunk(name))?;
            conn.send(end_response())?;
        }
        Ok(())
    }
}

struct Two {
    first: ScriptedPeer,
    second: ScriptedPeer,
}

impl Two {
    fn start() -> Self {
        Self {
            first: ScriptedPeer::start(serve("first")),
            second: ScriptedPeer::start(serve("second")),
        }
    }

    fn balanced(&self, parameters: &str) -> Setup {
        Httpd::setup()
            .conf("<Proxy balancer://two>")
            .conf(&format!(
                "BalancerMember ajp://127.0.0.1:{} route=a {parameters}",
                self.first.port()
            ))
            .conf(&format!(
                "BalancerMember ajp://127.0.0.1:{} route=b status=+H {parameters}",
                self.second.port()
            ))
            .conf("</Proxy>\nProxyPass /app balancer://two/app\nProxyStatus Full")
            .conf("<Location /server-status>\nSetHandler server-status\n</Location>")
    }
}

fn is_well(httpd: &Httpd) -> bool {
    !httpd.get("/server-status").expect(200).text().contains("Err")
}

#[test]
fn a_post_keeps_its_answer_unless_recovery_says_otherwise() {
    let two = Two::start();
    let httpd = two.balanced("failstatus=-503").start();
    let answer = httpd.client().request("POST", "/app/503", "Content-Length: 2\r\n", b"ab");
    assert_eq!((answer.status, answer.text().as_str()), (503, "first"));

    let httpd = two.balanced("failstatus=-503 recovery=0").start();
    let answer = httpd.client().request("POST", "/app/503", "Content-Length: 2\r\n", b"ab");
    assert_eq!(answer.expect(200).text(), "second");
}

#[test]
fn without_another_member_the_client_gets_the_failure_s_own_status() {
    let two = Two::start();
    let httpd = two.balanced("replytimeout=100 maxreplytimeouts=99 recovery=0").start();

    assert_eq!(httpd.get("/app/silent").status, 504);
    // httpd gives a member up whether it has read the request or not.
    [&two.first, &two.second].iter().for_each(|peer| peer.wait_for_requests(1));
    assert_eq!((two.first.requests(), two.second.requests()), (1, 1), "each member once");
    assert!(is_well(&httpd));
}

#[test]
fn the_environment_sets_a_reply_timeout_for_one_request() {
    let two = Two::start();
    let httpd = Httpd::setup()
        .conf(&format!("ProxyPass /app ajp://127.0.0.1:{}/app", two.first.port()))
        .conf("SetEnvIf X-Hurry (.+) ajp-reply-timeout=$1")
        .conf("SetEnvIf X-Jk-Hurry (.+) JK_REPLY_TIMEOUT=$1")
        .start();

    assert_eq!(httpd.request("GET", "/app/silent", "X-Hurry: 100\r\n").status, 504);
    assert_eq!(httpd.request("GET", "/app/silent", "X-Jk-Hurry: 100\r\n").status, 504);
    httpd.get("/app/x").expect(200);
}

#[test]
fn the_access_log_can_show_the_member_the_connection_and_the_attempts() {
    let two = Two::start();
    let httpd = two
        .balanced("failstatus=-503")
        .conf(
            "CustomLog notes.log \"%{ajp-worker}n|%{ajp-route}n|%{ajp-attempts}n|%{ajp-connection}n|%{ajp-wait-us}n\"",
        )
        .start();
    httpd.get("/app/503").expect(200);
    let line = &httpd.lines_of("notes.log", 1)[0];
    let fields: Vec<&str> = line.split('|').collect();

    assert_eq!(fields[0], format!("ajp://127.0.0.1:{}", two.second.port()));
    assert_eq!(fields[1..4], ["b", "2", "new"]);
    assert!(fields[4].parse::<u64>().is_ok(), "{line}");
}

/// Both members with the same parameters, and sessions.
fn sticky(first: u16, second: u16, parameters: &str, balancer: &str) -> Httpd {
    sticky_with(first, second, parameters, balancer, "")
}

fn sticky_with(first: u16, second: u16, parameters: &str, balancer: &str, more: &str) -> Httpd {
    Httpd::setup()
        .conf("<Proxy balancer://two>")
        .conf(&format!("BalancerMember ajp://127.0.0.1:{first} route=a {parameters}"))
        .conf(&format!("BalancerMember ajp://127.0.0.1:{second} route=b {parameters}"))
        .conf(&format!("ProxySet stickysession=JSESSIONID {balancer}\n</Proxy>"))
        .conf("ProxyPass /app balancer://two/app")
        .conf(more)
        .start()
}

const OF_A: &str = "Cookie: JSESSIONID=x.a\r\n";
const OF_B: &str = "Cookie: JSESSIONID=x.b\r\n";

#[test]
fn no_member_gets_a_request_twice_because_the_other_one_is_not_there() {
    // The first request has to be answered, however long that takes.
    let hurry = "SetEnvIf Request_URI /silent$ ajp-reply-timeout=2000";
    for (parameters, path) in [
        ("maxreplytimeouts=99 recovery=0", "/app/silent"),
        ("failstatus=500 recovery=0", "/app/500"),
    ] {
        let two = Two::start();
        // mod_proxy clears the marks of all members when none is left (forcerecovery).
        let gone = test_support::process::free_port();
        let httpd = sticky_with(two.first.port(), gone, parameters, "", hurry);
        httpd.request("GET", "/app/x", OF_B).expect(200);
        let before = two.first.requests();
        let headers = format!("{OF_A}Content-Length: 2\r\n");
        let answer = httpd.client().request("POST", path, &headers, b"ab");

        assert_ne!(answer.status, 200, "{parameters}");
        two.first.wait_for_requests(before + 1);
        assert_eq!(two.first.requests() - before, 1, "{parameters}");
    }
}

#[test]
fn no_member_gets_a_request_twice_with_retry_0() {
    let two = Two::start();
    let parameters = "retry=0 replytimeout=2000 maxreplytimeouts=99 recovery=0";
    let httpd = sticky(two.first.port(), two.second.port(), parameters, "");
    let headers = format!("{OF_A}Content-Length: 2\r\n");
    httpd.client().request("POST", "/app/silent", &headers, b"ab");

    two.first.wait_for_requests(1);
    assert_eq!(two.first.requests(), 1);
}

#[test]
fn failontimeout_marks_the_member_that_timed_out_and_not_the_one_that_answered() {
    let (slow, quick) = (ScriptedPeer::start(silence), Two::start());
    let member = |peer: &ScriptedPeer, words: &str| {
        format!("ajp://127.0.0.1:{} {words} maxreplytimeouts=99 recovery=0", peer.port())
    };
    let members = [member(&slow, "route=a replytimeout=2000"), member(&quick.second, "route=b")];
    let httpd = balancer(Httpd::setup(), &members)
        .conf("ProxySet balancer://members failontimeout=On")
        .start();

    assert_eq!(httpd.request("GET", "/app/x", OF_A).expect(200).text(), "second");
    // Its own sessions still find the member, and the other's sessions go there too.
    assert_eq!(httpd.request("GET", "/app/x", OF_B).expect(200).text(), "second");
    assert_eq!(httpd.request("GET", "/app/x", OF_A).expect(200).text(), "second");
    slow.wait_for_connections(1);
    assert_eq!((slow.connections(), quick.second.requests()), (1, 3));
    assert!(is_in_error(&httpd, slow.port()));
}

#[test]
fn a_member_without_others_gives_its_own_answer_whatever_failstatus_says() {
    let first = ScriptedPeer::start(serve("first"));
    let httpd = Httpd::setup()
        .conf("<Proxy balancer://one>")
        .conf(&format!("BalancerMember ajp://127.0.0.1:{} failstatus=-500", first.port()))
        .conf("</Proxy>\nProxyPass /app balancer://one/app")
        .start();

    let answer = httpd.get("/app/500");
    assert_eq!((answer.status, answer.text().as_str()), (500, "first"));
}

#[test]
fn members_at_their_busylimit_are_skipped_and_never_put_in_error() {
    let peers: Vec<_> = (0..3).map(|_| ScriptedPeer::start(serve("peer"))).collect();
    let httpd = Httpd::setup()
        .conf("<Proxy balancer://three>")
        .conf(&format!("BalancerMember ajp://127.0.0.1:{} busylimit=1", peers[0].port()))
        .conf(&format!("BalancerMember ajp://127.0.0.1:{} busylimit=1", peers[1].port()))
        .conf(&format!("BalancerMember ajp://127.0.0.1:{}", peers[2].port()))
        .conf("</Proxy>\nProxyPass /app balancer://three/app\nProxyStatus Full")
        .conf("<Location /server-status>\nSetHandler server-status\n</Location>")
        .start();
    std::thread::scope(|scope| {
        for _ in 0..16 {
            scope.spawn(|| {
                let mut client = httpd.client();
                for _ in 0..300 {
                    // httpd may close a connection that is kept alive when all threads are busy.
                    if client.try_get("/app/x").is_none() {
                        client = httpd.client();
                    }
                }
            });
        }
    });

    assert!(peers.iter().all(|peer| peer.requests() > 0));
    assert!(is_well(&httpd));
}

#[test]
fn with_retry_0_a_session_whose_member_fails_is_served_by_the_other_one() {
    let b = ScriptedPeer::start(serve("second"));
    let httpd = sticky(test_support::process::free_port(), b.port(), "retry=0", "");
    for _ in 0..20 {
        assert_eq!(httpd.request("GET", "/app/x", OF_A).expect(200).text(), "second");
    }
}

#[test]
fn every_usable_member_is_tried_once_with_retry_0_and_a_session() {
    let mut ports: Vec<u16> = (0..4).map(|_| test_support::process::free_port()).collect();
    let last = ScriptedPeer::start(serve("last"));
    ports.push(last.port());
    let members: String = (0..5)
        .map(|n| format!("BalancerMember ajp://127.0.0.1:{} route=r{n} retry=0\n", ports[n]))
        .collect();
    let httpd = Httpd::setup()
        .conf(&format!("<Proxy balancer://five>\n{members}ProxySet stickysession=JSESSIONID"))
        .conf("</Proxy>\nProxyPass /app balancer://five/app")
        .start();
    for n in 0..20 {
        let cookie = format!("Cookie: JSESSIONID=x.r{}\r\n", n % 5);
        assert_eq!(httpd.request("GET", "/app/x", &cookie).expect(200).text(), "last");
    }
    assert_eq!(last.requests(), 20);
}

#[test]
fn after_a_failure_a_member_that_was_in_error_is_tried_before_the_request_is_given_up() {
    let gone = test_support::process::free_port();
    let b = ScriptedPeer::start(serve("second"));
    let httpd = sticky(gone, b.port(), "", "");
    // Puts a in error.
    assert_eq!(httpd.request("GET", "/app/x", OF_A).expect(200).text(), "second");
    let a = ScriptedPeer::start_at((std::net::Ipv4Addr::LOCALHOST, gone).into(), serve("first"))
        .expect("the port is still free");
    drop(b);
    // b refuses connections; now all members are in error.
    assert_eq!(httpd.request("GET", "/app/x", OF_B).expect(200).text(), "first");
    assert_eq!(a.requests(), 1);
}

/// `X-Route` names the route, `X-No-Session` makes the session be ignored; with mod_jk's names at
/// `/jk`.
const STEERED: &str = "SetEnvIf X-Route (.+) ajp-route=$1\nSetEnvIf X-No-Session (.+) ajp-sticky-ignore=$1\n\
     SetEnvIf X-Jk-Route (.+) JK_ROUTE=$1\nSetEnvIf X-Jk-No-Session (.+) JK_STICKY_IGNORE=$1\n\
     CustomLog steered.log \"%{BALANCER_WORKER_ROUTE}e %{BALANCER_SESSION_ROUTE}e %{BALANCER_ROUTE_CHANGED}e\"";

#[test]
fn the_environment_names_the_route_of_one_request_whatever_its_session() {
    let two = Two::start();
    let pair = [two.first.port(), two.second.port()];
    let members = |conf: Setup| {
        conf.conf("<Proxy balancer://two>")
            .conf(&format!("BalancerMember ajp://127.0.0.1:{} route=a", pair[0]))
            .conf(&format!("BalancerMember ajp://127.0.0.1:{} route=b status=+N", pair[1]))
            .conf("ProxySet stickysession=JSESSIONID\n</Proxy>\nProxyPass /app balancer://two/app")
            .conf(STEERED)
    };
    let httpd = members(Httpd::setup()).start();
    for header in ["X-Route", "X-Jk-Route"] {
        let headers = format!("{OF_A}{header}: b\r\n");
        let answer = httpd.request("GET", "/app/p;jsessionid=1.a?q=1", &headers);
        assert_eq!(answer.expect(200).text(), "second", "{header}: also one that drains");
        assert_eq!(httpd.request("GET", "/app/x", OF_A).expect(200).text(), "first");
    }
    assert_eq!(httpd.lines_of("steered.log", 4), ["a a -", "a a -", "b b -", "b b -"]);
}

#[test]
fn what_the_balancer_says_in_the_environment_takes_the_place_of_what_is_there() {
    let two = Two::start();
    let preset = "SetEnvIf X-Preset (.+) Balancer_Worker_Route=$1\n\
         SetEnvIf X-Preset (.+) BALANCER_SESSION_ROUTE=$1\nSetEnvIf X-Preset (.+) BALANCERS=$1\n\
         CustomLog told.log \"%{BALANCER_WORKER_ROUTE}e %{BALANCER_SESSION_ROUTE}e %{BALANCERS}e\"";
    let httpd = sticky_with(two.first.port(), two.second.port(), "", "", preset);
    for headers in [format!("{OF_A}X-Preset: mine\r\n"), OF_A.to_owned()] {
        assert_eq!(httpd.request("GET", "/app/x", &headers).expect(200).text(), "first");
    }
    assert_eq!(httpd.lines_of("told.log", 2), ["a a -", "a a mine"]);
}

#[test]
fn a_route_of_the_environment_that_no_member_has_is_balanced() {
    let two = Two::start();
    let (first, second) = (two.first.port(), two.second.port());
    let httpd = sticky_with(first, second, "", "nofailover=On", STEERED);
    let answer = httpd.request("GET", "/app/x", "X-Route: zz\r\n").expect(200);
    assert!(["first", "second"].contains(&answer.text().as_str()));
}

#[test]
fn the_environment_can_ignore_the_session_of_one_request() {
    let two = Two::start();
    for header in ["X-No-Session", "X-Jk-No-Session"] {
        let httpd = sticky_with(two.first.port(), two.second.port(), "", "", STEERED);
        let headers = format!("{OF_A}{header}: 1\r\n");
        let mut names: Vec<String> =
            (0..10).map(|_| httpd.request("GET", "/app/x", &headers).expect(200).text()).collect();
        names.sort();
        assert_eq!(names.iter().filter(|name| *name == "first").count(), 5, "{header}: {names:?}");
        let no = format!("{OF_A}{header}: 0\r\n");
        for _ in 0..5 {
            assert_eq!(httpd.request("GET", "/app/x", &no).expect(200).text(), "first");
        }
    }
}

#[test]
fn no_request_is_refused_while_another_one_finds_no_other_member() {
    for setup in [Httpd::setup(), prefork(16)] {
        none_is_refused(setup);
    }
}

#[track_caller]
fn none_is_refused(setup: Setup) {
    let two = Two::start();
    let httpd = setup
        .conf("<Proxy balancer://two>")
        .conf(&format!("BalancerMember ajp://127.0.0.1:{} failstatus=-503", two.first.port()))
        .conf(&format!("BalancerMember ajp://127.0.0.1:{} status=+N", two.second.port()))
        .conf("</Proxy>\nProxyPass /app balancer://two/app")
        .start();
    let answers = |path: &str, status: u16| {
        let mut client = httpd.client();
        for _ in 0..400 {
            match client.try_get(path) {
                Some(answer) => assert_eq!(answer.status, status, "{path}"),
                None => client = httpd.client(),
            }
        }
    };
    // Each of those that fail has mod_proxy mark the member for an instant.
    std::thread::scope(|scope| {
        for _ in 0..6 {
            scope.spawn(|| answers("/app/503", 503));
            scope.spawn(|| answers("/app/x", 200));
        }
    });
}
