//! When CPING is sent: mod_jk's `ping_mode`.

use super::parameter::Kind;

/// The occasions on which CPING is sent, narrowed from "before every request".
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PingMode {
    /// On a connection that has just been opened (mod_jk: C).
    pub connect: bool,
    /// Before a request on a pooled connection (mod_jk: P). On a new one too, unless `connect` has
    /// just done so.
    pub prepost: bool,
    /// On idle connections, by the housekeeper (mod_jk: I).
    pub interval: bool,
}

/// Words separated by commas, or mod_jk's letters (`CPI`, `A` for all).
pub(super) const PING_MODE: Kind<PingMode> = Kind::words(
    "connect, prepost, interval, or several of them with commas (mod_jk's C, P, I, A)",
    "connect",
    PingMode::read,
);

impl PingMode {
    fn read(value: &str) -> Option<Self> {
        let mut mode = Self::default();
        if !value.is_empty() && value.chars().all(|c| "CPIA".contains(c.to_ascii_uppercase())) {
            for letter in value.to_ascii_uppercase().chars() {
                mode.connect |= matches!(letter, 'C' | 'A');
                mode.prepost |= matches!(letter, 'P' | 'A');
                mode.interval |= matches!(letter, 'I' | 'A');
            }
            return Some(mode);
        }
        for word in value.split(',') {
            match word.trim().to_ascii_lowercase().as_str() {
                "connect" => mode.connect = true,
                "prepost" => mode.prepost = true,
                "interval" => mode.interval = true,
                _ => return None,
            }
        }
        Some(mode)
    }
}

#[cfg(test)]
mod tests {
    use super::super::ValueError;
    use super::*;

    #[test]
    fn words_and_letters_say_the_same() {
        let all = PingMode { connect: true, prepost: true, interval: true };
        assert_eq!(PING_MODE.parse("A"), Ok(all));
        assert_eq!(PING_MODE.parse("connect,prepost,interval"), Ok(all));
        assert_eq!(PING_MODE.parse("CP"), PING_MODE.parse("Connect, Prepost"));
        assert_eq!(PING_MODE.parse("I"), PING_MODE.parse("interval"));
    }

    #[test]
    fn another_word_is_refused() {
        for value in ["", ",", "always", "connect,", "CX"] {
            assert_eq!(PING_MODE.parse(value), Err(ValueError(PING_MODE.error)), "{value}");
        }
    }
}
