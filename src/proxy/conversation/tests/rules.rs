//! What must hold of an attempt, whatever container, client and sockets do.

use std::collections::BTreeSet;

use super::scene::World;
use super::{Conversation, Scene, split};
use crate::backend::AjpConnection;
use crate::backend::fake::FakeConnection;
use crate::exchange::RequestBody;
use crate::pool::{Acquired, Limits};

/// What the attempts of one request have done.
#[derive(Debug, Default)]
pub(super) struct Seen {
    /// Connections on which the request was written to its end.
    pub(super) written: BTreeSet<usize>,
    /// The one that it was on when the client had something of the response.
    answering: Option<usize>,
    /// The present connection, what has been sent on it, and the body packets among that.
    number: usize,
    sent: usize,
    packets: usize,
    /// The last connection that the container has closed.
    closed: usize,
}

impl Seen {
    /// Checks what the last step has done: that nothing is sent again after the client had a byte, and that no
    /// body packet was sent ahead that may not be.
    pub(super) fn look(&mut self, conversation: &mut Conversation<FakeConnection>, scene: &Scene) {
        let Some(connection) = conversation.connection() else { return };
        if connection.number != self.number {
            (self.number, self.sent, self.packets) = (connection.number, 0, 0);
        }
        if scene.client.has_got {
            let before = *self.answering.get_or_insert(connection.number);
            assert_eq!(before, connection.number, "sent again after a byte reached the client");
        }
        if connection.sent.len() == self.sent {
            return;
        }
        self.sent = connection.sent.len();
        if connection.sent.starts_with(&scene.request.packet) {
            self.written.insert(connection.number);
        }
        self.packets = check_body_packets(connection, scene, self.packets);
    }

    /// Checks what is asked for, of which `world` is to come: that the container is heard while room or the client
    /// is waited for, unless it has closed, or said 128 KiB that cannot be acted on: before it has read the
    /// request, or behind a packet that asks for a second one while the first is still to be sent.
    pub(super) fn check_is_heard(
        &mut self,
        conversation: &mut Conversation<FakeConnection>,
        scene: &Scene,
        (asked_for, world): (&str, &World),
    ) {
        let Some(connection) = conversation.connection() else { return };
        let is_deaf = asked_for.starts_with("wait w ") || asked_for.contains("deaf");
        if is_deaf && self.closed != connection.number {
            let (_, asked) = asked(connection, scene);
            let body = connection.sent.strip_prefix(&scene.request.packet[..]);
            let has_to_wait = body.is_none_or(|body| asked >= split(body).0.len() + 2);
            let unread = connection.unread();
            assert!(unread >= 128 * 1024, "{asked_for}, with {unread} bytes unread");
            assert!(has_to_wait, "{asked_for}, though what is unread can be acted on");
        }
        // A receive that brings nothing is the end of the stream.
        let has_ended = match world {
            World::Hears(bytes) => bytes.is_empty() && asked_for.starts_with("receive"),
            world => matches!(world, World::Closes),
        };
        if has_ended {
            self.closed = connection.number;
        }
    }
}

/// The data lengths of the body packets that have begun, and the data in them.
pub(super) fn begun(connection: &FakeConnection, packet: &[u8]) -> (Vec<usize>, Vec<u8>) {
    let Some(mut sent) = connection.sent.strip_prefix(packet) else { return Default::default() };
    let (mut lengths, mut data) = (Vec::new(), Vec::new());
    while let [_, _, _, _, high, low, rest @ ..] = sent {
        let length = usize::from(u16::from_be_bytes([*high, *low]));
        let (piece, rest) = rest.split_at(length.min(rest.len()));
        lengths.push(length);
        data.extend(piece);
        sent = rest;
    }
    (lengths, data)
}

/// How many body packets the container has asked for, and how many are due with the one that follows the
/// request unasked.
pub(super) fn asked(connection: &FakeConnection, scene: &Scene) -> (usize, usize) {
    let (said, _) = split(&connection.received);
    let asks = said.iter().filter(|payload| payload.first() == Some(&6)).count();
    let is_announced = scene.request.facts.body == RequestBody::Announced;
    (asks, asks + usize::from(is_announced))
}

/// Checks the body packets that have begun since there were `before` of them: they are the client's body, and
/// those ahead are long, after the container has asked once, and within the window. Returns how many there are.
fn check_body_packets(connection: &FakeConnection, scene: &Scene, before: usize) -> usize {
    let window = scene.settings.worker.upload_ahead.bytes();
    let (asks, asked) = asked(connection, scene);
    let (lengths, data) = begun(connection, &scene.request.packet);
    assert!(scene.client.body.starts_with(&data), "the body is the body");
    for (at, length) in lengths.iter().enumerate().skip(before.max(asked)) {
        assert!(*length >= 4_096, "packet {at} of {length} bytes, {asked} asked for");
        assert!(asks > 0, "ahead before any was asked for");
    }
    let ahead = lengths.iter().skip(asked);
    let (packets, bytes) = (ahead.clone().count(), ahead.sum::<usize>());
    assert!(packets <= 1 || bytes <= window, "{bytes} bytes ahead");
    assert!(window > 0 || packets == 0, "ahead though none may be");
    lengths.len()
}

/// Checks that a connection is clean: asked everything, answered everything, and said to be kept.
pub(super) fn assert_clean(connection: &FakeConnection, scene: &Scene) {
    let (said, rest) = split(&connection.received);
    assert!(rest.is_empty(), "{rest:?} is unread");
    assert_eq!(said.last(), Some(&&[5, 1][..]), "the end, and that it is kept");
    let (_, asked) = asked(connection, scene);
    let body = connection.sent.strip_prefix(&scene.request.packet[..]).expect("the request is out");
    let (pieces, rest) = split(body);
    assert!(rest.is_empty(), "a packet partly sent");
    assert_eq!(pieces.len(), asked, "each packet was asked for, and none is due");
}

/// Takes every connection out of the pool, and checks that those that have had a request are clean.
pub(super) fn assert_pool_clean(scene: &Scene, is_answered: bool) {
    assert_eq!(scene.left().1, 0, "a place is still taken");
    while scene.left().0 > 0 {
        let found = scene.pool.acquire(scene.start, &Limits::default());
        let Ok(Acquired::Reused(lease)) = found else { continue };
        if lease.usage().requests > 0 {
            assert!(is_answered, "kept though the response has not ended");
            assert_clean(&lease, scene);
        }
    }
}
