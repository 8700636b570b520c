//! The client's connection before and after a request that has waited without a thread.

use test_support::ajp::HoldingPeer;
use test_support::http::Client;
use test_support::httpd::Httpd;
use test_support::parking::{ask, logged, sixteen_threads, uri, wait_for_parked, wait_for_rest};

fn start() -> (HoldingPeer, Httpd) {
    let peer = HoldingPeer::start();
    let pass = format!("ProxyPass /app ajp://127.0.0.1:{}/app", peer.port());
    // Not with a housekeeper: while it checks the idle connection, a request opens another.
    let httpd = sixteen_threads().conf("ProxyAjpMaintain 0").conf(&pass).start();
    (peer, httpd)
}

/// The next request is the one that the container holds.
#[track_caller]
fn answer(peer: &HoldingPeer, httpd: &Httpd, uri: &str) {
    peer.wait_for_held(1);
    assert_eq!(peer.held(), [uri]);
    wait_for_parked(httpd, 1);
    peer.answer(uri);
}

#[test]
fn ten_requests_on_one_connection_wait_without_a_thread_one_after_the_other() {
    let (peer, httpd) = start();
    let mut client = httpd.client();
    for number in 0..10 {
        client.send(format!("GET {} HTTP/1.1\r\nHost: localhost\r\n\r\n", uri(number)));
        answer(&peer, &httpd, &uri(number));
        assert_eq!(client.response("GET").expect(200).text(), uri(number));
        // Others that do not wait.
        client.get("/none").expect(404);
    }
    assert_eq!(peer.peer().connections(), 1);
    wait_for_rest(&httpd);
}

#[test]
fn pipelined_requests_wait_without_a_thread_and_are_answered_in_their_order() {
    let (peer, httpd) = start();
    let mut clients: Vec<Client> = (0..4).map(|_| httpd.client()).collect();
    for (number, client) in clients.iter_mut().enumerate() {
        let request =
            |part: usize| format!("GET {}/{part} HTTP/1.1\r\nHost: localhost\r\n\r\n", uri(number));
        let all: String = (0..5).map(request).collect();
        client.send(all);
    }
    for part in 0..5 {
        peer.wait_for_held(clients.len());
        wait_for_parked(&httpd, clients.len());
        for number in (0..clients.len()).rev() {
            peer.answer(&format!("{}/{part}", uri(number)));
        }
    }
    for (number, client) in clients.iter_mut().enumerate() {
        for part in 0..5 {
            let answer = client.response("GET").expect(200);
            assert_eq!(answer.text(), format!("{}/{part}", uri(number)));
        }
    }
    wait_for_rest(&httpd);
}

#[test]
fn a_client_of_http_1_0_gets_its_answer_and_the_end_or_keeps_its_connection_as_it_asks() {
    let (peer, httpd) = start();
    let mut client = httpd.client();
    client.send("GET /app/0 HTTP/1.0\r\n\r\n");
    answer(&peer, &httpd, "/app/0");
    let response = client.response("GET").expect(200);
    assert_eq!(
        (response.text(), response.header("Transfer-Encoding")),
        ("/app/0".to_owned(), None)
    );
    assert!(client.ends());

    let mut client = httpd.client();
    for number in 1..3 {
        // Without a body its length is known.
        let uri = uri(number);
        client.send(format!("HEAD {uri} HTTP/1.0\r\nConnection: keep-alive\r\n\r\n"));
        answer(&peer, &httpd, &uri);
        client.response("HEAD").expect(200);
    }
    wait_for_rest(&httpd);
}

#[test]
fn a_client_that_asks_for_the_end_of_its_connection_has_it_after_the_answer() {
    let (peer, httpd) = start();
    let mut client = httpd.client();
    client.send("GET /app/0 HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
    answer(&peer, &httpd, "/app/0");
    assert_eq!(client.response("GET").expect(200).text(), "/app/0");
    assert!(client.ends());
}

#[test]
fn the_access_log_has_the_whole_time_of_a_request_that_waited_and_one_line() {
    let (peer, httpd) = start();
    let mut client = ask(&httpd, "/app/0");
    peer.wait_for_held(1);
    std::thread::sleep(std::time::Duration::from_millis(1200));
    wait_for_parked(&httpd, 1);
    peer.answer("/app/0");
    client.response("GET").expect(200);
    let logged = logged(&httpd, "/app/0");
    assert_eq!((logged.status, logged.bytes), (200, 6));
    assert!(logged.microseconds >= 1_200_000, "{logged:?}");
}
