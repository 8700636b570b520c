//! From mod_jk: its configuration read, this module's written. What `jk2ajp` does.
//!
//! ```text
//! httpd_conf, sections               httpd's configuration
//! directives, options                the Jk lines of httpd's configuration
//! beside                             and what stands with them in <IfModule mod_jk.c>
//! properties, macros, definitions    workers.properties as mod_jk reads it
//! rules, extensions, pattern, mounts what is mapped, and in which order
//! ajp, ajp_pings, balancer, plan     workers, as httpd's
//! emit, emit_server, strip_session, text  the configuration
//! bounds                             the most of all that
//! report, message, source, nearest   what has become of each line, and what is wrong with it
//! readings, watch                    what is new since the last look at the files
//! ```
//!
//! Nothing here touches the machine: files come through [`Files`], the environment through a
//! function, the time as an argument. Whatever the files say, [`convert`] gives files, or a message with file, line and column.

mod ajp;
mod ajp_connections;
mod ajp_pings;
mod balancer;
mod beside;
mod bounds;
mod convert;
mod definitions;
mod directives;
mod directives_dropped;
mod emit;
mod emit_server;
mod extensions;
mod httpd_conf;
mod macros;
mod message;
mod mounts;
mod nearest;
mod options;
mod pattern;
mod plan;
mod properties;
mod property_table;
mod readings;
mod report;
mod rules;
mod secrets;
mod sections;
mod source;
mod strip_session;
mod text;
mod values;
mod watch;

pub use beside::COPIED;
pub use convert::{Conversion, Input, convert};
pub use emit::{MAIN_FILE, OutputFile};
pub use httpd_conf::Files;
pub use message::{Message, Severity};
pub use pattern::{Pattern, PatternError};
pub use readings::{Reader, Readings};
pub use report::{Fate, Report};
pub use source::{Place, SourceFile, Sources, Span};
pub use text::quoted;
pub use watch::{Look, Watch};
