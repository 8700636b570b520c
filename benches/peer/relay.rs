//! A delayed path: passes bytes on half a round trip after they have come.
//!
//! Like a long line, the delay takes nothing off the throughput, and the two directions do not wait for
//! each other. How much is under way is not limited: the two ends see to that by what they send before an
//! answer. To connect takes no round trip.

use std::collections::VecDeque;
use std::io::{self, ErrorKind, Read, Write};
use std::net::{Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::os::fd::OwnedFd;
use std::time::{Duration, Instant};

use rustix::time::{Itimerspec, TimerfdClockId, TimerfdFlags, TimerfdTimerFlags, Timespec};

use crate::poll::{Interest, Poll};

/// The ends of the path, and its length.
#[derive(Debug)]
pub struct Plan {
    /// One way.
    delay: Duration,
    to: Vec<SocketAddr>,
}

impl Plan {
    pub fn parse(words: &[&str]) -> Result<Self, String> {
        let [round_trip, to @ ..] = words else {
            return Err("relay needs a time and addresses".to_owned());
        };
        let round_trip = round_trip.parse().map_err(|error| format!("{round_trip}: {error}"))?;
        let to: Result<_, _> =
            to.iter().map(|to| to.parse().map_err(|error| format!("{to}: {error}"))).collect();
        Ok(Self { delay: Duration::from_micros(round_trip) / 2, to: to? })
    }
}

/// Listens on a free port for each address, prints the ports on one line and passes bytes on until the
/// process is ended.
pub fn run(plan: &Plan) -> io::Result<()> {
    let mut poll = Poll::new()?;
    let mut listeners = Vec::new();
    for (number, to) in plan.to.iter().enumerate() {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
        listener.set_nonblocking(true)?;
        poll.add(&listener, number, Interest::Read)?;
        listeners.push((listener, *to));
    }
    let ports: io::Result<Vec<String>> = listeners
        .iter()
        .map(|(listener, _)| Ok(listener.local_addr()?.port().to_string()))
        .collect();
    println!("{}", ports?.join(" "));

    let alarm = Alarm::new()?;
    let alarm_number = listeners.len();
    let first_end = alarm_number + 1;
    poll.add(&alarm.0, alarm_number, Interest::Read)?;
    let mut paths: Vec<Option<Path>> = Vec::new();
    let mut buffer = vec![0; BUFFER];
    let mut ready = Vec::new();
    loop {
        poll.wait(&mut ready, None)?;
        for &number in &ready {
            if let Some((listener, to)) = listeners.get(number) {
                while let Ok((stream, _)) = listener.accept() {
                    let Ok(path) = Path::open(stream, *to) else { continue };
                    let free = paths.iter().position(Option::is_none);
                    let at = free.unwrap_or_else(|| {
                        paths.push(None);
                        paths.len() - 1
                    });
                    for (side, end) in path.ends.iter().enumerate() {
                        poll.add(&end.stream, first_end + 2 * at + side, end.interest)?;
                    }
                    paths[at] = Some(path);
                }
            } else if let Some(place) = number.checked_sub(first_end) {
                let due = Instant::now() + plan.delay;
                let read = paths[place / 2]
                    .as_mut()
                    .map(|path| path.ends[place % 2].read(&mut buffer, due));
                if let Some(Err(_)) = read {
                    paths[place / 2] = None;
                }
            }
        }
        let now = Instant::now();
        for (at, place) in paths.iter_mut().enumerate() {
            let Some(path) = place else { continue };
            if path.pass_on(now).is_err() || path.is_over() {
                *place = None;
                continue;
            }
            for side in 0..2 {
                path.watch(side, first_end + 2 * at + side, &poll)?;
            }
        }
        alarm.set(paths.iter().flatten().filter_map(Path::next_due).min())?;
    }
}

/// A connection, and the one that was opened for it.
struct Path {
    ends: [End; 2],
}

/// One end of a path, and what has come from it.
struct End {
    stream: TcpStream,
    interest: Interest,
    /// When it leaves, and the bytes; none of them is the end of the stream.
    under_way: VecDeque<(Instant, Vec<u8>)>,
    /// Bytes of the first of these that have left.
    left: usize,
    has_ended: bool,
    /// The stream's end has been passed on.
    is_done: bool,
    /// The other end takes no more at the moment.
    is_held_up: bool,
}

impl Path {
    fn open(stream: TcpStream, to: SocketAddr) -> io::Result<Self> {
        Ok(Self { ends: [End::new(stream)?, End::new(TcpStream::connect(to)?)?] })
    }

    /// Passes on what is due.
    fn pass_on(&mut self, now: Instant) -> io::Result<()> {
        let [near, far] = &mut self.ends;
        near.pass_to(&far.stream, now)?;
        far.pass_to(&near.stream, now)
    }

    /// When the next bytes are due; `None`: none are under way, or they wait for an end to take them.
    fn next_due(&self) -> Option<Instant> {
        let waiting = self.ends.iter().filter(|end| !end.is_held_up);
        waiting.filter_map(|end| end.under_way.front()).map(|(due, _)| *due).min()
    }

    fn is_over(&self) -> bool {
        self.ends.iter().all(|end| end.is_done)
    }

    fn watch(&mut self, side: usize, number: usize, poll: &Poll) -> io::Result<()> {
        let interest = match (self.ends[side].has_ended, self.ends[1 - side].is_held_up) {
            (false, false) => Interest::Read,
            (false, true) => Interest::Both,
            (true, true) => Interest::Write,
            (true, false) => Interest::Neither,
        };
        let end = &mut self.ends[side];
        if end.interest != interest {
            end.interest = interest;
            poll.change(&end.stream, number, interest)?;
        }
        Ok(())
    }
}

impl End {
    fn new(stream: TcpStream) -> io::Result<Self> {
        stream.set_nonblocking(true)?;
        stream.set_nodelay(true)?;
        Ok(Self {
            stream,
            interest: Interest::Read,
            under_way: VecDeque::new(),
            left: 0,
            has_ended: false,
            is_done: false,
            is_held_up: false,
        })
    }

    /// Takes what has come, which leaves at `due`.
    fn read(&mut self, buffer: &mut [u8], due: Instant) -> io::Result<()> {
        if self.has_ended {
            return Ok(());
        }
        match self.stream.read(buffer) {
            Ok(count) => {
                self.has_ended = count == 0;
                self.under_way.push_back((due, buffer[..count].to_vec()));
                Ok(())
            }
            Err(error) if error.kind() == ErrorKind::WouldBlock => Ok(()),
            Err(error) => Err(error),
        }
    }

    fn pass_to(&mut self, mut stream: &TcpStream, now: Instant) -> io::Result<()> {
        self.is_held_up = false;
        while let Some((_, bytes)) = self.under_way.front().filter(|(due, _)| *due <= now) {
            if bytes.is_empty() {
                self.is_done = true;
                // An end that is gone has no need of it.
                let _ = stream.shutdown(Shutdown::Write);
            }
            while self.left < bytes.len() {
                match stream.write(&bytes[self.left..]) {
                    Ok(count) => self.left += count,
                    Err(error) if error.kind() == ErrorKind::WouldBlock => {
                        self.is_held_up = true;
                        return Ok(());
                    }
                    Err(error) => return Err(error),
                }
            }
            self.left = 0;
            self.under_way.pop_front();
        }
        Ok(())
    }
}

/// A timer that epoll waits for: its own time limit is in milliseconds.
struct Alarm(OwnedFd);

impl Alarm {
    fn new() -> io::Result<Self> {
        Ok(Self(rustix::time::timerfd_create(TimerfdClockId::Monotonic, TimerfdFlags::CLOEXEC)?))
    }

    /// Goes off at this moment, or never.
    fn set(&self, at: Option<Instant>) -> io::Result<()> {
        let zero = Timespec { tv_sec: 0, tv_nsec: 0 };
        let left = at.map(|at| at.saturating_duration_since(Instant::now()));
        let value = match left.map(|left| left.max(Duration::from_nanos(1))) {
            Some(left) => Timespec::try_from(left).expect("milliseconds, not years"),
            None => zero,
        };
        let times = Itimerspec { it_interval: zero, it_value: value };
        // What it was set to before, and whether that has gone off, is forgotten.
        rustix::time::timerfd_settime(&self.0, TimerfdTimerFlags::empty(), &times)?;
        Ok(())
    }
}

/// The size of a socket's buffer.
const BUFFER: usize = 256 * 1024;
