//! What is written for one server, as it grows.

use super::conf_text::{ConfText, quoted};
use crate::migrate::read::jk_options::JkOptions;
use crate::migrate::read::rules::Rule;
use crate::migrate::text::source::Sources;
use crate::migrate::translate::context::Context;
use crate::migrate::translate::plan::Plan;

/// Writes what one server has.
pub struct ServerWriter<'p, 'c> {
    pub context: &'p mut Context<'c>,
    pub plan: &'p mut Plan,
    pub sources: &'p Sources,
    pub text: ConfText,
    pub options: JkOptions,
    /// The worker that takes nothing is there.
    pub has_stopped_worker: bool,
}

impl ServerWriter<'_, '_> {
    /// Writes that no worker gets what matches.
    pub fn exclude(&mut self, regex: &str) {
        self.text.line(0, &format!("ProxyPassMatch {} \"!\"", quoted(regex)));
    }

    /// Writes from where a rule comes.
    pub fn rule_comment(&mut self, rule: &Rule, note: &str) {
        let line = self.sources.line(rule.at);
        let note = if note.is_empty() { String::new() } else { format!(" ({note})") };
        self.text.comment(0, &format!("{line}: {}{note}", rule.text()));
    }
}
