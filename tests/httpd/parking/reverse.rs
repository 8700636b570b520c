//! Requests that wait without a thread for a container that opens the connections.

use std::net::Ipv4Addr;

use test_support::ajp::ScriptedPeer;
use test_support::ajp::echo::respond;
use test_support::http::Client;
use test_support::httpd::Httpd;
use test_support::parking::{ask_all, two_threads, uri, wait_for_parked, wait_for_rest};
use test_support::process::free_port;

/// More than the threads of the child, and than watch the port at once.
const MANY: usize = 20;

/// Requests that wait for a container to connect to this port, and hold no thread meanwhile.
fn waiting(worker: &str) -> (u16, Httpd, Vec<Client>) {
    let port = free_port();
    let httpd = two_threads()
        .conf(&format!(
            "ProxyAjpReverse ajp://127.0.0.1:{port} allow=127.0.0.1\n\
             ProxyPass /app ajp://127.0.0.1:{port}/app {worker}"
        ))
        .start();
    let clients = ask_all(&httpd, MANY);
    wait_for_parked(&httpd, MANY);
    assert_eq!(httpd.get("/").status, 404, "both threads are free");
    (port, httpd, clients)
}

#[test]
fn twenty_requests_wait_for_a_container_that_connects_later_and_each_gets_its_answer() {
    let (port, httpd, clients) = waiting("acquire=60000");

    let container =
        ScriptedPeer::dial((Ipv4Addr::LOCALHOST, port).into(), Ipv4Addr::LOCALHOST, 2, |conn| {
            loop {
                let request = conn.expect_forward_request()?;
                respond(conn, &request.uri)?;
            }
        });
    for (number, mut client) in clients.into_iter().enumerate() {
        assert_eq!(client.response("GET").expect(200).text(), uri(number));
    }
    assert_eq!(container.requests(), MANY);
    wait_for_rest(&httpd);
}

#[test]
fn requests_for_a_container_that_does_not_connect_get_503_after_acquire_and_hold_no_thread() {
    let (_, httpd, clients) = waiting("acquire=5000");
    for mut client in clients {
        assert_eq!(client.response("GET").status, 503);
    }
    wait_for_rest(&httpd);
}
