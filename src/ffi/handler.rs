//! The scheme handler: one request to one worker.

use std::ffi::{c_char, c_int};
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Instant;

use super::apr;
use super::body::Body;
use super::canon::{DEFAULT_PORT, is_ajp};
use super::child::Child;
use super::client::HttpdClient;
use super::guard::guard_or;
use super::kept::{Kept, Upload};
use super::log::{self, LogLevel};
use super::marshal::{self, Target};
use super::request::Request;
use super::server_config::ServerConfig;
use super::worker::Worker;
use super::{member, proxy_block, sys};
use crate::backend::{AcquireFailure, Backend, BackendKey, Bounds, ConnectSettings};
use crate::config::WorkerSettings;
use crate::exchange::{RequestBody, RequestFacts};
use crate::net::ConnectOptions;
use crate::proxy::{
    Client, Failure, Member, Outcome, Phase, Prepared, ProxyError, Reply, RequestError, Settings,
    body_of, serve,
};

/// A status to answer with, already logged.
struct Refused(c_int);

/// A status for mod_proxy, and whether mod_proxy would mark the member for it without cause.
struct Status(c_int, bool);

/// As [`handle`], behind the guard: a panic is a 500 that leaves the member as it was.
///
/// # Safety
/// As [`handle`].
pub(super) unsafe fn guarded(
    request: Request<'_>,
    worker: Worker,
    conf: *mut sys::proxy_server_conf,
    url: *const c_char,
    proxy_name: *const c_char,
    proxy_port: u16,
) -> c_int {
    let internal_error = || {
        member::leave_untouched(request, worker);
        sys::HTTP_INTERNAL_SERVER_ERROR as c_int
    };
    guard_or(internal_error, || {
        // SAFETY: as the caller promises.
        unsafe { handle(request, worker, conf, url, proxy_name, proxy_port) }
    })
}

/// Serves `url` through `worker`; declines schemes other than ajp.
///
/// # Safety
/// `conf` is mod_proxy's configuration of this request's server; `url` and `proxy_name` (which may
/// be null) are strings that live as long as the request.
unsafe fn handle(
    request: Request<'_>,
    worker: Worker,
    conf: *mut sys::proxy_server_conf,
    url: *const c_char,
    proxy_name: *const c_char,
    proxy_port: u16,
) -> c_int {
    // SAFETY: as the caller promises.
    let (url_text, proxy_name) =
        unsafe { (apr::bytes(url).unwrap_or(b""), apr::bytes(proxy_name)) };
    if !is_ajp(url_text) {
        return sys::DECLINED;
    }
    member::settle(request);
    // SAFETY: the request's server is live.
    let Some(child) = (unsafe { ServerConfig::of(request.server()) }).and_then(|c| c.child.get())
    else {
        log::request(request, LogLevel::Error, format_args!("this child has not been set up"));
        member::leave_untouched(request, worker);
        return sys::HTTP_INTERNAL_SERVER_ERROR as c_int;
    };
    // SAFETY: worker and server are live.
    if unsafe { sys::ajp_shim_worker_usable(worker.as_ptr(), request.server()) } == 0 {
        let name = String::from_utf8_lossy(worker.name());
        log::request(request, LogLevel::Error, format_args!("{name}: disabled or in error"));
        return sys::HTTP_SERVICE_UNAVAILABLE as c_int;
    }
    // SAFETY: url is a string of the request's pool.
    let Some(uri) = (unsafe { Uri::parse(request, url) }) else {
        log::request(
            request,
            LogLevel::Error,
            format_args!("{}: not a URL", String::from_utf8_lossy(url_text)),
        );
        return sys::HTTP_BAD_REQUEST as c_int;
    };
    let call = Call { request, worker, conf, child, uri };
    call.run(proxy_name.map(|name| (name, proxy_port))).unwrap_or_else(|Refused(status)| status)
}

/// The parts of the backend's URL.
struct Uri<'r> {
    host: &'r [u8],
    port: u16,
    path: &'r [u8],
    query: Option<&'r [u8]>,
}

impl<'r> Uri<'r> {
    /// # Safety
    /// `url` is a string that lives as long as the request.
    unsafe fn parse(request: Request<'r>, url: *const c_char) -> Option<Self> {
        let mut uri = std::mem::MaybeUninit::<sys::apr_uri_t>::zeroed();
        // SAFETY: apr_uri_parse fills in the whole record; its strings are in the request's pool.
        let uri = unsafe {
            if sys::apr_uri_parse(request.pool().as_ptr(), url, uri.as_mut_ptr()) != 0 {
                return None;
            }
            uri.assume_init()
        };
        // SAFETY: null, or strings of the request's pool.
        unsafe {
            Some(Self {
                host: apr::bytes(uri.hostname).filter(|host| !host.is_empty())?,
                port: if uri.port == 0 { DEFAULT_PORT } else { uri.port },
                path: apr::bytes(uri.path).unwrap_or(b"/"),
                query: apr::bytes(uri.query),
            })
        }
    }
}

/// One call of the scheme handler.
struct Call<'r> {
    request: Request<'r>,
    worker: Worker,
    conf: *mut sys::proxy_server_conf,
    child: &'r Arc<Child>,
    uri: Uri<'r>,
}

impl<'r> Call<'r> {
    fn run(&self, remote_proxy: Option<(&[u8], u16)>) -> Result<c_int, Refused> {
        let request = self.request;
        // SAFETY: `member` uses its references to it for one assignment each, and not during this
        // function but at its very end, when this one is not used any more.
        let kept = unsafe { Kept::of(request) };
        if kept.sent_to_remote_proxy && remote_proxy.is_none() {
            // mod_proxy takes a 502 of a ProxyRemote for a reason to try the backend itself.
            return Err(Refused(sys::HTTP_BAD_GATEWAY as c_int));
        }
        let backend = self.backend(remote_proxy);
        let ours = self.child.settings(self.worker.id()).cloned().unwrap_or_default();
        let settings = self.settings(&ours);
        let resolved = remote_proxy.is_none().then_some((&*backend, &settings.connect));
        proxy_block::check(request, self.conf, self.uri.host, resolved).map_err(Refused)?;
        if kept.upload.is_none() {
            kept.upload = Some(self.upload().map_err(|error| self.refuse(&error))?);
        }
        let Some(upload) = &mut kept.upload else { return Err(Refused(500)) };
        let prepared = self.prepare(&backend, upload)?;
        let mut client = HttpdClient::new(request, &mut upload.body);
        let (result, uploaded, downloaded) = serve(&backend, &settings, &prepared, &mut client);
        self.worker.count(uploaded, downloaded);
        match result {
            Ok(_) => {
                self.worker.came_back();
                Ok(self.answered(&client))
            }
            Err(failure) => {
                let status = self.failed(&backend, &failure, &client);
                drop(client);
                kept.sent_to_remote_proxy = remote_proxy.is_some();
                Ok(self.leave(status))
            }
        }
    }

    fn backend(&self, remote_proxy: Option<(&[u8], u16)>) -> Arc<Backend> {
        let (host, port) = remote_proxy.unwrap_or((self.uri.host, self.uri.port));
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        let limits = self.worker.limits();
        let key = BackendKey {
            host: text(host).to_ascii_lowercase(),
            port,
            socket_path: self
                .worker
                .socket_path()
                .or_else(|| self.request.notes().get(c"uds_path"))
                .map(text),
            source: self.source(),
            secret: self.worker.secret().map(text).unwrap_or_default(),
            packet_size: self.worker.packet_size(self.conf),
            bounds: Bounds { max: limits.max, smax: limits.smax, ttl: limits.ttl },
        };
        if self.worker.has_fixed_address() {
            self.child.backend(&key)
        } else {
            // A host that the client's URL can choose: nothing of it is kept.
            Arc::new(Backend::new(key))
        }
    }

    /// ProxySourceAddress.
    fn source(&self) -> Option<IpAddr> {
        // SAFETY: mod_proxy's configuration is live; the address is null or in its pool.
        unsafe {
            if (*self.conf).source_address_set() == 0 {
                return None;
            }
            apr::address((*self.conf).source_address)
        }
    }

    fn settings(&self, ours: &WorkerSettings) -> Settings {
        let worker = self.worker;
        let timeout = worker.timeout(self.conf, self.request.server());
        let connect_timeout =
            ours.connect_timeout.or_else(|| worker.connection_timeout()).unwrap_or(timeout);
        let no_keepalive = self.request.environment().get(c"proxy-nokeepalive").is_some();
        Settings {
            connect: ConnectSettings {
                options: ConnectOptions {
                    timeout: connect_timeout,
                    keepalive: worker.keepalive(),
                    receive_buffer: worker.receive_buffer(),
                    source: self.source().map(|ip| (ip, 0).into()),
                },
                address_ttl: worker.address_ttl(),
                ping: worker.ping(),
                limits: worker.limits(),
            },
            timeout,
            keep: worker.is_reusable() && !ours.force_close && !no_keepalive,
            flush: worker.flush(),
        }
    }

    /// How the request announces its body. An error page of httpd's own has none, though it has
    /// inherited the client's headers.
    fn upload(&self) -> Result<Upload, RequestError> {
        let request = self.request;
        let headers = request.headers_in();
        let (kind, announced) = if request.is_error_document() {
            (RequestBody::None, 0)
        } else {
            let coding = headers.get(c"Transfer-Encoding");
            let length = headers.get(c"Content-Length");
            let indeterminate = coding.is_none() && length.is_none() && request.has_body();
            body_of(coding, length, indeterminate)?
        };
        let length = (kind == RequestBody::Announced).then_some(announced);
        let reads_ahead = kind == RequestBody::Announced;
        Ok(Upload { body: Body::new(request, length), kind, length, reads_ahead })
    }

    /// Reads the first piece of an announced body, then builds the packet: all that can be wrong
    /// with the request shows before a connection is taken.
    fn prepare(&self, backend: &Backend, upload: &mut Upload) -> Result<Prepared, Refused> {
        let request = self.request;
        // What was read for a member that did not take the request is this one's.
        upload.body.unread();
        let mut first_piece = None;
        if upload.reads_ahead {
            let at_most = backend.packet_limit().for_first_body().max_body();
            let read = upload.body.read(request, at_most);
            let piece = read.map_err(|error| self.client_failed(backend, error.into()))?;
            first_piece = Some(piece.len);
            if request.headers_in().get(c"Content-Length").is_none() {
                // An input filter has unpacked the body and taken the length away.
                upload.kind = RequestBody::OnRequest;
                upload.length = None;
            }
        }
        let target = Target {
            path: self.uri.path,
            query: self.uri.query,
            drop_body_headers: request.is_error_document(),
        };
        let limit = backend.packet_limit().for_request(Instant::now());
        let packet = marshal::forward_request(request, self.worker, target, limit)
            .map_err(|error| self.refuse(&error.into()))?;
        let is_idempotent = matches!(
            request.method(),
            b"GET" | b"HEAD" | b"PUT" | b"DELETE" | b"OPTIONS" | b"TRACE"
        );
        Ok(Prepared {
            packet,
            facts: RequestFacts { body: upload.kind, is_head: request.is_header_only() },
            is_idempotent,
            length: upload.length,
            first_piece,
        })
    }

    /// The request itself is wrong: its status, a line for the log, no member's state changed.
    fn refuse(&self, error: &RequestError) -> Refused {
        let status = error.status();
        log::request(
            self.request,
            LogLevel::Info,
            format_args!("request refused with {status}, nothing was sent: {error}"),
        );
        Refused(status.into())
    }

    fn answered(&self, client: &HttpdClient<'_>) -> c_int {
        let Some(status) = client.overridden() else { return sys::OK as c_int };
        // As mod_proxy_ajp: 200, or ErrorDocument would take it for an error within an error; the
        // note keeps mod_proxy from taking the status for our own.
        self.request.set_status(200, self.request.status_line());
        self.request.notes().set(c"proxy-error-override", c"1".as_ptr());
        status
    }

    /// The client failed before a connection was taken.
    fn client_failed(&self, backend: &Backend, error: ProxyError) -> Refused {
        let failure = Failure { error, phase: Phase::Connect, usage: None, reused: false };
        let outcome = Outcome::of(&failure, false);
        self.log_failure(backend, &failure, outcome);
        Refused(self.status_of(outcome, false).0)
    }

    fn failed(&self, backend: &Backend, failure: &Failure, client: &HttpdClient<'_>) -> Status {
        let outcome = Outcome::of(failure, client.has_begun());
        self.log_failure(backend, failure, outcome);
        if let ProxyError::Acquire(AcquireFailure::Resolve(_)) = failure.error {
            self.request.notes().set(c"error-notes", c"DNS lookup failure".as_ptr());
        }
        if outcome.timed_out {
            self.request.notes().set(c"proxy_timedout", c"1".as_ptr());
        }
        match outcome.reply {
            Reply::Cut => client.cut(),
            Reply::Status(_) => client.withdraw(),
            Reply::Nothing | Reply::Answered => {}
        }
        self.status_of(outcome, client.has_headers())
    }

    /// What httpd is told, and what it must not conclude from it.
    fn status_of(&self, outcome: Outcome, has_headers: bool) -> Status {
        match outcome.reply {
            Reply::Status(status) => {
                let marks = outcome.member == Member::Untouched && matches!(status, 500 | 503);
                Status(status.into(), marks)
            }
            Reply::Cut => Status(sys::DONE, false),
            Reply::Nothing => {
                if !has_headers {
                    // For the access log alone.
                    self.request.set_status(sys::HTTP_BAD_REQUEST as c_int, std::ptr::null());
                }
                Status(sys::DONE, false)
            }
            Reply::Answered => Status(sys::AP_FILTER_ERROR, false),
        }
    }

    /// Returns a status to mod_proxy.
    fn leave(&self, Status(status, marks_member): Status) -> c_int {
        if marks_member {
            member::leave_untouched(self.request, self.worker);
        }
        status
    }

    /// One line a failure.
    fn log_failure(&self, backend: &Backend, failure: &Failure, outcome: Outcome) {
        let next = match outcome.reply {
            Reply::Status(status) => format!("answering {status}"),
            Reply::Cut => "cutting the response off".into(),
            Reply::Nothing | Reply::Answered => "giving the request up".into(),
        };
        let hint = failure.hint().map(|hint| format!(": {hint}")).unwrap_or_default();
        let connection = failure.usage.map_or_else(String::new, |usage| {
            format!(
                " ({} connection, {} ms old, request {} on it, {} bytes sent, {} received)",
                if failure.reused { "reused" } else { "new" },
                usage.opened.elapsed().as_millis(),
                usage.requests,
                usage.sent,
                usage.received,
            )
        });
        log::request(
            self.request,
            outcome.level.into(),
            format_args!(
                "{}: {} while {}{hint}{connection}; {next}",
                backend.key(),
                failure.error,
                failure.phase.words()
            ),
        );
    }
}
