//! Reasons why the command ends early.

/// The reason why the command ends early. Each leads to an exit status of its own.
#[derive(Debug)]
pub(crate) enum Failure {
    /// A file or a program cannot be used.
    Io(String),
    /// httpd rejects the configuration; this is its output.
    Rejected(String),
    /// SIGTERM or SIGINT has arrived.
    Interrupted,
}
