//! Where an answer of the container ends.

use crate::protocol::{Direction, HEADER_LEN, packet_len};

/// Types after which the container waits for httpd.
const END_RESPONSE: u8 = 0x05;
const CPONG: u8 = 0x09;

/// Four bytes of envelope and the type.
const HEAD: usize = HEADER_LEN + 1;

/// Follows what the container sends, packet by packet, to tell a connection between two requests
/// from one that serves one. Keeps and changes no byte.
#[derive(Debug, Default)]
pub(super) struct Answers {
    head: [u8; HEAD],
    have: usize,
    /// Bytes of this packet still to come, behind its head.
    left: usize,
    at_rest: bool,
    /// What comes is not AJP; no answer ends then.
    lost: bool,
}

impl Answers {
    /// Whether the last answer has ended and nothing was asked since.
    pub(super) fn at_rest(&self) -> bool {
        self.at_rest
    }

    /// httpd has sent something.
    pub(super) fn asked(&mut self) {
        self.at_rest = false;
    }

    /// The container has sent these bytes.
    pub(super) fn answered(&mut self, mut bytes: &[u8]) {
        while let (Some(&first), false) = (bytes.first(), self.lost) {
            self.at_rest = false;
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
                self.at_rest = matches!(self.head[HEADER_LEN], END_RESPONSE | CPONG);
                self.have = 0;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// SEND_HEADERS (200, "OK", none), SEND_BODY_CHUNK "hi", END_RESPONSE reuse 1.
    const RESPONSE: &[u8] =
        b"AB\0\x0A\x04\0\xC8\0\x02OK\0\0\0AB\0\x06\x03\0\x02hi\0AB\0\x02\x05\x01";

    #[test]
    fn a_connection_is_at_rest_behind_the_last_byte_of_end_response_however_it_is_cut() {
        for cut in 0..RESPONSE.len() {
            let mut answers = Answers::default();
            answers.asked();
            answers.answered(&RESPONSE[..cut]);
            assert!(!answers.at_rest(), "{cut}");
            answers.answered(&RESPONSE[cut..]);
            assert!(answers.at_rest(), "{cut}");
        }
    }

    #[test]
    fn a_cpong_is_an_answer_too() {
        let mut answers = Answers::default();
        answers.answered(b"AB\0\x01\x09");
        assert!(answers.at_rest());
    }

    #[test]
    fn a_further_request_ends_the_rest() {
        let mut answers = Answers::default();
        answers.answered(RESPONSE);
        answers.asked();
        assert!(!answers.at_rest());
        answers.answered(RESPONSE);
        assert!(answers.at_rest());
    }

    #[test]
    fn body_bytes_that_look_like_the_end_are_not() {
        let mut answers = Answers::default();
        answers.answered(b"AB\0\x0A\x03\0\x06AB\0\x02\x05\x01\0");
        assert!(!answers.at_rest());
    }

    #[test]
    fn what_is_not_ajp_never_rests() {
        let mut answers = Answers::default();
        answers.answered(b"HTTP/1.1 400 Bad Request\r\n");
        answers.answered(RESPONSE);
        assert!(!answers.at_rest());
    }
}
