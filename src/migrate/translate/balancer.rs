//! A balancer of httpd's.

use super::ajp_worker::AjpWorker;
use super::resending::fail_status;
use crate::migrate::read::rule_extensions::RuleExtensions;
use crate::migrate::text::span::Span;

/// A balancer.
#[derive(Clone, Debug, PartialEq)]
pub struct Balancer {
    /// Its name in mod_jk.
    pub name: String,
    /// The members, in their order.
    pub members: Vec<AjpWorker>,
    /// The parameters of ProxySet.
    pub settings: Vec<(&'static str, String)>,
    /// The names of the cookie and of the path parameter.
    pub session: (String, String),
    /// The path of the cookie that the balancer sets itself, if it does.
    pub own_cookie: Option<String>,
    /// The lines with its properties, without those of its members.
    pub lines: Vec<Span>,
}

impl Balancer {
    /// Returns the balancer for a rule with these extensions.
    #[must_use]
    pub fn with(&self, extensions: &RuleExtensions) -> Self {
        let mut changed = self.clone();
        for member in &mut changed.members {
            let is_in = |list: &[String]| list.contains(&member.name);
            let word = if is_in(&extensions.active) {
                Some(None)
            } else if is_in(&extensions.disabled) {
                Some(Some("disabled"))
            } else if is_in(&extensions.stopped) {
                Some(Some("stopped"))
            } else {
                None
            };
            if let Some(word) = word {
                member.parameters.retain(|(parameter, _)| *parameter != "activation");
                member.parameters.extend(word.map(|word| ("activation", word.to_owned())));
            }
            if let Some(list) = &extensions.fail_on_status {
                member.parameters.retain(|(parameter, _)| *parameter != "failstatus");
                member.parameters.extend(fail_status(list).map(|list| ("failstatus", list)));
            }
        }
        if extensions.session_cookie.is_some() || extensions.session_path.is_some() {
            let own = &extensions.session_cookie;
            changed.session.0 = own.clone().unwrap_or(changed.session.0);
            let own = &extensions.session_path;
            changed.session.1 = own.clone().unwrap_or(changed.session.1);
            for (setting, value) in &mut changed.settings {
                if *setting == "stickysession" {
                    *value = format!("{}|{}", changed.session.0, changed.session.1);
                }
            }
        }
        if extensions.set_session_cookie {
            changed.own_cookie = extensions.session_cookie_path.clone().or(Some("/".into()));
        } else if let (Some(_), Some(path)) = (&changed.own_cookie, &extensions.session_cookie_path)
        {
            changed.own_cookie = Some(path.clone());
        }
        changed
    }
}
