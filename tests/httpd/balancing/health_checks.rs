//! mod_proxy_hcheck over our members: what each method finds, and what follows for requests.

use std::net::Ipv4Addr;

use test_support::ajp::echo::respond;
use test_support::ajp::{PeerConnection, ScriptedPeer};
use test_support::http::Response;
use test_support::httpd::Httpd;
use test_support::manager::{NONCE, manage, member, said};
use test_support::members::{balancer, is_in_error, serve, two_children};
use test_support::process::{free_port, wait_for};

/// Answers CPINGs, and requests with its own name.
fn named(name: &'static str) -> impl Fn(&mut PeerConnection) -> std::io::Result<()> {
    move |conn| serve(conn, &|conn: &mut _, _: &_| respond(conn, name).map(|()| true))
}

fn start_at(port: u16, name: &'static str) -> ScriptedPeer {
    ScriptedPeer::start_at((Ipv4Addr::LOCALHOST, port).into(), named(name)).expect("it is free")
}

/// Member `a` at this port, with these parameters, is preferred to `b`.
fn checked(a: u16, b: &ScriptedPeer, words: &str) -> Httpd {
    let members = [
        format!("ajp://127.0.0.1:{a} route=a retry=600 {words}"),
        format!("ajp://127.0.0.1:{} route=b lbset=1", b.port()),
    ];
    balancer(two_children().modules(&["proxy_hcheck"]), &members)
        .conf(&format!("ProxySet balancer://members sessionretry=On nonce={NONCE}"))
        .start()
}

fn status(httpd: &Httpd, port: u16) -> String {
    said(&member(httpd, port), "status").to_owned()
}

/// The number of requests that could not connect to this member.
fn complaints(httpd: &Httpd, port: u16) -> usize {
    let name = format!("ajp://127.0.0.1:{port}: ");
    httpd.error_log().lines().filter(|l| l.contains(":error]") && l.contains(&name)).count()
}

#[track_caller]
fn wait_until_out(httpd: &Httpd, port: u16) {
    wait_for("the check fails", || status(httpd, port).contains("HcFl").then_some(()));
}

#[track_caller]
fn wait_until_in(httpd: &Httpd, port: u16) {
    wait_for("the check passes", || (status(httpd, port) == "Init Ok").then_some(()));
}

fn of_a(httpd: &Httpd) -> Response {
    httpd.request("GET", "/app/x", "Cookie: JSESSIONID=x.a\r\n")
}

#[test]
fn a_member_that_is_down_gets_no_requests_until_a_check_finds_it_up() {
    for method in ["TCP", "CPING"] {
        let port = free_port();
        let (a, b) = (start_at(port, "a"), ScriptedPeer::start(named("b")));
        let httpd = checked(port, &b, &format!("hcmethod={method} hcinterval=1"));
        assert_eq!(httpd.get("/app/x").expect(200).text(), "a");

        drop(a);
        wait_until_out(&httpd, port);
        let before = complaints(&httpd, port);
        for _ in 0..4 {
            assert_eq!(httpd.get("/app/x").expect(200).text(), "b", "{method}");
            assert_eq!(of_a(&httpd).expect(200).text(), "b", "{method}: even with sessionretry");
        }
        assert_eq!(complaints(&httpd, port), before, "{method}: no request tried it");

        let _a = start_at(port, "a");
        wait_until_in(&httpd, port);
        for _ in 0..4 {
            assert_eq!(httpd.get("/app/x").expect(200).text(), "a", "{method}");
            assert_eq!(of_a(&httpd).expect(200).text(), "a", "{method}");
        }
    }
}

#[test]
fn a_member_that_a_request_found_in_error_comes_back_with_a_check_long_before_its_retry() {
    for method in ["TCP", "CPING"] {
        let port = free_port();
        let (a, b) = (start_at(port, "a"), ScriptedPeer::start(named("b")));
        // Only requests find it down: no check takes it out.
        let words = format!("hcmethod={method} hcinterval=1 hcfails=1000");
        let httpd = checked(port, &b, &words);
        drop(a);
        assert_eq!(httpd.get("/app/x").expect(200).text(), "b", "{method}");
        assert!(is_in_error(&httpd, port), "{method}");
        assert_eq!(complaints(&httpd, port), 1, "{method}");

        let _a = start_at(port, "a");
        wait_until_in(&httpd, port);
        assert_eq!(httpd.get("/app/x").expect(200).text(), "a", "{method}");
    }
}

#[test]
fn a_container_that_hangs_is_found_by_cping_and_not_by_tcp() {
    let deaf = || {
        ScriptedPeer::start(|conn| {
            while conn.read_packet()?.is_some() {}
            Ok(())
        })
    };
    let b = ScriptedPeer::start(named("b"));

    let by_cping = deaf();
    let httpd = checked(by_cping.port(), &b, "ping=500ms hcmethod=CPING hcinterval=1");
    wait_until_out(&httpd, by_cping.port());
    assert_eq!(httpd.get("/app/x").expect(200).text(), "b");

    let by_tcp = deaf();
    let httpd = checked(by_tcp.port(), &b, "hcmethod=TCP hcinterval=1");
    by_tcp.wait_for_connections(4);
    assert_eq!(status(&httpd, by_tcp.port()), "Init Ok");
}

/// mod_proxy_hcheck writes HTTP to an ajp:// member, with httpd's own module as with this one.
#[test]
fn methods_of_http_take_every_ajp_member_out_and_the_method_can_be_changed_at_run_time() {
    for method in ["OPTIONS", "HEAD", "GET"] {
        let (a, b) = (ScriptedPeer::start(named("a")), ScriptedPeer::start(named("b")));
        let httpd = checked(a.port(), &b, &format!("hcmethod={method} hcinterval=1"));
        wait_until_out(&httpd, a.port());
        assert_eq!((a.requests(), a.cpings()), (0, 0), "{method}: nothing that is AJP");
        assert_eq!(httpd.get("/app/x").expect(200).text(), "b");

        manage(&httpd, Some(a.port()), "w_hm=CPING");
        wait_until_in(&httpd, a.port());
        assert!(a.cpings() > 0, "{method}");
        assert_eq!(httpd.get("/app/x").expect(200).text(), "a");
    }
}

#[test]
fn a_member_that_is_drained_or_stopped_by_hand_stays_so_whatever_the_checks_find() {
    let port = free_port();
    let (a, b) = (start_at(port, "a"), ScriptedPeer::start(named("b")));
    let httpd = checked(port, &b, "activation=disabled hcmethod=CPING hcinterval=1");
    let cpings = a.cpings();
    wait_for("it is checked", || (a.cpings() > cpings + 1).then_some(()));
    assert_eq!(status(&httpd, port), "Init Drn Ok");
    assert_eq!(httpd.get("/app/x").expect(200).text(), "b");
    assert_eq!(of_a(&httpd).expect(200).text(), "a");

    drop(a);
    wait_until_out(&httpd, port);
    assert_eq!(of_a(&httpd).expect(200).text(), "b");
    let _a = start_at(port, "a");
    wait_for("the check passes", || (status(&httpd, port) == "Init Drn Ok").then_some(()));
    assert_eq!(httpd.get("/app/x").expect(200).text(), "b");
    assert_eq!(of_a(&httpd).expect(200).text(), "a");
}
