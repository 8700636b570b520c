//! An operator's order: the form that names it, and the report of what was done.

use super::snapshot::member_name;
use super::{Member, Pattern};
use crate::balance::orders::{Action, Remark};

/// An order, as the body of a POST has it.
#[derive(Clone, Debug)]
pub struct Order {
    /// The action.
    pub action: Action,
    /// The names of balancers (without `balancer://`); that of a worker outside a balancer is empty.
    balancer: Option<Pattern>,
    /// Members with this route or URL.
    member: Pattern,
    /// The nonce of the form.
    pub nonce: String,
    /// The form is the page's: its sender is to return there.
    pub from_page: bool,
    /// The number of members that the page has listed and asked about.
    pub confirmed: Option<usize>,
    /// The answer is to be mod_jk's properties.
    pub as_prop: bool,
}

/// An error in an order, for its sender.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadOrder {
    /// The action is missing or unknown.
    #[error("action must be activate, drain, stop, recover or reset")]
    Action,
    /// No member is named.
    #[error("member is missing: a route or URL, * and ? allowed")]
    Member,
}

impl Order {
    /// Parses `application/x-www-form-urlencoded`.
    ///
    /// `action`, `member`, `balancer` (any, where it is missing), `nonce`; or mod_jk's `cmd` (update,
    /// with `vwa`; recover; reset), `w`, `sw`.
    ///
    /// # Errors
    /// [`BadOrder`].
    pub fn parse(body: &[u8]) -> Result<Self, BadOrder> {
        let (mut words, mut jk_command, mut jk_activation) = (Words::default(), None, None);
        let mut as_prop = false;
        for (key, value) in form_urlencoded::parse(body) {
            let value = value.into_owned();
            match &*key {
                "action" => words.action = Some(value),
                "member" | "sw" => words.member = Some(value),
                "balancer" | "w" => words.balancer = Some(value),
                "nonce" => words.nonce = value,
                "from" => words.from_page = value == "page",
                "confirm" => words.confirmed = value.parse().ok(),
                "cmd" => jk_command = Some(value),
                "vwa" => jk_activation = Some(value),
                "mime" => as_prop = value == "prop",
                _ => {}
            }
        }
        let name = match (words.action, jk_command.as_deref(), jk_activation.as_deref()) {
            (Some(action), _, _) => action,
            (None, Some("update"), Some(activation)) => match activation.get(..1) {
                Some("a" | "A" | "0") => "activate".into(),
                Some("d" | "D" | "1") => "drain".into(),
                Some("s" | "S" | "2") => "stop".into(),
                _ => return Err(BadOrder::Action),
            },
            (None, Some(command), _) => command.into(),
            (None, None, _) => return Err(BadOrder::Action),
        };
        let action = Action::ALL.into_iter().find(|action| action.name() == name);
        let member = words.member.filter(|member| !member.is_empty()).ok_or(BadOrder::Member)?;
        let balancer = words
            .balancer
            .map(|name| Pattern::new(name.strip_prefix("balancer://").unwrap_or(&name)));
        Ok(Self {
            action: action.ok_or(BadOrder::Action)?,
            balancer,
            member: Pattern::new(&member),
            nonce: words.nonce,
            from_page: words.from_page,
            confirmed: words.confirmed,
            as_prop,
        })
    }

    /// Whether the sender of this body reads mod_jk's properties, whatever else is in it.
    pub fn is_for_prop(body: &[u8]) -> bool {
        let mime = form_urlencoded::parse(body).filter(|(key, _)| key == "mime").last();
        mime.is_some_and(|(_, value)| value == "prop")
    }

    /// The pattern of members, as it was sent.
    pub fn member(&self) -> &str {
        self.member.text()
    }

    /// The pattern of balancers, as it was sent; `None`: there was none.
    pub fn balancer(&self) -> Option<&str> {
        self.balancer.as_ref().map(Pattern::text)
    }

    /// Whether it is about this member.
    pub fn is_about(&self, member: &Member) -> bool {
        let balancer = self.balancer.as_ref();
        let fits = |name: &str| balancer.is_none_or(|pattern| pattern.matches(name));
        fits(member.balancer.as_deref().unwrap_or(""))
            && (self.member.matches(&member.url)
                || member.route.as_deref().is_some_and(|route| self.member.matches(route)))
    }
}

#[derive(Default)]
struct Words {
    action: Option<String>,
    member: Option<String>,
    balancer: Option<String>,
    nonce: String,
    from_page: bool,
    confirmed: Option<usize>,
}

/// The outcome of an order for one member.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Done {
    /// Its balancer's name.
    pub balancer: Option<String>,
    /// Its URL.
    pub url: String,
    /// The action.
    pub action: Action,
    /// The reason why nothing was done.
    pub refused: Option<Remark>,
    /// What the sender is to know although it was done.
    pub note: Option<Remark>,
}

/// A remark in words, of the member.
#[must_use]
pub fn words(remark: Remark) -> &'static str {
    match remark {
        Remark::NoBalancer => "it is not in a balancer",
        Remark::HealthCheck => "it failed its health check, and comes back only when it passes one",
        Remark::SessionsOnly => "it serves only its own sessions, because of loadfactor=0",
        Remark::LocalOnly => "it now takes requests without a session too, despite localonly",
    }
}

impl Done {
    /// The outcome in words: `done`, or more than that.
    pub fn words(&self) -> String {
        match (self.refused, self.note) {
            (Some(reason), _) => format!("refused, {}", words(reason)),
            (None, Some(note)) => format!("done, but {}", words(note)),
            (None, None) => "done".into(),
        }
    }

    /// The member in the words of logs: `balancer://app ajp://10.0.0.1:8009`.
    pub fn member(&self) -> String {
        member_name(self.balancer.as_deref(), &self.url)
    }
}

/// Writes a line for each member, for the sender of the order.
pub fn report(done: &[Done]) -> String {
    let line =
        |done: &Done| format!("{} {}: {}\n", done.action.name(), done.member(), done.words());
    done.iter().map(line).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn member(balancer: Option<&str>, url: &str, route: Option<&str>) -> Member {
        let text = |text: &str| text.to_owned();
        let (balancer, route) = (balancer.map(text), route.map(text));
        Member { balancer, url: url.into(), route, ..Member::default() }
    }

    #[test]
    fn an_order_is_about_members_by_route_or_url_of_the_balancers_that_it_names() {
        let a = member(Some("app"), "ajp://10.0.0.1:8009", Some("node1"));
        let plain = member(None, "ajp://10.0.0.1:8009/x", None);
        let about = |body: &str| {
            let order = Order::parse(body.as_bytes()).unwrap();
            (order.is_about(&a), order.is_about(&plain))
        };
        assert_eq!(about("action=drain&member=node1"), (true, false));
        assert_eq!(about("action=drain&member=ajp%3A%2F%2F10.0.0.1%3A8009"), (true, false));
        assert_eq!(about("action=drain&member=*8009*"), (true, true));
        assert_eq!(about("action=drain&member=*&balancer=app"), (true, false));
        assert_eq!(about("action=drain&member=*&balancer=balancer://a?p"), (true, false));
        assert_eq!(about("action=drain&member=*&balancer="), (false, true));
        assert_eq!(about("action=drain&member=node2"), (false, false));
    }

    #[test]
    fn mod_jk_s_words_are_understood() {
        for (body, action) in [
            ("cmd=update&w=lb&sw=node1&vwa=d&mime=prop", Action::Drain),
            ("cmd=update&w=lb&sw=node1&vwa=stopped", Action::Stop),
            ("cmd=update&w=lb&sw=node1&vwa=0", Action::Activate),
            ("cmd=recover&w=lb&sw=*", Action::Recover),
            ("cmd=reset&w=lb&sw=*", Action::Reset),
        ] {
            let order = Order::parse(body.as_bytes()).unwrap();
            assert_eq!((order.action, order.as_prop), (action, body.contains("prop")), "{body}");
            assert_eq!(Order::is_for_prop(body.as_bytes()), order.as_prop);
            assert!(order.is_about(&member(Some("lb"), "ajp://a", Some("node1"))));
            assert!(!order.is_about(&member(Some("other"), "ajp://a", Some("node1"))));
        }
    }

    #[test]
    fn a_form_without_an_action_or_a_member_is_not_an_order() {
        for (body, error) in [
            ("", BadOrder::Action),
            ("action=halt&member=a", BadOrder::Action),
            ("cmd=update&sw=a", BadOrder::Action),
            ("cmd=update&sw=a&vwa=x", BadOrder::Action),
            ("cmd=update&sw=a&vwa=%c3%a4", BadOrder::Action),
            ("action=stop", BadOrder::Member),
            ("action=stop&member=", BadOrder::Member),
            ("cmd=halt&sw=a&mime=prop", BadOrder::Action),
        ] {
            assert_eq!(Order::parse(body.as_bytes()).unwrap_err(), error, "{body}");
        }
    }

    #[test]
    fn the_report_has_a_line_for_each() {
        let done = Done {
            balancer: Some("app".into()),
            url: "ajp://a".into(),
            action: Action::Drain,
            refused: None,
            note: None,
        };
        let refused = Done { balancer: None, refused: Some(Remark::NoBalancer), ..done.clone() };
        let noted =
            Done { action: Action::Recover, note: Some(Remark::HealthCheck), ..done.clone() };
        assert_eq!(
            report(&[done, refused, noted]),
            "drain balancer://app ajp://a: done\ndrain ajp://a: refused, it is not in a balancer\n\
             recover balancer://app ajp://a: done, but it failed its health check, and comes back \
             only when it passes one\n"
        );
    }
}
