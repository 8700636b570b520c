//! The most that one conversion takes. Within it, time and memory grow with what is read and written;
//! what is larger is refused with a message.
//!
//! A few lines can come to any size: macros of macros, templates of templates, files that are
//! included again and again, mounts that are copied to every virtual host, exclusions that stand
//! before each mount of their worker. Each of these is counted. `docs/migrating.md` has the numbers.

/// Bytes that are read, all files together, each as often as it is included.
pub const MAX_BYTES_READ: usize = 16 << 20;
/// Bytes that variables add to one line of httpd's configuration.
pub const MAX_EXPANSION: usize = 64 << 10;
/// Sections within sections.
pub const MAX_SECTION_DEPTH: usize = 128;
/// Jk directives, and virtual hosts.
pub const MAX_DIRECTIVES: usize = 20_000;
/// Lines that say a property.
pub const MAX_PROPERTY_LINES: usize = 100_000;
/// Properties, with those that templates give.
pub const MAX_PROPERTIES: usize = 20_000;
/// Bytes of their names and values, macros put in.
pub const MAX_PROPERTY_BYTES: usize = 4 << 20;
/// Workers, and members of balancers, in each that has them.
pub const MAX_WORKERS: usize = 20_000;
/// Rules, in each server that has them.
pub const MAX_RULES: usize = 20_000;
/// Bytes that are written, all files together.
pub const MAX_BYTES_WRITTEN: usize = 16 << 20;
