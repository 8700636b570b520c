//! Thousands of clients that leave while their requests wait: what they had is given back.

use std::fs;
use std::io::Read;
use std::net::{TcpListener, TcpStream};
use std::sync::mpsc::{Receiver, channel};
use std::thread;

use test_support::http::Client;
use test_support::httpd::Httpd;
use test_support::parking::{ask_all, two_threads, wait_for_parked, wait_for_rest};
use test_support::process::{DEADLINE, wait_for};

/// As many clients as the limit of descriptors lets: this process has two for each, a child of httpd four, and
/// other tests run beside this one.
fn crowd() -> usize {
    let limits = fs::read_to_string("/proc/self/limits").expect("Linux has it");
    let line = limits.lines().find(|line| line.starts_with("Max open files")).expect("a limit");
    let soft = line.split_whitespace().nth(3).and_then(|word| word.parse::<usize>().ok());
    soft.map_or(2000, |soft| (soft.saturating_sub(300) / 4).min(2000))
}

/// A container that takes connections and reads and answers nothing.
fn silent() -> (u16, Receiver<TcpStream>) {
    let listener = TcpListener::bind(("127.0.0.1", 0)).expect("a free port");
    rustix::net::listen(&listener, 4096).expect("it listens already");
    let port = listener.local_addr().expect("bound").port();
    let (sender, accepted) = channel();
    // It ends with the process.
    thread::spawn(move || listener.incoming().flatten().try_for_each(|one| sender.send(one)));
    (port, accepted)
}

/// How many files a process has open.
fn descriptors(pid: u32) -> usize {
    fs::read_dir(format!("/proc/{pid}/fd")).map_or(0, Iterator::count)
}

/// The memory of a process, in kB.
fn resident(pid: u32) -> usize {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).expect("it runs");
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).expect("Linux has it");
    line.split_whitespace().next().and_then(|word| word.parse().ok()).expect("a number")
}

fn child(httpd: &Httpd) -> u32 {
    let children = httpd.children();
    assert_eq!(children.len(), 1);
    children[0]
}

#[test]
fn thousands_of_clients_that_leave_five_times_while_their_requests_wait_leave_nothing_behind() {
    let (port, accepted) = silent();
    let httpd = two_threads()
        .conf("AsyncRequestWorkerFactor 10000\nListenBacklog 4096")
        .conf(&format!("ProxyPass /app ajp://127.0.0.1:{port}/app"))
        .start();
    let child = child(&httpd);
    wait_for_rest(&httpd);
    let before = descriptors(child);
    let count = crowd();
    let mut memory = Vec::new();
    for round in 0..5 {
        let clients = ask_all(&httpd, count);
        wait_for_parked(&httpd, count);
        assert!(descriptors(child) >= before + 2 * count);
        // Every second one resets its connection, the others close it.
        for (number, client) in clients.into_iter().enumerate() {
            if number % 2 == 0 { Client::reset(client) } else { drop(client) }
        }
        wait_for_rest(&httpd);
        wait_for("the descriptors are given back", || (descriptors(child) <= before).then_some(()));
        for _ in 0..count {
            let mut connection = accepted.recv_timeout(DEADLINE).expect("one for each request");
            connection.set_read_timeout(Some(DEADLINE)).expect("not zero");
            // It is closed: there is an end.
            connection
                .read_to_end(&mut Vec::new())
                .unwrap_or_else(|error| panic!("{round}: {error}"));
        }
        memory.push(resident(child));
    }
    assert_eq!(httpd.children(), [child]);
    let log = httpd.error_log();
    assert_eq!(log.matches("the client is gone").count(), 5 * count);
    // What the first round needed is used again by the others.
    let (first, last) = (memory[0], memory[4]);
    assert!(last < first + first / 4 + 4096, "{count} clients: {memory:?} kB");
}
