//! Settings as types: what the words in httpd's configuration mean, with their ranges.
//!
//! A value is checked where it is read, once, and a wrong one is refused with parameter, value and
//! range, so that httpd does not start with it.

mod duration;
mod error;
mod maintain;
mod ping;
mod recovery;
mod rewrite;
mod status_list;
mod worker;

use error::ValueError;

pub use error::ConfigError;
pub use maintain::Maintain;
pub use ping::{PingMode, Pings};
pub use recovery::Recovery;
pub use rewrite::rewrite;
pub use status_list::{FailStatus, StatusFailure};
pub use worker::WorkerSettings;
