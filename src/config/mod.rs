//! Settings as types: what the words in httpd's configuration mean, with their ranges.
//!
//! A value is checked where it is read, once, and a wrong one is refused with parameter, value and
//! range, so that httpd does not start with it.

mod activation;
mod attributes;
mod balancer;
mod duration;
mod error;
mod maintain;
mod ping;
mod recovery;
mod reverse;
mod rewrite;
mod status_list;
mod switch;
mod words;
mod worker;

use error::ValueError;

pub use attributes::{EnvVariable, RequestAttributes};
pub use balancer::{BalancerKeys, BalancerSettings};
pub use error::ConfigError;
pub use maintain::Maintain;
pub use ping::{PingMode, Pings};
pub use recovery::Recovery;
pub use reverse::ReverseListener;
pub use rewrite::{Edited, Line};
pub use status_list::{FailStatus, StatusFailure};
pub use words::{Word, Words};
pub use worker::WorkerSettings;
