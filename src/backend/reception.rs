//! The sockets of those who have dialled in and have yet to show who they are.

use std::net::IpAddr;
use std::os::fd::AsFd;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::cping::Ping;
use super::handshake::{Handshake, Step};
use super::handshakes::Handshakes;
use super::refusal::RefusalReason;
use crate::net::{self, IdleState, NetError, Received, Stream, Watch};

/// The handshakes of one port in this child, shared by the requests that wait there. Nothing here
/// blocks.
#[derive(Debug, Default)]
pub(super) struct Reception {
    handshakes: Handshakes<Stream>,
    /// What is under way; made for the first.
    watch: Option<Arc<Watch>>,
}

/// What one look has brought.
#[derive(Debug, Default)]
pub struct Found {
    /// A connection that is alive, allowed and has shown all that was asked.
    pub(super) stream: Option<Stream>,
    /// CPINGs sent on new connections.
    pub(super) pings_sent: usize,
    /// CPINGs that were not answered as they must be, now or sent earlier.
    pub(super) pings_failed: usize,
    /// Who was sent away.
    pub(super) refused: Vec<(IpAddr, RefusalReason)>,
}

/// What a new connection must show.
#[derive(Debug)]
pub(super) enum Due {
    /// No more than that it is alive.
    Nothing,
    Handshake(Box<Handshake>),
    /// CPONG, within this time.
    CPong(Duration),
}

impl Reception {
    /// Goes on with the handshakes for which something has come, up to the first that is proven, and
    /// ends those whose time is over.
    pub(super) fn go_on(&mut self, now: Instant, found: &mut Found) -> Result<(), NetError> {
        let Some(watch) = &self.watch else { return Ok(()) };
        // What has come in time counts, however late this look is.
        for number in watch.readable()? {
            let Some(one) = self.handshakes.get_mut(number) else { continue };
            let progress = advance(&one.connection, &mut one.handshake, now);
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
        while let Some(one) = self.handshakes.remove_ended(now) {
            found.note_refused(one.peer, one.handshake.silent(), &one.handshake);
        }
        Ok(())
    }

    /// Takes one in that was just accepted.
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
        // Its hello is here already, as a rule.
        match advance(&stream, &mut handshake, now) {
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

    /// Is another connection to be taken out of the queue?
    pub(super) fn want_another(&self, waiting: usize, now: Instant) -> bool {
        self.handshakes.want_another(waiting, now)
    }

    /// When time alone changes something.
    pub(super) fn next_change(&self, now: Instant) -> Option<Instant> {
        self.handshakes.next_change(now)
    }

    /// Has anybody been asked something that may still be answered?
    pub(super) fn is_any_asked(&self) -> bool {
        self.handshakes.is_any_asked()
    }

    /// Is nothing under way?
    pub(super) fn is_empty(&self) -> bool {
        self.handshakes.is_empty()
    }

    /// What to wait for.
    pub(super) fn watch(&self) -> Option<Arc<Watch>> {
        self.watch.clone()
    }

    /// Sends everybody away.
    pub(super) fn close(&mut self) {
        self.handshakes.clear();
    }
}

/// How far one has come.
#[derive(Debug)]
enum Progress {
    Waiting,
    Proven,
    /// It died, and there is nothing to be said of it.
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

/// Receives what is there, and answers it.
fn advance(stream: &Stream, handshake: &mut Handshake, now: Instant) -> Progress {
    let broken_off = |handshake: &Handshake, error| match handshake.broken_off(error) {
        Some(reason) => Progress::Refused(reason),
        None => Progress::Gone,
    };
    loop {
        match net::receive_now(stream.as_fd(), handshake.buffer()) {
            Ok(None) => return Progress::Waiting,
            Ok(Some(Received::Bytes(_))) => {}
            Ok(Some(Received::End)) => return broken_off(handshake, None),
            Err(error) => return broken_off(handshake, Some(error)),
        }
        match handshake.advance(net::random, now) {
            Ok(Step::Receive) => {}
            Ok(Step::Send(packet)) => {
                // A container that has ended may have left its hello in the queue.
                if matches!(stream.idle_state(), IdleState::Closed | IdleState::Broken(_)) {
                    return Progress::Gone;
                }
                // A new socket has room for it.
                if let Err(error) = stream.send_all(&[&packet], Duration::ZERO) {
                    return broken_off(handshake, Some(error.source));
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
