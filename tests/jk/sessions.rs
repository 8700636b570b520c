//! Sessions find their member, and a member in error is probed by one request: rows 62-69, 76, 78 and
//! 88 of what mod_jk's users know (see `jk/reuse.rs`).
//!
//! Where the others of the rows 62-88, and row 107, are tested:
//!
//! | row | file | test |
//! |---|---|---|
//! | 65 | `src/balance/session.rs` | a quoted cookie: `every_cookie_of_the_name_counts_in_its_order_and_no_other` |
//! | 70-74, 77, 86, 87 | `jk/activation.rs` | marked `// row N`; 70, 72, 74 and 75 with two Tomcats in `tomcat/balanced.rs` |
//! | 71-73 | `httpd/balancing/local_members.rs` | also the words `local` and `localonly` themselves |
//! | 79 | `httpd/balancing/lbmethods.rs` | `requests_are_shared_out_by_load_factor_over_four_children` |
//! | 80 | `httpd/balancing/lbmethods.rs` | `with_bybusyness_the_member_with_hanging_requests_gets_none_until_the_other_has_as_many` |
//! | 81 | `httpd/balancing/lbmethods.rs` | `new_sessions_are_shared_out_evenly_whatever_the_old_ones_do` |
//! | 82 | `httpd/balancing/lbmethods.rs` | `with_bytraffic_the_member_with_the_small_answers_gets_far_more_requests` |
//! | 83 | `httpd/balancing/lbmethods.rs` | `a_member_that_an_administrator_stops_and_starts_again_is_not_flooded`; decay in `src/balance/lbmethod_tests.rs` |
//! | 84 | `httpd/balancing/lbmethods.rs` | `a_member_that_has_recovered_is_not_flooded` |
//! | 85 | `jk/recovery.rs` | `with_escalation_a_member_that_still_serves_is_not_put_in_error_by_one_refusal` |
//! | 107 | `httpd/reload/shared_state.rs` | marked `// row 107` |

use std::io;
use std::net::Ipv4Addr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread::scope;
use std::time::Duration;

use test_support::ajp::request::forward_request;
use test_support::ajp::{PeerConnection, ScriptedPeer, chunk, end_response, headers};
use test_support::http::Response;
use test_support::httpd::{Httpd, Setup};
use test_support::members::{Gate, is_in_error, serving, two_children};
use test_support::process::{free_port, wait_for};

/// Answers with its own name and the URI it was asked for.
fn named(name: &'static str) -> impl Fn(&mut PeerConnection) -> io::Result<()> {
    move |conn| {
        while let Some(payload) = conn.read_packet()? {
            let uri = forward_request(&payload)?.uri;
            conn.send(headers(200))?;
            conn.send(chunk(format!("{name} {uri}")))?;
            conn.send(end_response())?;
        }
        Ok(())
    }
}

/// Members `a`, `b` and so on with these parameters, in a balancer with those.
fn balanced(setup: Setup, members: &[(u16, &str)], balancer: &str) -> Httpd {
    let lines: String = members
        .iter()
        .zip('a'..)
        .map(|((port, more), route)| {
            format!("BalancerMember ajp://127.0.0.1:{port} route={route} {more}\n")
        })
        .collect();
    setup
        .conf(&format!("<Proxy balancer://members>\n{lines}"))
        .conf(&format!("ProxySet stickysession=JSESSIONID|jsessionid {balancer}\n</Proxy>"))
        .conf("ProxyPass /app balancer://members/app")
        .conf("<Location /balancer-manager>\nSetHandler balancer-manager\n</Location>")
        .start()
}

fn with_cookie(httpd: &Httpd, cookie: &str) -> Response {
    httpd.request("GET", "/app/x", &format!("Cookie: {cookie}\r\n"))
}

/// The member that answered.
fn who(answer: Response) -> String {
    answer.expect(200).text().split(' ').next().unwrap_or_default().to_owned()
}

fn pair() -> (ScriptedPeer, ScriptedPeer) {
    (ScriptedPeer::start(named("a")), ScriptedPeer::start(named("b")))
}

// row 62
#[test]
fn a_session_always_goes_to_its_member() {
    let (a, b) = pair();
    let httpd = balanced(two_children(), &[(a.port(), ""), (b.port(), "")], "");
    // Two connections at a time: each has a child of its own.
    let mut clients = [httpd.client(), httpd.client()];
    for _ in 0..5 {
        for client in &mut clients {
            let answer = client.request("GET", "/app/x", "Cookie: JSESSIONID=x.b\r\n", b"");
            assert_eq!(who(answer), "b");
        }
    }
    assert_eq!(a.requests(), 0);
    wait_for("both children have served", || (serving(&httpd) == 2).then_some(()));
}

// row 63
#[test]
fn a_session_in_the_path_goes_to_its_member_and_the_uri_is_unchanged() {
    let (a, b) = pair();
    let setup = two_children();
    let httpd = balanced(setup, &[(a.port(), ""), (b.port(), "")], "scolonpathdelim=On");
    for _ in 0..5 {
        let answer = httpd.get("/app/p;jsessionid=x.b;v=1/q?n=1").expect(200).text();
        assert_eq!(answer, "b /app/p;jsessionid=x.b;v=1/q");
        let answer = httpd.get("/app/s;jsessionid=x.b/p").expect(200).text();
        assert_eq!(answer, "b /app/s;jsessionid=x.b/p");
    }
}

// As mod_proxy_balancer, which also takes the query string of the request for a part of its URL.
#[test]
fn a_session_in_the_query_string_goes_to_its_member_also_beside_a_cookie() {
    let (a, b) = pair();
    let httpd = balanced(two_children(), &[(a.port(), ""), (b.port(), "")], "");
    for cookie in ["theme=dark", "JSESSIONID=1.zz", "JSESSIONID=1.a"] {
        for _ in 0..3 {
            let header = format!("Cookie: {cookie}\r\n");
            assert_eq!(
                who(httpd.request("GET", "/app/x?jsessionid=2.b", &header)),
                "b",
                "{cookie}"
            );
        }
    }
}

// row 64
#[test]
fn the_route_is_found_after_a_cookie_whose_route_no_member_has() {
    let (a, b) = pair();
    let httpd = balanced(two_children(), &[(a.port(), ""), (b.port(), "")], "");
    for _ in 0..5 {
        assert_eq!(who(with_cookie(&httpd, "JSESSIONID=1.zz; JSESSIONID=2.b")), "b");
    }
}

// row 66
#[test]
fn the_route_follows_the_first_dot_and_a_route_that_no_member_has_is_balanced() {
    let (a, b) = pair();
    let httpd = balanced(two_children(), &[(a.port(), ""), (b.port(), "")], "");
    for _ in 0..10 {
        with_cookie(&httpd, "JSESSIONID=x.b.extra").expect(200);
    }
    assert_eq!((a.requests(), b.requests()), (5, 5));
}

/// `a` refuses, is in error for a minute, and its `redirect` is `c`.
fn with_redirect(balancer: &str) -> (Httpd, u16, [ScriptedPeer; 2]) {
    let gone = free_port();
    let (b, c) = (ScriptedPeer::start(named("b")), ScriptedPeer::start(named("c")));
    let members = [(gone, "redirect=c"), (b.port(), ""), (c.port(), "lbset=1")];
    (balanced(two_children(), &members, balancer), gone, [b, c])
}

// row 67
#[test]
fn a_session_follows_the_redirect_of_its_member_unless_sessionredirect_is_off() {
    let (httpd, _, _peers) = with_redirect("");
    for _ in 0..3 {
        assert_eq!(who(with_cookie(&httpd, "JSESSIONID=x.a")), "c");
    }
    let (httpd, _, _peers) = with_redirect("sessionredirect=Off");
    for _ in 0..3 {
        assert_eq!(who(with_cookie(&httpd, "JSESSIONID=x.a")), "b");
    }
}

// row 68
#[test]
fn with_sessionretry_a_session_finds_its_member_as_soon_as_that_is_back() {
    for (balancer, expected) in [("sessionretry=On", "a"), ("", "b")] {
        let gone = free_port();
        let b = ScriptedPeer::start(named("b"));
        let httpd = balanced(two_children(), &[(gone, ""), (b.port(), "")], balancer);
        assert_eq!(who(with_cookie(&httpd, "JSESSIONID=x.a")), "b");
        assert!(is_in_error(&httpd, gone));
        assert_eq!(who(with_cookie(&httpd, "JSESSIONID=x.a")), "b", "still down");
        let _a = ScriptedPeer::start_at((Ipv4Addr::LOCALHOST, gone).into(), named("a"))
            .expect("the port is free");

        assert_eq!(who(with_cookie(&httpd, "JSESSIONID=x.a")), expected, "{balancer}");
        assert_eq!(is_in_error(&httpd, gone), expected == "b");
    }
}

// row 69
#[test]
fn with_nofailover_a_session_gets_its_member_or_503_and_an_unknown_route_is_balanced() {
    let gone = free_port();
    let b = ScriptedPeer::start(named("b"));
    let httpd = balanced(two_children(), &[(gone, ""), (b.port(), "")], "nofailover=On");
    for _ in 0..2 {
        assert_eq!(with_cookie(&httpd, "JSESSIONID=x.a").status, 503);
    }
    assert_eq!(b.requests(), 0);
    assert_eq!(who(with_cookie(&httpd, "JSESSIONID=x.zz")), "b");
    // It is tried although it is in error: no other member may answer.
    let _a = ScriptedPeer::start_at((Ipv4Addr::LOCALHOST, gone).into(), named("a"))
        .expect("the port is free");
    assert_eq!(who(with_cookie(&httpd, "JSESSIONID=x.a")), "a");
}

// row 76
#[test]
fn the_sessions_of_a_stopped_member_go_to_another_one_of_its_domain() {
    let peers: Vec<_> =
        ["a", "b", "c"].into_iter().map(|name| ScriptedPeer::start(named(name))).collect();
    let members = [
        (peers[0].port(), "activation=stopped domain=d"),
        (peers[1].port(), ""),
        (peers[2].port(), "domain=d"),
    ];
    let httpd = balanced(two_children(), &members, "");
    for _ in 0..10 {
        assert_eq!(who(with_cookie(&httpd, "JSESSIONID=x.a")), "c");
        assert_eq!(who(with_cookie(&httpd, "JSESSIONID=x.d.gone")), "c", "a domain for a route");
    }
    assert_eq!(peers[0].requests(), 0);
}

// row 78
#[test]
fn a_distant_member_is_used_only_while_the_near_one_is_down() {
    let gone = free_port();
    let b = ScriptedPeer::start(named("b"));
    let members = [(gone, "distance=0 retry=1"), (b.port(), "distance=1")];
    let httpd = balanced(two_children(), &members, "");
    assert_eq!(who(httpd.get("/app/x")), "b");
    let _a = ScriptedPeer::start_at((Ipv4Addr::LOCALHOST, gone).into(), named("a"))
        .expect("the port is free");
    std::thread::sleep(Duration::from_millis(1100));
    for _ in 0..5 {
        assert_eq!(who(httpd.get("/app/x")), "a");
    }
}

/// Two children with room for all clients of row 88 at once.
const TWO_OF_32: &str = "StartServers 2\nServerLimit 2\nThreadsPerChild 32\nMaxRequestWorkers 64\n\
    MinSpareThreads 1\nMaxSpareThreads 64";

// row 88
#[test]
fn when_retry_has_passed_one_request_probes_the_member_and_the_others_go_elsewhere_without_delay() {
    // Closes at a CPING; later it does so only once told to: until then, the probe waits.
    let (is_slow, gate) = (Arc::new(AtomicBool::new(false)), Gate::default());
    let (waits, told) = (Arc::clone(&is_slow), gate.clone());
    let deaf = ScriptedPeer::start(move |conn| {
        conn.expect_cping()?;
        if waits.load(Ordering::SeqCst) {
            told.wait();
        }
        Ok(())
    });
    let b = ScriptedPeer::start(named("b"));
    // It waits as long as any client here.
    let members = [(deaf.port(), "retry=1 pingmode=connect pingconnect=60000"), (b.port(), "")];
    let httpd = balanced(Httpd::setup().conf(TWO_OF_32), &members, "");
    while !is_in_error(&httpd, deaf.port()) {
        assert_eq!(who(httpd.get("/app/x")), "b");
    }
    let before = deaf.connections();
    is_slow.store(true, Ordering::SeqCst);
    std::thread::sleep(Duration::from_millis(1100));

    let served = AtomicUsize::new(0);
    scope(|scope| {
        for _ in 0..20 {
            scope.spawn(|| {
                assert_eq!(who(httpd.get("/app/x")), "b");
                served.fetch_add(1, Ordering::SeqCst);
            });
        }
        wait_for("all but one have their answer", || {
            (served.load(Ordering::SeqCst) == 19).then_some(())
        });
        deaf.wait_for_connections(before + 1);
        assert_eq!(deaf.connections() - before, 1, "one asked");
        assert_eq!(deaf.open_connections(), 1, "and is waiting");
        gate.open();
    });
    assert_eq!(served.into_inner(), 20, "that one went to b as well");
}
