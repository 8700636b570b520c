//! When CPING is sent to a worker's backend, and how long CPONG may take.

use std::time::Duration;

use super::{PingMode, WorkerSettings};

/// The wait for CPONG on each occasion; `None`: no CPING is sent then.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Pings {
    /// On a new connection.
    pub connect: Option<Duration>,
    /// Before a request on a pooled connection.
    pub prepost: Option<Duration>,
    /// On idle connections: the interval, and the wait.
    pub interval: Option<(Duration, Duration)>,
}

impl Pings {
    /// CPING before every request, as with mod_proxy's `ping` alone.
    #[must_use]
    pub fn before_every_request(wait: Duration) -> Self {
        Self { connect: Some(wait), prepost: Some(wait), interval: None }
    }
}

impl WorkerSettings {
    /// Resolves `ping`, `pingmode` and their times.
    ///
    /// A mode without a time waits 10 seconds, and pings idle connections every 100 (mod_jk's
    /// defaults). Without a mode, each time that is set enables its kind of ping. `prepost` also pings a
    /// new connection if `connect` does not.
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

#[cfg(test)]
mod tests {
    use super::*;

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
}
