//! The state of writing one server.

use super::conf_text::{ConfText, quoted};
use crate::migrate::read::jk_options::JkOptions;
use crate::migrate::read::rules::Rule;
use crate::migrate::text::source::Sources;
use crate::migrate::translate::context::Context;
use crate::migrate::translate::plan::Plan;

/// The text of one server so far, and what it is written from.
pub struct ServerWriter<'p, 'c> {
    pub context: &'p mut Context<'c>,
    pub plan: &'p mut Plan,
    pub sources: &'p Sources,
    pub text: ConfText,
    pub options: JkOptions,
    /// Whether the worker that is always stopped has been written.
    pub has_stopped_worker: bool,
}

impl ServerWriter<'_, '_> {
    /// Writes that no worker gets the paths that match.
    pub fn exclude(&mut self, regex: &str) {
        self.text.line(0, &format!("ProxyPassMatch {} \"!\"", quoted(regex)));
    }

    /// Writes a comment with the place and the text of a rule.
    pub fn rule_comment(&mut self, rule: &Rule, note: &str) {
        let line = self.sources.line(rule.at);
        let note = if note.is_empty() { String::new() } else { format!(" ({note})") };
        self.text.comment(0, &format!("{line}: {}{note}", rule.text()));
    }
}
