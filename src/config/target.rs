//! What a line of mod_proxy's is about: a balancer, or a worker.

use super::words::Words;

/// A line with one of mod_proxy's directives.
#[derive(Clone, Copy, Debug, Default)]
pub struct Line<'a> {
    /// `ProxyPass`, `<Proxy` and so on.
    pub directive: &'a str,
    /// The text after it, with the `>` that ends the line of a section.
    pub arguments: &'a str,
    /// The arguments of the `<Proxy>` section around it; empty: there is none.
    pub section: &'a str,
    /// Whether a section around it (`<Location>`) gives the path.
    pub has_path: bool,
}

/// The subject of a line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Target {
    /// The balancer with this name, in mod_proxy's form.
    Balancer(String),
    /// The worker with this URL, as it is written.
    Worker {
        url: String,
        /// The balancer whose member it is, in mod_proxy's form; `None`: it is no member.
        balancer: Option<String>,
    },
}

impl Line<'_> {
    /// Returns what the line is about, and how many words precede its parameters. `None`: it has none.
    pub(super) fn target(&self) -> Option<(Target, usize)> {
        let is = |name: &str| self.directive.eq_ignore_ascii_case(name);
        let mut words = Words::of(self.body()).map(|word| word.text);
        if is("ProxyPass") || is("ProxyPassMatch") {
            let mut params_at = 1;
            if !self.has_path {
                params_at += 1;
                if words.next()? == "~" {
                    params_at += 1;
                    words.next()?;
                }
            }
            return Some((of_url(&words.next()?), params_at));
        }
        if is("ProxySet") && self.section.is_empty() {
            return Some((of_url(&words.next()?), 1));
        }
        if is("ProxySet") {
            return Some((of_url(&self.of_section()?), 0));
        }
        if is("BalancerMember") {
            // mod_proxy takes each word with a `=` for a parameter, wherever it stands.
            let mut urls = words.filter(|word| !word.contains('='));
            let name = match self.section.is_empty() {
                true => urls.next()?.into_owned(),
                false => self.of_section()?,
            };
            let url = urls.next()?.into_owned();
            return Some((Target::Worker { url, balancer: Some(balancer_name(&name)?) }, 0));
        }
        if is("<Proxy") {
            let url = words.next()?;
            let url = url.strip_prefix("proxy:").unwrap_or(&url);
            // mod_proxy reports that a pattern cannot have parameters.
            return (!url.contains(PATTERN)).then(|| (of_url(url), 1));
        }
        None
    }

    /// Iterates over the line's parameters, as mod_proxy splits them.
    pub(super) fn parameters(&self, params_at: usize) -> impl Iterator<Item = (String, String)> {
        Words::of(self.body()).skip(params_at).filter_map(|word| {
            let (key, value) = word.parameter()?;
            Some((key.to_owned(), value.to_owned()))
        })
    }

    /// Returns the arguments without the `>` that ends the line of a section; it may follow a word
    /// immediately.
    pub(super) fn body(&self) -> &str {
        &self.arguments[..self.arguments.len() - self.end().len()]
    }

    /// Returns the end of the line of a section, from its last `>`.
    pub(super) fn end(&self) -> &str {
        let at = self.arguments.rfind('>').filter(|_| self.directive.starts_with('<'));
        at.map_or("", |at| &self.arguments[at..])
    }

    /// Returns the URL of the section around the line.
    fn of_section(&self) -> Option<String> {
        let name = Words::of(self.section).next()?.text;
        name.split('>').next().map(str::to_owned)
    }
}

fn of_url(url: &str) -> Target {
    match balancer_name(url) {
        Some(name) => Target::Balancer(name),
        None => Target::Worker { url: url.to_owned(), balancer: None },
    }
}

/// Returns the name that mod_proxy gives the balancer with this URL: without a path, in lower case.
fn balancer_name(url: &str) -> Option<String> {
    let scheme = url.get(..SCHEME.len()).filter(|scheme| scheme.eq_ignore_ascii_case(SCHEME))?;
    let name = url[scheme.len()..].split('/').next().filter(|name| !name.is_empty())?;
    Some(format!("{SCHEME}{}", name.to_ascii_lowercase()))
}

const SCHEME: &str = "balancer://";
const PATTERN: [char; 3] = ['*', '?', '['];

#[cfg(test)]
mod tests {
    use super::*;

    fn worker(url: &str, balancer: Option<&str>) -> Option<Target> {
        Some(Target::Worker { url: url.into(), balancer: balancer.map(str::to_owned) })
    }

    #[test]
    fn a_member_is_named_with_its_balancer_wherever_its_line_stands() {
        let member = |section, arguments| {
            let line = Line {
                directive: "balancermember",
                arguments,
                section,
                has_path: !section.is_empty(),
            };
            line.target().map(|(target, _)| target)
        };
        let wanted = worker("ajp://h", Some("balancer://b"));
        assert_eq!(member("\"balancer://B\">", "route=a ajp://h ttl=2"), wanted);
        assert_eq!(member("", "balancer://B ajp://h route=a"), wanted);
        assert_eq!(member("", "ajp://h route=a"), None);
        assert_eq!(member("\"/path\">", "ajp://h"), None);
    }

    #[test]
    fn a_worker_s_url_stays_as_it_is_written() {
        for (directive, arguments, section) in [
            ("ProxyPass", "/a \"ajp://H/x\" ttl=2m", ""),
            ("ProxyPassMatch", "^/a(.*)$ ajp://H/x", ""),
            ("ProxySet", "ajp://H/x ttl=2m", ""),
            ("ProxySet", "ttl=2m", "\"ajp://H/x\" ttl=3>"),
            ("<Proxy", "\"ajp://H/x\" ttl=2m>", ""),
        ] {
            let line = Line { directive, arguments, section, has_path: false };
            let found = line.target().map(|(target, _)| target);
            assert_eq!(found, worker("ajp://H/x", None), "{directive} {arguments}");
        }
    }

    #[test]
    fn the_parameters_of_a_line_come_after_its_url() {
        let line = Line {
            directive: "<Proxy",
            arguments: "ajp://h/a=b ttl=2m keepalive=On nocanon>",
            ..Line::default()
        };
        let (_, at) = line.target().expect("a worker");
        let pair = |key: &str, value: &str| (key.to_owned(), value.to_owned());
        assert_eq!(
            line.parameters(1).collect::<Vec<_>>(),
            [pair("ttl", "2m"), pair("keepalive", "On")]
        );
        assert_eq!(at, 1);
    }
}
