//! A configuration word that cannot be taken.

/// A parameter with a value outside its range.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{parameter}={value}: must be {range}")]
pub struct ConfigError {
    /// The parameter's name, as documented.
    pub parameter: &'static str,
    /// The value as written.
    pub value: String,
    /// What may stand there.
    pub range: &'static str,
}

/// A value outside its range; the text says the range. Its parameter is added by who knows it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct ValueError(pub(super) &'static str);

impl ValueError {
    /// The error, with the parameter and the value.
    pub(super) fn of(self, parameter: &'static str, value: &str) -> ConfigError {
        ConfigError { parameter, value: value.into(), range: self.0 }
    }
}
