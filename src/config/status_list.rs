//! `failstatus`: responses that count as a failure of the backend.

use super::parameter::Kind;

/// Status codes, each hard (the member is in error) or soft (`-503`: it stays as it was).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FailStatus(Vec<(u16, bool)>);

/// The meaning of a listed status.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StatusFailure {
    /// The member is put in error.
    Hard,
    /// The member stays as it was.
    Soft,
}

/// Codes separated by commas; a minus before a code makes it soft.
pub(super) const FAIL_STATUS: Kind<FailStatus> = Kind::words(
    "codes from 400 to 599 with commas, a minus before a soft one (500,-503)",
    "503",
    FailStatus::read,
);

impl FailStatus {
    fn read(value: &str) -> Option<Self> {
        let mut codes = Vec::new();
        for word in value.split(',') {
            let word = word.trim();
            let (digits, hard) = match word.strip_prefix('-') {
                Some(digits) => (digits, false),
                None => (word, true),
            };
            let plain = digits.bytes().all(|b| b.is_ascii_digit());
            match digits.parse() {
                Ok(code) if plain && (400..=599).contains(&code) => codes.push((code, hard)),
                _ => return None,
            }
        }
        Some(Self(codes))
    }

    /// Returns what this status means, if it is listed.
    #[must_use]
    pub fn of(&self, status: u16) -> Option<StatusFailure> {
        let (_, hard) = self.0.iter().find(|(code, _)| *code == status)?;
        Some(if *hard { StatusFailure::Hard } else { StatusFailure::Soft })
    }
}

#[cfg(test)]
mod tests {
    use super::super::ValueError;
    use super::*;

    #[test]
    fn a_minus_makes_a_status_soft() {
        let list = FAIL_STATUS.parse("500, -503").unwrap();
        assert_eq!(list.of(500), Some(StatusFailure::Hard));
        assert_eq!(list.of(503), Some(StatusFailure::Soft));
        assert_eq!(list.of(404), None);
    }

    #[test]
    fn anything_but_an_error_status_is_refused() {
        for value in ["", "200", "600", "5xx", "503,", "--503", "+503", "- 503"] {
            assert_eq!(FAIL_STATUS.parse(value), Err(ValueError(FAIL_STATUS.error)), "{value}");
        }
    }
}
