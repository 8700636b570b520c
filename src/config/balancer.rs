//! The parameters of a balancer besides those of mod_proxy.

use std::fmt;

use super::parameter::{ParameterDocs, Row, SWITCH};
use super::{ConfigError, parameter};

/// Declares a balancer's parameters, each On or Off with its default.
macro_rules! balancer_parameters {
    ($($(#[$about:meta])* $field:ident = $name:literal, $default:ident;)+) => {
        /// The settings of a balancer.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub struct BalancerSettings {
            $($(#[$about])* pub $field: bool,)+
        }

        /// The parameters that the lines of one server set for a balancer; `None`: not set.
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
        pub struct BalancerKeys {
            $($field: Option<bool>,)+
        }

        const ROWS: &[Row<BalancerKeys>] = &[$(Row {
            docs: ParameterDocs {
                name: $name,
                unit: SWITCH.unit,
                range: SWITCH.range,
                default: word($default),
                example: SWITCH.example,
            },
            set: |keys, value| {
                keys.$field = Some(SWITCH.parse(value)?);
                Ok(())
            },
        },)+];

        impl BalancerKeys {
            /// Returns these keys, with those of `base` where these are not set.
            #[must_use]
            pub fn over(self, base: Self) -> Self {
                Self { $($field: self.$field.or(base.$field),)+ }
            }

            /// Returns the settings, with the defaults where a key is not set.
            #[must_use]
            pub fn settings(self) -> BalancerSettings {
                BalancerSettings { $($field: self.$field.unwrap_or($default),)+ }
            }
        }

        impl BalancerSettings {
            /// Returns each parameter with its value.
            fn values(&self) -> impl Iterator<Item = (&'static str, bool)> {
                [$(($name, self.$field),)+].into_iter()
            }
        }
    };
}

balancer_parameters! {
    /// A request of a session is given to the session's member even if that is in error, once.
    session_retry = "sessionretry", OFF;

    /// The `redirect` of a member in error counts for its sessions.
    session_redirect = "sessionredirect", ON;

    /// Requests without a session go to members with `local=On` and no others.
    local_only = "localonly", OFF;
}

impl BalancerKeys {
    /// Sets the parameter of ours with this name, in any case. `Ok(false)`: it is not ours.
    ///
    /// # Errors
    /// [`ConfigError`] for anything but On and Off; the keys are unchanged then.
    pub fn set(&mut self, name: &str, value: &str) -> Result<bool, ConfigError> {
        parameter::set(ROWS, self, name, value)
    }

    /// Iterates over the parameters as they are documented.
    pub fn documented() -> impl Iterator<Item = ParameterDocs> {
        ROWS.iter().map(|row| row.docs)
    }
}

impl Default for BalancerSettings {
    fn default() -> Self {
        BalancerKeys::default().settings()
    }
}

impl fmt::Display for BalancerSettings {
    /// `sessionretry=Off sessionredirect=On localonly=Off`
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, (name, on)) in self.values().enumerate() {
            let space = if at == 0 { "" } else { " " };
            write!(f, "{space}{name}={}", word(on))?;
        }
        Ok(())
    }
}

const ON: bool = true;
const OFF: bool = false;

const fn word(on: bool) -> &'static str {
    if on { "On" } else { "Off" }
}

#[cfg(test)]
mod tests {
    use super::super::parameter::tests::check_rows;
    use super::*;

    fn keys(pairs: &[(&str, &str)]) -> BalancerKeys {
        let mut keys = BalancerKeys::default();
        for (key, value) in pairs {
            assert_eq!(keys.set(key, value), Ok(true), "{key}={value}");
        }
        keys
    }

    #[test]
    fn every_parameter_sets_a_value_of_its_own_and_refuses_a_wrong_one() {
        check_rows(ROWS);
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
    fn a_virtual_host_s_parameter_applies_and_else_the_main_server_s() {
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
