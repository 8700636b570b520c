use std::io::{Read, Write};
use std::net::Shutdown;
use std::thread;
use std::time::Instant;

use rustix::net::sockopt;

use super::*;

#[test]
fn a_quiet_connection_differs_from_one_with_bytes_and_from_a_closed_one() {
    let (mut stream, mut peer) = tcp_pair();

    assert_eq!(stream.idle_state(), IdleState::Quiet);
    peer.write_all(b"x").unwrap();
    assert!(stream.wait_readable(LONG).unwrap());
    assert_eq!(stream.idle_state(), IdleState::Unread);
    assert_eq!(stream.idle_state(), IdleState::Unread, "peeking takes nothing");

    let mut buffer = Vec::new();
    stream.receive(&mut buffer, LONG).unwrap();
    drop(peer);
    assert!(stream.wait_readable(LONG).unwrap());
    assert_eq!(stream.idle_state(), IdleState::Closed);
}

#[test]
fn a_reset_connection_is_broken() {
    let (stream, peer) = reset_pair();

    drop(peer);

    assert!(stream.wait_readable(LONG).unwrap());
    assert_eq!(stream.idle_state(), IdleState::Broken(Errno::CONNRESET));
}

#[test]
fn a_reset_is_told_from_an_end_and_still_after_it_has_been_read() {
    let (ended, peer) = tcp_pair();
    assert!(!is_reset(&ended));
    peer.shutdown(Shutdown::Write).unwrap();
    assert!(ended.wait_readable(LONG).unwrap());
    assert!(!is_reset(&ended));

    let (reset, peer) = reset_pair();
    drop(peer);
    assert!(reset.wait_readable(LONG).unwrap());
    assert!(is_reset(&reset));
    assert_eq!(reset.idle_state(), IdleState::Broken(Errno::CONNRESET));
    assert!(is_reset(&reset));
}

#[test]
fn of_many_connections_those_are_quiet_on_which_there_is_nothing_to_read() {
    let (quiet, _peer) = tcp_pair();
    let (chatty, mut talker) = tcp_pair();
    let (closed, gone) = unix_pair();
    let (half_closed, silent) = tcp_pair();
    let (reset, resetting) = reset_pair();
    talker.write_all(b"x").unwrap();
    silent.shutdown(Shutdown::Write).unwrap();
    drop((gone, resetting));
    let streams = [&quiet, &chatty, &closed, &half_closed, &reset];
    for stream in &streams[1..] {
        assert!(stream.wait_readable(LONG).unwrap());
    }

    assert_eq!(are_quiet(&streams), [true, false, false, false, false]);

    assert_eq!(are_quiet::<&Stream>(&[]), [false; 0]);
}

/// A pair whose peer, dropped, resets the connection: it has bytes it never read (RFC 2525 2.17).
fn reset_pair() -> (Stream, TcpStream) {
    let (stream, peer) = tcp_pair();
    stream.send_all(&[b"unread"], LONG).unwrap();
    peer.peek(&mut [0]).unwrap();
    (stream, peer)
}

#[test]
fn slices_arrive_as_one_message_in_order() {
    let (stream, mut peer) = unix_pair();

    stream.send_all(&[b"", b"\x12\x34", b"", b"\x00\x01", b"\x0a", b""], LONG).unwrap();
    stream.send_all(&[], LONG).unwrap();
    stream.send_all(&[b""], LONG).unwrap();
    drop(stream);

    let mut seen = Vec::new();
    peer.read_to_end(&mut seen).unwrap();
    assert_eq!(seen, b"\x12\x34\x00\x01\x0a");
}

#[test]
fn more_slices_than_one_call_gathers_arrive_too() {
    let (stream, mut peer) = unix_pair();
    let bytes: Vec<u8> = (0..9_000_usize).map(|index| (index % 251) as u8).collect();
    for length in [8, 4] {
        let slices: Vec<&[u8]> = bytes.chunks(length).collect();
        assert!(slices.len() > 1024);

        stream.send_all(&slices, LONG).unwrap();

        let mut seen = vec![0; bytes.len()];
        peer.read_exact(&mut seen).unwrap();
        assert_eq!(seen, bytes);
    }
}

#[test]
fn eight_mebibytes_reach_a_slow_reader() {
    let (stream, mut peer) = tcp_pair();
    sockopt::set_socket_send_buffer_size(&stream, 256 << 10).unwrap();
    let bytes: Vec<u8> = (0..8_usize << 20).map(|index| (index % 251) as u8).collect();
    let (head, tail) = bytes.split_at(1_000_003);

    thread::scope(|threads| {
        let reader = threads.spawn(move || {
            let (mut seen, mut piece) = (Vec::new(), [0; 7_001]);
            loop {
                match peer.read(&mut piece).unwrap() {
                    0 => return seen,
                    count => seen.extend_from_slice(&piece[..count]),
                }
                thread::yield_now();
            }
        });
        stream.send_all(&[head, tail], LONG).unwrap();
        drop(stream);
        assert!(reader.join().unwrap() == bytes, "all of it, in order");
    });
}

#[test]
fn a_send_that_times_out_reports_how_much_was_sent() {
    let (stream, mut peer) = unix_pair();
    let bytes = vec![7; 4 << 20];

    let error = stream.send_all(&[&bytes[..10], &bytes[10..]], SHORT).unwrap_err();

    assert_eq!(error.source, NetError::TimedOut { after: SHORT });
    assert!(error.written > 0 && error.written < bytes.len());
    drop(stream);
    let mut seen = Vec::new();
    peer.read_to_end(&mut seen).unwrap();
    assert_eq!(seen.len(), error.written);
}

#[test]
fn a_send_that_does_not_wait_sends_what_fits() {
    let (stream, mut peer) = unix_pair();
    let bytes = vec![7; 4 << 20];

    let sent = send_now(&stream, &[&bytes[..10], &bytes[10..]]).unwrap();

    assert!(sent > 0 && sent < bytes.len());
    while send_now(&stream, &[&bytes]).unwrap() > 0 {}
    assert!(wait_for_room(&stream, true, SHORT).unwrap().is_nothing());
    peer.write_all(b"enough").unwrap();
    let ready = wait_for_room(&stream, true, LONG).unwrap();
    assert_eq!(ready, Ready { readable: true, writable: false });
    assert!(wait_for_room(&stream, false, SHORT).unwrap().is_nothing(), "it does not listen");
}

#[test]
fn a_peer_that_is_gone_ends_the_wait_for_room() {
    let (stream, peer) = unix_pair();
    while send_now(&stream, &[&[7; 4096]]).unwrap() > 0 {}
    drop(peer);

    assert!(wait_for_room(&stream, false, LONG).unwrap().writable);
    assert!(send_now(&stream, &[b"anyone?"]).unwrap_err().is_peer_closed());
}

#[test]
fn a_send_to_a_peer_that_is_gone_is_an_error_and_no_signal() {
    // Rust's test runner ignores SIGPIPE; MSG_NOSIGNAL is what saves a process that does not.
    let (stream, peer) = unix_pair();
    drop(peer);

    let error = stream.send_all(&[b"anyone?"], LONG).unwrap_err();

    assert_eq!(error, SendError { written: 0, source: NetError::Closed });
    assert!(error.source.is_peer_closed() && !error.source.is_timeout());
}

#[test]
fn a_reset_is_reported_by_send_and_receive() {
    let (sender, peer) = reset_pair();
    drop(peer);
    assert!(sender.wait_readable(LONG).unwrap());
    assert_eq!(sender.send_all(&[b"x"], LONG).unwrap_err().source, NetError::Reset);

    let (mut receiver, peer) = reset_pair();
    drop(peer);
    let error = receiver.receive(&mut Vec::new(), LONG).unwrap_err();
    assert_eq!(error, NetError::Reset);
    assert!(error.is_peer_closed());
}

#[test]
fn a_receive_appends_the_bytes_that_are_there() {
    let (mut stream, mut peer) = unix_pair();
    let mut buffer = b"AB".to_vec();
    buffer.reserve(64);
    peer.write_all(b"\x00\x02\x05\x01").unwrap();

    let received = stream.receive(&mut buffer, LONG).unwrap();

    assert_eq!(received, Received::Bytes(4));
    assert_eq!(buffer, b"AB\x00\x02\x05\x01");
}

#[test]
fn a_receive_reads_no_more_than_there_is_room_for() {
    let (mut stream, mut peer) = unix_pair();
    let mut buffer = Vec::with_capacity(3);
    let room = buffer.capacity();
    peer.write_all(&[1; 100]).unwrap();

    assert_eq!(stream.receive(&mut buffer, LONG).unwrap(), Received::Bytes(room));

    assert_eq!((buffer.len(), buffer.capacity()), (room, room));
}

#[test]
fn a_full_buffer_is_not_taken_for_the_end_of_the_stream() {
    let (mut stream, mut peer) = unix_pair();
    let mut full = vec![1, 2, 3].into_boxed_slice().into_vec();
    peer.write_all(b"x").unwrap();

    assert_eq!(stream.receive(&mut full, LONG).unwrap(), Received::Bytes(1));

    assert_eq!(full, [1, 2, 3, b'x']);
}

#[test]
fn the_end_of_the_stream_comes_after_the_bytes_before_it() {
    let (mut stream, mut peer) = tcp_pair();
    peer.write_all(b"x").unwrap();
    peer.shutdown(Shutdown::Write).unwrap();
    let mut buffer = Vec::new();

    assert_eq!(stream.receive(&mut buffer, LONG).unwrap(), Received::Bytes(1));
    assert_eq!(stream.receive(&mut buffer, LONG).unwrap(), Received::End);

    // A peer that has only stopped sending still reads.
    stream.send_all(&[b"y"], LONG).unwrap();
}

#[test]
fn a_receive_without_waiting_reports_that_there_is_nothing() {
    let (stream, mut peer) = unix_pair();
    let mut buffer = Vec::new();

    assert_eq!(stream.receive_now(&mut buffer).unwrap(), None);
    peer.write_all(b"x").unwrap();
    assert_eq!(stream.receive_now(&mut buffer).unwrap(), Some(Received::Bytes(1)));
    drop(peer);
    assert_eq!(stream.receive_now(&mut buffer).unwrap(), Some(Received::End));
}

#[test]
fn a_receive_from_a_silent_peer_times_out() {
    let (mut stream, _peer) = unix_pair();
    let mut buffer = Vec::new();

    let error = stream.receive(&mut buffer, SHORT).unwrap_err();

    assert_eq!(error, NetError::TimedOut { after: SHORT });
    assert!(error.is_timeout() && buffer.is_empty());
    assert!(!stream.wait_readable(Duration::ZERO).unwrap());
}

#[test]
fn each_receive_has_its_own_timeout() {
    let (mut stream, mut peer) = tcp_pair();
    let mut buffer = Vec::new();

    for wait in [SHORT, SHORT * 3, SHORT, Duration::from_nanos(1), Duration::ZERO] {
        let start = Instant::now();
        let error = stream.receive(&mut buffer, wait).unwrap_err();
        assert_eq!(error, NetError::TimedOut { after: wait });
        assert!(start.elapsed() >= wait, "{wait:?}: {:?}", start.elapsed());
    }

    thread::scope(|threads| {
        threads.spawn(|| {
            thread::sleep(SHORT * 4);
            peer.write_all(b"x").unwrap();
        });
        assert_eq!(stream.receive(&mut buffer, Duration::MAX).unwrap(), Received::Bytes(1));
    });
}

#[test]
fn a_peer_that_answers_in_time_ends_an_endless_wait() {
    let (mut stream, mut peer) = unix_pair();

    thread::scope(|threads| {
        let waiting = threads.spawn(|| {
            let mut buffer = Vec::new();
            stream.receive(&mut buffer, Duration::MAX).unwrap()
        });
        peer.write_all(b"x").unwrap();
        assert_eq!(waiting.join().unwrap(), Received::Bytes(1));
    });
}

#[test]
fn time_limits_hold_on_a_blocking_descriptor_of_someone_else() {
    let (theirs, mut peer) = UnixStream::pair().unwrap();
    let mut buffer = Vec::new();

    assert_eq!(idle_state(&theirs), IdleState::Quiet);
    assert_eq!(receive_now(&theirs, &mut buffer).unwrap(), None);
    assert!(receive(&theirs, &mut buffer, SHORT).unwrap_err().is_timeout());
    assert!(!wait_readable(&theirs, Duration::ZERO).unwrap());
    let stuck = send_all(&theirs, &[&vec![0; 4 << 20]], SHORT).unwrap_err();
    assert!(stuck.source.is_timeout());

    peer.write_all(b"x").unwrap();
    assert_eq!(receive(&theirs, &mut buffer, LONG).unwrap(), Received::Bytes(1));
}
