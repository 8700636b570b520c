//! Decides when to check the files again, and whether one has changed.

pub mod file_snapshot;
pub mod schedule;
