//! One request from end to end: connection, packets, retry, status.
//!
//! httpd's part (reading the client's body, writing to the client) comes in through [`Client`], so that
//! a test can replace it.

mod blocking;
mod client;
mod consequence;
pub mod conversation;
mod error;
mod headers;
mod parked;
mod prepared;
mod report;
mod settings;

pub use crate::exchange::Phase;
pub use blocking::serve;
pub use client::{BodyPiece, Client, ClientError, ReadyPiece};
pub use consequence::{
    Consequence, Facts, FailureLine, Mark, MemberFacts, MemberHistory, NextMember, Notes,
    ProbeResult, Reply,
};
pub use error::{Failure, ProxyError};
pub use headers::{
    AttributeValues, ENVIRONMENT_PREFIX, Pair, ResponseHeaderRule, TlsValues, content_length,
    is_idempotent, is_plain_number, is_sent, request_method, says_no_length, stays_in_response,
};
pub use parked::{ParkedRequest, PatientClient, Progress};
pub use prepared::{BodyError, Prepared, RequestError, body_of};
pub use report::{Finished, Traffic};
pub use settings::{Flush, RequestSettings, Resend, Settings};
