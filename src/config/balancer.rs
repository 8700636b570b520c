//! The parameters a balancer has beside those of mod_proxy.

use std::fmt;

use super::switch::on_off;
use super::{ConfigError, ValueError};

/// What requests go by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BalancerSettings {
    /// `sessionretry`: a request of a session is given to the session's member also while that is
    /// in error, once.
    pub session_retry: bool,
    /// `sessionredirect`: the `redirect` of a member in error counts for its sessions.
    pub session_redirect: bool,
    /// `localonly`: requests without a session go to members with `local=On` and no others.
    pub local_only: bool,
}

impl Default for BalancerSettings {
    fn default() -> Self {
        BalancerKeys::default().settings()
    }
}

impl fmt::Display for BalancerSettings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let word = |on| if on { "On" } else { "Off" };
        let (retry, redirect) = (word(self.session_retry), word(self.session_redirect));
        let local_only = word(self.local_only);
        write!(f, "sessionretry={retry} sessionredirect={redirect} localonly={local_only}")
    }
}

/// What the lines of one server say of a balancer. `None`: nothing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct BalancerKeys {
    session_retry: Option<bool>,
    session_redirect: Option<bool>,
    local_only: Option<bool>,
}

impl BalancerKeys {
    /// Takes one `key=value`, in any case. `Ok(false)`: not a key of ours.
    ///
    /// # Errors
    /// [`ConfigError`] for anything but On and Off.
    pub fn set(&mut self, key: &str, value: &str) -> Result<bool, ConfigError> {
        let places = [
            ("sessionretry", &mut self.session_retry),
            ("sessionredirect", &mut self.session_redirect),
            ("localonly", &mut self.local_only),
        ];
        for (parameter, place) in places {
            if parameter.eq_ignore_ascii_case(key) {
                *place = Some(on_off(value).map_err(|ValueError(range)| ConfigError {
                    parameter,
                    value: value.into(),
                    range,
                })?);
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// These, and what `base` says where they say nothing.
    #[must_use]
    pub fn over(self, base: Self) -> Self {
        Self {
            session_retry: self.session_retry.or(base.session_retry),
            session_redirect: self.session_redirect.or(base.session_redirect),
            local_only: self.local_only.or(base.local_only),
        }
    }

    /// With the defaults where nothing is said.
    #[must_use]
    pub fn settings(self) -> BalancerSettings {
        BalancerSettings {
            session_retry: self.session_retry.unwrap_or(false),
            session_redirect: self.session_redirect.unwrap_or(true),
            local_only: self.local_only.unwrap_or(false),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn keys(pairs: &[(&str, &str)]) -> BalancerKeys {
        let mut keys = BalancerKeys::default();
        for (key, value) in pairs {
            assert_eq!(keys.set(key, value), Ok(true), "{key}={value}");
        }
        keys
    }

    #[test]
    fn each_key_has_its_flag_and_its_default() {
        let default =
            BalancerSettings { session_retry: false, session_redirect: true, local_only: false };
        assert_eq!(BalancerSettings::default(), default);
        let text = "sessionretry=Off sessionredirect=On localonly=Off";
        assert_eq!(default.to_string(), text);
        let settings = |key, value| keys(&[(key, value)]).settings();
        assert_eq!(
            settings("SessionRetry", "on"),
            BalancerSettings { session_retry: true, ..default }
        );
        assert_eq!(
            settings("sessionredirect", "OFF"),
            BalancerSettings { session_redirect: false, ..default }
        );
        assert_eq!(settings("localonly", "On"), BalancerSettings { local_only: true, ..default });
    }

    #[test]
    fn a_virtual_host_s_word_counts_and_the_main_server_s_where_it_says_nothing() {
        let main = keys(&[("sessionretry", "On"), ("localonly", "On")]);
        let host = keys(&[("sessionretry", "Off"), ("sessionredirect", "Off")]);
        let wanted =
            BalancerSettings { session_retry: false, session_redirect: false, local_only: true };
        assert_eq!(host.over(main).settings(), wanted);
    }

    #[test]
    fn a_wrong_value_is_named_with_its_range_and_changes_nothing() {
        let mut keys = keys(&[("localonly", "On")]);
        let before = keys;
        let error = keys.set("LocalOnly", "perhaps").unwrap_err();
        assert_eq!(error.to_string(), "localonly=perhaps: must be On or Off");
        assert_eq!(keys, before);
        assert_eq!(keys.set("stickysession", "JSESSIONID"), Ok(false));
    }
}
