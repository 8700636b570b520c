//! One client: a connection that is kept, and one request at a time.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use rustls::ClientConfig;

use crate::http::{self, Answer};
use crate::poll::{Interest, Poll};
use crate::transport::{Peer, Transport};

/// Where the server is.
#[derive(Debug)]
pub struct Server {
    pub address: SocketAddr,
    pub tls: Option<Arc<ClientConfig>>,
}

/// A request, and the text of its answer.
#[derive(Clone, Debug)]
pub struct Request {
    pub path: String,
    /// `None`: any.
    pub answer: Option<String>,
}

/// The result of a step.
#[derive(Debug)]
pub enum Outcome {
    Pending,
    Answered(Duration),
    /// It is sent again after this pause.
    Again(Duration),
    /// The answer is that of another request.
    Wrong(String),
    /// An answer came without a request.
    Unasked(String),
    Failed(String),
}

#[derive(Debug, Default)]
pub struct Client {
    connection: Option<Transport>,
    watched: Option<Interest>,
    output: Vec<u8>,
    input: Vec<u8>,
    request: Option<Pending>,
    /// How often the server has closed the connection without an answer on it, or while it was idle.
    pub reconnects: usize,
}

#[derive(Debug)]
struct Pending {
    request: Request,
    begun: Instant,
    closed: u32,
}

impl Client {
    /// Sends a request. The request before it has been answered or has failed.
    pub fn begin(&mut self, server: &Server, request: Request, now: Instant) -> Outcome {
        self.request = Some(Pending { request, begun: now, closed: 0 });
        self.send(server)
    }

    /// Sends the pending request, on a new connection if there is none.
    pub fn send(&mut self, server: &Server) -> Outcome {
        let Some(pending) = &self.request else {
            return Outcome::Pending;
        };
        let path = &pending.request.path;
        self.output = format!("GET {path} HTTP/1.1\r\n{HEADERS}\r\n").into_bytes();
        self.input.clear();
        if self.connection.is_none() {
            match Transport::connect(server.address, server.tls.as_ref()) {
                Ok(transport) => self.connection = Some(transport),
                Err(error) => return self.closed(Some(error)),
            }
        }
        self.go_on()
    }

    /// Sends and receives as much as possible without waiting.
    pub fn go_on(&mut self) -> Outcome {
        let Some(connection) = &mut self.connection else {
            return Outcome::Pending;
        };
        match connection.go_on(&mut self.output, &mut self.input) {
            Ok(peer) => match http::answer(&self.input) {
                _ if self.input.is_empty() && peer == Peer::HasClosed => self.closed(None),
                Ok(Some(answer)) => self.answered(answer, peer),
                Ok(None) if peer == Peer::HasClosed => self.failed("the answer breaks off"),
                Ok(None) => Outcome::Pending,
                Err(_) => self.failed("no HTTP"),
            },
            Err(error) if self.input.is_empty() => self.closed(Some(error)),
            Err(error) => self.failed(&error.to_string()),
        }
    }

    /// Fails the request if it has been pending for too long.
    pub fn expire(&mut self, now: Instant) -> Option<Outcome> {
        let pending = self.request.as_ref()?;
        (now - pending.begun > PATIENCE).then(|| self.failed("no answer for a minute"))
    }

    /// Puts the connection, and the event that it waits for, into `poll`.
    pub fn watch(&mut self, poll: &Poll, number: usize) -> io::Result<()> {
        let Some(connection) = &self.connection else {
            return Ok(());
        };
        let interest = connection.interest(self.output.len());
        match self.watched {
            None => poll.add(&connection.stream, number, interest)?,
            Some(watched) if watched != interest => {
                poll.change(&connection.stream, number, interest)?;
            }
            Some(_) => {}
        }
        self.watched = Some(interest);
        Ok(())
    }

    pub fn is_pending(&self) -> bool {
        self.request.is_some()
    }

    pub fn is_connected(&self) -> bool {
        self.connection.is_some()
    }

    fn answered(&mut self, answer: Answer, peer: Peer) -> Outcome {
        let Some(pending) = self.request.take() else {
            self.disconnect();
            return Outcome::Unasked("an answer without a request".to_owned());
        };
        self.input.clear();
        if answer.is_last || peer == Peer::HasClosed {
            self.disconnect();
        }
        let Request { path, answer: wanted } = pending.request;
        if answer.status != 200 {
            return Outcome::Failed(format!("{path}: {}", answer.status));
        }
        match wanted {
            Some(wanted) if wanted.as_bytes() != answer.body => {
                let body = String::from_utf8_lossy(&answer.body);
                Outcome::Wrong(format!("{path} is answered with {body}"))
            }
            _ => Outcome::Answered(pending.begun.elapsed()),
        }
    }

    /// The server has closed or refused the connection before the first byte of an answer. A server may close a
    /// connection that it keeps at any time; so the request is sent again, as browsers do.
    fn closed(&mut self, error: Option<io::Error>) -> Outcome {
        self.disconnect();
        self.reconnects += 1;
        let Some(pending) = &mut self.request else {
            return Outcome::Pending;
        };
        pending.closed += 1;
        match pending.closed {
            1 => Outcome::Again(Duration::ZERO),
            closed if closed < MOST_TRIES => Outcome::Again(PAUSE),
            _ => {
                let error = error.map_or_else(String::new, |error| format!(": {error}"));
                self.failed(&format!("closed {MOST_TRIES} times{error}"))
            }
        }
    }

    fn failed(&mut self, why: &str) -> Outcome {
        self.disconnect();
        match self.request.take() {
            Some(pending) => Outcome::Failed(format!("{}: {why}", pending.request.path)),
            None => Outcome::Pending,
        }
    }

    fn disconnect(&mut self) {
        self.connection = None;
        self.watched = None;
        self.input.clear();
    }
}

const HEADERS: &str = "Host: localhost\r\nUser-Agent: bench_peer\r\nAccept: */*\r\n";

/// Longer than any request takes here.
const PATIENCE: Duration = Duration::from_secs(60);

/// Before the third and later tries.
const PAUSE: Duration = Duration::from_millis(5);

const MOST_TRIES: u32 = 1000;
