//! A client's end of a connection, plain or with TLS. No call blocks.

use std::io::{self, ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;

use rustix::net::{AddressFamily, SocketFlags, SocketType};
use rustls::client::Resumption;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, ClientConnection, RootCertStore};

use crate::poll::Interest;

/// One connection. The caller has the buffers.
#[derive(Debug)]
pub struct Transport {
    pub stream: TcpStream,
    tls: Option<Box<ClientConnection>>,
}

/// Whether more can come from the server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Peer {
    IsOpen,
    HasClosed,
}

impl Transport {
    /// Begins to connect.
    pub fn connect(to: SocketAddr, tls: Option<&Arc<ClientConfig>>) -> io::Result<Self> {
        let family = if to.is_ipv4() { AddressFamily::INET } else { AddressFamily::INET6 };
        let flags = SocketFlags::NONBLOCK | SocketFlags::CLOEXEC;
        let socket = rustix::net::socket_with(family, SocketType::STREAM, flags, None)?;
        match rustix::net::connect(&socket, &to) {
            Ok(()) | Err(rustix::io::Errno::INPROGRESS) => {}
            Err(error) => return Err(error.into()),
        }
        let stream = TcpStream::from(socket);
        stream.set_nodelay(true)?;
        let tls = match tls {
            Some(config) => {
                let name = ServerName::try_from("localhost").expect("a name");
                let session = ClientConnection::new(Arc::clone(config), name);
                Some(Box::new(session.map_err(io::Error::other)?))
            }
            None => None,
        };
        Ok(Self { stream, tls })
    }

    /// Returns the event that it waits for, if so many bytes of the caller are left.
    pub fn interest(&self, left: usize) -> Interest {
        let must_write = self.tls.as_ref().map_or(left > 0, |tls| tls.wants_write());
        if must_write { Interest::Write } else { Interest::Read }
    }

    /// Sends as much of `output` as possible, and takes it off; adds the bytes that have come to `input`.
    pub fn go_on(&mut self, output: &mut Vec<u8>, input: &mut Vec<u8>) -> io::Result<Peer> {
        match &mut self.tls {
            None => {
                while !output.is_empty() {
                    match self.stream.write(output) {
                        Ok(count) => drop(output.drain(..count)),
                        Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                        Err(error) => return Err(error),
                    }
                }
                read_to(&mut self.stream, input)
            }
            Some(tls) => {
                tls.writer().write_all(output)?;
                output.clear();
                flush(tls, &mut self.stream)?;
                let peer = receive(tls, &mut self.stream, input)?;
                flush(tls, &mut self.stream)?;
                Ok(peer)
            }
        }
    }
}

/// Returns the settings of a client that trusts the authority whose certificate is in this file.
pub fn trusting(file: &str) -> Result<Arc<ClientConfig>, String> {
    let certificate = CertificateDer::from_pem_file(file).map_err(|e| format!("{file}: {e}"))?;
    let mut roots = RootCertStore::empty();
    roots.add(certificate).map_err(|e| format!("{file}: {e}"))?;
    let mut config = ClientConfig::builder().with_root_certificates(roots).with_no_client_auth();
    // Each connection costs the server as much as the first.
    config.resumption = Resumption::disabled();
    Ok(Arc::new(config))
}

fn flush(tls: &mut ClientConnection, stream: &mut TcpStream) -> io::Result<()> {
    while tls.wants_write() {
        match tls.write_tls(stream) {
            Ok(_) => {}
            Err(error) if error.kind() == ErrorKind::WouldBlock => break,
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

fn receive(
    tls: &mut ClientConnection,
    stream: &mut TcpStream,
    input: &mut Vec<u8>,
) -> io::Result<Peer> {
    loop {
        match tls.read_tls(stream) {
            Ok(0) => return Ok(Peer::HasClosed),
            Ok(_) => {}
            Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(Peer::IsOpen),
            Err(error) => return Err(error),
        }
        tls.process_new_packets().map_err(io::Error::other)?;
        if read_to(&mut tls.reader(), input)? == Peer::HasClosed {
            return Ok(Peer::HasClosed);
        }
    }
}

fn read_to(source: &mut impl Read, input: &mut Vec<u8>) -> io::Result<Peer> {
    let mut buffer = [0; 4096];
    loop {
        match source.read(&mut buffer) {
            Ok(0) => return Ok(Peer::HasClosed),
            Ok(count) => input.extend_from_slice(&buffer[..count]),
            Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(Peer::IsOpen),
            Err(error) => return Err(error),
        }
    }
}
