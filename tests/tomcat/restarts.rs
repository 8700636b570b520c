//! A Tomcat that is restarted ten times while 50 clients ask for pages.
//!
//! Pauses here are clients that think; no test synchronises with them.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread::{ScopedJoinHandle, scope, sleep};
use std::time::{Duration, Instant};

use test_support::httpd::{Httpd, Setup};
use test_support::members::{ONE_CHILD, balancer};
use test_support::process::wait_for;
use test_support::sockets;
use test_support::tomcat::Tomcat;

const RESTARTS: usize = 10;

/// The parameter with which a stopping Tomcat costs a balancer nothing. Requests whose connection it
/// closes, read or unread, go to the other member anyway; but it also answers: 503 while it pauses, and
/// 404 when its applications are gone.
const OUTLIVES_A_STOP: &str = "failstatus=503,-404";

/// A response has the name under which the error log mentions its request, if it does.
const NAMED_IN_THE_LOG: &str = "ErrorLogFormat \"%-L %M\"\n\
    Header always set Log-Id \"expr=%{REQUEST_LOG_ID}\"";

/// One request: its span of time, its status, whether that came with httpd's own page, and its name in
/// the error log.
#[derive(Debug)]
struct Seen {
    start: Instant,
    end: Instant,
    status: u16,
    is_page_of_httpd: bool,
    log_id: Option<String>,
}

/// Asks for pages until the end.
fn ask(httpd: &Httpd, end: &AtomicBool, answers: &AtomicUsize) -> Vec<Seen> {
    let mut seen = Vec::new();
    let mut client = httpd.client();
    while !end.load(Ordering::Relaxed) {
        let start = Instant::now();
        let answer = client.get(&format!("/app/echo?n={}", seen.len()));
        assert!(answer.complete, "{} was cut", answer.status);
        let log_id = answer.header("Log-Id").filter(|id| !id.is_empty()).map(str::to_owned);
        // Tomcat's title begins with "HTTP Status".
        let is_page_of_httpd = answer.text().contains(&format!("<title>{} ", answer.status));
        let (end, status) = (Instant::now(), answer.status);
        seen.push(Seen { start, end, status, is_page_of_httpd, log_id });
        answers.fetch_add(1, Ordering::Relaxed);
        if answer.header("Connection") == Some("close") {
            client = httpd.client();
        }
        sleep(Duration::from_millis(100));
    }
    seen
}

/// The times at which the port was found to be listening, until the end: start and end of each look.
fn watch(port: u16, end: &AtomicBool, seen: &AtomicUsize) -> Vec<(Instant, Instant)> {
    let mut sightings = Vec::new();
    while !end.load(Ordering::Relaxed) {
        let start = Instant::now();
        if sockets::is_listening(port) {
            sightings.push((start, Instant::now()));
            seen.fetch_add(1, Ordering::Relaxed);
        }
        sleep(Duration::from_millis(5));
    }
    sightings
}

/// One restart. Connections are refused only between the last time that the port was seen before the
/// process ended, and the first time after it: Tomcat listens before it can serve, and connections wait
/// until it does.
struct Restart {
    told_to_stop: Instant,
    last_listening: Instant,
    gone: Instant,
    listening_again: Instant,
}

impl Restart {
    fn new((told_to_stop, gone): (Instant, Instant), sightings: &[(Instant, Instant)]) -> Self {
        let next = sightings.partition_point(|(start, _)| *start < gone);
        Self {
            told_to_stop,
            last_listening: sightings[next - 1].0,
            gone,
            listening_again: sightings[next].1,
        }
    }
}

/// Why a plain worker's request, which is idempotent and so sent twice if necessary, may get no page.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Loss {
    /// 503: the connection was refused, at the first or the second attempt. Nothing listened.
    Refused,
    /// A new connection was closed without a byte on it. 502 if the request had been sent once before
    /// and now again; 503 if connecting or the CPING of `ping` found it out. A Tomcat that stops first
    /// ceases to accept and closes its connections, and only then its port: until then the kernel
    /// accepts connections for it, and finally resets them. The module cannot know whether Tomcat has
    /// read such a request. It makes two attempts only; a third would be reset or refused like the
    /// second.
    Dropped,
    /// 502: Tomcat ended between the headers of its response and the rest, which it sends separately.
    /// Nothing is resent to a backend whose response had begun; here it would not help.
    ClosedMidResponse,
    /// 503 or 404 from Tomcat itself, which ended the application while it had the request. The module
    /// passes its response on.
    AnsweredByTomcat,
}

impl Loss {
    /// Decides by the log line of the request; `None`: none of these.
    fn of(seen: &Seen, lines: &[&str]) -> Option<Self> {
        // httpd makes the id of a request of its first microsecond, the process, and the thread that logs: two
        // that begin at once and wait without a thread may have one id.
        let mut lines = lines.to_vec();
        lines.dedup();
        let again = |line: &&&str| line.ends_with("sending the request again on a new connection");
        let attempts_before = lines.iter().take_while(again).count();
        let verdict = match lines[attempts_before..] {
            [] if !seen.is_page_of_httpd && matches!(seen.status, 404 | 503) => {
                return Some(Self::AnsweredByTomcat);
            }
            [verdict] if verdict.ends_with(&format!("; answering {}", seen.status)) => verdict,
            _ => return None,
        };
        let says = |words| verdict.contains(words);
        let is_dropped = match seen.status {
            503 if says("failed: connection refused; ") => {
                return Some(Self::Refused);
            }
            503 => {
                says("no CPONG on a new connection: the backend closed the connection")
                    || says("no CPONG on a new connection: the peer has ")
                    || says("failed: Connection reset by peer")
            }
            502 if says("the backend closed the connection") && says("for the response body (") => {
                return Some(Self::ClosedMidResponse);
            }
            502 => {
                attempts_before == 1
                    && says("the backend closed the connection")
                    && says("(new connection, ")
                    && says(" 0 received)")
            }
            _ => false,
        };
        is_dropped.then_some(Self::Dropped)
    }

    /// Whether this can have happened to the request in this restart. A connection that is dropped was
    /// opened before Tomcat ended, and an answer was given before that.
    fn fits(self, seen: &Seen, restart: &Restart) -> bool {
        let (from, to) = match self {
            Self::Refused => (restart.last_listening, restart.listening_again),
            Self::Dropped | Self::ClosedMidResponse | Self::AnsweredByTomcat => {
                (restart.told_to_stop, restart.gone)
            }
        };
        seen.start < to && from < seen.end
    }
}

/// The lines of an error log, by the name of their request.
fn by_request(log: &str) -> HashMap<&str, Vec<&str>> {
    let mut lines: HashMap<_, Vec<_>> = HashMap::new();
    for (id, line) in log.lines().filter_map(|line| line.split_once(' ')) {
        lines.entry(id).or_default().push(line);
    }
    lines
}

fn fifty_threads() -> Setup {
    Httpd::setup().conf(&ONE_CHILD.replace("16", "64")).conf("ThreadLimit 64")
}

#[test]
fn ten_restarts_lose_only_requests_that_no_tomcat_could_have_served_and_a_balancer_of_two_loses_none()
 {
    let steady = Tomcat::shared();
    let mut restarted = Tomcat::start();
    let member = format!("ajp://127.0.0.1:{}", restarted.port);
    // Longer than any start takes: a CPING waits until Tomcat accepts.
    let [plain, pinging] = ["", "ping=60"].map(|ping| {
        let worker = format!("ProxyPass /app {member}/app {ping}");
        fifty_threads().conf(NAMED_IN_THE_LOG).conf(&worker).start()
    });
    let members = [
        format!("{member} route=node1 retry=1 {OUTLIVES_A_STOP}"),
        format!("ajp://127.0.0.1:{} route=node2", steady.node2_port),
    ];
    let balanced = balancer(fifty_threads(), &members).start();
    let (end, mut stops) = (AtomicBool::new(false), Vec::new());
    let counts = [(); 3].map(|()| AtomicUsize::new(0));

    let (of_plain, of_pinging, of_balanced, sightings) = scope(|scope| {
        let end = &end;
        let [to_it_alone, to_both, looks] = &counts;
        let clients = |httpd, count, answers| -> Vec<_> {
            (0..count).map(|_| scope.spawn(move || ask(httpd, end, answers))).collect()
        };
        let clients = [
            clients(&plain, 13, to_it_alone),
            clients(&pinging, 12, to_it_alone),
            clients(&balanced, 25, to_both),
        ];
        let port = restarted.port;
        let watch = scope.spawn(move || watch(port, end, looks));
        // It exists for a while, is seen to listen, and answers.
        let serves = || {
            let wanted = [(to_it_alone, 100), (to_both, 100), (looks, 10)]
                .map(|(count, more)| (count, count.load(Ordering::Relaxed) + more));
            sleep(Duration::from_millis(1500));
            wait_for("clients come, and it is seen to listen", || {
                let is_enough = |(count, wanted): &(&AtomicUsize, usize)| {
                    count.load(Ordering::Relaxed) >= *wanted
                };
                wanted.iter().all(is_enough).then_some(())
            });
        };
        serves();
        for _ in 0..RESTARTS {
            let start = Instant::now();
            restarted.stop();
            stops.push((start, Instant::now()));
            restarted.start_again();
            serves();
        }
        end.store(true, Ordering::Relaxed);
        let all = |clients: Vec<ScopedJoinHandle<'_, Vec<Seen>>>| -> Vec<Seen> {
            clients.into_iter().flat_map(|client| client.join().expect("a client")).collect()
        };
        let [plain, pinging, balanced] = clients.map(all);
        (plain, pinging, balanced, watch.join().expect("a look at the port"))
    });

    assert!(of_plain.len() + of_pinging.len() > 1000 && of_balanced.len() > 1000, "some to lose");
    let lost: Vec<_> = of_balanced.iter().filter(|seen| seen.status != 200).collect();
    assert!(lost.is_empty(), "a balancer of two lost {lost:?}");
    let restarts: Vec<_> = stops.into_iter().map(|stop| Restart::new(stop, &sightings)).collect();
    for (httpd, seen) in [(&plain, &of_plain), (&pinging, &of_pinging)] {
        let log = httpd.error_log();
        let log = by_request(&log);
        let mut losses: HashMap<_, usize> = HashMap::new();
        for seen in seen.iter().filter(|seen| seen.status != 200) {
            let id = seen.log_id.as_deref();
            let lines = id.and_then(|id| log.get(id)).map_or(&[][..], Vec::as_slice);
            let loss = Loss::of(seen, lines)
                .unwrap_or_else(|| panic!("a loss of no known kind: {seen:?}: {lines:?}"));
            let is_explained = restarts.iter().any(|restart| loss.fits(seen, restart));
            assert!(is_explained, "{loss:?} while Tomcat was there: {seen:?}: {lines:?}");
            *losses.entry(loss).or_default() += 1;
        }
        assert!(losses.contains_key(&Loss::Refused), "nobody came in vain: {losses:?}");
        println!("of {} requests: {losses:?}", seen.len());
    }
}
