//! Directives of httpd's configuration, and the sections that they are in.

use crate::config::Words;
use crate::migrate::text::source::SourceFile;
use crate::migrate::text::span::Span;

/// mod_jk's handler.
pub const JK_HANDLER: &str = "jakarta-servlet";

/// A directive of mod_jk's, or one that affects them.
#[derive(Clone, Debug)]
pub struct Directive {
    /// The name as it is written.
    pub name: String,
    /// The words of the arguments, without quotes.
    pub words: Vec<String>,
    /// The arguments as they are written.
    pub arguments: String,
    /// The line.
    pub at: Span,
    /// The file of the line. For a line that was continued or has variables, a file with only its text.
    pub file: SourceFile,
    /// The index of the server; 0 is the main server.
    pub server: usize,
    /// The innermost `<Location>` around the line.
    pub location: Option<Location>,
}

impl Directive {
    /// Returns whether the directive has this name.
    #[must_use]
    pub fn is(&self, name: &str) -> bool {
        self.name.eq_ignore_ascii_case(name)
    }
}

/// The argument of a `<Location>`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Location {
    /// A path, or a regular expression.
    pub path: String,
    /// Whether it is an expression (`<LocationMatch>` or `~`).
    pub is_expression: bool,
}

impl Location {
    /// Parses the arguments of `<Location>` or `<LocationMatch>`.
    #[must_use]
    pub fn parse(name: &str, arguments: &str) -> Self {
        let mut words = Words::of(arguments).map(|word| word.text.into_owned());
        let first = words.next().unwrap_or_default();
        let (is_expression, path) = match first.as_str() {
            "~" => (true, words.next().unwrap_or_default()),
            _ => (name.eq_ignore_ascii_case("LocationMatch"), first),
        };
        Self { path, is_expression }
    }
}

/// The main server or a virtual host.
#[derive(Clone, Debug)]
pub struct ServerSection {
    /// The arguments of `<VirtualHost>`; empty for the main server.
    pub addresses: String,
    /// ServerName.
    pub name: Option<String>,
    /// The line of `<VirtualHost>`.
    pub at: Option<Span>,
}
