//! Numbers of which mod_proxy reads only the digits: `ttl=2m` is 2 seconds for it.

use std::collections::HashMap;
use std::fmt;

use super::line::{ConfigLine, LinePlace};
use super::target::{Line, Target};

/// A number that mod_proxy reads otherwise than it is written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MisreadNumber {
    place: LinePlace,
    /// The balancer or the worker.
    of: String,
    /// `ttl=2m`, as it is written.
    written: String,
    /// The value that is in force.
    value: String,
    unit: &'static str,
}

impl fmt::Display for MisreadNumber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { place, of, written, value, unit } = self;
        let space = if unit.is_empty() { "" } else { " " };
        write!(
            f,
            "{place}: {of}: {written} is in force as {value}{space}{unit}, because mod_proxy reads only \
             the digits; write the number without anything after it"
        )
    }
}

/// Returns the numbers of `ajp://` workers, and of balancers with such members, that mod_proxy reads
/// otherwise than they are written and that are in force.
#[must_use]
pub fn misread_numbers(lines: &[ConfigLine]) -> Vec<MisreadNumber> {
    let mut reader = Reader::default();
    reader.read(lines, &Around::default());
    let Reader { found, ajp_balancers, .. } = reader;
    let is_ours = |subject: &Subject| match &subject.of {
        Target::Balancer(name) => ajp_balancers.contains(name),
        Target::Worker { url, .. } => is_ajp(url),
    };
    found
        .into_iter()
        .filter(|(subject, _)| is_ours(subject))
        .filter_map(|(_, found)| found)
        .collect()
}

/// Whether a line adds an `ajp://` member to the balancer with this name, in mod_proxy's form.
#[must_use]
pub fn has_ajp_member(lines: &[ConfigLine], balancer: &str) -> bool {
    let mut reader = Reader::default();
    reader.read(lines, &Around::default());
    reader.ajp_balancers.iter().any(|name| name == balancer)
}

/// A parameter of a balancer or worker of one server.
#[derive(PartialEq, Eq)]
struct Subject {
    server: usize,
    of: Target,
    parameter: String,
}

/// The sections around a line.
#[derive(Clone, Copy, Default)]
struct Around<'l> {
    server: usize,
    section: &'l str,
    has_path: bool,
}

#[derive(Default)]
struct Reader {
    /// What the last line that counts says: `None` is a number that is read as it is written.
    found: Vec<(Subject, Option<MisreadNumber>)>,
    /// The workers of each server (and balancer) so far.
    workers: HashMap<(usize, Option<String>), Vec<String>>,
    ajp_balancers: Vec<String>,
    servers: usize,
}

impl Reader {
    fn read(&mut self, lines: &[ConfigLine], around: &Around<'_>) {
        for line in lines {
            let is_proxy = line.is("<Proxy") || line.is("<ProxyMatch");
            let mut inside = Around { has_path: true, section: "", ..*around };
            if line.is("<VirtualHost") {
                self.servers += 1;
                inside = Around { server: self.servers, ..Around::default() };
            } else if is_proxy {
                inside.section = &line.arguments;
            }
            // mod_proxy reads what a section contains before the section's own parameters.
            self.read(&line.lines, &inside);
            self.read_line(line, around);
        }
    }

    fn read_line(&mut self, line: &ConfigLine, around: &Around<'_>) {
        let Around { server, section, has_path } = *around;
        let view =
            Line { directive: &line.directive, arguments: &line.arguments, section, has_path };
        let Some((of, params_at)) = view.target() else { return };
        if let Target::Worker { url, balancer } = &of {
            if is_ajp(url) {
                self.ajp_balancers.extend(balancer.clone());
            }
            let defines = !line.is("ProxySet") && !line.is("<Proxy");
            let known = self.workers.entry((server, balancer.clone())).or_default();
            let is_known = known.iter().any(|known| shares(known, url));
            if !is_known {
                known.push(real(url).to_owned());
            } else if defines {
                // httpd says that it ignores the parameters of the second definition.
                return;
            }
        }
        for (name, value) in view.parameters(params_at) {
            let is = |number: &&Number| number.name.eq_ignore_ascii_case(&name);
            let numbers = match of {
                Target::Balancer(_) => OF_BALANCERS,
                Target::Worker { .. } => OF_WORKERS,
            };
            let Some(number) = numbers.iter().find(is) else { continue };
            let subject = Subject { server, of: of.clone(), parameter: number.name.to_owned() };
            let misread = number.misread(&value).map(|read| MisreadNumber {
                place: line.place.clone(),
                of: match &of {
                    Target::Balancer(name) => name.clone(),
                    Target::Worker { url, .. } => url.clone(),
                },
                written: format!("{name}={value}"),
                value: read.to_owned(),
                unit: number.unit,
            });
            match self.found.iter_mut().find(|(known, _)| *known == subject) {
                Some((_, known)) => *known = misread,
                None => self.found.push((subject, misread)),
            }
        }
    }
}

/// Whether mod_proxy uses the worker with the URL `known` for `url` as well, instead of a new one.
fn shares(known: &str, url: &str) -> bool {
    let url = real(url);
    let host = url.find("://").map_or(0, |at| at + 3);
    let path = url[host..].find('/').map_or(url.len(), |at| host + at);
    known.len() >= path && url.starts_with(known)
}

/// The URL without the unix socket before it.
fn real(url: &str) -> &str {
    let is_socket = url.get(..5).is_some_and(|scheme| scheme.eq_ignore_ascii_case("unix:"));
    match url.split_once('|') {
        Some((_, real)) if is_socket => real,
        _ => url,
    }
}

fn is_ajp(url: &str) -> bool {
    real(url).get(..6).is_some_and(|scheme| scheme.eq_ignore_ascii_case("ajp://"))
}

/// A parameter that mod_proxy reads with atoi, atol or atof, and the unit that it means.
struct Number {
    name: &'static str,
    unit: &'static str,
    has_fraction: bool,
}

impl Number {
    const fn new(name: &'static str, unit: &'static str) -> Self {
        Self { name, unit, has_fraction: false }
    }

    /// Returns the number that mod_proxy reads in a value; `None`: all of it.
    fn misread<'v>(&self, value: &'v str) -> Option<&'v str> {
        let text = value.trim_start_matches(|c: char| c.is_ascii_whitespace() || c == '\x0B');
        let unsigned = text.strip_prefix(['+', '-']).unwrap_or(text);
        let digits = |text: &str| text.bytes().take_while(u8::is_ascii_digit).count();
        let mut length = digits(unsigned);
        let mut count = length;
        if self.has_fraction && unsigned[length..].starts_with('.') {
            let after = digits(&unsigned[length + 1..]);
            count += after;
            length += after + 1;
        }
        match count {
            0 => Some("0"),
            _ if length == unsigned.len() => None,
            _ => Some(&text[..text.len() - unsigned.len() + length]),
        }
    }
}

/// Those of `set_worker_param` and `set_worker_hc_param`.
const OF_WORKERS: &[Number] = &[
    Number { has_fraction: true, ..Number::new("loadfactor", "") },
    Number::new("retry", "s"),
    Number::new("ttl", "s"),
    Number::new("min", ""),
    Number::new("max", ""),
    Number::new("smax", ""),
    Number::new("timeout", "s"),
    Number::new("iobuffersize", "bytes"),
    Number::new("receivebuffersize", "bytes"),
    Number::new("flushwait", "ms"),
    Number::new("lbset", ""),
    Number::new("responsefieldsize", "bytes"),
    Number::new("hcpasses", ""),
    Number::new("hcfails", ""),
];

/// Those of `set_balancer_param`.
const OF_BALANCERS: &[Number] =
    &[Number::new("timeout", "s"), Number::new("maxattempts", ""), Number::new("growth", "")];

#[cfg(test)]
mod tests {
    use super::super::line::tests::read;
    use super::*;

    /// Each finding without the words that are the same in all.
    fn found(text: &str) -> Vec<String> {
        let texts = misread_numbers(&read(text)).into_iter().map(|misread| misread.to_string());
        texts.map(|text| text.split(", because").next().unwrap_or_default().to_owned()).collect()
    }

    #[test]
    fn the_digits_alone_are_in_force() {
        for (written, read) in [
            ("ttl=2m", "2 s"),
            ("timeout=60s", "60 s"),
            ("retry=1m", "1 s"),
            ("Retry=soon", "0 s"),
            ("retry=\"10\"", "0 s"),
            ("max=10x", "10"),
            ("iobuffersize=8192bytes", "8192 bytes"),
            ("flushwait=5ms", "5 ms"),
            ("loadfactor=1.5x", "1.5"),
            ("hcfails=2x", "2"),
        ] {
            let wanted = format!("line 1 of x.conf: ajp://h/a: {written} is in force as {read}");
            assert_eq!(found(&format!("ProxyPass /a ajp://h/a {written}")), [wanted]);
        }
    }

    #[test]
    fn numbers_and_values_with_a_unit_of_httpd_s_own_are_read_as_they_are_written() {
        let all = "ttl=2 timeout=+60 retry=0 loadfactor=1.5 loadfactor=.5 ping=2ms acquire=1s \
                   connectiontimeout=500ms addressttl=1min route=2m secret=5x keepalive=On hcinterval=5s";
        assert_eq!(found(&format!("ProxyPass /a ajp://h/a {all}")), [""; 0]);
    }

    #[test]
    fn every_line_that_sets_a_parameter_is_read() {
        for (text, wanted) in [
            (
                "<VirtualHost *:80>\nProxyPass /a ajp://h ttl=2m\n</VirtualHost>",
                "line 2 of x.conf: ajp://h",
            ),
            ("ProxySet ajp://h ttl=2m", "line 1 of x.conf: ajp://h"),
            ("<Proxy ajp://h ttl=2m>\n</Proxy>", "line 1 of x.conf: ajp://h"),
            ("<Proxy ajp://h>\nProxySet ttl=2m\n</Proxy>", "line 2 of x.conf: ajp://h"),
            ("<Location /a>\nProxyPass ajp://h ttl=2m\n</Location>", "line 2 of x.conf: ajp://h"),
            ("BalancerMember balancer://b ajp://h ttl=2m", "line 1 of x.conf: ajp://h"),
            (
                "<Proxy balancer://b>\nBalancerMember unix:/s|ajp://h ttl=2m\n</Proxy>",
                "line 2 of x.conf: unix:/s|ajp://h",
            ),
        ] {
            assert_eq!(found(text), [format!("{wanted}: ttl=2m is in force as 2 s")], "{text}");
        }
    }

    #[test]
    fn a_balancer_counts_if_a_member_is_ajp() {
        let balancer = |member: &str| {
            found(&format!(
                "<Proxy balancer://b>\nBalancerMember {member}\n</Proxy>\nProxyPass /a balancer://B \
                 timeout=5s"
            ))
        };
        let wanted = "line 4 of x.conf: balancer://b: timeout=5s is in force as 5 s";
        assert_eq!(balancer("ajp://h"), [wanted]);
        assert_eq!(balancer("http://h"), [""; 0]);
        let member =
            |balancer| has_ajp_member(&read("BalancerMember balancer://B ajp://h"), balancer);
        assert!(member("balancer://b") && !member("balancer://c"));
        assert_eq!(found("ProxyPass /a http://h timeout=5s"), [""; 0]);
    }

    #[test]
    fn what_another_line_overrides_is_not_in_force() {
        assert_eq!(found("ProxyPass /a ajp://h ttl=2m\nProxySet ajp://h ttl=60"), [""; 0]);
        assert_eq!(found("<Proxy ajp://h ttl=60>\nProxySet ttl=2m\n</Proxy>"), [""; 0]);
        assert_eq!(found("ProxyPass /a ajp://h ttl=60\nProxyPass /b ajp://h/b ttl=2m"), [""; 0]);
        assert_eq!(found("ProxyPass /a ajp://h:80\nProxyPass /b ajp://h:8009 ttl=2m").len(), 1);
        let hosts = "<VirtualHost *:1>\nProxyPass /a ajp://h ttl=60\n</VirtualHost>\n<VirtualHost *:2>\n\
                     ProxyPass /a ajp://h ttl=2m\n</VirtualHost>";
        assert_eq!(found(hosts).len(), 1);
    }
}
