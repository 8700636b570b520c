//! Clients that leave while their requests wait: it is noticed at once, and nothing of them is left.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use test_support::ajp::{HoldingPeer, ScriptedPeer, chunk, flush, get_body_chunk, headers};
use test_support::backlog::FullBacklog;
use test_support::http::Client;
use test_support::httpd::Httpd;
use test_support::members::Gate;
use test_support::parking::{
    Load, ask, ask_all, logged, two_threads, two_threads_over_tls, uri, wait_for_parked,
    wait_for_rest,
};
use test_support::process::{free_port, wait_for};
use test_support::tls::{Certificates, TlsClient};

const MANY: usize = 4;

/// How a client leaves.
#[derive(Clone, Copy, Debug)]
enum Leave {
    Reset,
    Fin,
}

const WAYS: [Leave; 2] = [Leave::Reset, Leave::Fin];

/// All leave. Returns the connections of which only one direction has ended.
fn leave(clients: Vec<Client>, how: Leave) -> Vec<Client> {
    let left = clients.into_iter().filter_map(|mut client| match how {
        Leave::Reset => {
            client.reset();
            None
        }
        Leave::Fin => {
            client.shutdown_write();
            Some(client)
        }
    });
    left.collect()
}

fn in_front_of(port: u16, worker: &str) -> Httpd {
    two_threads().conf(&format!("ProxyPass /app ajp://127.0.0.1:{port}/app {worker}")).start()
}

/// Clients whose requests wait leave: nothing is in flight then, and the access log says so.
#[track_caller]
fn are_gone(httpd: &Httpd, clients: Vec<Client>, how: Leave) {
    let count = clients.len();
    wait_for_parked(httpd, count);
    let mut left = leave(clients, how);
    wait_for_rest(httpd);
    for number in 0..count {
        assert_eq!(logged(httpd, &uri(number)).status, 499, "{how:?}");
    }
    left.iter_mut().for_each(|client| assert!(client.ends(), "httpd closes, too"));
    let log = httpd.error_log();
    assert_eq!(log.matches("the client is gone").count(), count, "{log}");
}

#[test]
fn clients_that_leave_before_the_first_byte_are_noticed_at_once_and_the_container_is_told() {
    for how in WAYS {
        let peer = HoldingPeer::start();
        let httpd = in_front_of(peer.port(), "");
        let clients = ask_all(&httpd, MANY);
        peer.wait_for_held(MANY);
        are_gone(&httpd, clients, how);
        // It has seen the end of each connection.
        peer.wait_for_held(0);
        peer.peer().wait_for_open_connections(0);
    }
}

#[test]
fn clients_that_leave_in_the_middle_of_an_answer_are_noticed_at_once_and_keep_its_status_in_the_log()
 {
    for how in WAYS {
        let peer = HoldingPeer::start();
        let httpd = in_front_of(peer.port(), "");
        let mut clients = ask_all(&httpd, MANY);
        peer.wait_for_held(MANY);
        for (number, client) in clients.iter_mut().enumerate() {
            peer.send(&uri(number), headers(200));
            peer.send(&uri(number), [chunk("piece"), flush()].concat());
            client.head();
            assert_eq!(client.chunk().as_deref(), Some(&b"piece"[..]));
        }
        wait_for_parked(&httpd, MANY);
        let mut left = leave(clients, how);
        peer.wait_for_held(0);
        wait_for_rest(&httpd);
        for number in 0..MANY {
            assert_eq!(logged(&httpd, &uri(number)).status, 200);
        }
        // Nothing that looks like the end of the answer.
        left.iter_mut().for_each(|client| assert!(client.ends()));
    }
}

#[test]
fn clients_that_leave_while_they_wait_for_a_place_leave_the_queue() {
    for how in WAYS {
        let peer = HoldingPeer::start();
        let httpd = in_front_of(peer.port(), "max=1");
        let mut first = ask(&httpd, "/app/first");
        peer.wait_for_held(1);
        let clients = ask_all(&httpd, MANY);
        wait_for_parked(&httpd, MANY + 1);
        let mut last = ask(&httpd, "/app/last");
        wait_for_parked(&httpd, MANY + 2);
        let left = leave(clients, how);
        let two = Load { parked: 2, busy: 2, in_use: 1, waiting: 1 };
        wait_for("two wait", || (Load::of(&httpd) == two).then_some(()));
        for number in 0..MANY {
            assert_eq!(logged(&httpd, &uri(number)).status, 499);
        }
        peer.answer("/app/first");
        assert_eq!(first.response("GET").expect(200).text(), "/app/first");
        peer.wait_for_held(1);
        peer.answer("/app/last");
        assert_eq!(last.response("GET").expect(200).text(), "/app/last");
        assert_eq!((peer.peer().requests(), peer.peer().connections()), (2, 1));
        wait_for_rest(&httpd);
        drop(left);
    }
}

#[test]
fn clients_that_leave_during_a_pause_a_connect_and_a_ping_are_noticed_at_once() {
    for how in WAYS {
        let httpd = in_front_of(free_port(), "retries=100 retryinterval=60000");
        let clients = ask_all(&httpd, MANY);
        are_gone(&httpd, clients, how);

        let backlog = FullBacklog::tcp();
        let httpd = in_front_of(backlog.port(), "connecttimeout=60000");
        let clients = ask_all(&httpd, MANY);
        are_gone(&httpd, clients, how);

        let peer = ScriptedPeer::start(|conn| {
            conn.expect_cping()?;
            conn.expect_close()
        });
        let httpd = in_front_of(peer.port(), "ping=60");
        let clients = ask_all(&httpd, MANY);
        are_gone(&httpd, clients, how);
        peer.wait_for_open_connections(0);
        assert_eq!(peer.errors(), [""; 0]);
    }
}

#[test]
fn clients_that_leave_without_reading_the_rest_of_their_answer_are_noticed_at_once() {
    let (gate, sent) = (Gate::default(), Arc::new(AtomicUsize::new(0)));
    let peer = {
        let (gate, sent) = (gate.clone(), Arc::clone(&sent));
        ScriptedPeer::start(move |conn| {
            conn.expect_forward_request()?;
            conn.send(headers(200))?;
            while conn.send(chunk([b'x'; 8000])).is_ok() {
                sent.fetch_add(1, Ordering::SeqCst);
            }
            gate.wait();
            Ok(())
        })
    };
    let httpd = in_front_of(peer.port(), "");
    let mut clients = ask_all(&httpd, MANY);
    clients.iter_mut().for_each(|client| assert_eq!(client.head().status, 200));
    // What the kernel takes for a client that does not read has an end.
    wait_for("the containers wait", || {
        let before = sent.load(Ordering::SeqCst);
        std::thread::sleep(std::time::Duration::from_millis(300));
        (sent.load(Ordering::SeqCst) == before).then_some(())
    });
    wait_for_parked(&httpd, MANY);
    assert!(leave(clients, Leave::Reset).is_empty());
    wait_for_rest(&httpd);
    gate.open();
    peer.wait_for_open_connections(0);
    (0..MANY).for_each(|number| assert_eq!(logged(&httpd, &uri(number)).status, 200));
}

#[test]
fn with_ajp_half_close_a_client_that_has_said_all_gets_its_answer_and_a_reset_is_its_end_still() {
    let peer = HoldingPeer::start();
    let httpd = two_threads()
        .conf("SetEnv ajp-half-close 1")
        .conf(&format!("ProxyPass /app ajp://127.0.0.1:{}/app", peer.port()))
        .start();
    let mut clients = ask_all(&httpd, MANY + 1);
    peer.wait_for_held(MANY + 1);
    wait_for_parked(&httpd, MANY + 1);
    clients.iter_mut().for_each(Client::shutdown_write);
    clients.pop().expect("one more").reset();
    wait_for_parked(&httpd, MANY);
    peer.wait_for_held(MANY);
    assert_eq!(logged(&httpd, &uri(MANY)).status, 499);

    peer.answer_all();
    for (number, client) in clients.iter_mut().enumerate() {
        assert_eq!(client.response("GET").expect(200).text(), uri(number));
        assert!(client.ends());
    }
    wait_for_rest(&httpd);
}

#[test]
fn clients_that_leave_over_tls_are_noticed_at_once() {
    let peer = HoldingPeer::start();
    let certificates = Certificates::new();
    let (httpd, port) = two_threads_over_tls(peer.port(), &certificates);
    let ask = |number| {
        let mut client = TlsClient::connect(port);
        client.send(format!("GET {} HTTP/1.1\r\nHost: x\r\n\r\n", uri(number)));
        client
    };
    let clients: Vec<TlsClient> = (0..MANY).map(ask).collect();
    peer.wait_for_held(MANY);
    wait_for_parked(&httpd, MANY);
    drop(clients);

    peer.wait_for_held(0);
    wait_for_rest(&httpd);
    (0..MANY).for_each(|number| assert_eq!(logged(&httpd, &uri(number)).status, 499));
}

#[test]
fn a_client_that_resets_its_connection_within_its_body_is_gone_and_one_that_only_ends_it_has_sent_too_little()
 {
    for parking in ["On", "Off"] {
        for (how, status) in [(Leave::Reset, 499), (Leave::Fin, 400)] {
            let peer = ScriptedPeer::start(|conn| {
                conn.expect_forward_request()?;
                // Until httpd closes the connection.
                loop {
                    conn.read_body_packet()?;
                    conn.send(get_body_chunk(8186))?;
                }
            });
            let httpd = two_threads()
                .conf(&format!("ProxyAjpParking {parking}"))
                .conf(&format!("ProxyPass /app ajp://127.0.0.1:{}/app", peer.port()))
                .start();
            let mut client = httpd.client();
            client.send("POST /app/0 HTTP/1.1\r\nHost: x\r\nContent-Length: 90000\r\n\r\n");
            client.send([b'x'; 9000]);
            peer.wait_for_requests(1);
            let mut left = leave(vec![client], how);

            peer.wait_for_open_connections(0);
            assert_eq!(logged(&httpd, &uri(0)).status, status, "{parking} {how:?}");
            let said = httpd.error_log().matches("the client is gone").count();
            assert_eq!(said, usize::from(status == 499), "{parking} {how:?}");
            left.iter_mut().for_each(|client| drop(client.response("POST").expect(400)));
            wait_for_rest(&httpd);
        }
    }
}
