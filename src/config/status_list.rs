//! `failstatus`: answers that count as the backend's failure.

use super::ValueError;

/// Status codes, each hard (the member is in error) or soft (`-503`: it stays as it was).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FailStatus(Vec<(u16, bool)>);

/// What a listed status means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StatusFailure {
    /// The member is put in error.
    Hard,
    /// The member stays as it was.
    Soft,
}

impl FailStatus {
    /// Reads codes separated by commas; a minus before a code makes it soft.
    pub(super) fn parse(value: &str) -> Result<Self, ValueError> {
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
                _ => return Err(RANGE),
            }
        }
        Ok(Self(codes))
    }

    /// What this status means, if it is listed.
    #[must_use]
    pub fn of(&self, status: u16) -> Option<StatusFailure> {
        let (_, hard) = self.0.iter().find(|(code, _)| *code == status)?;
        Some(if *hard { StatusFailure::Hard } else { StatusFailure::Soft })
    }
}

const RANGE: ValueError =
    ValueError("codes from 400 to 599 with commas, a minus before a soft one (500,-503)");

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_minus_makes_a_status_soft() {
        let list = FailStatus::parse("500, -503").unwrap();
        assert_eq!(list.of(500), Some(StatusFailure::Hard));
        assert_eq!(list.of(503), Some(StatusFailure::Soft));
        assert_eq!(list.of(404), None);
    }

    #[test]
    fn anything_but_an_error_status_is_refused() {
        for value in ["", "200", "600", "5xx", "503,", "--503", "+503", "- 503"] {
            assert_eq!(FailStatus::parse(value), Err(RANGE), "{value}");
        }
    }
}
