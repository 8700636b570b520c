//! An httpd with two threads, in which requests wait without one, and how many of them do.

use serde_json::Value;

use super::http::Client;
use super::httpd::{Httpd, Setup, release};
use super::process::{free_port, wait_for};
use super::status::{number, report_over, with_status};
use super::tls::Certificates;

/// Begins the configuration of an httpd with one child of so many threads, in which requests wait without a thread.
/// (With one, the MPM would not accept a second connection while the first one lasts.)
///
/// # Panics
/// Before httpd 2.4.63, in which no request can wait without a thread.
pub fn threads(count: usize) -> Setup {
    assert!(
        release() >= (2, 4, 63),
        "this tests parking, which needs httpd 2.4.63: {:?}",
        release()
    );
    with_status(Httpd::setup())
        .conf("ServerLimit 1\nStartServers 1\nMinSpareThreads 1")
        .conf(&format!(
            "ThreadsPerChild {count}\nMaxRequestWorkers {count}\nMaxSpareThreads {count}"
        ))
        .conf("AsyncRequestWorkerFactor 1000\nProxyAjpParking On")
        .conf(LOG)
}

/// The same with two threads.
pub fn two_threads() -> Setup {
    threads(2)
}

/// Starts the same with a port for TLS, which is returned too, in front of the container at this port.
pub fn two_threads_over_tls(container: u16, certificates: &Certificates) -> (Httpd, u16) {
    let port = free_port();
    let httpd = two_threads()
        .modules(&["socache_shmcb", "ssl"])
        .conf(&format!("ProxyPass /app ajp://127.0.0.1:{container}/app"))
        .conf(&certificates.virtual_host(port))
        .start();
    (httpd, port)
}

/// As [`two_threads`], with sixteen: idle connections of clients stay open. (The MPM closes them while no thread is
/// idle.)
pub fn sixteen_threads() -> Setup {
    threads(16)
}

/// The configuration line of the log that [`logged`] reads.
pub const LOG: &str = "CustomLog parked.log \"%U %s %D %B\"";

/// A request in the access log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Logged {
    /// The status.
    pub status: u16,
    /// From its first byte on to the end of its answer.
    pub microseconds: u64,
    /// The body of the answer.
    pub bytes: u64,
}

/// Returns what the log says of the one request for `path`, as soon as it is there.
///
/// # Panics
/// If there are several.
#[track_caller]
pub fn logged(httpd: &Httpd, path: &str) -> Logged {
    let lines = wait_for("the request is in the log", || {
        Some(all_logged(httpd, path)).filter(|lines| !lines.is_empty())
    });
    assert_eq!(lines.len(), 1, "{path}: {lines:?}");
    lines[0]
}

/// Returns what the log says so far of the requests for `path`.
pub fn all_logged(httpd: &Httpd, path: &str) -> Vec<Logged> {
    let lines = httpd.whole_lines("parked.log");
    let words = lines.iter().map(|line| line.split(' ').collect::<Vec<_>>());
    let wanted = words.filter(|words| words[0] == path);
    wanted
        .map(|words| Logged {
            status: words[1].parse().expect("%s"),
            microseconds: words[2].parse().expect("%D"),
            bytes: words[3].parse().expect("%B"),
        })
        .collect()
}

/// Sends `GET target`, and returns the client, which has no answer yet.
pub fn ask(httpd: &Httpd, target: &str) -> Client {
    let mut client = httpd.client();
    client.send(format!("GET {target} HTTP/1.1\r\nHost: localhost\r\n\r\n"));
    client
}

/// Sends `GET /app/0`, `/app/1` and so on, each over a connection of its own.
pub fn ask_all(httpd: &Httpd, count: usize) -> Vec<Client> {
    (0..count).map(|number| ask(httpd, &uri(number))).collect()
}

/// The target of this request of [`ask_all`].
pub fn uri(number: usize) -> String {
    format!("/app/{number}")
}

/// What of requests to containers goes on at the moment, over all members and pools.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Load {
    /// Requests that wait without a thread.
    pub parked: usize,
    /// Requests in flight, parked or not.
    pub busy: usize,
    /// Connections that a request has.
    pub in_use: usize,
    /// Requests that wait for a connection.
    pub waiting: usize,
}

impl Load {
    /// Returns it as ajp-status shows it.
    #[track_caller]
    pub fn of(httpd: &Httpd) -> Self {
        Self::over(&mut httpd.client())
    }

    /// As [`of`](Self::of), over this connection.
    #[track_caller]
    pub fn over(client: &mut Client) -> Self {
        let report = report_over(client);
        let list = |value: &Value| value.as_array().expect("a list").clone();
        let balancers = list(&report["balancers"]);
        let members = balancers.iter().flat_map(|balancer| list(&balancer["members"]));
        let members: Vec<Value> = members.chain(list(&report["workers"])).collect();
        let pools = list(&report["pools"]);
        let sum = |all: &[Value], name: &str| all.iter().map(|one| number(&one[name])).sum();
        Self {
            parked: sum(&members, "parked"),
            busy: sum(&members, "busy"),
            in_use: sum(&pools, "in_use"),
            waiting: sum(&pools, "waiting"),
        }
    }
}

/// Waits until this many requests wait without a thread. Meanwhile httpd has a thread for each of this function's
/// own requests.
#[track_caller]
pub fn wait_for_parked(httpd: &Httpd, count: usize) {
    wait_for_load(httpd, &format!("{count} requests are parked"), |load| load.parked == count);
}

/// Waits until no request is in flight, and no connection in use.
#[track_caller]
pub fn wait_for_rest(httpd: &Httpd) {
    wait_for_load(httpd, "nothing is in flight", |load| *load == Load::default());
}

#[track_caller]
fn wait_for_load(httpd: &Httpd, what: &str, is_so: impl Fn(&Load) -> bool) {
    wait_for(what, || is_so(&Load::of(httpd)).then_some(()));
}
