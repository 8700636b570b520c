//! The nonce of an order, without which another site's page could make a browser send one.

use std::fmt;

/// A random word, a new one for each start of httpd, which the page shows to all its readers.
#[derive(Clone, PartialEq, Eq)]
pub struct Nonce(String);

impl Nonce {
    /// Makes it of 16 random bytes.
    pub fn new(random: [u8; 16]) -> Self {
        Self(random.iter().map(|byte| format!("{byte:02x}")).collect())
    }

    /// The word.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether it is this word. Takes the same time wherever they differ.
    pub fn is(&self, word: &str) -> bool {
        let (own, word) = (self.0.as_bytes(), word.as_bytes());
        let differences = own.iter().zip(word).fold(0, |all, (a, b)| all | (a ^ b));
        // The length is no secret.
        own.len() == word.len() && std::hint::black_box(differences) == 0
    }
}

impl fmt::Debug for Nonce {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Nonce(..)")
    }
}

#[cfg(test)]
mod tests {
    use super::Nonce;

    #[test]
    fn only_the_very_word_is_it() {
        let nonce = Nonce::new(*b"0123456789abcdef");
        let word = "30313233343536373839616263646566";
        assert_eq!(nonce.as_str(), word);
        assert!(nonce.is(word));
        for other in ["", "3031", &word.replace('6', "7"), &word[1..], &format!("{word}0")] {
            assert!(!nonce.is(other), "{other}");
        }
        assert_eq!(format!("{nonce:?}"), "Nonce(..)");
    }
}
