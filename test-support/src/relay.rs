//! A TCP relay in front of a backend. It can be cut and mended, counts connections, and keeps the bytes that
//! httpd sent.

use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use crate::sockets::stop_listening;

/// A relay on a free loopback port. When it is dropped, it closes all its connections.
#[derive(Debug)]
pub struct Relay {
    /// The port to connect to.
    pub port: u16,
    state: Arc<Mutex<State>>,
}

#[derive(Debug, Default)]
struct State {
    /// `None` while the relay is cut: then connections are refused.
    listener: Option<TcpListener>,
    ended: bool,
    target: Option<SocketAddr>,
    streams: Vec<TcpStream>,
    peers: Vec<SocketAddr>,
    sent: Vec<u8>,
}

impl Relay {
    /// Starts a relay to `target`.
    pub fn to(target: SocketAddr) -> Self {
        let port = super::process::free_port();
        let relay = Self { port, state: Arc::default() };
        lock(&relay.state).target = Some(target);
        relay.mend();
        let state = Arc::clone(&relay.state);
        std::thread::spawn(move || {
            while !lock(&state).ended {
                let accepted = lock(&state).listener.as_ref().map(TcpListener::accept);
                match accepted {
                    Some(Ok((client, peer))) => join(&state, client, peer),
                    _ => std::thread::sleep(Duration::from_millis(2)),
                }
            }
        });
        relay
    }

    /// Closes every connection and refuses each new one, until [`Relay::mend`].
    pub fn cut(&self) {
        let mut state = lock(&self.state);
        if let Some(listener) = state.listener.take() {
            stop_listening(&listener);
        }
        for stream in state.streams.drain(..) {
            let _ = stream.shutdown(Shutdown::Both);
        }
    }

    /// Lets connections through again.
    pub fn mend(&self) {
        // A process that another test starts at this moment has the old listener's descriptor until its exec.
        let listener = super::process::wait_for("the port is ours again", || {
            TcpListener::bind(("127.0.0.1", self.port)).ok()
        });
        listener.set_nonblocking(true).expect("a socket");
        lock(&self.state).listener = Some(listener);
    }

    /// Closes every connection; new ones lead to `target` from now on, as after a restart there.
    pub fn lead_to(&self, target: SocketAddr) {
        self.cut();
        lock(&self.state).target = Some(target);
        self.mend();
    }

    /// How many connections were accepted.
    pub fn connections(&self) -> usize {
        lock(&self.state).peers.len()
    }

    /// Where those connections came from.
    pub fn peers(&self) -> Vec<SocketAddr> {
        lock(&self.state).peers.clone()
    }

    /// All bytes that went to the backend.
    pub fn sent(&self) -> Vec<u8> {
        lock(&self.state).sent.clone()
    }
}

impl Drop for Relay {
    fn drop(&mut self) {
        self.cut();
        lock(&self.state).ended = true;
    }
}

fn join(state: &Arc<Mutex<State>>, client: TcpStream, peer: SocketAddr) {
    client.set_nonblocking(false).expect("a socket");
    let target = lock(state).target.expect("set at the start");
    let Ok(backend) = TcpStream::connect(target) else { return };
    for stream in [&client, &backend] {
        stream.set_nodelay(true).expect("a TCP socket");
    }
    let twin = |stream: &TcpStream| stream.try_clone().expect("descriptors are left");
    let mut locked = lock(state);
    locked.peers.push(peer);
    locked.streams.extend([twin(&client), twin(&backend)]);
    drop(locked);
    let (up_from, up_to, keeper) = (twin(&client), twin(&backend), Arc::clone(state));
    std::thread::spawn(move || copy(up_from, up_to, |bytes| lock(&keeper).sent.extend(bytes)));
    std::thread::spawn(move || copy(backend, client, |_| ()));
}

fn lock(state: &Arc<Mutex<State>>) -> MutexGuard<'_, State> {
    state.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
}

fn copy(mut from: TcpStream, mut to: TcpStream, mut seen: impl FnMut(&[u8])) {
    let mut buffer = vec![0; 65_536];
    while let Ok(count @ 1..) = from.read(&mut buffer) {
        seen(&buffer[..count]);
        if to.write_all(&buffer[..count]).is_err() {
            break;
        }
    }
    let _ = to.shutdown(Shutdown::Write);
    let _ = from.shutdown(Shutdown::Read);
}
