//! The agent `ajp-dialer` between a stand-in for httpd and one for the container.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpStream};
use std::os::unix::net::UnixListener;
use std::thread;
use std::time::{Duration, Instant};

use test_support::dialer::{
    Agent, CPING, CPONG, END_RESPONSE, Listener, QUIET, ends, expect, is_quiet, joined, pinged,
    send,
};
use test_support::process::{free_port, free_ports, wait_for};
use test_support::sockets::{State, count};

#[test]
fn two_spare_connections_are_kept_and_the_first_byte_on_one_brings_the_next() {
    let (httpd, container) = (Listener::open(), Listener::open());
    let _agent = Agent::between(&httpd, &container, &[]);
    let (first, second) = (httpd.accept(), httpd.accept());
    assert!(httpd.accept_within(QUIET).is_none(), "two are enough");
    send(&first, CPING);
    let third = httpd.accept();
    assert!(httpd.accept_within(QUIET).is_none(), "one for one");
    send(&second, CPING);
    send(&third, CPING);
    let _more = (httpd.accept(), httpd.accept());
    assert!(httpd.accept_within(QUIET).is_none());
}

#[test]
fn the_first_bytes_from_httpd_reach_the_container_and_the_answer_reaches_httpd() {
    let (httpd, container) = (Listener::open(), Listener::open());
    let _agent = Agent::between(&httpd, &container, &[]);
    for _ in 0..3 {
        let (front, back) = pinged(&httpd, &container);
        // The next request over the same connection.
        send(&front, b"request");
        expect(&back, b"request");
        send(&back, END_RESPONSE);
        expect(&front, END_RESPONSE);
    }
}

#[test]
fn the_container_is_connected_to_only_when_a_byte_has_arrived() {
    let (httpd, container) = (Listener::open(), Listener::open());
    let _agent = Agent::between(&httpd, &container, &[]);
    let _fresh = (httpd.accept(), httpd.accept());
    let probe = container.accept();
    assert!(ends(&probe), "the one that asked whether it is there");
    assert!(container.accept_within(QUIET).is_none());
}

/// Bytes that do not repeat at a power of two.
fn noise(seed: u64, length: usize) -> Vec<u8> {
    let mut state = seed;
    let mut next = || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        (state >> 56) as u8
    };
    (0..length).map(|_| next()).collect()
}

#[test]
fn large_bodies_pass_both_ways_at_once_byte_by_byte() {
    const LENGTH: usize = 24 * 1024 * 1024;
    let (httpd, container) = (Listener::open(), Listener::open());
    let _agent = Agent::between(&httpd, &container, &[]);
    let (up, down) = (noise(1, LENGTH), noise(2, LENGTH));
    let front = httpd.accept();
    send(&front, &up[..1]);
    let back = container.accept_used();
    let exchange = |stream: TcpStream, sent: Vec<u8>| {
        let mut writer = stream.try_clone().expect("a descriptor");
        let writing = thread::spawn(move || {
            writer.write_all(&sent).expect("all of it");
            writer.shutdown(Shutdown::Write).expect("still open");
        });
        thread::spawn(move || {
            let mut received = Vec::new();
            (&stream).read_to_end(&mut received).expect("to the end");
            writing.join().expect("written");
            received
        })
    };
    let at_front = exchange(front, up[1..].to_vec());
    let at_back = exchange(back, down.clone());
    assert!(at_back.join().expect("read") == up, "httpd to container");
    assert!(at_front.join().expect("read") == down, "container to httpd");
}

#[test]
fn a_hundred_requests_at_once_are_each_answered_by_their_own_container_connection() {
    let (httpd, container) = (Listener::open(), Listener::open());
    let _agent = Agent::between(&httpd, &container, &["--spare", "8"]);
    let serving = thread::spawn(move || {
        let mut held = Vec::new();
        for _ in 0..100 {
            let stream = container.accept_used();
            let mut asked = [0; 4];
            (&stream).read_exact(&mut asked).expect("four bytes");
            send(&stream, &asked);
            held.push(stream);
        }
        held
    });
    let mut fronts = Vec::new();
    for number in 0_u32..100 {
        let front = httpd.accept();
        send(&front, &number.to_be_bytes());
        fronts.push(front);
    }
    let _held = serving.join().expect("a hundred came");
    for (front, number) in fronts.iter().zip(0_u32..) {
        expect(front, &number.to_be_bytes());
    }
}

#[test]
fn an_end_is_passed_on_and_the_other_direction_stays_open() {
    let (httpd, container) = (Listener::open(), Listener::open());
    let _agent = Agent::between(&httpd, &container, &[]);
    let (front, back) = joined(&httpd, &container);
    front.shutdown(Shutdown::Write).expect("still open");
    assert!(ends(&back));
    send(&back, b"answer");
    expect(&front, b"answer");
    drop(back);
    assert!(ends(&front));
}

#[test]
fn bytes_that_the_container_sent_before_it_died_still_reach_httpd() {
    let (httpd, container) = (Listener::open(), Listener::open());
    let _agent = Agent::between(&httpd, &container, &[]);
    let front = httpd.accept();
    send(&front, b"request");
    let back = container.accept_used();
    // With unread bytes, closing is a reset.
    send(&back, b"answer");
    expect(&front, b"answer");
    drop(back);
    assert!(ends(&front));
}

#[test]
fn a_connection_that_httpd_closes_after_a_request_is_closed_at_the_container_too() {
    let (httpd, container) = (Listener::open(), Listener::open());
    let agent = Agent::between(&httpd, &container, &["--verbose"]);
    let front = httpd.accept();
    send(&front, CPING);
    let back = container.accept_used();
    expect(&back, CPING);
    drop(front);
    assert!(ends(&back));
    drop(back);
    agent.wait_for_line("is closed");
}

#[test]
fn a_container_on_a_unix_socket_is_served() {
    let httpd = Listener::open();
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("ajp.sock");
    let container = UnixListener::bind(&path).expect("a new path");
    let address = format!("unix:{}", path.display());
    let _agent = Agent::start(&["--httpd", &httpd.address(), "--container", &address]);
    let (_probe, _) = container.accept().expect("it is looked for");
    let front = httpd.accept();
    send(&front, CPING);
    let (mut back, _) = container.accept().expect("a request comes");
    let mut received = [0; 5];
    back.read_exact(&mut received).expect("all of it");
    assert_eq!(received, CPING);
    back.write_all(CPONG).expect("open");
    expect(&front, CPONG);
}

#[test]
fn without_a_container_httpd_gets_no_connection_until_there_is_one() {
    let (httpd, port) = (Listener::open(), free_port());
    let container = format!("127.0.0.1:{port}");
    let agent = Agent::start(&["--httpd", &httpd.address(), "--container", &container]);
    agent.wait_for_line("is unreachable (Connection refused");
    assert!(httpd.accept_within(QUIET).is_none());
    let container = Listener::at(port);
    let front = httpd.accept();
    send(&front, CPING);
    expect(&container.accept_used(), CPING);
}

#[test]
fn when_the_container_goes_down_the_spare_connections_are_closed_and_one_line_is_logged() {
    let (httpd, container) = (Listener::open(), Listener::open());
    let agent = Agent::between(&httpd, &container, &["--spare", "3"]);
    let fronts = [httpd.accept(), httpd.accept(), httpd.accept()];
    let port = container.port;
    drop(container);
    send(&fronts[0], CPING);
    for front in &fronts {
        assert!(ends(front), "so httpd tries another member");
    }
    while let Some(late) = httpd.accept_within(QUIET) {
        assert!(ends(&late), "dialled before the container's absence was known");
    }
    let _container = Listener::at(port);
    let _fresh = httpd.accept();
    assert_eq!(agent.count("is unreachable"), 1, "{}", agent.log());
    assert_eq!(agent.count("is reachable"), 2, "at the start and now: {}", agent.log());
    assert_eq!(agent.count("not available"), 0, "httpd is not to blame: {}", agent.log());
}

#[test]
fn a_port_that_refuses_is_tried_again_and_logged_once() {
    let (port, container) = (free_port(), Listener::open());
    let httpd = format!("127.0.0.1:{port}");
    let address = container.address();
    let arguments = ["--httpd", &httpd, "--container", &address, "--verbose"];
    let agent = Agent::start(&[&arguments[..], &["--backoff-max", "200"]].concat());
    wait_for("some attempts", || (agent.count("still not available") > 3).then_some(()));
    assert_eq!(agent.count("is not available (Connection refused"), 1, "{}", agent.log());
    let httpd = Listener::at(port);
    let one = httpd.accept();
    let _two = httpd.accept();
    agent.wait_for_line("connected, waiting for httpd");
    assert_eq!(agent.count("is available"), 0, "{}", agent.log());
    send(&one, CPING);
    let back = container.accept_used();
    expect(&back, CPING);
    send(&back, CPONG);
    agent.wait_for_line("is available");
}

#[test]
fn a_port_that_closes_every_connection_at_once_is_tried_with_pauses() {
    let (httpd, container) = (Listener::open(), Listener::open());
    let start = Instant::now();
    let _agent = Agent::between(&httpd, &container, &["--backoff-max", "1000"]);
    // Two at first, then after 50 to 100, 100 to 200, 200 to 400, 400 to 800 ms, 0.5 to 1 s.
    (0..13).for_each(|_| drop(httpd.accept()));
    assert!(start.elapsed() >= Duration::from_secs(3), "13 in {:?}", start.elapsed());
}

#[test]
fn listeners_may_come_and_go() {
    let container = Listener::open();
    let ports = [free_port(), free_port()];
    let urls = ports.map(|port| format!("127.0.0.1:{port}"));
    let address = container.address();
    let mut agent = Agent::start(&[
        "--httpd",
        &urls[0],
        "--httpd",
        &urls[1],
        "--container",
        &address,
        "--backoff-max",
        "200",
    ]);
    for round in 0..6 {
        let httpd = Listener::at(ports[round % 2]);
        let (front, _back) = pinged(&httpd, &container);
        if round % 3 == 0 {
            // The agent has not passed these on: the close is a reset.
            send(&front, b"half a requ");
        }
    }
    let httpd = ports.map(Listener::at);
    for front in httpd.iter().flat_map(|httpd| [httpd.accept(), httpd.accept()]) {
        assert!(is_quiet(&front), "a fresh one");
    }
    assert!(agent.is_running());
}

#[test]
fn no_more_connections_than_max_are_opened_and_they_are_spread() {
    let (one, two, container) = (Listener::open(), Listener::open(), Listener::open());
    let (second, max) = (two.address(), ["--max", "3", "--spare", "2"]);
    let agent = Agent::between(&one, &container, &[&["--httpd", &second], &max[..]].concat());
    let open = || [&one, &two].map(|httpd| count(State::Established, httpd.socket_address()));
    wait_for("three in all", || (open() == [2, 1]).then_some(()));
    let _held = [one.accept(), one.accept()];
    let busy = two.accept();
    send(&busy, CPING);
    let back = container.accept_used();
    expect(&back, CPING);
    assert!(two.accept_within(QUIET).is_none(), "no slot is free");
    assert_eq!(open(), [2, 1]);
    drop((busy, back));
    let _next = two.accept();
    assert_eq!(agent.count("--max 3 is less than the 4 spare connections"), 1);
}

#[test]
fn in_a_range_an_idle_connection_is_a_spare_one() {
    // A range has one port for each process of httpd, and the process will use its connections.
    let container = Listener::open();
    let (first, address) = (free_ports(2), container.address());
    let httpd = Listener::at(first);
    let range = format!("127.0.0.1:{first}-{}", first + 1);
    let _agent = Agent::start(&["--httpd", &range, "--container", &address]);
    let (front, _other) = (httpd.accept(), httpd.accept());
    send(&front, CPING);
    let back = container.accept_used();
    expect(&back, CPING);
    let _third = httpd.accept();
    send(&back, CPONG);
    expect(&front, CPONG);
    drop(_third);
    assert!(httpd.accept_within(QUIET).is_none(), "two are spare: the idle one and the other");
}

#[test]
fn connections_to_httpd_are_kept_alive_by_the_kernel() {
    let (httpd, container) = (Listener::open(), Listener::open());
    let _agent = Agent::between(&httpd, &container, &[]);
    let _held = [httpd.accept(), httpd.accept()];
    assert_eq!(test_support::sockets::kept_alive(httpd.socket_address()), 2);
}

#[test]
fn httpd_may_be_given_by_name() {
    let (httpd, container) = (Listener::open(), Listener::open());
    let named = [format!("localhost:{}", httpd.port), format!("localhost:{}", container.port)];
    let _agent = Agent::start(&["--httpd", &named[0], "--container", &named[1]]);
    let front = httpd.accept();
    send(&front, CPING);
    expect(&container.accept_used(), CPING);
}
