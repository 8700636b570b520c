//! What may be sent again although the backend may have acted on it: mod_jk's `recovery_options`.

use super::ValueError;

/// Restrictions and exceptions, as an administrator has chosen them.
///
/// In mod_jk all bits unset means that every request may be replayed; so it does here, up to the
/// first byte of a response. Without the parameter, only what is safe is sent again.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Recovery {
    /// `notaftersend` (1): not once the request has been sent.
    pub not_after_send: bool,
    /// `notafterheaders` (2): not once headers have come. Always so here; accepted for its name.
    pub not_after_headers: bool,
    /// `abortonclienterror` (4): a client's error resets the backend's connection, so that the
    /// servlet notices at once.
    pub abort_on_client_error: bool,
    /// `headalways` (8): HEAD in spite of `notaftersend`.
    pub head_always: bool,
    /// `getalways` (16): GET in spite of `notaftersend`.
    pub get_always: bool,
}

impl Recovery {
    /// Reads words separated by commas, or mod_jk's number.
    pub(super) fn parse(value: &str) -> Result<Self, ValueError> {
        if let Ok(number) = value.parse::<u8>() {
            return Self::from_number(number).ok_or(RANGE);
        }
        let mut recovery = Self::default();
        for word in value.split(',') {
            match word.trim().to_ascii_lowercase().as_str() {
                "notaftersend" => recovery.not_after_send = true,
                "notafterheaders" => recovery.not_after_headers = true,
                "abortonclienterror" => recovery.abort_on_client_error = true,
                "headalways" => recovery.head_always = true,
                "getalways" => recovery.get_always = true,
                _ => return Err(RANGE),
            }
        }
        Ok(recovery)
    }

    /// May a request with this method be sent again after it was completely sent?
    #[must_use]
    pub fn allows_after_send(&self, method: &[u8]) -> bool {
        !self.not_after_send
            || (self.head_always && method == b"HEAD")
            || (self.get_always && method == b"GET")
    }

    fn from_number(number: u8) -> Option<Self> {
        (number < 32).then_some(Self {
            not_after_send: number & 1 != 0,
            not_after_headers: number & 2 != 0,
            abort_on_client_error: number & 4 != 0,
            head_always: number & 8 != 0,
            get_always: number & 16 != 0,
        })
    }
}

const RANGE: ValueError = ValueError(
    "notaftersend, notafterheaders, abortonclienterror, headalways, getalways, several of them \
     with commas, or mod_jk's number from 0 to 31",
);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_and_mod_jk_s_number_say_the_same() {
        assert_eq!(Recovery::parse("notaftersend,notafterheaders"), Recovery::parse("3"));
        assert_eq!(Recovery::parse("headalways, GetAlways"), Recovery::parse("24"));
        assert_eq!(Recovery::parse("0"), Ok(Recovery::default()));
    }

    #[test]
    fn head_and_get_are_exceptions_of_their_own() {
        let get = Recovery::parse("17").unwrap();
        assert!(get.allows_after_send(b"GET") && !get.allows_after_send(b"HEAD"));
        let both = Recovery::parse("25").unwrap();
        assert!(both.allows_after_send(b"GET") && both.allows_after_send(b"HEAD"));
        assert!(!both.allows_after_send(b"POST"));
        assert!(Recovery::parse("0").unwrap().allows_after_send(b"POST"));
    }

    #[test]
    fn another_number_or_word_is_refused() {
        for value in ["32", "-1", "", "always", "3,headalways", "256"] {
            assert_eq!(Recovery::parse(value), Err(RANGE), "{value}");
        }
    }
}
