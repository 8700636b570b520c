//! A client over HTTP/1.1 that may leave at any time, and that says exactly what it has received.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::thread;
use std::time::Duration;

use test_support::process::DEADLINE;
use test_support::random::Random;

use super::answer::{Ask, Outcome, judge};

/// A client with one connection at a time.
#[derive(Debug)]
pub struct PlainClient {
    address: SocketAddr,
    open: Option<BufReader<TcpStream>>,
}

impl PlainClient {
    pub fn new(address: SocketAddr) -> Self {
        Self { address, open: None }
    }

    /// Sends a request and reads its answer, or leaves.
    pub fn ask(&mut self, ask: &Ask, random: &mut Random) -> Outcome {
        let kept = self.open.take();
        let is_kept = kept.is_some();
        let Ok(mut stream) = kept.map_or_else(|| self.connect(), Ok) else {
            return Outcome::Broken;
        };
        let leaves = random.once_in(12);
        if send(&mut stream, ask, random).is_err() {
            // httpd may have closed an idle connection, or answered before the end of the body.
            return if is_kept { Outcome::Closed } else { Outcome::Broken };
        }
        if leaves {
            thread::sleep(Duration::from_millis(random.below(80) as u64));
            return Outcome::Left;
        }
        match read(&mut stream) {
            Ok(Answer { status, body, is_whole, keeps }) => {
                if is_whole && keeps {
                    self.open = Some(stream);
                }
                judge(ask, status, &body, is_whole)
            }
            Err(error) if is_timeout(&error) => Outcome::Hung,
            // Nothing came: a kept connection that httpd has closed, or a child that was killed.
            Err(_) if is_kept => Outcome::Closed,
            Err(_) => Outcome::Broken,
        }
    }

    fn connect(&self) -> io::Result<BufReader<TcpStream>> {
        let stream = TcpStream::connect(self.address)?;
        stream.set_read_timeout(Some(DEADLINE))?;
        stream.set_write_timeout(Some(DEADLINE))?;
        stream.set_nodelay(true)?;
        Ok(BufReader::new(stream))
    }
}

fn send(stream: &mut BufReader<TcpStream>, ask: &Ask, random: &mut Random) -> io::Result<()> {
    let stream = stream.get_mut();
    let target = ask.target();
    if !ask.is_post {
        return write!(stream, "GET {target} HTTP/1.1\r\nHost: localhost\r\n\r\n");
    }
    let body = ask.body();
    let is_chunked = random.once_in(2);
    let framing = if is_chunked {
        "Transfer-Encoding: chunked".to_owned()
    } else {
        format!("Content-Length: {}", body.len())
    };
    write!(stream, "POST {target} HTTP/1.1\r\nHost: localhost\r\n{framing}\r\n\r\n")?;
    for piece in body.chunks(1 + random.below(40_000)) {
        if is_chunked {
            write!(stream, "{:x}\r\n", piece.len())?;
        }
        stream.write_all(piece)?;
        if is_chunked {
            stream.write_all(b"\r\n")?;
        }
        if random.once_in(20) {
            thread::sleep(Duration::from_millis(random.below(20) as u64));
        }
    }
    if is_chunked { stream.write_all(b"0\r\n\r\n") } else { Ok(()) }
}

struct Answer {
    status: u16,
    body: Vec<u8>,
    is_whole: bool,
    keeps: bool,
}

/// Reads an answer. An error if not even its head has come.
fn read(stream: &mut BufReader<TcpStream>) -> io::Result<Answer> {
    let (mut status, mut length, mut is_chunked, mut keeps) = (0, None, false, true);
    loop {
        let mut line = Vec::new();
        if stream.read_until(b'\n', &mut line)? == 0 || !line.ends_with(b"\r\n") {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        let line = String::from_utf8_lossy(&line).trim_end().to_ascii_lowercase();
        if line.is_empty() {
            // 100 Continue and its like are not the answer.
            if status >= 200 {
                break;
            }
            status = 0;
        } else if status == 0 {
            let word = line.split(' ').nth(1).and_then(|word| word.parse().ok());
            status = word.ok_or_else(|| io::Error::other(format!("no status line: {line}")))?;
        } else if let Some(value) = line.strip_prefix("content-length: ") {
            length = value.parse::<u64>().ok();
        } else if line == "transfer-encoding: chunked" {
            is_chunked = true;
        } else if line == "connection: close" {
            keeps = false;
        }
    }
    let mut body = Vec::new();
    let is_whole = if is_chunked {
        chunks(stream, &mut body)?
    } else if let Some(length) = length {
        quietly(stream.take(length).read_to_end(&mut body))?;
        body.len() as u64 == length
    } else {
        // The end of the connection is the end of the body, unless it is a reset.
        keeps = false;
        quietly(stream.read_to_end(&mut body))?
    };
    Ok(Answer { status, body, is_whole, keeps })
}

/// Reads a chunked body. Returns whether its last chunk has come.
fn chunks(stream: &mut BufReader<TcpStream>, body: &mut Vec<u8>) -> io::Result<bool> {
    loop {
        let mut line = Vec::new();
        if !quietly(stream.read_until(b'\n', &mut line))? || !line.ends_with(b"\r\n") {
            return Ok(false);
        }
        let text = String::from_utf8_lossy(&line);
        let Ok(length) = u64::from_str_radix(text.trim(), 16) else {
            return Err(io::Error::other(format!("no chunk: {text}")));
        };
        let before = body.len();
        quietly(stream.take(length).read_to_end(body))?;
        let mut end = [0; 2];
        if (body.len() - before) as u64 != length || !quietly(stream.read_exact(&mut end))? {
            return Ok(false);
        }
        if length == 0 {
            return Ok(end == *b"\r\n");
        }
    }
}

/// Takes a reset, and an end in the middle, for what they are: the end of what comes. Returns whether it was not one.
fn quietly<T>(read: io::Result<T>) -> io::Result<bool> {
    match read {
        Ok(_) => Ok(true),
        Err(error) if is_timeout(&error) => Err(error),
        Err(_) => Ok(false),
    }
}

fn is_timeout(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut)
}
