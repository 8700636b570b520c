//! Durations in httpd's notation: a whole number and a unit (`ap_timeout_parameter_parse`).

use std::time::Duration;

/// Parses `500`, `500ms`, `2s`, `1min` or `1h`; a number without a unit is milliseconds.
///
/// `None` for anything else, and for a time that does not fit in 64 bits of milliseconds.
pub(super) fn parse_ms(text: &str) -> Option<Duration> {
    parse(text, 1)
}

/// Like [`parse_ms`], but a number without a unit is seconds.
pub(super) fn parse_s(text: &str) -> Option<Duration> {
    parse(text, 1000)
}

fn parse(text: &str, plain_unit: u64) -> Option<Duration> {
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let number: u64 = text[..digits].parse().ok()?;
    let unit = match text[digits..].to_ascii_lowercase().as_str() {
        "" => plain_unit,
        "ms" => 1,
        "s" => 1000,
        "mi" | "min" => 60_000,
        "h" => 3_600_000,
        _ => return None,
    };
    number.checked_mul(unit).map(Duration::from_millis)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_is_a_whole_number_and_a_unit() {
        for (text, ms) in [
            ("1", 1),
            ("500ms", 500),
            ("2s", 2000),
            ("2S", 2000),
            ("1min", 60_000),
            ("1h", 3_600_000),
        ] {
            assert_eq!(parse_ms(text), Some(Duration::from_millis(ms)), "{text}");
        }
    }

    #[test]
    fn anything_else_is_refused() {
        for text in ["", "s", "-1", "1.5s", "1 s", "1d", "ms", "99999999999999999999", "1\u{e9}"] {
            assert_eq!(parse_ms(text), None, "{text:?}");
        }
        assert_eq!(parse_ms("18446744073709551615h"), None);
    }
}
