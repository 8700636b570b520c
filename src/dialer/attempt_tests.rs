use std::net::TcpListener;

use rustix::net::{bind, listen};

use super::*;
use crate::net::wait_writable;

/// Where time is no argument, only what hangs takes that long.
const TIMEOUT: Duration = Duration::from_secs(60);

fn attempt(target: &str, now: Instant) -> Attempt {
    Attempt::new(target.parse().unwrap(), TIMEOUT, now)
}

/// Steps until the attempt has ended; what it waits for comes by itself.
fn run(attempt: &mut Attempt, names: &mut Names) -> Step {
    loop {
        match attempt.step(names, Instant::now()) {
            Step::Waiting => match attempt.writable() {
                Some(socket) => drop(wait_writable(socket, TIMEOUT).unwrap()),
                None => {
                    crate::net::wait_readable(&*names, TIMEOUT).unwrap();
                    names.receive(Instant::now());
                }
            },
            ended => return ended,
        }
    }
}

#[test]
fn a_listener_is_connected_by_number_and_by_name() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let mut names = Names::new().unwrap();
    for host in ["127.0.0.1", "localhost"] {
        let mut attempt = attempt(&format!("{host}:{port}"), Instant::now());
        let Step::Connected(socket) = run(&mut attempt, &mut names) else { panic!("{attempt:?}") };
        assert!(sockopt::tcp_nodelay(&socket).unwrap());
        assert_eq!(sockopt::tcp_keepidle(&socket).unwrap(), KEEPALIVE_IDLE);
    }
}

#[test]
fn a_port_without_a_listener_is_refused() {
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let mut names = Names::new().unwrap();
    let ended = run(&mut attempt(&format!("127.0.0.1:{port}"), Instant::now()), &mut names);
    assert!(matches!(&ended, Step::Failed(why) if why.contains("refused")), "{ended:?}");
}

#[test]
fn an_address_that_does_not_answer_in_time_is_given_up() {
    let socket = new_socket(AddressFamily::INET).unwrap();
    bind(&socket, &SocketAddr::from(([127, 0, 0, 1], 0))).unwrap();
    listen(&socket, 0).unwrap();
    let address = SocketAddr::try_from(getsockname(&socket).unwrap()).unwrap();
    // The backlog takes one; the kernel drops what else asks to come in.
    let _fills: Vec<OwnedFd> = (0..4).map(|_| begin(address).unwrap()).collect();
    let (mut names, now) = (Names::new().unwrap(), Instant::now());
    let mut attempt = attempt(&address.to_string(), now);
    assert!(matches!(attempt.step(&mut names, now), Step::Waiting));
    assert_eq!(attempt.wake_at(), now + TIMEOUT);
    let ended = attempt.step(&mut names, now + TIMEOUT);
    assert!(matches!(&ended, Step::Failed(why) if why == "no answer within 60000 ms"), "{ended:?}");
}

#[test]
fn a_name_that_is_not_resolved_in_time_is_given_up() {
    let (mut names, now) = (Names::new().unwrap(), Instant::now());
    let mut attempt = attempt("localhost:1", now);
    // Its answer is not received here.
    assert!(matches!(attempt.step(&mut names, now), Step::Waiting));
    let ended = attempt.step(&mut names, now + TIMEOUT);
    assert!(matches!(&ended, Step::Failed(why) if why.contains("not resolved")), "{ended:?}");
}

#[test]
fn a_unix_socket_with_a_full_backlog_is_tried_again_until_the_time_is_up() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("socket");
    let listener = new_socket(AddressFamily::UNIX).unwrap();
    bind(&listener, &SocketAddrUnix::new(&path).unwrap()).unwrap();
    listen(&listener, 0).unwrap();
    let fills: Vec<OwnedFd> = std::iter::from_fn(|| unix(&path).ok()).collect();
    let (mut names, now) = (Names::new().unwrap(), Instant::now());
    let target = format!("unix:{}", path.display());
    let mut patient = attempt(&target, now);
    assert!(matches!(patient.step(&mut names, now), Step::Waiting));
    assert_eq!(patient.wake_at(), now + BACKLOG_FULL);
    assert!(matches!(patient.step(&mut names, now + TIMEOUT), Step::Failed(_)));

    let mut patient = attempt(&target, now);
    assert!(matches!(patient.step(&mut names, now), Step::Waiting));
    for _ in &fills {
        rustix::net::accept(&listener).unwrap();
    }
    assert!(matches!(patient.step(&mut names, now + BACKLOG_FULL), Step::Connected(_)));
}
