//! The server's side of HTTP/1.1, as mod_proxy_http speaks it.

use crate::ajp::AFTER_BODY;
use crate::answers::length_of;
use crate::backend::{Malformed, Step};

/// The part of a request's body that is still to come; nothing between requests.
#[derive(Debug, Default)]
pub struct Reading {
    body_left: usize,
}

impl Reading {
    /// Takes a head or a piece of a body off `input`; returns how many bytes that were and the step
    /// that it calls for. Nothing until more has arrived.
    pub fn step(&mut self, input: &[u8]) -> Result<Option<(usize, Step)>, Malformed> {
        if self.body_left > 0 {
            let taken = input.len().min(self.body_left);
            if taken == 0 {
                return Ok(None);
            }
            self.body_left -= taken;
            let step = if self.body_left == 0 { Step::Answer(AFTER_BODY) } else { Step::Nothing };
            return Ok(Some((taken, step)));
        }
        let Some(end) = end_of_head(input) else {
            return if input.len() < LONGEST_HEAD { Ok(None) } else { Err(Malformed) };
        };
        let head = &input[..end];
        self.body_left = content_length(head).unwrap_or(0);
        let step = if self.body_left > 0 {
            Step::Nothing
        } else {
            let path = head.split(|&byte| byte == b' ').nth(1).ok_or(Malformed)?;
            Step::Answer(length_of(path).ok_or(Malformed)?)
        };
        Ok(Some((end, step)))
    }
}

/// The end of the head, including the empty line.
pub fn end_of_head(bytes: &[u8]) -> Option<usize> {
    bytes.windows(4).position(|four| four == b"\r\n\r\n").map(|at| at + 4)
}

/// The value of a header, as the head has it.
pub fn header<'a>(head: &'a [u8], name: &[u8]) -> Option<&'a [u8]> {
    head.split(|&byte| byte == b'\n').find_map(|line| {
        let (found, value) = line.split_at_checked(name.len())?;
        let value = value.strip_prefix(b":")?;
        found.eq_ignore_ascii_case(name).then(|| value.trim_ascii())
    })
}

/// Content-Length, if there is one.
pub fn content_length(head: &[u8]) -> Option<usize> {
    std::str::from_utf8(header(head, b"content-length")?).ok()?.parse().ok()
}

const LONGEST_HEAD: usize = 16 * 1024;
