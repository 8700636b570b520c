//! The container's side of AJP/1.3: the next step for the bytes that have arrived.

use crate::answers::{crowd_of, last_segment, length_of, wait_of};
use crate::backend::{Malformed, Step};

/// The part of a request's body that is still to come; nothing between requests.
#[derive(Debug, Default)]
pub struct Reading {
    body_left: usize,
}

impl Reading {
    /// Takes one packet off `input`; returns how many bytes that were and the step that it calls for.
    /// Nothing until a whole packet has arrived.
    pub fn step(
        &mut self,
        input: &[u8],
        packet_size: usize,
    ) -> Result<Option<(usize, Step)>, Malformed> {
        let Some((&[m0, m1, high, low], rest)) = input.split_first_chunk() else {
            return Ok(None);
        };
        if [m0, m1] != [0x12, 0x34] {
            return Err(Malformed);
        }
        let length = usize::from(u16::from_be_bytes([high, low]));
        let Some(payload) = rest.get(..length) else {
            return Ok(None);
        };
        let step = if self.body_left > 0 {
            self.data(payload, packet_size)?
        } else {
            match payload.split_first() {
                Some((0x02, fields)) => self.forward_request(fields)?,
                Some((0x0A, [])) => Step::Send(CPONG.to_vec()),
                _ => return Err(Malformed),
            }
        };
        Ok(Some((4 + length, step)))
    }

    fn forward_request(&mut self, fields: &[u8]) -> Result<Step, Malformed> {
        let request = Request::read(fields).ok_or(Malformed)?;
        if request.body > 0 {
            // The first packet of an announced body comes unasked.
            self.body_left = request.body;
            return Ok(Step::Nothing);
        }
        if let Some(time) = wait_of(request.uri) {
            return Ok(Step::Wait { time, body: last_segment(request.uri).to_vec() });
        }
        let length = length_of(request.uri).ok_or(Malformed)?;
        Ok(match crowd_of(request.uri) {
            Some(crowd) => Step::Hold { crowd, length },
            None => Step::Answer(length),
        })
    }

    fn data(&mut self, payload: &[u8], packet_size: usize) -> Result<Step, Malformed> {
        let Some((&[high, low], data)) = payload.split_first_chunk() else {
            return Err(Malformed);
        };
        let length = usize::from(u16::from_be_bytes([high, low]));
        if length != data.len() || length == 0 || length > self.body_left {
            return Err(Malformed);
        }
        self.body_left -= length;
        if self.body_left == 0 {
            return Ok(Step::Answer(AFTER_BODY));
        }
        let wanted = u16::try_from(packet_size - 6).map_err(|_| Malformed)?;
        let [high, low] = wanted.to_be_bytes();
        Ok(Step::Send(vec![0x41, 0x42, 0x00, 0x03, 0x06, high, low]))
    }
}

struct Request<'a> {
    uri: &'a [u8],
    body: usize,
}

impl<'a> Request<'a> {
    /// Reads what follows the type byte, up to the headers.
    fn read(mut fields: &'a [u8]) -> Option<Self> {
        let at = &mut fields;
        take(at, 1)?; // method
        string(at)?; // protocol
        let uri = string(at)?;
        for _ in ["remote_addr", "remote_host", "server_name"] {
            string(at)?;
        }
        take(at, 3)?; // server_port, is_ssl
        let mut body = 0;
        for _ in 0..u16_from(at)? {
            let is_length = match at.first()? {
                0xA0 => take(at, 2)? == CONTENT_LENGTH,
                _ => string(at)?.eq_ignore_ascii_case(b"content-length"),
            };
            let value = string(at)?;
            if is_length {
                body = std::str::from_utf8(value).ok()?.parse().ok()?;
            }
        }
        Some(Self { uri, body })
    }
}

fn take<'a>(at: &mut &'a [u8], length: usize) -> Option<&'a [u8]> {
    let (taken, rest) = at.split_at_checked(length)?;
    *at = rest;
    Some(taken)
}

fn u16_from(at: &mut &[u8]) -> Option<u16> {
    let (&bytes, rest) = at.split_first_chunk()?;
    *at = rest;
    Some(u16::from_be_bytes(bytes))
}

/// The null string is empty here.
fn string<'a>(at: &mut &'a [u8]) -> Option<&'a [u8]> {
    match u16_from(at)? {
        0xFFFF => Some(b""),
        length => {
            let text = take(at, usize::from(length))?;
            take(at, 1)?;
            Some(text)
        }
    }
}

const CONTENT_LENGTH: [u8; 2] = [0xA0, 0x08];
const CPONG: [u8; 5] = [0x41, 0x42, 0x00, 0x01, 0x09];

/// The length of every answer to a request with a body.
pub const AFTER_BODY: usize = 128;
