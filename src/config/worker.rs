//! The parameters a worker has beside those of mod_proxy.

use std::time::Duration;

use super::activation;
use super::duration::{parse_ms, parse_s};
use super::ping::PingMode;
use super::recovery::Recovery;
use super::rewrite::{LOOK_ONCE, SESSIONS_ONLY};
use super::status_list::FailStatus;
use super::switch::on_off;
use super::{ConfigError, ValueError};
use crate::balance::Activation;

/// What ProxyPass, BalancerMember, ProxySet and `<Proxy>` say of one worker in our own words.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct WorkerSettings {
    /// `forceclose`: close the connection after each response (same as `disablereuse=On`).
    pub force_close: bool,
    /// `acquire=0`: look for a connection once, without waiting.
    pub look_once: bool,
    /// `min` as it was configured: mod_proxy sets its own to 0 under prefork.
    pub min: usize,
    /// `connecttimeout`: the longest one connect() may take; `None`: `connectiontimeout`.
    pub connect_timeout: Option<Duration>,
    /// `idlemax`: a connection idle for this long is not used again; `None`: `ttl` alone counts.
    pub idle_max: Option<Duration>,
    /// `pingmode`: when CPING is sent; `None`: before every request where `ping` is set.
    pub ping_mode: Option<PingMode>,
    /// `pinginterval`: idle connections are pinged this often.
    pub ping_interval: Option<Duration>,
    /// `pingconnect`: the wait for CPONG on a new connection; `None`: `ping`.
    pub ping_connect: Option<Duration>,
    /// `pingprepost`: the wait for CPONG before a request; `None`: `ping`.
    pub ping_prepost: Option<Duration>,
    /// `replytimeout`: the longest gap between two packets of a response; `None`: `timeout`.
    pub reply_timeout: Option<Duration>,
    /// `maxreplytimeouts`: how many of them a balancer member may have before it is in error.
    pub max_reply_timeouts: Option<u32>,
    /// `recovery`: what may be sent again after it was sent; `None`: what is safe.
    pub recovery: Option<Recovery>,
    /// `retries`: how often a request is sent again to the same backend, and, where it may have been
    /// executed, to all members of a balancer (once at least); `None`: once, and not where
    /// connecting failed.
    pub retries: Option<u32>,
    /// `retryinterval`: the pause before that.
    pub retry_interval: Duration,
    /// `failstatus`: answers of the backend that count as its failure.
    pub fail_status: FailStatus,
    /// `escalation`: how long failures are tolerated while other requests on the member succeed.
    pub escalation: Option<Duration>,
    /// `busylimit`: requests at once over all children.
    pub busy_limit: Option<u32>,
    /// `activation`: what a balancer member is used for; `None`: what `status` says.
    pub activation: Option<Activation>,
    /// `loadfactor=0`: a balancer member for requests of its own sessions alone.
    pub sessions_only: bool,
    /// `local`: a balancer member that is preferred to those without.
    pub local: bool,
    /// `distance`, or an `lbset` of 0: members that are farther away are used when no nearer one
    /// can be. `None`: what `lbset` says.
    pub distance: Option<u8>,
    /// `domain`: members of one domain share their sessions.
    pub domain: Option<String>,
    /// `reversed`: the container opens the connections.
    pub reversed: bool,
}

impl WorkerSettings {
    /// Takes one `key=value`, in any case, as httpd compares keys. `Ok(false)`: not a key of ours.
    ///
    /// # Errors
    /// [`ConfigError`] for a value out of range; the settings are as before then.
    pub fn set(&mut self, key: &str, value: &str) -> Result<bool, ConfigError> {
        let Some(parameter) = NAMES.iter().find(|name| name.eq_ignore_ascii_case(key)) else {
            return Ok(false);
        };
        self.set_known(parameter, value).map(|()| true).map_err(|error| error.of(parameter, value))
    }

    fn set_known(&mut self, parameter: &str, value: &str) -> Result<(), ValueError> {
        match parameter {
            LOOK_ONCE => self.look_once = on_off(value)?,
            "forceclose" => self.force_close = on_off(value)?,
            "connecttimeout" => self.connect_timeout = Some(milliseconds(value)?),
            "idlemax" => self.idle_max = Some(milliseconds(value)?),
            "pingmode" => self.ping_mode = Some(PingMode::parse(value)?),
            "pinginterval" => self.ping_interval = Some(seconds(value)?),
            "pingconnect" => self.ping_connect = Some(milliseconds(value)?),
            "pingprepost" => self.ping_prepost = Some(milliseconds(value)?),
            "replytimeout" => self.reply_timeout = Some(milliseconds(value)?),
            "maxreplytimeouts" => self.max_reply_timeouts = Some(count(value, 0, COUNT_FROM_0)?),
            "recovery" => self.recovery = Some(Recovery::parse(value)?),
            "retries" => self.retries = Some(retries(value)?),
            "retryinterval" => self.retry_interval = pause(value)?,
            "failstatus" => self.fail_status = FailStatus::parse(value)?,
            "escalation" => self.escalation = grace(value)?,
            "busylimit" => self.busy_limit = Some(count(value, 1, COUNT_FROM_1)?),
            "activation" => self.activation = Some(activation::parse(value)?),
            SESSIONS_ONLY => self.sessions_only = on_off(value)?,
            "local" => self.local = on_off(value)?,
            "distance" => self.distance = Some(distance(value)?),
            "domain" => self.domain = Some(word(value)?),
            "reversed" => self.reversed = on_off(value)?,
            _ => return Err(ValueError("left out: NAMES and this match differ")),
        }
        Ok(())
    }
}

/// Every parameter, as documented.
const NAMES: [&str; 22] = [
    LOOK_ONCE,
    SESSIONS_ONLY,
    "activation",
    "busylimit",
    "connecttimeout",
    "distance",
    "domain",
    "escalation",
    "failstatus",
    "forceclose",
    "idlemax",
    "local",
    "maxreplytimeouts",
    "pingconnect",
    "pinginterval",
    "pingmode",
    "pingprepost",
    "recovery",
    "replytimeout",
    "retries",
    "retryinterval",
    "reversed",
];

fn milliseconds(value: &str) -> Result<Duration, ValueError> {
    let time = parse_ms(value).filter(|time| !time.is_zero() && *time <= LONGEST);
    time.ok_or(ValueError("a time of at least 1 ms and at most 24 days (500, 500ms, 2s, 1min, 1h)"))
}

fn seconds(value: &str) -> Result<Duration, ValueError> {
    let time = parse_s(value).filter(|time| !time.is_zero() && *time <= LONGEST);
    time.ok_or(ValueError(
        "a time of at least 1 ms and at most 24 days, in seconds without a unit (30, 500ms, 2min)",
    ))
}

/// 0: none.
fn grace(value: &str) -> Result<Option<Duration>, ValueError> {
    if parse_s(value).is_some_and(|time| time.is_zero()) {
        Ok(None)
    } else {
        seconds(value).map(Some)
    }
}

fn pause(value: &str) -> Result<Duration, ValueError> {
    let time = parse_ms(value).filter(|time| *time <= LONGEST_PAUSE);
    time.ok_or(ValueError("a time from 0 to 60 seconds (100, 100ms, 2s)"))
}

fn count(value: &str, least: u32, range: &'static str) -> Result<u32, ValueError> {
    value.parse().ok().filter(|number| (least..=MOST).contains(number)).ok_or(ValueError(range))
}

fn retries(value: &str) -> Result<u32, ValueError> {
    value.parse().ok().filter(|number| *number <= 100).ok_or(ValueError("a number from 0 to 100"))
}

fn distance(value: &str) -> Result<u8, ValueError> {
    value.parse().ok().filter(|number| *number <= 99).ok_or(ValueError("a number from 0 to 99"))
}

/// As long as a `route` may be.
fn word(value: &str) -> Result<String, ValueError> {
    let is_word = (1..=63).contains(&value.len()) && !value.contains(|c: char| c.is_whitespace());
    is_word.then(|| value.into()).ok_or(ValueError("a word of 1 to 63 bytes"))
}

/// poll() takes milliseconds as a signed 32-bit number: 24.8 days.
const LONGEST: Duration = Duration::from_secs(24 * 24 * 3600);

/// A worker thread sleeps through it.
const LONGEST_PAUSE: Duration = Duration::from_secs(60);

const MOST: u32 = 1_000_000;
const COUNT_FROM_0: &str = "a number from 0 to 1000000";
const COUNT_FROM_1: &str = "a number from 1 to 1000000";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_read_in_any_case() {
        let mut settings = WorkerSettings::default();
        assert_eq!(settings.set("ForceClose", "ON"), Ok(true));
        assert_eq!(settings.set("connectTimeout", "2s"), Ok(true));
        assert!(settings.force_close);
        assert_eq!(settings.connect_timeout, Some(Duration::from_secs(2)));
    }

    #[test]
    fn a_key_of_somebody_else_is_left_alone() {
        let mut settings = WorkerSettings::default();
        assert_eq!(settings.set("hcmethod", "CPING"), Ok(false));
        assert_eq!(settings, WorkerSettings::default());
    }

    #[test]
    fn every_name_has_its_value() {
        for name in NAMES {
            let mut settings = WorkerSettings::default();
            let good = match name {
                "forceclose" | "local" | "reversed" | LOOK_ONCE | SESSIONS_ONLY => "On",
                "activation" => "stopped",
                "pingmode" => "connect",
                "recovery" => "notaftersend",
                "failstatus" => "503",
                _ => "7",
            };
            assert_eq!(settings.set(name, good), Ok(true), "{name}");
            assert_ne!(settings, WorkerSettings::default(), "{name} changes something");
            let before = settings.clone();
            let long = "x".repeat(64);
            let bad: &[&str] = match name {
                "domain" => &["", "a b", &long],
                _ => &["", "-1", "maybe", "1.5", "99999999999999999999", "7x", "h"],
            };
            for bad in bad.iter().copied() {
                let error = settings.set(name, bad).unwrap_err();
                assert_eq!((error.parameter, error.value.as_str()), (name, bad));
            }
            assert_eq!(settings, before, "{name}: a wrong value changes nothing");
        }
    }

    #[test]
    fn a_distance_is_an_lbset_and_a_domain_is_as_long_as_a_route() {
        let mut settings = WorkerSettings::default();
        for (key, value) in [("distance", "99"), ("Domain", &"d".repeat(63)), ("local", "on")] {
            assert_eq!(settings.set(key, value), Ok(true));
        }
        assert_eq!(settings.distance, Some(99));
        assert_eq!(settings.domain, Some("d".repeat(63)));
        assert!(settings.local);
        let error = settings.set("distance", "100").unwrap_err();
        assert_eq!(error.to_string(), "distance=100: must be a number from 0 to 99");
    }

    #[test]
    fn a_wrong_value_is_named_with_its_range() {
        let error = WorkerSettings::default().set("forceclose", "maybe").unwrap_err();
        assert_eq!(error.to_string(), "forceclose=maybe: must be On or Off");
        let error = WorkerSettings::default().set("BusyLimit", "0").unwrap_err();
        assert_eq!(error.to_string(), "busylimit=0: must be a number from 1 to 1000000");
        for zero in ["connecttimeout", "idlemax", "replytimeout", "pinginterval"] {
            assert!(WorkerSettings::default().set(zero, "0").is_err(), "{zero}");
        }
    }
}
