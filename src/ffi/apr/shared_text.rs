//! Text in memory that httpd shares among processes.

use std::ffi::c_char;
use std::fmt;
use std::mem::MaybeUninit;
use std::ops::Deref;

/// The bytes of a C string, copied out of an array of `N`; on the stack.
///
/// Balancer-manager, mod_proxy_cluster or another child may be writing the text at this very moment. So
/// it is never borrowed as a slice, which would promise that nobody does. Text that was read in the
/// middle of a change may be part old and part new, and is used unvalidated. It never has a NUL.
#[derive(Clone, Copy)]
pub(crate) struct Text<const N: usize> {
    /// Set up to `len`, at least.
    bytes: [MaybeUninit<u8>; N],
    len: usize,
}

impl<const N: usize> Text<N> {
    /// Copies up to the first NUL, or the whole array if there is none.
    ///
    /// # Safety
    /// `array` can be read during this call; others may write to it.
    pub(crate) unsafe fn read(array: *const [c_char; N]) -> Self {
        const { assert!(N > 0) };
        let mut bytes = [MaybeUninit::uninit(); N];
        // By libc's functions, so nothing is promised about other writers, and what is looked at in the copy
        // is the copy.
        // SAFETY: the array can be read, as the caller says, and the copy is as long; as much of it as is looked
        // at has been written.
        let len = unsafe {
            let copy = bytes.as_mut_ptr().cast::<c_char>();
            // Most texts that need not be there are not.
            if array.cast::<c_char>().read_volatile() == 0 {
                0
            } else {
                let seen = libc::strnlen(array.cast(), N);
                libc::memcpy(copy.cast(), array.cast(), seen);
                // Another may have written a NUL between the look and the copy.
                libc::strnlen(copy, seen)
            }
        };
        Self { bytes, len }
    }

    /// Whether the array has this text, which has no NUL; as [`read`](Self::read), and nothing is copied.
    ///
    /// # Safety
    /// As of [`read`](Self::read).
    pub(crate) unsafe fn is(array: *const [c_char; N], text: &[u8]) -> bool {
        // By libc's function, as above.
        // SAFETY: no more than the array is read, which can be, as the caller says; the text is as long.
        let begins =
            || unsafe { libc::memcmp(array.cast(), text.as_ptr().cast(), text.len()) == 0 };
        // SAFETY: a byte of the array.
        let ends = || unsafe { array.cast::<u8>().add(text.len()).read_volatile() == 0 };
        text.len() <= N && begins() && (text.len() == N || ends())
    }

    /// The same, in any case.
    ///
    /// # Safety
    /// As of [`read`](Self::read).
    pub(crate) unsafe fn is_in_any_case(array: *const [c_char; N], text: &[u8]) -> bool {
        // SAFETY: `at` is below N where it is read, and the array can be, as the caller says.
        let byte = |at: usize| unsafe { array.cast::<u8>().add(at).read_volatile() };
        text.len() <= N
            && text.iter().enumerate().all(|(at, wanted)| byte(at).eq_ignore_ascii_case(wanted))
            && (text.len() == N || byte(text.len()) == 0)
    }

    /// `None` if there is no text.
    pub(crate) fn non_empty(self) -> Option<Self> {
        (self.len > 0).then_some(self)
    }
}

impl<const N: usize> Deref for Text<N> {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        // SAFETY: set up to `len`, which is not above N.
        unsafe { std::slice::from_raw_parts(self.bytes.as_ptr().cast(), self.len) }
    }
}

/// Shows the length and not the text, which may be a secret.
impl<const N: usize> fmt::Debug for Text<N> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Text").field("len", &self.len).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read<const N: usize>(array: [u8; N]) -> Text<N> {
        // SAFETY: an array of this function.
        unsafe { Text::read((&raw const array).cast()) }
    }

    #[test]
    fn text_ends_at_the_first_nul() {
        assert_eq!(&*read(*b"node1\0old\0"), b"node1");
        assert_eq!(&*read([0; 4]), b"");
        assert!(read([0; 4]).non_empty().is_none());
    }

    #[test]
    fn text_without_a_nul_ends_with_its_array() {
        let behind = [*b"abcd", *b"efgh"];
        // SAFETY: the first of the arrays of this function.
        let text = unsafe { Text::<4>::read((&raw const behind[0]).cast()) };
        assert_eq!(&*text, b"abcd");
    }

    #[test]
    fn a_text_is_compared_where_it_is_up_to_its_end() {
        let is = |array: &[u8; 6], text: &[u8]| {
            let array = (&raw const *array).cast();
            // SAFETY: an array of this function.
            unsafe { (Text::<6>::is(array, text), Text::<6>::is_in_any_case(array, text)) }
        };
        for (array, text, same) in [
            (b"node1\0", &b"node1"[..], (true, true)),
            (b"Node1\0", b"nODE1", (false, true)),
            (b"node1\0", b"node", (false, false)),
            (b"node\0x", b"node1", (false, false)),
            (b"node\0x", b"node", (true, true)),
            (b"\0old\0\0", b"", (true, true)),
            (b"node12", b"node12", (true, true)),
            (b"node12", b"node123", (false, false)),
        ] {
            assert_eq!(is(array, text), same, "{array:?} {text:?}");
        }
    }

    #[test]
    fn bytes_above_0x7f_are_kept() {
        assert_eq!(&*read([0xC3, 0xA9, 0]), [0xC3, 0xA9]);
    }

    #[test]
    fn a_secret_is_not_shown() {
        assert_eq!(format!("{:?}", read(*b"s3cret\0")), "Text { len: 6, .. }");
    }
}
