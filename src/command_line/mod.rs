//! The command lines of the programs `ajp-dialer` and `jk2ajp`.
//!
//! They are in the library because a program of its own (`manuals/`) makes man pages and completions of them.

mod ajp_dialer;
mod jk2ajp;
mod program;

pub use ajp_dialer::{AjpDialer, OptionError};
pub use jk2ajp::Jk2ajp;
pub use program::Program;
