//! Enums whose variants each have a word: the one that logs, pages and metrics show.

/// Declares an enum in which a variant is one entry: what it means, its name, its word.
///
/// ```text
/// words! {
///     /// Why a connection was closed.
///     pub enum CloseReason {
///         /// Idle for `ttl` or longer.
///         Expired = "expired",
///     }
/// }
/// ```
///
/// From the entries follow `ALL` (in the order of declaration), `name` (the word) and `help` (the
/// text above the variant). `enum State default Ok` implements [`Default`] too.
macro_rules! words {
    (
        $(#[$meta:meta])*
        $vis:vis enum $name:ident $(default $default:ident)? {
            $( $(#[doc = $help:literal])+ $variant:ident = $word:literal, )+
        }
    ) => {
        $(#[$meta])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        $vis enum $name {
            $( $(#[doc = $help])+ $variant, )+
        }

        impl $name {
            /// All of them, in the order of declaration.
            pub const ALL: [Self; [$($word),+].len()] = [$(Self::$variant),+];

            /// Its word in snake case, for logs, pages and metrics.
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self {
                    $( Self::$variant => $word, )+
                }
            }

            /// Its meaning: a sentence or two, as the documentation of the variant has them.
            #[must_use]
            pub const fn help(self) -> &'static str {
                match self {
                    $( Self::$variant => concat!($($help),+).trim_ascii(), )+
                }
            }
        }

        $(
            impl Default for $name {
                fn default() -> Self {
                    Self::$default
                }
            }
        )?
    };
}

#[cfg(test)]
mod tests {
    words! {
        /// An example.
        pub enum Example default Second {
            /// The first
            /// one.
            First = "first",
            /// The other one.
            Second = "the_second",
        }
    }

    #[test]
    fn each_variant_has_its_word_and_its_text_and_one_is_the_default() {
        assert_eq!(Example::ALL.map(Example::name), ["first", "the_second"]);
        assert_eq!(Example::First.help(), "The first one.");
        assert_eq!(Example::default(), Example::Second);
    }
}
