//! The extensions of a rule, which follow the worker: `lb;reply_timeout=5000;stopped=a`.

use crate::migrate::text::message::Message;
use crate::migrate::text::source::SourceFile;
use crate::migrate::text::span::Span;

/// Settings for the requests of one rule.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct RuleExtensions {
    /// The timeout in milliseconds; 0: none. `None`: the worker's.
    pub reply_timeout: Option<u64>,
    /// The session is ignored.
    pub sticky_ignore: bool,
    /// The requests create no sessions.
    pub stateless: bool,
    /// Members that are active for these requests.
    pub active: Vec<String>,
    /// Members that are disabled for these requests.
    pub disabled: Vec<String>,
    /// Members that are stopped for these requests.
    pub stopped: Vec<String>,
    /// The list, instead of the worker's.
    pub fail_on_status: Option<String>,
    /// The lowest status for which httpd's own page is sent.
    pub use_server_errors: Option<u16>,
    /// The name of the cookie, instead of the worker's.
    pub session_cookie: Option<String>,
    /// The name of the parameter, instead of the worker's.
    pub session_path: Option<String>,
    /// The balancer sets the cookie itself.
    pub set_session_cookie: bool,
    /// The path of that cookie.
    pub session_cookie_path: Option<String>,
}

impl RuleExtensions {
    /// Parses the text after the worker's name (a slice of the file's text, without the first `;`).
    pub fn parse(file: &SourceFile, text: &str, messages: &mut Vec<Message>) -> Self {
        let mut all = Self::default();
        let mut seen: Vec<&str> = Vec::new();
        let mut words = text.split(';');
        while let Some(word) = words.next() {
            let word = word.trim();
            if word.is_empty() {
                continue;
            }
            let (name, mut value) = word.split_once('=').unwrap_or((word, ""));
            let at = file.span(word);
            if seen.contains(&name) {
                messages.push(Message::warning(
                    at,
                    format!("`{name}` is given twice; the first one takes effect"),
                ));
                continue;
            }
            seen.push(name);
            if name == "session_path" && value.is_empty() {
                // session_path=;jsessionid
                value = words.next().unwrap_or("");
            }
            all.set(name, value, at, messages);
        }
        all
    }

    fn set(&mut self, name: &str, value: &str, at: Span, messages: &mut Vec<Message>) {
        let list =
            || value.split([',', ' ', '\t']).filter(|n| !n.is_empty()).map(str::to_owned).collect();
        let text = || (!value.is_empty()).then(|| value.trim_start_matches(';').to_owned());
        let on = value.trim().parse::<i64>().is_ok_and(|number| number != 0);
        match name {
            "reply_timeout" => match value.trim().parse::<i64>() {
                Ok(number) => self.reply_timeout = u64::try_from(number).ok(),
                Err(_) => messages.push(Message::warning(at, "not a number of milliseconds; ignored")),
            },
            "sticky_ignore" => self.sticky_ignore = on,
            "stateless" => self.stateless = on,
            "active" => self.active = list(),
            "disabled" => self.disabled = list(),
            "stopped" => self.stopped = list(),
            "fail_on_status" => self.fail_on_status = Some(value.into()),
            "use_server_errors" => match value.trim().parse() {
                Ok(0) => {}
                Ok(status) => self.use_server_errors = Some(status),
                Err(_) => messages.push(Message::warning(at, "not a status code; ignored")),
            },
            "session_cookie" => self.session_cookie = text(),
            "session_path" => self.session_path = text(),
            "set_session_cookie" => self.set_session_cookie = on,
            "session_cookie_path" => self.session_cookie_path = text(),
            _ => messages.push(
                Message::warning(at, format!("mod_jk has no rule extension `{name}`, and ignores it"))
                    .help("expected one of reply_timeout, sticky_ignore, stateless, active, disabled, stopped, fail_on_status, use_server_errors, session_cookie, session_path, set_session_cookie, session_cookie_path"),
            ),
        }
    }

    /// Returns whether they affect the balancer's members or sessions, so that the rule needs its own balancer.
    #[must_use]
    pub fn affect_balancer(&self) -> bool {
        self.balancer_part() != Self::default()
    }

    /// Returns the extensions that affect the balancer.
    #[must_use]
    pub fn balancer_part(&self) -> Self {
        let without = Self { reply_timeout: None, sticky_ignore: false, ..self.clone() };
        Self { use_server_errors: None, ..without }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::migrate::text::source::Sources;

    fn read(text: &str) -> (RuleExtensions, Vec<String>) {
        let mut messages = Vec::new();
        let file = Sources::default().add("f", text.as_bytes());
        let all = RuleExtensions::parse(&file, file.text(), &mut messages);
        (all, messages.into_iter().map(|message| message.text).collect())
    }

    #[test]
    fn every_extension_is_read() {
        let (all, said) = read(
            "reply_timeout=500;sticky_ignore=1;stateless=1;active=a,b;disabled=c;stopped=d;\
             fail_on_status=404,-500;use_server_errors=400;session_cookie=SID;session_path=;sid;\
             set_session_cookie=1;session_cookie_path=/x",
        );
        let wanted = RuleExtensions {
            reply_timeout: Some(500),
            sticky_ignore: true,
            stateless: true,
            active: vec!["a".into(), "b".into()],
            disabled: vec!["c".into()],
            stopped: vec!["d".into()],
            fail_on_status: Some("404,-500".into()),
            use_server_errors: Some(400),
            session_cookie: Some("SID".into()),
            session_path: Some("sid".into()),
            set_session_cookie: true,
            session_cookie_path: Some("/x".into()),
        };
        assert_eq!(all, wanted);
        assert!(said.is_empty(), "{said:?}");
    }

    #[test]
    fn an_unknown_extension_and_a_repeated_one_are_reported() {
        let (all, said) = read("reply_timeout=1;reply_timeout=2;colour=red");
        assert_eq!(all.reply_timeout, Some(1));
        assert_eq!(said.len(), 2);
        assert!(said[1].contains("`colour`"));
    }

    #[test]
    fn minus_one_is_the_same_as_no_timeout() {
        assert_eq!(read("reply_timeout=-1").0, RuleExtensions::default());
        assert_eq!(read("reply_timeout=0").0.reply_timeout, Some(0));
        assert!(!read("reply_timeout=5;sticky_ignore=1").0.affect_balancer());
        assert!(read("stopped=a").0.affect_balancer());
    }
}
