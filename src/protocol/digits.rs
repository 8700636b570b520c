//! Numbers in HTTP and URLs.

/// Parses a number that is written only in digits, as in a Content-Length (RFC 9110, 8.6): no sign, no
/// white space, no list. `None` also for one that does not fit in a u64.
pub fn digits(text: &[u8]) -> Option<u64> {
    if text.is_empty() {
        return None;
    }
    text.iter().try_fold(0_u64, |number, byte| {
        let digit = byte.is_ascii_digit().then(|| u64::from(byte - b'0'))?;
        number.checked_mul(10)?.checked_add(digit)
    })
}

#[cfg(test)]
mod tests {
    use super::digits;

    #[test]
    fn a_number_is_digits_alone() {
        assert_eq!(digits(b"0"), Some(0));
        assert_eq!(digits(b"0012"), Some(12));
        assert_eq!(digits(b"18446744073709551615"), Some(u64::MAX));
        for odd in [&b""[..], b"+1", b"-1", b" 1", b"1 ", b"1,1", b"0x1", b"\xff"] {
            assert_eq!(digits(odd), None, "{odd:?}");
        }
        assert_eq!(digits(b"18446744073709551616"), None);
    }
}
