//! The parameters a worker has beside those of mod_proxy.

use std::time::Duration;

use super::ConfigError;
use super::duration::parse_ms;

/// What ProxyPass, BalancerMember, ProxySet and `<Proxy>` say of one worker in our own words.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct WorkerSettings {
    /// `forceclose`: close the connection after each response (seed of 2006; same as
    /// `disablereuse=On`).
    pub force_close: bool,
    /// `connecttimeout`: the longest one connect() may take; `None`: `connectiontimeout`.
    pub connect_timeout: Option<Duration>,
}

impl WorkerSettings {
    /// Takes one `key=value`, in any case, as httpd compares keys. `Ok(false)`: not a key of ours.
    ///
    /// # Errors
    /// [`ConfigError`] for a value out of range; the settings are as before then.
    pub fn set(&mut self, key: &str, value: &str) -> Result<bool, ConfigError> {
        if key.eq_ignore_ascii_case("forceclose") {
            self.force_close = on_off("forceclose", value)?;
        } else if key.eq_ignore_ascii_case("connecttimeout") {
            self.connect_timeout = Some(milliseconds("connecttimeout", value)?);
        } else {
            return Ok(false);
        }
        Ok(true)
    }
}

fn on_off(parameter: &'static str, value: &str) -> Result<bool, ConfigError> {
    if value.eq_ignore_ascii_case("on") {
        Ok(true)
    } else if value.eq_ignore_ascii_case("off") {
        Ok(false)
    } else {
        Err(ConfigError { parameter, value: value.into(), range: "On or Off" })
    }
}

fn milliseconds(parameter: &'static str, value: &str) -> Result<Duration, ConfigError> {
    parse_ms(value).filter(|time| !time.is_zero() && *time <= LONGEST).ok_or(ConfigError {
        parameter,
        value: value.into(),
        range: "a time of at least 1 ms and at most 24 days (500, 500ms, 2s, 1min, 1h)",
    })
}

/// poll() takes milliseconds as a signed 32-bit number: 24.8 days.
const LONGEST: Duration = Duration::from_secs(24 * 24 * 3600);

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
    fn a_wrong_value_is_named_with_its_range() {
        let mut settings = WorkerSettings::default();
        let error = settings.set("forceclose", "maybe").unwrap_err();
        assert_eq!(error.to_string(), "forceclose=maybe: must be On or Off");
        for value in ["0", "-1", "abc", "", "25h9", "600h"] {
            let error = settings.set("connecttimeout", value).unwrap_err();
            assert_eq!(error.parameter, "connecttimeout");
            assert_eq!(error.value, value);
        }
        assert_eq!(settings, WorkerSettings::default());
    }
}
