//! Bytes of a receive buffer.

use std::fmt;
use std::ops::{Deref, Range};
use std::sync::Arc;

/// Some bytes of a receive buffer, which stays in memory as long as one of its slices.
///
/// Each slice holds a reference to its buffer; the bytes themselves are never copied. Nothing is allocated for a
/// slice, so that a buffer that is used again and again costs no allocation at all.
#[derive(Clone, Default)]
pub struct BufferSlice {
    /// `None` only where there are no bytes.
    buffer: Option<Arc<Vec<u8>>>,
    range: Range<usize>,
}

impl BufferSlice {
    /// Some of the bytes; none of those that are not there.
    #[must_use]
    pub fn slice(&self, range: Range<usize>) -> Self {
        Self { buffer: self.buffer.clone(), range: self.range_of(range) }
    }

    /// The same, in place of the whole.
    #[must_use]
    pub fn narrowed(mut self, range: Range<usize>) -> Self {
        self.range = self.range_of(range);
        self
    }

    /// Drops the first `count` bytes, or all where there are fewer.
    pub fn advance(&mut self, count: usize) {
        self.range.start = self.range.start.saturating_add(count).min(self.range.end);
    }

    fn range_of(&self, range: Range<usize>) -> Range<usize> {
        let at = |offset: usize| self.range.start.saturating_add(offset).min(self.range.end);
        at(range.start)..at(range.end)
    }

    /// The whole buffer, of which others may hold slices; `None`: there never was one.
    #[must_use]
    pub fn into_buffer(self) -> Option<Arc<Vec<u8>>> {
        self.buffer
    }
}

impl Deref for BufferSlice {
    type Target = [u8];

    #[inline]
    fn deref(&self) -> &[u8] {
        let bytes = self.buffer.as_ref().and_then(|buffer| buffer.get(self.range.clone()));
        bytes.unwrap_or_default()
    }
}

impl From<Arc<Vec<u8>>> for BufferSlice {
    /// All bytes of the buffer.
    fn from(buffer: Arc<Vec<u8>>) -> Self {
        Self { range: 0..buffer.len(), buffer: Some(buffer) }
    }
}

impl From<Vec<u8>> for BufferSlice {
    fn from(bytes: Vec<u8>) -> Self {
        Arc::new(bytes).into()
    }
}

impl From<&[u8]> for BufferSlice {
    /// A copy, in a buffer of its own.
    fn from(bytes: &[u8]) -> Self {
        bytes.to_vec().into()
    }
}

impl<const N: usize> From<&[u8; N]> for BufferSlice {
    fn from(bytes: &[u8; N]) -> Self {
        bytes[..].into()
    }
}

impl PartialEq for BufferSlice {
    fn eq(&self, other: &Self) -> bool {
        **self == **other
    }
}

impl Eq for BufferSlice {}

impl PartialEq<[u8]> for BufferSlice {
    fn eq(&self, other: &[u8]) -> bool {
        **self == *other
    }
}

impl fmt::Debug for BufferSlice {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "b\"{}\"", self.escape_ascii())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slices_are_of_the_bytes_that_are_there() {
        let mut whole = BufferSlice::from(b"abcdef");
        let middle = whole.slice(1..5);
        assert_eq!(middle, b"bcde"[..]);
        for (range, bytes) in
            [(0..4, &b"bcde"[..]), (1..3, b"cd"), (2..2, b""), (3..9, b"e"), (9..usize::MAX, b"")]
        {
            assert_eq!(middle.slice(range.clone()), *bytes, "{range:?}");
            assert_eq!(middle.clone().narrowed(range.clone()), *bytes, "{range:?}");
        }
        whole.advance(3);
        assert_eq!(whole, b"def"[..]);
        whole.advance(usize::MAX);
        assert_eq!((whole.len(), BufferSlice::default().len()), (0, 0));
    }

    #[test]
    fn slices_are_equal_where_their_bytes_are() {
        let slice = BufferSlice::from(b"xabx").slice(1..3);
        assert_eq!((slice == BufferSlice::from(b"ab"), slice == b"ab"[..]), (true, true));
        assert_eq!((slice == BufferSlice::from(b"ax"), slice == b"a"[..]), (false, false));
    }

    #[test]
    fn a_buffer_is_shared_and_never_copied() {
        let buffer = Arc::new(b"abc".to_vec());
        let address = buffer.as_ptr();
        let slice = BufferSlice::from(buffer).slice(1..3);
        assert_eq!(slice.as_ptr(), address.wrapping_add(1));
        let mut buffer = slice.clone().into_buffer().unwrap();
        assert!(Arc::get_mut(&mut buffer).is_none());
        drop(slice);
        assert!(Arc::get_mut(&mut buffer).is_some());
    }

    #[test]
    fn bytes_are_shown_as_text_where_they_are() {
        assert_eq!(format!("{:?}", BufferSlice::from(b"AB\0\x01")), r#"b"AB\x00\x01""#);
    }
}
