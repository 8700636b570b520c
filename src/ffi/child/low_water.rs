//! The call behind [`net::low_water`](crate::net::low_water), which is not safe Rust.

use std::ffi::c_int;
use std::os::fd::BorrowedFd;

use crate::ffi::httpd::socket_option;
use crate::net::Errno;

/// Sets SO_RCVLOWAT: a wait for the socket ends with so many bytes.
pub(crate) fn set(socket: BorrowedFd<'_>, at_least: usize) -> Result<(), Errno> {
    let at_least = c_int::try_from(at_least).unwrap_or(c_int::MAX);
    socket_option::set(socket, libc::SOL_SOCKET, libc::SO_RCVLOWAT, at_least)
}

#[cfg(test)]
mod tests {
    use std::io::Write;
    use std::net::{TcpListener, TcpStream};
    use std::time::{Duration, Instant};

    use super::set;
    use crate::net::low_water::{MOST_UNSEEN, bring};
    use crate::net::{Received, Stream};

    const LONG: Duration = Duration::from_secs(60);

    fn pair() -> (Stream, TcpStream) {
        bring(set);
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let peer = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        (Stream::from_fd(listener.accept().unwrap().0.into()).unwrap(), peer)
    }

    #[test]
    fn a_few_bytes_lie_unseen_for_a_moment_and_no_longer() {
        let (mut stream, mut peer) = pair();
        let mut buffer = Vec::new();
        peer.write_all(b"few").unwrap();
        let begin = Instant::now();
        let received = stream.receive_at_least(15, &mut buffer, LONG).unwrap();
        assert_eq!((received, &buffer[..]), (Received::Bytes(3), &b"few"[..]));
        assert!(begin.elapsed() >= MOST_UNSEEN);
    }

    #[test]
    fn a_wait_after_it_ends_with_the_first_byte() {
        let (mut stream, mut peer) = pair();
        let mut buffer = Vec::new();
        peer.write_all(b"fifteen bytes!!").unwrap();
        stream.receive_at_least(15, &mut buffer, LONG).unwrap();
        assert_eq!(buffer.len(), 15);
        peer.write_all(b"x").unwrap();
        assert!(stream.wait_readable(LONG).unwrap());
        assert_eq!(stream.receive(&mut buffer, LONG).unwrap(), Received::Bytes(1));
    }

    #[test]
    fn the_end_of_the_stream_is_waited_for_no_longer() {
        let (mut stream, peer) = pair();
        drop(peer);
        assert_eq!(stream.receive_at_least(15, &mut Vec::new(), LONG).unwrap(), Received::End);
    }
}
