//! The sections that enclose a line of httpd's configuration.

use std::sync::Arc;

use super::copied_lines::{EnclosingSection, ModJkCondition};
use super::directive::Location;

/// An open section.
#[derive(Debug)]
pub struct Section {
    /// The name as it is written.
    pub name: String,
    /// The index of the server that its lines are for; 0 is the main server.
    pub server: usize,
    /// The argument, if it is a `<Location>`.
    pub location: Option<Location>,
    /// Whether its lines are not in force.
    pub is_skipped: bool,
    /// Whether it is unknown here if its lines are in force, or in which form.
    pub is_unknown: bool,
    /// The condition, if it is an `<IfModule>` about mod_jk.
    pub condition: Option<ModJkCondition>,
    /// The section as it is copied, or the reason why it cannot be copied.
    pub around: Result<Arc<EnclosingSection>, &'static str>,
}

impl Section {
    fn is_host(&self) -> bool {
        self.name.eq_ignore_ascii_case("VirtualHost")
    }
}

/// All open sections, the outermost first.
#[derive(Debug, Default)]
pub struct Sections(Vec<Section>);

impl Sections {
    /// Opens a section inside the others.
    pub fn push(&mut self, section: Section) {
        self.0.push(section);
    }

    /// Closes the innermost section.
    pub fn pop(&mut self) -> Option<Section> {
        self.0.pop()
    }

    /// Returns the nesting depth.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Returns the index of the server that a line is for.
    #[must_use]
    pub fn server(&self) -> usize {
        self.0.last().map_or(0, |section| section.server)
    }

    /// Returns the innermost `<Location>`.
    #[must_use]
    pub fn location(&self) -> Option<Location> {
        self.0.iter().rev().find_map(|section| section.location.clone())
    }

    /// Returns whether a line is not in force.
    #[must_use]
    pub fn is_skipped(&self) -> bool {
        self.0.iter().any(|section| section.is_skipped)
    }

    /// Returns the first section whose effect on its lines is unknown; with `is_skipped`, only one
    /// whose lines are ignored.
    #[must_use]
    pub fn unknown(&self, is_skipped: bool) -> Option<&Section> {
        self.0.iter().find(|section| section.is_unknown && (section.is_skipped || !is_skipped))
    }

    /// Returns whether a line is in force only if mod_jk is loaded. If the whole virtual host is in
    /// `<IfModule mod_jk.c>`, its lines do not count: that is reported for the host.
    #[must_use]
    pub fn require_mod_jk(&self) -> bool {
        let of_server = self.0.iter().rev().take_while(|section| !section.is_host());
        let mut conditions = of_server.filter_map(|section| section.condition);
        conditions.any(|condition| condition == ModJkCondition::Loaded)
    }

    /// Returns whether a line is directly in `<IfModule !mod_jk.c>`, and no other section disables it.
    #[must_use]
    pub fn exclude_mod_jk(&self) -> bool {
        let is_direct =
            self.0.last().is_some_and(|last| last.condition == Some(ModJkCondition::NotLoaded));
        let mut skipped = self.0.iter().filter(|section| section.is_skipped);
        is_direct
            && skipped.all(|section| section.condition == Some(ModJkCondition::NotLoaded))
            && !self.0.iter().any(|section| section.condition == Some(ModJkCondition::Loaded))
    }

    /// Returns the sections to copy around a line: all within its server, except those about mod_jk.
    ///
    /// # Errors
    /// The reason why a section cannot be copied.
    pub fn around(&self) -> Result<Vec<Arc<EnclosingSection>>, &'static str> {
        let from = self.0.iter().rposition(Section::is_host).map_or(0, |host| host + 1);
        let around = self.0[from..].iter().filter(|section| section.condition.is_none());
        around.map(|section| section.around.clone()).collect()
    }
}
