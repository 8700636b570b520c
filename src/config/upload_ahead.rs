//! `uploadahead`: how much of a request body may be sent before the container asks for it.

use super::parameter::Kind;

/// Bytes of a request body that may lie ahead of what the container has asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UploadAhead(u32);

impl UploadAhead {
    /// Returns them; 0: every packet is asked for, less than a packet: one packet.
    #[must_use]
    pub fn bytes(self) -> usize {
        self.0 as usize
    }
}

impl Default for UploadAhead {
    /// Tomcat 9 and later read ahead of asking with any window; what a faster path gains beyond 256 kB is
    /// little.
    fn default() -> Self {
        Self(256 * 1024)
    }
}

/// A number of bytes.
pub(super) const UPLOAD_AHEAD: Kind<UploadAhead> = Kind {
    unit: "bytes",
    range: "0 to 1048576",
    error: "a number of bytes from 0 to 1048576",
    example: "7",
    read: |value| value.parse().ok().filter(|bytes| *bytes <= LARGEST).map(UploadAhead),
};

/// A thread of httpd may hold so much of a body in memory.
const LARGEST: u32 = 1_048_576;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mebibyte_is_the_most() {
        assert_eq!(UPLOAD_AHEAD.parse("1048576").map(UploadAhead::bytes), Ok(1_048_576));
        assert!(UPLOAD_AHEAD.parse("1048577").is_err());
    }
}
