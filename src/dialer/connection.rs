//! One connection to httpd, from the first SYN to the end.

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
use super::waiting::{Came, Waiting};

/// What a connection needs of its surroundings.
#[derive(Debug)]
pub(super) struct Around<'a> {
    pub(super) settings: &'a Settings,
    pub(super) ports: &'a mut Ports,
    pub(super) names: &'a mut Names,
    pub(super) container: &'a Container,
    pub(super) log: Log,
}

/// One connection to httpd.
#[derive(Debug)]
pub(super) struct Connection {
    /// For the log.
    number: u64,
    port: PortId,
    /// Its place in the books, from when it is established.
    link: Option<Link>,
    state: State,
}

#[derive(Debug)]
enum State {
    Dialling(Attempt),
    Waiting(Waiting),
    /// The container is being connected; httpd waits with these bytes sent.
    Joining(Waiting, Vec<u8>, Attempt),
    Joined(Box<Splice>),
    /// Between two states.
    Gone,
}

/// Why a connection is over.
#[derive(Debug)]
pub(super) enum End {
    /// httpd could not be connected.
    NotOpened(String),
    /// This side refuses what came in the handshake.
    Refused(String),
    /// The container could not be connected.
    NoContainer(String),
    /// httpd or the container has closed it.
    Closed,
    /// The agent wants it no more.
    Unwanted,
}

impl Connection {
    /// Begins to dial.
    pub(super) fn dial(number: u64, port: PortId, around: &Around<'_>, now: Instant) -> Connection {
        let (host, port_number) = around.ports.address(port);
        let target = ContainerAddress::Inet { host: host.to_owned(), port: port_number };
        let attempt = Attempt::new(target, around.settings.connect_timeout, now);
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

    /// When it must be looked at, whatever the descriptors say.
    pub(super) fn wake_at(&self) -> Option<Instant> {
        match &self.state {
            State::Dialling(attempt) | State::Joining(_, _, attempt) => Some(attempt.wake_at()),
            State::Waiting(waiting) => waiting.wake_at(),
            State::Joined(splice) => splice.wake_at(),
            State::Gone => None,
        }
    }

    /// Whether a name may be what it waits for.
    pub(super) fn is_connecting(&self) -> bool {
        matches!(self.state, State::Dialling(_) | State::Joining(..))
    }

    /// Whether a request is on its way or may be: nobody may close it without need.
    pub(super) fn is_in_use(&self) -> bool {
        match &self.state {
            State::Joining(..) => true,
            State::Joined(splice) => !splice.may_end(),
            _ => false,
        }
    }

    /// Whether it waits for its first request: of no use while the container is away.
    pub(super) fn is_spare(&self) -> bool {
        match &self.state {
            State::Dialling(_) => true,
            State::Waiting(waiting) => !waiting.is_shaking_hands(),
            _ => false,
        }
    }

    /// Goes as far as it can without waiting; says when it is over.
    pub(super) fn step(&mut self, around: &mut Around<'_>, now: Instant) -> Option<End> {
        loop {
            match std::mem::replace(&mut self.state, State::Gone) {
                State::Dialling(mut attempt) => match attempt.step(around.names, now) {
                    Step::Waiting => return self.stay(State::Dialling(attempt)),
                    Step::Failed(why) => return Some(End::NotOpened(why)),
                    Step::Connected(front) => {
                        self.link = Some(around.ports.opened(self.port, now));
                        self.tell(around, "is open");
                        let (_, number) = around.ports.address(self.port);
                        match Waiting::begin(front, number, around.settings) {
                            Ok(waiting) => self.state = State::Waiting(waiting),
                            Err(error) => {
                                self.tell(around, &format!("cannot begin: {error}"));
                                return Some(End::Closed);
                            }
                        }
                    }
                },
                State::Waiting(mut waiting) => match waiting.read(now) {
                    Came::Nothing => return self.stay(State::Waiting(waiting)),
                    Came::End => return Some(End::Closed),
                    Came::Refused(why) => return Some(End::Refused(why)),
                    Came::Challenged => {
                        self.busy(around);
                        self.state = State::Waiting(waiting);
                    }
                    Came::Accepted => {
                        self.tell(around, "has its handshake done");
                        if let Some(link) = &mut self.link {
                            around.ports.accepted(link, now);
                        }
                        self.state = State::Waiting(waiting);
                    }
                    Came::Request(first) => {
                        self.busy(around);
                        let attempt = around.container.connect(now);
                        self.state = State::Joining(waiting, first, attempt);
                    }
                },
                State::Joining(waiting, first, mut attempt) => {
                    match attempt.step(around.names, now) {
                        Step::Waiting => {
                            return self.stay(State::Joining(waiting, first, attempt));
                        }
                        Step::Failed(why) => return Some(End::NoContainer(why)),
                        Step::Connected(back) => {
                            self.tell(around, "is joined to the container");
                            let splice = Splice::new(waiting.into_front(), back, first, now);
                            self.state = State::Joined(Box::new(splice));
                        }
                    }
                }
                State::Joined(mut splice) => {
                    if !splice.pump(now) {
                        return Some(End::Closed);
                    }
                    self.note_rest(splice.at_rest(), around);
                    return self.stay(State::Joined(splice));
                }
                State::Gone => return Some(End::Closed),
            }
        }
    }

    /// Closes it and strikes it from the books.
    pub(super) fn end(self, end: End, around: &mut Around<'_>, now: Instant) {
        match &end {
            End::Refused(why) | End::NoContainer(why) => {
                self.tell(around, &format!("is closed: {why}"));
            }
            End::Closed => self.tell(around, "is closed"),
            // The port's own line tells of the first; the others are many and as wanted.
            End::NotOpened(_) | End::Unwanted => {}
        }
        match (self.link, end) {
            (None, End::NotOpened(why)) => around.ports.failed(self.port, why, now),
            (None, _) => around.ports.given_up(self.port),
            (Some(link), End::Closed) => around.ports.closed(link, now),
            (Some(link), End::Refused(why)) => around.ports.refused(link, why, now),
            (Some(link), _) => around.ports.left(link),
        }
    }

    fn stay(&mut self, state: State) -> Option<End> {
        self.state = state;
        None
    }

    fn busy(&mut self, around: &mut Around<'_>) {
        if let Some(link) = &mut self.link {
            around.ports.busy(link);
        }
    }

    fn note_rest(&mut self, at_rest: bool, around: &mut Around<'_>) {
        let Some(link) = &mut self.link else { return };
        match (link.usage(), at_rest) {
            (Use::Busy, true) => around.ports.idle(link),
            (Use::Idle, false) => around.ports.busy(link),
            _ => {}
        }
    }

    fn tell(&self, around: &Around<'_>, what: &str) {
        if around.log.verbose {
            around.log.detail(self.line(around.ports, what));
        }
    }

    fn line(&self, ports: &Ports, what: &str) -> String {
        format!("connection {} to httpd {} {what}", self.number, ports.name(self.port))
    }
}
