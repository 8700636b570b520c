//! When the housekeeper takes a connection out of the queue of a port although no request needs one, and
//! whether any comes. Without I/O.

use std::fmt;
use std::time::{Duration, Instant};

use crate::messages::Message;

/// The checks of one port by one child.
#[derive(Debug, Default)]
pub(super) struct PortCheck {
    /// When a connection was last taken.
    taken: Option<Instant>,
    /// Since when each look has found the queue empty.
    empty_since: Option<Instant>,
    is_reported: bool,
}

/// News of a port, to be logged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PortNews {
    /// No container has connected for this time.
    Absent(Duration),
    /// One has connected again.
    Back,
}

impl PortCheck {
    /// Whether a connection may be taken. `is_shared`: by other children as well, so that this one takes
    /// few.
    pub(super) fn is_due(&self, is_shared: bool, now: Instant) -> bool {
        let is_recent = |taken: Instant| now.saturating_duration_since(taken) < CHECK_INTERVAL;
        !(is_shared && self.taken.is_some_and(is_recent))
    }

    /// Notes the number of connections that were taken. `has_open`: this child has an open connection, so
    /// that the container may have as many as it wants.
    pub(super) fn looked(
        &mut self,
        taken: usize,
        has_open: bool,
        now: Instant,
    ) -> Option<PortNews> {
        if taken > 0 {
            self.taken = Some(now);
        }
        if taken > 0 || has_open {
            self.empty_since = None;
            return std::mem::take(&mut self.is_reported).then_some(PortNews::Back);
        }
        let since = *self.empty_since.get_or_insert(now);
        let time = now.saturating_duration_since(since);
        if time < ABSENT_AFTER || self.is_reported {
            return None;
        }
        self.is_reported = true;
        Some(PortNews::Absent(time))
    }
}

impl PortNews {
    /// Its message.
    #[must_use]
    pub fn message(&self) -> Message {
        match self {
            Self::Absent(_) => Message::ContainerAbsent,
            Self::Back => Message::ContainerBack,
        }
    }
}

impl fmt::Display for PortNews {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Absent(time) => write!(
                f,
                "no container has connected for {} s: is it running, and is this the address and port to \
                 which it connects? If it cannot read its key file, its own log says so",
                time.as_secs()
            ),
            Self::Back => f.write_str("a container has connected again"),
        }
    }
}

/// The time between two connections that a child takes from a port that all children share.
const CHECK_INTERVAL: Duration = Duration::from_secs(10);

/// Several times the longest pause of a container that tries to connect.
const ABSENT_AFTER: Duration = Duration::from_secs(30);

#[cfg(test)]
mod tests {
    use super::*;

    fn clock() -> impl Fn(u64) -> Instant {
        let start = Instant::now();
        move |seconds| start + Duration::from_secs(seconds)
    }

    #[test]
    fn one_connection_is_taken_at_once_and_then_one_each_ten_seconds() {
        let (mut check, at) = (PortCheck::default(), clock());
        assert!(check.is_due(true, at(0)));
        assert_eq!(check.looked(0, false, at(0)), None);
        assert!(check.is_due(true, at(1)), "none was there");
        assert_eq!(check.looked(1, false, at(1)), None);
        assert!(!check.is_due(true, at(2)));
        assert!(!check.is_due(true, at(10)));
        assert!(check.is_due(true, at(11)));
    }

    #[test]
    fn on_a_port_of_one_child_every_connection_is_taken_when_it_comes() {
        let (mut check, at) = (PortCheck::default(), clock());
        assert_eq!(check.looked(1, false, at(0)), None);
        assert!(check.is_due(false, at(0)));
    }

    #[test]
    fn a_container_that_does_not_connect_is_said_once_and_so_is_its_return() {
        let (mut check, at) = (PortCheck::default(), clock());
        assert_eq!(check.looked(0, false, at(100)), None);
        assert_eq!(check.looked(0, false, at(129)), None);
        let absent = check.looked(0, false, at(130)).unwrap();
        assert!(
            absent.to_string().starts_with("no container has connected for 30 s: "),
            "{absent}"
        );
        assert_eq!(check.looked(0, false, at(1000)), None);
        assert_eq!(check.looked(1, false, at(1001)), Some(PortNews::Back));
        assert_eq!(check.looked(1, false, at(1011)), None);
    }

    #[test]
    fn a_container_whose_connections_are_all_in_use_is_there() {
        let (mut check, at) = (PortCheck::default(), clock());
        assert_eq!(check.looked(0, false, at(0)), None);
        assert_eq!(check.looked(0, true, at(29)), None);
        assert_eq!(check.looked(0, true, at(60)), None);
        assert_eq!(check.looked(0, false, at(61)), None, "it counts from here");
        assert_eq!(check.looked(0, false, at(90)), None);
        assert!(check.looked(0, false, at(91)).is_some());
    }
}
