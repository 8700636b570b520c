//! Writes the configuration for httpd.

pub mod conf_text;
pub mod copied_lines;
pub mod files;
pub mod rule_differences;
pub mod rule_target;
pub mod rules;
pub mod server;
pub mod server_writer;
pub mod strip_session;
pub mod workers;
