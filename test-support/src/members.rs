//! Scripted containers as members of a balancer, and what httpd's logs and pages say of them.

use std::collections::BTreeSet;
use std::io;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::Instant;

use super::ajp::echo::{respond, uris};
use super::ajp::request::forward_request;
use super::ajp::{ForwardRequest, PeerConnection, ScriptedPeer, cpong};
use super::http::{Client, Response};
use super::httpd::{Httpd, Mpm, Setup};
use super::process::{DEADLINE, wait_for};

/// Begins the configuration of an httpd with one child of 16 threads, and a log for [`notes`].
pub fn one_child() -> Setup {
    Httpd::setup().conf(ONE_CHILD).conf(NOTES)
}

/// Configuration lines for one child of 16 threads.
pub const ONE_CHILD: &str =
    "ThreadsPerChild 16\nMaxRequestWorkers 16\nStartServers 1\nServerLimit 1\nMaxSpareThreads 16";

/// Returns configuration lines for prefork with `count` children all the time.
pub fn children(count: usize) -> String {
    format!(
        "StartServers {count}\nMinSpareServers {count}\nMaxSpareServers {}\n\
         MaxRequestWorkers {count}",
        count + 1
    )
}

/// Begins the configuration of an httpd with two children, each with one connection at a time, and a log for
/// [`serving`].
pub fn two_children() -> Setup {
    prefork(2).conf("CustomLog children.log \"%P\"")
}

/// How many children have served requests so far.
pub fn serving(httpd: &Httpd) -> usize {
    httpd.whole_lines("children.log").into_iter().collect::<BTreeSet<_>>().len()
}

/// The configuration line of the log that [`notes`] reads.
pub const NOTES: &str = "CustomLog notes.log \"%U %s worker=%{ajp-worker}n route=%{ajp-route}n \
    attempts=%{ajp-attempts}n connection=%{ajp-connection}n wait-us=%{ajp-wait-us}n\"";

/// Returns the notes of the last request for `path`: `worker=… route=… attempts=…` and so on.
#[track_caller]
pub fn notes(httpd: &Httpd, path: &str) -> String {
    let start = format!("{path} ");
    wait_for("the request is in the log", || {
        httpd.whole_lines("notes.log").into_iter().rfind(|line| line.starts_with(&start))
    })
}

/// Starts a container that answers CPINGs, and calls `answer` for every request. If `answer` returns
/// `Ok(false)`, the connection is closed.
pub fn backend<A>(answer: A) -> ScriptedPeer
where
    A: Fn(&mut PeerConnection, &ForwardRequest) -> io::Result<bool> + Send + Sync + 'static,
{
    ScriptedPeer::start(move |conn| serve(conn, &answer))
}

/// Starts a container that answers CPINGs, and every request with this name.
pub fn named(name: &'static str) -> ScriptedPeer {
    backend(move |conn, _| respond(conn, name).map(|()| true))
}

/// Starts a container that answers CPINGs, and every request with this name and the URI.
pub fn named_with_uri(name: &'static str) -> ScriptedPeer {
    backend(move |conn, request| respond(conn, &format!("{name} {}", request.uri)).map(|()| true))
}

/// Starts a container that answers CPINGs, and every request with this name and `JK_LB_ACTIVATION`.
pub fn named_with_activation(name: &'static str) -> ScriptedPeer {
    backend(move |conn, request| {
        let activation = request.attribute("JK_LB_ACTIVATION").unwrap_or("none");
        respond(conn, &format!("{name} {activation}")).map(|()| true)
    })
}

/// Runs the script of [`backend`].
pub fn serve<A>(conn: &mut PeerConnection, answer: &A) -> io::Result<()>
where
    A: Fn(&mut PeerConnection, &ForwardRequest) -> io::Result<bool>,
{
    while let Some(payload) = conn.read_packet()? {
        if payload == [0x0A] {
            conn.send(cpong())?;
        } else if !answer(conn, &forward_request(&payload)?)? {
            break;
        }
    }
    Ok(())
}

/// Starts a container that holds requests for `…/held` until its gate opens, and answers all others.
pub fn holding() -> (ScriptedPeer, Gate) {
    let gate = Gate::default();
    (backend(held_by(gate.clone())), gate)
}

/// Returns the answers of [`holding`].
pub fn held_by(
    gate: Gate,
) -> impl Fn(&mut PeerConnection, &ForwardRequest) -> io::Result<bool> + Send + Sync + 'static {
    move |conn, request| {
        if request.uri.ends_with("/held") {
            gate.wait();
        }
        respond(conn, "held").map(|()| true)
    }
}

/// A gate that is closed first and stays open once it was opened. A wait ends after [`DEADLINE`] in any case.
#[derive(Clone, Debug, Default)]
pub struct Gate {
    open: Arc<(Mutex<bool>, Condvar)>,
}

impl Gate {
    /// Opens the gate, for all.
    pub fn open(&self) {
        *self.open.0.lock().unwrap_or_else(PoisonError::into_inner) = true;
        self.open.1.notify_all();
    }

    /// Waits until it is open.
    pub fn wait(&self) {
        let open = self.open.0.lock().unwrap_or_else(PoisonError::into_inner);
        let _ = self.open.1.wait_timeout_while(open, DEADLINE, |open| !*open);
    }
}

/// Sends `count` requests for `/app/held` at once, then opens the gate and reads the answers. As many
/// connections are idle after that.
#[track_caller]
pub fn burst(httpd: &Httpd, peer: &ScriptedPeer, gate: &Gate, count: usize) {
    let before = peer.requests();
    let clients = hold(httpd, count);
    peer.wait_for_requests(before + count);
    gate.open();
    for mut client in clients {
        client.response("GET").expect(200);
    }
}

/// Sends `count` requests for `/app/held` to the container that holds them, each once the one before is
/// there, and returns the clients.
///
/// Two children that count their requests on a member in the same instant may lose one of the two counts
/// in mod_proxy (`busy`): where a test reads that count, the requests come one after another.
pub fn hold_in_turn(httpd: &Httpd, peer: &ScriptedPeer, count: usize) -> Vec<Client> {
    let one = |_| {
        let before = peer.requests();
        let client = hold(httpd, 1);
        peer.wait_for_requests(before + 1);
        client
    };
    (0..count).flat_map(one).collect()
}

/// Sends `count` requests for `/app/held`, and returns the clients.
pub fn hold(httpd: &Httpd, count: usize) -> Vec<Client> {
    let ask = |_| {
        let mut client = httpd.client();
        client.send("GET /app/held HTTP/1.1\r\nHost: localhost\r\n\r\n");
        client
    };
    (0..count).map(ask).collect()
}

/// Runs `action`. Returns its value and the milliseconds it took: it cannot have waited longer than that.
pub fn timed<T>(action: impl FnOnce() -> T) -> (T, u128) {
    let start = Instant::now();
    let value = action();
    (value, start.elapsed().as_millis())
}

/// A balancer at `/app` with member `a`, and `b`, which is elected only where `a` cannot be.
#[derive(Debug)]
pub struct Pair {
    /// Route `a`.
    pub a: ScriptedPeer,
    /// Route `b`.
    pub b: ScriptedPeer,
    /// With the pages that [`is_in_error`] needs.
    pub httpd: Httpd,
}

impl Pair {
    /// `a` has these parameters; `b` answers every request with its URI.
    pub fn start(a: ScriptedPeer, parameters: &str) -> Pair {
        Pair::start_with(a, parameters, ScriptedPeer::start(uris), one_child())
    }

    /// As [`Pair::start`], with another `b` and another httpd.
    pub fn start_with(a: ScriptedPeer, parameters: &str, b: ScriptedPeer, setup: Setup) -> Pair {
        let members = [
            format!("ajp://127.0.0.1:{} route=a {parameters}", a.port()),
            format!("ajp://127.0.0.1:{} route=b lbset=1", b.port()),
        ];
        let httpd = balancer(setup, &members).start();
        Pair { a, b, httpd }
    }

    /// `GET target`, as a client whose session is at this member.
    pub fn get_at(&self, route: &str, target: &str) -> Response {
        self.httpd.request("GET", target, &format!("Cookie: JSESSIONID=x.{route}\r\n"))
    }

    /// Whether `a` is in error.
    pub fn a_is_in_error(&self) -> bool {
        is_in_error(&self.httpd, self.a.port())
    }

    /// The requests that `a` and `b` have read.
    pub fn requests(&self) -> (usize, usize) {
        (self.a.requests(), self.b.requests())
    }
}

/// Adds a balancer of these members at `/app`.
pub fn balancer(setup: Setup, members: &[String]) -> Setup {
    let lines: String = members.iter().map(|member| format!("BalancerMember {member}\n")).collect();
    setup
        .conf(&format!("<Proxy balancer://members>\n{lines}ProxySet stickysession=JSESSIONID"))
        .conf("</Proxy>\nProxyPass /app balancer://members/app")
        .conf("<Location /balancer-manager>\nSetHandler balancer-manager\n</Location>")
}

/// Whether the member at this port is in error.
#[track_caller]
pub fn is_in_error(httpd: &Httpd, port: u16) -> bool {
    // balancer-manager ignores parameters without its own address as Referer.
    let referer = format!("Referer: http://localhost:{}/balancer-manager\r\n", httpd.port());
    let report = httpd.request("GET", "/balancer-manager?xml=1", &referer).expect(200).text();
    let name = format!("<httpd:name>ajp://127.0.0.1:{port}</httpd:name>");
    let (_, member) = report.split_once(&name).unwrap_or_else(|| panic!("{name} in {report}"));
    let (_, status) = member.split_once("<httpd:status>").expect("each member has one");
    let (status, _) = status.split_once("</httpd:status>").expect("what begins ends");
    status.contains("Err")
}

/// Begins the configuration of a prefork httpd with this many children.
pub fn prefork(count: usize) -> Setup {
    Httpd::setup().mpm(Mpm::Prefork).conf(&children(count)).conf(NOTES)
}

/// Runs this many clients at once. Each requests `target` this many times over one connection, and is answered
/// each time. They all wait until each has its first answer: under prefork each has a child of its own.
pub fn crowd(httpd: &Httpd, clients: usize, requests: usize, target: &str) {
    let served = AtomicUsize::new(0);
    std::thread::scope(|scope| {
        for _ in 0..clients {
            scope.spawn(|| {
                let mut client = httpd.client();
                client.get(target).expect(200);
                served.fetch_add(1, Ordering::SeqCst);
                wait_for("every client has an answer", || {
                    (served.load(Ordering::SeqCst) == clients).then_some(())
                });
                for _ in 1..requests {
                    client.get(target).expect(200);
                }
            });
        }
    });
}

/// The configuration line of the log that [`waits`] reads.
pub const WAITS: &str = "CustomLog waits.log \"%P %s %{ajp-wait-us}n\"";

/// Returns how many children have served the last `count` requests of `seen + count`, and the longest of their
/// waits for a connection, in microseconds. All must have been answered.
#[track_caller]
pub fn waits(httpd: &Httpd, seen: usize, count: usize) -> (usize, u64) {
    let lines = wait_for("all is in the log", || {
        Some(httpd.whole_lines("waits.log")).filter(|lines| lines.len() >= seen + count)
    });
    let (mut children, mut longest) = (BTreeSet::new(), 0);
    for line in &lines[seen..] {
        let words: Vec<&str> = line.split(' ').collect();
        assert_eq!(words[1], "200", "{line}");
        children.insert(words[0]);
        longest = longest.max(words[2].parse::<u64>().expect(line));
    }
    (children.len(), longest)
}
