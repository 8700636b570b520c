//! The configuration for httpd, as text.

pub mod conf_text;
pub mod files;
pub mod server;
pub mod strip_session;
