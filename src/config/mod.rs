//! Settings as types: the meaning of the words in httpd's configuration, with their ranges.
//!
//! A value is checked once, where it is read. A wrong one is refused with parameter, value and range,
//! and httpd does not start.

mod activation;
mod attributes;
mod balancer;
pub mod closest_name;
mod duration;
mod error;
mod hidden_status_pages;
mod known_parameters;
mod line;
mod maintain;
mod misread_numbers;
mod parameter;
mod parking;
mod ping_mode;
mod pings;
mod pool_size;
mod recovery;
mod reverse;
mod rewrite;
mod status_list;
mod target;
mod upload_ahead;
mod words;
mod worker;

use error::ValueError;

pub use attributes::{EnvVariable, RequestAttributes};
pub use balancer::{BalancerKeys, BalancerSettings};
pub use error::ConfigError;
pub use hidden_status_pages::{HiddenStatusPage, hidden_status_pages};
pub use known_parameters::{is_of_health_checks, unknown_worker_parameter};
pub use line::{ConfigLine, LinePlace};
pub use maintain::Maintain;
pub use misread_numbers::{MisreadNumber, has_ajp_member, misread_numbers};
pub use parameter::ParameterDocs;
pub use parking::{ChildSize, ParkingRemark};
pub use ping_mode::PingMode;
pub use pings::Pings;
pub use pool_size::PoolSize;
pub use recovery::Recovery;
pub use reverse::ReverseListener;
pub use rewrite::Edited;
pub use status_list::{FailStatus, StatusFailure};
pub use target::Line;
pub use upload_ahead::UploadAhead;
pub use words::{Word, Words};
pub use worker::WorkerSettings;
