//! The most that one conversion takes. Within it, time and memory grow with what is read and written;
//! what is larger is refused with a message.
//!
//! A few lines can come to any size: macros of macros, templates of templates, files that are
//! included again and again, mounts that are copied to every virtual host, exclusions that stand
//! before each mount of their worker. Each of these is counted. `docs/migrating.md` has the numbers.

use super::message::Message;
use super::source::Span;

/// Bytes that are read, all files together, each as often as it is included.
pub const MOST_READ: usize = 16 << 20;
/// Bytes that variables add to one line of httpd's configuration.
pub const LONGEST_LINE: usize = 64 << 10;
/// Sections within sections.
pub const DEEPEST_SECTION: usize = 128;
/// Jk directives, and virtual hosts.
pub const MOST_DIRECTIVES: usize = 20_000;
/// Lines that say a property.
pub const MOST_PROPERTY_LINES: usize = 100_000;
/// Properties, with those that templates give.
pub const MOST_PROPERTIES: usize = 20_000;
/// Bytes of their names and values, macros put in.
pub const MOST_PROPERTY_BYTES: usize = 4 << 20;
/// Workers, and members of balancers, in each that has them.
pub const MOST_WORKERS: usize = 20_000;
/// Rules, in each server that has them.
pub const MOST_RULES: usize = 20_000;
/// Bytes that are written, all files together.
pub const MOST_WRITTEN: usize = 16 << 20;

/// Something that is counted.
#[derive(Clone, Debug)]
pub struct Count {
    what: &'static str,
    most: usize,
    so_far: usize,
    is_over: bool,
}

impl Count {
    /// Nothing yet.
    #[must_use]
    pub const fn new(what: &'static str, most: usize) -> Self {
        Self { what, most, so_far: 0, is_over: false }
    }

    /// Counts `more`. `false`: they are too many, which is said once; they are not counted.
    #[must_use]
    pub fn take(&mut self, more: usize, at: Span, messages: &mut Vec<Message>) -> bool {
        let sum = self.so_far.saturating_add(more);
        if sum <= self.most && !self.is_over {
            self.so_far = sum;
            return true;
        }
        if !self.is_over {
            self.is_over = true;
            messages.push(refusal(at, self.what, self.most));
        }
        false
    }

    /// How many there were.
    #[must_use]
    pub fn so_far(&self) -> usize {
        self.so_far
    }
}

/// What is said where something is too large.
#[must_use]
pub fn refusal(at: Span, what: &str, most: usize) -> Message {
    Message::error(at, format!("more than {most} {what}"))
        .help("no configuration is that large: see what repeats itself here")
}

/// What is said where too much is read.
#[must_use]
pub fn too_much_read(at: Span) -> Message {
    refusal(at, "bytes to be read, all files together", MOST_READ)
}

/// As many rules may be in a uriworkermap.properties.
#[must_use]
pub fn rules_in(map: &str) -> usize {
    map.split('\n').filter(|line| line.split('#').next().unwrap_or("").contains('=')).count()
}

#[cfg(test)]
mod tests {
    use super::super::source::Sources;
    use super::*;

    #[test]
    fn what_is_too_much_is_said_once_and_not_counted() {
        let file = Sources::default().add("f", b"x");
        let (at, mut messages) = (file.span(file.text()), Vec::new());
        let mut count = Count::new("things", 10);
        assert!(count.take(10, at, &mut messages));
        assert!(!count.take(1, at, &mut messages) && !count.take(usize::MAX, at, &mut messages));
        assert_eq!((count.so_far(), messages.len()), (10, 1));
        assert_eq!(messages[0].text, "more than 10 things");
    }
}
