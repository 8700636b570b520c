//! When to check the files again, and when a difference counts as a change.

use std::time::{Duration, Instant};

use super::file_snapshot::FileSnapshot;

/// The time after which a changed file must still have the same content, since it may be half written.
const SETTLE: Duration = Duration::from_secs(1);

/// The default of mod_jk's JkMountFileReload.
const DEFAULT_SECONDS: u64 = 60;

/// A day. The files may contain any number, and an `Instant` overflows with some.
const MAX_SECONDS: u64 = 86_400;

/// The schedule of checks, and the state that they compare with.
///
/// The caller reads the files and the clock.
#[derive(Debug)]
pub struct Schedule {
    interval: Duration,
    converted: FileSnapshot,
    /// Content that was seen once and differs from what was converted.
    candidate: Option<FileSnapshot>,
    next_check: Instant,
}

/// The result of a check.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CheckResult {
    /// No file has changed.
    Unchanged,
    /// A file has changed, but may still be being written.
    Unsettled,
    /// A file has changed.
    Changed,
}

impl Schedule {
    /// Starts after the first conversion. `seconds` comes from the command line, or else from the files.
    #[must_use]
    pub fn new(first: FileSnapshot, seconds: Option<u64>, now: Instant) -> Self {
        let interval = interval(seconds);
        Self { interval, converted: first, candidate: None, next_check: now + interval }
    }

    /// Returns the files as they were converted last.
    #[must_use]
    pub fn converted(&self) -> &FileSnapshot {
        &self.converted
    }

    /// Returns the time until the next check.
    #[must_use]
    pub fn pause(&self, now: Instant) -> Duration {
        self.next_check.saturating_duration_since(now)
    }

    /// Changes the interval, from the next check on.
    pub fn set_seconds(&mut self, seconds: Option<u64>) {
        self.interval = interval(seconds);
    }

    /// Returns the time between two checks.
    #[must_use]
    pub fn interval(&self) -> Duration {
        self.interval
    }

    /// Compares the files as they are now. After `Changed`, [`converted`](Self::converted) returns them.
    ///
    /// A change counts once a second check, at most one second later, finds the same content. If a
    /// writer pauses longer than that, a half-written file counts, and the next check finds the rest.
    pub fn check(&mut self, snapshot: FileSnapshot, now: Instant) -> CheckResult {
        if snapshot == self.converted {
            self.candidate = None;
            self.next_check = now + self.interval;
            return CheckResult::Unchanged;
        }
        if self.candidate.as_ref() == Some(&snapshot) {
            self.candidate = None;
            self.converted = snapshot;
            self.next_check = now + self.interval;
            return CheckResult::Changed;
        }
        self.candidate = Some(snapshot);
        self.next_check = now + SETTLE.min(self.interval);
        CheckResult::Unsettled
    }
}

fn interval(seconds: Option<u64>) -> Duration {
    Duration::from_secs(seconds.unwrap_or(DEFAULT_SECONDS).clamp(1, MAX_SECONDS))
}

#[cfg(test)]
mod tests {
    use super::super::file_snapshot::SnapshotReader;
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

    /// Takes a snapshot of a map with this text.
    fn map(text: &'static str) -> FileSnapshot {
        let (none, map) = (FileSnapshot::default(), Map(text));
        let reader = SnapshotReader::new(&map, &none);
        reader.read("map").unwrap();
        reader.into_snapshot()
    }

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn a_minute_passes_between_two_checks_as_in_mod_jk() {
        let start = Instant::now();
        let mut schedule = Schedule::new(map("/a=w"), None, start);
        assert_eq!(schedule.pause(start + 20 * SECOND), 40 * SECOND);
        assert_eq!(schedule.check(map("/a=w"), start + 60 * SECOND), CheckResult::Unchanged);
        assert_eq!(schedule.pause(start + 60 * SECOND), 60 * SECOND);
        assert_eq!(schedule.pause(start + 200 * SECOND), Duration::ZERO, "the check is overdue");
    }

    #[test]
    fn a_change_counts_once_if_the_content_is_the_same_a_second_later() {
        let start = Instant::now();
        let mut schedule = Schedule::new(map("/a=w"), Some(30), start);
        assert_eq!(schedule.check(map("/a=w\n/b"), start), CheckResult::Unsettled);
        assert_eq!(schedule.pause(start), SECOND);
        assert_eq!(
            schedule.check(map("/a=w\n/b=w"), start + SECOND),
            CheckResult::Unsettled,
            "half written"
        );
        assert_eq!(schedule.check(map("/a=w\n/b=w"), start + 2 * SECOND), CheckResult::Changed);
        assert_eq!(schedule.converted(), &map("/a=w\n/b=w"));
        assert_eq!(schedule.pause(start + 2 * SECOND), 30 * SECOND);
        assert_eq!(schedule.check(map("/a=w\n/b=w"), start + 32 * SECOND), CheckResult::Unchanged);
    }

    #[test]
    fn a_change_that_is_reverted_at_once_does_not_count() {
        let start = Instant::now();
        let mut schedule = Schedule::new(map("/a=w"), Some(30), start);
        assert_eq!(
            schedule.check(map(""), start),
            CheckResult::Unsettled,
            "truncated, to be written again"
        );
        assert_eq!(schedule.check(map("/a=w"), start + SECOND), CheckResult::Unchanged);
        assert_eq!(schedule.check(map(""), start + 31 * SECOND), CheckResult::Unsettled);
    }

    #[test]
    fn another_interval_applies_from_the_next_check_on() {
        let start = Instant::now();
        let mut schedule = Schedule::new(map(""), Some(60), start);
        schedule.set_seconds(Some(5));
        assert_eq!(schedule.pause(start), 60 * SECOND);
        assert_eq!(schedule.check(map(""), start + 60 * SECOND), CheckResult::Unchanged);
        assert_eq!(schedule.pause(start + 60 * SECOND), 5 * SECOND);
        schedule.set_seconds(Some(u64::MAX));
        assert_eq!(schedule.interval(), 86_400 * SECOND);
    }
}
