//! Answers, encoded once and then only sent.

use std::collections::HashMap;
use std::rc::Rc;
use std::str::FromStr;
use std::time::Duration;

/// The form of an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Form {
    /// AJP, with packets of at most this many bytes.
    Ajp {
        packet_size: usize,
    },
    Http,
}

/// The answers encoded so far, by form and length of the body; without the answers that carry an id.
#[derive(Debug, Default)]
pub struct Answers {
    known: HashMap<(Form, usize), Rc<[u8]>>,
}

impl Answers {
    pub fn get(&mut self, form: Form, length: usize) -> Rc<[u8]> {
        let answer =
            self.known.entry((form, length)).or_insert_with(|| encode(form, &alphabet(length)));
        Rc::clone(answer)
    }
}

/// An answer with this body.
pub fn encode(form: Form, body: &[u8]) -> Rc<[u8]> {
    match form {
        Form::Ajp { packet_size } => ajp(body, packet_size).into(),
        Form::Http => http(body).into(),
    }
}

/// The length that a path asks for: its last segment.
pub fn length_of(path: &[u8]) -> Option<usize> {
    let length: usize = number(last_segment(path))?;
    (length <= LONGEST).then_some(length)
}

/// The last segment of a path.
pub fn last_segment(path: &[u8]) -> &[u8] {
    path.rsplit(|&byte| byte == b'/').next().unwrap_or_default()
}

/// How many requests must have arrived before the first of them is answered: the last segment but one,
/// if that is `hold-N`.
pub fn crowd_of(path: &[u8]) -> Option<usize> {
    number(last_but_one(path)?.strip_prefix(b"hold-")?)
}

/// How long the answer is held back: the last segment but one, if that is `wait-MILLISECONDS`.
pub fn wait_of(path: &[u8]) -> Option<Duration> {
    number(last_but_one(path)?.strip_prefix(b"wait-")?).map(Duration::from_millis)
}

fn last_but_one(path: &[u8]) -> Option<&[u8]> {
    path.rsplit(|&byte| byte == b'/').nth(1)
}

fn number<N: FromStr>(text: &[u8]) -> Option<N> {
    std::str::from_utf8(text).ok()?.parse().ok()
}

/// The alphabet, again and again, so that a piece that is missing or in the wrong place shows.
fn alphabet(length: usize) -> Vec<u8> {
    (b'a'..=b'z').cycle().take(length).collect()
}

fn http(body: &[u8]) -> Vec<u8> {
    let mut answer = b"HTTP/1.1 200 OK\r\n".to_vec();
    for (name, value) in headers(body.len()) {
        answer.extend_from_slice(format!("{name}: {value}\r\n").as_bytes());
    }
    answer.extend_from_slice(b"\r\n");
    answer.extend_from_slice(body);
    answer
}

fn ajp(body: &[u8], packet_size: usize) -> Vec<u8> {
    let headers = headers(body.len());
    let mut head = vec![0x04, 0x00, 0xC8];
    push_string(&mut head, b"200");
    head.extend_from_slice(&u16_of(headers.len()));
    for (name, value) in &headers {
        match CODES.iter().find(|(coded, _)| coded == name) {
            Some((_, code)) => head.extend_from_slice(&[0xA0, *code]),
            None => push_string(&mut head, name.as_bytes()),
        }
        push_string(&mut head, value.as_bytes());
    }
    let mut answer = Vec::with_capacity(body.len() + body.len() / 1000 + 1024);
    push_packet(&mut answer, &head);
    // Four bytes of packet header, type, length, and the byte behind the data.
    for chunk in body.chunks(packet_size - 8) {
        let mut payload = vec![0x03];
        push_string(&mut payload, chunk);
        push_packet(&mut answer, &payload);
    }
    push_packet(&mut answer, &[0x05, 0x01]);
    answer
}

/// The headers that Tomcat sends for a static file.
fn headers(length: usize) -> [(&'static str, String); 4] {
    [
        ("ETag", "W/\"128-1718000000000\"".to_owned()),
        ("Last-Modified", "Mon, 10 Jun 2024 06:13:20 GMT".to_owned()),
        ("Content-Type", "text/plain".to_owned()),
        ("Content-Length", length.to_string()),
    ]
}

const CODES: [(&str, u8); 3] =
    [("Content-Type", 0x01), ("Content-Length", 0x03), ("Last-Modified", 0x05)];

fn push_packet(out: &mut Vec<u8>, payload: &[u8]) {
    out.extend_from_slice(&[0x41, 0x42]);
    out.extend_from_slice(&u16_of(payload.len()));
    out.extend_from_slice(payload);
}

fn push_string(out: &mut Vec<u8>, text: &[u8]) {
    out.extend_from_slice(&u16_of(text.len()));
    out.extend_from_slice(text);
    out.push(0x00);
}

fn u16_of(length: usize) -> [u8; 2] {
    u16::try_from(length).expect("a packet holds at most 65535 bytes").to_be_bytes()
}

/// The longest body: held in memory once per form.
const LONGEST: usize = 64 << 20;
