//! One request from end to end: connection, packets, retry, status.
//!
//! What httpd contributes (reading the client's body, writing to the client) comes in through
//! [`Client`], so that a test can stand in for it.

mod client;
mod dialogue;
mod drive;
mod error;
mod outcome;
mod prepared;
mod report;
mod retry;
mod settings;
mod tally;

pub use client::{BodyPiece, Client, ClientError};
pub use drive::serve;
pub use error::{Failure, Phase, ProxyError};
pub use outcome::{Level, Member, Outcome, Reply};
pub use prepared::{BodyError, Prepared, RequestError, body_of};
pub use report::{Finished, Traffic};
pub use settings::{Flush, Resend, Settings};
