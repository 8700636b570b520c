//! When CPING is sent: mod_jk's `ping_mode`.

use std::time::Duration;

use super::{ValueError, WorkerSettings};

/// The occasions for a CPING, narrowed from "before every request".
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PingMode {
    /// On a connection that has just been opened (mod_jk: C).
    pub connect: bool,
    /// Before a request on a pooled connection (mod_jk: P). On a new one too, unless `connect` has
    /// just done so.
    pub prepost: bool,
    /// On idle connections, by the housekeeper (mod_jk: I).
    pub interval: bool,
}

impl PingMode {
    /// Reads words separated by commas, or mod_jk's letters (`CPI`, `A` for all).
    pub(super) fn parse(value: &str) -> Result<Self, ValueError> {
        let mut mode = Self::default();
        if !value.is_empty() && value.chars().all(|c| "CPIA".contains(c.to_ascii_uppercase())) {
            for letter in value.to_ascii_uppercase().chars() {
                mode.connect |= matches!(letter, 'C' | 'A');
                mode.prepost |= matches!(letter, 'P' | 'A');
                mode.interval |= matches!(letter, 'I' | 'A');
            }
            return Ok(mode);
        }
        for word in value.split(',') {
            match word.trim().to_ascii_lowercase().as_str() {
                "connect" => mode.connect = true,
                "prepost" => mode.prepost = true,
                "interval" => mode.interval = true,
                _ => return Err(RANGE),
            }
        }
        Ok(mode)
    }
}

/// The waits for CPONG, on each occasion that has one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Pings {
    /// On a new connection.
    pub connect: Option<Duration>,
    /// Before a request on a pooled connection.
    pub prepost: Option<Duration>,
    /// On idle connections: how often, and the wait.
    pub interval: Option<(Duration, Duration)>,
}

impl Pings {
    /// CPING before every request: mod_proxy's `ping` alone.
    #[must_use]
    pub fn before_every_request(wait: Duration) -> Self {
        Self { connect: Some(wait), prepost: Some(wait), interval: None }
    }
}

impl WorkerSettings {
    /// What `ping`, `pingmode` and the times beside them come to.
    ///
    /// A mode without a time waits 10 seconds, and pings idle connections every 100 (mod_jk's
    /// defaults). A time without a mode is the mode. `prepost` also pings a new connection, where
    /// `connect` does not.
    #[must_use]
    pub fn pings(&self, ping: Option<Duration>) -> Pings {
        let wait = ping.unwrap_or(DEFAULT_WAIT);
        let mode = self.ping_mode.unwrap_or(PingMode {
            connect: ping.is_some() || self.ping_connect.is_some(),
            prepost: ping.is_some() || self.ping_prepost.is_some(),
            interval: self.ping_interval.is_some(),
        });
        let prepost = mode.prepost.then(|| self.ping_prepost.unwrap_or(wait));
        let connect = mode.connect.then(|| self.ping_connect.unwrap_or(wait));
        let every = self.ping_interval.unwrap_or(DEFAULT_INTERVAL);
        Pings {
            connect: connect.or(prepost),
            prepost,
            interval: mode.interval.then_some((every, wait)),
        }
    }
}

const DEFAULT_WAIT: Duration = Duration::from_secs(10);
const DEFAULT_INTERVAL: Duration = Duration::from_secs(100);

const RANGE: ValueError =
    ValueError("connect, prepost, interval, or several of them with commas (mod_jk's C, P, I, A)");

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_and_letters_say_the_same() {
        let all = PingMode { connect: true, prepost: true, interval: true };
        assert_eq!(PingMode::parse("A"), Ok(all));
        assert_eq!(PingMode::parse("connect,prepost,interval"), Ok(all));
        assert_eq!(PingMode::parse("CP"), PingMode::parse("Connect, Prepost"));
        assert_eq!(PingMode::parse("I"), PingMode::parse("interval"));
    }

    #[test]
    fn ping_alone_is_before_every_request() {
        let wait = Duration::from_millis(500);
        let settings = WorkerSettings::default();
        assert_eq!(settings.pings(Some(wait)), Pings::before_every_request(wait));
        assert_eq!(settings.pings(None), Pings::default());
    }

    #[test]
    fn a_mode_narrows_ping_and_has_a_time_of_its_own() {
        let wait = Some(Duration::from_millis(500));
        let with = |mode: &str| {
            let mut settings = WorkerSettings::default();
            settings.set("pingmode", mode).unwrap();
            settings
        };
        assert_eq!(with("connect").pings(wait), Pings { connect: wait, ..Pings::default() });
        let prepost = with("prepost").pings(wait);
        assert_eq!((prepost.connect, prepost.prepost), (wait, wait));
        let ten = Some(Duration::from_secs(10));
        let all = with("A").pings(None);
        assert_eq!((all.connect, all.prepost), (ten, ten));
        assert_eq!(all.interval, Some((Duration::from_secs(100), Duration::from_secs(10))));
    }

    #[test]
    fn a_time_without_a_mode_is_the_mode() {
        let mut settings = WorkerSettings::default();
        settings.set("pingconnect", "300").unwrap();
        let connect = Some(Duration::from_millis(300));
        assert_eq!(settings.pings(None), Pings { connect, ..Pings::default() });
        settings.set("pinginterval", "5").unwrap();
        assert!(settings.pings(None).interval.is_some());
    }

    #[test]
    fn another_word_is_refused() {
        for value in ["", ",", "always", "connect,", "CX"] {
            assert_eq!(PingMode::parse(value), Err(RANGE), "{value}");
        }
    }
}
