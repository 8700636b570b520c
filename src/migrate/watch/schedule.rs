//! When to look at the files again, and whether what is seen is a change.

use std::time::{Duration, Instant};

use super::file_snapshot::Readings;

/// How long a file may be in the middle of being written: so much later it must say the same.
const SETTLE: Duration = Duration::from_secs(1);

/// mod_jk's JkMountFileReload where nobody says it.
const DEFAULT_SECONDS: u64 = 60;

/// A day. Files may say any number, and not every one can be added to a time.
const MOST_SECONDS: u64 = 86_400;

/// Looks at the files every so often. The caller reads them, and tells the time.
#[derive(Debug)]
pub struct Watch {
    interval: Duration,
    seen: Readings,
    /// Seen once, and other than before.
    unsettled: Option<Readings>,
    due: Instant,
}

/// What a look has found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Look {
    /// All is as it was.
    Same,
    /// Something is new, but may still be written to.
    Unsettled,
    /// Something is new.
    Changed,
}

impl Watch {
    /// After the first conversion. `seconds` is what the command line says, or else the files.
    #[must_use]
    pub fn new(first: Readings, seconds: Option<u64>, now: Instant) -> Self {
        let interval = interval(seconds);
        Self { interval, seen: first, unsettled: None, due: now + interval }
    }

    /// The files as they were converted last.
    #[must_use]
    pub fn seen(&self) -> &Readings {
        &self.seen
    }

    /// How long until the next look.
    #[must_use]
    pub fn pause(&self, now: Instant) -> Duration {
        self.due.saturating_duration_since(now)
    }

    /// Another time between two looks, from the next one on.
    pub fn set_seconds(&mut self, seconds: Option<u64>) {
        self.interval = interval(seconds);
    }

    /// The time between two looks.
    #[must_use]
    pub fn interval(&self) -> Duration {
        self.interval
    }

    /// Takes in what was read now. After `Changed` it is what [`seen`](Self::seen) gives.
    ///
    /// A change counts when a second look, a second later at most, finds the same. A writer that
    /// pauses longer is seen half way; the next look finds the rest.
    pub fn look(&mut self, readings: Readings, now: Instant) -> Look {
        if readings == self.seen {
            self.unsettled = None;
            self.due = now + self.interval;
            return Look::Same;
        }
        if self.unsettled.as_ref() == Some(&readings) {
            self.unsettled = None;
            self.seen = readings;
            self.due = now + self.interval;
            return Look::Changed;
        }
        self.unsettled = Some(readings);
        self.due = now + SETTLE.min(self.interval);
        Look::Unsettled
    }
}

fn interval(seconds: Option<u64>) -> Duration {
    Duration::from_secs(seconds.unwrap_or(DEFAULT_SECONDS).clamp(1, MOST_SECONDS))
}

#[cfg(test)]
mod tests {
    use super::super::file_snapshot::Reader;
    use super::*;
    use crate::migrate::read::files::Files;

    struct Map(&'static str);

    impl Files for Map {
        fn read(&self, _: &str) -> Result<Vec<u8>, String> {
            Ok(self.0.into())
        }
        fn find(&self, _: &str) -> Vec<String> {
            Vec::new()
        }
    }

    /// A map with this text.
    fn map(text: &'static str) -> Readings {
        let (none, map) = (Readings::default(), Map(text));
        let reader = Reader::new(&map, &none);
        reader.read("map").unwrap();
        reader.into_readings()
    }

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn mod_jk_s_minute_passes_between_two_looks_that_find_nothing() {
        let start = Instant::now();
        let mut watch = Watch::new(map("/a=w"), None, start);
        assert_eq!(watch.pause(start + 20 * SECOND), 40 * SECOND);
        assert_eq!(watch.look(map("/a=w"), start + 60 * SECOND), Look::Same);
        assert_eq!(watch.pause(start + 60 * SECOND), 60 * SECOND);
        assert_eq!(watch.pause(start + 200 * SECOND), Duration::ZERO, "it is late");
    }

    #[test]
    fn a_change_counts_once_when_it_is_the_same_a_second_later() {
        let start = Instant::now();
        let mut watch = Watch::new(map("/a=w"), Some(30), start);
        assert_eq!(watch.look(map("/a=w\n/b"), start), Look::Unsettled);
        assert_eq!(watch.pause(start), SECOND);
        assert_eq!(watch.look(map("/a=w\n/b=w"), start + SECOND), Look::Unsettled, "half written");
        assert_eq!(watch.look(map("/a=w\n/b=w"), start + 2 * SECOND), Look::Changed);
        assert_eq!(watch.seen(), &map("/a=w\n/b=w"));
        assert_eq!(watch.pause(start + 2 * SECOND), 30 * SECOND);
        assert_eq!(watch.look(map("/a=w\n/b=w"), start + 32 * SECOND), Look::Same);
    }

    #[test]
    fn a_change_that_is_taken_back_at_once_is_none() {
        let start = Instant::now();
        let mut watch = Watch::new(map("/a=w"), Some(30), start);
        assert_eq!(watch.look(map(""), start), Look::Unsettled, "emptied, to be written anew");
        assert_eq!(watch.look(map("/a=w"), start + SECOND), Look::Same);
        assert_eq!(watch.look(map(""), start + 31 * SECOND), Look::Unsettled);
    }

    #[test]
    fn another_interval_holds_from_the_next_look_on() {
        let start = Instant::now();
        let mut watch = Watch::new(map(""), Some(60), start);
        watch.set_seconds(Some(5));
        assert_eq!(watch.pause(start), 60 * SECOND);
        assert_eq!(watch.look(map(""), start + 60 * SECOND), Look::Same);
        assert_eq!(watch.pause(start + 60 * SECOND), 5 * SECOND);
        watch.set_seconds(Some(u64::MAX));
        assert_eq!(watch.interval(), 86_400 * SECOND);
    }
}
