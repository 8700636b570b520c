//! A child's listening sockets for reverse connections.

use std::ffi::c_int;
use std::os::fd::{BorrowedFd, RawFd};
use std::sync::Arc;

use crate::backend::{PortNews, Reverse};
use crate::config::ReverseListener;
use crate::ffi::httpd::listening_sockets;
use crate::ffi::httpd::log;
use crate::ffi::httpd::server::Server;
use crate::messages::Message;
use crate::net::Listener;
use crate::protocol::handshake::Key;

/// A listener for containers, as the parent hands it to the children.
#[derive(Debug)]
pub(crate) struct Listening {
    pub(crate) settings: ReverseListener,
    pub(crate) key: Option<Key>,
    /// The parent's socket, which stays open as long as this is in use; `None` for a range, and if the
    /// port could not be opened.
    pub(crate) socket: Option<RawFd>,
}

/// Opens this child's sockets.
///
/// # Safety
/// This is a child, before other threads exist.
pub(crate) unsafe fn open(main: Server<'_>, listening: &[Listening]) -> Vec<Arc<Reverse>> {
    let mut all = Vec::new();
    for Listening { settings, key, socket } in listening {
        let listener = socket.and_then(|raw| {
            // SAFETY: inherited from the parent, and open as long as the child.
            match unsafe { listening_sockets::copy(raw) } {
                Ok(copy) => Some(Listener::from_fd(copy)),
                Err(error) => {
                    log::server(
                        main,
                        Message::ReverseNotAccepting,
                        format_args!("{settings}: cannot duplicate the listening socket: {error}"),
                    );
                    None
                }
            }
        });
        let prepare = if key.is_some() { defer } else { leave };
        let reverse = Reverse::new(settings.clone(), key.clone(), listener, prepare);
        let reverse = Arc::new(reverse);
        find_port(main, &reverse);
        all.push(reverse);
    }
    all
}

/// Binds a port of the range for this child if it needs one. Logs the port, and the first failure.
pub(crate) fn find_port(main: Server<'_>, reverse: &Reverse) {
    let say = |message, text: std::fmt::Arguments<'_>| log::server(main, message, text);
    match reverse.listen() {
        Ok(Some(address)) => {
            say(Message::ReverseListening, format_args!("listening for containers at {address}"));
        }
        Ok(None) => {}
        Err(_) if !reverse.note_failure() => {}
        Err(error) => say(
            Message::ReverseNoPortFree,
            format_args!(
                "no port of {reverse} is free for this child ({error}): its requests get 503 until \
                 one is free; the range needs as many ports as ServerLimit"
            ),
        ),
    }
}

/// Logs the peers that a worker's listener has refused.
pub(crate) fn report(main: Server<'_>, reverse: &Reverse) {
    for refusal in reverse.take_refusals() {
        log::server(main, refusal.message(), format_args!("{reverse}: {refusal}"));
    }
}

/// Logs that the container does not connect, or connects again.
pub(crate) fn report_news(main: Server<'_>, reverse: &Reverse, news: PortNews) {
    log::server(main, news.message(), format_args!("{reverse}: {news}"));
}

fn defer(socket: BorrowedFd<'_>) {
    listening_sockets::defer_accept(socket, SILENT_FOR);
}

fn leave(_: BorrowedFd<'_>) {}

/// Seconds for which a silent peer that owes a hello is kept out of the queue. Then it is looked at, and
/// its administrator reads that it has no key.
pub(crate) const SILENT_FOR: c_int = 3;
