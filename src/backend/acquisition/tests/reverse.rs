//! A driver that never waits, for ways on which the container opens the connections: it does what can be
//! done at once, and stops where a thread would sleep.

mod several;
mod ways;

use std::cell::RefCell;

use super::*;
use crate::backend::acquisition::Accepted;
use crate::backend::fake_port::{FakePort, FakeSocket};
use crate::backend::reception::{Found, Look, Reception, Terms};
use crate::backend::{NoListener, Reverse};
use crate::config::ReverseListener;
use crate::net::Waker;
use crate::protocol::handshake::Key;

/// A child with one port.
struct Child {
    scene: Scene,
    port: FakePort,
    reception: RefCell<Reception<FakeSocket>>,
    listener: ReverseListener,
    key: Option<Key>,
    has_given_up: Cell<bool>,
    requests: Cell<usize>,
    refused: RefCell<Vec<String>>,
}

/// A request on its way to a connection.
struct Request<'c> {
    child: &'c Child,
    way: Acquisition<FakeConnection>,
    waker: Arc<Waker>,
    /// What the pooled connection brings when it is looked at.
    brings: Vec<u8>,
    lease: Option<Lease<FakeConnection>>,
}

impl Child {
    fn new(key: Option<Key>) -> Self {
        let words = "ajp://127.0.0.1:9100 keyfile=k node=node1";
        let listener = ReverseListener::parse(words).unwrap();
        let reverse = Arc::new(Reverse::new(listener.clone(), key.clone(), None, |_| {}));
        let mut scene = Scene::new();
        scene.backend = Backend::reversed(key_of("127.0.0.1", 9100), reverse);
        scene.settings.limits = Limits { wait: Wait::For(SECOND), ..Limits::default() };
        Self {
            scene,
            port: FakePort::default(),
            reception: RefCell::default(),
            listener,
            key,
            has_given_up: Cell::default(),
            requests: Cell::default(),
            refused: RefCell::default(),
        }
    }

    fn ping(mut self, pings: Pings) -> Self {
        self.scene.settings.pings = pings;
        self
    }

    fn wait(mut self, wait: Duration) -> Self {
        self.scene.settings.limits.wait = Wait::For(wait);
        self
    }

    /// The same with an idle connection, number 0.
    fn warm(self) -> Self {
        let vacancy = self.scene.pool.acquire_fresh(self.scene.start, &Limits::default()).unwrap();
        vacancy.stock(FakeConnection::new(0, self.scene.start), self.scene.start);
        self
    }

    fn begin(&self, task: Task<FakeConnection>) -> Request<'_> {
        let (now, waker) = (|| self.scene.now(), Arc::new(Waker::new().unwrap()));
        let way = Acquisition::new(task, &self.with(&now));
        self.requests.set(self.requests.get() + 1);
        Request { child: self, way, waker, brings: Vec::new(), lease: None }
    }

    fn with<'a>(&'a self, now: &'a dyn Fn() -> Instant) -> Surroundings<'a> {
        Surroundings { backend: &self.scene.backend, settings: &self.scene.settings, now }
    }

    /// One look at the port.
    fn look(&self, ping: Option<Duration>) -> Result<Accepted<FakeConnection>, NoListener> {
        if self.has_given_up.get() {
            return Err(NoListener::NoPort);
        }
        let mut found = Found::default();
        let mut reception = self.reception.borrow_mut();
        let ping = ping.filter(|_| self.key.is_none());
        let terms = Terms { settings: &self.listener, key: self.key.as_ref(), ping };
        let look = Look { takes_another: true, waiting: self.requests.get() };
        let now = self.scene.now();
        reception.look(&self.port, terms, look, &|| now, &mut found)?;
        self.refused.borrow_mut().extend(found.refused.iter().map(|(_, why)| why.to_string()));
        let connection = found.stream.map(|socket| FakeConnection::new(socket.number, now));
        let is_any_asked = reception.is_any_asked();
        Ok(Accepted { connection: connection.map(Box::new), is_any_asked })
    }

    fn refused(&self) -> Vec<String> {
        std::mem::take(&mut self.refused.borrow_mut())
    }
}

impl Request<'_> {
    /// Goes on as far as it can without waiting. Returns what it waits for, or its end.
    #[track_caller]
    fn goes_on(&mut self) -> String {
        for _ in 0..100 {
            let need = self.way.next();
            let got = match &need {
                Need::PlaceWithin(time) => {
                    let limits = Limits { wait: Wait::For(*time), ..Limits::default() };
                    let pool = &self.child.scene.pool;
                    match pool.acquire_or_queue(self.child.scene.now(), &limits, || Some(|| {})) {
                        Ok(found) => Got::Place(Ok(found)),
                        Err(_) => return text(&need),
                    }
                }
                Need::FreshPlace => {
                    let pool = &self.child.scene.pool;
                    let vacancy = pool.acquire_fresh(self.child.scene.now(), &Limits::default());
                    Got::Place(vacancy.map(Acquired::Vacant))
                }
                Need::Accept { ping } => Got::Accepted(self.child.look(*ping)),
                Need::Waker => Got::Waker(Ok(Arc::clone(&self.waker))),
                Need::Send => {
                    let (connection, bytes) = self.way.outgoing().unwrap();
                    Got::Sent(Ok(connection.take(&[bytes], usize::MAX)))
                }
                Need::Receive(which, time) if !self.brings.is_empty() || time.is_zero() => {
                    let bytes = std::mem::take(&mut self.brings);
                    let on = self.way.connection(*which).unwrap();
                    Got::Received(match bytes.is_empty() {
                        true => Err(NetError::TimedOut { after: *time }),
                        false => Ok(on.hear(&bytes)),
                    })
                }
                _ => return text(&need),
            };
            if let Some(end) = self.answer(got) {
                return end;
            }
        }
        panic!("it goes round in circles at {}", text(&self.way.next()));
    }

    fn answer(&mut self, got: Got<FakeConnection>) -> Option<String> {
        let child = self.child;
        let now = || child.scene.now();
        let unasked = self.way.got(Got::Answer(None), &child.with(&now));
        assert!(unasked.is_none(), "that was no answer");
        self.way.got(got, &child.with(&now)).map(|end| match end {
            Ok(lease) => {
                let number = lease.number;
                self.lease = Some(lease);
                format!("connection {number}")
            }
            Err(failure) => failure.to_string(),
        })
    }

    /// Whether it has been woken: by its waker, as its driver would learn it.
    fn is_woken(&self) -> bool {
        self.waker.take_wake_up()
    }

    /// The wait at the port ends, for whatever reason.
    #[track_caller]
    fn looks_again(&mut self) -> String {
        assert!(matches!(self.way.next(), Need::Inbound(_)), "{:?}", self.way.next());
        self.answer(Got::Waited(Ok(()))).unwrap_or_else(|| self.goes_on())
    }

    /// The whole wait passes.
    #[track_caller]
    fn waits_in_vain(&mut self) -> String {
        let (got, time) = match self.way.next() {
            Need::Inbound(inbound) => (Got::Waited(Ok(())), inbound.time),
            Need::Receive(_, time) => {
                (Got::Received(Err(NetError::TimedOut { after: time })), time)
            }
            other => panic!("{other:?}"),
        };
        self.child.scene.wait(time);
        self.answer(got).unwrap_or_else(|| self.goes_on())
    }

    /// The pooled connection that is waited for brings this.
    #[track_caller]
    fn hears(&mut self, bytes: &[u8]) -> String {
        self.brings = bytes.to_vec();
        match self.way.next() {
            Need::Inbound(_) => self.looks_again(),
            _ => self.goes_on(),
        }
    }

    /// Whether it is to watch the port's sockets while it waits.
    fn watches_the_port(&self) -> bool {
        matches!(self.way.next(), Need::Inbound(inbound) if inbound.is_at_front)
    }

    /// Its request is served, and the connection goes back to the pool.
    fn gives_back(mut self) {
        release(self.lease.take().expect("it has one"), &self.child.scene);
    }
}

impl Drop for Request<'_> {
    fn drop(&mut self) {
        self.child.requests.set(self.child.requests.get() - 1);
    }
}

const ANY: fn() -> Task<FakeConnection> = || Task::Any { certain: false };

fn prepost(time: Duration) -> Pings {
    Pings { prepost: Some(time), ..Pings::default() }
}

fn key() -> Key {
    Key::new(b"a key of more than 16 bytes").unwrap()
}

/// What there is once everything has been let go: idle connections, places taken, requests that wait.
fn left(child: &Child) -> (usize, usize, usize) {
    let stats = child.scene.pool.stats();
    (stats.idle, stats.in_use, stats.waiting)
}
