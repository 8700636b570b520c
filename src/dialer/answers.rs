//! Detects where a response of the container ends.

use crate::protocol::{Direction, HEADER_LEN, packet_len};

/// Packet types after which the container waits for httpd.
const END_RESPONSE: u8 = 0x05;
const CPONG: u8 = 0x09;

/// The four bytes of the packet's head, and its type.
const HEAD: usize = HEADER_LEN + 1;

/// Follows the container's packets, to distinguish a connection between two requests from one that
/// serves a request. Neither stores nor changes a byte of them.
#[derive(Debug, Default)]
pub(super) struct Answers {
    head: [u8; HEAD],
    have: usize,
    /// Bytes of this packet that have not arrived, after its head.
    left: usize,
    is_idle: bool,
    /// The bytes are not AJP; then no response ends.
    lost: bool,
}

impl Answers {
    /// Whether the last response has ended and no request has followed.
    pub(super) fn is_idle(&self) -> bool {
        self.is_idle
    }

    /// Records that httpd has sent something.
    pub(super) fn record_request(&mut self) {
        self.is_idle = false;
    }

    /// Records what the container has sent.
    pub(super) fn record_response(&mut self, mut bytes: &[u8]) {
        while let (Some(&first), false) = (bytes.first(), self.lost) {
            self.is_idle = false;
            if self.left > 0 {
                let skipped = self.left.min(bytes.len());
                self.left -= skipped;
                bytes = &bytes[skipped..];
            } else {
                self.head[self.have] = first;
                self.have += 1;
                bytes = &bytes[1..];
                match packet_len(&self.head[..self.have], Direction::FromContainer) {
                    Ok(Some(length)) if self.have == HEAD => self.left = length - HEAD,
                    Ok(_) => continue,
                    Err(_) => self.lost = true,
                }
            }
            if self.left == 0 && !self.lost {
                self.is_idle = matches!(self.head[HEADER_LEN], END_RESPONSE | CPONG);
                self.have = 0;
            }
        }
    }
}

/// Has bytes of a container arrive in pieces of these lengths (the last one also for what is left), and checks that
/// the connection is idle exactly where the last packet has ended and was an END_RESPONSE or CPONG: the fuzz target
/// `dialer`.
///
/// # Panics
/// If it is not.
#[cfg(any(test, feature = "fuzzing"))]
pub fn check_answers(lengths: &[u8], stream: &[u8]) {
    use crate::protocol::{BufferSlice, split_packet};

    let mut answers = Answers::default();
    let (mut lengths, mut length, mut end) = (lengths.iter(), 0, 0);
    while end < stream.len() {
        length = lengths.next().map_or(length, |length| usize::from(*length));
        let start = end;
        end = stream.len().min(start + length.max(1));
        answers.record_response(&stream[start..end]);
        let mut left = BufferSlice::from(&stream[..end]);
        let mut last = None;
        while let Ok(Some(payload)) = split_packet(&mut left, Direction::FromContainer) {
            last = payload.first().copied();
        }
        let has_ended = left.is_empty() && matches!(last, Some(END_RESPONSE | CPONG));
        assert_eq!(answers.is_idle(), has_ended, "after {end} bytes of {stream:?}");
    }
    answers.record_request();
    assert!(!answers.is_idle());
}

#[cfg(test)]
mod tests {
    use super::*;

    /// SEND_HEADERS (200, "OK", none), SEND_BODY_CHUNK "hi", END_RESPONSE reuse 1.
    const RESPONSE: &[u8] =
        b"AB\0\x0A\x04\0\xC8\0\x02OK\0\0\0AB\0\x06\x03\0\x02hi\0AB\0\x02\x05\x01";

    #[test]
    fn a_connection_is_idle_after_the_last_byte_of_end_response_however_it_is_cut() {
        for cut in 0..RESPONSE.len() {
            let mut answers = Answers::default();
            answers.record_request();
            answers.record_response(&RESPONSE[..cut]);
            assert!(!answers.is_idle(), "{cut}");
            answers.record_response(&RESPONSE[cut..]);
            assert!(answers.is_idle(), "{cut}");
        }
    }

    #[test]
    fn a_cpong_is_an_answer_too() {
        let mut answers = Answers::default();
        answers.record_response(b"AB\0\x01\x09");
        assert!(answers.is_idle());
    }

    #[test]
    fn a_further_request_ends_the_idle_time() {
        let mut answers = Answers::default();
        answers.record_response(RESPONSE);
        answers.record_request();
        assert!(!answers.is_idle());
        answers.record_response(RESPONSE);
        assert!(answers.is_idle());
    }

    #[test]
    fn body_bytes_that_look_like_the_end_are_not() {
        let mut answers = Answers::default();
        answers.record_response(b"AB\0\x0A\x03\0\x06AB\0\x02\x05\x01\0");
        assert!(!answers.is_idle());
    }

    #[test]
    fn a_connection_that_does_not_speak_ajp_is_never_idle() {
        let mut answers = Answers::default();
        answers.record_response(b"HTTP/1.1 400 Bad Request\r\n");
        answers.record_response(RESPONSE);
        assert!(!answers.is_idle());
    }

    #[test]
    fn the_end_is_known_whatever_comes_in_whatever_pieces() {
        check_answers(&[3], b"AB\0\0AB\0\x01\x09");
        check_answers(&[4], b"AB\0\0");
        for length in 1..=30 {
            check_answers(&[length], &[RESPONSE, b"AB\0\x01\x09", RESPONSE].concat());
        }
        let kept = concat!(env!("CARGO_MANIFEST_DIR"), "/fuzz/corpus/dialer");
        for input in std::fs::read_dir(kept).expect("a kept corpus") {
            let input = std::fs::read(input.expect("readable").path()).expect("readable");
            let (lengths, stream) = input.split_at(input.len().min(4));
            check_answers(lengths, stream);
        }
    }
}
