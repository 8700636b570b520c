//! Whether the container is reachable.

use std::os::fd::BorrowedFd;
use std::time::{Duration, Instant};

use super::attempt::{Attempt, Step};
use super::names::Names;
use super::settings::{ContainerAddress, Settings};

/// The container, and the result of the last attempt to connect to it.
///
/// While it is unreachable, httpd must get no connection: a request sent over one would fail, although
/// httpd could have given it to another member. So at its start, and after a failure, the agent tries
/// to connect, and closes a connection at once, until that succeeds.
#[derive(Debug)]
pub(super) struct Container {
    address: ContainerAddress,
    timeout: Duration,
    least: Duration,
    longest: Duration,
    state: State,
}

#[derive(Debug)]
enum State {
    /// Reachable, as far as is known.
    Up,
    Down {
        /// The pause after the last failure; `None` before the first.
        delay: Option<Duration>,
        retry_at: Instant,
        probe: Option<Box<Attempt>>,
    },
}

/// A change to log.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Change {
    Down(String),
    Up,
}

impl Container {
    /// Creates it with nothing known: the first step connects.
    pub(super) fn new(settings: &Settings, now: Instant) -> Container {
        Container {
            address: settings.container.clone(),
            timeout: settings.connect_timeout,
            least: settings.backoff_min,
            longest: settings.backoff_max,
            state: State::Down { delay: None, retry_at: now, probe: None },
        }
    }

    pub(super) fn is_up(&self) -> bool {
        matches!(self.state, State::Up)
    }

    /// Starts to connect for a request.
    pub(super) fn connect(&self, now: Instant) -> Attempt {
        Attempt::new(self.address.clone(), self.timeout, now)
    }

    /// Records that connecting for a request has failed.
    pub(super) fn failed(&mut self, why: String, now: Instant) -> Option<Change> {
        if !self.is_up() {
            return None;
        }
        self.state =
            State::Down { delay: Some(self.least), retry_at: now + self.least, probe: None };
        Some(Change::Down(why))
    }

    /// Tries to connect again if that is due.
    pub(super) fn step(&mut self, names: &mut Names, now: Instant) -> Option<Change> {
        let State::Down { delay, retry_at, probe } = &mut self.state else { return None };
        if probe.is_none() && now < *retry_at {
            return None;
        }
        let attempt = probe
            .get_or_insert_with(|| Box::new(Attempt::new(self.address.clone(), self.timeout, now)));
        match attempt.step(names, now) {
            Step::Waiting => None,
            Step::Connected(_) => {
                self.state = State::Up;
                Some(Change::Up)
            }
            Step::Failed(why) => {
                let first = delay.is_none();
                let pause = delay.map_or(self.least, |delay| (2 * delay).min(self.longest));
                self.state = State::Down { delay: Some(pause), retry_at: now + pause, probe: None };
                first.then_some(Change::Down(why))
            }
        }
    }

    pub(super) fn writable(&self) -> Option<BorrowedFd<'_>> {
        match &self.state {
            State::Down { probe: Some(probe), .. } => probe.writable(),
            _ => None,
        }
    }

    pub(super) fn wake_at(&self) -> Option<Instant> {
        match &self.state {
            State::Up => None,
            State::Down { probe: Some(probe), .. } => Some(probe.wake_at()),
            State::Down { retry_at, .. } => Some(*retry_at),
        }
    }
}
