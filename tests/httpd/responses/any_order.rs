//! Requests that wait at the same time: each client gets its own answer, in whatever order the answers come.

use test_support::ajp::{HoldingPeer, chunk, headers};
use test_support::http::Client;
use test_support::httpd::Httpd;
use test_support::members::one_child;

const CLIENTS: usize = 12;

/// An httpd in front of `peer`, and clients that have requested `/app/0`, `/app/1` and so on. All requests are held.
fn asked(peer: &HoldingPeer) -> (Httpd, Vec<Client>) {
    let mount = format!("ProxyPass /app ajp://127.0.0.1:{}/app", peer.port());
    let httpd = one_child().conf(&mount).start();
    let ask = |number: usize| {
        let mut client = httpd.client();
        client.send(format!("GET {} HTTP/1.1\r\nHost: localhost\r\n\r\n", uri(number)));
        client
    };
    let clients = (0..CLIENTS).map(ask).collect();
    peer.wait_for_held(CLIENTS);
    (httpd, clients)
}

fn uri(number: usize) -> String {
    format!("/app/{number}")
}

#[test]
fn the_newest_request_is_answered_first_and_each_client_gets_its_own_answer() {
    let peer = HoldingPeer::start();
    let (_httpd, mut clients) = asked(&peer);

    let newest = peer.held().pop().expect("all are held");
    let number: usize = newest.trim_start_matches("/app/").parse().expect("a number");
    peer.answer(&newest);
    assert_eq!(clients[number].response("GET").expect(200).text(), newest);
    assert_eq!(peer.held().len(), CLIENTS - 1);

    peer.answer_all_backwards();
    for (other, client) in clients.iter_mut().enumerate().filter(|(other, _)| *other != number) {
        assert_eq!(client.response("GET").expect(200).text(), uri(other));
    }
}

#[test]
fn pieces_of_many_answers_in_turns_reach_their_own_clients() {
    let peer = HoldingPeer::start();
    let (_httpd, mut clients) = asked(&peer);

    (0..CLIENTS).for_each(|number| peer.send(&uri(number), headers(200)));
    for round in 0..10 {
        for number in (0..CLIENTS).rev() {
            peer.send(&uri(number), chunk(format!("{number}-{round} ")));
        }
    }
    (0..CLIENTS).for_each(|number| peer.end(&uri(number)));

    for (number, client) in clients.iter_mut().enumerate() {
        let pieces: String = (0..10).map(|round| format!("{number}-{round} ")).collect();
        assert_eq!(client.response("GET").expect(200).text(), pieces);
    }
}

#[test]
fn a_connection_that_closes_while_others_wait_costs_only_its_own_request() {
    let peer = HoldingPeer::start();
    let (_httpd, mut clients) = asked(&peer);

    // After the headers, nothing is sent again.
    peer.send(&uri(5), headers(200).header("Content-Length", "100"));
    peer.send(&uri(5), chunk("the beginning"));
    peer.close(&uri(5));
    let cut = clients[5].response("GET");
    assert!(!cut.complete, "{}", cut.text());

    peer.wait_for_held(CLIENTS - 1);
    peer.answer_all();
    for (number, client) in clients.iter_mut().enumerate().filter(|(number, _)| *number != 5) {
        assert_eq!(client.response("GET").expect(200).text(), uri(number));
    }
}
