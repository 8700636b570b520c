//! Counts against a limit, and the message where one is exceeded.

use super::limits::MAX_BYTES_READ;
use super::message::Message;
use super::span::Span;

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
    refusal(at, "bytes to be read, all files together", MAX_BYTES_READ)
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
