//! The client: one thread, connections that are kept, a number of requests.

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use crate::http::{chunk, content_length, end_of_head, header};
use crate::poll::{Interest, Poll};

/// The requests to send.
#[derive(Debug)]
pub struct Plan {
    to: SocketAddr,
    path: String,
    connections: usize,
    requests: usize,
    /// No request begins later than this.
    seconds: u64,
    /// The length of the request's body; 0 is a GET.
    body: usize,
    /// The length of every answer.
    expect: usize,
}

impl Plan {
    pub fn parse(words: &[&str]) -> Result<Self, String> {
        let [to, path, options @ ..] = words else {
            return Err("load needs an address and a path".to_owned());
        };
        let to = to.parse().map_err(|error| format!("{to}: {error}"))?;
        let path = (*path).to_owned();
        let mut plan =
            Self { to, path, connections: 1, requests: 1, seconds: 60, body: 0, expect: 0 };
        for pair in options.chunks(2) {
            let &[name, value] = pair else {
                return Err(format!("{} needs a number", pair[0]));
            };
            let number: usize =
                value.parse().map_err(|error| format!("{name} {value}: {error}"))?;
            match name {
                "--connections" => plan.connections = number.max(1),
                "--requests" => plan.requests = number,
                "--seconds" => plan.seconds = number as u64,
                "--body" => plan.body = number,
                "--expect" => plan.expect = number,
                _ => return Err(format!("no option {name}")),
            }
        }
        plan.connections = plan.connections.min(plan.requests);
        Ok(plan)
    }

    /// The request a browser would send, and its body.
    fn request(&self) -> Vec<u8> {
        let mut request = match self.body {
            0 => format!("GET {} HTTP/1.1\r\n", self.path),
            length => format!("POST {} HTTP/1.1\r\nContent-Length: {length}\r\n", self.path),
        };
        request.push_str(BROWSER);
        request.push_str("\r\n");
        request.into_bytes().into_iter().chain(std::iter::repeat_n(b'x', self.body)).collect()
    }
}

/// Sends the requests and prints how many there were and how many seconds they took.
///
/// # Errors
/// Any answer except a 200 of the right length, and a connection that ends early.
pub fn run(plan: &Plan) -> Result<(), String> {
    let mut work = Work { request: plan.request(), left: plan.requests, expect: plan.expect };
    let mut poll = Poll::new().map_err(|error| error.to_string())?;
    let mut connections = Vec::new();
    let begin = Instant::now();
    for number in 0..plan.connections {
        let connection = Connection::open(plan.to).map_err(|error| error.to_string())?;
        poll.add(&connection.stream, number, connection.interest)
            .map_err(|error| error.to_string())?;
        connections.push(connection);
    }
    let mut buffer = vec![0; BUFFER];
    let mut ready = Vec::new();
    let mut done = 0;
    let mut busy = 0;
    let last_start = begin + Duration::from_secs(plan.seconds);
    for connection in &mut connections {
        busy += usize::from(connection.start(&mut work));
    }
    while busy > 0 {
        poll.wait(&mut ready, Some(PATIENCE)).map_err(|error| error.to_string())?;
        if ready.is_empty() {
            return Err(format!("{}: nothing for {PATIENCE:?}, after {done} answers", plan.path));
        }
        for &number in &ready {
            let connection = &mut connections[number];
            let before = connection.interest;
            let whole = connection
                .serve(&work, &mut buffer)
                .map_err(|error| format!("{}: {error}, after {done} answers", plan.path))?;
            if whole {
                done += 1;
                if Instant::now() > last_start {
                    work.left = 0;
                }
                busy -= usize::from(!connection.start(&mut work));
            }
            if connection.interest != before {
                poll.change(&connection.stream, number, connection.interest)
                    .map_err(|error| error.to_string())?;
            }
        }
    }
    println!("{done} {:.6}", begin.elapsed().as_secs_f64());
    Ok(())
}

struct Work {
    request: Vec<u8>,
    /// The number of requests not begun yet.
    left: usize,
    expect: usize,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Awaits {
    Head,
    /// This many bytes of the body are left.
    Body(usize),
    /// The end of a chunked body, which has had this many bytes.
    Chunks(usize),
    /// No request has been sent.
    Nothing,
}

#[derive(Debug)]
struct Connection {
    stream: TcpStream,
    sent: usize,
    awaits: Awaits,
    /// Bytes of an incomplete head or of incomplete chunks.
    pending: Vec<u8>,
    interest: Interest,
}

impl Connection {
    fn open(to: SocketAddr) -> io::Result<Self> {
        let stream = TcpStream::connect(to)?;
        stream.set_nonblocking(true)?;
        stream.set_nodelay(true)?;
        let interest = Interest::Write;
        Ok(Self { stream, sent: 0, awaits: Awaits::Nothing, pending: Vec::new(), interest })
    }

    /// Begins the next request, if one is left.
    fn start(&mut self, work: &mut Work) -> bool {
        self.awaits = Awaits::Nothing;
        self.interest = Interest::Read;
        if work.left == 0 {
            return false;
        }
        work.left -= 1;
        self.sent = 0;
        self.awaits = Awaits::Head;
        // The error comes again when the socket is polled.
        let _ = self.send(&work.request);
        true
    }

    /// Does the work that needs no waiting; returns whether the answer is complete.
    fn serve(&mut self, work: &Work, buffer: &mut [u8]) -> io::Result<bool> {
        if self.interest == Interest::Write {
            self.send(&work.request)?;
            return Ok(false);
        }
        match self.stream.read(buffer) {
            Ok(0) => Err(io::Error::other("the server closed a connection")),
            Ok(count) => self.take(&buffer[..count], work.expect),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(false),
            Err(error) => Err(error),
        }
    }

    fn send(&mut self, request: &[u8]) -> io::Result<()> {
        while self.sent < request.len() {
            match self.stream.write(&request[self.sent..]) {
                Ok(count) => self.sent += count,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
                Err(error) => return Err(error),
            }
        }
        self.interest = if self.sent < request.len() { Interest::Write } else { Interest::Read };
        Ok(())
    }

    fn take(&mut self, bytes: &[u8], expect: usize) -> io::Result<bool> {
        match self.awaits {
            Awaits::Nothing => Err(io::Error::other("an answer nobody asked for")),
            Awaits::Body(left) => {
                let left = left.checked_sub(bytes.len()).ok_or_else(too_long)?;
                self.awaits = Awaits::Body(left);
                Ok(left == 0)
            }
            Awaits::Head => {
                self.pending.extend_from_slice(bytes);
                let Some(end) = end_of_head(&self.pending) else {
                    return Ok(false);
                };
                let rest = self.pending.split_off(end);
                let head = std::mem::replace(&mut self.pending, Vec::with_capacity(1024));
                self.awaits = after_head(&head, expect)?;
                self.take(&rest, expect)
            }
            Awaits::Chunks(count) => {
                self.pending.extend_from_slice(bytes);
                let (count, taken, ended) = chunks(&self.pending, count)?;
                self.pending.drain(..taken);
                self.awaits = Awaits::Chunks(count);
                match (ended, count == expect) {
                    (true, false) => Err(io::Error::other(format!("{count} bytes in chunks"))),
                    (ended, _) => Ok(ended),
                }
            }
        }
    }
}

fn after_head(head: &[u8], expect: usize) -> io::Result<Awaits> {
    if !head.starts_with(b"HTTP/1.1 200 ") {
        return Err(io::Error::other(String::from_utf8_lossy(head).into_owned()));
    }
    match content_length(head) {
        Some(length) if length == expect => Ok(Awaits::Body(length)),
        Some(length) => Err(io::Error::other(format!("Content-Length {length}"))),
        None if header(head, b"transfer-encoding").is_some() => Ok(Awaits::Chunks(0)),
        None => Err(io::Error::other("an answer without a length")),
    }
}

/// Reads whole chunks off `bytes`. Returns how much body has arrived, how many bytes were read, and
/// whether that was the last chunk.
fn chunks(bytes: &[u8], mut count: usize) -> io::Result<(usize, usize, bool)> {
    let mut at = 0;
    while let Some((data, taken)) =
        chunk(&bytes[at..]).map_err(|_| io::Error::other("a chunk of no size"))?
    {
        (at, count) = (at + taken, count + data.len());
        if data.is_empty() {
            return Ok((count, at, true));
        }
    }
    Ok((count, at, false))
}

fn too_long() -> io::Error {
    io::Error::other("more bytes than Content-Length says")
}

const BROWSER: &str = "Host: localhost\r\n\
    User-Agent: Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0\r\n\
    Accept: text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8\r\n\
    Accept-Language: en-US,en;q=0.5\r\n\
    Accept-Encoding: gzip, deflate, br\r\n\
    Cookie: JSESSIONID=4A1B0C7D2E9F83746501928374650AFE.node1; theme=dark\r\n\
    Referer: http://localhost/shop/index.html\r\n\
    Cache-Control: no-cache\r\n";

/// The size of a socket's buffer.
const BUFFER: usize = 256 * 1024;

/// Long, because under valgrind one answer of 16 MB takes its time.
const PATIENCE: Duration = Duration::from_secs(60);
