//! The agent `ajp-dialer` between a stand-in for httpd and one for the container. The handshake here is an
//! implementation of its own.

use super::places::program;
use super::process::{DEADLINE, Guarded, free_port, signal, wait_for};
use super::sockets::stop_listening;
use hmac::{Hmac, Mac};
use mod_proxy_ajp_rs::net::wait_readable;
use sha2::Sha256;
use std::fs;
use std::io::{Read, Write};
use std::net::{SocketAddrV4, TcpListener, TcpStream};
use std::process::{Command, ExitStatus};
use std::time::Duration;
use tempfile::TempDir;

/// How long a test watches that an event does not happen.
pub const QUIET: Duration = Duration::from_millis(400);

/// CPING.
pub const CPING: &[u8] = &[0x12, 0x34, 0x00, 0x01, 0x0A];
/// CPONG.
pub const CPONG: &[u8] = &[0x41, 0x42, 0x00, 0x01, 0x09];
/// END_RESPONSE, reuse.
pub const END_RESPONSE: &[u8] = &[0x41, 0x42, 0x00, 0x02, 0x05, 0x01];

/// A port on which connections come in, as at httpd or at a container. When it is dropped, it refuses connections.
#[derive(Debug)]
pub struct Listener {
    socket: TcpListener,
    /// The port.
    pub port: u16,
}

impl Listener {
    /// Opens a free port.
    pub fn open() -> Listener {
        Listener::at(free_port())
    }

    /// Opens this port, once the connections of an earlier listener are gone.
    pub fn at(port: u16) -> Listener {
        // Sockets of the last one may be in TIME_WAIT; std sets SO_REUSEADDR.
        let socket = wait_for("the port is free", || TcpListener::bind(("127.0.0.1", port)).ok());
        Listener { socket, port }
    }

    /// The address as an argument for `--httpd` and `--container`.
    pub fn address(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    /// The address, to count connections to it.
    pub fn socket_address(&self) -> SocketAddrV4 {
        SocketAddrV4::new([127, 0, 0, 1].into(), self.port)
    }

    /// Waits for a connection.
    pub fn accept(&self) -> TcpStream {
        self.accept_within(DEADLINE).expect("a connection comes in")
    }

    /// Waits for a connection, but no longer than this.
    pub fn accept_within(&self, time: Duration) -> Option<TcpStream> {
        if !wait_readable(&self.socket, time).expect("it can be polled") {
            return None;
        }
        let (stream, _) = self.socket.accept().expect("one waits");
        stream.set_read_timeout(Some(DEADLINE)).expect("not zero");
        Some(stream)
    }

    /// Waits for a connection with bytes on it. One without is the agent's check whether a port listens.
    pub fn accept_used(&self) -> TcpStream {
        loop {
            let stream = self.accept();
            if matches!(stream.peek(&mut [0]), Ok(1)) {
                return stream;
            }
        }
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        stop_listening(&self.socket);
    }
}

/// Reads exactly these bytes.
pub fn expect(mut stream: &TcpStream, expected: &[u8]) {
    let mut received = vec![0; expected.len()];
    stream.read_exact(&mut received).expect("the bytes come");
    assert_eq!(received, expected);
}

/// Sends a request through the agent. Returns httpd's connection and the container's, which are then joined.
pub fn joined(httpd: &Listener, container: &Listener) -> (TcpStream, TcpStream) {
    let front = httpd.accept();
    send(&front, b"request");
    let back = container.accept_used();
    expect(&back, b"request");
    (front, back)
}

/// As [`joined`], with a CPING and its answer: the connections are then between two requests.
pub fn pinged(httpd: &Listener, container: &Listener) -> (TcpStream, TcpStream) {
    let front = httpd.accept();
    send(&front, CPING);
    let back = container.accept_used();
    expect(&back, CPING);
    send(&back, CPONG);
    expect(&front, CPONG);
    (front, back)
}

/// Sends these bytes.
pub fn send(mut stream: &TcpStream, bytes: &[u8]) {
    stream.write_all(bytes).expect("the other side reads");
}

/// Waits for the next byte or the end. Returns whether the other side has closed.
pub fn ends(mut stream: &TcpStream) -> bool {
    match stream.read(&mut [0]) {
        Ok(0) => true,
        Ok(_) => false,
        Err(error) => error.kind() == std::io::ErrorKind::ConnectionReset,
    }
}

/// Whether nothing comes and the connection stays open for [`QUIET`].
pub fn is_quiet(stream: &TcpStream) -> bool {
    !wait_readable(stream, QUIET).expect("it can be polled")
}

/// The running agent.
#[derive(Debug)]
pub struct Agent {
    process: Guarded,
    directory: TempDir,
}

impl Agent {
    /// Starts the agent with these arguments.
    pub fn start(arguments: &[&str]) -> Agent {
        let directory = tempfile::tempdir().expect("a directory");
        let log = fs::File::create(directory.path().join("log")).expect("it is ours");
        let mut command = Command::new(program("ajp-dialer"));
        let process = Guarded::spawn(command.args(arguments).stderr(log));
        Agent { process, directory }
    }

    /// Starts the agent between `httpd` and `container`, with further options.
    pub fn between(httpd: &Listener, container: &Listener, more: &[&str]) -> Agent {
        let (httpd, container) = (httpd.address(), container.address());
        Agent::start(&[&["--httpd", &httpd, "--container", &container], more].concat())
    }

    /// The process id.
    pub fn pid(&self) -> u32 {
        self.process.pid()
    }

    /// Whether it still runs.
    pub fn is_running(&mut self) -> bool {
        self.process.is_running()
    }

    /// What it has logged so far.
    pub fn log(&self) -> String {
        fs::read_to_string(self.directory.path().join("log")).expect("it was made at the start")
    }

    /// How many lines of the log hold this text.
    pub fn count(&self, text: &str) -> usize {
        self.log().lines().filter(|line| line.contains(text)).count()
    }

    /// Waits until the log holds this text.
    pub fn wait_for_line(&self, text: &str) {
        wait_for(text, || (self.count(text) > 0).then_some(()));
    }

    /// Sends a signal, `TERM` or `INT`.
    pub fn signal(&self, name: &str) {
        signal(name, self.pid());
    }

    /// Waits until it ends, and returns how.
    pub fn wait_for_end(&mut self) -> ExitStatus {
        wait_for("the agent ends", || self.process.exit_status())
    }
}

/// httpd's side of the handshake, on an accepted connection.
#[derive(Clone, Copy, Debug)]
pub struct Handshake<'a> {
    /// The key of both sides.
    pub key: &'a [u8],
    /// The port that the container connects to.
    pub port: u16,
    /// httpd's nonce.
    pub nonce: [u8; 16],
}

impl Handshake<'_> {
    /// Reads a hello; returns nonce and node.
    pub fn read_hello(mut stream: &TcpStream) -> ([u8; 16], Vec<u8>) {
        let mut head = [0; 4 + 2 + 16 + 1];
        stream.read_exact(&mut head).expect("the container begins");
        let mut node = vec![0; usize::from(head[22])];
        stream.read_exact(&mut node).expect("the node follows");
        let payload = u8::try_from(19 + node.len()).expect("a short name");
        assert_eq!(head[..6], [0x41, 0x42, 0x00, payload, 0x52, 0x01]);
        (head[6..22].try_into().expect("16 bytes"), node)
    }

    /// The packet that answers a hello.
    pub fn challenge(&self, container: &[u8; 16], node: &[u8]) -> Vec<u8> {
        let mac = self.mac(b"httpd", container, node);
        [&[0x12, 0x34, 0x00, 0x32, 0x52, 0x02], &self.nonce[..], &mac].concat()
    }

    /// Runs the handshake. Returns the node once the container has proved that it knows the key.
    pub fn shake(&self, stream: &TcpStream) -> Vec<u8> {
        let (container, node) = Self::read_hello(stream);
        send(stream, &self.challenge(&container, &node));
        let mac = self.mac(b"tomcat", &container, &node);
        expect(stream, &[&[0x41, 0x42, 0x00, 0x22, 0x52, 0x03], &mac[..]].concat());
        node
    }

    fn mac(&self, role: &[u8], container: &[u8; 16], node: &[u8]) -> Vec<u8> {
        let mut mac = Hmac::<Sha256>::new_from_slice(self.key).expect("any length will do");
        for part in [role, container, &self.nonce, &self.port.to_be_bytes(), node] {
            mac.update(part);
        }
        mac.finalize().into_bytes().to_vec()
    }
}
