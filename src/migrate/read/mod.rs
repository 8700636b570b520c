//! Parsers of httpd's configuration and mod_jk's files, with mod_jk's semantics.

pub mod continued_lines;
pub mod copied_lines;
pub mod definitions;
pub mod directive;
pub mod files;
pub mod httpd_conf;
pub mod jk_conf;
pub mod jk_directives;
pub mod jk_options;
pub mod macros;
pub mod pattern;
pub mod properties;
pub mod property_table;
pub mod rule_extensions;
pub mod rules;
pub mod sections;
pub mod unsupported_directives;
