//! From mod_jk: its configuration read, this module's written. What `jk2ajp` does.
//!
//! ```text
//! convert     runs a conversion
//! write       the configuration for httpd, as text
//! translate   mod_jk's workers, as workers and balancers of httpd's
//! read        mod_jk's files and httpd's, read as mod_jk reads them
//! text        places in files, messages, the report
//! watch       beside them: when to read the files again, and whether one has changed
//! ```
//!
//! Nothing here touches the machine: files come through [`Files`], the environment through a
//! function, the time as an argument. Whatever the files say, [`convert`] gives files, or a message with file, line and column.

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
