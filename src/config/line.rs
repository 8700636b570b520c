//! Lines of httpd's configuration.

use std::fmt;

/// A line, with the lines of its section.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ConfigLine {
    /// `ProxyPass`, `<Location` and so on.
    pub directive: String,
    /// The text after it, with the `>` that ends the line of a section.
    pub arguments: String,
    /// The place of the line.
    pub place: LinePlace,
    /// The lines of its section, if it begins one.
    pub lines: Vec<ConfigLine>,
}

impl ConfigLine {
    /// Whether this is its directive, in any case.
    pub(super) fn is(&self, directive: &str) -> bool {
        self.directive.eq_ignore_ascii_case(directive)
    }
}

/// The place of a line.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LinePlace {
    /// The file, as httpd names it.
    pub file: String,
    /// The number of the line in the file, from 1.
    pub number: u32,
}

impl fmt::Display for LinePlace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {} of {}", self.number, self.file)
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// Reads lines of a configuration as httpd does: a line for each, numbered from 1.
    pub(in crate::config) fn read(text: &str) -> Vec<ConfigLine> {
        let mut open = vec![ConfigLine::default()];
        for (at, line) in text.lines().map(str::trim).enumerate() {
            let (directive, arguments) = line.split_once(' ').unwrap_or((line, ""));
            let place =
                LinePlace { file: "x.conf".into(), number: u32::try_from(at + 1).expect("few") };
            let line = ConfigLine {
                directive: directive.into(),
                arguments: arguments.trim().into(),
                place,
                lines: Vec::new(),
            };
            if directive.starts_with("</") {
                let section = open.pop().expect("it was opened");
                open.last_mut().expect("the file").lines.push(section);
            } else if directive.starts_with('<') {
                open.push(line);
            } else if !directive.is_empty() {
                open.last_mut().expect("the file").lines.push(line);
            }
        }
        assert_eq!(open.len(), 1, "every section is closed");
        open.remove(0).lines
    }

    #[test]
    fn a_place_reads_as_httpd_writes_it() {
        let lines = read("<Location \"/a\">\nSetHandler x\n</Location>\nProxyPass / ajp://h");
        assert_eq!(lines[0].lines[0].place.to_string(), "line 2 of x.conf");
        assert!(lines[1].is("proxypass") && lines[1].arguments == "/ ajp://h");
    }
}
