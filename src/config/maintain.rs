//! `ProxyAjpMaintain`: the interval of the housekeeper's rounds.

use std::time::Duration;

use super::ConfigError;

/// The time between two rounds; there may be no rounds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Maintain(Option<Duration>);

impl Default for Maintain {
    /// One round a second: a connection that the backend closes is closed on our side within two seconds.
    fn default() -> Self {
        Self(Some(Duration::from_secs(1)))
    }
}

impl Maintain {
    /// Parses whole seconds, up to an hour; 0: no rounds.
    ///
    /// # Errors
    /// [`ConfigError`] for anything else.
    pub fn parse(value: &str) -> Result<Self, ConfigError> {
        match value.parse::<u64>() {
            Ok(0) => Ok(Self(None)),
            Ok(seconds @ 1..=3600) => Ok(Self(Some(Duration::from_secs(seconds)))),
            _ => Err(ConfigError {
                parameter: "ProxyAjpMaintain",
                value: value.into(),
                range: "0 (off) or a whole number of seconds from 1 to 3600",
            }),
        }
    }

    /// Returns the interval; `None`: no rounds.
    #[must_use]
    pub fn every(self) -> Option<Duration> {
        self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn seconds_up_to_an_hour_and_0_for_off() {
        let every = |value| Maintain::parse(value).map(Maintain::every);
        assert_eq!(every("0"), Ok(None));
        assert_eq!(every("1"), Ok(Some(Duration::from_secs(1))));
        assert_eq!(every("3600"), Ok(Some(Duration::from_secs(3600))));
        assert_eq!(Maintain::default(), Maintain::parse("1").unwrap());
    }

    #[test]
    fn anything_else_is_refused_with_name_value_and_range() {
        for value in ["", "-1", "3601", "1s", "off", "1.5", "99999999999999999999"] {
            let error = Maintain::parse(value).unwrap_err();
            let text = error.to_string();
            assert_eq!(
                text,
                format!(
                    "ProxyAjpMaintain={value}: must be 0 (off) or a whole number of seconds from \
                     1 to 3600"
                )
            );
        }
    }
}
