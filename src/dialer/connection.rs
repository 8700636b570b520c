//! One connection to httpd, from connect to close.

use std::os::fd::{AsFd, BorrowedFd};
use std::time::Instant;

use rustix::event::PollFlags;

use super::Log;
use super::attempt::{Attempt, Step};
use super::container::Container;
use super::names::Names;
use super::ports::{Link, PortId, Ports, Use};
use super::settings::{ContainerAddress, Settings};
use super::splice::Splice;
use super::waiting::{Received, Waiting};

/// The parts of the agent that a connection uses.
#[derive(Debug)]
pub(super) struct Context<'a> {
    pub(super) settings: &'a Settings,
    pub(super) ports: &'a mut Ports,
    pub(super) names: &'a mut Names,
    pub(super) container: &'a Container,
    pub(super) log: Log,
}

/// One connection to httpd.
#[derive(Debug)]
pub(super) struct Connection {
    /// Its number, for the log.
    number: u64,
    port: PortId,
    /// Its entry in [`Ports`], once it is established.
    link: Option<Link>,
    state: State,
}

#[derive(Debug)]
enum State {
    Dialling(Attempt),
    Waiting(Waiting),
    /// The container is being connected to; httpd has sent these bytes and waits.
    Joining(Waiting, Vec<u8>, Attempt),
    Joined(Box<Splice>),
    /// Placeholder while the state changes.
    Gone,
}

/// Why a connection ended.
#[derive(Debug)]
pub(super) enum End {
    /// Connecting to httpd failed.
    NotOpened(String),
    /// This side refused what httpd sent in the handshake.
    Refused(String),
    /// Connecting to the container failed.
    NoContainer(String),
    /// httpd or the container has closed it.
    Closed,
    /// The agent no longer needs it.
    Unwanted,
}

impl Connection {
    /// Starts to connect to httpd.
    pub(super) fn dial(
        number: u64,
        port: PortId,
        context: &Context<'_>,
        now: Instant,
    ) -> Connection {
        let (host, port_number) = context.ports.address(port);
        let target = ContainerAddress::Inet { host: host.to_owned(), port: port_number };
        let attempt = Attempt::new(target, context.settings.connect_timeout, now);
        Connection { number, port, link: None, state: State::Dialling(attempt) }
    }

    /// The descriptors to poll.
    pub(super) fn interests(&self) -> Vec<(BorrowedFd<'_>, PollFlags)> {
        match &self.state {
            State::Dialling(attempt) | State::Joining(_, _, attempt) => {
                attempt.writable().map(|fd| (fd, PollFlags::OUT)).into_iter().collect()
            }
            State::Waiting(waiting) => vec![(waiting.as_fd(), PollFlags::IN)],
            State::Joined(splice) => splice.interests().collect(),
            State::Gone => Vec::new(),
        }
    }

    /// When [`Connection::step`] is due even if no descriptor is ready.
    pub(super) fn wake_at(&self) -> Option<Instant> {
        match &self.state {
            State::Dialling(attempt) | State::Joining(_, _, attempt) => Some(attempt.wake_at()),
            State::Waiting(waiting) => waiting.wake_at(),
            State::Joined(splice) => splice.wake_at(),
            State::Gone => None,
        }
    }

    /// Whether it may be waiting for a name to be resolved.
    pub(super) fn is_connecting(&self) -> bool {
        matches!(self.state, State::Dialling(_) | State::Joining(..))
    }

    /// Whether a request is, or may be, in progress, so that it must not be closed without need.
    pub(super) fn is_in_use(&self) -> bool {
        match &self.state {
            State::Joining(..) => true,
            State::Joined(splice) => !splice.may_end(),
            _ => false,
        }
    }

    /// Whether it waits for its first request; useless while the container is unreachable.
    pub(super) fn is_spare(&self) -> bool {
        match &self.state {
            State::Dialling(_) => true,
            State::Waiting(waiting) => !waiting.is_shaking_hands(),
            _ => false,
        }
    }

    /// Continues as far as possible without waiting. Returns how it ended, if it did.
    pub(super) fn step(&mut self, context: &mut Context<'_>, now: Instant) -> Option<End> {
        loop {
            match std::mem::replace(&mut self.state, State::Gone) {
                State::Dialling(mut attempt) => match attempt.step(context.names, now) {
                    Step::Waiting => return self.stay(State::Dialling(attempt)),
                    Step::Failed(why) => return Some(End::NotOpened(why)),
                    Step::Connected(front) => {
                        self.link = Some(context.ports.opened(self.port, now));
                        self.log_detail(context, "is open");
                        let (_, number) = context.ports.address(self.port);
                        match Waiting::begin(front, number, context.settings) {
                            Ok(waiting) => self.state = State::Waiting(waiting),
                            Err(error) => {
                                self.log_detail(context, &format!("cannot start: {error}"));
                                return Some(End::Closed);
                            }
                        }
                    }
                },
                State::Waiting(mut waiting) => match waiting.read(now) {
                    Received::Nothing => return self.stay(State::Waiting(waiting)),
                    Received::End => return Some(End::Closed),
                    Received::Refused(why) => return Some(End::Refused(why)),
                    Received::Challenged => {
                        self.busy(context);
                        self.state = State::Waiting(waiting);
                    }
                    Received::Accepted => {
                        self.log_detail(context, "has completed its handshake");
                        if let Some(link) = &mut self.link {
                            context.ports.accepted(link, now);
                        }
                        self.state = State::Waiting(waiting);
                    }
                    Received::Request(first) => {
                        if let Some(link) = &mut self.link {
                            context.ports.requested(link);
                        }
                        let attempt = context.container.connect(now);
                        self.state = State::Joining(waiting, first, attempt);
                    }
                },
                State::Joining(waiting, first, mut attempt) => {
                    match attempt.step(context.names, now) {
                        Step::Waiting => {
                            return self.stay(State::Joining(waiting, first, attempt));
                        }
                        Step::Failed(why) => return Some(End::NoContainer(why)),
                        Step::Connected(back) => {
                            self.log_detail(context, "is joined to the container");
                            let splice = Splice::new(waiting.into_front(), back, first, now);
                            self.state = State::Joined(Box::new(splice));
                        }
                    }
                }
                State::Joined(mut splice) => {
                    if !splice.pump(now) {
                        return Some(End::Closed);
                    }
                    self.update_use(splice.is_idle(), context);
                    return self.stay(State::Joined(splice));
                }
                State::Gone => return Some(End::Closed),
            }
        }
    }

    /// Closes it and removes it from [`Ports`].
    pub(super) fn end(self, end: End, context: &mut Context<'_>, now: Instant) {
        match &end {
            End::Refused(why) | End::NoContainer(why) => {
                self.log_detail(context, &format!("is closed: {why}"));
            }
            End::Closed => self.log_detail(context, "is closed"),
            // The port logs the first itself; the second happens often and is intended.
            End::NotOpened(_) | End::Unwanted => {}
        }
        match (self.link, end) {
            (None, End::NotOpened(why)) => context.ports.failed(self.port, why, now),
            (None, _) => context.ports.given_up(self.port),
            (Some(link), End::Closed) => context.ports.closed(link, now),
            (Some(link), End::Refused(why)) => context.ports.refused(link, why, now),
            (Some(link), _) => context.ports.left(link),
        }
    }

    fn stay(&mut self, state: State) -> Option<End> {
        self.state = state;
        None
    }

    fn busy(&mut self, context: &mut Context<'_>) {
        if let Some(link) = &mut self.link {
            context.ports.busy(link);
        }
    }

    fn update_use(&mut self, is_idle: bool, context: &mut Context<'_>) {
        let Some(link) = &mut self.link else { return };
        match (link.usage(), is_idle) {
            (Use::Busy, true) => context.ports.idle(link),
            (Use::Idle, false) => context.ports.busy(link),
            _ => {}
        }
    }

    fn log_detail(&self, context: &Context<'_>, what: &str) {
        if context.log.verbose {
            context.log.detail(self.line(context.ports, what));
        }
    }

    fn line(&self, ports: &Ports, what: &str) -> String {
        format!("connection {} to httpd {} {what}", self.number, ports.name(self.port))
    }
}
