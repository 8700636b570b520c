//! The needs on the way to a connection, met by a driver that does not wait in place.

use std::os::fd::{AsFd, BorrowedFd};
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::accepting::InboundSockets;
use super::acquisition::{Connections, Got, Inbound, Need};
use super::packet_question::{AnswerTicket, Question};
use super::{Backend, ConnectSettings, Connection};
use crate::net::{
    Address, BegunWait, ConnectError, Errno, Interest, NetError, PendingStream, Stream, Waker,
    wait_any_readable, wait_writable,
};
use crate::pool::{AcquireError, Acquired, Limits, QueueTicket, Wait};

/// What a request waits for on its way to a connection, from one look to the next. Dropped, it gives up a
/// turn in the queue and closes a socket that is being connected.
#[derive(Debug, Default)]
pub struct PendingNeed {
    pending: Pending,
    /// When the need was first met with.
    since: BegunWait,
    /// Woken when a place comes free; made once for a request.
    waker: Option<Arc<Waker>>,
}

#[derive(Debug, Default)]
enum Pending {
    #[default]
    Nothing,
    Place(QueueTicket<Connection>),
    Connect(PendingStream),
    Answer(AnswerTicket),
    Inbound(InboundSockets),
}

/// Nothing has come of a need so far: look again at this time at the latest; `None`: whenever one of its
/// descriptors is ready.
pub type LookAgain = Option<Instant>;

impl Backend {
    /// Does one step of the way to a connection as far as that goes without waiting. (A name is looked up
    /// in place.)
    ///
    /// # Errors
    /// [`LookAgain`]: the need has not been met, and [`PendingNeed::descriptors`] says what to wait for.
    pub fn supply_now(
        &self,
        need: &Need,
        settings: &ConnectSettings,
        on: &mut dyn Connections<Connection>,
        pending: &mut PendingNeed,
    ) -> Result<Got<Connection>, LookAgain> {
        let now = Instant::now();
        let got = self.try_to_supply(need, settings, on, pending, now);
        if got.is_ok() {
            pending.forget();
        }
        got
    }

    fn try_to_supply(
        &self,
        need: &Need,
        settings: &ConnectSettings,
        on: &mut dyn Connections<Connection>,
        pending: &mut PendingNeed,
        now: Instant,
    ) -> Result<Got<Connection>, LookAgain> {
        let limits = settings.limits;
        match *need {
            Need::Place { .. } => self.place(false, limits, pending, now),
            Need::FreshPlace => self.place(true, limits, pending, now),
            Need::PlaceWithin(time) => {
                let limits = Limits { wait: Wait::For(time), ..limits };
                self.place(false, limits, pending, now)
            }
            Need::Connect(ref address) => pending.connect(address, settings, now).map(|stream| {
                Got::Connected(stream.map(|stream| Box::new(self.adopt(stream, Instant::now()))))
            }),
            Need::Receive(which, time) if !time.is_zero() => {
                let connection = on.connection(which);
                match connection.map_or(Err(NetError::Closed), |c| c.receive_or_rest(time)) {
                    Err(NetError::TimedOut { .. }) => {
                        pending.wait(now, time)?;
                        Ok(Got::Received(Err(NetError::TimedOut { after: time })))
                    }
                    received => Ok(Got::Received(received)),
                }
            }
            Need::Room(which, time) => {
                let room = on.connection(which).map(|c| c.wait_for_room(false, Duration::ZERO));
                match room.unwrap_or(Err(NetError::Closed)) {
                    Ok(ready) if !ready.writable => pending.wait(now, time)?,
                    Ok(_) => {}
                    Err(error) => return Ok(Got::Waited(Err(error))),
                }
                Ok(Got::Waited(Ok(())))
            }
            Need::Either(time) => {
                let sockets = on.pair().map(|pair| pair.map(Connection::stream));
                let looked = sockets.map(|pair| wait_any_readable(&pair, Duration::ZERO));
                match looked.unwrap_or(Err(NetError::Closed)) {
                    Ok(false) => pending.wait(now, time)?,
                    Ok(true) => {}
                    Err(error) => return Ok(Got::Waited(Err(error))),
                }
                Ok(Got::Waited(Ok(())))
            }
            Need::Question(ref question) => pending.answer(question),
            Need::Inbound(ref inbound) => self.inbound(inbound, pending, now),
            Need::Waker => Ok(Got::Waker(pending.waker())),
            _ => Ok(self.supply(need.clone(), settings, on)),
        }
    }

    /// A place in the pool: at once, or when it is this request's turn.
    fn place(
        &self,
        is_fresh: bool,
        limits: Limits,
        pending: &mut PendingNeed,
        now: Instant,
    ) -> Result<Got<Connection>, LookAgain> {
        let taken = match std::mem::take(&mut pending.pending) {
            Pending::Place(ticket) => {
                pending.take_wake_ups();
                ticket.take().map_err(Some)
            }
            _ if limits.wait == Wait::For(Duration::ZERO) => Err(None),
            _ => self.acquire_or_queue(is_fresh, now, &limits, pending),
        };
        let ticket = match taken {
            Ok(acquired) => return Ok(Got::Place(Ok(acquired))),
            Err(Some(ticket)) => ticket,
            // To look once, or without a descriptor to wait with, in place.
            Err(None) => return Ok(Got::Place(self.acquire_in_place(is_fresh, now, &limits))),
        };
        match pending.wait(now, limits.wait.time().unwrap_or(Duration::MAX)) {
            Ok(()) => Ok(Got::Place(ticket.give_up())),
            Err(again) => {
                pending.pending = Pending::Place(ticket);
                Err(again)
            }
        }
    }

    fn acquire_or_queue(
        &self,
        is_fresh: bool,
        now: Instant,
        limits: &Limits,
        pending: &mut PendingNeed,
    ) -> Result<Acquired<Connection>, Option<QueueTicket<Connection>>> {
        let waker = || {
            let waker = pending.waker().ok()?;
            Some(move || waker.wake())
        };
        if is_fresh {
            self.pool.acquire_fresh_or_queue(now, limits, waker)
        } else {
            self.pool.acquire_or_queue(now, limits, waker)
        }
    }

    fn acquire_in_place(
        &self,
        is_fresh: bool,
        now: Instant,
        limits: &Limits,
    ) -> Result<Acquired<Connection>, AcquireError> {
        if is_fresh {
            return self.pool.acquire_fresh(now, limits).map(Acquired::Vacant);
        }
        self.pool.acquire(now, limits)
    }

    /// A container may have opened a connection. Any wake-up ends the wait: the machine looks.
    fn inbound(
        &self,
        inbound: &Inbound,
        pending: &mut PendingNeed,
        now: Instant,
    ) -> Result<Got<Connection>, LookAgain> {
        if let Pending::Inbound(_) = pending.pending {
            while inbound.waker.take_wake_up() {}
            return Ok(Got::Waited(Ok(())));
        }
        let Some(sockets) = self.inbound_sockets(inbound) else {
            return Ok(Got::Waited(Ok(())));
        };
        let over = pending.wait(now, sockets.time());
        pending.pending = Pending::Inbound(sockets);
        over.map(|()| Got::Waited(Ok(())))
    }
}

impl PendingNeed {
    /// The descriptors that this need is about at the moment; nothing changes on their way to
    /// [`supply_now`](Backend::supply_now).
    pub fn descriptors<'a>(
        &'a self,
        need: &Need,
        on: &'a mut dyn Connections<Connection>,
    ) -> Vec<(BorrowedFd<'a>, Interest)> {
        let readable = |descriptor| (descriptor, Interest::READABLE);
        match *need {
            Need::Place { .. } | Need::FreshPlace | Need::PlaceWithin(_) | Need::Question(_) => {
                self.waker.iter().map(|waker| readable(waker.as_fd())).collect()
            }
            Need::Inbound(ref inbound) => {
                let beside = inbound.beside.and_then(|which| on.connection(which));
                let beside = beside.map(|connection| readable(connection.stream().as_fd()));
                match &self.pending {
                    Pending::Inbound(sockets) => {
                        sockets.descriptors().map(readable).chain(beside).collect()
                    }
                    _ => beside.into_iter().collect(),
                }
            }
            Need::Connect(_) => match &self.pending {
                Pending::Connect(stream) => vec![(stream.as_fd(), Interest::WRITABLE)],
                _ => Vec::new(),
            },
            Need::Receive(which, _) => {
                let connection = on.connection(which);
                connection.map(|c| readable(c.stream().as_fd())).into_iter().collect()
            }
            Need::Room(which, _) => {
                let connection = on.connection(which);
                connection.map(|c| (c.stream().as_fd(), Interest::WRITABLE)).into_iter().collect()
            }
            Need::Either(_) => {
                let pair = on.pair().into_iter().flatten();
                pair.map(|c| readable(c.stream().as_fd())).collect()
            }
            _ => Vec::new(),
        }
    }

    /// Drops what was pending, and its time.
    fn forget(&mut self) {
        self.pending = Pending::Nothing;
        self.since.end();
    }

    /// Whether the time of this need is over.
    ///
    /// # Errors
    /// Not yet.
    fn wait(&mut self, now: Instant, time: Duration) -> Result<(), LookAgain> {
        self.since.is_over(now, time)
    }

    /// The waker of this request, with no wake-up pending.
    ///
    /// # Errors
    /// No descriptor is left.
    fn waker(&mut self) -> Result<Arc<Waker>, NetError> {
        let waker = match &self.waker {
            Some(waker) => waker,
            None => {
                let waker = Arc::new(Waker::new()?);
                self.waker.insert(waker)
            }
        };
        let waker = Arc::clone(waker);
        self.take_wake_ups();
        Ok(waker)
    }

    /// Takes the wake-ups so far, before a look: what they tell of is there already. One that is left makes
    /// each further wait end at once, and that of an earlier wait may come at any time.
    fn take_wake_ups(&self) {
        while self.waker.as_ref().is_some_and(|waker| waker.take_wake_up()) {}
    }

    /// Another request asks how large a packet may be; it bounds the time.
    fn answer(&mut self, question: &Arc<Question>) -> Result<Got<Connection>, LookAgain> {
        let answer = match std::mem::take(&mut self.pending) {
            Pending::Answer(ticket) => {
                self.take_wake_ups();
                ticket.take()
            }
            _ => match self.waker() {
                Ok(waker) => question.answer_or_subscribe(move || waker.wake()),
                Err(_) => Ok(question.wait()),
            },
        };
        match answer {
            Ok(failure) => Ok(Got::Answer(failure.map(Box::new))),
            Err(ticket) => {
                self.pending = Pending::Answer(ticket);
                Err(None)
            }
        }
    }

    fn connect(
        &mut self,
        address: &Address,
        settings: &ConnectSettings,
        now: Instant,
    ) -> Result<Result<Stream, ConnectError>, LookAgain> {
        let timeout = settings.options.timeout;
        let begun = match std::mem::take(&mut self.pending) {
            Pending::Connect(stream) => Ok(stream),
            _ => PendingStream::start(address, &settings.options),
        };
        let over = Ok(Err(ConnectError::TimedOut { after: timeout }));
        match begun {
            Ok(stream) => match wait_writable(&stream, Duration::ZERO) {
                Ok(true) => Ok(stream.finish()),
                _ => match self.wait(now, timeout) {
                    Ok(()) => over,
                    Err(again) => {
                        self.pending = Pending::Connect(stream);
                        Err(again)
                    }
                },
            },
            // The backlog of a unix socket is full, and nothing tells when there is room.
            Err(ConnectError::Io(Errno::AGAIN)) => match self.wait(now, timeout) {
                Ok(()) => over,
                Err(again) => {
                    let soon = now + BACKLOG_PAUSE;
                    Err(Some(again.map_or(soon, |until| until.min(soon))))
                }
            },
            Err(error) => Ok(Err(error)),
        }
    }
}

/// Between two attempts to connect to a unix socket whose backlog is full.
const BACKLOG_PAUSE: Duration = Duration::from_millis(20);

#[cfg(test)]
#[path = "pending_need_tests.rs"]
mod tests;
