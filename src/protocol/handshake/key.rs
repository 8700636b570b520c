//! The key of the handshake.

use std::fmt;

use hmac::Mac;

use super::HandshakeMac;

/// A key that httpd and its containers share. It shows no byte of itself, not even to `Debug`.
#[derive(Clone)]
pub struct Key(HandshakeMac);

/// The key is unfit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a key of {length} bytes, at least {} are needed", Key::MIN_LEN)]
pub struct KeyError {
    /// The bytes there were.
    pub length: usize,
}

impl Key {
    /// An eavesdropper can try keys on a recorded handshake, and would find a shorter one.
    pub const MIN_LEN: usize = 16;

    /// Takes any bytes, 16 at least.
    ///
    /// # Errors
    /// [`KeyError`] for fewer.
    pub fn new(bytes: &[u8]) -> Result<Key, KeyError> {
        let unfit = KeyError { length: bytes.len() };
        if bytes.len() < Key::MIN_LEN {
            return Err(unfit);
        }
        // HMAC takes keys of every length (RFC 2104, section 2), so this is no second error.
        HandshakeMac::new_from_slice(bytes).map(Key).map_err(|_| unfit)
    }

    /// Takes the content of a key file: all bytes except CR and LF at the end, which editors and `echo`
    /// add.
    ///
    /// # Errors
    /// As [`Key::new`].
    pub fn from_file_bytes(content: &[u8]) -> Result<Key, KeyError> {
        let is_line_end = |byte: &u8| matches!(byte, b'\r' | b'\n');
        let end = content.iter().rposition(|byte| !is_line_end(byte)).map_or(0, |last| last + 1);
        Key::new(&content[..end])
    }

    pub(super) fn mac(&self) -> HandshakeMac {
        self.0.clone()
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Key(..)")
    }
}
