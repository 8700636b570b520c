//! What the other rooms speak in: places in files, messages, the report.

pub mod closest_name;
pub mod limits;
pub mod message;
pub mod report;
pub mod secrets;
pub mod source;
