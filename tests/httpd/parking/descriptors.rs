//! A child with no descriptor left: a request that cannot wait without a thread waits in one.

use std::fs;

use test_support::ajp::HoldingPeer;
use test_support::http::Client;
use test_support::httpd::Httpd;
use test_support::parking::{Load, sixteen_threads, wait_for_parked, wait_for_rest};
use test_support::process::wait_for;

/// The files that a process of httpd may have open.
const LIMIT: usize = 120;

fn in_front_of(peer: &HoldingPeer, worker: &str) -> Httpd {
    let pass = format!("ProxyPass /app ajp://127.0.0.1:{}/app {worker}", peer.port());
    // A file that httpd looks for in each directory would need a descriptor for a moment.
    let no_files = "<Directory />\nAllowOverride None\n</Directory>";
    sixteen_threads().open_files(LIMIT as u32).conf(no_files).conf(&pass).start()
}

/// How many files the child has open, of those for which the limit counts. (It may have inherited others.)
fn open(httpd: &Httpd) -> usize {
    let files = fs::read_dir(format!("/proc/{}/fd", httpd.children()[0])).expect("it runs");
    let names = files.flatten().filter_map(|file| file.file_name().to_str()?.parse().ok());
    names.filter(|number: &usize| *number < LIMIT).count()
}

/// Opens connections until the child can open only so many files more.
fn leave(httpd: &Httpd, more: usize) -> Vec<Client> {
    let mut clients = Vec::new();
    while open(httpd) + more < LIMIT {
        clients.push(accepted(httpd));
    }
    assert_eq!(open(httpd) + more, LIMIT);
    clients
}

/// Closes them.
fn give_back(httpd: &Httpd, clients: Vec<Client>) {
    drop(clients);
    wait_for("the descriptors are free", || (open(httpd) < LIMIT / 2).then_some(()));
}

/// A client whose connection is accepted.
fn accepted(httpd: &Httpd) -> Client {
    let mut client = httpd.client();
    client.get("/none").expect(404);
    client
}

#[test]
fn a_request_waits_in_its_thread_where_no_descriptor_is_left_to_wait_without_one() {
    // One is for the connection to the container; then there is none, or one.
    for more in [1, 2] {
        let peer = HoldingPeer::start();
        let httpd = in_front_of(&peer, "");
        let [mut client, mut other] = [(); 2].map(|()| accepted(&httpd));
        let occupying = leave(&httpd, more);
        client.send("GET /app/0 HTTP/1.1\r\nHost: localhost\r\n\r\n");
        peer.wait_for_held(1);
        let in_a_thread = Load { parked: 0, busy: 1, in_use: 1, waiting: 0 };
        let is_in_a_thread = || (Load::over(&mut other) == in_a_thread).then_some(());
        wait_for(&format!("it waits in its thread, {more}"), is_in_a_thread);

        peer.answer("/app/0");
        assert_eq!(client.response("GET").expect(200).text(), "/app/0");
        give_back(&httpd, occupying);
        wait_for_rest(&httpd);
        // The next one has what it needs. (httpd may have closed the first one's connection, being short of them.)
        let mut client = httpd.client();
        client.send("GET /app/1 HTTP/1.1\r\nHost: localhost\r\n\r\n");
        peer.wait_for_held(1);
        wait_for_parked(&httpd, 1);
        peer.answer("/app/1");
        assert_eq!(client.response("GET").expect(200).text(), "/app/1");
    }
}

#[test]
fn a_request_waits_for_a_place_in_its_thread_where_no_descriptor_is_left() {
    let peer = HoldingPeer::start();
    let httpd = in_front_of(&peer, "max=1");
    let [mut first, mut second, mut other] = [(); 3].map(|()| accepted(&httpd));
    first.send("GET /app/0 HTTP/1.1\r\nHost: localhost\r\n\r\n");
    peer.wait_for_held(1);
    wait_for_parked(&httpd, 1);
    let occupying = leave(&httpd, 0);
    second.send("GET /app/1 HTTP/1.1\r\nHost: localhost\r\n\r\n");
    let waits = Load { parked: 1, busy: 2, in_use: 1, waiting: 1 };
    wait_for("it waits for its place", || (Load::over(&mut other) == waits).then_some(()));
    give_back(&httpd, occupying);
    peer.answer("/app/0");
    assert_eq!(first.response("GET").expect(200).text(), "/app/0");
    peer.wait_for_held(1);
    peer.answer("/app/1");
    assert_eq!(second.response("GET").expect(200).text(), "/app/1");
    wait_for_rest(&httpd);
}
