//! A TCP relay before a backend: it can be cut and mended, counts connections, keeps what httpd sent.

use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex, MutexGuard};

/// A relay on a free loopback port; dropped, it closes all its connections.
#[derive(Debug)]
pub struct Relay {
    /// The port to connect to.
    pub port: u16,
    state: Arc<Mutex<State>>,
}

#[derive(Debug, Default)]
struct State {
    cut: bool,
    ended: bool,
    streams: Vec<TcpStream>,
    peers: Vec<SocketAddr>,
    sent: Vec<u8>,
}

impl Relay {
    /// Starts a relay to `target`.
    pub fn to(target: SocketAddr) -> Self {
        let port = super::process::free_port();
        let listener = TcpListener::bind(("127.0.0.1", port)).expect("the port was free");
        let state = Arc::new(Mutex::new(State::default()));
        let shared = Arc::clone(&state);
        std::thread::spawn(move || {
            for client in listener.incoming().flatten() {
                let mut locked = lock(&shared);
                if locked.ended {
                    return;
                }
                if locked.cut {
                    continue;
                }
                let Ok(backend) = TcpStream::connect(target) else { continue };
                let Ok(peer) = client.peer_addr() else { continue };
                locked.peers.push(peer);
                locked.streams.push(client.try_clone().expect("descriptors are left"));
                locked.streams.push(backend.try_clone().expect("descriptors are left"));
                drop(locked);
                let upstream = (
                    client.try_clone().expect("descriptors are left"),
                    backend.try_clone().expect("descriptors are left"),
                );
                let keeper = Arc::clone(&shared);
                std::thread::spawn(move || {
                    copy(upstream.0, upstream.1, |bytes| lock(&keeper).sent.extend(bytes));
                });
                std::thread::spawn(move || copy(backend, client, |_| ()));
            }
        });
        Self { port, state }
    }

    /// Closes every connection, and each new one at once, until [`Relay::mend`].
    pub fn cut(&self) {
        let mut state = lock(&self.state);
        state.cut = true;
        for stream in state.streams.drain(..) {
            let _ = stream.shutdown(Shutdown::Both);
        }
    }

    /// Lets connections through again.
    pub fn mend(&self) {
        lock(&self.state).cut = false;
    }

    /// How many connections were accepted and relayed.
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
        // The listener's thread sees `ended` at its next connection: this one.
        let _ = TcpStream::connect(("127.0.0.1", self.port));
    }
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
