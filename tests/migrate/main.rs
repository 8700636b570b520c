//! `jk2ajp`: its output, its messages, its watching of files, and mod_jk beside it.

mod any_text;
#[cfg(feature = "httpd")]
mod behaviour;
mod bounds;
mod command;
#[cfg(feature = "httpd")]
mod differential;
#[cfg(feature = "httpd")]
mod disk;
mod golden;
#[cfg(feature = "httpd")]
mod inheritance;
mod messages;
mod patterns;
mod watch;
