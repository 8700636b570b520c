//! Counts the response body against its Content-Length.

use super::ExchangeError;
use crate::protocol::{SendHeaders, digits};

/// The announced and the received length of a response body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Length {
    announced: Option<u64>,
    received: u64,
}

impl Length {
    pub(super) fn unknown() -> Self {
        Self { announced: None, received: 0 }
    }

    /// Reads Content-Length. Responses that announce a body without sending one are not counted: to HEAD,
    /// 204 and 304 (RFC 9110 8.6), and 205, for which Tomcat announces a body that it leaves out.
    pub(super) fn of(head: &SendHeaders, is_head: bool) -> Result<Self, ExchangeError> {
        let mut announced = None;
        for value in head.content_lengths() {
            let length = parse(value).ok_or(ExchangeError::BadContentLength)?;
            if announced.is_some_and(|other| other != length) {
                return Err(ExchangeError::BadContentLength);
            }
            announced = Some(length);
        }
        if is_head || matches!(head.status, 204 | 205 | 304) {
            announced = None;
        }
        Ok(Self { announced, received: 0 })
    }

    pub(super) fn count(&mut self, len: usize) -> Result<(), ExchangeError> {
        self.received += len as u64;
        match self.announced {
            Some(announced) if self.received > announced => Err(self.mismatch(announced)),
            _ => Ok(()),
        }
    }

    pub(super) fn complete(&self) -> Result<(), ExchangeError> {
        match self.announced {
            Some(announced) if self.received != announced => Err(self.mismatch(announced)),
            _ => Ok(()),
        }
    }

    fn mismatch(&self, announced: u64) -> ExchangeError {
        ExchangeError::LengthMismatch { announced, received: self.received }
    }
}

/// Reads digits (RFC 9110 8.6): no sign, no list, no overflow.
fn parse(value: &[u8]) -> Option<u64> {
    digits(value.trim_ascii())
}

#[cfg(test)]
mod tests {
    use super::parse;

    #[test]
    fn a_content_length_is_digits_alone() {
        assert_eq!(parse(b"0"), Some(0));
        assert_eq!(parse(b" 12 "), Some(12));
        for odd in [&b""[..], b"+1", b"-1", b"1,1", b"0x1", b"99999999999999999999999"] {
            assert_eq!(parse(odd), None, "{odd:?}");
        }
    }
}
