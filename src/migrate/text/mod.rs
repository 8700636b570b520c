//! What all other rooms use: places in files, messages, the report, and limits.

pub mod characters;
pub mod count;
pub mod limits;
pub mod marks;
pub mod message;
pub mod property;
pub mod report;
pub mod secrets;
pub mod source;
pub mod span;
