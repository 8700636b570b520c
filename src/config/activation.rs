//! `activation`: what a balancer member is used for, in mod_jk's words.

use super::parameter::Kind;
use crate::balance::Activation;

/// A word in any case, or the beginning of one: mod_jk looks at the first letter. A disabled member is one
/// that drains.
pub(super) const ACTIVATION: Kind<Activation> =
    Kind::words("active, disabled or stopped (or their first letter)", "stopped", read);

fn read(value: &str) -> Option<Activation> {
    let value = value.to_ascii_lowercase();
    [
        ("active", Activation::Active),
        ("disabled", Activation::Draining),
        ("stopped", Activation::Stopped),
    ]
    .into_iter()
    .find(|(word, _)| !value.is_empty() && word.starts_with(&value))
    .map(|(_, activation)| activation)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_and_their_first_letters_in_any_case() {
        for (values, wanted) in [
            (["active", "Active", "A", "a"], Activation::Active),
            (["disabled", "DISABLED", "D", "disable"], Activation::Draining),
            (["stopped", "Stopped", "s", "stop"], Activation::Stopped),
        ] {
            for value in values {
                assert_eq!(ACTIVATION.parse(value), Ok(wanted), "{value}");
            }
        }
    }

    #[test]
    fn a_word_that_only_begins_alike_is_refused() {
        for value in ["", "standby", "activated", "draining", "N", "0", "a d"] {
            assert!(ACTIVATION.parse(value).is_err(), "{value}");
        }
    }
}
