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
            match path {
                b"/waiting" => Step::Count,
                _ => Step::Answer(length_of(path).ok_or(Malformed)?),
            }
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

/// Returns the data of the first chunk of a chunked body, and the length of the chunk; nothing until all of it is
/// there. The last chunk is empty.
pub fn chunk(bytes: &[u8]) -> Result<Option<(&[u8], usize)>, Malformed> {
    let Some(end) = bytes.windows(2).position(|two| two == b"\r\n") else {
        return Ok(None);
    };
    let size = std::str::from_utf8(&bytes[..end]).map_err(|_| Malformed)?;
    let size = usize::from_str_radix(size, 16).map_err(|_| Malformed)?;
    let data = end + 2;
    let next = data.checked_add(size).and_then(|end| end.checked_add(2)).ok_or(Malformed)?;
    Ok((bytes.len() >= next).then(|| (&bytes[data..data + size], next)))
}

/// A whole answer.
#[derive(Debug)]
pub struct Answer {
    pub status: u16,
    pub body: Vec<u8>,
    /// Whether the server closes the connection after it.
    pub is_last: bool,
}

/// Reads an answer; nothing until all of it is there. More bytes than that are an error.
pub fn answer(bytes: &[u8]) -> Result<Option<Answer>, Malformed> {
    let Some(end) = end_of_head(bytes) else {
        return Ok(None);
    };
    let (head, rest) = bytes.split_at(end);
    let status = head.strip_prefix(b"HTTP/1.1 ").and_then(|rest| rest.get(..3));
    let status = status.and_then(|digits| std::str::from_utf8(digits).ok()?.parse().ok());
    let status = status.ok_or(Malformed)?;
    let is_last = header(head, b"connection").is_some_and(|v| v.eq_ignore_ascii_case(b"close"));
    let body = match content_length(head) {
        Some(length) if rest.len() > length => return Err(Malformed),
        Some(length) => (rest.len() == length).then(|| rest.to_vec()),
        None if header(head, b"transfer-encoding").is_some() => chunked(rest)?,
        None => return Err(Malformed),
    };
    Ok(body.map(|body| Answer { status, body, is_last }))
}

/// Returns the data of all chunks; nothing until the last one is there.
fn chunked(mut bytes: &[u8]) -> Result<Option<Vec<u8>>, Malformed> {
    let mut body = Vec::new();
    while let Some((data, taken)) = chunk(bytes)? {
        bytes = &bytes[taken..];
        if data.is_empty() {
            return if bytes.is_empty() { Ok(Some(body)) } else { Err(Malformed) };
        }
        body.extend_from_slice(data);
    }
    Ok(None)
}

/// Content-Length, if there is one.
pub fn content_length(head: &[u8]) -> Option<usize> {
    std::str::from_utf8(header(head, b"content-length")?).ok()?.parse().ok()
}

const LONGEST_HEAD: usize = 16 * 1024;
