//! Errors in the configuration.

/// A parameter with a value outside its range.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{parameter}={value}: must be {range}")]
pub struct ConfigError {
    /// The parameter's name, as documented.
    pub parameter: &'static str,
    /// The value as written.
    pub value: String,
    /// The values that are accepted.
    pub range: &'static str,
}

/// A value outside its range, which is the text. [`of`](Self::of) adds the parameter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct ValueError(pub(super) &'static str);

impl ValueError {
    /// Adds the parameter and the value.
    pub(super) fn of(self, parameter: &'static str, value: &str) -> ConfigError {
        ConfigError { parameter, value: value.into(), range: self.0 }
    }
}
