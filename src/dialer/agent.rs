//! The event loop of the agent.

use std::collections::BTreeMap;
use std::hash::{BuildHasher, RandomState};
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::time::Instant;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;

use super::Log;
use super::connection::{Connection, Context, End};
use super::container::{Change, Container};
use super::names::Names;
use super::ports::Ports;
use super::settings::Settings;

/// The agent. [`Agent::run`] does all its work.
#[derive(Debug)]
pub struct Agent {
    settings: Settings,
    log: Log,
    ports: Ports,
    names: Names,
    container: Container,
    connections: BTreeMap<u64, Connection>,
    /// Connections opened so far; gives each its number.
    count: u64,
    /// The latest time to stop; set once the agent was told to stop.
    drain_until: Option<Instant>,
}

/// The result of a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ended {
    /// Connections that were cut off while a request was in progress.
    pub cut: usize,
}

/// The descriptors that `poll` reported.
#[derive(Debug, Default)]
struct Ready {
    stop: bool,
    names: bool,
    container: bool,
    connections: Vec<u64>,
}

impl Agent {
    /// Creates an agent; [`Agent::run`] starts it.
    ///
    /// # Errors
    /// The system has no descriptor or no thread left.
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

    /// Runs until `stop` becomes readable; then closes the connections that serve no request, and
    /// waits up to `drain_timeout` for the others. A second byte in `stop` ends the wait.
    ///
    /// `stop` must be non-blocking.
    ///
    /// # Errors
    /// `poll` failed.
    pub fn run(mut self, stop: &OwnedFd) -> io::Result<Ended> {
        self.log_settings();
        loop {
            let now = Instant::now();
            if let Some(until) = self.drain_until {
                if self.connections.is_empty() || now >= until {
                    return Ok(self.finish());
                }
            } else {
                self.dial(now);
            }
            self.log_changes();
            let ready = self.wait(stop, now)?;
            let now = Instant::now();
            if ready.stop {
                let asked = read_stop(stop);
                if asked > 1 || asked == 1 && self.drain_until.is_some() {
                    return Ok(self.finish());
                }
                self.begin_drain(now);
            }
            if ready.names {
                self.names.receive(now);
            }
            self.step(&ready, now);
        }
    }

    fn log_settings(&self) {
        let Settings { httpd, container, spare, max, key, node, .. } = &self.settings;
        for ports in httpd {
            self.log.say(format_args!(
                "keeping {spare} spare connections to each port of httpd {ports} for container {container}{}",
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
            let context = self.context();
            let connection = Connection::dial(number, port, &context, now);
            self.connections.insert(number, connection);
            self.step_one(number, now);
        }
    }

    /// Polls until a descriptor is ready or a deadline is reached.
    fn wait(&self, stop: &OwnedFd, now: Instant) -> io::Result<Ready> {
        /// The owner of a descriptor.
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
            Err(Errno::INTR) => return Ok(Ready::default()),
            Err(errno) => return Err(errno.into()),
        }
        let mut ready = Ready::default();
        for (of, _) in owners.iter().zip(&fds).filter(|(_, fd)| !fd.revents().is_empty()) {
            match of {
                Of::Stop => ready.stop = true,
                Of::Names => ready.names = true,
                Of::Container => ready.container = true,
                // Both of its descriptors may be ready.
                Of::Connection(number) if ready.connections.last() == Some(number) => {}
                Of::Connection(number) => ready.connections.push(*number),
            }
        }
        Ok(ready)
    }

    fn wake_at(&self) -> Option<Instant> {
        let connections = self.connections.values().filter_map(Connection::wake_at);
        let dialling = self.drain_until.is_none();
        let container = self.container.wake_at().filter(|_| dialling);
        // Without room for another connection, the end of one wakes the loop.
        let room = self.container.is_up() && self.connections.len() < self.settings.max;
        let ports = self.ports.next_look().filter(|_| dialling && room);
        connections.chain(container).chain(ports).chain(self.drain_until).min()
    }

    fn step(&mut self, ready: &Ready, now: Instant) {
        let due = |connection: &Connection| {
            connection.wake_at().is_some_and(|at| now >= at)
                || ready.names && connection.is_connecting()
        };
        let mut numbers = ready.connections.clone();
        numbers.extend(self.connections.iter().filter(|(_, c)| due(c)).map(|(n, _)| *n));
        for number in numbers {
            self.step_one(number, now);
        }
        let due = self.container.wake_at().is_some_and(|at| now >= at);
        if self.drain_until.is_none() && (ready.container || ready.names || due) {
            let change = self.container.step(&mut self.names, now);
            self.container_changed(change, now);
        }
    }

    fn step_one(&mut self, number: u64, now: Instant) {
        let Some(mut connection) = self.connections.remove(&number) else { return };
        match connection.step(&mut self.context(), now) {
            None if self.drain_until.is_some() && !connection.is_in_use() => {
                connection.end(End::Unwanted, &mut self.context(), now);
            }
            None => {
                self.connections.insert(number, connection);
            }
            Some(end) => {
                let why = match &end {
                    End::NoContainer(why) => Some(why.clone()),
                    _ => None,
                };
                connection.end(end, &mut self.context(), now);
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
                self.log.say(format_args!("container {container} is reachable"));
            }
            Some(Change::Down(why)) => {
                self.log.say(format_args!(
                    "container {container} is unreachable ({why}): no connections to httpd until it is back"
                ));
                self.end_all(|connection| connection.is_spare(), now);
            }
        }
    }

    fn begin_drain(&mut self, now: Instant) {
        self.drain_until = Some(now + self.settings.drain_timeout);
        // Each is read once more, right before it is closed if nothing has come: a request that has arrived
        // meanwhile would be lost.
        let numbers: Vec<u64> = self.connections.keys().copied().collect();
        numbers.into_iter().for_each(|number| self.step_one(number, now));
        self.log.say(format_args!(
            "stopping; requests in progress: {}, waiting up to {} ms for them",
            self.connections.len(),
            self.settings.drain_timeout.as_millis()
        ));
    }

    fn end_all(&mut self, which: impl Fn(&Connection) -> bool, now: Instant) {
        let numbers: Vec<u64> =
            self.connections.iter().filter(|(_, c)| which(c)).map(|(number, _)| *number).collect();
        for number in numbers {
            if let Some(connection) = self.connections.remove(&number) {
                connection.end(End::Unwanted, &mut self.context(), now);
            }
        }
    }

    fn finish(&mut self) -> Ended {
        let cut = self.connections.len();
        match cut {
            0 => self.log.say("stopped"),
            _ => self.log.say(format_args!("stopped; requests cut off: {cut}")),
        }
        Ended { cut }
    }

    fn log_changes(&mut self) {
        for change in self.ports.take_changes() {
            match change.is_detail() {
                true => self.log.detail(change),
                false => self.log.say(change),
            }
        }
    }

    fn context(&mut self) -> Context<'_> {
        Context {
            settings: &self.settings,
            ports: &mut self.ports,
            names: &mut self.names,
            container: &self.container,
            log: self.log,
        }
    }
}

/// Reads `stop`, and returns how many bytes it had.
fn read_stop(stop: &OwnedFd) -> usize {
    // The end of the stream counts as one byte: nobody is left who could send one.
    rustix::io::read(stop, &mut [0; 16][..]).map_or(0, |count| count.max(1))
}

/// The time until `at`, rounded up, so that `at` has been reached when `poll` returns.
fn timespec(at: Instant, now: Instant) -> Timespec {
    let left = at.saturating_duration_since(now);
    Timespec {
        tv_sec: left.as_secs().try_into().unwrap_or(i64::MAX),
        tv_nsec: left.subsec_nanos().into(),
    }
}

/// A random number from 0 to `most`. It keeps several agents from connecting in step, and need
/// not be unpredictable.
fn jitter(most: u64) -> u64 {
    // Each instance has random keys of its own.
    RandomState::new().hash_one(most) % most.saturating_add(1).max(1)
}
