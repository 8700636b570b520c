//! What the other rooms speak in: places in files, messages, the report.

pub mod characters;
pub mod closest_name;
pub mod count;
pub mod limits;
pub mod marks;
pub mod message;
pub mod property;
pub mod report;
pub mod secrets;
pub mod source;
pub mod span;
