//! Connections that a child has accepted just before it is told to end.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::Relaxed};
use std::thread;
use std::time::Duration;

use test_support::ajp::ScriptedPeer;
use test_support::ajp::echo::respond;
use test_support::httpd::Httpd;
use test_support::process::wait_for;

/// Answers each request with its URI, after some time.
fn slow() -> ScriptedPeer {
    ScriptedPeer::start(|connection| {
        loop {
            let request = connection.expect_forward_request()?;
            thread::sleep(Duration::from_millis(5));
            respond(connection, &request.uri)?;
        }
    })
}

#[test]
fn new_connections_are_answered_over_forty_graceful_restarts() {
    let peer = slow();
    let httpd = Httpd::setup()
        .conf("ServerLimit 30\nMaxRequestWorkers 480\nStartServers 4\nAsyncRequestWorkerFactor 100")
        .conf(&format!("ProxyAjpParking On\nProxyPass /app ajp://127.0.0.1:{}/app", peer.port()))
        .start();
    let (is_over, answered) = (AtomicBool::new(false), AtomicUsize::new(0));
    thread::scope(|scope| {
        for number in 0..3 {
            let (httpd, is_over, answered) = (&httpd, &is_over, &answered);
            scope.spawn(move || {
                while !is_over.load(Relaxed) {
                    let target = format!("/app/{number}/{}", answered.fetch_add(1, Relaxed));
                    let answer = httpd.client().try_get(&target);
                    let answer = answer.expect("an answer on a new connection").expect(200);
                    assert_eq!(answer.text(), target);
                }
            });
        }
        let restarts = scope.spawn(|| {
            for _ in 0..40 {
                let before = answered.load(Relaxed);
                httpd.graceful();
                wait_for("more answers", || (answered.load(Relaxed) > before + 10).then_some(()));
            }
        });
        let result = restarts.join();
        is_over.store(true, Relaxed);
        result.expect("all restarts have happened");
    });
}
