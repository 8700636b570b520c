//! Searches a text for forbidden bytes, many at once.

/// Whether one of the bytes is bad.
///
/// `is_bad` must be plain arithmetic, without branches: the compiler then makes it one wide
/// instruction for each 16, 8 or 4 bytes.
#[inline]
pub(super) fn has_any(text: &[u8], is_bad: impl Fn(u8) -> bool) -> bool {
    match text.len() {
        0..4 => any_of(text, is_bad),
        4..8 => in_blocks::<4>(text, is_bad),
        8..16 => in_blocks::<8>(text, is_bad),
        16..64 => in_blocks::<16>(text, is_bad),
        _ => in_blocks::<64>(text, is_bad),
    }
}

/// For at least `N` bytes. The last block ends with the text, and may overlap the one before.
#[inline]
fn in_blocks<const N: usize>(text: &[u8], is_bad: impl Fn(u8) -> bool) -> bool {
    let last = text.len() - N;
    let mut start = 0;
    loop {
        if any_of(&text[start..start + N], &is_bad) {
            return true;
        }
        if start == last {
            return false;
        }
        start = (start + N).min(last);
    }
}

#[inline(always)]
fn any_of(bytes: &[u8], is_bad: impl Fn(u8) -> bool) -> bool {
    bytes.iter().fold(false, |found, byte| found | is_bad(*byte))
}

/// Which bytes are letters or digits of ASCII, or among these.
#[must_use]
pub const fn alphanumeric_or(others: &[u8]) -> [bool; 256] {
    let mut table = [false; 256];
    let mut byte = 0;
    while byte < 0x80_u8 {
        table[byte as usize] = byte.is_ascii_alphanumeric();
        byte += 1;
    }
    let mut left = others;
    while let [one, rest @ ..] = left {
        table[*one as usize] = true;
        left = rest;
    }
    table
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bad_byte_is_found_at_every_place_of_every_length() {
        for len in 0..200 {
            let mut text = vec![b'a'; len];
            assert!(!has_any(&text, |byte| byte == b'x'), "{len}");
            for at in 0..len {
                text[at] = b'x';
                assert!(has_any(&text, |byte| byte == b'x'), "{at} of {len}");
                text[at] = b'a';
            }
        }
    }
}
