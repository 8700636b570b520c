//! A clock that is set while requests wait without a thread: the MPM counts their connections' time by it.

use test_support::ajp::HoldingPeer;
use test_support::httpd::Httpd;
use test_support::parking::{Load, ask, sixteen_threads, wait_for_parked};
use test_support::process::wait_for;

fn with_clock(peer: &HoldingPeer, clock: &str) -> Httpd {
    let pass = format!("ProxyPass /app ajp://127.0.0.1:{}/app", peer.port());
    sixteen_threads().clock(clock).conf(&pass).start()
}

#[test]
fn a_request_that_waits_while_the_clock_is_set_forth_by_an_hour_waits_on_in_a_thread() {
    let peer = HoldingPeer::start();
    let httpd = with_clock(&peer, "+0");
    let (mut client, gone) = (ask(&httpd, "/app/x"), ask(&httpd, "/app/y"));
    peer.wait_for_held(2);
    wait_for_parked(&httpd, 2);

    // The MPM gives up connections that it has watched for Timeout by that clock. Each request has it look. A request
    // counts as parked a moment before the MPM has its connection, which the MPM then watches from the new time on:
    // so the clock is set until both have been given up.
    let mut hours = 0;
    wait_for("they wait in threads", || {
        hours += 1;
        httpd.set_clock(&format!("+{hours}h"));
        (Load::of(&httpd).parked == 0).then_some(())
    });
    assert_eq!(peer.held().len(), 2);
    drop(gone);
    peer.answer_all();
    let response = client.response("GET").expect(200);
    assert_eq!(response.text(), "/app/x");
    assert_eq!(response.header("Connection"), Some("close"), "the MPM closes it");
    assert!(client.ends());
    wait_for("all is at rest", || (Load::of(&httpd) == Load::default()).then_some(()));
}

#[test]
fn a_request_that_waits_while_the_clock_is_set_back_by_an_hour_is_answered() {
    let peer = HoldingPeer::start();
    let httpd = with_clock(&peer, "+1h");
    let mut client = ask(&httpd, "/app/x");
    peer.wait_for_held(1);
    wait_for_parked(&httpd, 1);

    httpd.set_clock("+0");
    httpd.get("/").expect(404);
    peer.answer_all();
    assert_eq!(client.response("GET").expect(200).text(), "/app/x");
    let mut next = ask(&httpd, "/app/next");
    peer.wait_for_held(1);
    wait_for_parked(&httpd, 1);
    peer.answer_all();
    assert_eq!(next.response("GET").expect(200).text(), "/app/next");
}
