//! How often a request that a member may have executed is delivered, over all members of its balancer.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use test_support::ajp::echo::{self, read_body, respond};
use test_support::ajp::{PeerConnection, ScriptedPeer, chunk, cpong, end_response, headers};
use test_support::httpd::Httpd;
use test_support::members::{Gate, backend, balancer, is_in_error, one_child};
use test_support::process::{free_port, wait_for};

/// What a member does with a request for `…/kill`; it answers all others.
#[derive(Clone, Debug)]
enum Then {
    /// Reads the whole request and closes the connection.
    Dies,
    /// Waits.
    Hangs(Gate),
    /// Answers with this status.
    Fails(u16),
}

/// Four members, and how often each received the killing request.
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

    /// Opens an idle connection to each.
    fn warmed(self) -> Self {
        for _ in 0..4 {
            self.httpd.get("/app/well").expect(200);
        }
        assert!(self.peers.iter().all(|(peer, _)| peer.connections() == 1));
        self
    }

    /// Sends the request, and returns its status and how often each member received it.
    fn kill(&self, method: &str) -> (u16, Vec<usize>) {
        let body: &[u8] = if matches!(method, "PUT" | "POST") { b"the body" } else { b"" };
        let length = format!("Content-Length: {}\r\n", body.len());
        let answer = self.httpd.client().request(method, "/app/kill", &length, body);
        if answer.status == 504 {
            // httpd gives a member up whether it has read the request or not.
            wait_for("two have read it", || {
                let read = self.peers.iter().map(|(_, had)| had.load(Ordering::SeqCst));
                (read.sum::<usize>() >= 2).then_some(())
            });
        }
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
fn retries_of_the_first_member_limits_resending_over_all_members_and_0_allows_one_other() {
    for (retries, deliveries) in [("retries=0", 2), ("retries=1", 2), ("retries=3", 4)] {
        let four = Four::start(retries, &Then::Dies).warmed();
        let (status, had) = four.kill("GET");
        assert_eq!((status, sum(&had)), (502, deliveries), "{retries}: {had:?}");
        let most = had.iter().max();
        assert!(retries != "retries=0" || most == Some(&1), "{retries}: {had:?}");
    }
}

#[test]
fn with_recovery_no_member_gets_a_request_twice_and_retries_still_applies() {
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
fn a_resend_after_a_timeout_counts_like_one_after_a_death() {
    let gate = Gate::default();
    let parameters = "recovery=always replytimeout=200 maxreplytimeouts=9";
    let four = Four::start(parameters, &Then::Hangs(gate.clone()));
    let (status, had) = four.kill("GET");
    gate.open();
    assert_eq!((status, sum(&had)), (504, 2), "{had:?}");
}

#[test]
fn answers_that_failstatus_lists_do_not_count_and_each_member_is_tried_once() {
    let four = Four::start("failstatus=-503", &Then::Fails(503)).warmed();
    assert_eq!(four.kill("GET"), (503, vec![1; 4]));
}

#[test]
fn refused_connections_do_not_count() {
    let mut members: Vec<_> = (0..2).map(|_| format!("ajp://127.0.0.1:{}", free_port())).collect();
    let dying: Vec<_> = (0..3).map(|_| killed(Then::Dies)).collect();
    members.extend(dying.iter().map(|(peer, _)| format!("ajp://127.0.0.1:{}", peer.port())));
    let httpd = balancer(one_child(), &members).start();

    assert_eq!(httpd.get("/app/kill").status, 502);
    let had: Vec<_> = dying.iter().map(|(_, had)| had.load(Ordering::SeqCst)).collect();
    assert_eq!(sum(&had), 2, "{had:?}");
}

/// Two members. The first has an idle connection that dies at the next request, and follows the script
/// on later ones.
fn stale(then: fn(&mut PeerConnection) -> io::Result<()>) -> (Httpd, ScriptedPeer, ScriptedPeer) {
    let a = ScriptedPeer::start(move |conn| {
        if conn.index() > 0 {
            return then(conn);
        }
        conn.expect_forward_request()?;
        respond(conn, "a")?;
        conn.expect_forward_request().map(drop)
    });
    let b = ScriptedPeer::start(echo::uris);
    let members = [
        format!("ajp://127.0.0.1:{} route=a", a.port()),
        format!("ajp://127.0.0.1:{} route=b lbset=1", b.port()),
    ];
    // Not with a housekeeper, which takes the only idle connection for an instant.
    let httpd = balancer(one_child().conf("ProxyAjpMaintain 0"), &members).start();
    assert_eq!(httpd.get("/app/first").expect(200).text(), "a");
    (httpd, a, b)
}

#[test]
fn a_session_s_request_whose_idle_connection_dies_stays_at_its_member() {
    let (httpd, a, b) = stale(|conn| {
        conn.expect_cping()?;
        conn.send(cpong())?;
        conn.expect_forward_request()?;
        respond(conn, "a again")
    });
    let session = "Cookie: JSESSIONID=x.a\r\n";
    let answer = httpd.request("GET", "/app/x", session);
    assert_eq!(answer.expect(200).text(), "a again");
    assert_eq!((a.requests(), b.requests(), a.errors()), (3, 0, Vec::new()));
}

#[test]
fn a_member_that_stops_and_resets_new_connections_leaves_the_last_attempt_to_the_other() {
    let (httpd, a, b) = stale(|conn| {
        conn.expect_cping()?;
        conn.reset()
    });
    assert_eq!(httpd.get("/app/x").expect(200).text(), "/app/x");
    assert_eq!((a.requests(), b.requests()), (2, 1));
    assert!(!is_in_error(&httpd, a.port()));
}
