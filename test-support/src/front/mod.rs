//! The proxy layer between a fake client and a scripted peer, over real sockets.
//!
//! ```ignore
//! let peer = ScriptedPeer::start(|conn| { … });
//! let front = Front::to(&peer);
//! let answer = front.ask(get("/hello"));
//! answer.is(200, b"hi");
//! front.settled(&peer, 1);
//! ```

pub mod ask;
pub mod client;
pub mod signal;

pub use ask::{Ask, get, post, put};
pub use client::FakeClient;
pub use signal::Signal;

use std::num::NonZeroUsize;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use mod_proxy_ajp_rs::backend::{Backend, BackendKey, Bounds, ConnectSettings};
use mod_proxy_ajp_rs::config::{Pings, WorkerSettings};
use mod_proxy_ajp_rs::net::ConnectOptions;
use mod_proxy_ajp_rs::pool::{CloseReason, Limits, Wait};
use mod_proxy_ajp_rs::protocol::PacketSize;
use mod_proxy_ajp_rs::proxy::{
    Consequence, Facts, Failure, Finished, Flush, Mark, MemberFacts, Reply, RequestSettings,
    Resend, Settings, serve,
};

use super::ajp::ScriptedPeer;

/// For a timeout that only a hang reaches.
pub const LONG: Duration = Duration::from_secs(60);

/// For a timeout that a test waits for.
pub const SHORT: Duration = Duration::from_millis(100);

/// A backend as a child of httpd has it, and its worker's settings.
#[derive(Debug)]
pub struct Front {
    /// The backend, with its pool.
    pub backend: Backend,
    /// What the worker is set to.
    pub settings: Settings,
}

impl Front {
    /// A front of this container.
    pub fn to(peer: &ScriptedPeer) -> Front {
        Front::at("127.0.0.1", peer.port())
    }

    /// A front of the container at this address.
    pub fn at(host: &str, port: u16) -> Front {
        Front::new(BackendKey { host: host.into(), port, ..key() })
    }

    /// A front of the container at this unix socket.
    pub fn at_socket(path: &Path) -> Front {
        let path = path.to_str().expect("a path of text").to_owned();
        Front::new(BackendKey { socket_path: Some(path), ..key() })
    }

    /// A front without pings and limits, with nothing learnt. Every timeout is [`LONG`]; no body packet goes
    /// ahead of being asked for.
    pub fn new(key: BackendKey) -> Front {
        let connect = ConnectSettings {
            options: ConnectOptions { timeout: LONG, ..ConnectOptions::default() },
            address_ttl: None,
            pings: Pings::default(),
            limits: Limits::default(),
        };
        let settings = Settings {
            connect,
            timeout: LONG,
            flush: Flush::Off,
            worker: Arc::default(),
            usual: RequestSettings {
                reply_timeout: LONG,
                keep: true,
                resend: Resend::default(),
                has_others: false,
            },
        };
        Front { backend: Backend::new(key), settings }.upload_ahead(0)
    }

    /// Sets `uploadahead`.
    pub fn upload_ahead(mut self, bytes: usize) -> Front {
        let mut worker = WorkerSettings::default();
        worker.set("uploadahead", &bytes.to_string()).expect("a number of bytes");
        self.settings.worker = Arc::new(worker);
        self
    }

    /// Sends a CPING before every request, and waits this long for CPONG.
    pub fn ping(mut self, timeout: Duration) -> Front {
        self.settings.connect.pings = Pings::before_every_request(timeout);
        self
    }

    /// Sets `iobuffersize`, with a new backend of which nothing is known yet.
    pub fn packet_size(self, configured: Option<PacketSize>) -> Front {
        let key = BackendKey { packet_size: configured, ..self.backend.key().clone() };
        Front { backend: Backend::new(key), settings: self.settings }
    }

    /// Sets `timeout` and `replytimeout`.
    pub fn timeout(mut self, timeout: Duration) -> Front {
        self.settings.timeout = timeout;
        self.settings.usual.reply_timeout = timeout;
        self
    }

    /// Sets `flushpackets`.
    pub fn flush(mut self, flush: Flush) -> Front {
        self.settings.flush = flush;
        self
    }

    /// Keeps no connection.
    pub fn force_close(mut self) -> Front {
        self.settings.usual.keep = false;
        self
    }

    /// Sets `max` and `acquire`.
    pub fn max(mut self, max: usize, wait: Duration) -> Front {
        self.settings.connect.limits.max = NonZeroUsize::new(max);
        self.settings.connect.limits.wait = Wait::For(wait);
        self
    }

    /// Serves the request as the handler does: the first piece of an announced body is read from
    /// the client before a connection is taken.
    pub fn ask(&self, ask: Ask) -> Answer {
        let (mut client, prepared) = ask.prepare(&self.backend);
        let (result, traffic) =
            serve(&self.backend, &self.settings, &self.settings.usual, &prepared, &mut client);
        let (uploaded, downloaded) = (traffic.uploaded, traffic.downloaded);
        Answer { result, client, uploaded, downloaded }
    }

    /// How many connections are idle.
    pub fn idle(&self) -> usize {
        self.backend.stats().idle
    }

    /// How many connections were closed for this reason.
    pub fn closed(&self, reason: CloseReason) -> u64 {
        self.backend.stats().closed.of(reason)
    }

    /// Asserts that nothing is in use, that `idle` connections are kept, that the peer has seen
    /// the others close, and that no script has returned an error.
    pub fn settled(&self, peer: &ScriptedPeer, idle: usize) {
        let stats = self.backend.stats();
        assert_eq!((stats.idle, stats.in_use, stats.waiting), (idle, 0, 0), "{stats:?}");
        peer.wait_for_open_connections(idle);
        assert_eq!(peer.errors(), Vec::<String>::new());
    }
}

fn key() -> BackendKey {
    BackendKey {
        host: "127.0.0.1".into(),
        port: 0,
        socket_path: None,
        source: None,
        secret: String::new(),
        packet_size: None,
        bounds: Bounds::default(),
    }
}

/// The end of a request.
#[derive(Debug)]
pub struct Answer {
    /// What the proxy layer returned.
    pub result: Result<Finished, Failure>,
    /// The client, with what it was given.
    pub client: FakeClient,
    /// Bytes of the request body that were sent.
    pub uploaded: u64,
    /// Bytes of the response body that were received.
    pub downloaded: u64,
}

impl Answer {
    /// Asserts that the client has this status and this whole body.
    #[track_caller]
    pub fn is(&self, status: u16, body: impl AsRef<[u8]>) -> Finished {
        let finished = *self.result.as_ref().expect("an answer");
        assert_eq!(self.client.status(), Some(status));
        let (got, wanted) = (self.client.received(), body.as_ref());
        assert!(got == wanted, "{:?}", String::from_utf8_lossy(&got));
        assert!(self.client.is_complete(), "{:?}", self.client.passes);
        assert_eq!(self.downloaded, wanted.len() as u64);
        finished
    }

    #[track_caller]
    /// Asserts that the request failed, and returns how.
    pub fn failure(&self) -> &Failure {
        self.result.as_ref().expect_err("a failure")
    }

    #[track_caller]
    /// What follows from the failure.
    pub fn consequence(&self) -> Consequence {
        let member = MemberFacts { is_member: true, ..MemberFacts::default() };
        let has_begun = !self.client.passes.is_empty();
        Consequence::of(self.failure(), &Facts { has_begun, member, ..Facts::default() })
    }

    /// Asserts that the client gets httpd's page for this status, and the member is left alone.
    #[track_caller]
    pub fn fails_with(&self, status: u16) -> &Failure {
        self.ends(Reply::Status(status), untouched(Reply::Status(status)))
    }

    /// Asserts that the client gets 503, and the member is marked in error.
    #[track_caller]
    pub fn is_member_error(&self) -> &Failure {
        self.ends(Reply::Status(503), Mark::Error)
    }

    /// Asserts that the client sees a response that breaks off, and the member is left alone.
    #[track_caller]
    pub fn is_cut(&self) -> &Failure {
        self.ends(Reply::Cut, Mark::Nothing)
    }

    #[track_caller]
    /// Asserts that the request failed, and that this is what follows for client and member.
    pub fn ends(&self, reply: Reply, mark: Mark) -> &Failure {
        let consequence = self.consequence();
        assert_eq!((consequence.reply, consequence.mark), (reply, mark), "{:?}", self.failure());
        assert!(!self.client.is_complete(), "looks complete: {:?}", self.client.passes);
        self.failure()
    }
}

/// A member is left alone: mod_proxy does not mark it, or its mark is taken away again.
pub fn untouched(reply: Reply) -> Mark {
    if matches!(reply.status(), Some(500 | 503)) { Mark::Transient } else { Mark::Nothing }
}
