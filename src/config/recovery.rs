//! The requests that may be resent although the backend may have executed them: mod_jk's
//! `recovery_options`.

use super::parameter::Kind;

/// Restrictions and exceptions that an administrator has chosen.
///
/// A number means what it does in mod_jk: without bit 1, every request may be resent, up to the
/// first byte of a response. Words allow what they name, and otherwise keep the safe rule.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Recovery {
    /// `notaftersend` (1): not once the request has been sent.
    pub not_after_send: bool,
    /// `always`, or a number without bit 1: every method.
    pub always: bool,
    /// `notafterheaders` (2): not once headers have been received. Always so here; accepted as it is a
    /// word of mod_jk's.
    pub not_after_headers: bool,
    /// `abortonclienterror` (4): a client error resets the connection to the backend, so that the
    /// servlet notices at once.
    pub abort_on_client_error: bool,
    /// `headalways` (8): HEAD in spite of `notaftersend`.
    pub head_always: bool,
    /// `getalways` (16): GET in spite of `notaftersend`.
    pub get_always: bool,
}

/// Words separated by commas, or mod_jk's number.
pub(super) const RECOVERY: Kind<Recovery> = Kind::words(
    "always, notaftersend, notafterheaders, abortonclienterror, headalways, getalways, several of them \
     with commas, or mod_jk's number from 0 to 31",
    "notaftersend",
    Recovery::read,
);

impl Recovery {
    fn read(value: &str) -> Option<Self> {
        if let Ok(number) = value.parse::<u8>() {
            return Self::from_number(number);
        }
        let mut recovery = Self::default();
        for word in value.split(',') {
            match word.trim().to_ascii_lowercase().as_str() {
                "always" => recovery.always = true,
                "notaftersend" => recovery.not_after_send = true,
                "notafterheaders" => recovery.not_after_headers = true,
                "abortonclienterror" => recovery.abort_on_client_error = true,
                "headalways" => recovery.head_always = true,
                "getalways" => recovery.get_always = true,
                _ => return None,
            }
        }
        Some(recovery)
    }

    /// Whether a request with this method may be resent after it was completely sent. `None`: only
    /// if that is safe.
    #[must_use]
    pub fn after_send(&self, method: &[u8]) -> Option<bool> {
        let named =
            (self.head_always && method == b"HEAD") || (self.get_always && method == b"GET");
        match self {
            _ if named => Some(true),
            Self { not_after_send: true, .. } => Some(false),
            Self { always: true, .. } => Some(true),
            _ => None,
        }
    }

    fn from_number(number: u8) -> Option<Self> {
        (number < 32).then_some(Self {
            not_after_send: number & 1 != 0,
            always: number & 1 == 0,
            not_after_headers: number & 2 != 0,
            abort_on_client_error: number & 4 != 0,
            head_always: number & 8 != 0,
            get_always: number & 16 != 0,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::super::ValueError;
    use super::*;

    #[test]
    fn a_number_means_what_it_does_in_mod_jk() {
        let of = |number: &str, method: &[u8]| RECOVERY.parse(number).unwrap().after_send(method);
        assert_eq!(of("0", b"POST"), Some(true));
        assert_eq!(of("2", b"POST"), Some(true));
        assert_eq!(of("3", b"GET"), Some(false));
        assert_eq!((of("17", b"GET"), of("17", b"HEAD")), (Some(true), Some(false)));
        assert_eq!((of("9", b"GET"), of("9", b"HEAD")), (Some(false), Some(true)));
        assert_eq!((of("25", b"GET"), of("25", b"POST")), (Some(true), Some(false)));
    }

    #[test]
    fn words_allow_what_they_name_and_no_more() {
        let of = |words: &str, method: &[u8]| RECOVERY.parse(words).unwrap().after_send(method);
        assert_eq!(of("abortonclienterror", b"POST"), None);
        assert_eq!((of("getalways", b"GET"), of("getalways", b"POST")), (Some(true), None));
        assert_eq!(of("notaftersend", b"GET"), Some(false));
        assert_eq!(of("notaftersend, HeadAlways", b"HEAD"), Some(true));
        assert_eq!(of("always", b"POST"), Some(true));
    }

    #[test]
    fn another_number_or_word_is_refused() {
        for value in ["32", "-1", "", "sometimes", "3,headalways", "256"] {
            assert_eq!(RECOVERY.parse(value), Err(ValueError(RECOVERY.error)), "{value}");
        }
    }
}
