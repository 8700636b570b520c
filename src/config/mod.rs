//! Settings as types: what the words in httpd's configuration mean, with their ranges.
//!
//! A value is checked where it is read, once, and a wrong one is refused with parameter, value and
//! range, so that httpd does not start with it.

mod duration;
mod error;
mod worker;

pub use error::ConfigError;
pub use worker::WorkerSettings;
