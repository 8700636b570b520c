use std::io::{Read, Write};
use std::os::fd::AsFd;
use std::os::unix::net::UnixListener;
use std::path::PathBuf;
use std::thread;

use rustix::fs::{OFlags, fcntl_getfl};
use rustix::io::{FdFlags, fcntl_getfd};
use rustix::net::sockopt;

use super::*;

fn assert_ours(fd: impl AsFd) {
    assert!(fcntl_getfd(&fd).unwrap().contains(FdFlags::CLOEXEC));
    assert!(!fcntl_getfl(&fd).unwrap().contains(OFlags::NONBLOCK));
    assert_eq!(sockopt::socket_timeout(&fd, sockopt::Timeout::Recv).unwrap(), None);
}

#[test]
fn a_tcp_connection_is_blocking_close_on_exec_and_without_delay() {
    let (stream, peer) = tcp_pair();

    assert_ours(&stream);
    assert!(sockopt::tcp_nodelay(&stream).unwrap());
    assert!(!sockopt::socket_keepalive(&stream).unwrap());
    assert_eq!(stream.local_addr().unwrap(), Some(peer.peer_addr().unwrap()));
    assert_eq!(stream.peer(), &Address::Inet(peer.local_addr().unwrap()));
}

#[test]
fn the_options_reach_the_socket() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let source = "127.0.0.9:0".parse().unwrap();
    let options = ConnectOptions {
        keepalive: true,
        receive_buffer: Some(16_384),
        source: Some(source),
        ..options()
    };

    let stream = Stream::connect(&listener.local_addr().unwrap().into(), &options).unwrap();

    assert!(sockopt::socket_keepalive(&stream).unwrap());
    // Linux doubles what is asked for, for its own bookkeeping (socket(7)).
    assert_eq!(sockopt::socket_recv_buffer_size(&stream).unwrap(), 32_768);
    assert_eq!(stream.local_addr().unwrap().unwrap().ip(), source.ip());
}

#[test]
fn ipv6_works_and_a_source_of_the_other_family_is_left_out() {
    let listener = TcpListener::bind("[::1]:0").unwrap();
    let options = ConnectOptions { source: Some("127.0.0.9:0".parse().unwrap()), ..options() };

    let stream = Stream::connect(&listener.local_addr().unwrap().into(), &options).unwrap();
    let (mut peer, _) = listener.accept().unwrap();

    stream.send_all(&[b"hello"], LONG).unwrap();
    let mut seen = [0; 5];
    peer.read_exact(&mut seen).unwrap();
    assert_eq!(&seen, b"hello");
    assert!(stream.peer().to_string().starts_with("[::1]:"));
}

#[test]
fn a_port_without_a_listener_refuses() {
    let error = Stream::connect(&vacant_address(1).into(), &options()).unwrap_err();

    assert_eq!(error, ConnectError::Refused);
    assert!(error.is_refused() && !error.is_timeout());
}

#[test]
fn a_socket_connected_to_itself_is_refused() {
    let address = vacant_address(2);
    let options = ConnectOptions { source: Some(address), ..options() };

    let error = Stream::connect(&address.into(), &options).unwrap_err();

    assert_eq!(error, ConnectError::SelfConnection);
    assert!(error.is_refused());
    TcpListener::bind(address).expect("the port is free again");
}

#[test]
fn a_full_tcp_backlog_is_waited_for_no_longer_than_the_timeout() {
    let listener = rustix::net::socket_with(
        rustix::net::AddressFamily::INET,
        rustix::net::SocketType::STREAM,
        rustix::net::SocketFlags::CLOEXEC,
        None,
    )
    .unwrap();
    rustix::net::bind(&listener, &"127.0.0.1:0".parse::<SocketAddr>().unwrap()).unwrap();
    rustix::net::listen(&listener, 0).unwrap();
    let address = SocketAddr::try_from(rustix::net::getsockname(&listener).unwrap()).unwrap();
    let options = ConnectOptions { timeout: SHORT, ..options() };

    let mut accepted = Vec::new();
    let error = loop {
        match Stream::connect(&address.into(), &options) {
            Ok(stream) => accepted.push(stream),
            Err(error) => break error,
        }
        assert!(accepted.len() < 16, "a backlog of 0 takes no end of connections");
    };

    assert_eq!(error, ConnectError::TimedOut { after: SHORT });
    assert!(error.is_timeout());
}

/// A listener at a path, with a backlog that is full, and the connections that fill it.
fn full_unix_listener(path: &PathBuf) -> (UnixListener, Vec<Stream>) {
    let listener = UnixListener::bind(path).unwrap();
    rustix::net::listen(&listener, 0).unwrap();
    let options = ConnectOptions { timeout: Duration::ZERO, ..options() };
    let mut filling = Vec::new();
    loop {
        match Stream::connect(&Address::Unix(path.clone()), &options) {
            Ok(stream) => filling.push(stream),
            Err(error) => {
                assert!(error.is_timeout(), "{error}");
                return (listener, filling);
            }
        }
    }
}

#[test]
fn a_unix_socket_connects_and_knows_its_path() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("ajp.sock");
    let listener = UnixListener::bind(&path).unwrap();

    let stream = Stream::connect(&Address::Unix(path.clone()), &options()).unwrap();
    let (mut peer, _) = listener.accept().unwrap();

    assert_ours(&stream);
    assert_eq!(stream.peer().to_string(), format!("unix:{}", path.display()));
    assert_eq!(stream.local_addr().unwrap(), None);
    peer.write_all(b"x").unwrap();
    assert!(stream.wait_readable(LONG).unwrap());
}

#[test]
fn a_unix_socket_that_is_not_there_or_not_listened_on_refuses() {
    let directory = tempfile::tempdir().unwrap();
    let missing = directory.path().join("missing.sock");
    let left_over = directory.path().join("left-over.sock");
    drop(UnixListener::bind(&left_over).unwrap());

    for (path, expected, text) in [
        (missing, ConnectError::NoFile, "no such file"),
        (left_over, ConnectError::Refused, "connection refused"),
    ] {
        let error = Stream::connect(&Address::Unix(path), &options()).unwrap_err();
        assert_eq!((error, &*error.to_string()), (expected, text));
        assert!(error.is_refused(), "no process listens there");
    }
}

#[test]
fn a_unix_path_too_long_for_the_system_is_an_error() {
    let path = PathBuf::from(format!("/{}", "x".repeat(200)));

    let error = Stream::connect(&Address::Unix(path), &options()).unwrap_err();

    assert_eq!(error, ConnectError::Io(Errno::NAMETOOLONG));
}

#[test]
fn a_full_unix_backlog_is_waited_for_no_longer_than_the_timeout() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("ajp.sock");
    let (_listener, _filling) = full_unix_listener(&path);

    let options = ConnectOptions { timeout: SHORT, ..options() };
    let error = Stream::connect(&Address::Unix(path), &options).unwrap_err();

    assert_eq!(error, ConnectError::TimedOut { after: SHORT });
}

#[test]
fn a_full_unix_backlog_with_room_in_time_connects() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("ajp.sock");
    let (listener, filling) = full_unix_listener(&path);

    thread::scope(|threads| {
        let late = threads.spawn(|| Stream::connect(&Address::Unix(path), &options()));
        for _ in &filling {
            listener.accept().unwrap();
        }
        let (_peer, _) = listener.accept().unwrap();
        let stream = late.join().unwrap().unwrap();
        assert_ours(&stream);
        assert_eq!(sockopt::socket_timeout(&stream, sockopt::Timeout::Send).unwrap(), None);
    });
}

#[test]
fn an_accepted_socket_becomes_a_stream_like_one_we_opened() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let opener = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    let (accepted, from) = listener.accept().unwrap();
    let accepted = OwnedFd::from(accepted);
    rustix::io::fcntl_setfd(&accepted, FdFlags::empty()).unwrap();

    let stream = Stream::from_fd(accepted).unwrap();

    assert_ours(&stream);
    assert!(sockopt::tcp_nodelay(&stream).unwrap());
    assert_eq!(stream.peer(), &Address::Inet(from));
    drop(opener);
}

#[test]
fn a_socket_that_is_not_connected_becomes_no_stream() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let file = tempfile::tempfile().unwrap();

    let not_connected = Stream::from_fd(OwnedFd::from(listener)).unwrap_err();
    let not_a_socket = Stream::from_fd(OwnedFd::from(file)).unwrap_err();

    assert_eq!(not_connected, NetError::Io(Errno::NOTCONN));
    assert_eq!(not_a_socket, NetError::Io(Errno::NOTSOCK));
}

// Without waiting.

#[test]
fn a_connect_that_is_not_waited_for_is_finished_once_the_socket_is_writable() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().into();

    let pending = PendingStream::start(&address, &options()).unwrap();

    assert!(wait_writable(&pending, LONG).unwrap());
    let stream = pending.finish().unwrap();
    let (mut peer, _) = listener.accept().unwrap();
    assert_eq!(stream.peer(), &address);
    peer.write_all(b"x").unwrap();
    assert!(stream.wait_readable(LONG).unwrap());
}

#[test]
fn a_refused_connect_is_an_error_when_it_is_finished() {
    let address = vacant_address(33).into();

    let refused = PendingStream::start(&address, &options()).and_then(|pending| {
        assert!(wait_writable(&pending, LONG).unwrap());
        pending.finish()
    });

    assert_eq!(refused.unwrap_err(), ConnectError::Refused);
}

#[test]
fn a_connect_without_waiting_to_a_unix_socket_that_is_not_there_is_an_error_at_once() {
    let nowhere = Address::Unix("/nowhere/ajp.sock".into());
    assert_eq!(PendingStream::start(&nowhere, &options()).unwrap_err(), ConnectError::NoFile);
}
