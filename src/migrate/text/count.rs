//! Counters with a limit, and the message when the limit is exceeded.

use super::limits::MAX_BYTES_READ;
use super::message::Message;
use super::span::Span;

/// A counter with a limit.
#[derive(Clone, Debug)]
pub struct Count {
    what: &'static str,
    most: usize,
    so_far: usize,
    is_over: bool,
}

impl Count {
    /// Creates a counter at zero.
    #[must_use]
    pub const fn new(what: &'static str, most: usize) -> Self {
        Self { what, most, so_far: 0, is_over: false }
    }

    /// Adds `more`. Returns false, and adds nothing, if that exceeds the limit; the first time with a
    /// message.
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

    /// Returns the count.
    #[must_use]
    pub fn so_far(&self) -> usize {
        self.so_far
    }
}

/// Returns the error for input that exceeds a limit.
#[must_use]
pub fn refusal(at: Span, what: &str, most: usize) -> Message {
    Message::error(at, format!("more than {most} {what}"))
        .help("no real configuration is this large: check what is repeated here")
}

/// Returns the error for too much input.
#[must_use]
pub fn too_much_read(at: Span) -> Message {
    refusal(at, "bytes of input in all files together", MAX_BYTES_READ)
}

#[cfg(test)]
mod tests {
    use super::super::source::Sources;
    use super::*;

    #[test]
    fn an_exceeded_limit_is_reported_once_and_not_counted() {
        let file = Sources::default().add("f", b"x");
        let (at, mut messages) = (file.span(file.text()), Vec::new());
        let mut count = Count::new("things", 10);
        assert!(count.take(10, at, &mut messages));
        assert!(!count.take(1, at, &mut messages) && !count.take(usize::MAX, at, &mut messages));
        assert_eq!((count.so_far(), messages.len()), (10, 1));
        assert_eq!(messages[0].text, "more than 10 things");
    }
}
