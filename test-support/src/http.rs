//! A small HTTP/1.1 client: the test chooses every byte that is sent, and sees every byte that is received.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};

use super::process::DEADLINE;

/// How the end of a response body was found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Framing {
    /// No body by rule: HEAD, 1xx, 204, 304.
    None,
    /// As many bytes as Content-Length says.
    Length,
    /// `Transfer-Encoding: chunked`.
    Chunked,
    /// Until the server closes.
    Close,
}

/// A response as received, its body without the transfer coding.
#[derive(Clone, Debug)]
pub struct Response {
    /// The status code.
    pub status: u16,
    /// The reason phrase.
    pub reason: String,
    /// Names and values in the order received.
    pub headers: Vec<(String, String)>,
    /// The body.
    pub body: Vec<u8>,
    /// How the end of the body was found.
    pub framing: Framing,
    /// Whether the body ended as its framing promised; `false` for a truncated one.
    pub complete: bool,
    /// The status codes of the interim (1xx) responses before this one.
    pub interim: Vec<u16>,
}

impl Response {
    /// The first value of the header `name`.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers
            .iter()
            .find(|(other, _)| other.eq_ignore_ascii_case(name))
            .map(|(_, value)| value.as_str())
    }

    /// All values of the header `name`.
    pub fn all(&self, name: &str) -> Vec<&str> {
        self.headers
            .iter()
            .filter(|(other, _)| other.eq_ignore_ascii_case(name))
            .map(|(_, value)| value.as_str())
            .collect()
    }

    /// The body as text.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// The value that the echo servlet prints for `name`. Fails if there is none.
    #[track_caller]
    pub fn said(&self, name: &str) -> String {
        said(&self.text(), name)
    }

    /// Fails, with the body, unless the status is `status` and the body is complete.
    #[track_caller]
    pub fn expect(self, status: u16) -> Self {
        assert!(
            self.status == status && self.complete,
            "wanted a complete {status}, got {} {} (complete: {}): {}",
            self.status,
            self.reason,
            self.complete,
            self.text()
        );
        self
    }
}

/// The value of the line `name=value` in `page`; the case of `name` does not matter.
#[track_caller]
pub fn said(page: &str, name: &str) -> String {
    page.lines()
        .filter_map(|line| line.split_once('='))
        .find(|(other, _)| other.eq_ignore_ascii_case(name))
        .unwrap_or_else(|| panic!("no line {name}=... in: {page}"))
        .1
        .to_owned()
}

/// One connection to a server.
#[derive(Debug)]
pub struct Client {
    stream: TcpStream,
    buffer: Vec<u8>,
}

impl Client {
    /// Opens a connection. A read or write that blocks for [`DEADLINE`] fails.
    pub fn connect(address: SocketAddr) -> Self {
        let stream = TcpStream::connect(address).expect("the server accepts connections");
        stream.set_read_timeout(Some(DEADLINE)).expect("not zero");
        stream.set_write_timeout(Some(DEADLINE)).expect("not zero");
        stream.set_nodelay(true).expect("a TCP socket");
        Self { stream, buffer: Vec::new() }
    }

    /// Sends `bytes` as they are.
    pub fn send(&mut self, bytes: impl AsRef<[u8]>) {
        self.try_send(bytes).expect("the server reads");
    }

    /// Sends a piece of a request body as one chunk of a chunked body.
    pub fn send_chunk(&mut self, piece: &[u8]) {
        self.send([format!("{:x}\r\n", piece.len()).as_bytes(), piece, b"\r\n"].concat());
    }

    /// Sends `bytes`. Returns an error if the server has closed its side.
    pub fn try_send(&mut self, bytes: impl AsRef<[u8]>) -> std::io::Result<()> {
        self.stream.write_all(bytes.as_ref())
    }

    /// Sends FIN: the client will send nothing more, and still reads.
    pub fn shutdown_write(&mut self) {
        self.stream.shutdown(std::net::Shutdown::Write).expect("connected");
    }

    /// Closes the connection with RST.
    pub fn reset(self) {
        rustix::net::sockopt::set_socket_linger(&self.stream, Some(std::time::Duration::ZERO))
            .expect("a TCP socket");
    }

    /// The same connection once more, to send from another thread. What has been received stays here.
    pub fn sender(&self) -> Self {
        let stream = self.stream.try_clone().expect("descriptors are left");
        Self { stream, buffer: Vec::new() }
    }

    /// The client's end of the connection.
    pub fn local_addr(&self) -> SocketAddr {
        self.stream.local_addr().expect("connected")
    }

    /// Sends a request of `method` for `target` with `headers` (each with its CRLF) and `body`.
    pub fn request(&mut self, method: &str, target: &str, headers: &str, body: &[u8]) -> Response {
        let mut bytes =
            format!("{method} {target} HTTP/1.1\r\nHost: localhost\r\n{headers}\r\n").into_bytes();
        bytes.extend_from_slice(body);
        self.send(&bytes);
        self.response(method)
    }

    /// `GET target`.
    pub fn get(&mut self, target: &str) -> Response {
        self.request("GET", target, "", b"")
    }

    /// `GET target`; `None` if the server has ended the connection before a byte of an answer.
    pub fn try_get(&mut self, target: &str) -> Option<Response> {
        let head = format!("GET {target} HTTP/1.1\r\nHost: localhost\r\n\r\n");
        self.try_send(head).ok()?;
        self.try_response("GET")
    }

    /// Reads one response; `None` if the server has ended the connection before a byte of it.
    pub fn try_response(&mut self, method: &str) -> Option<Response> {
        (!self.ends()).then(|| self.response(method))
    }

    /// Reads one response, which answers a request of `method`.
    pub fn response(&mut self, method: &str) -> Response {
        let mut body = Vec::new();
        let mut response = self.response_into(method, &mut |piece| body.extend_from_slice(piece));
        response.body = body;
        response
    }

    /// Reads one response and passes its body to `sink` piece by piece; `Response::body` stays empty.
    pub fn response_into(&mut self, method: &str, sink: &mut dyn FnMut(&[u8])) -> Response {
        let mut interim = Vec::new();
        let mut response = loop {
            let response = self.head();
            if !(100..200).contains(&response.status) || response.status == 101 {
                break response;
            }
            interim.push(response.status);
        };
        response.interim = interim;
        let chunked = response
            .header("Transfer-Encoding")
            .is_some_and(|coding| coding.eq_ignore_ascii_case("chunked"));
        let length = response
            .header("Content-Length")
            .map(|text| text.parse::<u64>().unwrap_or_else(|_| panic!("Content-Length: {text}")));
        (response.framing, response.complete) =
            if method == "HEAD" || matches!(response.status, 101 | 204 | 304) {
                (Framing::None, true)
            } else if chunked {
                (Framing::Chunked, self.chunked(sink).is_some())
            } else if let Some(length) = length {
                (Framing::Length, self.exactly(length, sink).is_some())
            } else {
                while let Some(piece) = self.piece(usize::MAX) {
                    sink(&piece);
                }
                (Framing::Close, true)
            };
        response
    }

    /// Reads a response head: status line and headers.
    pub fn head(&mut self) -> Response {
        let status_line = self.line().expect("a status line");
        let mut words = status_line.splitn(3, ' ');
        assert!(words.next().is_some_and(|word| word.starts_with("HTTP/1.")), "{status_line}");
        let status = words.next().and_then(|word| word.parse().ok()).expect("a status code");
        let reason = words.next().unwrap_or_default().to_owned();
        let mut headers = Vec::new();
        loop {
            let line = self.line().expect("the end of the headers");
            if line.is_empty() {
                break;
            }
            let (name, value) = line.split_once(':').expect("a colon in each header line");
            headers.push((name.to_owned(), value.trim().to_owned()));
        }
        Response {
            status,
            reason,
            headers,
            body: Vec::new(),
            framing: Framing::None,
            complete: true,
            interim: Vec::new(),
        }
    }

    /// Reads one chunk of a chunked body; empty for the last, `None` if the connection ends here.
    pub fn chunk(&mut self) -> Option<Vec<u8>> {
        let line = self.line()?;
        let digits = line.split(';').next().unwrap_or_default();
        let size = u64::from_str_radix(digits, 16)
            .unwrap_or_else(|_| panic!("not a chunk size: {line:?}"));
        let mut bytes = Vec::new();
        self.exactly(size, &mut |piece| bytes.extend_from_slice(piece))?;
        let end = self.line()?;
        assert_eq!(end, "", "behind a chunk, or a trailer nobody announced");
        Some(bytes)
    }

    /// Whether the server closes the connection without sending more.
    pub fn ends(&mut self) -> bool {
        self.buffer.is_empty() && !self.fill()
    }

    fn chunked(&mut self, sink: &mut dyn FnMut(&[u8])) -> Option<()> {
        loop {
            let chunk = self.chunk()?;
            if chunk.is_empty() {
                return Some(());
            }
            sink(&chunk);
        }
    }

    fn exactly(&mut self, mut length: u64, sink: &mut dyn FnMut(&[u8])) -> Option<()> {
        while length > 0 {
            let piece = self.piece(usize::try_from(length).unwrap_or(usize::MAX))?;
            length -= piece.len() as u64;
            sink(&piece);
        }
        Some(())
    }

    /// Returns received bytes, at most `limit`; `None` at the end.
    fn piece(&mut self, limit: usize) -> Option<Vec<u8>> {
        if self.buffer.is_empty() && !self.fill() {
            return None;
        }
        let rest = self.buffer.split_off(limit.min(self.buffer.len()));
        Some(std::mem::replace(&mut self.buffer, rest))
    }

    fn line(&mut self) -> Option<String> {
        loop {
            if let Some(at) = self.buffer.iter().position(|byte| *byte == b'\n') {
                let rest = self.buffer.split_off(at + 1);
                let mut line = std::mem::replace(&mut self.buffer, rest);
                line.pop();
                assert_eq!(line.pop(), Some(b'\r'), "a line ends with CRLF");
                return Some(line.iter().map(|byte| char::from(*byte)).collect());
            }
            if !self.fill() {
                return None;
            }
        }
    }

    /// Receives once. Returns `false` at the end of the stream, also after a reset.
    fn fill(&mut self) -> bool {
        let mut piece = vec![0; 65_536];
        let read = loop {
            match self.stream.read(&mut piece) {
                Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
                read => break read,
            }
        };
        match read {
            Ok(0) => false,
            Ok(count) => {
                self.buffer.extend_from_slice(&piece[..count]);
                true
            }
            Err(error) if error.kind() == std::io::ErrorKind::ConnectionReset => false,
            Err(error) => panic!("waiting for the server: {error}"),
        }
    }
}

/// The bytes of the download servlet: 64-bit words of Knuth's generator, little-endian.
#[derive(Clone, Debug)]
pub struct Generated {
    state: u64,
    left: u64,
    word: [u8; 8],
    at: usize,
}

impl Generated {
    /// The first `size` bytes for `seed`.
    pub fn new(size: u64, seed: u64) -> Self {
        Self { state: seed, left: size, word: [0; 8], at: 8 }
    }

    /// All of them.
    pub fn bytes(size: u64, seed: u64) -> Vec<u8> {
        let mut all = Vec::new();
        let mut generator = Self::new(size, seed);
        while let Some(piece) = generator.piece(65_536) {
            all.extend_from_slice(&piece);
        }
        all
    }

    /// The next bytes, at most `limit`; `None` at the end.
    pub fn piece(&mut self, limit: usize) -> Option<Vec<u8>> {
        if self.left == 0 {
            return None;
        }
        let count = limit.min(usize::try_from(self.left).unwrap_or(usize::MAX));
        let mut bytes = Vec::with_capacity(count);
        for _ in 0..count {
            if self.at == 8 {
                self.state = self
                    .state
                    .wrapping_mul(6_364_136_223_846_793_005)
                    .wrapping_add(1_442_695_040_888_963_407);
                self.word = self.state.to_le_bytes();
                self.at = 0;
            }
            bytes.push(self.word[self.at]);
            self.at += 1;
        }
        self.left -= count as u64;
        Some(bytes)
    }
}

/// Returns the SHA-256 of `pieces` in hexadecimal.
pub fn sha256(pieces: impl IntoIterator<Item = Vec<u8>>) -> String {
    use sha2::{Digest, Sha256};
    let mut digest = Sha256::new();
    for piece in pieces {
        digest.update(piece);
    }
    digest.finalize().iter().map(|byte| format!("{byte:02x}")).collect()
}
