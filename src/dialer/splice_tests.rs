use std::io::{Read, Write};
use std::net::Shutdown;
use std::os::unix::net::UnixStream;

use super::*;

/// A splice, httpd's end of it and the container's.
fn splice(first: &[u8], now: Instant) -> (Splice, UnixStream, UnixStream) {
    let pair = || {
        let (ours, theirs) = UnixStream::pair().unwrap();
        ours.set_nonblocking(true).unwrap();
        theirs.set_nonblocking(true).unwrap();
        (OwnedFd::from(ours), theirs)
    };
    let ((front, httpd), (back, container)) = (pair(), pair());
    (Splice::new(front, back, first.to_vec(), now), httpd, container)
}

fn read(mut stream: &UnixStream) -> Vec<u8> {
    let mut bytes = Vec::new();
    // To the end, or to where nothing more is there.
    let _ = stream.read_to_end(&mut bytes);
    bytes
}

fn waits_for(splice: &Splice) -> Vec<PollFlags> {
    splice.interests().map(|(_, flags)| flags).collect()
}

#[test]
fn bytes_that_were_read_before_the_splice_come_first() {
    let now = Instant::now();
    let (mut splice, mut httpd, container) = splice(b"CPI", now);
    httpd.write_all(b"NG").unwrap();
    assert!(splice.pump(now));
    assert_eq!(read(&container), b"CPING");
}

#[test]
fn a_full_sink_is_waited_for_and_its_source_is_not_read() {
    let now = Instant::now();
    let (mut splice, mut httpd, container) = splice(b"", now);
    assert_eq!(waits_for(&splice), [PollFlags::IN, PollFlags::IN]);
    let (mut sent, mut received) = (0, 0);
    while !splice.up.wants_sink() {
        sent += httpd.write(&[7; 100_000]).unwrap_or(0);
        assert!(splice.pump(now));
    }
    assert_eq!(waits_for(&splice), [PollFlags::IN | PollFlags::OUT]);
    while received < sent {
        received += read(&container).len();
        assert!(splice.pump(now));
    }
    assert_eq!(waits_for(&splice), [PollFlags::IN, PollFlags::IN]);
}

#[test]
fn the_end_of_one_direction_is_passed_on_at_once_and_the_end_of_both_is_the_end() {
    let now = Instant::now();
    // As many rounds as one call makes, and then the end.
    for length in [0, 1, 32 * 1024, 4 * 32 * 1024] {
        let (mut splice, mut httpd, container) = splice(b"", now);
        httpd.write_all(&vec![7; length]).unwrap();
        httpd.shutdown(Shutdown::Write).unwrap();
        let mut received = 0;
        while !splice.up.is_closed() {
            assert!(splice.pump(now));
            received += read(&container).len();
            let waited = splice.up.wants_source() || splice.up.wants_sink();
            assert!(waited || splice.up.is_closed(), "somebody must ask for the rest");
        }
        assert_eq!(received, length);
        assert!(splice.pump(now), "the answer may come");
        drop(container);
        assert!(!splice.pump(now));
    }
}

#[test]
fn an_answer_reaches_httpd_although_the_container_closed_before_it_read_the_request() {
    let now = Instant::now();
    let (mut splice, mut httpd, mut container) = splice(b"request", now);
    container.write_all(b"answer").unwrap();
    drop(container);
    httpd.write_all(b"more of the request").unwrap();
    splice.pump(now);
    assert_eq!(read(&httpd), b"answer");
    splice.pump(now);
    assert_eq!(httpd.read(&mut [0]).unwrap(), 0, "and then the end");
}

#[test]
fn the_splice_ends_when_httpd_is_gone() {
    let now = Instant::now();
    let (mut splice, httpd, mut container) = splice(b"request", now);
    assert!(splice.pump(now));
    drop(httpd);
    container.write_all(b"answer").unwrap();
    while splice.pump(now) {}
    drop(splice);
    read(&container);
    assert!(container.write_all(b"x").is_err());
}

#[test]
fn httpd_may_keep_a_connection_for_30_seconds_that_the_container_has_closed() {
    let now = Instant::now();
    let (mut splice, _httpd, container) = splice(b"request", now);
    assert!(splice.pump(now));
    assert_eq!(splice.wake_at(), None, "a container may take its time");
    container.shutdown(Shutdown::Write).unwrap();
    assert!(splice.pump(now));
    assert!(splice.may_end());
    assert_eq!(splice.wake_at(), Some(now + HALF_CLOSED));
    assert!(splice.pump(now + HALF_CLOSED - Duration::from_millis(1)));
    assert!(!splice.pump(now + HALF_CLOSED));
}

#[test]
fn the_splice_is_idle_from_the_end_of_an_answer_to_the_next_request() {
    let now = Instant::now();
    let (mut splice, mut httpd, mut container) = splice(b"request", now);
    assert!(splice.pump(now) && !splice.is_idle());
    container.write_all(b"AB\0\x02\x05\x01").unwrap();
    assert!(splice.pump(now) && splice.is_idle());
    httpd.write_all(b"request").unwrap();
    assert!(splice.pump(now) && !splice.is_idle());
}
