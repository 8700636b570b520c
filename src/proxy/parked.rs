//! The driver that gives its thread back wherever the machine of a request has to wait.

use std::os::fd::{AsFd, BorrowedFd};
use std::time::{Duration, Instant};

use super::blocking;
use super::conversation::{Context, Conversation, Do, What};
use super::{Client, ClientError, Failure, Finished, Traffic};
use crate::backend::{Connection, PendingNeed};
use crate::net::{BegunWait, Interest, NetError, Ready, WaitSet};

/// A client that need not be waited for.
pub trait PatientClient: Client {
    /// Nothing of the request body is left to be read: from here on the client has nothing to say.
    fn has_sent_all(&self) -> bool;

    /// Hands over of what has been appended as much as the client takes without being waited for.
    /// `true`: that was all.
    ///
    /// # Errors
    /// As [`pass`](Client::pass).
    fn pass_some(&mut self) -> Result<bool, ClientError>;

    /// Something that has been handed over has not left yet: tries again to send it, and returns whether
    /// some of it is still there.
    ///
    /// # Errors
    /// As [`pass`](Client::pass).
    fn push(&mut self) -> Result<bool, ClientError>;
}

/// One request that waits without a thread.
///
/// [`advance`](Self::advance) goes on as far as it can. What is waited for then is put into a [`WaitSet`]
/// by [`arm`](Self::arm); whichever thread finds that readable calls [`disarm`](Self::disarm) and
/// goes on. In between the value may move to another thread. Dropped, it closes its connections and
/// gives up its place in every queue.
#[derive(Debug)]
pub struct ParkedRequest {
    conversation: Conversation<Connection>,
    need: PendingNeed,
    /// When the present wait began, and with it its time.
    since: BegunWait,
    /// The flush of the present pass has been appended.
    is_passing: bool,
    /// There is no descriptor left to wait with.
    waits_in_place: bool,
}

/// How far a request has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Progress {
    /// To its end.
    Ended,
    /// It has to wait.
    Waits {
        /// No longer than this; `None`: as long as it takes.
        until: Option<Instant>,
        /// Also for room to send to the client.
        for_client: bool,
    },
}

impl ParkedRequest {
    /// Begins; nothing has been done yet.
    pub fn new<C: Client>(context: &Context<'_, C>) -> Self {
        Self {
            conversation: Conversation::new(context),
            need: PendingNeed::default(),
            since: BegunWait::default(),
            is_passing: false,
            waits_in_place: false,
        }
    }

    /// Goes on until the end, or to the next wait. It waits in place within an attempt as long as the client
    /// has not sent all, and where it [asks for others](Conversation::asks_for_others), too.
    pub fn advance<C: PatientClient>(&mut self, context: &mut Context<'_, C>) -> Progress {
        loop {
            let todo = self.conversation.next(context);
            let is_in_place = self.waits_in_place
                || self.conversation.asks_for_others()
                || self.conversation.connection().is_some() && !context.client.has_sent_all();
            let what = match (todo, is_in_place) {
                (Do::Done, _) => return Progress::Ended,
                (todo, true) => {
                    blocking::step(todo, &mut self.conversation, context);
                    continue;
                }
                (Do::Receive { time, .. }, _) if !time.is_zero() => self.receive(time),
                (Do::Wait { readable, writable, time }, _) => self.wait(readable, writable, time),
                (Do::Pass { flush }, _) => self.pass(flush, context),
                (Do::Pause(time), _) => self.until(time).map(|()| What::Paused),
                (Do::Connection(need), _) => {
                    let connect = &context.settings.connect;
                    match self.conversation.connections() {
                        Some(on) => {
                            let got =
                                context.backend.supply_now(&need, connect, on, &mut self.need);
                            got.map(What::Connection)
                        }
                        None => Ok(What::Paused),
                    }
                }
                (todo, _) => {
                    blocking::step(todo, &mut self.conversation, context);
                    continue;
                }
            };
            let what = match what {
                Ok(what) => what,
                // Nothing that the client could have by now is kept back while something is waited for.
                Err(until) => match context.client.push() {
                    Ok(has_rest) => {
                        return Progress::Waits { until, for_client: has_rest || self.is_passing };
                    }
                    Err(_) => What::ClientGone,
                },
            };
            self.since.end();
            self.conversation.got(what, context);
        }
    }

    /// Puts what it waits for into a set.
    ///
    /// # Errors
    /// A limit of the operating system: from here on the request waits in place.
    pub fn arm<C: Client>(
        &mut self,
        context: &Context<'_, C>,
        set: &WaitSet,
    ) -> Result<(), NetError> {
        let added = self
            .descriptors(context)
            .into_iter()
            .try_for_each(|(descriptor, interest)| set.add(descriptor, interest));
        if added.is_err() {
            self.disarm(context, set);
            self.wait_in_place();
        }
        added
    }

    /// From here on it waits in place, as there is nothing to wait with.
    pub fn wait_in_place(&mut self) {
        self.waits_in_place = true;
        self.need = PendingNeed::default();
    }

    /// Takes it out again.
    pub fn disarm<C: Client>(&mut self, context: &Context<'_, C>, set: &WaitSet) {
        for (descriptor, _) in self.descriptors(context) {
            set.remove(descriptor);
        }
    }

    /// The client has room: it has its time again.
    pub fn client_is_ready(&mut self) {
        if self.is_passing {
            self.since.end();
        }
    }

    /// The client has closed its connection: the request ends, and so does its connection.
    pub fn client_gone<C: Client>(&mut self, context: &mut Context<'_, C>) {
        self.conversation.got(What::ClientGone, context);
        self.need = PendingNeed::default();
    }

    /// How it ended, and what it cost, after [`Progress::Ended`].
    pub fn take_end(&mut self) -> (Result<Finished, Failure>, Traffic) {
        self.conversation.take_end()
    }

    /// The descriptors of the present wait.
    fn descriptors<C: Client>(
        &mut self,
        context: &Context<'_, C>,
    ) -> Vec<(BorrowedFd<'_>, Interest)> {
        let interest = match self.conversation.next(context) {
            Do::Receive { .. } => Interest::READABLE,
            Do::Wait { readable, writable, .. } => Interest { readable, writable },
            Do::Connection(need) => {
                let on = self.conversation.connections();
                return on.map_or(Vec::new(), |on| self.need.descriptors(&need, on));
            }
            _ => return Vec::new(),
        };
        let connection: Option<&Connection> = self.conversation.connection().map(|it| &*it);
        connection.map(|connection| (connection.as_fd(), interest)).into_iter().collect()
    }

    fn receive(&mut self, time: Duration) -> Result<What<Connection>, Option<Instant>> {
        let connection = self.conversation.connection();
        let received = connection.map_or(Err(NetError::Closed), |c| c.receive_or_rest(time));
        if let Err(NetError::TimedOut { .. }) = received {
            self.until(time)?;
        }
        Ok(What::Received(received))
    }

    fn wait(
        &mut self,
        readable: bool,
        writable: bool,
        time: Duration,
    ) -> Result<What<Connection>, Option<Instant>> {
        let connection = self.conversation.connection();
        let ready = connection.map_or(Err(NetError::Closed), |connection| match writable {
            true => connection.wait_for_room(readable, Duration::ZERO),
            false => connection
                .wait_readable(Duration::ZERO)
                .map(|readable| Ready { readable, writable: false }),
        });
        if ready.is_ok_and(Ready::is_nothing) {
            self.until(time)?;
        }
        Ok(What::Ready(ready))
    }

    fn pass<C: PatientClient>(
        &mut self,
        flush: bool,
        context: &mut Context<'_, C>,
    ) -> Result<What<Connection>, Option<Instant>> {
        if flush && !self.is_passing {
            context.client.append_flush();
        }
        self.is_passing = true;
        let passed = match context.client.pass_some() {
            Ok(true) => Ok(()),
            Ok(false) => match self.until(context.client.patience()) {
                Ok(()) => Err(ClientError::Gone),
                Err(until) => return Err(until),
            },
            Err(error) => Err(error),
        };
        self.is_passing = false;
        Ok(What::Passed(passed))
    }

    /// Whether so much time has passed since the present wait began.
    ///
    /// # Errors
    /// Not yet: when it will have.
    fn until(&mut self, time: Duration) -> Result<(), Option<Instant>> {
        self.since.is_over(Instant::now(), time)
    }
}

const _: () = {
    const fn is_send<T: Send>() {}
    is_send::<ParkedRequest>();
};
