//! The levels of log lines.

/// The reader for whom a log line is meant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Level {
    /// An administrator must act.
    Error,
    /// An administrator may want to know.
    Warning,
    /// Caused by a client.
    Info,
}
