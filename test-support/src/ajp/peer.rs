//! A container that a test scripts: threads and real sockets. It sleeps only where it connects again after
//! a refusal.

use std::io;
use std::net::{Ipv4Addr, Shutdown, SocketAddr, TcpListener};
use std::os::unix::net::{UnixListener, UnixStream};
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError, Weak};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use super::connection::PeerConnection;
use super::request::ForwardRequest;
use super::socket::{Socket, connect_from};
use super::state::Shared;
use crate::process::DEADLINE;
use crate::sockets::stop_listening;

/// Listens, and runs a script on a thread of its own for each connection.
///
/// When it is dropped, it stops listening, shuts its connections down and joins its threads. A panic of a
/// script then continues in the test. An `Err` is kept in [`errors`](ScriptedPeer::errors): many tests make
/// the web server hang up.
#[derive(Debug)]
pub struct ScriptedPeer {
    address: Address,
    shared: Arc<Shared>,
    acceptor: Option<JoinHandle<()>>,
}

#[derive(Debug)]
enum Address {
    /// The acceptor has a second handle of this listener.
    Tcp(SocketAddr, TcpListener),
    Unix(PathBuf),
    /// It does not listen, it connects.
    None,
}

impl ScriptedPeer {
    /// Listens on a free port of 127.0.0.1.
    pub fn start<S>(script: S) -> ScriptedPeer
    where
        S: Fn(&mut PeerConnection) -> io::Result<()> + Send + Sync + 'static,
    {
        ScriptedPeer::start_at((Ipv4Addr::LOCALHOST, 0).into(), script).expect("a free port")
    }

    /// Listens at this address, for a container that returns to an address.
    pub fn start_at<S>(address: SocketAddr, script: S) -> io::Result<ScriptedPeer>
    where
        S: Fn(&mut PeerConnection) -> io::Result<()> + Send + Sync + 'static,
    {
        // A process that another test starts at this moment has the old listener's descriptor until its exec.
        let end = Instant::now() + DEADLINE;
        let listener = loop {
            match TcpListener::bind(address) {
                Err(error) if error.kind() == io::ErrorKind::AddrInUse && Instant::now() < end => {
                    thread::sleep(Duration::from_millis(20));
                }
                bound => break bound?,
            }
        };
        ScriptedPeer::start_on(listener, script)
    }

    /// Serves an existing listener, for example one in another network namespace.
    pub fn start_on<S>(listener: TcpListener, script: S) -> io::Result<ScriptedPeer>
    where
        S: Fn(&mut PeerConnection) -> io::Result<()> + Send + Sync + 'static,
    {
        let address = Address::Tcp(listener.local_addr()?, listener.try_clone()?);
        Ok(ScriptedPeer::run(
            address,
            move || listener.accept().map(|(s, _)| Socket::Tcp(s)),
            script,
        ))
    }

    /// Listens on a unix socket; the path must not exist yet.
    pub fn start_unix<S>(path: &Path, script: S) -> io::Result<ScriptedPeer>
    where
        S: Fn(&mut PeerConnection) -> io::Result<()> + Send + Sync + 'static,
    {
        ScriptedPeer::start_on_unix(UnixListener::bind(path)?, path, script)
    }

    /// Serves an existing listener at this path.
    pub fn start_on_unix<S>(
        listener: UnixListener,
        path: &Path,
        script: S,
    ) -> io::Result<ScriptedPeer>
    where
        S: Fn(&mut PeerConnection) -> io::Result<()> + Send + Sync + 'static,
    {
        let address = Address::Unix(path.to_owned());
        Ok(ScriptedPeer::run(
            address,
            move || listener.accept().map(|(s, _)| Socket::Unix(s)),
            script,
        ))
    }

    fn run<A, S>(address: Address, accept: A, script: S) -> ScriptedPeer
    where
        A: Fn() -> io::Result<Socket> + Send + 'static,
        S: Fn(&mut PeerConnection) -> io::Result<()> + Send + Sync + 'static,
    {
        ScriptedPeer::run_with(address, Arc::default(), accept, script)
    }

    /// Connects to `httpd` from this address, and keeps `spare` unused connections there. If the connection
    /// is refused, it tries again until it succeeds.
    pub fn dial<S>(httpd: SocketAddr, from: Ipv4Addr, spare: usize, script: S) -> ScriptedPeer
    where
        S: Fn(&mut PeerConnection) -> io::Result<()> + Send + Sync + 'static,
    {
        let shared = Arc::<Shared>::default();
        let wanted = Arc::clone(&shared);
        let dial = move || {
            loop {
                let mut state = wanted.state();
                while !state.stopping && state.fresh >= spare {
                    state = wanted.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
                }
                if state.stopping {
                    return Err(io::ErrorKind::Interrupted.into());
                }
                drop(state);
                match connect_from(from, httpd) {
                    Ok(stream) => {
                        wanted.state().fresh += 1;
                        return Ok(Socket::Tcp(stream));
                    }
                    // The pause before it connects again.
                    Err(_) => thread::sleep(Duration::from_millis(20)),
                }
            }
        };
        ScriptedPeer::run_with(Address::None, shared, dial, script)
    }

    fn run_with<A, S>(address: Address, shared: Arc<Shared>, accept: A, script: S) -> ScriptedPeer
    where
        A: Fn() -> io::Result<Socket> + Send + 'static,
        S: Fn(&mut PeerConnection) -> io::Result<()> + Send + Sync + 'static,
    {
        let acceptor = {
            let shared = Arc::clone(&shared);
            thread::spawn(move || accept_loop(&accept, &Arc::new(script), &shared))
        };
        ScriptedPeer { address, shared, acceptor: Some(acceptor) }
    }

    /// The TCP port; 0 on a unix socket, and where it connects.
    pub fn port(&self) -> u16 {
        match &self.address {
            Address::Tcp(address, _) => address.port(),
            Address::Unix(_) | Address::None => 0,
        }
    }

    /// Refuses connections from now on; those that are open go on. Only for TCP.
    pub fn stop_listening(&self) {
        self.shared.state().stopping = true;
        if let Address::Tcp(_, listener) = &self.address {
            rustix::net::shutdown(listener, rustix::net::Shutdown::Both).expect("it listens");
        }
    }

    /// Connections accepted so far.
    pub fn connections(&self) -> usize {
        self.shared.state().connections
    }

    /// Connections whose script is still running.
    pub fn open_connections(&self) -> usize {
        self.shared.state().open.len()
    }

    /// FORWARD_REQUESTs read so far.
    pub fn requests(&self) -> usize {
        self.shared.state().requests
    }

    /// CPINGs read so far.
    pub fn cpings(&self) -> usize {
        self.shared.state().cpings
    }

    /// CPINGs padded to some size that were read so far.
    pub fn padded_cpings(&self) -> usize {
        self.shared.state().padded_cpings
    }

    /// The last FORWARD_REQUEST read.
    pub fn last_request(&self) -> Option<ForwardRequest> {
        self.shared.state().last_request.clone()
    }

    /// The errors that scripts returned, oldest first.
    pub fn errors(&self) -> Vec<String> {
        self.shared.state().errors.clone()
    }

    /// Waits until `count` connections were accepted.
    ///
    /// # Panics
    /// After [`DEADLINE`], like the other waits.
    pub fn wait_for_connections(&self, count: usize) {
        self.shared.wait("connections", |state| state.connections >= count);
    }

    /// Waits until `count` FORWARD_REQUESTs were read.
    pub fn wait_for_requests(&self, count: usize) {
        self.shared.wait("requests", |state| state.requests >= count);
    }

    /// Waits until no more than `count` connections have a running script.
    pub fn wait_for_open_connections(&self, count: usize) {
        self.shared.wait("open connections", |state| state.open.len() <= count);
    }
}

impl Drop for ScriptedPeer {
    fn drop(&mut self) {
        self.shared.update(|state| state.stopping = true);
        // accept() has no timeout: that nobody listens any more wakes it, or a connection of our own. If even that
        // fails, the thread cannot be joined, and runs until the process ends.
        let woken = match &self.address {
            Address::Tcp(_, listener) => stop_listening(listener),
            Address::Unix(path) => UnixStream::connect(path).is_ok(),
            Address::None => true,
        };
        if let Some(acceptor) = self.acceptor.take().filter(|_| woken) {
            let _ = acceptor.join();
        }
        if let Address::Unix(path) = &self.address {
            let _ = std::fs::remove_file(path);
        }
        let (open, threads) = {
            let mut state = self.shared.state();
            let open: Vec<_> = state.open.values().filter_map(Weak::upgrade).collect();
            (open, std::mem::take(&mut state.threads))
        };
        open.iter().for_each(|socket| drop(socket.shutdown(Shutdown::Both)));
        threads.into_iter().for_each(|thread| drop(thread.join()));
        if let Some(panic) = self.shared.state().panic.take().filter(|_| !thread::panicking()) {
            resume_unwind(panic);
        }
    }
}

fn accept_loop<S>(accept: &dyn Fn() -> io::Result<Socket>, script: &Arc<S>, shared: &Arc<Shared>)
where
    S: Fn(&mut PeerConnection) -> io::Result<()> + Send + Sync + 'static,
{
    loop {
        let accepted = accept();
        let mut state = shared.state();
        let socket = match accepted {
            _ if state.stopping => return,
            Ok(socket) => Arc::new(socket),
            Err(error) => {
                state.errors.push(format!("accept: {error}"));
                return;
            }
        };
        let index = state.connections;
        state.connections += 1;
        state.open.insert(index, Arc::downgrade(&socket));
        state.threads.retain(|thread| !thread.is_finished());
        let (script, in_thread) = (Arc::clone(script), Arc::clone(shared));
        state.threads.push(thread::spawn(move || serve(index, socket, &*script, in_thread)));
        drop(state);
        shared.changed.notify_all();
    }
}

fn serve<S>(index: usize, socket: Arc<Socket>, script: &S, shared: Arc<Shared>)
where
    S: Fn(&mut PeerConnection) -> io::Result<()>,
{
    let mut conn = PeerConnection::new(index, socket, Arc::clone(&shared));
    let result = catch_unwind(AssertUnwindSafe(|| {
        conn.set_read_timeout(DEADLINE)?;
        script(&mut conn)
    }));
    conn.count_as_used();
    drop(conn);
    shared.update(|state| {
        state.open.remove(&index);
        match result {
            Ok(Ok(())) => {}
            Ok(Err(error)) => state.errors.push(format!("connection {index}: {error}")),
            Err(panic) => state.panic = Some(panic),
        }
    });
}
