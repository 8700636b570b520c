//! Children that end while requests wait in them without a thread.

use std::thread;
use std::time::Duration;

use test_support::ajp::{HoldingPeer, Packet, chunk, end_response, flush, headers};
use test_support::http::Client;
use test_support::httpd::{Httpd, Setup};
use test_support::manager::{member, said};
use test_support::members::{NOTES, balancer, serving};
use test_support::parking::{
    Load, all_logged, ask, ask_all, logged, two_threads, uri, wait_for_parked, wait_for_rest,
};
use test_support::process::{signal, wait_for};
use test_support::random::Random;

const MANY: usize = 20;

/// With a balancer of one member, as its counters are shared by all children.
fn start(setup: Setup) -> (HoldingPeer, Httpd) {
    let peer = HoldingPeer::start();
    let members = [format!("ajp://127.0.0.1:{} route=a", peer.port())];
    let httpd = balancer(setup, &members).start();
    (peer, httpd)
}

/// Room for children of before a restart.
fn several_children() -> Setup {
    two_threads().conf("ServerLimit 20\nMaxRequestWorkers 40\nMaxSpareThreads 2\n")
}

fn answer_in_any_order(peer: &HoldingPeer) {
    let mut random = Random::new(7);
    let mut left = peer.held();
    while !left.is_empty() {
        peer.answer(&left.swap_remove(random.below(left.len())));
    }
}

#[track_caller]
fn all_are_answered(clients: &mut [Client]) {
    for (number, client) in clients.iter_mut().enumerate() {
        assert_eq!(client.response("GET").expect(200).text(), uri(number));
    }
}

#[test]
fn three_hundred_requests_that_wait_over_five_graceful_restarts_are_answered_and_the_old_children_go()
 {
    let (peer, httpd) = start(several_children());
    let first = httpd.children();
    let mut clients = Vec::new();
    for restart in 0..5 {
        for _ in 0..60 {
            clients.push(ask(&httpd, &uri(clients.len())));
        }
        peer.wait_for_held(clients.len());
        wait_for_parked(&httpd, 60);
        httpd.graceful();
        // The new child serves.
        httpd.get("/none").expect(404);
        wait_for_rest(&httpd);
        assert_eq!(peer.held().len(), clients.len(), "after restart {restart}");
    }
    assert!(first.iter().all(|child| httpd.children().contains(child)), "it has work to do");

    answer_in_any_order(&peer);
    all_are_answered(&mut clients);
    assert_eq!(peer.peer().requests(), 300);
    httpd.wait_for_new_children(&first, 1);
    wait_for("one generation is left", || (httpd.children().len() == 1).then_some(()));
    (0..300).for_each(|number| assert_eq!(logged(&httpd, &uri(number)).status, 200));
}

#[test]
fn a_restart_that_does_not_wait_drops_what_waits_and_the_next_children_count_nothing() {
    let (peer, httpd) = start(two_threads());
    let clients = ask_all(&httpd, MANY);
    peer.wait_for_held(MANY);
    wait_for_parked(&httpd, MANY);
    let before = httpd.children();
    httpd.restart();
    httpd.wait_for_new_children(&before, 1);

    for mut client in clients {
        assert!(client.try_response("GET").is_none(), "httpd closes without an answer");
    }
    peer.wait_for_held(0);
    wait_for_rest(&httpd);
    answers_again(&peer, &httpd);
}

/// A request waits and is answered.
#[track_caller]
fn answers_again(peer: &HoldingPeer, httpd: &Httpd) {
    let mut client = ask(httpd, "/app/again");
    peer.wait_for_held(1);
    wait_for_parked(httpd, 1);
    assert_eq!(Load::of(httpd), Load { parked: 1, busy: 1, in_use: 1, waiting: 0 });
    peer.answer("/app/again");
    assert_eq!(client.response("GET").expect(200).text(), "/app/again");
    wait_for_rest(httpd);
}

#[test]
fn a_child_that_is_killed_while_requests_wait_in_it_leaves_nothing_counted() {
    let (peer, httpd) = start(two_threads());
    let mut clients = Vec::new();
    // In turn: mod_proxy may lose one of two counts of the same instant.
    for number in 0..MANY {
        clients.push(ask(&httpd, &uri(number)));
        peer.wait_for_held(number + 1);
    }
    wait_for_parked(&httpd, MANY);
    // mod_proxy's own count, by which bybusyness chooses.
    let busy = || said(&member(&httpd, peer.port()), "busy").to_owned();
    assert_eq!(busy(), MANY.to_string());
    let wait_for_none = || wait_for("none is counted", || (busy() == "0").then_some(()));
    let before = httpd.children();
    signal("KILL", before[0]);
    httpd.wait_for_new_children(&before, 1);

    for mut client in clients {
        assert!(client.try_response("GET").is_none());
    }
    peer.wait_for_held(0);
    wait_for_rest(&httpd);
    wait_for_none();
    answers_again(&peer, &httpd);
    wait_for_none();
    let text = format!("ended with {MANY} AJP requests in flight");
    assert_eq!(httpd.error_log().matches(&text).count(), 1);
}

#[test]
fn httpd_stops_at_once_while_requests_wait_and_no_child_crashes() {
    let (peer, mut httpd) = start(two_threads());
    let clients = ask_all(&httpd, MANY);
    peer.wait_for_held(MANY);
    wait_for_parked(&httpd, MANY);
    signal("TERM", httpd.pid());
    wait_for("httpd has ended", || httpd.has_ended().then_some(()));

    peer.wait_for_held(0);
    for mut client in clients {
        assert!(client.try_response("GET").is_none());
    }
    let log = httpd.error_log();
    assert!(log.contains("caught SIGTERM, shutting down"), "{log}");
    // Children that do not end, or crash.
    for number in ["AH00045", "AH00046", "AH00047", "AH00051", "AH00052"] {
        assert!(!log.contains(number), "{log}");
    }
}

#[test]
fn httpd_that_stops_gracefully_answers_what_waits_first() {
    let (peer, mut httpd) = start(two_threads().conf("GracefulShutdownTimeout 60"));
    let mut clients = ask_all(&httpd, MANY);
    peer.wait_for_held(MANY);
    wait_for_parked(&httpd, MANY);
    signal("WINCH", httpd.pid());
    wait_for("it stops", || httpd.error_log().contains("shutting down gracefully").then_some(()));
    answer_in_any_order(&peer);
    all_are_answered(&mut clients);
    wait_for("httpd has ended", || httpd.has_ended().then_some(()));
}

#[test]
fn children_that_end_after_fifty_connections_finish_what_waits_in_them() {
    let log = "CustomLog children.log \"%P\"\nMaxConnectionsPerChild 50";
    let (peer, httpd) = start(several_children().conf(log).conf(NOTES));
    let mut clients = ask_all(&httpd, 200);
    peer.wait_for_held(200);
    answer_in_any_order(&peer);
    all_are_answered(&mut clients);
    wait_for("all is in the log", || {
        (0..200).all(|number| all_logged(&httpd, &uri(number)).len() == 1).then_some(())
    });
    assert!(serving(&httpd) >= 4, "{}", serving(&httpd));
    wait_for_rest(&httpd);
}

/// The requests `/app/0` to `/app/19` wait, and two others have both threads for longer than `Timeout`; `meanwhile`
/// happens in that time. Each client has had the answer to its first request if it is one of the first two.
#[track_caller]
fn with_all_threads_busy(
    meanwhile: impl FnOnce(&HoldingPeer),
) -> (HoldingPeer, Httpd, Vec<Client>) {
    let setup = two_threads().conf("Timeout 1\nProxyTimeout 60").conf(
        "<VirtualHost *:*>\nServerName parks\n</VirtualHost>\n\
         <VirtualHost *:*>\nServerName blocks\nProxyAjpParking Off\n</VirtualHost>",
    );
    let (peer, httpd) = start(setup);
    // Each request has the listener look at it every half second (half of `Timeout`). The listener stops at the first
    // that finds no thread, and httpd gives up those that it comes to late. In two halves, so that it cannot have found
    // all of them at once.
    let mut clients = ask_all(&httpd, MANY / 2);
    thread::sleep(Duration::from_millis(250));
    clients.extend((MANY / 2..MANY).map(|number| ask(&httpd, &uri(number))));
    // Their next requests will have a thread each.
    for (number, client) in clients.iter_mut().take(2).enumerate() {
        client.send(format!("GET /app/block{number} HTTP/1.1\r\nHost: blocks\r\n\r\n"));
    }
    peer.wait_for_held(MANY);
    wait_for_parked(&httpd, MANY);
    for (number, client) in clients.iter_mut().take(2).enumerate() {
        peer.answer(&uri(number));
        assert_eq!(client.response("GET").expect(200).text(), uri(number));
    }
    peer.wait_for_held(MANY);
    wait_for("no thread is left", || httpd.error_log().contains("AH00484").then_some(()));
    meanwhile(&peer);
    thread::sleep(Duration::from_secs(3));
    (0..2).for_each(|number| peer.answer(&format!("/app/block{number}")));
    for (number, client) in clients.iter_mut().take(2).enumerate() {
        assert_eq!(client.response("GET").expect(200).text(), format!("/app/block{number}"));
    }
    (peer, httpd, clients)
}

#[test]
fn answers_that_came_while_all_threads_were_busy_for_longer_than_timeout_arrive() {
    let (peer, httpd, mut clients) =
        with_all_threads_busy(|peer| (2..MANY).for_each(|number| peer.answer(&uri(number))));
    for (number, client) in clients.iter_mut().enumerate().skip(2) {
        assert_eq!(client.response("GET").expect(200).text(), uri(number));
    }
    assert_eq!(peer.peer().requests(), MANY + 2);
    wait_for_rest(&httpd);
}

#[test]
fn requests_without_an_answer_after_all_threads_were_busy_for_longer_than_timeout_wait_on() {
    let begun = 10..MANY;
    let (peer, httpd, mut clients) = with_all_threads_busy(|peer| {
        for number in begun.clone() {
            peer.send(&uri(number), [headers(200).into_bytes(), chunk("begun"), flush()].concat());
        }
    });
    for number in 2..MANY {
        match begun.contains(&number) {
            true => peer.send(&uri(number), end_response().into_bytes()),
            false => peer.answer(&uri(number)),
        }
    }
    let mut closing = 0;
    for (number, client) in clients.iter_mut().enumerate().skip(2) {
        let text = if begun.contains(&number) { "begun".to_owned() } else { uri(number) };
        let answer = client.response("GET").expect(200);
        assert_eq!(answer.text(), text);
        closing += usize::from(answer.header("Connection") == Some("close"));
    }
    assert!(closing > 0, "those that httpd has given up say that their connections end");
    wait_for_rest(&httpd);
}

#[test]
fn an_answer_that_breaks_off_after_all_threads_were_busy_for_longer_than_timeout_cannot_look_whole()
{
    let (peer, httpd, mut clients) = with_all_threads_busy(|_| {});
    for number in 2..MANY {
        // The first of it comes after httpd has given the connection up.
        peer.send(&uri(number), [headers(200).into_bytes(), chunk("begun"), flush()].concat());
        peer.close(&uri(number));
    }
    for client in clients.iter_mut().skip(2) {
        let answer = client.response("GET");
        assert_eq!((answer.status, &*answer.text(), answer.complete), (200, "begun", false));
    }
    wait_for_rest(&httpd);
}
