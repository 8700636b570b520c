//! httpd between clients and backends, from its start to the look at what is left.

use std::net::{SocketAddr, SocketAddrV4};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use test_support::crash::stacks_of;
use test_support::httpd::{Httpd, Mpm, Setup};
use test_support::manager::NONCE;
use test_support::process::{DEADLINE, free_port, wait_for};
use test_support::random::Random;
use test_support::sockets::{self, State};
use test_support::status::{number, report, with_status};
use test_support::tls::Certificates;

use super::accounts::{self, Unended};
use super::answer::Ask;
use super::client::PlainClient;
use super::curl::{self, Protocol};
use super::disturbance::{Backends, Done, Kind, disturb};
use super::tally::{Outcomes, Tally};

/// `timeout` of the members.
pub const TIMEOUT: Duration = Duration::from_secs(3);

/// Clients over HTTP/1.1, over TLS, and over HTTP/2.
const PLAIN: usize = 18;
const TLS: usize = 6;
const HTTP_2: usize = 6;

/// Requests of one call of curl.
const AT_ONCE: usize = 6;

/// A run that has not begun.
#[derive(Debug)]
pub struct Scene {
    seed: u64,
    httpd: Httpd,
    backends: Backends,
    tls_port: u16,
    _certificates: Certificates,
}

impl Scene {
    /// Starts everything.
    pub fn start(mpm: Mpm, seed: u64) -> Self {
        let backends = Backends::start(seed);
        let certificates = Certificates::new();
        let tls_port = free_port();
        let mut random = Random::new(seed);
        let setup = setup(mpm, &backends, &mut random);
        let mut host = certificates.virtual_host(tls_port);
        host = host.replace(
            "SSLEngine On",
            "SSLEngine On\nProtocols h2 http/1.1\nProxyPass /app balancer://members/app",
        );
        let httpd = setup.conf(&host).start();
        Self { seed, httpd, backends, tls_port, _certificates: certificates }
    }

    /// Runs for this long, waits until nothing is in flight, and looks at what is left.
    pub fn run(&mut self, time: Duration) -> Tally {
        let (outcomes, over, quiet) =
            (Outcomes::default(), AtomicBool::new(false), AtomicBool::new(false));
        let next = AtomicU64::new(self.seed * 1_000_000_000 + 1);
        let before = memory(self.httpd.pid());
        // A restart begins the counters anew: without one, in every second run, they are compared with what clients see.
        let restarts = self.seed / 3 % 2 == 0;
        let Done { disturbances, unended } = thread::scope(|scope| {
            let clients = (0..PLAIN + TLS + HTTP_2).map(|number| {
                let (httpd, outcomes, next, over) = (&self.httpd, &outcomes, &next, &over);
                let (seed, tls_port) = (self.seed * 1000 + number as u64, self.tls_port);
                scope.spawn(move || {
                    let mut asks = Asks { random: Random::new(seed), next };
                    if number < PLAIN {
                        plain(httpd.address(), &mut asks, outcomes, over);
                    } else {
                        let protocol =
                            if number < PLAIN + TLS { Protocol::Tls } else { Protocol::Http2 };
                        by_curl(protocol, tls_port, &mut asks, outcomes, over);
                    }
                })
            });
            let clients: Vec<_> = clients.collect();
            let (httpd, backends, quiet) = (&self.httpd, &mut self.backends, &quiet);
            let seed = self.seed;
            let disturbing = scope.spawn(move || disturb(httpd, backends, seed, restarts, quiet));
            thread::sleep(time);
            over.store(true, Ordering::Relaxed);
            clients.into_iter().for_each(|client| client.join().expect("a client"));
            quiet.store(true, Ordering::Relaxed);
            disturbing.join().expect("the disturbances")
        });
        let mut tally = outcomes.tally();
        tally.explain(&self.backends.treatments, &disturbances, &self.httpd.access_log());
        for id in self.backends.treatments.twice() {
            tally.find(format!("POST {id} was executed twice"));
        }
        let growth = memory(self.httpd.pid()).saturating_sub(before);
        if growth > MOST_GROWTH {
            tally.find(format!("the parent has grown by {growth} kB"));
        }
        self.check_rest();
        let killed = disturbances.iter().filter(|one| one.kind == Kind::ChildKilled).count();
        self.compare_counters(&mut tally, &unended, (!restarts).then_some(killed));
        for child in self.children_that_stay() {
            let stacks = stacks_of(child);
            tally.find(format!("child {child} does not end after a graceful restart: {stacks}"));
        }
        tally
    }

    /// Compares the module's counters with each other and, if they have not begun anew at a restart, with what the
    /// clients have seen.
    ///
    /// `left`: what children that were killed have left in them; `killed`: their number, unless there were restarts.
    fn compare_counters(&self, tally: &mut Tally, left: &Unended, killed: Option<usize>) {
        let report = report(&self.httpd);
        let mut found = accounts::contradictions(&report, left);
        if let Some(killed) = killed {
            let (text, more) = accounts::compared(&report, &tally.seen(), killed);
            println!("{text}");
            found.extend(more);
        }
        found.into_iter().for_each(|finding| tally.find(finding));
    }

    /// Restarts httpd gracefully, and returns the children from before that have not ended after a minute: nothing
    /// is in flight any more.
    fn children_that_stay(&self) -> Vec<u32> {
        let before = self.httpd.children();
        self.httpd.graceful();
        let end = Instant::now() + DEADLINE;
        loop {
            let now = self.httpd.children();
            let left: Vec<_> = before.iter().copied().filter(|child| now.contains(child)).collect();
            if left.is_empty() || Instant::now() > end {
                return left;
            }
            thread::sleep(Duration::from_millis(100));
        }
    }

    /// Waits until nothing is held any more.
    fn check_rest(&self) {
        wait_for("nothing is in use, waits, or is busy", || {
            let report = report(&self.httpd);
            let sum = |list: &serde_json::Value, name: &str| -> usize {
                list.as_array().into_iter().flatten().map(|one| number(&one[name])).sum()
            };
            let pools = &report["pools"];
            let busy: usize = report["balancers"]
                .as_array()
                .into_iter()
                .flatten()
                .map(|balancer| {
                    sum(&balancer["members"], "busy") + sum(&balancer["members"], "parked")
                })
                .sum();
            (sum(pools, "in_use") + sum(pools, "waiting") + busy == 0).then_some(())
        });
        wait_for("no connection is left that its container has closed", || {
            let Backends { tomcat, addresses, .. } = &self.backends;
            let all = [tomcat.address(), tomcat.node2_address()].into_iter().chain(*addresses);
            let left = |address: SocketAddr| match address {
                SocketAddr::V4(v4) => {
                    sockets::count(State::CloseWait, SocketAddrV4::new(*v4.ip(), v4.port()))
                }
                SocketAddr::V6(_) => 0,
            };
            (all.map(left).sum::<usize>() == 0).then_some(())
        });
    }
}

/// The most by which the parent may grow in a run, kB.
const MOST_GROWTH: u64 = 32 * 1024;

/// The resident memory of a process, kB.
fn memory(pid: u32) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap_or_default();
    line.split_whitespace().next().and_then(|word| word.parse().ok()).unwrap_or(0)
}

/// Requests as the seed wants them, each with a number of its own.
struct Asks<'n> {
    random: Random,
    next: &'n AtomicU64,
}

impl Asks<'_> {
    fn next(&mut self, may_post: bool) -> Ask {
        let random = &mut self.random;
        let most = random.pick(&[100, 5_000, 5_000, 50_000, 400_000]);
        Ask {
            id: self.next.fetch_add(1, Ordering::Relaxed),
            size: 1 + random.below(most) as u64,
            is_post: may_post && random.once_in(3),
        }
    }
}

fn plain(address: SocketAddr, asks: &mut Asks<'_>, outcomes: &Outcomes, over: &AtomicBool) {
    let mut client = PlainClient::new(address);
    while !over.load(Ordering::Relaxed) {
        let (ask, from) = (asks.next(true), Instant::now());
        outcomes.add(&ask, client.ask(&ask, &mut asks.random), from);
    }
}

fn by_curl(
    protocol: Protocol,
    port: u16,
    asks: &mut Asks<'_>,
    outcomes: &Outcomes,
    over: &AtomicBool,
) {
    let folder = tempfile::tempdir().expect("a temporary directory");
    while !over.load(Ordering::Relaxed) {
        let batch: Vec<_> = (0..AT_ONCE).map(|_| asks.next(false)).collect();
        let from = Instant::now();
        let answers = curl::ask_all(protocol, port, &batch, folder.path());
        for (ask, outcome) in batch.iter().zip(answers) {
            outcomes.add(ask, outcome, from);
        }
    }
}

fn setup(mpm: Mpm, backends: &Backends, random: &mut Random) -> Setup {
    let (ahead, parks) = (random.once_in(2), mpm == Mpm::Event && random.once_in(2));
    let parking = if parks { "On" } else { "Off" };
    let mut parameters = format!("timeout={} retry=1", TIMEOUT.as_secs());
    if !ahead {
        parameters += " uploadahead=0";
    }
    let [p, q] = backends.addresses.map(|address| address.port());
    let [node1, node2] = [backends.tomcat.port, backends.tomcat.node2_port];
    let children = match mpm {
        Mpm::Prefork => "StartServers 40\nMaxRequestWorkers 60\nServerLimit 60",
        Mpm::Event | Mpm::Worker => {
            // Room for more children than run: at a graceful restart, event tells as many as there may be, and a child
            // that was killed after the one before may have been replaced by one too many.
            "StartServers 4\nServerLimit 8\nThreadsPerChild 16\nMaxRequestWorkers 128\nMinSpareThreads 48\n\
             H2MinWorkers 4\nH2MaxWorkers 16"
        }
    };
    let modules = ["socache_shmcb", "ssl", "http2"];
    let setup = Httpd::setup().mpm(mpm).modules(&modules).conf(children);
    with_status(setup).conf(&format!(
        "ProxyAjpParking {parking}
        <Proxy balancer://members>
            BalancerMember ajp://127.0.0.1:{node1} route=node1 {parameters}
            BalancerMember ajp://127.0.0.1:{node2} route=node2 {parameters} ping=1
            BalancerMember ajp://127.0.0.1:{p} route=p {parameters} ping=1
            BalancerMember ajp://127.0.0.1:{q} route=q {parameters}
            ProxySet nonce={NONCE}
        </Proxy>
        ProxyPass /node1 ajp://127.0.0.1:{node1}/app
        ProxyPass /node2 ajp://127.0.0.1:{node2}/app
        ProxyPass /app balancer://members/app"
    ))
}
