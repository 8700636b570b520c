//! Ways to a connection as tables: what is asked for, and what a backend does; no socket anywhere.

mod questions;
mod reverse;
mod ways;

use std::cell::Cell;
use std::net::SocketAddr;
use std::num::NonZeroUsize;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::{Acquisition, Connections, Got, Need, Surroundings, Task, Which};
use crate::backend::fake::FakeConnection;
use crate::backend::{AjpConnection, Backend, BackendKey, ConnectSettings, key_of};
use crate::config::Pings;
use crate::net::{ConnectError, ConnectOptions, NetError};
use crate::pool::{Acquired, Keep, Lease, Limits, Pool, Wait};

const SECOND: Duration = Duration::from_secs(1);
const CPONG: [u8; 5] = [0x41, 0x42, 0, 1, 9];

/// A backend whose connections are in the test's own pool.
struct Scene {
    backend: Backend,
    settings: ConnectSettings,
    pool: Arc<Pool<FakeConnection>>,
    start: Instant,
    passed: Cell<Duration>,
    opened: Cell<usize>,
}

/// What the world does when it is asked for something.
#[derive(Clone, Copy, Debug)]
enum World {
    /// What was asked for is there, or done: a place, addresses, a connection, room, the send.
    Yes,
    /// It is refused, or nothing comes while it is waited for: the whole wait passes.
    No,
    /// These bytes come, after this time.
    Bytes(&'static [u8], Duration),
    /// The peer closes, at once.
    Closes,
    /// The send fails.
    Fails,
    /// One of two connections has something to say, after this time.
    After(Duration),
}
use World::{After, Bytes, Closes, Fails, No, Yes};

impl Scene {
    fn new() -> Self {
        Self::of(BackendKey { socket_path: Some("/nowhere".into()), ..key_of("node1", 8009) })
    }

    fn of(key: BackendKey) -> Self {
        let settings = ConnectSettings {
            options: ConnectOptions::default(),
            address_ttl: None,
            pings: Pings::default(),
            limits: Limits {
                max: NonZeroUsize::new(1),
                wait: Wait::For(Duration::ZERO),
                ..Limits::default()
            },
        };
        Self {
            backend: Backend::new(key),
            settings,
            pool: Pool::new(),
            start: Instant::now(),
            passed: Cell::default(),
            opened: Cell::default(),
        }
    }

    /// The same with one idle connection, number 1.
    fn warm() -> Self {
        let scene = Self::new();
        let vacancy = scene.pool.acquire_fresh(scene.start, &scene.settings.limits).unwrap();
        vacancy.stock(scene.opened(), scene.start);
        scene
    }

    fn ping(mut self, pings: Pings) -> Self {
        self.settings.pings = pings;
        self
    }

    fn opened(&self) -> FakeConnection {
        self.opened.set(self.opened.get() + 1);
        FakeConnection::new(self.opened.get(), self.start)
    }

    fn now(&self) -> Instant {
        self.start + self.passed.get()
    }

    fn wait(&self, time: Duration) {
        self.passed.set(self.passed.get() + time);
    }

    /// Does what is needed, as the world is told to.
    fn supply(
        &self,
        need: &Need,
        world: World,
        on: &mut dyn Connections<FakeConnection>,
    ) -> Got<FakeConnection> {
        let timed_out = |after| Err(NetError::TimedOut { after });
        match (need, world) {
            (Need::Place { since }, _) => {
                assert_eq!(*since, self.now(), "it is asked for at once");
                Got::Place(self.pool.acquire(*since, &self.settings.limits))
            }
            (Need::FreshPlace, _) => {
                let vacancy = self.pool.acquire_fresh(self.now(), &self.settings.limits);
                Got::Place(vacancy.map(Acquired::Vacant))
            }
            (Need::Addresses { .. }, _) => {
                Got::Addresses(Ok(Arc::from([SocketAddr::from(([192, 0, 2, 1], 8009))])))
            }
            (Need::Connect(_), Yes) => Got::Connected(Ok(Box::new(self.opened()))),
            (Need::Connect(_), _) => Got::Connected(Err(ConnectError::Refused)),
            (Need::Send, Yes) => Got::Sent(Ok(on
                .outgoing()
                .map_or(0, |(connection, bytes)| connection.take(&[bytes], usize::MAX)))),
            (Need::Send, No) => Got::Sent(Ok(0)),
            (Need::Send, _) => Got::Sent(Err(NetError::Closed)),
            (Need::Room(_, time) | Need::Either(time), No) => {
                self.wait(*time);
                Got::Waited(Ok(()))
            }
            (Need::Room(..) | Need::Either(_), After(time)) => {
                self.wait(time);
                Got::Waited(Ok(()))
            }
            (Need::Room(..) | Need::Either(_), _) => Got::Waited(Ok(())),
            (Need::Receive(which, _), Bytes(bytes, time)) => {
                self.wait(time);
                Got::Received(Ok(on.connection(*which).expect("it is asked").hear(bytes)))
            }
            (Need::Receive(..), Closes) => Got::Received(Ok(0)),
            (Need::Receive(_, time), _) => {
                self.wait(*time);
                Got::Received(timed_out(*time))
            }
            (need, world) => panic!("{need:?}: {world:?}"),
        }
    }

    /// Goes through the script; each line is what is needed, and what the world does.
    fn goes(
        &self,
        task: Task<FakeConnection>,
        script: &[(&str, World)],
    ) -> Result<Lease<FakeConnection>, String> {
        let now = || self.now();
        let with = Surroundings { backend: &self.backend, settings: &self.settings, now: &now };
        let mut way = Acquisition::new(task, &with);
        for (at, (wanted, world)) in script.iter().enumerate() {
            let need = way.next();
            assert_eq!(text(&need), *wanted, "line {at} of {script:?}");
            assert_eq!(text(&way.next()), *wanted, "nothing has been answered");
            let unasked = way.got(Got::Answer(None), &with);
            assert!(unasked.is_none(), "that was no answer");
            let got = self.supply(&need, *world, &mut way);
            if let Some(end) = way.got(got, &with) {
                assert_eq!(at + 1, script.len(), "over in line {at}");
                assert_eq!(text(&way.next()), "nothing");
                assert!(way.got(Got::Sent(Ok(1)), &with).is_none(), "it is over");
                return end.map_err(|failure| failure.to_string());
            }
        }
        panic!("not over: {}", text(&way.next()));
    }

    /// Idle connections and places taken, once everything has been let go.
    fn left(&self) -> (usize, usize) {
        let stats = self.pool.stats();
        (stats.idle, stats.in_use)
    }
}

fn text(need: &Need) -> String {
    let of = |which: &Which| match which {
        Which::New => "new",
        Which::Pooled => "pooled",
    };
    match need {
        Need::Place { .. } => "place".into(),
        Need::FreshPlace => "fresh place".into(),
        Need::Addresses { again: false } => "addresses".into(),
        Need::Addresses { again: true } => "addresses again".into(),
        Need::Connect(_) => "connect".into(),
        Need::Send => "send".into(),
        Need::Room(which, time) => format!("room {} {time:?}", of(which)),
        Need::Receive(which, time) => format!("receive {} {time:?}", of(which)),
        Need::Either(time) => format!("either {time:?}"),
        Need::Question(_) => "question".into(),
        Need::PlaceWithin(time) => format!("place {time:?}"),
        Need::Accept { .. } => "accept".into(),
        Need::Waker => "waker".into(),
        Need::Inbound(inbound) => format!("inbound {:?}", inbound.time),
        Need::Nothing => "nothing".into(),
    }
}

/// A lease of a connection that has been idle, as after a request.
fn release(lease: Lease<FakeConnection>, scene: &Scene) {
    let mut exchange = crate::exchange::Exchange::new(crate::exchange::RequestFacts {
        body: crate::exchange::RequestBody::None,
        is_head: false,
    });
    let headers = [4, 0, 200, 0, 0, 0, 0, 0];
    for payload in [&headers[..], &[5, 1]] {
        exchange.receive(crate::protocol::BufferSlice::from(payload)).expect("a packet");
    }
    let proof = exchange.finish(lease.unread()).expect("it is clean");
    lease.release(proof, scene.now(), Keep::Pool);
}
