//! A directive of httpd's configuration, and where it stands.

use crate::migrate::text::source::SourceFile;
use crate::migrate::text::span::Span;

/// mod_jk's handler.
pub const JK_HANDLER: &str = "jakarta-servlet";

/// A directive of mod_jk's, or one that matters to them.
#[derive(Clone, Debug)]
pub struct Directive {
    /// As it was written.
    pub name: String,
    /// Its words. Each is a slice of `file`, but for escaped quotes.
    pub words: Vec<String>,
    /// All that follows the name.
    pub arguments: String,
    /// The line.
    pub at: Span,
    /// Where the line is; for one that was continued or had variables, its text alone.
    pub file: SourceFile,
    /// Which server it is for: 0 is the main one.
    pub server: usize,
    /// The innermost `<Location>`.
    pub location: Option<Location>,
}

impl Directive {
    /// The name, to be compared.
    #[must_use]
    pub fn is(&self, name: &str) -> bool {
        self.name.eq_ignore_ascii_case(name)
    }
}

/// What a `<Location>` says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Location {
    /// A path, or an expression.
    pub path: String,
    /// `<LocationMatch>` or `~`.
    pub is_expression: bool,
}

/// A virtual host, or the main server.
#[derive(Clone, Debug)]
pub struct ServerSection {
    /// What `<VirtualHost>` says; empty for the main server.
    pub addresses: String,
    /// ServerName.
    pub name: Option<String>,
    /// The line of `<VirtualHost>`.
    pub at: Option<Span>,
}
