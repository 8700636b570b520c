//! The limits of one conversion. Within them, time and memory are proportional to what is read and
//! written; larger input is an error.
//!
//! A few lines can expand to any size: macros that contain macros, templates of templates, files that
//! are included repeatedly, mounts that are copied to every virtual host, exclusions that are written
//! before each mount of their worker. All of these are counted. `docs/migrating.md` lists the limits.

/// Bytes read from all files, each file as often as it is included.
pub const MAX_BYTES_READ: usize = 16 << 20;
/// Bytes that variables may add to one line of httpd's configuration.
pub const MAX_EXPANSION: usize = 64 << 10;
/// Nested sections.
pub const MAX_SECTION_DEPTH: usize = 128;
/// Jk directives; also virtual hosts.
pub const MAX_DIRECTIVES: usize = 20_000;
/// Lines with a property.
pub const MAX_PROPERTY_LINES: usize = 100_000;
/// Properties, including those copied from templates.
pub const MAX_PROPERTIES: usize = 20_000;
/// Bytes of their names and values, with macros expanded.
pub const MAX_PROPERTY_BYTES: usize = 4 << 20;
/// Workers, and members of each balancer.
pub const MAX_WORKERS: usize = 20_000;
/// Rules, counted in each server that has them.
pub const MAX_RULES: usize = 20_000;
/// Bytes written to all files.
pub const MAX_BYTES_WRITTEN: usize = 16 << 20;
