//! A container that does what a test tells it: threads, real sockets, no sleeps but those of one that
//! dials in vain.

use std::any::Any;
use std::cell::Cell;
use std::collections::HashMap;
use std::io::{self, Read, Write};
use std::net::{Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::net::{UnixListener, UnixStream};
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError, Weak};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use super::encode::Packet;
use super::request::{self, ForwardRequest};

/// How long a read, or a wait for a counter, lasts unless told otherwise: only what hangs takes that
/// long.
pub const TIMEOUT: Duration = Duration::from_secs(60);

/// Listens, and runs a script on a thread of its own for each connection.
///
/// Dropped, it stops listening, shuts its connections down and joins its threads. A panic of a
/// script then goes on in the test; an `Err` is kept in [`errors`](ScriptedPeer::errors), since a
/// web server that hangs up is often what the test is about.
pub struct ScriptedPeer {
    address: Address,
    shared: Arc<Shared>,
    acceptor: Option<JoinHandle<()>>,
}

enum Address {
    /// The listener is the acceptor's, in a second handle.
    Tcp(SocketAddr, TcpListener),
    Unix(PathBuf),
    /// It does not listen: it dials.
    None,
}

#[derive(Default)]
struct Shared {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    stopping: bool,
    /// Dialled, and without a byte so far.
    fresh: usize,
    connections: usize,
    requests: usize,
    cpings: usize,
    padded_cpings: usize,
    last_request: Option<ForwardRequest>,
    errors: Vec<String>,
    panic: Option<Box<dyn Any + Send>>,
    open: HashMap<usize, Weak<Socket>>,
    threads: Vec<JoinHandle<()>>,
}

impl ScriptedPeer {
    /// Listens on a free port of 127.0.0.1.
    pub fn start<S>(script: S) -> ScriptedPeer
    where
        S: Fn(&mut PeerConnection) -> io::Result<()> + Send + Sync + 'static,
    {
        ScriptedPeer::start_at((Ipv4Addr::LOCALHOST, 0).into(), script).expect("a free port")
    }

    /// Listens at this address: for a container that comes back where it was.
    pub fn start_at<S>(address: SocketAddr, script: S) -> io::Result<ScriptedPeer>
    where
        S: Fn(&mut PeerConnection) -> io::Result<()> + Send + Sync + 'static,
    {
        // A process that is being started has the old listener's descriptor until its exec.
        let end = Instant::now() + TIMEOUT;
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

    /// Serves a listener that is there already: in another network namespace, say.
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
        let listener = UnixListener::bind(path)?;
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

    /// Dials `httpd` from this address, and keeps `spare` connections there on which nothing has come
    /// yet. Where nobody listens it tries again and again.
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
                    // A dialler's pause.
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

    /// The TCP port; 0 on a unix socket, and where it dials.
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

    /// What scripts returned as `Err`, in the order of time.
    pub fn errors(&self) -> Vec<String> {
        self.shared.state().errors.clone()
    }

    /// Waits until `count` connections were accepted.
    ///
    /// # Panics
    /// After [`TIMEOUT`], as the other waits.
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
        // accept() has no timeout: a connection of our own wakes it. If even that fails the thread
        // cannot be joined, and is left to the end of the process.
        let woken = match &self.address {
            Address::Tcp(address, _) => TcpStream::connect(address).is_ok(),
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

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn update(&self, change: impl FnOnce(&mut State)) {
        change(&mut self.state());
        self.changed.notify_all();
    }

    fn wait(&self, what: &str, reached: impl Fn(&State) -> bool) {
        let deadline = Instant::now() + TIMEOUT;
        let mut state = self.state();
        while !reached(&state) {
            let left = deadline.saturating_duration_since(Instant::now());
            assert!(!left.is_zero(), "waited {TIMEOUT:?} for {what}; errors: {:?}", state.errors);
            state = self
                .changed
                .wait_timeout(state, left)
                .map_or_else(|poisoned| poisoned.into_inner().0, |(state, _)| state);
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
    let is_fresh = Cell::new(shared.state().fresh > 0);
    let mut conn =
        PeerConnection { index, socket: Some(socket), shared: Arc::clone(&shared), is_fresh };
    let result = catch_unwind(AssertUnwindSafe(|| {
        conn.set_read_timeout(TIMEOUT)?;
        script(&mut conn)
    }));
    conn.is_no_longer_fresh();
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

/// One accepted connection, in the hands of the script. It closes when the script returns.
pub struct PeerConnection {
    index: usize,
    socket: Option<Arc<Socket>>,
    shared: Arc<Shared>,
    is_fresh: Cell<bool>,
}

impl PeerConnection {
    /// The how-manieth connection of this peer it is, from 0.
    pub fn index(&self) -> usize {
        self.index
    }

    /// Reads one packet that is not request body and returns its payload; `None` if the web server
    /// closed the connection instead.
    ///
    /// Body packets have no type byte, so only the script can know where one is due:
    /// [`read_body_packet`](PeerConnection::read_body_packet).
    pub fn read_packet(&mut self) -> io::Result<Option<Vec<u8>>> {
        let payload = self.read_payload()?;
        match payload.as_deref() {
            Some([0x0A]) => self.shared.update(|state| state.cpings += 1),
            Some([0x0A, ..]) => self.shared.update(|state| state.padded_cpings += 1),
            Some(payload) => {
                if let Ok(request) = request::forward_request(payload) {
                    self.shared.update(|state| {
                        state.requests += 1;
                        state.last_request = Some(request);
                    });
                }
            }
            None => {}
        }
        Ok(payload)
    }

    fn read_payload(&mut self) -> io::Result<Option<Vec<u8>>> {
        let mut header = [0; 4];
        let first = loop {
            match self.socket()?.reader().read(&mut header[..1]) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                read => break read?,
            }
        };
        if first == 0 {
            return Ok(None);
        }
        self.is_no_longer_fresh();
        self.socket()?.reader().read_exact(&mut header[1..])?;
        let [0x12, 0x34, high, low] = header else {
            return Err(broken(format!("not a packet of a web server: {header:02x?}")));
        };
        let mut payload = vec![0; usize::from(high) << 8 | usize::from(low)];
        self.socket()?.reader().read_exact(&mut payload)?;
        Ok(Some(payload))
    }

    fn is_no_longer_fresh(&self) {
        if self.is_fresh.replace(false) {
            self.shared.update(|state| state.fresh -= 1);
        }
    }

    /// Reads a FORWARD_REQUEST; anything else, also the end of the connection, is an error.
    pub fn expect_forward_request(&mut self) -> io::Result<ForwardRequest> {
        request::forward_request(&some(self.read_packet()?)?)
    }

    /// Reads a CPING; anything else is an error. Does not answer.
    pub fn expect_cping(&mut self) -> io::Result<()> {
        match &some(self.read_packet()?)?[..] {
            [0x0A] => Ok(()),
            other => Err(broken(format!("expected CPING, got {other:02x?}"))),
        }
    }

    /// Reads a request-body packet and returns its data; empty is the end of the body.
    pub fn read_body_packet(&mut self) -> io::Result<Vec<u8>> {
        request::body_data(&some(self.read_payload()?)?)
    }

    /// Waits until the web server closes the connection; anything it sends is an error.
    pub fn expect_close(&mut self) -> io::Result<()> {
        match self.read_packet() {
            Ok(None) => Ok(()),
            Err(error) if error.kind() == io::ErrorKind::ConnectionReset => Ok(()),
            Ok(Some(payload)) => Err(broken(format!("expected a close, got {payload:02x?}"))),
            Err(error) => Err(error),
        }
    }

    /// Sends a packet, or any bytes: each call is one write, Nagle is off.
    pub fn send(&mut self, packet: impl Packet) -> io::Result<()> {
        self.socket()?.writer().write_all(&packet.into_bytes())
    }

    /// How long reads wait from now on.
    pub fn set_read_timeout(&mut self, timeout: Duration) -> io::Result<()> {
        self.socket()?.set_read_timeout(timeout)
    }

    /// Closes the connection. A kernel makes a RST of it where unread bytes are left.
    pub fn close(&mut self) {
        self.socket = None;
    }

    /// Says that nothing more will be sent (FIN), and goes on reading.
    pub fn shutdown_write(&mut self) -> io::Result<()> {
        self.socket()?.shutdown(Shutdown::Write)
    }

    /// Closes the connection with a RST. On a unix socket a plain close.
    pub fn reset(&mut self) -> io::Result<()> {
        let socket = self.socket()?;
        if matches!(socket, Socket::Tcp(_)) {
            rustix::net::sockopt::set_socket_linger(socket, Some(Duration::ZERO))?;
        }
        self.socket = None;
        Ok(())
    }

    fn socket(&self) -> io::Result<&Socket> {
        self.socket.as_deref().ok_or_else(|| io::ErrorKind::NotConnected.into())
    }
}

fn connect_from(from: Ipv4Addr, to: SocketAddr) -> io::Result<TcpStream> {
    use rustix::net::{AddressFamily, SocketFlags, SocketType, bind, connect, socket_with};
    let socket = socket_with(AddressFamily::INET, SocketType::STREAM, SocketFlags::CLOEXEC, None)?;
    // A kernel whose queue is full says nothing for minutes.
    rustix::net::sockopt::set_socket_timeout(
        &socket,
        rustix::net::sockopt::Timeout::Send,
        Some(Duration::from_millis(500)),
    )?;
    bind(&socket, &SocketAddr::from((from, 0)))?;
    connect(&socket, &to)?;
    Ok(TcpStream::from(socket))
}

fn some(packet: Option<Vec<u8>>) -> io::Result<Vec<u8>> {
    packet.ok_or_else(|| io::ErrorKind::UnexpectedEof.into())
}

fn broken(text: String) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, text)
}

enum Socket {
    Tcp(TcpStream),
    Unix(UnixStream),
}

impl Socket {
    fn reader(&self) -> Box<dyn Read + '_> {
        match self {
            Socket::Tcp(stream) => Box::new(stream),
            Socket::Unix(stream) => Box::new(stream),
        }
    }

    fn writer(&self) -> Box<dyn Write + '_> {
        match self {
            Socket::Tcp(stream) => Box::new(stream),
            Socket::Unix(stream) => Box::new(stream),
        }
    }

    fn set_read_timeout(&self, timeout: Duration) -> io::Result<()> {
        match self {
            Socket::Tcp(stream) => {
                stream.set_nodelay(true)?;
                stream.set_read_timeout(Some(timeout))
            }
            Socket::Unix(stream) => stream.set_read_timeout(Some(timeout)),
        }
    }

    fn shutdown(&self, how: Shutdown) -> io::Result<()> {
        match self {
            Socket::Tcp(stream) => stream.shutdown(how),
            Socket::Unix(stream) => stream.shutdown(how),
        }
    }
}

impl AsFd for Socket {
    fn as_fd(&self) -> BorrowedFd<'_> {
        match self {
            Socket::Tcp(stream) => stream.as_fd(),
            Socket::Unix(stream) => stream.as_fd(),
        }
    }
}
