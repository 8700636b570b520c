//! How loud a log line is.

/// The reader that a log line is meant for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Level {
    /// An administrator must act.
    Error,
    /// An administrator may want to know.
    Warning,
    /// The client's own doing.
    Info,
}
