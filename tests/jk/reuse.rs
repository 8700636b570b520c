//! Connections are used again, and cost nobody a request when they can no longer be: rows 1-21
//! of what mod_jk's users know (61 behaviours, numbered), as docs/reference.md has it.
//!
//! Where each of the rows 1-61 is tested; those without a line have a test named by `// row N` in
//! this file (1-21), `jk/pings_and_timeouts.rs` (22-40) or `jk/recovery.rs` (41-61).
//!
//! | row | file | test |
//! |---|---|---|
//! | 1 | `httpd/startup/config.rs` | `a_connection_serves_one_request_after_another` |
//! | 3 | `tomcat/idle.rs` | `idle_connections_do_not_use_up_the_threads_of_a_small_tomcat_with_forceclose_or_a_short_ttl` |
//! | 4 | `jk/dropped_flows.rs` | `a_blackholed_backend_costs_connecttimeout_and_not_timeout` |
//! | 5 | `httpd/startup/config.rs` | `connecttimeout_ends_the_wait_for_a_backend_that_does_not_answer` |
//! | 13 | `migrate/golden.rs` | see `jk/mapping.rs` |
//! | 8, 9 | `tomcat/idle.rs` | also `a_connection_that_tomcat_has_closed_does_not_stay_in_close_wait_under_every_mpm` |
//! | 17, 18 | `jk/dropped_flows.rs` | the three others there |
//! | 20 | `proxy/isolation.rs` | `bytes_that_come_while_a_connection_is_idle_close_it`, and others there |
//! | 27 | `proxy/pings.rs` | `an_answer_to_cping_that_is_not_cpong_alone_drops_the_connection` |
//! | 32 | `tomcat/backends.rs` | `a_backend_slower_than_the_timeout_is_a_504_and_its_member_stays` |
//! | 34 | `proxy/isolation.rs` | `the_answer_to_a_request_that_timed_out_reaches_no_client` |
//! | 37 | `src/shared/tests.rs` | `reply_timeouts_are_halved_for_each_whole_minute`, `slow_requests_two_minutes_apart_never_add_up` |
//! | 38 | `tomcat/idle.rs` | `behind_a_tomcat_that_closes_after_2_s_every_request_is_answered_once_under_every_mpm` |
//! | 39 | `proxy/retry.rs` | `a_request_whose_reused_connection_dies_is_resent_with_its_query`, `a_post_that_was_read_is_not_resent` |
//! | 40 | `migrate/golden.rs` | see `jk/mapping.rs` |
//! | 50 | `httpd/requests/faults.rs` | `a_client_that_sends_half_a_body_affects_no_other_request` |
//! | 54 | `httpd/requests/faults.rs` | `a_request_that_is_too_large_gets_414_or_431_and_no_connection_is_taken` |
//! | 55 | `httpd/requests/faults.rs`, `proxy/bodies.rs` | `a_silent_backend_is_a_504_and_stays_in_the_balancer`, `packets_larger_than_any_configured_size_are_accepted` |
//! | 56 | `httpd/requests/faults.rs` | `a_backend_that_speaks_no_ajp_is_a_502_and_stays_in_the_balancer_under_every_mpm`, and others there |
//! | 60 | `httpd/startup/config.rs` | `a_request_of_a_plain_worker_whose_backend_is_gone_is_a_503_and_the_next_is_served` |

use std::net::{Ipv4Addr, SocketAddrV4};

use test_support::ajp::echo::{respond, uris};
use test_support::ajp::{ScriptedPeer, chunk, end_response, flush, headers, raw};
use test_support::http::Client;
use test_support::httpd::{Httpd, Setup};
use test_support::members::{
    Gate, Pair, backend, burst, held_by, hold, holding, notes, one_child, prefork, timed,
};
use test_support::process::wait_for;
use test_support::sockets::{self, State};

/// A plain worker at `/app`.
fn plain(setup: Setup, peer: &ScriptedPeer, parameters: &str) -> Httpd {
    let pass = format!("ProxyPass /app ajp://127.0.0.1:{}/app {parameters}", peer.port());
    setup.conf(&pass).start()
}

/// The peer's address in the form of httpd's socket tables.
fn address(peer: &ScriptedPeer) -> SocketAddrV4 {
    SocketAddrV4::new(Ipv4Addr::LOCALHOST, peer.port())
}

// row 2
#[test]
fn with_forceclose_each_connection_is_closed_right_after_its_response() {
    for parameter in ["forceclose=On", "disablereuse=On"] {
        let peer = ScriptedPeer::start(uris);
        let httpd = plain(one_child(), &peer, parameter);
        let mut client = httpd.client();
        for count in 1..=3 {
            client.get("/app/x").expect(200);
            peer.wait_for_open_connections(0);
            assert_eq!(peer.connections(), count, "{parameter}");
        }
    }
}

// row 6
#[test]
fn a_backend_that_accepts_and_never_answers_costs_pingconnect_and_the_other_member_serves() {
    let deaf = ScriptedPeer::start(|conn| {
        conn.expect_cping()?;
        conn.expect_close()
    });
    let pair = Pair::start(deaf, "pingmode=connect pingconnect=500 timeout=60");

    let (answer, took) = timed(|| pair.httpd.get("/app/x"));
    assert_eq!(answer.expect(200).text(), "/app/x");
    assert!(took >= 450, "{took} ms");
    wait_for("the CPING is read", || (pair.a.cpings() >= 1).then_some(()));
    assert_eq!((pair.a.connections(), pair.a.cpings()), (1, 1), "and not twice that");
    assert!(pair.a_is_in_error());
}

// row 7
#[test]
fn connections_idle_past_their_ttl_are_closed_although_no_request_comes() {
    let (peer, gate) = holding();
    let httpd = plain(one_child().conf("ProxyAjpMaintain 1"), &peer, "ttl=2");

    let ((), took) = timed(|| {
        burst(&httpd, &peer, &gate, 5);
        peer.wait_for_open_connections(0);
    });
    assert!(took >= 2000, "ttl, not {took} ms");
    assert_eq!((peer.connections(), peer.requests()), (5, 5));
    assert_eq!(peer.errors(), Vec::<String>::new());
}

// rows 8 and 9
#[test]
fn connections_that_the_backend_has_closed_are_closed_by_every_child_although_no_request_comes() {
    let (peer, gate) = holding();
    let httpd = plain(prefork(4).conf("ProxyAjpMaintain 1"), &peer, "");
    burst(&httpd, &peer, &gate, 4);
    let address = address(&peer);
    assert_eq!(sockets::count(State::Established, address), 4, "one of each child");
    drop(peer);

    wait_for("the children have closed their ends", || {
        let left = [State::Established, State::CloseWait];
        left.iter().all(|state| sockets::count(*state, address) == 0).then_some(())
    });
    drop(httpd);
}

// row 10
#[test]
fn min_connections_stay_open_past_their_ttl() {
    let (peer, gate) = holding();
    let httpd = plain(one_child().conf("ProxyAjpMaintain 1"), &peer, "min=2 smax=2 max=5 ttl=2");
    burst(&httpd, &peer, &gate, 5);

    peer.wait_for_open_connections(2);
    // A round of the housekeeper closes what has expired, and then opens others: for a moment, none may be open.
    wait_for("two others are open", || {
        (peer.connections() >= 5 + 2 && peer.open_connections() == 2).then_some(())
    });
}

// row 11
#[test]
fn a_prefork_child_keeps_a_connection_past_its_ttl_only_with_min() {
    let (closing, keeping) = (ScriptedPeer::start(uris), ScriptedPeer::start(uris));
    let httpd = prefork(1)
        .conf("ProxyAjpMaintain 1")
        .conf(&format!("ProxyPass /closing ajp://127.0.0.1:{}/app ttl=4", closing.port()))
        .conf(&format!("ProxyPass /keeping ajp://127.0.0.1:{}/app ttl=4 min=1", keeping.port()))
        .start();
    httpd.get("/closing/x").expect(200);
    assert_eq!(closing.connections(), 1);

    closing.wait_for_open_connections(0);
    // While the housekeeper checks or replaces the only connection, a request opens one. Once that has been closed,
    // too, the housekeeper opens the next.
    let mut opened = 0;
    wait_for("a request finds a connection of the housekeeper's", || {
        wait_for("one is open", || {
            (keeping.connections() > opened && keeping.open_connections() == 1).then_some(())
        });
        let target = format!("/keeping/{opened}");
        httpd.get(&target).expect(200);
        opened = keeping.connections();
        notes(&httpd, &target).contains("connection=reused").then_some(())
    });
}

// row 12
#[test]
fn a_connection_idle_for_longer_than_idlemax_is_closed_and_not_used_again() {
    let peer = ScriptedPeer::start(uris);
    let httpd = plain(one_child().conf("ProxyAjpMaintain 0"), &peer, "ttl=60 idlemax=3000");
    let mut client = httpd.client();
    client.get("/app/1").expect(200);
    client.get("/app/2").expect(200);
    assert_eq!(peer.connections(), 1);
    // The test is about this idle time.
    std::thread::sleep(std::time::Duration::from_millis(3200));
    client.get("/app/3").expect(200);

    assert_eq!(peer.connections(), 2);
    peer.wait_for_open_connections(1);
    assert_eq!(peer.errors(), Vec::<String>::new(), "nothing was sent on the first");
}

/// How long requests have waited for a free connection in vain, from httpd's log.
fn came_free_within(httpd: &Httpd) -> Vec<String> {
    let log = httpd.error_log();
    let limits = log.lines().filter_map(|line| {
        line.split_once("none came free within ")?.1.split([';', ' ', ',']).next()
    });
    limits.map(str::to_owned).collect()
}

// row 14
#[test]
fn with_no_free_connection_a_plain_worker_is_a_503_after_acquire() {
    let (peer, gate) = holding();
    let httpd = plain(one_child(), &peer, "max=2 acquire=200");
    let held = hold(&httpd, 2);
    peer.wait_for_requests(2);

    let (answer, took) = timed(|| httpd.get("/app/third"));
    assert_eq!(answer.status, 503);
    assert!(took >= 190, "{took} ms");
    assert_eq!(came_free_within(&httpd), ["200ms"]);
    gate.open();
    for mut client in held {
        client.response("GET").expect(200);
    }
}

// row 14
#[test]
fn with_no_free_connection_a_request_goes_to_the_other_member_and_the_first_is_not_in_error() {
    let (a, gate) = holding();
    let pair = Pair::start(a, "max=2 acquire=200");
    let held = hold(&pair.httpd, 2);
    pair.a.wait_for_requests(2);

    let (answer, took) = timed(|| pair.httpd.get("/app/third"));
    assert_eq!(answer.expect(200).text(), "/app/third", "by b");
    assert!(took >= 190, "{took} ms");
    assert_eq!(came_free_within(&pair.httpd), ["200ms"]);
    assert!(!pair.a_is_in_error());
    gate.open();
    for mut client in held {
        client.response("GET").expect(200);
    }
    // A place is free when the request is over for httpd, not when the client has read its end.
    wait_for("a serves again", || {
        (pair.httpd.get("/app/fourth").expect(200).text() == "held").then_some(())
    });
}

// row 15
#[test]
fn with_acquire_0_a_request_takes_a_free_place_at_once_and_does_not_wait_for_a_full_pool() {
    let (peer, gate) = holding();
    let httpd = plain(one_child(), &peer, "max=1 acquire=0");
    let held = hold(&httpd, 1);
    peer.wait_for_requests(1);

    // The place is taken until this has been answered.
    httpd.get("/app/second").expect(503);
    assert_eq!(came_free_within(&httpd), ["0ns"]);
    gate.open();
    for mut client in held {
        client.response("GET").expect(200);
    }
}

// row 16
#[test]
fn with_keepalive_the_kernel_keeps_connections_alive() {
    let (on, off) = (ScriptedPeer::start(uris), ScriptedPeer::start(uris));
    let httpd = one_child()
        .conf(&format!("ProxyPass /on ajp://127.0.0.1:{}/app keepalive=On", on.port()))
        .conf(&format!("ProxyPass /off ajp://127.0.0.1:{}/app", off.port()))
        .start();
    httpd.get("/on/x").expect(200);
    httpd.get("/off/x").expect(200);

    assert_eq!(sockets::kept_alive(address(&on)), 1);
    assert_eq!(sockets::kept_alive(address(&off)), 0);
}

// row 19
#[test]
fn requests_do_not_wait_for_pings_of_idle_connections() {
    // Answers requests, and no CPING at all.
    let gate = Gate::default();
    let answers = held_by(gate.clone());
    let peer = ScriptedPeer::start(move |conn| {
        while let Some(payload) = conn.read_packet()? {
            if payload != [0x0A] {
                answers(conn, &test_support::ajp::request::forward_request(&payload)?)?;
            }
        }
        Ok(())
    });
    let httpd = plain(
        one_child().conf("ProxyAjpMaintain 1"),
        &peer,
        "pingmode=interval pinginterval=1 ping=600",
    );
    burst(&httpd, &peer, &gate, 4);
    wait_for("an idle connection is pinged", || (peer.cpings() > 0).then_some(()));

    let clients: Vec<Client> = (0..4).map(|_| httpd.client()).collect();
    std::thread::scope(|scope| {
        for mut client in clients {
            // A request that waited for a ping would wait for ten minutes, longer than a client does.
            scope.spawn(move || client.get("/app/x").expect(200));
        }
    });
    assert!(peer.open_connections() >= 4, "the pings still wait for their answers");
}

// row 20
#[test]
fn a_stray_byte_on_an_idle_connection_reaches_no_client() {
    let peer = backend(|conn, request| {
        respond(conn, &request.uri)?;
        if request.uri.ends_with("/stray") {
            conn.send(raw([0x41]))?;
        }
        Ok(true)
    });
    let httpd = plain(one_child().conf("ProxyAjpMaintain 0"), &peer, "");
    let mut client = httpd.client();
    assert_eq!(client.get("/app/stray").expect(200).text(), "/app/stray");
    // What comes in the very instant of the next request is that request's.
    wait_for("the byte has come, with END_RESPONSE or behind it", || {
        (sockets::unread(address(&peer)) == 1 || peer.open_connections() == 0).then_some(())
    });
    assert_eq!(client.get("/app/next").expect(200).text(), "/app/next");

    peer.wait_for_open_connections(1);
    assert_eq!(peer.connections(), 2);
}

// row 20
#[test]
fn a_stray_byte_on_an_idle_connection_is_found_although_no_request_comes() {
    let peer = backend(|conn, request| {
        respond(conn, &request.uri)?;
        conn.send(raw([0x41])).map(|()| true)
    });
    let httpd = plain(one_child().conf("ProxyAjpMaintain 1"), &peer, "");
    httpd.get("/app/x").expect(200);

    peer.wait_for_open_connections(0);
    assert_eq!((peer.connections(), peer.requests()), (1, 1));
}

// row 21
#[test]
fn a_flush_after_the_end_of_a_response_affects_no_request() {
    let peer = backend(|conn, request| {
        conn.send(headers(200))?;
        conn.send(chunk(&request.uri))?;
        conn.send(end_response())?;
        conn.send(flush()).map(|()| true)
    });
    let httpd = plain(one_child(), &peer, "");
    let mut client = httpd.client();
    for number in 0..10 {
        let target = format!("/app/{number}");
        assert_eq!(client.get(&target).expect(200).text(), target);
    }
}
