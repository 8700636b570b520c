//! The sections that are open where a line of httpd's configuration stands.

use std::sync::Arc;

use super::copied_lines::{EnclosingSection, ModJkCondition};
use super::directive::Location;

/// One of them.
#[derive(Debug)]
pub struct Section {
    /// As it is written.
    pub name: String,
    /// Which server its lines are for: 0 is the main one.
    pub server: usize,
    /// What a `<Location>` says.
    pub location: Option<Location>,
    /// Its lines are not in force.
    pub is_skipped: bool,
    /// Nobody knows here whether, or as what, its lines are in force.
    pub is_unknown: bool,
    /// `<IfModule>` about mod_jk.
    pub needs: Option<ModJkCondition>,
    /// As it is copied; else why it cannot be.
    pub around: Result<Arc<EnclosingSection>, &'static str>,
}

impl Section {
    fn is_host(&self) -> bool {
        self.name.eq_ignore_ascii_case("VirtualHost")
    }
}

/// All of them, the outermost first.
#[derive(Debug, Default)]
pub struct Sections(Vec<Section>);

impl Sections {
    /// One more, within the others.
    pub fn push(&mut self, section: Section) {
        self.0.push(section);
    }

    /// The innermost one ends.
    pub fn pop(&mut self) -> Option<Section> {
        self.0.pop()
    }

    /// How many there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Which server a line is for.
    #[must_use]
    pub fn server(&self) -> usize {
        self.0.last().map_or(0, |section| section.server)
    }

    /// The innermost `<Location>`.
    #[must_use]
    pub fn location(&self) -> Option<Location> {
        self.0.iter().rev().find_map(|section| section.location.clone())
    }

    /// A line is not in force.
    #[must_use]
    pub fn is_skipped(&self) -> bool {
        self.0.iter().any(|section| section.is_skipped)
    }

    /// The first section of which nobody knows what it does with its lines; with `is_skipped`, one
    /// whose lines are not read.
    #[must_use]
    pub fn unknown(&self, is_skipped: bool) -> Option<&Section> {
        self.0.iter().find(|section| section.is_unknown && (section.is_skipped || !is_skipped))
    }

    /// A line is in force with mod_jk alone. One in a virtual host that stands in `<IfModule
    /// mod_jk.c>` as a whole is not meant: that is told of the host.
    #[must_use]
    pub fn require_mod_jk(&self) -> bool {
        let of_server = self.0.iter().rev().take_while(|section| !section.is_host());
        let mut needs = of_server.filter_map(|section| section.needs);
        needs.any(|needs| needs == ModJkCondition::Loaded)
    }

    /// A line stands in `<IfModule !mod_jk.c>` itself, and nothing else keeps it out of force.
    #[must_use]
    pub fn exclude_mod_jk(&self) -> bool {
        let is_direct =
            self.0.last().is_some_and(|last| last.needs == Some(ModJkCondition::NotLoaded));
        let mut skipped = self.0.iter().filter(|section| section.is_skipped);
        is_direct
            && skipped.all(|section| section.needs == Some(ModJkCondition::NotLoaded))
            && !self.0.iter().any(|section| section.needs == Some(ModJkCondition::Loaded))
    }

    /// What is copied around a line of its server: all but what is about mod_jk.
    ///
    /// # Errors
    /// Why it cannot be.
    pub fn around(&self) -> Result<Vec<Arc<EnclosingSection>>, &'static str> {
        let from = self.0.iter().rposition(Section::is_host).map_or(0, |host| host + 1);
        let around = self.0[from..].iter().filter(|section| section.needs.is_none());
        around.map(|section| section.around.clone()).collect()
    }
}
