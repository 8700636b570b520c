//! Reverse connections that have been accepted, but not yet proved to be a container's.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::error::NoListener;
use super::handshake::{Handshake, Step};
use super::handshakes::{Handshakes, InProgress};
use super::peer_socket::{PeerSocket, Port, SocketSet};
use super::refusal::RefusalReason;
use crate::config::ReverseListener;
use crate::net::{self, IdleState, NetError, Received, Stream};
use crate::protocol::handshake::{Hello, Key};

/// The handshakes of one port in this child, with their sockets; shared by the requests that wait there.
/// Nothing here blocks.
#[derive(Debug)]
pub(super) struct Reception<S: PeerSocket = Stream> {
    handshakes: Handshakes<S>,
    /// The sockets of the handshakes in progress; made when it is first needed.
    watch: Option<Arc<S::Set>>,
}

/// The result of looking for a connection once.
#[derive(Debug)]
pub struct Found<S = Stream> {
    /// A connection that is alive, allowed and verified.
    pub(super) stream: Option<S>,
    /// Connections taken out of the queue.
    pub(super) accepted: usize,
    /// CPINGs sent on new connections.
    pub(super) pings_sent: usize,
    /// CPINGs that were not answered by CPONG, including those sent earlier.
    pub(super) pings_failed: usize,
    /// Peers that were refused.
    pub(super) refused: Vec<(IpAddr, RefusalReason)>,
}

/// The proof that a new connection must give.
#[derive(Debug)]
enum Due {
    /// None: it need only be alive.
    Nothing,
    /// This handshake.
    Handshake(Box<Handshake>),
}

/// The terms on which a connection is let in.
#[derive(Clone, Copy, Debug)]
pub(super) struct Terms<'a> {
    pub(super) settings: &'a ReverseListener,
    pub(super) key: Option<&'a Key>,
    /// Without a key, CPING must be answered within this time.
    pub(super) ping: Option<Duration>,
}

/// What there is to do in a look.
#[derive(Clone, Copy, Debug)]
pub(super) struct Look {
    /// Another connection may be taken out of the queue.
    pub(super) takes_another: bool,
    /// How many requests wait for one.
    pub(super) waiting: usize,
}

impl<S: PeerSocket> Default for Reception<S> {
    fn default() -> Self {
        Self { handshakes: Handshakes::default(), watch: None }
    }
}

impl<S> Default for Found<S> {
    fn default() -> Self {
        Self { stream: None, accepted: 0, pings_sent: 0, pings_failed: 0, refused: Vec::new() }
    }
}

impl<S: PeerSocket> Reception<S> {
    /// Continues the handshakes in progress and takes connections out of the queue, up to the first that is
    /// proven. Returns when the queue was found empty, if it was.
    ///
    /// # Errors
    /// None can be accepted or watched.
    pub(super) fn look(
        &mut self,
        port: &impl Port<Socket = S>,
        terms: Terms<'_>,
        look: Look,
        clock: &dyn Fn() -> Instant,
        found: &mut Found<S>,
    ) -> Result<Option<Instant>, NoListener> {
        // Peers that connect again as soon as they are refused must not keep a thread here.
        let end = clock() + MIN_TIME;
        loop {
            let now = clock();
            self.advance(now, found).map_err(NoListener::Accept)?;
            if now >= end || !look.takes_another || found.stream.is_some() {
                return Ok(None);
            }
            for _ in 0..BATCH {
                let now = clock();
                if !self.wants_another(look.waiting, now) {
                    return Ok(None);
                }
                let Some(socket) = port.accept().map_err(NoListener::Accept)? else {
                    return Ok(Some(now));
                };
                found.accepted += 1;
                self.receive(socket, terms, clock(), found).map_err(NoListener::Accept)?;
                if found.stream.is_some() {
                    return Ok(None);
                }
            }
        }
    }

    /// Takes in a connection that has been accepted.
    fn receive(
        &mut self,
        socket: S,
        terms: Terms<'_>,
        now: Instant,
        found: &mut Found<S>,
    ) -> Result<(), NetError> {
        let Some(peer) = socket.peer_address() else { return Ok(()) };
        match terms.due(&socket, peer, now) {
            Ok(Some(Due::Nothing)) => found.stream = Some(socket),
            Ok(Some(Due::Handshake(handshake))) => {
                return self.admit(socket, peer, *handshake, now, found);
            }
            // It died while it waited: there is nothing to log.
            Ok(None) => {}
            Err(reason) => found.refused.push((peer, reason)),
        }
        Ok(())
    }

    /// Continues the handshakes whose sockets are ready, up to the first that is proven, and ends those that
    /// have timed out.
    fn advance(&mut self, now: Instant, found: &mut Found<S>) -> Result<(), NetError> {
        let Some(watch) = &self.watch else { return Ok(()) };
        // What was sent in time counts, however late it is read.
        for number in watch.ready()? {
            let Some(one) = self.handshakes.get_mut(number) else { continue };
            let progress = progress(&one.connection, &mut one.handshake, now);
            if matches!(progress, Progress::Waiting) {
                report_room(&**watch, one)?;
                continue;
            }
            let Some(one) = self.handshakes.remove(number) else { continue };
            watch.remove(&one.connection);
            found.note(progress, one.connection, one.peer, &one.handshake);
            if found.stream.is_some() {
                return Ok(());
            }
        }
        while let Some(one) = self.handshakes.remove_timed_out(now) {
            found.note_refused(one.peer, one.handshake.timed_out(), &one.handshake);
        }
        Ok(())
    }

    /// Begins a handshake.
    fn admit(
        &mut self,
        socket: S,
        peer: IpAddr,
        mut handshake: Handshake,
        now: Instant,
        found: &mut Found<S>,
    ) -> Result<(), NetError> {
        found.pings_sent += usize::from(handshake.is_ping());
        // Usually its hello has already been received.
        match progress(&socket, &mut handshake, now) {
            Progress::Waiting => {}
            progress => {
                found.note(progress, socket, peer, &handshake);
                return Ok(());
            }
        }
        let watch = self.watch()?;
        let (one, displaced) = self.handshakes.insert(socket, peer, handshake, now);
        let number = one.number;
        let added = watch.add(&one.connection, number);
        let watched = added.and_then(|()| report_room(&*watch, one));
        if let Some(old) = displaced {
            found.note_refused(old.peer, old.handshake.displaced(), &old.handshake);
        }
        if watched.is_err() {
            self.handshakes.remove(number);
        }
        watched
    }

    /// Whether another connection should be taken out of the queue.
    pub(super) fn wants_another(&self, waiting: usize, now: Instant) -> bool {
        self.handshakes.wants_another(waiting, now)
    }

    /// Returns when time alone changes something.
    pub(super) fn next_change(&self, now: Instant) -> Option<Instant> {
        self.handshakes.next_change(now)
    }

    /// Whether any peer has been asked something that it may still answer.
    pub(super) fn is_any_asked(&self) -> bool {
        self.handshakes.is_any_asked()
    }

    /// Whether no handshake is in progress.
    pub(super) fn is_empty(&self) -> bool {
        self.handshakes.is_empty()
    }

    /// Returns the sockets to wait for: those of the handshakes in progress, now and later.
    ///
    /// # Errors
    /// No descriptor is left.
    pub(super) fn watch(&mut self) -> Result<Arc<S::Set>, NetError> {
        let watch = match &self.watch {
            Some(watch) => watch,
            None => self.watch.insert(Arc::new(S::Set::new()?)),
        };
        Ok(Arc::clone(watch))
    }

    /// Closes all connections.
    pub(super) fn close(&mut self) {
        self.handshakes.clear();
    }
}

/// Returns the reason to log for a peer that has sent something where nothing was due.
fn said_first(socket: &impl PeerSocket) -> RefusalReason {
    let mut first = Vec::with_capacity(Hello::PREFIX_LEN);
    // A hello comes whole, or nearly so.
    match socket.receive(&mut first) {
        Ok(Some(Received::Bytes(_))) if Hello::is_begun_by(&first) => {
            RefusalReason::HelloWithoutKey
        }
        _ => RefusalReason::SpeaksFirst,
    }
}

/// How far a handshake has come.
#[derive(Debug)]
enum Progress {
    Waiting,
    Proven,
    /// The connection is dead, and there is nothing to log.
    Gone,
    Refused(RefusalReason),
}

impl Terms<'_> {
    /// Returns the proof that a new connection must give; `None`: it is dead.
    fn due(
        &self,
        socket: &impl PeerSocket,
        peer: IpAddr,
        now: Instant,
    ) -> Result<Option<Due>, RefusalReason> {
        if !self.settings.allows(peer) {
            return Err(RefusalReason::NotAllowed);
        }
        let Some(key) = self.key else {
            let ping = |time| Due::Handshake(Box::new(Handshake::pinged(time, now)));
            return match socket.idle_state() {
                IdleState::Quiet => Ok(Some(self.ping.map_or(Due::Nothing, ping))),
                IdleState::Unread => Err(said_first(socket)),
                IdleState::Closed | IdleState::Broken(_) => Ok(None),
            };
        };
        let Some(port) = socket.local_port() else { return Ok(None) };
        let handshake = Handshake::keyed(key.clone(), port, self.settings.node.clone(), now);
        Ok(Some(Due::Handshake(Box::new(handshake))))
    }
}

impl<S> Found<S> {
    fn note(&mut self, progress: Progress, stream: S, peer: IpAddr, handshake: &Handshake) {
        match progress {
            Progress::Proven => self.stream = Some(stream),
            Progress::Waiting | Progress::Gone => {}
            Progress::Refused(reason) => self.note_refused(peer, reason, handshake),
        }
    }

    fn note_refused(&mut self, peer: IpAddr, reason: RefusalReason, handshake: &Handshake) {
        self.pings_failed += usize::from(handshake.is_ping());
        self.refused.push((peer, reason));
    }
}

/// Has the set report room to send, or something to read, whichever the handshake waits for.
fn report_room<S: PeerSocket>(set: &S::Set, one: &mut InProgress<S>) -> Result<(), NetError> {
    let awaits_room = !one.handshake.unsent().is_empty();
    if awaits_room != one.awaits_room {
        set.report_room(&one.connection, one.number, awaits_room)?;
        one.awaits_room = awaits_room;
    }
    Ok(())
}

/// Sends what is to be sent, receives what has arrived, and answers it.
fn progress(socket: &impl PeerSocket, handshake: &mut Handshake, now: Instant) -> Progress {
    let aborted = |handshake: &Handshake, error| match handshake.aborted(error) {
        Some(reason) => Progress::Refused(reason),
        None => Progress::Gone,
    };
    loop {
        while !handshake.unsent().is_empty() {
            match socket.send(handshake.unsent()) {
                Ok(0) => return Progress::Waiting,
                Ok(count) => handshake.sent(count),
                Err(error) => return aborted(handshake, Some(error)),
            }
        }
        match socket.receive(handshake.buffer()) {
            Ok(None) => return Progress::Waiting,
            Ok(Some(Received::Bytes(_))) => {}
            Ok(Some(Received::End)) => return aborted(handshake, None),
            Err(error) => return aborted(handshake, Some(error)),
        }
        match handshake.advance(net::random, now) {
            Ok(Step::Receive) => {}
            Ok(Step::Send) => {
                // The queue may hold the hello of a container that is gone.
                if matches!(socket.idle_state(), IdleState::Closed | IdleState::Broken(_)) {
                    return Progress::Gone;
                }
            }
            Ok(Step::Proven) => {
                return match socket.idle_state() {
                    IdleState::Quiet => Progress::Proven,
                    IdleState::Unread => Progress::Refused(handshake.too_much()),
                    IdleState::Closed | IdleState::Broken(_) => Progress::Gone,
                };
            }
            Err(reason) => return Progress::Refused(reason),
        }
    }
}

/// The most connections taken out of the queue before the handshakes in progress are continued.
const BATCH: usize = 64;
/// The least time to look into the queue, and for an answer, even if a request may not wait.
pub(super) const MIN_TIME: Duration = Duration::from_millis(100);

#[cfg(test)]
#[path = "reception_tests.rs"]
mod tests;
