//! Converts mod_jk's configuration to this module's, for the program `jk2ajp`.
//!
//! ```text
//! convert     runs a conversion
//! write       writes the configuration for httpd
//! translate   mod_jk's workers -> workers and balancers of httpd's
//! read        parses httpd's configuration and mod_jk's files, with mod_jk's semantics
//! text        places in files, messages, the report, limits
//! watch       above text and read: when to check the files again, and whether one has changed
//! ```
//!
//! The layer does not access the machine: it gets files through [`Files`], the environment through a
//! function, and the time as an argument. Whatever the files contain, [`convert()`] returns files, or a
//! message with file, line and column.

mod convert;
mod read;
mod text;
mod translate;
mod watch;
mod write;

pub use convert::{Conversion, Input, convert};
pub use read::files::Files;
pub use read::pattern::{Pattern, PatternError};
pub use text::marks::COPIED;
pub use text::message::{Message, Severity};
pub use text::report::{Disposition, Report};
pub use text::source::{Place, SourceFile, Sources};
pub use text::span::Span;
pub use watch::file_snapshot::{FileSnapshot, SnapshotReader};
pub use watch::schedule::{CheckResult, Schedule};
pub use write::conf_text::quoted;
pub use write::files::{MAIN_FILE, OutputFile};
