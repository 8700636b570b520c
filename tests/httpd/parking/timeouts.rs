//! Times that end a wait without a thread, as they end one in a thread; and those that do not.

use std::time::Duration;

use test_support::ajp::{HoldingPeer, chunk, flush, headers};
use test_support::httpd::Httpd;
use test_support::parking::{
    all_logged, ask, ask_all, logged, two_threads, uri, wait_for_parked, wait_for_rest,
};
use test_support::process::wait_for;

/// An httpd with and without parking that passes `/app` to this container.
fn with_and_without(peer: &HoldingPeer, worker: &str, conf: &str) -> [Httpd; 2] {
    ["On", "Off"].map(|parking| {
        two_threads()
            .conf(&format!("ProxyAjpParking {parking}\n{conf}"))
            .conf(&format!("ProxyPass /app ajp://127.0.0.1:{}/app {worker}", peer.port()))
            .start()
    })
}

/// The lines of failures, without what differs from one to the next.
fn failures(httpd: &Httpd) -> Vec<String> {
    let log = httpd.error_log();
    let lines = log.lines().filter(|line| line.contains("answering") || line.contains("; "));
    lines.map(|line| line.rsplit_once("ajp://").map_or(line, |(_, text)| text).to_owned()).collect()
}

/// Without the digits of ages and sizes.
fn without_numbers(text: &str) -> String {
    text.chars().filter(|letter| !letter.is_ascii_digit()).collect()
}

#[test]
fn a_container_that_says_nothing_for_too_long_costs_504_and_the_same_log_line_with_and_without_a_thread()
 {
    let environment = "SetEnv ajp-reply-timeout 1100";
    for (worker, conf) in
        [("replytimeout=1100", ""), ("timeout=1", ""), ("timeout=30", environment)]
    {
        let peer = HoldingPeer::start();
        let texts = with_and_without(&peer, worker, conf).map(|httpd| {
            httpd.get("/app/0").expect(504);
            assert!(logged(&httpd, "/app/0").microseconds >= 1_000_000);
            peer.wait_for_held(0);
            wait_for_rest(&httpd);
            failures(&httpd)
        });
        assert_eq!(texts[0].len(), 1, "{texts:?}");
        assert_eq!(without_numbers(&texts[0][0]), without_numbers(&texts[1][0]));
    }
}

#[test]
fn an_answer_whose_next_piece_comes_too_late_is_cut_with_and_without_a_thread() {
    let peer = HoldingPeer::start();
    for httpd in with_and_without(&peer, "replytimeout=3000", "") {
        let mut client = ask(&httpd, "/app/0");
        peer.wait_for_held(1);
        peer.send("/app/0", headers(200));
        peer.send("/app/0", [chunk("the beginning"), flush()].concat());
        let answer = client.response("GET");
        assert_eq!(
            (answer.status, answer.complete, &*answer.text()),
            (200, false, "the beginning")
        );
        peer.wait_for_held(0);
        wait_for_rest(&httpd);
        assert_eq!(failures(&httpd).len(), 1);
    }
}

#[test]
fn each_request_has_its_own_time_while_others_wait_on() {
    let peer = HoldingPeer::start();
    let httpd = two_threads()
        .conf("SetEnvIf Request_URI ^/app/short ajp-reply-timeout=500")
        .conf(&format!("ProxyPass /app ajp://127.0.0.1:{}/app", peer.port()))
        .start();
    let mut clients = ask_all(&httpd, 5);
    for _ in 0..3 {
        httpd.get("/app/short").expect(504);
    }
    wait_for_parked(&httpd, 5);
    peer.wait_for_held(5);
    peer.answer_all();
    for (number, client) in clients.iter_mut().enumerate() {
        assert_eq!(client.response("GET").expect(200).text(), uri(number));
    }
}

#[test]
fn a_timeout_of_httpd_that_is_shorter_than_the_worker_s_ends_no_request_that_waits() {
    let peer = HoldingPeer::start();
    let httpd = two_threads()
        .conf("Timeout 1")
        .conf(&format!("ProxyPass /app ajp://127.0.0.1:{}/app timeout=60", peer.port()))
        .start();
    let mut clients = ask_all(&httpd, 5);
    peer.wait_for_held(5);
    // Three times what httpd lets a connection wait.
    std::thread::sleep(Duration::from_secs(3));
    wait_for_parked(&httpd, 5);
    peer.answer_all();
    for (number, client) in clients.iter_mut().enumerate() {
        assert_eq!(client.response("GET").expect(200).text(), uri(number));
        assert!(logged(&httpd, &uri(number)).microseconds >= 3_000_000);
    }
}

#[test]
fn a_client_that_takes_nothing_for_timeout_is_given_up_and_its_answer_is_cut() {
    const PIECE: usize = 8000;
    for worker in ["", "flushpackets=on"] {
        let peer = HoldingPeer::start();
        for httpd in with_and_without(&peer, worker, "Timeout 1") {
            let mut client = ask(&httpd, "/app/0");
            peer.wait_for_held(1);
            peer.send("/app/0", headers(200));
            // More than the kernel takes for a client that does not read; the container may be left with some.
            std::thread::scope(|scope| {
                scope.spawn(|| {
                    for _ in 0..1200 {
                        if peer.try_send("/app/0", chunk([b'x'; PIECE])).is_err() {
                            return;
                        }
                    }
                });
                wait_for("the request is given up", || {
                    (!all_logged(&httpd, "/app/0").is_empty()).then_some(())
                });
            });
            peer.wait_for_held(0);
            let answer = client.response("GET");
            assert!(!answer.complete && answer.body.iter().all(|byte| *byte == b'x'));
            wait_for_rest(&httpd);
        }
    }
}
