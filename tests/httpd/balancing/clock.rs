//! A clock that is set while httpd runs, as on a machine that boots before it knows the time.

use std::net::SocketAddr;

use test_support::ajp::ScriptedPeer;
use test_support::ajp::echo::uris;
use test_support::httpd::Httpd;
use test_support::members::{balancer, is_in_error, one_child};
use test_support::process::{free_port, wait_for};
use test_support::status::{member, report, with_status};

/// Member `a`, which is down, and `b`, which is tried only if `a` cannot be. The clock is a day ahead,
/// and `a` has just been found in error.
fn a_day_ahead(retry: u32) -> (Httpd, u16, ScriptedPeer) {
    let (down, b) = (free_port(), ScriptedPeer::start(uris));
    let members = [
        format!("ajp://127.0.0.1:{down} route=a retry={retry}"),
        format!("ajp://127.0.0.1:{} route=b lbset=1", b.port()),
    ];
    let httpd = with_status(balancer(one_child().clock("+1d"), &members)).start();
    httpd.get("/app/x").expect(200);
    assert!(is_in_error(&httpd, down));
    (httpd, down, b)
}

#[test]
fn a_clock_that_is_set_back_by_a_day_keeps_no_member_in_error_for_longer_than_retry() {
    let (httpd, down, _b) = a_day_ahead(1);
    httpd.set_clock("+0");
    let address = SocketAddr::from(([127, 0, 0, 1], down));
    let a = ScriptedPeer::start_at(address, uris).expect("it was free");
    wait_for("the member is asked again", || {
        httpd.get("/app/x").expect(200);
        (a.requests() > 0).then_some(())
    });
    httpd.get("/app/x").expect(200);
    assert!(!is_in_error(&httpd, down));
}

#[test]
fn the_status_page_shows_the_same_after_the_clock_is_set_back() {
    let (httpd, down, _b) = a_day_ahead(600);
    httpd.set_clock("+0");
    let report = report(&httpd);
    let of = member(&report, &format!(":{down}"));
    let left = of["recovers_in"].as_f64().expect("a number");
    assert!(left <= 600.0, "{left} seconds");
    let time = report["time"].as_f64().expect("a number");
    for since in [&report["counting_since"], &of["counting_since"]] {
        let since = since.as_f64().expect("a number");
        assert!(since <= time, "counted since {since}, and it is {time}");
    }
}
