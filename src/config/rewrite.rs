//! Words that mod_proxy refuses before it asks us: they are removed from the line, or replaced by words
//! that it passes on.
//!
//! Our handlers of the same directives are called before mod_proxy's and may edit the line. mod_proxy
//! accepts neither `acquire=0` ("look once") nor `loadfactor=0`, does not tell whether an `lbset` of 0 was
//! written, and refuses parameters of a balancer that it does not know: see [`BalancerKeys`]. (It asks us
//! about parameters of a worker that it does not know.)

use std::borrow::Cow;

use super::known_parameters::unknown_balancer_parameter;
use super::target::{Line, Target};
use super::words::{Word, Words};
use super::worker::{LOOK_ONCE, SESSIONS_ONLY};
use super::{BalancerKeys, ConfigError};

/// The result of editing a line.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Edited {
    /// The arguments for mod_proxy; `None`: they are unchanged.
    pub arguments: Option<String>,
    /// The parameters of ours for a balancer, with its name in mod_proxy's form.
    pub balancer: Option<(String, BalancerKeys)>,
    /// What is wrong with the names of a balancer's parameters, which mod_proxy may refuse without naming
    /// them.
    pub unknown: Vec<String>,
}

impl Line<'_> {
    /// Removes or replaces our words. Everything else in the line stays as it was written, byte for byte.
    ///
    /// `has_ajp_member` says whether the balancer with this name, in mod_proxy's form, has an `ajp://` member.
    ///
    /// # Errors
    /// [`ConfigError`] for a wrong value of a balancer's parameter.
    pub fn edit(&self, has_ajp_member: impl Fn(&str) -> bool) -> Result<Edited, ConfigError> {
        let balancer = match self.target() {
            Some((Target::Balancer(name), params_at)) => {
                return self.without_balancer_keys(name, params_at);
            }
            Some((Target::Worker { balancer, .. }, _)) => balancer,
            None => None,
        };
        if mentions_ajp(self.arguments) || mentions_ajp(self.section) {
            let arguments = self.with_replacements(|_| true);
            return Ok(Edited { arguments, ..Edited::default() });
        }
        let arguments = self.with_replacements(is_loadfactor);
        let is_ours = arguments.is_some() && balancer.is_some_and(|name| has_ajp_member(&name));
        Ok(Edited { arguments: arguments.filter(|_| is_ours), ..Edited::default() })
    }

    fn without_balancer_keys(&self, name: String, params_at: usize) -> Result<Edited, ConfigError> {
        let mut keys = BalancerKeys::default();
        let mut kept = String::with_capacity(self.arguments.len());
        let mut unknown = Vec::new();
        let mut words = Words::of(self.body());
        for (number, word) in words.by_ref().enumerate() {
            let parameter = word.parameter().filter(|_| number >= params_at);
            if let Some((key, value)) = parameter {
                if keys.set(key, value)? {
                    continue;
                }
                // ProxyPass has this one for itself.
                let is_balancers = !key.eq_ignore_ascii_case("mapping");
                let wrong = unknown_balancer_parameter(key).filter(|_| is_balancers);
                unknown.extend(wrong.map(|wrong| format!("{name}: {wrong}")));
            }
            kept.push_str(word.space);
            kept.push_str(word.raw);
        }
        if keys == BalancerKeys::default() {
            return Ok(Edited { unknown, ..Edited::default() });
        }
        if !kept.is_empty() {
            kept.push_str(words.rest());
        }
        kept.push_str(self.end());
        Ok(Edited { arguments: Some(kept), balancer: Some((name, keys)), unknown })
    }

    fn with_replacements(&self, is_ours: impl Fn(&Word<'_>) -> bool) -> Option<String> {
        let mut rewritten = String::with_capacity(self.arguments.len() + 24);
        let mut changed = false;
        let mut words = Words::of(self.body());
        for word in words.by_ref() {
            rewritten.push_str(word.space);
            let ours = replacement(&word).filter(|_| is_ours(&word));
            changed |= ours.is_some();
            rewritten.push_str(&ours.unwrap_or(word.raw.into()));
        }
        rewritten.push_str(words.rest());
        rewritten.push_str(self.end());
        changed.then_some(rewritten)
    }
}

/// Returns the words that replace a word which mod_proxy would refuse.
fn replacement(word: &Word<'_>) -> Option<Cow<'static, str>> {
    let (key, value) = word.parameter()?;
    let value = value.trim_matches('"');
    if key.eq_ignore_ascii_case("acquire") {
        let digits = value.trim_end_matches(|c: char| c.is_ascii_alphabetic());
        let unit = value[digits.len()..].to_ascii_lowercase();
        let once = is_zero(digits, 0) && matches!(&*unit, "" | "ms" | "s");
        return once.then(|| format!("{LOOK_ONCE}=On").into());
    }
    if key.eq_ignore_ascii_case("loadfactor") && is_zero(value, 1) {
        return Some(format!("loadfactor=1 {SESSIONS_ONLY}=On").into());
    }
    (key.eq_ignore_ascii_case("lbset") && is_zero(value, 0)).then_some("distance=0".into())
}

/// Whether a word is a `loadfactor`: beside an `ajp://` member, one of any scheme may have one of 0.
fn is_loadfactor(word: &Word<'_>) -> bool {
    word.parameter().is_some_and(|(key, _)| key.eq_ignore_ascii_case("loadfactor"))
}

/// Whether a number is spelled with zeros and at most `points` dots.
fn is_zero(value: &str, points: usize) -> bool {
    let count = |digit| value.matches(digit).count();
    count('0') > 0 && count('.') <= points && count('0') + count('.') == value.len()
}

fn mentions_ajp(text: &str) -> bool {
    text.to_ascii_lowercase().contains("ajp://")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line<'a>(directive: &'a str, arguments: &'a str) -> Line<'a> {
        Line { directive, arguments, ..Line::default() }
    }

    fn rewritten(directive: &str, arguments: &str) -> Option<String> {
        let edited = line(directive, arguments).edit(|_| false).unwrap();
        assert_eq!(edited.balancer, None);
        edited.arguments
    }

    #[test]
    fn acquire_0_becomes_a_word_of_ours() {
        for (directive, arguments, wanted) in [
            ("ProxyPass", "/a ajp://h/a acquire=0", "/a ajp://h/a acquireonce=On"),
            ("ProxySet", "\"ajp://h\"  ACQUIRE=0ms route=a", "\"ajp://h\"  acquireonce=On route=a"),
            ("ProxySet", "ajp://h acquire=\"0\"\tmax=1", "ajp://h acquireonce=On\tmax=1"),
            ("<Proxy", "\"ajp://h\" acquire=0>", "\"ajp://h\" acquireonce=On>"),
        ] {
            assert_eq!(rewritten(directive, arguments).as_deref(), Some(wanted), "{arguments}");
        }
    }

    #[test]
    fn loadfactor_0_becomes_the_lowest_that_mod_proxy_accepts_and_a_word_of_ours() {
        for zero in ["loadfactor=0", "LoadFactor=0.0", "\"loadfactor=00\"", "loadfactor=.0"] {
            let arguments = format!("balancer://b ajp://h {zero} status=+H");
            let wanted = "balancer://b ajp://h loadfactor=1 sessionsonly=On status=+H";
            assert_eq!(rewritten("BalancerMember", &arguments).as_deref(), Some(wanted));
        }
    }

    #[test]
    fn loadfactor_0_is_for_members_of_any_scheme_whose_balancer_has_an_ajp_member() {
        let arguments = "balancer://B http://h loadfactor=0 acquire=0 lbset=0";
        let edited = |balancer: &str| {
            let edited = line("BalancerMember", arguments).edit(|name| name == balancer);
            edited.unwrap().arguments
        };
        let wanted = "balancer://B http://h loadfactor=1 sessionsonly=On acquire=0 lbset=0";
        assert_eq!(edited("balancer://b").as_deref(), Some(wanted));
        assert_eq!(edited("balancer://other"), None);
    }

    #[test]
    fn an_lbset_of_0_is_seen_to_be_written() {
        let wanted = Some("ajp://h distance=0 route=a");
        assert_eq!(rewritten("BalancerMember", "ajp://h lbset=0 route=a").as_deref(), wanted);
    }

    #[test]
    fn everything_else_stays_as_it_was() {
        for arguments in [
            "/a ajp://h/a acquire=10 loadfactor=10 lbset=1",
            "/a http://h/a acquire=0 loadfactor=0 lbset=0 localonly=On",
            "/a ajp://h/a \"route=x acquire=0 y\"",
            "/a ajp://h/a noacquire=0 loadfactor= loadfactor=. loadfactor=0.0.0 loadfactor=0.5",
            "/sessionretry=On balancer://b stickysession=localonly=On",
            "/a balancer://b sessionretry",
            "/a balancer://",
            "/a",
            "",
        ] {
            assert_eq!(
                line("ProxyPass", arguments).edit(|_| false),
                Ok(Edited::default()),
                "{arguments}"
            );
        }
    }

    #[test]
    fn proxyset_within_a_section_is_about_the_section_s_worker() {
        let set = |section, arguments| {
            Line { section, ..line("ProxySet", arguments) }.edit(|_| false).unwrap().arguments
        };
        assert_eq!(set("\"ajp://h\">", "acquire=0").as_deref(), Some("acquireonce=On"));
        assert_eq!(set("\"http://h\">", "acquire=0"), None);
    }

    /// What is left, the balancer's name, and whether `sessionretry` was set.
    fn taken(line: Line<'_>) -> (String, String, bool) {
        let edited = line.edit(|_| false).unwrap();
        let (name, keys) = edited.balancer.unwrap();
        (edited.arguments.unwrap(), name, keys.settings().session_retry)
    }

    #[test]
    fn a_balancer_s_keys_are_taken_off_every_line_that_may_have_them() {
        for (directive, arguments, left) in [
            (
                "ProxyPass",
                "\"/a\"  balancer://B/x sessionretry=On nofailover=On",
                "\"/a\"  balancer://B/x nofailover=On",
            ),
            (
                "proxypassmatch",
                "^/a(.*)$ \"balancer://b/$1\" SESSIONRETRY=on",
                "^/a(.*)$ \"balancer://b/$1\"",
            ),
            ("ProxyPass", "~ ^/a balancer://b sessionretry=On", "~ ^/a balancer://b"),
            ("ProxySet", "Balancer://b \"sessionretry=On\" timeout=3", "Balancer://b timeout=3"),
            ("<Proxy", "\"balancer://b\" sessionretry=On>", "\"balancer://b\">"),
            (
                "<Proxy",
                "proxy:balancer://b sessionretry=On lbmethod=x >",
                "proxy:balancer://b lbmethod=x >",
            ),
        ] {
            let wanted = (left.to_owned(), "balancer://b".to_owned(), true);
            assert_eq!(taken(line(directive, arguments)), wanted, "{arguments}");
        }
        let location = Line { has_path: true, ..line("ProxyPass", "balancer://b sessionretry=On") };
        assert_eq!(taken(location), ("balancer://b".into(), "balancer://b".into(), true));
    }

    #[test]
    fn a_balancer_s_section_gives_proxyset_its_name_and_may_lose_all_its_words() {
        for section in ["balancer://B>", "\"balancer://b/\" nofailover=On>", "'balancer://b'>"] {
            let inside = |arguments| Line { section, ..line("ProxySet", arguments) };
            let wanted = |left: &str| (left.to_owned(), "balancer://b".to_owned(), true);
            assert_eq!(taken(inside("sessionretry=On  localonly=Off ")), wanted(""));
            assert_eq!(taken(inside("sessionretry=On nofailover=On")), wanted(" nofailover=On"));
        }
    }

    #[test]
    fn a_pattern_of_balancers_is_left_to_mod_proxy() {
        for arguments in ["balancer://* sessionretry=On>", "balancer://b[12] sessionretry=On>"] {
            assert_eq!(line("<Proxy", arguments).edit(|_| false), Ok(Edited::default()));
        }
        let members = line("BalancerMember", "balancer://b http://h sessionretry=On");
        assert_eq!(members.edit(|_| false), Ok(Edited::default()));
    }

    #[test]
    fn an_unknown_parameter_of_a_balancer_is_named_and_left_to_mod_proxy() {
        let arguments = "/a balancer://b stickysesion=x localonly=On mapping=servlet route=a";
        let edited = line("ProxyPass", arguments).edit(|_| false).unwrap();
        let left = "/a balancer://b stickysesion=x mapping=servlet route=a";
        assert_eq!(edited.arguments.as_deref(), Some(left));
        assert_eq!(
            edited.unknown,
            [
                "balancer://b: unknown parameter stickysesion; did you mean stickysession?",
                "balancer://b: unknown parameter route; it is a parameter of a member (BalancerMember)",
            ]
        );
        let edited = line("ProxySet", "balancer://b x=1").edit(|_| false).unwrap();
        assert_eq!(edited.unknown, ["balancer://b: unknown parameter x"]);
    }

    #[test]
    fn a_wrong_value_of_a_balancer_s_key_is_an_error() {
        let error = line("ProxyPass", "/a balancer://b localonly=x").edit(|_| false).unwrap_err();
        assert_eq!(error.to_string(), "localonly=x: must be On or Off");
    }
}
