//! A container whose requests wait until the test answers them, in any order.

use std::io;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use super::connection::{PeerConnection, PeerSender};
use super::echo::read_body;
use super::encode::{Packet, chunk, cpong, end_response, headers};
use super::peer::ScriptedPeer;
use super::request::forward_request;
use crate::process::DEADLINE;

/// Reads requests, bodies included, and holds them. CPINGs are answered at once.
///
/// A request is known by its URI, so each should have its own. When the web server closes a connection, the request
/// that waited on it is no longer held.
///
/// ```ignore
/// let peer = HoldingPeer::start();
/// // … two clients send GET /app/1 and GET /app/2 …
/// peer.wait_for_held(2);
/// peer.answer("/app/2");
/// peer.answer_all();
/// ```
#[derive(Debug)]
pub struct HoldingPeer {
    peer: ScriptedPeer,
    held: Arc<Held>,
}

#[derive(Debug, Default)]
struct Held {
    requests: Mutex<Vec<HeldRequest>>,
    changed: Condvar,
}

#[derive(Debug)]
struct HeldRequest {
    uri: String,
    connection: usize,
    sender: PeerSender,
}

impl HoldingPeer {
    /// Listens on a free port of 127.0.0.1.
    pub fn start() -> Self {
        let held = Arc::<Held>::default();
        let in_script = Arc::clone(&held);
        let peer = ScriptedPeer::start(move |conn| {
            let result = hold(conn, &in_script);
            in_script.update(|requests| {
                requests.retain(|request| request.connection != conn.index());
            });
            result
        });
        Self { peer, held }
    }

    /// The container itself: its port, its counters.
    pub fn peer(&self) -> &ScriptedPeer {
        &self.peer
    }

    /// The TCP port.
    pub fn port(&self) -> u16 {
        self.peer.port()
    }

    /// The URIs of the requests that wait, the oldest first.
    pub fn held(&self) -> Vec<String> {
        self.held.requests().iter().map(|request| request.uri.clone()).collect()
    }

    /// Waits until exactly `count` requests are held.
    ///
    /// # Panics
    /// After [`DEADLINE`].
    #[track_caller]
    pub fn wait_for_held(&self, count: usize) {
        let deadline = Instant::now() + DEADLINE;
        let mut requests = self.held.requests();
        while requests.len() != count {
            let left = deadline.saturating_duration_since(Instant::now());
            assert!(
                !left.is_zero(),
                "waited {DEADLINE:?} for {count} held requests, there are {}",
                requests.len()
            );
            requests = self
                .held
                .changed
                .wait_timeout(requests, left)
                .map_or_else(|poisoned| poisoned.into_inner().0, |(requests, _)| requests);
        }
    }

    /// Answers a request with its URI. It is no longer held then.
    ///
    /// # Panics
    /// If it is not held.
    #[track_caller]
    pub fn answer(&self, uri: &str) {
        self.take(uri).answer();
    }

    /// Answers all held requests, the oldest first.
    pub fn answer_all(&self) {
        self.take_all().iter().for_each(HeldRequest::answer);
    }

    /// Answers all held requests, the newest first.
    pub fn answer_all_backwards(&self) {
        self.take_all().iter().rev().for_each(HeldRequest::answer);
    }

    /// Sends a packet, or any bytes, as a part of the answer to a request, which is still held. The test sends the
    /// end with [`end`](HoldingPeer::end).
    ///
    /// # Panics
    /// If the request is not held, or its connection is closed.
    #[track_caller]
    pub fn send(&self, uri: &str, packet: impl Packet) {
        self.try_send(uri, packet).expect("the connection is open");
    }

    /// As [`send`](HoldingPeer::send), to a request whose connection the web server may close.
    ///
    /// # Errors
    /// It has.
    pub fn try_send(&self, uri: &str, packet: impl Packet) -> io::Result<()> {
        let sender = {
            let requests = self.held.requests();
            let request = requests.iter().find(|request| request.uri == uri);
            request.ok_or(io::ErrorKind::NotConnected)?.sender.clone()
        };
        sender.send(packet)
    }

    /// Sends END_RESPONSE. The request is no longer held then.
    ///
    /// # Panics
    /// As [`send`](HoldingPeer::send).
    #[track_caller]
    pub fn end(&self, uri: &str) {
        self.take(uri).sender.send(end_response()).expect("the connection is open");
    }

    /// Closes the connection of a request, which is no longer held then.
    ///
    /// # Panics
    /// If it is not held.
    #[track_caller]
    pub fn close(&self, uri: &str) {
        // The web server may have closed it already.
        let _ = self.take(uri).sender.shutdown();
    }

    #[track_caller]
    fn take(&self, uri: &str) -> HeldRequest {
        self.held
            .update(|requests| {
                let at = requests.iter().position(|request| request.uri == uri);
                at.map(|at| requests.remove(at))
            })
            .unwrap_or_else(|| panic!("{uri} is not held"))
    }

    fn take_all(&self) -> Vec<HeldRequest> {
        self.held.update(std::mem::take)
    }
}

impl Held {
    fn requests(&self) -> MutexGuard<'_, Vec<HeldRequest>> {
        self.requests.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn update<T>(&self, change: impl FnOnce(&mut Vec<HeldRequest>) -> T) -> T {
        let changed = change(&mut self.requests());
        self.changed.notify_all();
        changed
    }
}

impl HeldRequest {
    fn answer(&self) {
        let answer =
            [headers(200).into_bytes(), chunk(&self.uri).into_bytes(), end_response().into_bytes()];
        // The web server may have closed the connection in this moment.
        let _ = self.sender.send(answer.concat());
    }
}

fn hold(conn: &mut PeerConnection, held: &Held) -> io::Result<()> {
    while let Some(payload) = conn.read_packet()? {
        if payload == [0x0A] {
            conn.send(cpong())?;
            continue;
        }
        let request = forward_request(&payload)?;
        read_body(conn, &request, 8192)?;
        let held_request =
            HeldRequest { uri: request.uri, connection: conn.index(), sender: conn.sender() };
        held.update(|requests| requests.push(held_request));
    }
    Ok(())
}
