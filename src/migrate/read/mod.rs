//! mod_jk's files and httpd's, read as mod_jk reads them.

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
