//! A backend, a request and a client, and the world that answers what the machine asks for.

use std::cell::Cell;
use std::sync::Arc;
use std::sync::atomic::AtomicUsize;
use std::time::{Duration, Instant};

use super::{BodyWait, Context, Conversation, Do, TestClient, What};
use crate::backend::acquisition::{Got, Need};
use crate::backend::fake::FakeConnection;
use crate::backend::{Backend, BackendKey, ConnectSettings, key_of};
use crate::config::{Pings, WorkerSettings};
use crate::exchange::{RequestBody, RequestFacts};
use crate::net::{ConnectError, ConnectOptions, NetError, Ready};
use crate::pool::{Acquired, Limits, Pool};
use crate::proxy::{
    BodyPiece, ClientError, Failure, Finished, Flush, Prepared, RequestSettings, Resend, Settings,
    Traffic,
};

/// Everything that a request has to do with, none of it a socket.
pub(super) struct Scene {
    pub(super) backend: Backend,
    pub(super) settings: Settings,
    pub(super) request: Prepared,
    pub(super) client: TestClient,
    pub(super) pool: Arc<Pool<FakeConnection>>,
    pub(super) start: Instant,
    pub(super) passed: Cell<Duration>,
    pub(super) opened: usize,
    pub(super) resets: Arc<AtomicUsize>,
}

/// What comes of the thing that is asked for.
#[derive(Clone, Debug)]
pub(super) enum World {
    /// It is done, or there.
    Yes,
    /// It is refused, or does not happen while it is waited for.
    No,
    /// The socket takes so many bytes, and then no more.
    Takes(usize),
    /// These bytes come.
    Hears(Vec<u8>),
    /// The container closes the connection.
    Closes,
    /// The connection is ready to be read from, but not to be sent to.
    Readable,
    /// The client has so many bytes now.
    Has(usize),
    /// The client has a piece, and has taken its time.
    Late,
    /// The client's side fails with this.
    Client(ClientError),
    /// The client is gone.
    Gone,
}

const TIMEOUT: Duration = Duration::from_secs(60);

impl Scene {
    pub(super) fn new(body: RequestBody, data: &[u8], first: Option<usize>) -> Self {
        let key = BackendKey { socket_path: Some("/nowhere".into()), ..key_of("node1", 8009) };
        let connect = ConnectSettings {
            options: ConnectOptions::default(),
            address_ttl: None,
            pings: Pings::default(),
            limits: Limits::default(),
        };
        let mut worker = WorkerSettings::default();
        worker.set("uploadahead", "0").expect("a number");
        let settings = Settings {
            connect,
            timeout: TIMEOUT,
            flush: Flush::Off,
            worker: Arc::new(worker),
            usual: RequestSettings {
                reply_timeout: TIMEOUT / 2,
                keep: true,
                resend: Resend::default(),
                has_others: false,
            },
        };
        let mut client = TestClient::default();
        client.body = data.to_vec();
        let first_piece = first.map(|at_most| client.read(at_most).len);
        let request = Prepared {
            packet: b"\x12\x34\x00\x04\x02req".to_vec(),
            facts: RequestFacts { body, is_head: false },
            is_idempotent: body == RequestBody::None,
            length: (body == RequestBody::Announced).then_some(data.len() as u64),
            first_piece,
            path_len: 1,
        };
        let start = Instant::now();
        Self {
            backend: Backend::new(key),
            settings,
            request,
            client,
            pool: Pool::new(),
            start,
            passed: Cell::default(),
            opened: 0,
            resets: Arc::default(),
        }
    }

    /// A GET.
    pub(super) fn get() -> Self {
        Self::new(RequestBody::None, b"", None)
    }

    /// The same with one idle connection, number 1.
    pub(super) fn warm(mut self) -> Self {
        let limits = Limits::default();
        let vacancy = self.pool.acquire_fresh(self.start, &limits).expect("there is room");
        vacancy.stock(self.open(), self.start);
        self
    }

    fn open(&mut self) -> FakeConnection {
        self.opened += 1;
        let mut connection = FakeConnection::new(self.opened, self.start);
        connection.resets = Arc::clone(&self.resets);
        connection
    }

    /// Idle connections, and places taken.
    pub(super) fn left(&self) -> (usize, usize) {
        let stats = self.pool.stats();
        (stats.idle, stats.in_use)
    }

    /// Begins the request.
    pub(super) fn begin(&mut self) -> Conversation<FakeConnection> {
        self.with(|context| Conversation::new(context))
    }

    /// Has `act` look at everything.
    pub(super) fn with<T>(&mut self, act: impl FnOnce(&mut Context<'_, TestClient>) -> T) -> T {
        let now = || self.start + self.passed.get();
        act(&mut Context {
            backend: &self.backend,
            settings: &self.settings,
            own: &self.settings.usual,
            request: &self.request,
            client: &mut self.client,
            now: &now,
        })
    }

    /// Does the next thing, as the world is told to; returns what that was.
    pub(super) fn step(
        &mut self,
        conversation: &mut Conversation<FakeConnection>,
        world: World,
    ) -> String {
        let asked = self.with(|context| conversation.next(context));
        let text = text(&asked);
        let what = match world {
            World::Gone => What::ClientGone,
            world => self.answer(conversation, asked, &world),
        };
        self.with(|context| conversation.got(what, context));
        text
    }

    fn answer(
        &mut self,
        conversation: &mut Conversation<FakeConnection>,
        asked: Do,
        world: &World,
    ) -> What<FakeConnection> {
        match (asked, world) {
            (Do::Connection(need), world) => {
                What::Connection(self.supply(conversation, &need, world))
            }
            (Do::Send, World::Closes) => What::Sent(Err(NetError::Reset)),
            (Do::Send, world) => {
                let most = match world {
                    World::Takes(most) => *most,
                    World::No => 0,
                    _ => usize::MAX,
                };
                What::Sent(Ok(self.with(|context| {
                    let taken = conversation
                        .send(context, |connection, slices| connection.take(slices, most));
                    taken.expect("an attempt")
                })))
            }
            (Do::Receive { .. }, World::Hears(bytes)) => {
                let connection = conversation.connection().expect("an attempt");
                What::Received(Ok(connection.hear(bytes)))
            }
            (Do::Receive { .. }, World::Closes) => What::Received(Ok(0)),
            (Do::Receive { time, .. }, _) => {
                self.wait(time);
                What::Received(Err(NetError::TimedOut { after: time }))
            }
            (Do::Wait { .. }, World::Closes) => What::Ready(Err(NetError::Reset)),
            (Do::Wait { time, .. }, World::No) => {
                self.wait(time);
                What::Ready(Ok(Ready::default()))
            }
            (Do::Wait { .. }, World::Readable) => {
                What::Ready(Ok(Ready { readable: true, writable: false }))
            }
            (Do::Wait { readable, writable, .. }, _) => {
                What::Ready(Ok(Ready { readable, writable }))
            }
            (Do::Piece { .. }, World::Client(error)) => What::Piece(Err(*error)),
            (Do::Piece { at_most }, world) => {
                let was_awaited = matches!(world, World::Late);
                What::Piece(Ok(BodyPiece { was_awaited, ..self.client.read(at_most) }))
            }
            (Do::PieceNow { .. }, World::Client(error)) => What::PieceNow(Err(*error)),
            (Do::PieceNow { at_most }, world) => {
                let there = match world {
                    World::No => 0,
                    World::Has(there) => *there,
                    _ => usize::MAX,
                };
                What::PieceNow(Ok(self.client.read_some(there, at_most)))
            }
            (Do::BodyWait { .. }, World::Closes) => What::BodyWait(Err(NetError::Reset)),
            (Do::BodyWait { time, .. }, World::No) => {
                self.wait(time);
                What::BodyWait(Ok(BodyWait::default()))
            }
            (Do::BodyWait { backend, .. }, World::Readable) => {
                What::BodyWait(Ok(BodyWait { client: false, backend }))
            }
            (Do::BodyWait { .. }, _) => {
                What::BodyWait(Ok(BodyWait { client: true, backend: false }))
            }
            (Do::ReadAhead { .. } | Do::Gather { .. }, World::Client(error)) => {
                What::Ahead(Err(*error))
            }
            (Do::ReadAhead { .. } | Do::Gather { .. }, _) => What::Ahead(Ok(())),
            (Do::Pass { flush }, world) => {
                self.client.hand_over(flush);
                match world {
                    World::Client(error) => What::Passed(Err(*error)),
                    _ => What::Passed(Ok(())),
                }
            }
            (Do::Pause(time), _) => {
                self.wait(time);
                What::Paused
            }
            (Do::Done, _) => What::Paused,
        }
    }

    fn supply(
        &mut self,
        conversation: &mut Conversation<FakeConnection>,
        need: &Need,
        world: &World,
    ) -> Got<FakeConnection> {
        let now = self.start + self.passed.get();
        let limits = self.settings.connect.limits;
        match (need, world) {
            (Need::Place { since }, _) => {
                assert_eq!(*since, now, "it is asked for at once");
                Got::Place(self.pool.acquire(now, &limits))
            }
            (Need::FreshPlace, _) => {
                Got::Place(self.pool.acquire_fresh(now, &limits).map(Acquired::Vacant))
            }
            (Need::Addresses { .. }, _) => Got::Addresses(Ok(Arc::from([]))),
            (Need::Connect(_), World::No | World::Closes) => {
                Got::Connected(Err(ConnectError::Refused))
            }
            (Need::Connect(_), _) => Got::Connected(Ok(Box::new(self.open()))),
            (Need::Send, World::Closes) => Got::Sent(Err(NetError::Reset)),
            (Need::Send, world) => {
                let most = if matches!(world, World::No) { 0 } else { usize::MAX };
                let on = conversation.connections().and_then(|on| on.outgoing());
                Got::Sent(Ok(on.map_or(0, |(connection, bytes)| connection.take(&[bytes], most))))
            }
            (Need::Room(_, time) | Need::Either(time), world) => {
                if matches!(world, World::No) {
                    self.wait(*time);
                }
                Got::Waited(Ok(()))
            }
            (Need::Receive(which, _), World::Hears(bytes)) => {
                let on = conversation.connections().and_then(|on| on.connection(*which));
                Got::Received(Ok(on.expect("it is asked").hear(bytes)))
            }
            (Need::Receive(..), World::Closes) => Got::Received(Ok(0)),
            (Need::Receive(_, time), _) => {
                self.wait(*time);
                Got::Received(Err(NetError::TimedOut { after: *time }))
            }
            (
                Need::Question(_)
                | Need::PlaceWithin(_)
                | Need::Accept { .. }
                | Need::Waker
                | Need::Inbound(_)
                | Need::Nothing,
                _,
            ) => Got::Waited(Ok(())),
        }
    }

    fn wait(&self, time: Duration) {
        self.passed.set(self.passed.get() + time);
    }

    /// Goes through a script to its end: each line is what is asked for, and what comes of it.
    #[track_caller]
    pub(super) fn goes(
        &mut self,
        script: &[(&str, World)],
    ) -> (Result<Finished, Failure>, Traffic) {
        let mut conversation = self.begin();
        for (at, (wanted, world)) in script.iter().enumerate() {
            let asked = self.step(&mut conversation, world.clone());
            assert_eq!(asked, *wanted, "line {at}");
        }
        assert_eq!(self.step(&mut conversation, World::Yes), "done");
        assert_eq!(self.step(&mut conversation, World::Gone), "done", "and it stays so");
        conversation.take_end()
    }
}

/// What is asked for, in words.
pub(super) fn text(asked: &Do) -> String {
    match asked {
        Do::Connection(need) => match need {
            Need::Place { .. } => "place".into(),
            Need::FreshPlace => "fresh place".into(),
            Need::Addresses { .. } => "addresses".into(),
            Need::Connect(_) => "connect".into(),
            Need::Send => "ping".into(),
            Need::Room(..) => "room for a ping".into(),
            Need::Receive(..) => "pong".into(),
            Need::Either(_) => "either".into(),
            Need::Question(_) => "question".into(),
            Need::PlaceWithin(_) | Need::Accept { .. } | Need::Waker | Need::Inbound(_) => {
                "a connection that the container opens".into()
            }
            Need::Nothing => "nothing".into(),
        },
        Do::Send => "send".into(),
        Do::Wait { readable, writable, time } => {
            let (read, write) = (["", "r"], ["", "w"]);
            let (read, write) = (read[usize::from(*readable)], write[usize::from(*writable)]);
            format!("wait {read}{write} {time:?}")
        }
        Do::Receive { time, at_least: 1 } => format!("receive {time:?}"),
        Do::Receive { time, at_least } => format!("receive {time:?}, {at_least} bytes"),
        Do::Piece { at_most } => format!("piece {at_most}"),
        Do::PieceNow { at_most } => format!("piece now {at_most}"),
        Do::BodyWait { backend, time } => {
            format!("body wait{} {time:?}", [", deaf", ""][usize::from(*backend)])
        }
        Do::ReadAhead { at_most } => format!("ahead {at_most}"),
        Do::Gather { at_most } => format!("gather {at_most}"),
        Do::Pass { flush: false } => "pass".into(),
        Do::Pass { flush: true } => "pass flush".into(),
        Do::Pause(time) => format!("pause {time:?}"),
        Do::Done => "done".into(),
    }
}

/// Packets of the container, one after the other.
pub(super) fn packets(payloads: &[&[u8]]) -> Vec<u8> {
    let mut bytes = Vec::new();
    for payload in payloads {
        bytes.extend(b"AB");
        bytes.extend(u16::try_from(payload.len()).expect("a short one").to_be_bytes());
        bytes.extend(*payload);
    }
    bytes
}

/// SEND_HEADERS without headers.
pub(super) fn head(status: u16) -> Vec<u8> {
    let [high, low] = status.to_be_bytes();
    packets(&[&[4, high, low, 0, 0, 0, 0, 0]])
}

/// SEND_BODY_CHUNK; empty, it is a flush.
pub(super) fn chunk(text: &str) -> Vec<u8> {
    let length = u16::try_from(text.len()).expect("a short one").to_be_bytes();
    packets(&[&[&[3][..], &length, text.as_bytes(), &[0]].concat()])
}

/// GET_BODY_CHUNK.
pub(super) fn ask_for(bytes: u16) -> Vec<u8> {
    let [high, low] = bytes.to_be_bytes();
    packets(&[&[6, high, low]])
}

/// END_RESPONSE.
pub(super) fn end(reuse: bool) -> Vec<u8> {
    packets(&[&[5, u8::from(reuse)]])
}

/// CPONG.
pub(super) fn pong() -> Vec<u8> {
    packets(&[&[9]])
}
