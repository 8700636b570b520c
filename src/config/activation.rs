//! `activation`: what a balancer member is used for, in mod_jk's words.

use super::ValueError;

/// What a balancer member is used for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Activation {
    /// For all requests.
    Active,
    /// For requests of its own sessions alone: it drains.
    Disabled,
    /// For none.
    Stopped,
}

impl Activation {
    /// Reads the word, in any case, or as much of its beginning as there is: mod_jk looks at the
    /// first letter.
    pub(super) fn parse(value: &str) -> Result<Self, ValueError> {
        let value = value.to_ascii_lowercase();
        [("active", Self::Active), ("disabled", Self::Disabled), ("stopped", Self::Stopped)]
            .into_iter()
            .find(|(word, _)| !value.is_empty() && word.starts_with(&value))
            .map(|(_, activation)| activation)
            .ok_or(ValueError("active, disabled or stopped (or their first letter)"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_and_their_first_letters_in_any_case() {
        for (values, wanted) in [
            (["active", "Active", "A", "a"], Activation::Active),
            (["disabled", "DISABLED", "D", "disable"], Activation::Disabled),
            (["stopped", "Stopped", "s", "stop"], Activation::Stopped),
        ] {
            for value in values {
                assert_eq!(Activation::parse(value), Ok(wanted), "{value}");
            }
        }
    }

    #[test]
    fn another_word_is_refused_though_it_begins_alike() {
        for value in ["", "standby", "activated", "draining", "N", "0", "a d"] {
            assert!(Activation::parse(value).is_err(), "{value}");
        }
    }
}
