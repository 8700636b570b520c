//! A crowd of clients in one thread: each has a connection that is kept, and one request at a time. The answer to a
//! request must carry the request's id.

use std::io::{self, BufRead};
use std::time::{Duration, Instant};

use crate::client::{Client, Outcome, Request, Server};
use crate::figures::Figures;
use crate::poll::Poll;
use crate::timers::Timers;
use crate::transport;

/// The clients and their requests.
#[derive(Debug)]
pub struct Plan {
    server: Server,
    /// With `{}` in the place of the request's id.
    path: String,
    /// The text of each answer; `None`: the id.
    answer: Option<String>,
    clients: usize,
    requests: usize,
    /// No request begins later than this.
    time: Duration,
    /// The clients' first requests are spread over this time.
    ramp: Duration,
    /// Answers that come earlier are not measured.
    warm: Duration,
    /// The time between an answer and the client's next request.
    pause: Duration,
    /// The path of a request with which each connection is opened before all else.
    open: Option<String>,
}

impl Plan {
    pub fn parse(words: &[&str]) -> Result<Self, String> {
        let [to, path, options @ ..] = words else {
            return Err("crowd needs an address and a path".to_owned());
        };
        let address = to.parse().map_err(|error| format!("{to}: {error}"))?;
        let mut plan = Self {
            server: Server { address, tls: None },
            path: (*path).to_owned(),
            answer: None,
            clients: 1,
            requests: usize::MAX,
            time: Duration::from_secs(60),
            ramp: Duration::ZERO,
            warm: Duration::ZERO,
            pause: Duration::ZERO,
            open: None,
        };
        for pair in options.chunks(2) {
            let &[name, value] = pair else {
                return Err(format!("{} needs a value", pair[0]));
            };
            let number =
                || value.parse::<u64>().map_err(|error| format!("{name} {value}: {error}"));
            let time = || number().map(Duration::from_millis);
            match name {
                "--answer" => plan.answer = Some(value.to_owned()),
                "--open" => plan.open = Some(value.to_owned()),
                "--tls" => plan.server.tls = Some(transport::trusting(value)?),
                "--clients" => plan.clients = number()?.max(1) as usize,
                "--requests" => plan.requests = number()? as usize,
                "--time" => plan.time = time()?,
                "--ramp" => plan.ramp = time()?,
                "--warm" => plan.warm = time()?,
                "--pause" => plan.pause = time()?,
                _ => return Err(format!("no option {name}")),
            }
        }
        Ok(plan)
    }
}

/// Runs a plan and prints its figures. With `--open`, prints `open` when all connections are there; then it waits for
/// a line before it sends the requests, and for a second line before it closes the connections.
pub fn run(plan: &Plan) -> Result<(), String> {
    let mut crowd = Crowd::new(plan).map_err(|error| error.to_string())?;
    if plan.open.is_some() {
        crowd.open()?;
        println!("open");
        wait_for_line()?;
    }
    let figures = crowd.work().map_err(|error| error.to_string())?;
    println!("{figures}");
    if let Some(what) = &figures.first {
        eprintln!("bench_peer: {what}");
    }
    if plan.open.is_some() {
        wait_for_line()?;
    }
    Ok(())
}

fn wait_for_line() -> Result<(), String> {
    io::stdin().lock().read_line(&mut String::new()).map_err(|error| error.to_string())?;
    Ok(())
}

struct Crowd<'a> {
    plan: &'a Plan,
    poll: Poll,
    clients: Vec<Client>,
    /// The moments at which clients begin a request, or send one again.
    timers: Timers,
    /// Requests that are neither answered nor failed.
    pending: usize,
    stage: Stage,
    figures: Figures,
}

#[derive(Debug)]
enum Stage {
    /// Connections are opened, some at a time. The number of the next client.
    Opening(usize),
    /// The number of requests that are left, and the moment after which none begins.
    Working(usize, Instant),
}

impl<'a> Crowd<'a> {
    fn new(plan: &'a Plan) -> io::Result<Self> {
        let now = Instant::now();
        Ok(Self {
            plan,
            poll: Poll::new()?,
            clients: (0..plan.clients).map(|_| Client::default()).collect(),
            timers: Timers::default(),
            pending: 0,
            stage: Stage::Opening(0),
            figures: Figures::between(now, now),
        })
    }

    /// Opens all connections. The server may close some of them while others come; they are opened again.
    fn open(&mut self) -> Result<(), String> {
        for _ in 0..ROUNDS {
            let now = Instant::now();
            self.figures = Figures::between(now, now);
            self.stage = Stage::Opening(LANES);
            for number in 0..LANES.min(self.clients.len()) {
                self.timers.set(number, now);
            }
            let opened = self.serve_all().and_then(|()| self.look_for_closed());
            opened.map_err(|error| error.to_string())?;
            if let Some(what) = &self.figures.first {
                return Err(what.clone());
            }
            if self.clients.iter().all(Client::is_connected) {
                return Ok(());
            }
        }
        Err(format!("the server does not keep {} connections", self.clients.len()))
    }

    fn work(mut self) -> io::Result<Figures> {
        let begin = Instant::now();
        let until = begin + self.plan.time;
        self.figures = Figures::between(begin + self.plan.warm, until);
        self.stage = Stage::Working(self.plan.requests, until);
        for number in 0..self.clients.len() {
            let part = number as f64 / self.clients.len() as f64;
            self.timers.set(number, begin + self.plan.ramp.mul_f64(part));
        }
        self.clients.iter_mut().for_each(|client| client.reconnects = 0);
        self.serve_all()?;
        self.figures.reconnects = self.clients.iter().map(|client| client.reconnects).sum();
        Ok(self.figures)
    }

    fn serve_all(&mut self) -> io::Result<()> {
        let mut ready = Vec::new();
        let mut due = Vec::new();
        let mut last_check = Instant::now();
        while self.pending > 0 || !self.timers.is_empty() {
            let now = Instant::now();
            let timeout = self.timers.next_in(now).map_or(CHECK, |time| time.min(CHECK));
            self.poll.wait(&mut ready, Some(timeout))?;
            for number in ready.drain(..) {
                let outcome = self.clients[number].go_on();
                self.settle(number, outcome)?;
            }
            let now = Instant::now();
            self.timers.take_due(now, &mut due);
            for number in due.drain(..) {
                self.due(number, now)?;
            }
            if now - last_check > CHECK {
                last_check = now;
                for number in 0..self.clients.len() {
                    if let Some(outcome) = self.clients[number].expire(now) {
                        self.timers.clear(number);
                        self.settle(number, outcome)?;
                    }
                }
            }
        }
        Ok(())
    }

    /// Looks for connections that have been closed.
    fn look_for_closed(&mut self) -> io::Result<()> {
        let mut ready = Vec::new();
        loop {
            self.poll.wait(&mut ready, Some(SETTLED))?;
            if ready.is_empty() {
                return Ok(());
            }
            for number in ready.drain(..) {
                let outcome = self.clients[number].go_on();
                self.settle(number, outcome)?;
            }
        }
    }

    fn due(&mut self, number: usize, now: Instant) -> io::Result<()> {
        if self.clients[number].is_pending() {
            let outcome = self.clients[number].send(&self.plan.server);
            return self.settle(number, outcome);
        }
        let request = match &mut self.stage {
            Stage::Opening(_) if self.clients[number].is_connected() => {
                self.open_next(now);
                return Ok(());
            }
            Stage::Opening(_) => {
                Request { path: self.plan.open.clone().unwrap_or_default(), answer: None }
            }
            Stage::Working(0, _) => return Ok(()),
            Stage::Working(_, until) if now > *until => return Ok(()),
            Stage::Working(left, _) => {
                *left -= 1;
                let id = format!("{}-{left}", std::process::id());
                let path = self.plan.path.replace("{}", &id);
                Request { path, answer: Some(self.plan.answer.clone().unwrap_or(id)) }
            }
        };
        self.pending += 1;
        let outcome = self.clients[number].begin(&self.plan.server, request, now);
        self.settle(number, outcome)
    }

    fn open_next(&mut self, now: Instant) {
        if let Stage::Opening(next) = &mut self.stage {
            if *next < self.clients.len() {
                self.timers.set(*next, now);
                *next += 1;
            }
        }
    }

    /// Counts the outcome of a client's step, and decides on the next one.
    fn settle(&mut self, number: usize, mut outcome: Outcome) -> io::Result<()> {
        let client = &mut self.clients[number];
        while matches!(outcome, Outcome::Again(Duration::ZERO)) {
            outcome = client.send(&self.plan.server);
        }
        client.watch(&self.poll, number)?;
        let now = Instant::now();
        match outcome {
            Outcome::Pending => return Ok(()),
            Outcome::Unasked(what) => {
                self.figures.wrong(what);
                return Ok(());
            }
            Outcome::Again(pause) => {
                self.timers.set(number, now + pause);
                return Ok(());
            }
            Outcome::Answered(took) => self.figures.answered(now, took),
            Outcome::Wrong(what) => self.figures.wrong(what),
            Outcome::Failed(what) => self.figures.failed(what),
        }
        self.pending -= 1;
        match self.stage {
            Stage::Opening(_) => self.open_next(now),
            Stage::Working(..) => self.timers.set(number, now + self.plan.pause),
        }
        Ok(())
    }
}

/// Connections that are opened at a time, fewer than the threads of the smallest httpd here.
const LANES: usize = 3;

/// How often closed connections are opened again.
const ROUNDS: usize = 20;

/// The time between two searches for requests that have been pending for too long.
const CHECK: Duration = Duration::from_secs(1);

/// After this time without an event, no further one is expected.
const SETTLED: Duration = Duration::from_millis(200);
