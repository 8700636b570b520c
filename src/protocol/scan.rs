//! Searches a text for forbidden bytes, many at once.

/// Whether one of the bytes is bad. Does not stop early, as texts are nearly always good.
///
/// `is_bad` must be plain arithmetic, without branches: the compiler then makes it one wide
/// instruction for each step, on 16 or 8 bytes.
pub(super) fn has_any(text: &[u8], is_bad: impl Fn(u8) -> bool + Copy) -> bool {
    match text.len() {
        0..8 => any_of(text, is_bad),
        8..16 => in_blocks::<8>(text, is_bad),
        _ => in_blocks::<16>(text, is_bad),
    }
}

/// For at least `N` bytes. The last block ends with the text, and may overlap the one before.
fn in_blocks<const N: usize>(text: &[u8], is_bad: impl Fn(u8) -> bool + Copy) -> bool {
    let mut blocks = text.chunks_exact(N);
    let in_whole = blocks.by_ref().fold(false, |found, block| found | any_of_n::<N>(block, is_bad));
    let last = text.get(text.len().saturating_sub(N)..).unwrap_or(text);
    in_whole | any_of_n::<N>(last, is_bad)
}

fn any_of_n<const N: usize>(block: &[u8], is_bad: impl Fn(u8) -> bool) -> bool {
    match <&[u8; N]>::try_from(block) {
        Ok(block) => any_of(block, is_bad),
        Err(_) => any_of(block, is_bad),
    }
}

#[inline(always)]
fn any_of(bytes: &[u8], is_bad: impl Fn(u8) -> bool) -> bool {
    bytes.iter().fold(false, |found, byte| found | is_bad(*byte))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bad_byte_is_found_at_every_place_of_every_length() {
        for len in 0..70 {
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
