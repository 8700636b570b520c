//! Requests that wait give their thread back: what a child with two threads can do meanwhile.

use std::sync::{Arc, Condvar, Mutex};

use test_support::ajp::ScriptedPeer;
use test_support::ajp::echo::respond;
use test_support::http::Client;
use test_support::httpd::{Httpd, Mpm};

/// A gate that requests wait at until it is opened.
#[derive(Clone, Default)]
struct Gate(Arc<(Mutex<bool>, Condvar)>);

impl Gate {
    fn open(&self) {
        *self.0.0.lock().unwrap() = true;
        self.0.1.notify_all();
    }

    fn pass(&self) {
        let mut is_open = self.0.0.lock().unwrap();
        while !*is_open {
            is_open = self.0.1.wait(is_open).unwrap();
        }
    }
}

/// A container that answers nothing before the gate is open, and then each request with its URI.
fn held(gate: &Gate) -> ScriptedPeer {
    let gate = gate.clone();
    ScriptedPeer::start(move |connection| {
        loop {
            let request = connection.expect_forward_request()?;
            gate.pass();
            respond(connection, &request.uri)?;
        }
    })
}

fn two_threads(peer: &ScriptedPeer, worker: &str, conf: &str) -> Httpd {
    Httpd::setup()
        .mpm(Mpm::Event)
        .conf("ServerLimit 1\nStartServers 1\nThreadsPerChild 2\nMaxRequestWorkers 2")
        .conf("AsyncRequestWorkerFactor 1000\nMinSpareThreads 1\nMaxSpareThreads 2")
        .conf("ProxyAjpParking On")
        .conf(&format!("ProxyPass /app ajp://127.0.0.1:{}/app {worker}", peer.port()))
        .conf(conf)
        .start()
}

#[test]
fn twenty_requests_wait_in_two_threads_while_others_are_served() {
    let gate = Gate::default();
    let peer = held(&gate);
    let httpd = two_threads(&peer, "", "");
    let clients: Vec<Client> = (0..20)
        .map(|number| {
            let mut client = httpd.client();
            client.send(format!("GET /app/{number} HTTP/1.1\r\nHost: localhost\r\n\r\n"));
            client
        })
        .collect();
    peer.wait_for_requests(20);
    assert_eq!(httpd.get("/").status, 404);

    gate.open();
    for (number, mut client) in clients.into_iter().enumerate() {
        let response = client.response("GET").expect(200);
        assert_eq!(response.text(), format!("/app/{number}"));
        assert_eq!(client.get("/app/again").text(), "/app/again");
    }
}
