//! The backend: one thread, and answers that were encoded before.
//!
//! `/…/N` is answered with N bytes; a request with a body is answered with 128 when all of it has
//! arrived. `/…/hold-M/N` over AJP is answered when M requests for it have arrived: they keep as many
//! threads and connections of the httpd busy, which leaves as many connections idle. `/…/wait-T/ID`
//! over AJP is answered with ID after T milliseconds. `/waiting` over HTTP is answered with the number
//! of requests that wait for their time at this moment, and with the largest such number since the
//! last question.

use std::collections::HashMap;
use std::io::{self, Read, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::rc::Rc;
use std::time::{Duration, Instant};

use crate::answers::{Answers, Form, encode};
use crate::poll::{Interest, Poll};
use crate::timers::Timers;
use crate::{ajp, http};

/// The step that bytes from a connection call for.
#[derive(Debug)]
pub enum Step {
    Nothing,
    /// Send these bytes at once.
    Send(Vec<u8>),
    /// Send the answer with a body of this length.
    Answer(usize),
    /// The same, when this many requests have asked for it.
    Hold {
        crowd: usize,
        length: usize,
    },
    /// The answer with this body, after this time.
    Wait {
        time: Duration,
        body: Vec<u8>,
    },
    /// The number of requests that wait.
    Count,
}

/// The peer does not speak this port's protocol, or asks for something that does not exist.
#[derive(Debug)]
pub struct Malformed;

/// Listens on three free ports of this address, prints them on one line (AJP, AJP with packets of 65536, HTTP) and
/// serves until the process is ended. At 127.0.0.1, the first of these ports is also that of the members of a balancer, at
/// 127.0.1.1 and so on: backends of their own for a proxy that has one pool for each address.
pub fn run(address: Ipv4Addr) -> io::Result<()> {
    let forms = [Form::Ajp { packet_size: 8192 }, Form::Ajp { packet_size: 65536 }, Form::Http];
    let mut listeners = Vec::new();
    let mut poll = Poll::new()?;
    let mut ports = Vec::new();
    for form in forms {
        let listener = TcpListener::bind((address, 0))?;
        ports.push(listener.local_addr()?.port());
        listeners.push((listener, form));
    }
    let members = if address == Ipv4Addr::LOCALHOST { MEMBERS } else { 0 };
    for number in 1..=members {
        let listener = TcpListener::bind((Ipv4Addr::new(127, 0, 1, number), ports[0]))?;
        listeners.push((listener, forms[0]));
    }
    for (number, (listener, _)) in listeners.iter().enumerate() {
        listener.set_nonblocking(true)?;
        // With the standard library's backlog of 128, a connection that does not fit comes a second later.
        rustix::net::listen(listener, BACKLOG)?;
        poll.add(listener, number, Interest::Read)?;
    }
    println!("{} {} {}", ports[0], ports[1], ports[2]);

    let mut answers = Answers::default();
    let mut connections: Vec<Option<Connection>> = listeners.iter().map(|_| None).collect();
    let mut held: HashMap<usize, Vec<usize>> = HashMap::new();
    let mut timers = Timers::default();
    let mut most = 0;
    let mut ready = Vec::new();
    loop {
        poll.wait(&mut ready, timers.next_in(Instant::now()))?;
        timers.take_due(Instant::now(), &mut ready);
        // Taken from the end: the first to be ready is the first to be served.
        ready.reverse();
        while let Some(number) = ready.pop() {
            if let Some((listener, form)) = listeners.get(number) {
                while let Ok((stream, _)) = listener.accept() {
                    let number = free_place(&mut connections, listeners.len());
                    let connection = Connection::new(stream, *form)?;
                    poll.add(&connection.stream, number, Interest::Read)?;
                    connections[number] = Some(connection);
                }
            } else if let Some(connection) = &mut connections[number] {
                let before = connection.interest;
                let goes = connection.serve(&mut answers);
                if connection.interest != before {
                    poll.change(&connection.stream, number, connection.interest)?;
                }
                match goes {
                    Ok(Goes::On) => {}
                    Ok(Goes::Pausing(time)) => {
                        timers.set(number, Instant::now() + time);
                        most = most.max(timers.len());
                    }
                    Ok(Goes::Counting) => {
                        let text = format!("{} {most}", timers.len());
                        connection.held = Some(encode(connection.form, text.as_bytes()));
                        most = timers.len();
                        ready.push(number);
                    }
                    Ok(Goes::Waiting(crowd)) => {
                        let waiting = held.entry(crowd).or_default();
                        waiting.push(number);
                        if waiting.len() >= crowd {
                            ready.append(waiting);
                        }
                    }
                    Ok(Goes::Away) | Err(_) => {
                        connections[number] = None;
                        timers.clear(number);
                        held.values_mut().for_each(|waiting| waiting.retain(|&w| w != number));
                    }
                }
            }
        }
    }
}

/// A free index behind those of the listeners; `None` there means no connection.
fn free_place(connections: &mut Vec<Option<Connection>>, listeners: usize) -> usize {
    let taken = connections.iter().skip(listeners).position(Option::is_none);
    taken.map_or_else(
        || {
            connections.push(None);
            connections.len() - 1
        },
        |at| at + listeners,
    )
}

#[derive(Debug, PartialEq, Eq)]
enum Goes {
    On,
    /// The answer is held until this many requests have asked for it; called again then, it is sent.
    Waiting(usize),
    /// The answer is held for this time; called again then, it is sent.
    Pausing(Duration),
    /// It asks how many pause.
    Counting,
    Away,
}

#[derive(Debug)]
enum Reading {
    Ajp(ajp::Reading, usize),
    Http(http::Reading),
}

#[derive(Debug)]
struct Connection {
    stream: TcpStream,
    form: Form,
    reading: Reading,
    input: Box<[u8]>,
    /// The range of the unread bytes of `input`.
    unread: std::ops::Range<usize>,
    /// The bytes being sent, and how many of them have been.
    output: Option<(Rc<[u8]>, usize)>,
    /// An answer that is held.
    held: Option<Rc<[u8]>>,
    interest: Interest,
}

impl Connection {
    fn new(stream: TcpStream, form: Form) -> io::Result<Self> {
        stream.set_nonblocking(true)?;
        stream.set_nodelay(true)?;
        let reading = match form {
            Form::Ajp { packet_size } => Reading::Ajp(ajp::Reading::default(), packet_size),
            Form::Http => Reading::Http(http::Reading::default()),
        };
        Ok(Self {
            stream,
            form,
            reading,
            input: vec![0; INPUT].into(),
            unread: 0..0,
            output: None,
            held: None,
            interest: Interest::Read,
        })
    }

    /// Does the work that needs no waiting, and notes what it waits for then.
    fn serve(&mut self, answers: &mut Answers) -> io::Result<Goes> {
        if self.interest == Interest::Read && self.receive()? == Goes::Away {
            return Ok(Goes::Away);
        }
        if let Some(answer) = self.held.take() {
            self.output = Some((answer, 0));
        }
        loop {
            if !self.send()? {
                self.interest = Interest::Write;
                return Ok(Goes::On);
            }
            let input = &self.input[self.unread.clone()];
            let step = match &mut self.reading {
                Reading::Ajp(reading, packet_size) => reading.step(input, *packet_size),
                Reading::Http(reading) => reading.step(input),
            };
            match step {
                Ok(Some((taken, step))) => {
                    self.unread.start += taken;
                    self.output = match step {
                        Step::Nothing => None,
                        Step::Send(bytes) => Some((bytes.into(), 0)),
                        Step::Answer(length) => Some((answers.get(self.form, length), 0)),
                        Step::Hold { crowd, length } => {
                            self.held = Some(answers.get(self.form, length));
                            return Ok(Goes::Waiting(crowd));
                        }
                        Step::Wait { time, body } if time.is_zero() => {
                            Some((encode(self.form, &body), 0))
                        }
                        Step::Wait { time, body } => {
                            self.held = Some(encode(self.form, &body));
                            return Ok(Goes::Pausing(time));
                        }
                        Step::Count => return Ok(Goes::Counting),
                    };
                }
                Ok(None) => {
                    self.interest = Interest::Read;
                    return Ok(Goes::On);
                }
                Err(Malformed) => return Ok(Goes::Away),
            }
        }
    }

    fn receive(&mut self) -> io::Result<Goes> {
        if self.unread.is_empty() {
            self.unread = 0..0;
        } else if self.unread.end == self.input.len() {
            self.input.copy_within(self.unread.clone(), 0);
            self.unread = 0..self.unread.len();
        }
        match self.stream.read(&mut self.input[self.unread.end..]) {
            Ok(0) => Ok(Goes::Away),
            Ok(count) => {
                self.unread.end += count;
                Ok(Goes::On)
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(Goes::On),
            Err(error) => Err(error),
        }
    }

    /// Sends the pending bytes; `false` while some of them are left.
    fn send(&mut self) -> io::Result<bool> {
        while let Some((bytes, sent)) = &mut self.output {
            match self.stream.write(&bytes[*sent..]) {
                Ok(count) => *sent += count,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(false),
                Err(error) => return Err(error),
            }
            if *sent == bytes.len() {
                self.output = None;
            }
        }
        Ok(true)
    }
}

/// As many members as a balancer of `ci/bench` has at most.
const MEMBERS: u8 = 200;

/// Connections that may arrive at once; the kernel has a limit of its own.
const BACKLOG: i32 = 4096;

/// Room for two of the largest packets.
const INPUT: usize = 128 * 1024;
