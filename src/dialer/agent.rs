//! The loop.

use std::collections::BTreeMap;
use std::hash::{BuildHasher, RandomState};
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::time::Instant;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;

use super::Log;
use super::connection::{Around, Connection, End};
use super::container::{Change, Container};
use super::names::Names;
use super::ports::Ports;
use super::settings::Settings;

/// The agent; [`Agent::run`] is all it does.
#[derive(Debug)]
pub struct Agent {
    settings: Settings,
    log: Log,
    ports: Ports,
    names: Names,
    container: Container,
    connections: BTreeMap<u64, Connection>,
    /// Connections dialled so far.
    count: u64,
    /// Set when the agent was told to end: when it ends at the latest.
    drain_until: Option<Instant>,
}

/// How the agent has ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ended {
    /// Connections with a request in progress that were cut.
    pub cut: usize,
}

/// What poll has found, besides connections.
#[derive(Debug, Default)]
struct Found {
    stop: bool,
    names: bool,
    container: bool,
    connections: Vec<u64>,
}

impl Agent {
    /// An agent that has not begun.
    ///
    /// # Errors
    /// Those of a system that has no descriptor or no thread left.
    pub fn new(settings: Settings) -> io::Result<Agent> {
        Ok(Agent {
            log: Log { verbose: settings.verbose },
            ports: Ports::new(&settings, jitter),
            names: Names::new()?,
            container: Container::new(&settings, Instant::now()),
            connections: BTreeMap::new(),
            count: 0,
            drain_until: None,
            settings,
        })
    }

    /// Serves until `stop` becomes readable; then closes what no request needs, and waits for the
    /// rest, `drain_timeout` at most. A second byte in `stop` ends it at once.
    ///
    /// `stop` must not block when it is read.
    ///
    /// # Errors
    /// Those of a system that cannot poll.
    pub fn run(mut self, stop: &OwnedFd) -> io::Result<Ended> {
        self.introduce();
        loop {
            let now = Instant::now();
            if let Some(until) = self.drain_until {
                if self.connections.is_empty() || now >= until {
                    return Ok(self.say_goodbye());
                }
            } else {
                self.dial(now);
            }
            self.tell_news();
            let found = self.wait(stop, now)?;
            let now = Instant::now();
            if found.stop {
                let asked = asked_to_stop(stop);
                if asked > 1 || asked == 1 && self.drain_until.is_some() {
                    return Ok(self.say_goodbye());
                }
                self.begin_drain(now);
            }
            if found.names {
                self.names.receive(now);
            }
            self.step(&found, now);
        }
    }

    fn introduce(&self) {
        let Settings { httpd, container, spare, max, key, node, .. } = &self.settings;
        for ports in httpd {
            self.log.say(format_args!(
                "keeping {spare} spare connections to each port of httpd {ports}{}, for {container}",
                match key {
                    Some(_) => format!(", as node \"{}\"", String::from_utf8_lossy(node)),
                    None => ", without a handshake".to_owned(),
                }
            ));
        }
        let wanted = self.ports.len() * spare;
        if *max < wanted {
            self.log.say(format_args!(
                "warning: --max {max} is less than the {wanted} spare connections to {} ports",
                self.ports.len()
            ));
        }
    }

    fn dial(&mut self, now: Instant) {
        while self.container.is_up() && self.connections.len() < self.settings.max {
            let Some(port) = self.ports.take(now) else { return };
            self.count += 1;
            let number = self.count;
            let around = self.around();
            let connection = Connection::dial(number, port, &around, now);
            self.connections.insert(number, connection);
            self.step_one(number, now);
        }
    }

    /// Polls until something is to be done.
    fn wait(&self, stop: &OwnedFd, now: Instant) -> io::Result<Found> {
        /// What a descriptor belongs to.
        enum Of {
            Stop,
            Names,
            Container,
            Connection(u64),
        }
        let mut owners = vec![Of::Stop, Of::Names];
        let mut fds = vec![
            PollFd::from_borrowed_fd(stop.as_fd(), PollFlags::IN),
            PollFd::from_borrowed_fd(self.names.as_fd(), PollFlags::IN),
        ];
        if let Some(fd) = self.container.writable() {
            owners.push(Of::Container);
            fds.push(PollFd::from_borrowed_fd(fd, PollFlags::OUT));
        }
        for (number, connection) in &self.connections {
            for (fd, flags) in connection.interests() {
                owners.push(Of::Connection(*number));
                fds.push(PollFd::from_borrowed_fd(fd, flags));
            }
        }
        let timeout = self.wake_at().map(|at| timespec(at, now));
        match poll(&mut fds, timeout.as_ref()) {
            Ok(_) => {}
            Err(Errno::INTR) => return Ok(Found::default()),
            Err(errno) => return Err(errno.into()),
        }
        let mut found = Found::default();
        for (of, _) in owners.iter().zip(&fds).filter(|(_, fd)| !fd.revents().is_empty()) {
            match of {
                Of::Stop => found.stop = true,
                Of::Names => found.names = true,
                Of::Container => found.container = true,
                // Both of its descriptors may be ready.
                Of::Connection(number) if found.connections.last() == Some(number) => {}
                Of::Connection(number) => found.connections.push(*number),
            }
        }
        Ok(found)
    }

    fn wake_at(&self) -> Option<Instant> {
        let connections = self.connections.values().filter_map(Connection::wake_at);
        let dialling = self.drain_until.is_none();
        let container = self.container.wake_at().filter(|_| dialling);
        // With no room for a connection, one that ends is what wakes us.
        let room = self.container.is_up() && self.connections.len() < self.settings.max;
        let ports = self.ports.next_look().filter(|_| dialling && room);
        connections.chain(container).chain(ports).chain(self.drain_until).min()
    }

    fn step(&mut self, found: &Found, now: Instant) {
        let due = |connection: &Connection| {
            connection.wake_at().is_some_and(|at| now >= at)
                || found.names && connection.is_connecting()
        };
        let mut numbers = found.connections.clone();
        numbers.extend(self.connections.iter().filter(|(_, c)| due(c)).map(|(n, _)| *n));
        for number in numbers {
            self.step_one(number, now);
        }
        let due = self.container.wake_at().is_some_and(|at| now >= at);
        if self.drain_until.is_none() && (found.container || found.names || due) {
            let change = self.container.step(&mut self.names, now);
            self.container_changed(change, now);
        }
    }

    fn step_one(&mut self, number: u64, now: Instant) {
        let Some(mut connection) = self.connections.remove(&number) else { return };
        match connection.step(&mut self.around(), now) {
            None if self.drain_until.is_some() && !connection.is_in_use() => {
                connection.end(End::Unwanted, &mut self.around(), now);
            }
            None => {
                self.connections.insert(number, connection);
            }
            Some(end) => {
                let why = match &end {
                    End::NoContainer(why) => Some(why.clone()),
                    _ => None,
                };
                connection.end(end, &mut self.around(), now);
                if let Some(why) = why {
                    let change = self.container.failed(why, now);
                    self.container_changed(change, now);
                }
            }
        }
    }

    fn container_changed(&mut self, change: Option<Change>, now: Instant) {
        let container = &self.settings.container;
        match change {
            None => {}
            Some(Change::Up) => {
                self.log.say(format_args!("container {container} can be connected"));
            }
            Some(Change::Down(why)) => {
                self.log.say(format_args!(
                    "container {container} cannot be connected ({why}): httpd gets no connection until it can"
                ));
                self.end_all(|connection| connection.is_spare(), now);
            }
        }
    }

    fn begin_drain(&mut self, now: Instant) {
        self.drain_until = Some(now + self.settings.drain_timeout);
        self.end_all(|connection| !connection.is_in_use(), now);
        self.log.say(format_args!(
            "told to end; requests in progress: {}, waiting for up to {} ms",
            self.connections.len(),
            self.settings.drain_timeout.as_millis()
        ));
    }

    fn end_all(&mut self, which: impl Fn(&Connection) -> bool, now: Instant) {
        let numbers: Vec<u64> =
            self.connections.iter().filter(|(_, c)| which(c)).map(|(number, _)| *number).collect();
        for number in numbers {
            if let Some(connection) = self.connections.remove(&number) {
                connection.end(End::Unwanted, &mut self.around(), now);
            }
        }
    }

    fn say_goodbye(&mut self) -> Ended {
        let cut = self.connections.len();
        match cut {
            0 => self.log.say("ended"),
            _ => self.log.say(format_args!("ended; requests that were cut: {cut}")),
        }
        Ended { cut }
    }

    fn tell_news(&mut self) {
        for news in self.ports.news() {
            match news.is_detail() {
                true => self.log.detail(news),
                false => self.log.say(news),
            }
        }
    }

    fn around(&mut self) -> Around<'_> {
        Around {
            settings: &self.settings,
            ports: &mut self.ports,
            names: &mut self.names,
            container: &self.container,
            log: self.log,
        }
    }
}

/// How many bytes are in `stop`.
fn asked_to_stop(stop: &OwnedFd) -> usize {
    // At its end, with nobody left to ask, it counts as asked.
    rustix::io::read(stop, &mut [0; 16][..]).map_or(0, |count| count.max(1))
}

/// Rounded up, so that the time has come when poll returns.
fn timespec(at: Instant, now: Instant) -> Timespec {
    let left = at.saturating_duration_since(now);
    Timespec {
        tv_sec: left.as_secs().try_into().unwrap_or(i64::MAX),
        tv_nsec: left.subsec_nanos().into(),
    }
}

/// Random enough to keep several agents from dialling in step; no secret.
fn jitter(most: u64) -> u64 {
    // Each has keys of its own.
    RandomState::new().hash_one(most) % most.saturating_add(1).max(1)
}
