//! Reverse connections that have been accepted, but not yet proved to be a container's.

use std::net::IpAddr;
use std::os::fd::AsFd;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::cping::Ping;
use super::handshake::{Handshake, Step};
use super::handshakes::Handshakes;
use super::refusal::RefusalReason;
use crate::net::{self, IdleState, NetError, Received, Stream, Watch};

/// The handshakes of one port in this child, with their sockets; shared by the requests that wait there.
/// Nothing here blocks.
#[derive(Debug, Default)]
pub(super) struct Reception {
    handshakes: Handshakes<Stream>,
    /// The sockets of the handshakes in progress; made with the first.
    watch: Option<Arc<Watch>>,
}

/// The result of looking for a connection once.
#[derive(Debug, Default)]
pub struct Found {
    /// A connection that is alive, allowed and verified.
    pub(super) stream: Option<Stream>,
    /// CPINGs sent on new connections.
    pub(super) pings_sent: usize,
    /// CPINGs that were not answered by CPONG, including those sent earlier.
    pub(super) pings_failed: usize,
    /// Peers that were refused.
    pub(super) refused: Vec<(IpAddr, RefusalReason)>,
}

/// The proof that a new connection must give.
#[derive(Debug)]
pub(super) enum Due {
    /// None: it need only be alive.
    Nothing,
    /// This handshake.
    Handshake(Box<Handshake>),
    /// CPONG, within this time.
    CPong(Duration),
}

impl Reception {
    /// Continues the handshakes whose peers have sent something, up to the first that is proven, and ends
    /// those that have timed out.
    pub(super) fn advance(&mut self, now: Instant, found: &mut Found) -> Result<(), NetError> {
        let Some(watch) = &self.watch else { return Ok(()) };
        // What was sent in time counts, however late it is read.
        for number in watch.readable()? {
            let Some(one) = self.handshakes.get_mut(number) else { continue };
            let progress = progress(&one.connection, &mut one.handshake, now);
            if matches!(progress, Progress::Waiting) {
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

    /// Adds a connection that has just been accepted.
    pub(super) fn admit(
        &mut self,
        stream: Stream,
        peer: IpAddr,
        due: Due,
        now: Instant,
        found: &mut Found,
    ) -> Result<(), NetError> {
        let mut handshake = match due {
            Due::Nothing => {
                found.stream = Some(stream);
                return Ok(());
            }
            Due::Handshake(handshake) => *handshake,
            Due::CPong(time) => {
                found.pings_sent += 1;
                if let Err(error) = Ping::send(&stream) {
                    found.pings_failed += 1;
                    found.refused.push((peer, error.into()));
                    return Ok(());
                }
                Handshake::pinged(time, now)
            }
        };
        // Usually its hello has already been received.
        match progress(&stream, &mut handshake, now) {
            Progress::Waiting => {}
            progress => {
                found.note(progress, stream, peer, &handshake);
                return Ok(());
            }
        }
        let watch = match &self.watch {
            Some(watch) => watch,
            None => self.watch.insert(Arc::new(Watch::new()?)),
        };
        let (one, displaced) = self.handshakes.insert(stream, peer, handshake, now);
        let number = one.number;
        let watched = watch.add(&one.connection, number);
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

    /// Returns the sockets to wait for.
    pub(super) fn watch(&self) -> Option<Arc<Watch>> {
        self.watch.clone()
    }

    /// Closes all connections.
    pub(super) fn close(&mut self) {
        self.handshakes.clear();
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

impl Found {
    fn note(&mut self, progress: Progress, stream: Stream, peer: IpAddr, handshake: &Handshake) {
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

/// Receives what has arrived, and answers it.
fn progress(stream: &Stream, handshake: &mut Handshake, now: Instant) -> Progress {
    let aborted = |handshake: &Handshake, error| match handshake.aborted(error) {
        Some(reason) => Progress::Refused(reason),
        None => Progress::Gone,
    };
    loop {
        match net::receive_now(stream.as_fd(), handshake.buffer()) {
            Ok(None) => return Progress::Waiting,
            Ok(Some(Received::Bytes(_))) => {}
            Ok(Some(Received::End)) => return aborted(handshake, None),
            Err(error) => return aborted(handshake, Some(error)),
        }
        match handshake.advance(net::random, now) {
            Ok(Step::Receive) => {}
            Ok(Step::Send(packet)) => {
                // The queue may hold the hello of a container that is gone.
                if matches!(stream.idle_state(), IdleState::Closed | IdleState::Broken(_)) {
                    return Progress::Gone;
                }
                // A new socket has room for it.
                if let Err(error) = stream.send_all(&[&packet], Duration::ZERO) {
                    return aborted(handshake, Some(error.source));
                }
            }
            Ok(Step::Proven) => {
                return match stream.idle_state() {
                    IdleState::Quiet => Progress::Proven,
                    IdleState::Unread => Progress::Refused(handshake.too_much()),
                    IdleState::Closed | IdleState::Broken(_) => Progress::Gone,
                };
            }
            Err(reason) => return Progress::Refused(reason),
        }
    }
}
