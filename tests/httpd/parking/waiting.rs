//! Whatever a request waits for, it waits without a thread: what a child with two threads can do meanwhile.

use std::io;

use test_support::ajp::echo::{read_body, respond, uris};
use test_support::ajp::{HoldingPeer, PeerConnection, ScriptedPeer, chunk, cpong, flush, headers};
use test_support::backlog::FullBacklog;
use test_support::http::Client;
use test_support::httpd::Httpd;
use test_support::members::{Gate, balancer};
use test_support::parking::{
    Load, ask, ask_all, logged, two_threads, uri, wait_for_parked, wait_for_rest,
};
use test_support::process::{free_port, open_to_all, wait_for};
use test_support::sockets::narrow_listener;

/// More than there are threads.
const MANY: usize = 6;

/// An httpd that passes `/app` to this port.
fn in_front_of(port: u16, worker: &str) -> Httpd {
    two_threads().conf(&format!("ProxyPass /app ajp://127.0.0.1:{port}/app {worker}")).start()
}

/// Each client gets the answer to its own request.
#[track_caller]
fn all_are_answered(clients: &mut [Client]) {
    for (number, client) in clients.iter_mut().enumerate() {
        assert_eq!(client.response("GET").expect(200).text(), uri(number));
    }
}

#[test]
fn requests_wait_for_the_first_byte_without_a_thread_while_others_are_served() {
    let peer = HoldingPeer::start();
    let httpd = in_front_of(peer.port(), "");
    let mut clients = ask_all(&httpd, 20);
    peer.wait_for_held(20);
    wait_for_parked(&httpd, 20);
    assert_eq!(Load::of(&httpd), Load { parked: 20, busy: 20, in_use: 20, waiting: 0 });
    httpd.get("/none").expect(404);

    peer.answer_all_backwards();
    all_are_answered(&mut clients);
    wait_for_rest(&httpd);
}

#[test]
fn a_request_waits_between_ten_pieces_of_an_answer_without_a_thread() {
    let peer = HoldingPeer::start();
    let httpd = in_front_of(peer.port(), "");
    let mut clients = ask_all(&httpd, MANY);
    peer.wait_for_held(MANY);
    (0..MANY).for_each(|number| peer.send(&uri(number), headers(200)));
    for round in 0..10 {
        wait_for_parked(&httpd, MANY);
        for number in 0..MANY {
            let piece = chunk(format!("piece {round} of {number}"));
            peer.send(&uri(number), [piece, flush()].concat());
        }
        for (number, client) in clients.iter_mut().enumerate() {
            if round == 0 {
                assert_eq!(client.head().status, 200);
            }
            let piece = client.chunk().expect("a piece");
            assert_eq!(String::from_utf8_lossy(&piece), format!("piece {round} of {number}"));
        }
    }
    (0..MANY).for_each(|number| peer.end(&uri(number)));
    for client in &mut clients {
        assert_eq!(client.chunk().as_deref(), Some(&b""[..]), "the last chunk");
    }
    wait_for_rest(&httpd);
}

#[test]
fn requests_wait_for_a_place_in_the_pool_without_a_thread_and_get_it_in_their_order() {
    let peer = HoldingPeer::start();
    let httpd = in_front_of(peer.port(), "max=1");
    let mut clients = Vec::new();
    for number in 0..MANY {
        clients.push(ask(&httpd, &uri(number)));
        wait_for_parked(&httpd, number + 1);
    }
    assert_eq!(Load::of(&httpd), Load { parked: MANY, busy: MANY, in_use: 1, waiting: MANY - 1 });
    for (number, client) in clients.iter_mut().enumerate() {
        peer.wait_for_held(1);
        assert_eq!(peer.held(), [uri(number)]);
        peer.answer(&uri(number));
        assert_eq!(client.response("GET").expect(200).text(), uri(number));
    }
    assert_eq!(peer.peer().connections(), 1);
    wait_for_rest(&httpd);
}

#[test]
fn a_request_without_a_place_after_acquire_gets_503_and_the_log_says_why() {
    let peer = HoldingPeer::start();
    let httpd = in_front_of(peer.port(), "max=1 acquire=300");
    let mut first = ask(&httpd, &uri(0));
    peer.wait_for_held(1);
    let mut others: Vec<Client> = (1..MANY).map(|number| ask(&httpd, &uri(number))).collect();
    others.iter_mut().for_each(|client| drop(client.response("GET").expect(503)));

    assert_eq!(httpd.error_log().matches("none came free within 300ms").count(), MANY - 1);
    peer.answer_all();
    assert_eq!(first.response("GET").expect(200).text(), uri(0));
    wait_for_rest(&httpd);
}

#[test]
fn without_acquire_a_request_waits_for_a_place_as_long_as_its_timeout() {
    let peer = HoldingPeer::start();
    let httpd = two_threads()
        // The first one may wait for its answer longer than the others for a place.
        .conf("SetEnvIf Request_URI ^/app/0$ ajp-reply-timeout=60000")
        .conf(&format!("ProxyPass /app ajp://127.0.0.1:{}/app max=1 timeout=1", peer.port()))
        .start();
    let mut first = ask(&httpd, &uri(0));
    peer.wait_for_held(1);
    let mut others: Vec<Client> = (1..MANY).map(|number| ask(&httpd, &uri(number))).collect();
    others.iter_mut().for_each(|client| drop(client.response("GET").expect(503)));

    assert_eq!(httpd.error_log().matches("none came free within 1s").count(), MANY - 1);
    peer.answer_all();
    assert_eq!(first.response("GET").expect(200).text(), uri(0));
}

#[test]
fn requests_wait_for_the_next_attempt_without_a_thread() {
    let port = free_port();
    let httpd = in_front_of(port, "retries=100 retryinterval=1000");
    let mut clients = ask_all(&httpd, MANY);
    wait_for_parked(&httpd, MANY);
    let peer = ScriptedPeer::start_at(([127, 0, 0, 1], port).into(), uris).expect("a free port");

    all_are_answered(&mut clients);
    assert_eq!(peer.requests(), MANY);
    wait_for_rest(&httpd);
}

#[test]
fn requests_wait_for_cpong_without_a_thread() {
    let gate = Gate::default();
    let peer = {
        let gate = gate.clone();
        ScriptedPeer::start(move |conn| {
            conn.expect_cping()?;
            gate.wait();
            conn.send(cpong())?;
            let request = conn.expect_forward_request()?;
            respond(conn, &request.uri)
        })
    };
    let httpd = in_front_of(peer.port(), "ping=60");
    let mut clients = ask_all(&httpd, MANY);
    wait_for_parked(&httpd, MANY);
    wait_for("CPINGs", || (peer.cpings() == MANY).then_some(()));
    assert_eq!(peer.requests(), 0);

    gate.open();
    all_are_answered(&mut clients);
    wait_for_rest(&httpd);
}

#[test]
fn a_container_that_never_answers_cping_costs_503_and_no_thread_meanwhile() {
    let peer = ScriptedPeer::start(|conn| {
        conn.expect_cping()?;
        conn.expect_close()
    });
    let httpd = in_front_of(peer.port(), "ping=5");
    let mut clients = ask_all(&httpd, MANY);
    wait_for_parked(&httpd, MANY);

    clients.iter_mut().for_each(|client| drop(client.response("GET").expect(503)));
    assert_eq!(httpd.error_log().matches("no CPONG within").count(), MANY);
    peer.wait_for_open_connections(0);
    wait_for_rest(&httpd);
}

#[test]
fn requests_wait_for_a_connection_being_opened_without_a_thread() {
    let backlog = FullBacklog::tcp();
    let httpd = in_front_of(backlog.port(), "connecttimeout=60000");
    let mut clients = ask_all(&httpd, MANY);
    wait_for_parked(&httpd, MANY);

    let listener = backlog.give_room().expect("a listener");
    let peer = ScriptedPeer::start_on(listener, uris).expect("a listener");
    all_are_answered(&mut clients);
    assert_eq!(peer.requests(), MANY);
    wait_for_rest(&httpd);
}

#[test]
fn a_host_that_does_not_answer_at_all_costs_503_after_connecttimeout_and_no_thread_meanwhile() {
    let backlog = FullBacklog::tcp();
    let httpd = in_front_of(backlog.port(), "connecttimeout=5000");
    let mut clients = ask_all(&httpd, MANY);
    wait_for_parked(&httpd, MANY);

    clients.iter_mut().for_each(|client| drop(client.response("GET").expect(503)));
    assert_eq!(httpd.error_log().matches("no answer within 5s").count(), MANY);
    wait_for_rest(&httpd);
}

#[test]
fn requests_wait_for_room_in_the_backlog_of_a_unix_socket_without_a_thread() {
    let folder = tempfile::tempdir().expect("a temporary directory");
    let path = folder.path().join("ajp.sock");
    let backlog = FullBacklog::unix(&path);
    [folder.path(), &path].into_iter().for_each(open_to_all);
    let worker = format!("unix:{}|ajp://localhost", path.display());
    let httpd = two_threads()
        .conf(&format!("ProxyPass /app {worker}/app connecttimeout=60000"))
        // Another worker, by the path.
        .conf(&format!("ProxyPass /short {worker}/short connecttimeout=300"))
        .start();
    let mut clients = ask_all(&httpd, MANY);
    wait_for_parked(&httpd, MANY);
    httpd.get("/short").expect(503);

    let listener = backlog.give_room().expect("a listener");
    let peer = ScriptedPeer::start_on_unix(listener, &path, uris).expect("a listener");
    all_are_answered(&mut clients);
    assert_eq!(peer.requests(), MANY);
    wait_for_rest(&httpd);
}

/// Takes nothing until the gate is open; then answers a request with the length of its body.
fn taking_late(gate: &Gate) -> impl Fn(&mut PeerConnection) -> io::Result<()> + use<> {
    let gate = gate.clone();
    move |conn| {
        gate.wait();
        let request = conn.expect_forward_request()?;
        let body = read_body(conn, &request, 65_536)?;
        respond(conn, &body.len().to_string())
    }
}

#[test]
fn a_request_that_the_container_does_not_take_waits_without_a_thread_once_its_body_is_read() {
    let gate = Gate::default();
    let listener = narrow_listener();
    let peer = ScriptedPeer::start_on(listener, taking_late(&gate)).expect("a listener");
    let httpd = in_front_of(peer.port(), "iobuffersize=65536");
    const SIZE: usize = 60_000;
    let mut clients: Vec<Client> = (0..MANY)
        .map(|number| {
            let mut client = httpd.client();
            let (uri, body) = (uri(number), [b'x'; SIZE]);
            client
                .send(format!("POST {uri} HTTP/1.1\r\nHost: x\r\nContent-Length: {SIZE}\r\n\r\n"));
            client.send(body);
            client
        })
        .collect();
    wait_for_parked(&httpd, MANY);
    assert_eq!(peer.requests(), 0);

    gate.open();
    for client in &mut clients {
        assert_eq!(client.response("POST").expect(200).text(), SIZE.to_string());
    }
    wait_for_rest(&httpd);
    (0..MANY).for_each(|number| assert_eq!(logged(&httpd, &uri(number)).status, 200));
}

#[test]
fn a_request_to_an_address_that_itself_names_waits_without_a_thread() {
    let peer = HoldingPeer::start();
    let rule = "RewriteRule ^/to/([0-9]+)(/.*) ajp://127.0.0.1:$1$2 [P]";
    let httpd = two_threads().conf(&format!("RewriteEngine On\n{rule}")).start();
    let target = |number| format!("/to/{}{}", peer.port(), uri(number));
    let mut clients: Vec<Client> = (0..MANY).map(|number| ask(&httpd, &target(number))).collect();
    peer.wait_for_held(MANY);
    httpd.get("/none").expect(404);

    peer.answer_all();
    all_are_answered(&mut clients);
    peer.peer().wait_for_open_connections(0);
    wait_for_rest(&httpd);
}

#[test]
fn requests_that_wait_without_a_thread_count_for_busylimit() {
    let peer = HoldingPeer::start();
    let members = [format!("ajp://127.0.0.1:{} busylimit={MANY}", peer.port())];
    let httpd = balancer(two_threads(), &members).start();
    let mut clients = ask_all(&httpd, MANY);
    wait_for_parked(&httpd, MANY);
    peer.wait_for_held(MANY);
    httpd.get("/app/more").expect(503);

    peer.answer_all();
    all_are_answered(&mut clients);
    wait_for_rest(&httpd);
    let mut one = ask(&httpd, "/app/more");
    peer.wait_for_held(1);
    peer.answer_all();
    one.response("GET").expect(200);
}
