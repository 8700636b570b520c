//! How often a request is delivered, over all members of its balancer, that a member may have executed.
#![cfg(feature = "httpd")]

mod support;

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use support::ajp::ScriptedPeer;
use support::ajp::echo::{read_body, respond};
use support::ajp::{chunk, end_response, headers};
use support::httpd::Httpd;
use support::members::{Gate, backend, balancer, is_in_error, one_child};
use support::process::free_port;

/// What a member does with a request for `…/kill`; all others it answers.
#[derive(Clone, Debug)]
enum Then {
    /// Closes the connection, having read it all.
    Dies,
    /// Waits.
    Hangs(Gate),
    /// Answers with this status.
    Fails(u16),
}

/// Four members, and how often each was delivered the request that kills.
struct Four {
    httpd: Httpd,
    peers: Vec<(ScriptedPeer, Arc<AtomicUsize>)>,
}

impl Four {
    fn start(parameters: &str, then: &Then) -> Self {
        let peers: Vec<_> = (0..4).map(|_| killed(then.clone())).collect();
        let members: Vec<_> = peers
            .iter()
            .map(|(peer, _)| format!("ajp://127.0.0.1:{} {parameters}", peer.port()))
            .collect();
        Self { httpd: balancer(one_child(), &members).start(), peers }
    }

    /// Has an idle connection to each.
    fn warmed(self) -> Self {
        for _ in 0..4 {
            self.httpd.get("/app/well").expect(200);
        }
        assert!(self.peers.iter().all(|(peer, _)| peer.connections() == 1));
        self
    }

    /// Sends it, and says what it was answered and how often each member had it.
    fn kill(&self, method: &str) -> (u16, Vec<usize>) {
        let body: &[u8] = if matches!(method, "PUT" | "POST") { b"the body" } else { b"" };
        let length = format!("Content-Length: {}\r\n", body.len());
        let answer = self.httpd.client().request(method, "/app/kill", &length, body);
        let had: Vec<_> = self.peers.iter().map(|(_, had)| had.swap(0, Ordering::SeqCst)).collect();
        assert!(!self.peers.iter().any(|(peer, _)| {
            matches!(answer.status, 502 | 504) && is_in_error(&self.httpd, peer.port())
        }));
        (answer.status, had)
    }
}

fn killed(then: Then) -> (ScriptedPeer, Arc<AtomicUsize>) {
    let had = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&had);
    let peer = backend(move |conn, request| {
        read_body(conn, request, 8192)?;
        if !request.uri.ends_with("/kill") {
            return respond(conn, "well").map(|()| true);
        }
        count.fetch_add(1, Ordering::SeqCst);
        match &then {
            Then::Dies => Ok(false),
            Then::Hangs(gate) => {
                gate.wait();
                Ok(false)
            }
            Then::Fails(status) => {
                conn.send(headers(*status))?;
                conn.send(chunk(b"failed"))?;
                conn.send(end_response()).map(|()| true)
            }
        }
    });
    (peer, had)
}

fn sum(had: &[usize]) -> usize {
    had.iter().sum()
}

#[test]
fn a_request_that_kills_a_tomcat_is_delivered_once_more_and_not_to_all_of_them() {
    for method in ["GET", "DELETE", "PUT"] {
        let four = Four::start("", &Then::Dies);
        let (status, had) = four.kill(method);
        assert_eq!((status, sum(&had)), (502, 2), "{method} on new connections: {had:?}");
        let four = Four::start("", &Then::Dies).warmed();
        let (status, had) = four.kill(method);
        assert_eq!((status, sum(&had)), (502, 2), "{method} on pooled connections: {had:?}");
    }
}

#[test]
fn retries_of_the_first_member_says_how_often_more_over_all_of_them_and_0_is_one_other() {
    for (retries, deliveries) in [("retries=0", 2), ("retries=1", 2), ("retries=3", 4)] {
        let four = Four::start(retries, &Then::Dies).warmed();
        let (status, had) = four.kill("GET");
        assert_eq!((status, sum(&had)), (502, deliveries), "{retries}: {had:?}");
        let most = had.iter().max();
        assert!(retries != "retries=0" || most == Some(&1), "{retries}: {had:?}");
    }
}

#[test]
fn with_recovery_no_member_is_delivered_a_request_twice_and_retries_holds_all_the_same() {
    for (parameters, deliveries) in [("", 2), ("retries=3", 4), ("retries=9", 4)] {
        let four = Four::start(&format!("recovery=always {parameters}"), &Then::Dies).warmed();
        for method in ["POST", "GET"] {
            let (status, had) = four.kill(method);
            assert_eq!((status, sum(&had)), (502, deliveries), "{parameters} {method}: {had:?}");
            assert_eq!(had.iter().max(), Some(&1), "{parameters} {method}: {had:?}");
        }
    }
}

#[test]
fn what_timed_out_and_may_be_sent_again_counts_as_what_died() {
    let gate = Gate::default();
    let parameters = "recovery=always replytimeout=200 maxreplytimeouts=9";
    let four = Four::start(parameters, &Then::Hangs(gate.clone()));
    let (status, had) = four.kill("GET");
    gate.open();
    assert_eq!((status, sum(&had)), (504, 2), "{had:?}");
}

#[test]
fn answers_that_failstatus_lists_do_not_count_each_member_is_asked_once() {
    let four = Four::start("failstatus=-503", &Then::Fails(503)).warmed();
    assert_eq!(four.kill("GET"), (503, vec![1; 4]));
}

#[test]
fn members_that_refuse_do_not_count() {
    let mut members: Vec<_> = (0..2).map(|_| format!("ajp://127.0.0.1:{}", free_port())).collect();
    let dying: Vec<_> = (0..3).map(|_| killed(Then::Dies)).collect();
    members.extend(dying.iter().map(|(peer, _)| format!("ajp://127.0.0.1:{}", peer.port())));
    let httpd = balancer(one_child(), &members).start();

    assert_eq!(httpd.get("/app/kill").status, 502);
    let had: Vec<_> = dying.iter().map(|(_, had)| had.load(Ordering::SeqCst)).collect();
    assert_eq!(sum(&had), 2, "{had:?}");
}
