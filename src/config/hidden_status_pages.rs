//! Locations of ajp-status that get no request, because a `ProxyPass` takes it.

use std::fmt;

use super::line::{ConfigLine, LinePlace};
use super::words::Words;

/// A location of ajp-status whose requests are proxied.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HiddenStatusPage {
    place: LinePlace,
    path: String,
    /// `ProxyPass "/"`, in the first server where it takes the requests.
    by: String,
    by_place: LinePlace,
    /// The number of other servers with such a line.
    others: usize,
}

impl fmt::Display for HiddenStatusPage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { place, path, by, by_place, others } = self;
        write!(
            f,
            "{place}: <Location \"{path}\"> with ajp-status gets no requests, because {by} ({by_place}) \
             takes them"
        )?;
        match others {
            0 => {}
            1 => write!(f, ", as a line of 1 other virtual host does")?,
            _ => write!(f, ", as lines of {others} other virtual hosts do")?,
        }
        write!(f, "; write ProxyPass \"{path}\" \"!\" before that line")
    }
}

/// Returns the locations of ajp-status that a `ProxyPass` hides.
///
/// A pattern is taken to match only if it matches everything. If it excludes something (`!`), the page is
/// taken to be visible.
#[must_use]
pub fn hidden_status_pages(lines: &[ConfigLine]) -> Vec<HiddenStatusPage> {
    let main = Server::read(lines);
    let hosts = lines.iter().filter(|line| line.is("<VirtualHost"));
    let hosts = hosts.map(|host| Server::read(&host.lines).over(&main));
    let mut found = Vec::<HiddenStatusPage>::new();
    for server in std::iter::once(main.clone()).chain(hosts) {
        for page in server.locations.iter().filter(|location| location.is_status_page) {
            let Some(by) = server.proxied_by(&page.path) else { continue };
            match found.iter_mut().find(|known| known.place == page.place) {
                Some(known) => known.others += 1,
                None => found.push(HiddenStatusPage {
                    place: page.place.clone(),
                    path: page.path.clone(),
                    by: by.text.clone(),
                    by_place: by.place.clone(),
                    others: 0,
                }),
            }
        }
    }
    found
}

/// The lines of one server.
#[derive(Clone, Debug, Default)]
struct Server {
    passes: Vec<Pass>,
    locations: Vec<Location>,
    inherits_passes: bool,
}

/// A `ProxyPass` or `ProxyPassMatch`.
#[derive(Clone, Debug)]
struct Pass {
    path: Path,
    /// `!`: nothing is proxied.
    excludes: bool,
    text: String,
    place: LinePlace,
}

#[derive(Clone, Debug)]
enum Path {
    Prefix(String),
    Everything,
    SomePattern,
}

#[derive(Clone, Debug)]
struct Location {
    path: String,
    is_status_page: bool,
    pass: Option<Pass>,
    place: LinePlace,
}

impl Server {
    fn read(lines: &[ConfigLine]) -> Self {
        let is_off =
            |line: &ConfigLine| line.arguments.trim_matches('"').eq_ignore_ascii_case("off");
        let mut inherit = lines.iter().filter(|line| line.is("ProxyPassInherit"));
        Self {
            passes: lines.iter().filter_map(|line| Pass::read(line, None)).collect(),
            locations: lines.iter().filter_map(Location::read).collect(),
            inherits_passes: !inherit.next_back().is_some_and(is_off),
        }
    }

    /// Adds what a virtual host has from the main server, before its own.
    fn over(self, main: &Self) -> Self {
        let inherited = if self.inherits_passes { &main.passes[..] } else { &[] };
        let both = |one: &[Location]| [one, &self.locations].concat();
        Self {
            passes: [inherited, &self.passes].concat(),
            locations: both(&main.locations),
            inherits_passes: self.inherits_passes,
        }
    }

    /// The line that takes the requests for a path; `None`: none does.
    fn proxied_by(&self, path: &str) -> Option<&Pass> {
        // mod_proxy asks the innermost location first, then all lines in their order.
        let around = self.locations.iter().filter(|location| matches(&location.path, path));
        let own = around.filter_map(|location| location.pass.as_ref()).next_back();
        for pass in own.into_iter().chain(&self.passes) {
            let takes = match &pass.path {
                Path::Prefix(prefix) => matches(prefix, path),
                Path::Everything => true,
                Path::SomePattern => pass.excludes,
            };
            if takes {
                return Some(pass).filter(|pass| !pass.excludes);
            }
        }
        None
    }
}

impl Pass {
    /// `location` is the path of the location around the line.
    fn read(line: &ConfigLine, location: Option<&str>) -> Option<Self> {
        let is_match = line.is("ProxyPassMatch");
        if !is_match && !line.is("ProxyPass") {
            return None;
        }
        let mut words = Words::of(&line.arguments).map(|word| word.text.into_owned());
        let mut is_pattern = is_match;
        let path = match location {
            Some(path) => path.to_owned(),
            None => match words.next()? {
                tilde if tilde == "~" => {
                    is_pattern = true;
                    words.next()?
                }
                path => path,
            },
        };
        let text = match location {
            Some(_) => format!("{} in <Location \"{path}\">", line.directive),
            None => format!("{} \"{path}\"", line.directive),
        };
        let path = match is_pattern {
            true if matches_everything(&path) => Path::Everything,
            true => Path::SomePattern,
            false => Path::Prefix(path),
        };
        Some(Self { path, excludes: words.next()? == "!", text, place: line.place.clone() })
    }
}

impl Location {
    /// A `<Location>` with a path; `None` for patterns and all other lines.
    fn read(line: &ConfigLine) -> Option<Self> {
        if !line.is("<Location") {
            return None;
        }
        let arguments = line.arguments.rsplit_once('>').map_or(&*line.arguments, |(path, _)| path);
        let path = Words::of(arguments).next()?.text.into_owned();
        if path == "~" || path.contains(['*', '?', '[']) {
            return None;
        }
        let mut passes = line.lines.iter().filter_map(|line| Pass::read(line, Some(&path)));
        Some(Self {
            is_status_page: line.lines.iter().any(sets_status_page),
            pass: passes.next_back(),
            place: line.place.clone(),
            path,
        })
    }
}

fn sets_status_page(line: &ConfigLine) -> bool {
    let handler = || Words::of(&line.arguments).next().map(|word| word.text);
    line.is("SetHandler") && handler().is_some_and(|handler| handler == "ajp-status")
}

/// Whether a path is `prefix` or below it (mod_proxy's `alias_match`, for paths without double slashes).
fn matches(prefix: &str, path: &str) -> bool {
    path.strip_prefix(prefix)
        .is_some_and(|rest| prefix.ends_with('/') || rest.is_empty() || rest.starts_with('/'))
}

/// Whether a regular expression is one of the usual ones for every path.
fn matches_everything(pattern: &str) -> bool {
    let start = pattern.strip_prefix('^').unwrap_or(pattern);
    let inner = start.strip_suffix('$').unwrap_or(start);
    matches!(start, "" | "/") || matches!(inner, "/(.*)" | "/.*" | "(/.*)" | "(.*)" | ".*")
}

#[cfg(test)]
mod tests {
    use super::super::line::tests::read;
    use super::*;

    const PAGE: &str = "<Location \"/ajp-status\">\nSetHandler ajp-status\n</Location>\n";

    fn hidden(text: &str) -> Vec<HiddenStatusPage> {
        hidden_status_pages(&read(text))
    }

    #[test]
    fn a_page_that_a_proxypass_takes_is_named_with_both_lines_and_the_remedy() {
        let found = hidden(&format!("{PAGE}ProxyPass \"/\" \"ajp://h/\""));
        let texts: Vec<_> = found.iter().map(ToString::to_string).collect();
        assert_eq!(
            texts,
            [
                "line 1 of x.conf: <Location \"/ajp-status\"> with ajp-status gets no requests, because \
              ProxyPass \"/\" (line 4 of x.conf) takes them; write ProxyPass \"/ajp-status\" \"!\" before \
              that line"
            ]
        );
    }

    #[test]
    fn a_page_is_hidden_by_each_line_that_takes_its_path_and_by_no_other() {
        for (line, is_hidden) in [
            ("ProxyPass / balancer://b/", true),
            ("ProxyPass /ajp-status http://h/", true),
            ("ProxyPassMatch ^/(.*)$ ajp://h/$1", true),
            ("ProxyPass ~ ^/ ajp://h/", true),
            ("<Location />\nProxyPass ajp://h/\n</Location>", true),
            ("ProxyPass /app ajp://h/app", false),
            ("ProxyPass /ajp ajp://h/", false),
            ("ProxyPass /ajp-status !\nProxyPass / ajp://h/", false),
            ("ProxyPass / ajp://h/\nProxyPass /ajp-status !", true),
            ("ProxyPassMatch ^/(ajp|server)-status !\nProxyPass / ajp://h/", false),
            ("ProxyPassMatch ^/app/(.*)$ ajp://h/$1", false),
            ("ProxyPassMatch ^/$ ajp://h/", false),
            ("<Location /ajp-status>\nProxyPass !\n</Location>\nProxyPass / ajp://h/", false),
            ("<LocationMatch ^/x>\nProxyPass ajp://h/\n</LocationMatch>", false),
        ] {
            assert_eq!(!hidden(&format!("{PAGE}{line}")).is_empty(), is_hidden, "{line}");
        }
    }

    #[test]
    fn virtual_hosts_have_the_main_server_s_location_and_are_counted() {
        let host = "<VirtualHost *:80>\nProxyPass / ajp://h/\n</VirtualHost>\n";
        let found = hidden(&format!("{PAGE}{host}{host}{host}"));
        assert_eq!(found.len(), 1);
        let text = found[0].to_string();
        assert!(
            text.contains("(line 5 of x.conf) takes them, as lines of 2 other virtual hosts do;")
        );
        let own = format!("<VirtualHost *:80>\n{PAGE}</VirtualHost>\n{host}");
        assert_eq!(hidden(&own), []);
        let inherited = format!("ProxyPass / ajp://h/\n<VirtualHost *:80>\n{PAGE}</VirtualHost>");
        assert_eq!(hidden(&inherited).len(), 1);
        let off = inherited.replace("*:80>\n", "*:80>\nProxyPassInherit Off\n");
        assert_eq!(hidden(&off), []);
    }
}
