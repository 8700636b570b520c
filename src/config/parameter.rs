//! Parameters as rows: the name, how a value is written, the default, and where the value goes.
//!
//! The parser, the text of its errors and the tables of the documents follow from the rows or are
//! checked against them. A new parameter is a row, its use, and a row in `docs/reference.md`.

use std::time::Duration;

use super::duration::{parse_ms, parse_s};
use super::{ConfigError, ValueError};

/// The part of a row that is documented.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ParameterDocs {
    /// The name, in lower case.
    pub name: &'static str,
    /// The unit of a plain number; empty: none.
    pub unit: &'static str,
    /// The values that are accepted.
    pub range: &'static str,
    /// The default.
    pub default: &'static str,
    /// A value that is accepted and is not the default.
    pub example: &'static str,
}

/// How the value of a parameter is written.
pub(super) struct Kind<T> {
    pub(super) unit: &'static str,
    pub(super) range: &'static str,
    /// The range in the words of an error: "must be …".
    pub(super) error: &'static str,
    pub(super) example: &'static str,
    pub(super) read: fn(&str) -> Option<T>,
}

impl<T> Kind<T> {
    /// Makes a kind of value that is written in words; the documents and the error name them alike.
    pub(super) const fn words(
        range: &'static str,
        example: &'static str,
        read: fn(&str) -> Option<T>,
    ) -> Self {
        Self { unit: "", range, error: range, example, read }
    }

    /// Reads a value.
    pub(super) fn parse(&self, value: &str) -> Result<T, ValueError> {
        (self.read)(value).ok_or(ValueError(self.error))
    }
}

/// A parameter of the settings `S`.
pub(super) struct Row<S> {
    pub(super) docs: ParameterDocs,
    pub(super) set: fn(&mut S, &str) -> Result<(), ValueError>,
}

/// Sets the parameter with this name, in any case, as httpd compares names. `Ok(false)`: there is none.
///
/// # Errors
/// [`ConfigError`] for a value out of range; the settings are unchanged then.
pub(super) fn set<S>(
    rows: &[Row<S>],
    settings: &mut S,
    name: &str,
    value: &str,
) -> Result<bool, ConfigError> {
    let Some(row) = rows.iter().find(|row| row.docs.name.eq_ignore_ascii_case(name)) else {
        return Ok(false);
    };
    (row.set)(settings, value).map(|()| true).map_err(|error| error.of(row.docs.name, value))
}

/// Declares settings and the rows of their parameters. The doc comment above a row is that of its field;
/// what stands in `beside` has no row.
macro_rules! parameters {
    (
        $(#[$of_settings:meta])*
        pub struct $Settings:ident, $ROWS:ident;
        beside { $($(#[$of_other:meta])* $other:ident: $Other:ty,)* }
        $(
            $(#[$of_field:meta])*
            $field:ident: $Field:ty = $name:expr, $kind:expr, $default:literal;
        )+
    ) => {
        $(#[$of_settings])*
        pub struct $Settings {
            $($(#[$of_field])* pub $field: $Field,)+
            $($(#[$of_other])* pub $other: $Other,)*
        }

        /// Every parameter.
        const $ROWS: &[Row<$Settings>] = &[$(Row {
            docs: ParameterDocs {
                name: $name,
                unit: $kind.unit,
                range: $kind.range,
                default: $default,
                example: $kind.example,
            },
            set: |settings, value| {
                settings.$field = $kind.parse(value)?.into();
                Ok(())
            },
        },)+];
    };
}
pub(super) use parameters;

/// On and Off, in any case.
pub(super) const SWITCH: Kind<bool> = Kind {
    unit: "",
    range: "On, Off",
    error: "On or Off",
    example: "On",
    read: |value| match value.to_ascii_lowercase().as_str() {
        "on" => Some(true),
        "off" => Some(false),
        _ => None,
    },
};

/// A time in milliseconds, or with a unit.
pub(super) const MILLISECONDS: Kind<Duration> = Kind {
    unit: "milliseconds",
    range: "1 to 24 days",
    error: "a time of at least 1 ms and at most 24 days (500, 500ms, 2s, 1min, 1h)",
    example: "7",
    read: |value| parse_ms(value).filter(|time| !time.is_zero() && *time <= MAX_TIME),
};

/// A time in seconds, or with a unit.
pub(super) const SECONDS: Kind<Duration> = Kind {
    unit: "seconds",
    range: "1 ms to 24 days",
    error: "a time of at least 1 ms and at most 24 days, in seconds without a unit (30, 500ms, 2min)",
    example: "7",
    read: |value| parse_s(value).filter(|time| !time.is_zero() && *time <= MAX_TIME),
};

/// A time in seconds, or with a unit; 0: none.
pub(super) const SECONDS_OR_0: Kind<Option<Duration>> = Kind {
    unit: "seconds",
    range: "0 to 24 days",
    error: "a time of at most 24 days, in seconds without a unit (0, 30, 500ms, 2min)",
    example: "7",
    read: |value| {
        let time = parse_s(value).filter(|time| *time <= MAX_TIME)?;
        Some(Some(time).filter(|time| !time.is_zero()))
    },
};

/// A pause of a thread, in milliseconds, or with a unit.
pub(super) const PAUSE: Kind<Duration> = Kind {
    unit: "milliseconds",
    range: "0 to 60 s",
    error: "a time from 0 to 60 seconds (100, 100ms, 2s)",
    example: "7",
    read: |value| parse_ms(value).filter(|time| *time <= MAX_PAUSE),
};

/// A word, as long as a `route` may be.
pub(super) const WORD: Kind<String> = Kind::words("a word of 1 to 63 bytes", "word", |value| {
    let is_word = (1..=63).contains(&value.len()) && !value.contains(char::is_whitespace);
    is_word.then(|| value.into())
});

/// A whole number within a range.
macro_rules! number {
    ($T:ty, $min:literal to $max:literal) => {
        Kind::<$T> {
            unit: "",
            range: concat!($min, " to ", $max),
            error: concat!("a number from ", $min, " to ", $max),
            example: "7",
            read: |value| value.parse().ok().filter(|number| ($min..=$max).contains(number)),
        }
    };
}
pub(super) use number;

/// poll() takes milliseconds as a signed 32-bit number: 24.8 days.
const MAX_TIME: Duration = Duration::from_secs(24 * 24 * 3600);

/// A thread of the child sleeps through it.
const MAX_PAUSE: Duration = Duration::from_secs(60);

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use std::fmt::Debug;

    /// Checks that every row sets a value of its own, and refuses others with its name.
    pub(in crate::config) fn check_rows<S>(rows: &[Row<S>])
    where
        S: Default + Clone + PartialEq + Debug,
    {
        for row in rows {
            let name = row.docs.name;
            let mut settings = S::default();
            assert_eq!(set(rows, &mut settings, name, row.docs.example), Ok(true), "{name}");
            assert_ne!(settings, S::default(), "{name} changes something");
            let before = settings.clone();
            let long = "x".repeat(64);
            let bad: &[&str] = match row.docs.range == WORD.range {
                true => &["", "a b", &long],
                false => &["", "-1", "maybe", "1.5", "99999999999999999999", "7x", "h"],
            };
            for bad in bad.iter().copied() {
                let error = set(rows, &mut settings, name, bad).unwrap_err();
                assert_eq!((error.parameter, error.value.as_str()), (name, bad));
            }
            assert_eq!(settings, before, "{name}: a wrong value changes nothing");
            let namesakes = rows.iter().filter(|other| other.docs.name == name).count();
            assert_eq!(namesakes, 1, "{name} has one row");
        }
    }

    /// Checks that a default that can be written is the default.
    pub(in crate::config) fn check_defaults<S>(rows: &[Row<S>])
    where
        S: Default + PartialEq + Debug,
    {
        // For a word, "none" would be a value.
        for row in rows.iter().filter(|row| row.docs.default != "none") {
            let mut settings = S::default();
            if set(rows, &mut settings, row.docs.name, row.docs.default) == Ok(true) {
                assert_eq!(settings, S::default(), "{}={}", row.docs.name, row.docs.default);
            }
        }
    }

    #[test]
    fn an_escalation_of_0_is_none() {
        assert_eq!(SECONDS_OR_0.parse("0"), Ok(None));
        assert_eq!(SECONDS_OR_0.parse("0ms"), Ok(None));
        assert_eq!(SECONDS_OR_0.parse("2min"), Ok(Some(Duration::from_secs(120))));
        assert!(SECONDS_OR_0.parse("576h").is_ok() && SECONDS_OR_0.parse("577h").is_err());
    }
}
