//! Looks at many bytes of a text at once.

/// Whether one of the bytes is bad.
///
/// `is_bad` must be plain arithmetic, without branches: the compiler then makes it one wide
/// instruction for each block.
#[inline]
pub(super) fn has_any(text: &[u8], is_bad: impl Fn(u8) -> bool) -> bool {
    match text.len() {
        0..4 => any_of(text, is_bad),
        4..8 => in_blocks::<4>(text, is_bad),
        8..16 => in_blocks::<8>(text, is_bad),
        _ => in_blocks::<16>(text, is_bad),
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

/// Copies a text, and returns whether there is a NUL in it. Both have the same length; else nothing is copied.
#[inline]
pub(super) fn copy_has_nul(text: &[u8], to: &mut [u8]) -> bool {
    if text.len() != to.len() {
        return false;
    }
    if text.len() >= 16 {
        copy_blocks(text, to)
    } else if text.len() >= 8 {
        let [first, last] = copy_ends(text, to);
        has_nul(first) | has_nul(last)
    } else if text.len() >= 4 {
        let [[a, b, c, d], [e, f, g, h]] = copy_ends(text, to);
        has_nul([a, b, c, d, e, f, g, h])
    } else {
        to.copy_from_slice(text);
        any_of(text, |byte| byte == 0x00)
    }
}

/// Copies the first and the last `N` bytes, which may overlap, and returns them. There are at least `N`.
#[inline(always)]
fn copy_ends<const N: usize>(text: &[u8], to: &mut [u8]) -> [[u8; N]; 2] {
    let last = text.len() - N;
    [0, last].map(|start| {
        let mut block = [0; N];
        block.copy_from_slice(&text[start..start + N]);
        to[start..start + N].copy_from_slice(&block);
        block
    })
}

/// As [`in_blocks`], of 16 bytes.
// A function of its own, so that short texts do not pay for its registers.
#[inline(never)]
fn copy_blocks(text: &[u8], to: &mut [u8]) -> bool {
    const N: usize = 16;
    let last = text.len() - N;
    let (mut start, mut found) = (0, false);
    loop {
        let block = &text[start..start + N];
        to[start..start + N].copy_from_slice(block);
        found |= any_of(block, |byte| byte == 0x00);
        if start == last {
            return found;
        }
        start = (start + N).min(last);
    }
}

/// Whether one of eight bytes is 0: the subtraction sets its highest bit, and that of no other byte that has it not
/// already, but behind such a one.
#[inline(always)]
fn has_nul(bytes: [u8; 8]) -> bool {
    let word = u64::from_ne_bytes(bytes);
    word.wrapping_sub(u64::from_ne_bytes([1; 8])) & !word & u64::from_ne_bytes([0x80; 8]) != 0
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

    #[test]
    fn a_text_of_every_length_is_copied_and_a_nul_found_at_every_place() {
        for (len, others) in (0..200).flat_map(|len| [1, 0x7F, 0x80, 0xFF].map(|byte| (len, byte)))
        {
            let mut text = vec![others; len];
            let mut copy = vec![0xEE; len];
            assert!(!copy_has_nul(&text, &mut copy), "{len}");
            assert_eq!(copy, text);
            for at in 0..len {
                text[at] = 0;
                assert!(copy_has_nul(&text, &mut copy), "{at} of {len}");
                assert_eq!(copy, text);
                text[at] = others;
            }
        }
    }
}
