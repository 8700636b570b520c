//! One connection of a scripted container.

use std::cell::Cell;
use std::io::{self, Read, Write};
use std::net::Shutdown;
use std::sync::{Arc, Weak};
use std::time::Duration;

use super::encode::Packet;
use super::request::{self, ForwardRequest};
use super::socket::Socket;
use super::state::Shared;

/// One connection, in the hands of the script. It closes when the script returns.
#[derive(Debug)]
pub struct PeerConnection {
    index: usize,
    socket: Option<Arc<Socket>>,
    shared: Arc<Shared>,
    is_fresh: Cell<bool>,
}

impl PeerConnection {
    pub(super) fn new(index: usize, socket: Arc<Socket>, shared: Arc<Shared>) -> Self {
        let is_fresh = Cell::new(shared.state().fresh > 0);
        Self { index, socket: Some(socket), shared, is_fresh }
    }

    /// The number of this connection among those of its peer, from 0.
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
        self.count_as_used();
        self.socket()?.reader().read_exact(&mut header[1..])?;
        let [0x12, 0x34, high, low] = header else {
            return Err(broken(format!("not a packet of a web server: {header:02x?}")));
        };
        let mut payload = vec![0; usize::from(high) << 8 | usize::from(low)];
        self.socket()?.reader().read_exact(&mut payload)?;
        Ok(Some(payload))
    }

    /// Counts the connection among those on which bytes have come.
    pub(super) fn count_as_used(&self) {
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

    /// Sends a packet, or any bytes, in one write. Nagle's algorithm is off.
    pub fn send(&mut self, packet: impl Packet) -> io::Result<()> {
        self.socket()?.writer().write_all(&packet.into_bytes())
    }

    /// Returns a handle with which another thread sends while the script reads.
    pub fn sender(&self) -> PeerSender {
        PeerSender { socket: self.socket.as_ref().map(Arc::downgrade).unwrap_or_default() }
    }

    /// Sets how long a read waits.
    pub fn set_read_timeout(&mut self, timeout: Duration) -> io::Result<()> {
        self.socket()?.set_read_timeout(timeout)
    }

    /// Closes the connection. If unread bytes are left, the kernel sends RST.
    pub fn close(&mut self) {
        self.socket = None;
    }

    /// Sends FIN: nothing more will be sent, but reads go on.
    pub fn shutdown_write(&mut self) -> io::Result<()> {
        self.socket()?.shutdown(Shutdown::Write)
    }

    /// Closes the connection with RST, on a unix socket without.
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

/// Sends on a connection whose script runs in another thread. It does not keep the connection open.
#[derive(Clone, Debug)]
pub struct PeerSender {
    socket: Weak<Socket>,
}

impl PeerSender {
    /// Sends a packet, or any bytes, in one write.
    pub fn send(&self, packet: impl Packet) -> io::Result<()> {
        self.socket()?.writer().write_all(&packet.into_bytes())
    }

    /// Ends the connection in both directions; the script then reads its end.
    pub fn shutdown(&self) -> io::Result<()> {
        self.socket()?.shutdown(Shutdown::Both)
    }

    fn socket(&self) -> io::Result<Arc<Socket>> {
        self.socket.upgrade().ok_or_else(|| io::ErrorKind::NotConnected.into())
    }
}

fn some(packet: Option<Vec<u8>>) -> io::Result<Vec<u8>> {
    packet.ok_or_else(|| io::ErrorKind::UnexpectedEof.into())
}

fn broken(text: String) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, text)
}
