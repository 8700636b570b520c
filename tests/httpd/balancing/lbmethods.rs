//! How many requests each member gets, by lbmethod: mod_jk's cases 79 to 84, and our own.

use std::net::{Ipv4Addr, SocketAddr};
use std::thread;
use std::time::Duration;

use test_support::ajp::echo::{respond, uris};
use test_support::ajp::{ScriptedPeer, chunk, end_response, headers};
use test_support::http::Client;
use test_support::httpd::{Httpd, Mpm, Setup};
use test_support::manager::{NONCE, manage, member, said};
use test_support::members::{backend, children, hold_in_turn, holding, is_in_error};
use test_support::process::{free_port, signal, wait_for};

const OURS: [&str; 2] = ["sessions", "next"];

/// Two children of 16 threads, and no others.
fn two_children() -> Setup {
    Httpd::setup().conf(
        "ThreadsPerChild 16\nMaxRequestWorkers 32\nStartServers 2\nServerLimit 2\n\
         MinSpareThreads 32\nMaxSpareThreads 32",
    )
}

/// A balancer at `/app` of these members (`route=` and more behind the port), with sessions, which
/// balancer-manager may change.
fn balancer(setup: Setup, method: &str, members: &[(u16, &str)]) -> Setup {
    let line =
        |(port, more): &(u16, &str)| format!("BalancerMember ajp://127.0.0.1:{port} {more}\n");
    let lines: String = members.iter().map(line).collect();
    setup
        .modules(&["lbmethod_bybusyness", "lbmethod_bytraffic"])
        .conf(&format!("<Proxy balancer://members growth=5>\n{lines}ProxySet nonce={NONCE}"))
        .conf(&format!("ProxySet lbmethod={method} stickysession=JSESSIONID\n</Proxy>"))
        .conf("ProxyPass /app balancer://members/app")
        .conf("<Location /balancer-manager>\nSetHandler balancer-manager\n</Location>")
}

/// Sends this many requests one after the other, without a session.
fn ask(httpd: &Httpd, count: usize) {
    let mut client = httpd.client();
    for _ in 0..count {
        client.get("/app/x").expect(200);
    }
}

/// The number of requests that each peer gets while `action` runs.
fn counted<const N: usize>(peers: [&ScriptedPeer; N], action: impl FnOnce()) -> [usize; N] {
    let before = peers.map(ScriptedPeer::requests);
    action();
    let mut counts = peers.map(ScriptedPeer::requests);
    counts.iter_mut().zip(before).for_each(|(count, before)| *count -= before);
    counts
}

fn two() -> [ScriptedPeer; 2] {
    [(); 2].map(|()| ScriptedPeer::start(uris))
}

const OF_A: &str = "Cookie: JSESSIONID=x.a\r\n";

// Case 79: load factors.

#[test]
fn requests_are_shared_out_by_load_factor_over_four_children() {
    for method in ["byrequests", "sessions", "next"] {
        let [a, b] = two();
        let setup = Httpd::setup().mpm(Mpm::Prefork).conf(&children(4));
        let members = [(a.port(), "loadfactor=3"), (b.port(), "loadfactor=1")];
        let httpd = balancer(setup, method, &members).start();
        let [of_a, of_b] = counted([&a, &b], || {
            if OURS.contains(&method) {
                thread::scope(|scope| {
                    (0..4).for_each(|_| drop(scope.spawn(|| ask(&httpd, 1000))));
                });
            } else {
                // Children that add to httpd's own shares in the same instant lose one of the changes,
                // also with mod_proxy_ajp: so one at a time here.
                let mut clients: Vec<Client> = (0..4).map(|_| httpd.client()).collect();
                for client in (0..4000).map(|number| number % 4) {
                    clients[client].get("/app/x").expect(200);
                }
            }
        });
        // 2 % of each member's due share.
        assert!(of_a.abs_diff(3000) <= 60 && of_b.abs_diff(1000) <= 20, "{method}: {of_a}:{of_b}");
    }
}

#[test]
fn all_children_share_the_counts_and_a_restart_resets_them() {
    for method in OURS {
        let [a, b] = two();
        let setup = Httpd::setup().mpm(Mpm::Prefork).conf(&children(4));
        let httpd = balancer(setup, method, &[(a.port(), ""), (b.port(), "")]).start();
        // Each in a child that httpd picks; the last one leaves a ahead.
        let in_turn = || {
            for (number, wanted) in [[1, 0], [0, 1]].into_iter().cycle().take(11).enumerate() {
                let got = counted([&a, &b], || ask(&httpd, 1));
                assert_eq!(got, wanted, "{method}, request {number}");
            }
        };
        in_turn();
        let old = httpd.children();
        httpd.graceful();
        httpd.wait_for_new_children(&old, 0);
        in_turn();
    }
}

// Case 80: busyness.

#[test]
fn with_bybusyness_the_member_with_hanging_requests_gets_none_until_the_other_has_as_many() {
    let [(a, gate_of_a), (b, gate_of_b)] = [holding(), holding()];
    let members = [(a.port(), "route=a"), (b.port(), "route=b")];
    let httpd = balancer(two_children(), "bybusyness", &members).start();
    let mut hanging: Vec<Client> = (1..=5)
        .map(|number| {
            let client = held_at_a(&httpd);
            a.wait_for_requests(number);
            client
        })
        .collect();

    assert_eq!(counted([&a, &b], || ask(&httpd, 10)), [0, 10]);
    // A request counts until it is over for httpd, not until the client has its answer: if the last of
    // these still counted, the fifth request that hangs at b would find both equally busy.
    wait_for("b has nothing to do", || {
        (said(&member(&httpd, b.port()), "busy") == "0").then_some(())
    });
    assert_eq!(
        counted([&a, &b], || {
            hanging.extend(hold_in_turn(&httpd, &b, 5));
        }),
        [0, 5]
    );
    let [of_a, _] = counted([&a, &b], || ask(&httpd, 10));
    assert!(of_a > 0, "both are as busy: a has its turn again");
    gate_of_a.open();
    gate_of_b.open();
    hanging.iter_mut().for_each(|client| drop(client.response("GET").expect(200)));
}

fn held_at_a(httpd: &Httpd) -> Client {
    let mut client = httpd.client();
    client.send(format!("GET /app/held HTTP/1.1\r\nHost: localhost\r\n{OF_A}\r\n"));
    client
}

// Case 81: sessions.

#[test]
fn new_sessions_are_shared_out_evenly_whatever_the_old_ones_do() {
    for method in OURS {
        let [a, b] = two();
        let members = [(a.port(), "route=a"), (b.port(), "route=b")];
        let httpd = balancer(two_children(), method, &members).start();
        let mut client = httpd.client();
        let counts = counted([&a, &b], || {
            for number in 0..100 {
                match number % 10 {
                    3 => client.get("/app/x"),
                    4 => client.get("/app/x;JSESSIONID=x.a"),
                    5 => client.get("/app/x?JSESSIONID=x.a"),
                    _ => client.request("GET", "/app/x", OF_A, b""),
                }
                .expect(200);
            }
        });
        assert_eq!(counts, [90 + 5, 5], "{method}");
    }
}

#[test]
fn an_unknown_or_ignored_session_counts_as_a_new_one() {
    for method in OURS {
        let [a, b] = two();
        let members = [(a.port(), "route=a"), (b.port(), "route=b")];
        let setup = two_children().conf("SetEnvIf X-No-Session (.+) ajp-sticky-ignore=$1");
        let httpd = balancer(setup, method, &members).start();
        let of_nobody = "Cookie: JSESSIONID=x.zz\r\n";
        let routeless = "Cookie: JSESSIONID=x\r\n";
        let ignored = format!("{OF_A}X-No-Session: 1\r\n");
        for headers in [of_nobody, routeless, &ignored, of_nobody, routeless, &ignored] {
            // If they were counted together, a would always get one kind and b the other.
            let ask_so = || drop(httpd.request("GET", "/app/x", headers).expect(200));
            assert_eq!(counted([&a, &b], ask_so), [1, 0], "{method}: {headers}");
            assert_eq!(counted([&a, &b], || ask(&httpd, 1)), [0, 1], "{method}: {headers}");
        }
    }
}

#[test]
fn sessions_of_a_member_that_is_down_go_to_the_others_evenly_and_are_not_new() {
    for method in OURS {
        let [b, c] = two();
        let gone = free_port();
        let members = [(gone, "route=a"), (b.port(), "route=b"), (c.port(), "route=c")];
        let httpd = balancer(two_children(), method, &members).start();
        let (mut old, mut new) = ([0, 0], [0, 0]);
        for _ in 0..10 {
            let ask_a = || drop(httpd.request("GET", "/app/x", OF_A).expect(200));
            let of_a = counted([&b, &c], ask_a);
            let of_nobody = counted([&b, &c], || ask(&httpd, 1));
            old = [old[0] + of_a[0], old[1] + of_a[1]];
            new = [new[0] + of_nobody[0], new[1] + of_nobody[1]];
        }
        // If they were counted together, b would get all of one kind and c all of the other.
        assert_eq!((old, new), ([5, 5], [5, 5]), "{method}");
    }
}

#[test]
fn a_request_that_its_member_does_not_take_goes_to_the_member_with_the_next_lowest_count() {
    for method in OURS {
        let [b, c] = two();
        let members = [(free_port(), "retry=0 loadfactor=50"), (b.port(), ""), (c.port(), "")];
        let httpd = balancer(two_children(), method, &members).start();
        // With retry=0 it is usable again at once, and still has the least for its factor.
        let [of_b, of_c] = counted([&b, &c], || ask(&httpd, 30));
        assert!(of_b.abs_diff(of_c) <= 1, "{method}: {of_b}:{of_c}");
    }
}

// Case 82: traffic.

#[test]
fn with_bytraffic_the_member_with_the_small_answers_gets_far_more_requests() {
    let sized = |pieces: usize, size: usize| {
        backend(move |conn, _| {
            conn.send(headers(200))?;
            (0..pieces).try_for_each(|_| conn.send(chunk(vec![b'x'; size])))?;
            conn.send(end_response()).map(|()| true)
        })
    };
    let (a, b) = (sized(128, 8192 - 8), sized(1, 1024));
    let httpd = balancer(two_children(), "bytraffic", &[(a.port(), ""), (b.port(), "")]).start();
    let [of_a, of_b] = counted([&a, &b], || ask(&httpd, 300));
    assert!(of_a <= 2 && of_b >= 298, "{of_a}:{of_b}");
}

// Cases 83 and 84: members that join later.

#[test]
fn a_member_that_an_administrator_stops_and_starts_again_is_not_flooded() {
    for (method, flag) in OURS
        .iter()
        .flat_map(|method| ["w_status_S", "w_status_D", "w_status_N"].map(|f| (method, f)))
    {
        let [a, b] = two();
        let members = [(a.port(), ""), (b.port(), "")];
        let httpd = balancer(two_children(), method, &members).start();
        assert_eq!(counted([&a, &b], || ask(&httpd, 10)), [5, 5]);
        manage(&httpd, Some(b.port()), &format!("{flag}=1"));
        assert_eq!(counted([&a, &b], || ask(&httpd, 100)), [100, 0], "{method} {flag}");

        manage(&httpd, Some(b.port()), &format!("{flag}=0"));
        let first = counted([&a, &b], || ask(&httpd, 4));
        assert_eq!(first, [2, 2], "{method} {flag}");
        assert_eq!(counted([&a, &b], || ask(&httpd, 20)), [10, 10], "{method} {flag}");
    }
}

#[test]
fn a_member_that_has_recovered_is_not_flooded() {
    for method in OURS {
        let a = ScriptedPeer::start(uris);
        let gone = free_port();
        let members = [(a.port(), ""), (gone, "retry=1")];
        let httpd = balancer(two_children(), method, &members).start();
        ask(&httpd, 100);
        assert!(is_in_error(&httpd, gone), "{method}");
        let at = SocketAddr::from((Ipv4Addr::LOCALHOST, gone));
        let b = ScriptedPeer::start_at(at, uris).expect("the port is still free");
        wait_for("b is asked again", || {
            ask(&httpd, 1);
            thread::sleep(Duration::from_millis(20));
            (b.requests() > 0).then_some(())
        });

        let first = counted([&a, &b], || ask(&httpd, 4));
        assert!(first[1] <= 2, "{method}: {first:?}");
        let [of_a, of_b] = counted([&a, &b], || ask(&httpd, 20));
        assert!(of_a.abs_diff(of_b) <= 2, "{method}: {of_a}:{of_b}");
    }
}

#[test]
fn a_member_added_in_balancer_manager_takes_turns_with_the_others() {
    for (method, count) in OURS.into_iter().flat_map(|method| [(method, 1), (method, 4)]) {
        let [a, b] = two();
        let setup = Httpd::setup().mpm(Mpm::Prefork).conf(&children(count));
        let httpd = balancer(setup, method, &[(a.port(), "")]).start();
        ask(&httpd, 100);
        manage(&httpd, None, &format!("b_wyes=1&b_nwrkr=ajp://127.0.0.1:{}", b.port()));
        // Requests in every child, which add the new member there.
        (0..20).for_each(|_| ask(&httpd, 1));
        assert_eq!(b.requests(), 0, "{method}: a new one is disabled at first");
        manage(&httpd, Some(b.port()), "w_status_D=0");

        let [of_a, of_b] = counted([&a, &b], || (0..40).for_each(|_| ask(&httpd, 1)));
        assert!(of_a.abs_diff(of_b) <= 2, "{method}, {count} children: {of_a}:{of_b}");
    }
}

#[test]
fn a_balancer_whose_lbmethod_is_changed_starts_its_counts_again() {
    for method in OURS {
        let [a, b] = two();
        let members = [(a.port(), "loadfactor=5"), (b.port(), "")];
        let httpd = balancer(two_children(), "byrequests", &members).start();
        ask(&httpd, 7);
        manage(&httpd, None, &format!("b_lbm={method}"));
        // As always when a minute may end in the meantime, one may be lost to rounding.
        let shares_out = || {
            let [of_a, of_b] = counted([&a, &b], || ask(&httpd, 60));
            assert!(of_a.abs_diff(50) <= 1, "{method}: {of_a}:{of_b}");
        };
        shares_out();
        manage(&httpd, None, "b_lbm=byrequests");
        ask(&httpd, 25);
        manage(&httpd, None, &format!("b_lbm={method}"));
        shares_out();
    }
}

// The counts by which mod_proxy decides.

#[test]
fn the_lowest_lbset_with_a_usable_member_gets_all_requests() {
    for method in OURS {
        let peers: Vec<_> =
            (0..4).map(|_| backend(|conn, _| respond(conn, "x").map(|()| true))).collect();
        let [a, b, c, d] = [0, 1, 2, 3].map(|at: usize| &peers[at]);
        let members = [
            (a.port(), ""),
            (b.port(), ""),
            (c.port(), "lbset=1"),
            (d.port(), "lbset=1 status=+H"),
        ];
        let httpd = balancer(two_children(), method, &members).start();
        let all = [a, b, c, d];
        assert_eq!(counted(all, || ask(&httpd, 10)), [5, 5, 0, 0], "{method}");
        [a, b].iter().for_each(|peer| manage(&httpd, Some(peer.port()), "w_status_S=1"));
        assert_eq!(counted(all, || ask(&httpd, 10)), [0, 0, 10, 0], "{method}");
        manage(&httpd, Some(c.port()), "w_status_S=1");
        assert_eq!(counted(all, || ask(&httpd, 10)), [0, 0, 0, 10], "{method}");
        manage(&httpd, Some(a.port()), "w_status_S=0");
        assert_eq!(counted(all, || ask(&httpd, 10)), [10, 0, 0, 0], "{method}");
        manage(&httpd, Some(b.port()), "w_status_S=0");
        assert_eq!(counted(all, || ask(&httpd, 10)), [5, 5, 0, 0], "{method}");
    }
}

#[test]
fn children_that_end_during_requests_leave_no_counts_behind() {
    for method in OURS {
        let [a, b] = two();
        let setup = Httpd::setup().mpm(Mpm::Prefork).conf(&children(4));
        let httpd = balancer(setup, method, &[(a.port(), ""), (b.port(), "")]).start();
        thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    // Some are cut together with their child.
                    (0..200).for_each(|_| drop(httpd.client().try_get("/app/x")));
                });
            }
            for _ in 0..3 {
                httpd.children().iter().for_each(|child| signal("TERM", *child));
                thread::sleep(Duration::from_millis(100));
            }
        });
        wait_for("httpd serves again", || {
            (httpd.client().try_get("/app/x")?.status == 200).then_some(())
        });
        let [of_a, of_b] = counted([&a, &b], || (0..40).for_each(|_| ask(&httpd, 1)));
        assert!(of_a.abs_diff(of_b) <= 1, "{method}: {of_a}:{of_b}");
    }
}
