//! Reverse connections in the parent: the lines of the configuration, the checks, and the sockets.

use std::collections::HashMap;
use std::ffi::c_int;
use std::fs;
use std::net::SocketAddr;
use std::os::fd::{AsFd, RawFd};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use crate::config::ReverseListener;
use crate::ffi::apr::address;
use crate::ffi::apr::pool::Pool;
use crate::ffi::apr::text;
use crate::ffi::child::reverse_sockets::{Listening, SILENT_FOR};
use crate::ffi::httpd::listening_sockets;
use crate::ffi::httpd::listening_sockets::TakenOver;
use crate::ffi::httpd::log;
use crate::ffi::httpd::server::{self, Server};
use crate::ffi::mod_proxy::server_conf;
use crate::ffi::mod_proxy::worker::Worker;
use crate::ffi::mod_proxy::worker_id::WorkerId;
use crate::ffi::state::server_state::ServerState;
use crate::ffi::sys;
use crate::messages::Message;
use crate::net::{Errno, Listener, NetError};
use crate::protocol::handshake::Key;

/// Checks everything that the configuration says about reverse connections. `false`: there are errors,
/// which have been logged.
///
/// # Safety
/// `main` is httpd's main server, whose configuration has been read; this is its main thread.
pub(crate) unsafe fn check(pool: Pool<'_>, main: Server<'_>) -> bool {
    let asked = asked_for(main);
    let mut good = true;
    let mut refuse = |message, text: std::fmt::Arguments<'_>| {
        good = false;
        log::server(main, message, text);
    };
    let listeners = match asked {
        Ok(listeners) => listeners,
        Err(error) => {
            refuse(Message::ReverseAddress, format_args!("{error}"));
            return false;
        }
    };
    let workers: Vec<_> = tcp_workers(main).collect();
    for (at, listener) in listeners.iter().enumerate() {
        let url = listener.url();
        let mut named = workers.iter().filter(|worker| is_of(**worker, listener)).peekable();
        if named.peek().is_none() {
            refuse(
                Message::ReverseWithoutWorker,
                format_args!(
                    "ProxyAjpReverse {url}: no such worker; a ProxyPass or BalancerMember must have this \
                 host and port"
                ),
            );
        }
        if named.any(|worker| worker.has_health_check()) {
            refuse(
                Message::ReverseHealthCheck,
                format_args!(
                    "{url}: hcmethod cannot be used with reverse connections, because a health check \
                 connects to the container; that the container connects shows that it is there"
                ),
            );
        }
        for other in &listeners[..at] {
            if other.is_for(listener.host.as_bytes(), listener.port) {
                refuse(
                    Message::ReverseTwice,
                    format_args!(
                        "{url}: two ProxyAjpReverse lines name this worker, with {other} and \
                     {listener}; only one is allowed"
                    ),
                );
            } else if other.overlaps(listener) {
                refuse(
                    Message::ReverseOverlap,
                    format_args!("{url}: {listener} overlaps {other} of {}", other.url()),
                );
            }
        }
        // SAFETY: httpd's list of its Listen directives, on its main thread.
        if let Some(port) = unsafe { httpd_ports() }.find(|(ip, port)| listener.covers(*ip, *port))
        {
            let port = port.1;
            refuse(
                Message::ReverseOverlap,
                format_args!("{url}: {listener} overlaps httpd's own Listen on port {port}"),
            );
        }
        if let Some(file) = &listener.key_file {
            match read_key(pool, file) {
                Ok(_) => {}
                Err(error) => {
                    refuse(Message::ReverseKeyFile, format_args!("{url}: keyfile {error}"))
                }
            }
        }
    }
    good
}

/// Opens the parent's sockets, or takes over those from before a restart. `Err` has the message and its text.
///
/// # Safety
/// As [`check`], which has returned `true`; `plog` is httpd's pool for logs, in post_config.
pub(crate) unsafe fn listen(
    pool: Pool<'_>,
    plog: *mut sys::apr_pool_t,
    main: Server<'_>,
    before: &TakenOver,
) -> Result<Vec<Listening>, (Message, String)> {
    let asked = asked_for(main).map_err(|error| (Message::ReverseAddress, error))?;
    let shared: Vec<_> = asked
        .iter()
        .map(|settings| settings.addresses().next().filter(|_| settings.is_shared()))
        .map(|address| address.map(|address| (address, before.take(address))))
        .collect();
    // Before others are opened, which may need the same port.
    before.end();
    let mut listening = Vec::new();
    for (settings, shared) in asked.into_iter().zip(shared) {
        warn(main, pool, &settings);
        let key = settings.key_file.as_ref().map(|file| read_key(pool, file)).transpose();
        let key_error = |error| format!("{}: keyfile {error}", settings.url());
        let key = key.map_err(|error| (Message::ReverseKeyFile, key_error(error)))?;
        let opened = match shared {
            Some((_, Some(kept))) => {
                let set = kept.listen(settings.backlog);
                let text = |error| format!("cannot listen on {settings}: {error}");
                set.map_err(|error| (Message::ReversePortTaken, text(error)))?;
                Some(kept)
            }
            Some((address, None)) => open(main, address, &settings)
                .map_err(|error| (Message::ReversePortTaken, error))?,
            None => None,
        };
        // SAFETY: as the caller promises.
        let keep = |listener| unsafe { keep(plog, listener, key.is_some()) };
        let too_many = || {
            let text = format!("{settings}: there are too many ProxyAjpReverse lines");
            (Message::ReverseTooMany, text)
        };
        let socket = opened.map(|listener| keep(listener).ok_or_else(too_many)).transpose()?;
        listening.push(Listening { settings, key, socket });
    }
    Ok(listening)
}

/// Opens a socket of the parent. `None`: in a restart, another process has the port. That may be a
/// child from before the restart, which the parent no longer knows: it will end, and httpd must not
/// exit because of it.
fn open(
    main: Server<'_>,
    address: SocketAddr,
    settings: &ReverseListener,
) -> Result<Option<Listener>, String> {
    let error = match Listener::bind(address, settings.backlog) {
        Ok(listener) => return Ok(Some(listener)),
        Err(error) => error,
    };
    let text = format!("cannot listen on {settings} for ProxyAjpReverse: {error}");
    if !server::is_restart() || error != NetError::Io(Errno::ADDRINUSE) {
        return Err(text);
    }
    let note = "if children from before the restart use the port, restart gracefully after they have \
                ended; until then, requests for the worker get 503";
    log::server(main, Message::ReversePortInUse, format_args!("{text}; {note}"));
    Ok(None)
}

/// Keeps a socket open in the parent. `None`: there are too many.
///
/// # Safety
/// As [`listening_sockets::keep`].
unsafe fn keep(plog: *mut sys::apr_pool_t, listener: Listener, has_key: bool) -> Option<RawFd> {
    // Without a handshake the container sends nothing first, and no connection would be accepted in
    // time. There may have been a key before the restart.
    let seconds = if has_key { SILENT_FOR } else { 0 };
    listening_sockets::defer_accept(listener.as_fd(), seconds);
    // SAFETY: as the caller promises.
    unsafe { listening_sockets::keep(plog, listener) }
}

/// All listeners that the configuration asks for, by directive and by worker.
fn asked_for(main: Server<'_>) -> Result<Vec<ReverseListener>, String> {
    let mut seen = Vec::new();
    let mut listeners = Vec::<ReverseListener>::new();
    let mut reversed = HashMap::<WorkerId, bool>::new();
    for state in main.and_hosts().filter_map(ServerState::of) {
        // A server without a line of ours shares the main server's state.
        if seen.contains(&std::ptr::from_ref(state)) {
            continue;
        }
        seen.push(std::ptr::from_ref(state));
        let config = &state.config;
        listeners.extend(config.reverse.iter().cloned());
        reversed.extend(config.workers().iter().map(|(id, settings)| (*id, settings.reversed)));
    }
    for worker in server_conf::all_workers(main).filter(|worker| worker.is_ajp()) {
        let is_reversed = reversed.get(&worker.id()).copied().unwrap_or(false);
        if let Some(path) = worker.socket_path().filter(|_| is_reversed) {
            let path = String::from_utf8_lossy(&path);
            return Err(format!(
                "unix:{path}: reversed=On is only for workers with a host and a port"
            ));
        }
        if is_reversed && !listeners.iter().any(|listener| is_of(worker, listener)) {
            let host = worker.host();
            let own = ReverseListener::of_worker(&String::from_utf8_lossy(&host), worker.port());
            listeners.push(own.map_err(|error| error.to_string())?);
        }
    }
    Ok(listeners)
}

/// All ajp workers over TCP.
fn tcp_workers<'m>(main: Server<'m>) -> impl Iterator<Item = Worker<'m>> {
    let is_it = |worker: &Worker<'_>| worker.is_ajp() && worker.socket_path().is_none();
    server_conf::all_workers(main).filter(is_it)
}

fn is_of(worker: Worker<'_>, listener: &ReverseListener) -> bool {
    listener.is_for(&worker.host(), worker.port())
}

/// Addresses and ports of httpd's own Listen directives.
///
/// # Safety
/// This is httpd's main thread.
unsafe fn httpd_ports() -> impl Iterator<Item = (std::net::IpAddr, u16)> {
    // SAFETY: as the caller promises; an address of httpd's is live as long as its configuration.
    unsafe { listening_sockets::listen_addresses() }
        .filter_map(|address| unsafe { address::ip(address).map(|ip| (ip, (*address).port)) })
}

/// Warns about settings that are valid but misleading.
fn warn(main: Server<'_>, pool: Pool<'_>, listener: &ReverseListener) {
    let url = listener.url();
    let say = |message, text: std::fmt::Arguments<'_>| log::server(main, message, text);
    let mut limit: c_int = 0;
    // SAFETY: httpd fills in a place of ours.
    let known =
        unsafe { sys::ap_mpm_query(sys::AP_MPMQ_HARD_LIMIT_DAEMONS as c_int, &raw mut limit) == 0 };
    if known && !listener.is_shared() && c_int::from(length(listener)) < limit {
        say(
            Message::ReverseFewPorts,
            format_args!(
                "{url}: {listener} has {} ports and ServerLimit is {limit}: a child without a port \
             answers 503",
                length(listener),
            ),
        );
    }
    for worker in tcp_workers(main).filter(|worker| is_of(*worker, listener)) {
        let unused = [
            ("connectiontimeout", worker.readings().connection_timeout().is_some()),
            ("addressttl", worker.readings().address_ttl().is_some()),
        ];
        for (word, _) in unused.into_iter().filter(|(_, is_set)| *is_set) {
            say(
                Message::ReverseUnusedParameter,
                format_args!("{url}: {word} has no effect with reverse connections"),
            );
        }
    }
    if let Some(file) = &listener.key_file {
        let path = in_server_root(pool, file);
        let mode = fs::metadata(&path).map(|found| found.permissions().mode()).unwrap_or(0);
        if mode & 0o007 != 0 {
            say(
                Message::ReverseKeyFileReadable,
                format_args!(
                    "{url}: keyfile {} can be read by every user of this machine",
                    path.display()
                ),
            );
        }
    }
}

fn length(listener: &ReverseListener) -> u16 {
    (listener.ports.end() - listener.ports.start()).saturating_add(1)
}

fn read_key(pool: Pool<'_>, file: &str) -> Result<Key, String> {
    let path = in_server_root(pool, file);
    let content = fs::read(&path).map_err(|error| format!("{}: {error}", path.display()))?;
    Key::from_file_bytes(&content).map_err(|error| format!("{}: {error}", path.display()))
}

/// Resolves a relative name below ServerRoot.
fn in_server_root(pool: Pool<'_>, file: &str) -> PathBuf {
    let name = pool.copy(file.as_bytes());
    // SAFETY: a live pool of the configuration's, and a string in it.
    let full = unsafe { text::bytes(sys::ap_server_root_relative(pool.as_ptr(), name)) };
    let full: &Path = match full {
        Some(full) => Path::new(std::ffi::OsStr::from_bytes(full)),
        None => Path::new(file),
    };
    full.into()
}
