//! Decides which port of httpd is connected to next, and when; counts all connections. Uses neither a
//! socket nor the clock.
//!
//! Each port has `spare` spare connections. A port that refuses, does not answer, or closes a
//! connection before it was used is suspect: it is tried again after pauses that grow, with one
//! connection on trial. It is good again when a request has been served, or when a connection has
//! stayed open for [`REJECTED`]. It is called available when httpd has used a connection, or when one
//! has stayed open for [`SETTLED`] after its handshake, and not before. The connector for Tomcat does
//! the same (`Ports.java`).

use std::fmt;
use std::time::{Duration, Instant};

use super::settings::{HttpdPorts, Settings};

/// A connection that httpd closes within this time, without having used it, was refused.
pub(super) const REJECTED: Duration = Duration::from_secs(1);

/// A connection that httpd closes within this time after the handshake was refused. httpd gives a
/// handshake as long, and its housekeeper may take a second to read the proof.
pub(super) const SETTLED: Duration = Duration::from_secs(5);

/// The index of a port in the list.
pub(super) type PortId = usize;

/// The use of one established connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Use {
    /// Nothing was ever received: httpd may not even have accepted it.
    Fresh,
    /// Between requests, or after the handshake.
    Idle,
    /// Serving a request, or in the handshake.
    Busy,
}

/// The entry of one established connection.
#[derive(Debug)]
pub(super) struct Link {
    port: PortId,
    usage: Use,
    /// A request, or CPING, has come over it.
    used: bool,
    /// This side has given its proof.
    proved: bool,
    /// When it was opened, or its handshake ended.
    since: Instant,
}

impl Link {
    pub(super) fn usage(&self) -> Use {
        self.usage
    }
}

/// A change of a port, to be logged.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum PortChange {
    Suspect { port: String, why: String, longest: Duration },
    StillSuspect { port: String, why: String },
    Waiting { port: String },
    Available { port: String },
    WrongKey { port: String, why: String },
    KnowsKey { port: String },
}

impl PortChange {
    /// Whether it is logged with `--verbose` only.
    pub(super) fn is_detail(&self) -> bool {
        matches!(self, PortChange::StillSuspect { .. })
    }
}

impl fmt::Display for PortChange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            PortChange::Suspect { port, why, longest } => write!(
                f,
                "httpd {port} is not available ({why}); retrying at intervals of up to {} ms",
                longest.as_millis()
            ),
            PortChange::StillSuspect { port, why } => {
                write!(f, "httpd {port} is still not available ({why})")
            }
            PortChange::Waiting { port } => {
                write!(f, "httpd {port}: connected, waiting for httpd")
            }
            PortChange::Available { port } => write!(f, "httpd {port} is available"),
            PortChange::WrongKey { port, why } => {
                write!(
                    f,
                    "httpd {port}: {why}; no requests are accepted from it until a handshake succeeds"
                )
            }
            PortChange::KnowsKey { port } => {
                write!(f, "httpd {port}: the handshake succeeds again")
            }
        }
    }
}

/// All ports, and the number of their connections.
#[derive(Debug)]
pub(super) struct Ports {
    ports: Vec<Port>,
    spare: usize,
    backoff_min: Duration,
    backoff_max: Duration,
    /// Whether there is a key, and the name of this side.
    is_keyed: bool,
    node: String,
    /// A random number of milliseconds from 0 to this one.
    jitter: fn(u64) -> u64,
    changes: Vec<PortChange>,
}

#[derive(Debug)]
struct Port {
    host: String,
    number: u16,
    name: String,
    /// Several processes accept here: the others cannot use a connection that one of them has.
    shared: bool,

    /// Connections; `pending` ones are not established yet.
    pending: usize,
    fresh: usize,
    idle: usize,
    busy: usize,

    suspect: Option<Suspect>,
    dialled_at: Option<Instant>,
    /// When the connection was opened that shows, by staying open, that the port accepts.
    on_trial: Option<Instant>,
    /// When the handshake ended on a connection that shows, by staying open, that httpd uses the port.
    proved_at: Option<Instant>,
    /// The last handshake failed. Then only the next handshake proves the port good; staying open does
    /// not.
    wrong_key: bool,
    /// When httpd first closed a connection that had waited unused for a while, as it does once at its
    /// end. One that was opened later shall not end like that.
    closed_unused_at: Option<Instant>,
    said: Said,
}

/// The last line that was logged for a port.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Said {
    Nothing,
    Waiting,
    Available,
    Unreachable,
    /// It closes connections, or fails the handshake, for this reason.
    Faulty(String),
}

#[derive(Clone, Copy, Debug)]
struct Suspect {
    /// The pause after the last failure.
    delay: Duration,
    retry_at: Instant,
}

impl Port {
    fn new(ports: &HttpdPorts, number: u16, shared: bool) -> Port {
        let name = HttpdPorts { host: ports.host.clone(), first: number, last: number }.to_string();
        Port {
            host: ports.host.clone(),
            number,
            name,
            shared,
            pending: 0,
            fresh: 0,
            idle: 0,
            busy: 0,
            suspect: None,
            dialled_at: None,
            on_trial: None,
            proved_at: None,
            wrong_key: false,
            closed_unused_at: None,
            said: Said::Nothing,
        }
    }

    fn spare(&self) -> usize {
        self.pending + self.fresh + if self.shared { 0 } else { self.idle }
    }

    fn open(&self) -> usize {
        self.pending + self.fresh + self.idle + self.busy
    }

    fn count(&mut self, usage: Use) -> &mut usize {
        match usage {
            Use::Fresh => &mut self.fresh,
            Use::Idle => &mut self.idle,
            Use::Busy => &mut self.busy,
        }
    }

    /// When the connection on trial will have stayed open long enough.
    fn lasts_at(&self) -> Option<Instant> {
        let since = self.on_trial?;
        (!self.wrong_key).then(|| since + REJECTED)
    }

    /// When a handshake will have been followed by nothing for long enough.
    fn settles_at(&self) -> Option<Instant> {
        self.proved_at.map(|at| at + SETTLED)
    }

    fn wants(&self, spare: usize, now: Instant) -> bool {
        match self.suspect {
            Some(suspect) => self.spare() < 1 && now >= suspect.retry_at,
            None => self.spare() < spare,
        }
    }
}

impl Ports {
    /// Creates the ports. `jitter` returns a random number from 0 to its argument.
    pub(super) fn new(settings: &Settings, jitter: fn(u64) -> u64) -> Ports {
        let ports = settings.httpd.iter().flat_map(|range| {
            let shared = settings.shared_ports.unwrap_or(range.first == range.last);
            (range.first..=range.last).map(move |number| Port::new(range, number, shared))
        });
        Ports {
            ports: ports.collect(),
            spare: settings.spare,
            backoff_min: settings.backoff_min,
            backoff_max: settings.backoff_max,
            is_keyed: settings.key.is_some(),
            node: String::from_utf8_lossy(&settings.node).into_owned(),
            jitter,
            changes: Vec::new(),
        }
    }

    /// The number of ports.
    pub(super) fn len(&self) -> usize {
        self.ports.len()
    }

    /// The host and number of a port.
    pub(super) fn address(&self, port: PortId) -> (&str, u16) {
        (&self.ports[port].host, self.ports[port].number)
    }

    /// The port's name for the log.
    pub(super) fn name(&self, port: PortId) -> &str {
        &self.ports[port].name
    }

    /// Returns what has changed since the last call.
    pub(super) fn take_changes(&mut self) -> Vec<PortChange> {
        std::mem::take(&mut self.changes)
    }

    /// Takes the port that most needs a connection: the one with the fewest spare connections, then with
    /// the fewest connections, which spreads them. [`Ports::opened`], [`Ports::failed`] or
    /// [`Ports::given_up`] must follow.
    ///
    /// Returns `None` if no port needs one now.
    pub(super) fn take(&mut self, now: Instant) -> Option<PortId> {
        for id in 0..self.ports.len() {
            if self.ports[id].settles_at().is_some_and(|at| now >= at) {
                self.mark_available(id);
            } else if self.ports[id].lasts_at().is_some_and(|at| now >= at) {
                self.mark_connected(id);
            }
        }
        let in_need = self.ports.iter().enumerate().filter(|(_, p)| p.wants(self.spare, now));
        let (id, _) = in_need.min_by_key(|(_, port)| (port.spare(), port.open()))?;
        let port = &mut self.ports[id];
        port.pending += 1;
        port.dialled_at = Some(now);
        if let Some(suspect) = &mut port.suspect {
            // Its connection on trial is busy as soon as it receives anything; that must not open a second.
            suspect.retry_at = now + suspect.delay;
        }
        Some(id)
    }

    /// When [`Ports::take`] is to be called again if nothing else happens; `None`: never.
    pub(super) fn next_look(&self) -> Option<Instant> {
        // When a spare connection ends, it is called anyway.
        let without = self.ports.iter().filter(|port| port.spare() < 1);
        let retries = without.filter_map(|port| Some(port.suspect?.retry_at));
        let proofs = self.ports.iter().flat_map(|port| [port.lasts_at(), port.settles_at()]);
        retries.chain(proofs.flatten()).min()
    }

    /// Records that a connection is established.
    pub(super) fn opened(&mut self, id: PortId, now: Instant) -> Link {
        let port = &mut self.ports[id];
        port.pending -= 1;
        port.fresh += 1;
        if port.suspect.is_some() || port.said == Said::Nothing && port.on_trial.is_none() {
            port.on_trial = Some(now);
        }
        Link { port: id, usage: Use::Fresh, used: false, proved: false, since: now }
    }

    /// Records that connecting failed.
    pub(super) fn failed(&mut self, id: PortId, why: String, now: Instant) {
        let port = &mut self.ports[id];
        port.pending -= 1;
        let is_new = !matches!(port.said, Said::Unreachable | Said::Faulty(_));
        if is_new {
            port.said = Said::Unreachable;
        }
        self.suspect(id, why, is_new, now);
    }

    /// Records that this side stopped the attempt.
    pub(super) fn given_up(&mut self, id: PortId) {
        self.ports[id].pending -= 1;
    }

    /// Records that part of the challenge, or more of a request, has been received.
    pub(super) fn busy(&mut self, link: &mut Link) {
        self.set_use(link, Use::Busy);
    }

    /// Records that the first bytes of a request have been received.
    pub(super) fn requested(&mut self, link: &mut Link) {
        link.used = true;
        self.set_use(link, Use::Busy);
    }

    /// Records that a request was answered and the next may come.
    pub(super) fn idle(&mut self, link: &mut Link) {
        link.used = true;
        if !self.ports[link.port].wrong_key {
            self.mark_available(link.port);
        }
        self.set_use(link, Use::Idle);
    }

    /// Records that the handshake has succeeded. httpd may still not use the connection.
    pub(super) fn accepted(&mut self, link: &mut Link, now: Instant) {
        (link.since, link.proved) = (now, true);
        self.set_use(link, Use::Idle);
        let port = &mut self.ports[link.port];
        port.proved_at.get_or_insert(now);
        if port.wrong_key {
            port.wrong_key = false;
            port.on_trial = Some(now);
            self.changes.push(PortChange::KnowsKey { port: port.name.clone() });
        }
    }

    /// Records that this side closes the connection because of what httpd sent in the handshake.
    pub(super) fn refused(&mut self, link: Link, why: String, now: Instant) {
        let id = link.port;
        let port = &mut self.ports[id];
        *port.count(link.usage) -= 1;
        if !port.wrong_key {
            let name = port.name.clone();
            self.changes.push(PortChange::WrongKey { port: name, why: why.clone() });
        }
        port.wrong_key = true;
        port.said = Said::Faulty(why.clone());
        // The line has been logged, with a better text.
        self.suspect(id, why, false, now);
    }

    /// Records that this side closes the connection for a reason that is not the port's fault.
    pub(super) fn left(&mut self, link: Link) {
        *self.ports[link.port].count(link.usage) -= 1;
    }

    /// Records that httpd has closed the connection.
    pub(super) fn closed(&mut self, link: Link, now: Instant) {
        let id = link.port;
        *self.ports[id].count(link.usage) -= 1;
        if !self.is_refusal(&link, now) {
            self.retry_ports_of_host_soon(id, now);
            return;
        }
        let why = self.why_refused(&link);
        let port = &mut self.ports[id];
        let said = Said::Faulty(why.clone());
        let is_new = port.said != said;
        port.said = said;
        self.suspect(id, why, is_new, now);
    }

    /// Whether httpd closed the connection because it does not want it. Notes what is no refusal yet.
    fn is_refusal(&mut self, link: &Link, now: Instant) -> bool {
        let lasted = now.saturating_duration_since(link.since);
        if link.used || link.proved {
            return !link.used && lasted < SETTLED;
        }
        let first = self.ports[link.port].closed_unused_at.get_or_insert(now);
        lasted < REJECTED || link.since >= *first
    }

    /// Returns what httpd's configuration and this side's can differ in when such a connection is closed.
    fn why_refused(&self, link: &Link) -> String {
        if link.proved {
            return format!(
                "it closes connections after the handshake: node= of its ProxyAjpReverse is probably not \
                 \"{}\"; its error log says why",
                self.node
            );
        }
        let key = match self.is_keyed {
            true => "keyfile= is missing there",
            false => "it has keyfile= and --key-file is missing here",
        };
        format!(
            "it closes connections before using them: allow= of its ProxyAjpReverse does not include this \
             machine, or {key}; its error log says which"
        )
    }

    /// `is_new`: the reason is logged for the administrator.
    fn suspect(&mut self, id: PortId, why: String, is_new: bool, now: Instant) {
        let (least, longest) = (self.backoff_min, self.backoff_max);
        let port = &mut self.ports[id];
        let name = port.name.clone();
        let delay = match port.suspect {
            None => least,
            Some(suspect) => (2 * suspect.delay).min(longest),
        };
        self.changes.push(match is_new {
            true => PortChange::Suspect { port: name, why, longest },
            false => PortChange::StillSuspect { port: name, why },
        });
        let half = u64::try_from(delay.as_millis() / 2).unwrap_or(u64::MAX);
        let retry_at = now + delay - Duration::from_millis((self.jitter)(half));
        // A connection that is still open may prove the port good.
        port.on_trial = (port.fresh + port.idle > 0).then_some(now);
        port.proved_at = None;
        port.suspect = Some(Suspect { delay, retry_at });
    }

    /// Notes that the port accepts connections.
    fn mark_connected(&mut self, id: PortId) {
        let port = &mut self.ports[id];
        (port.suspect, port.on_trial) = (None, None);
        if port.proved_at.is_none() && matches!(port.said, Said::Nothing | Said::Unreachable) {
            port.said = Said::Waiting;
            self.changes.push(PortChange::Waiting { port: port.name.clone() });
        }
    }

    /// Notes that httpd uses connections of the port.
    fn mark_available(&mut self, id: PortId) {
        let port = &mut self.ports[id];
        (port.suspect, port.on_trial, port.proved_at) = (None, None, None);
        port.closed_unused_at = None;
        if port.said != Said::Available {
            port.said = Said::Available;
            self.changes.push(PortChange::Available { port: port.name.clone() });
        }
    }

    /// Makes the suspect ports of this host due soon: where one process of httpd has ended, another may
    /// start, on a port that did not answer so far.
    fn retry_ports_of_host_soon(&mut self, id: PortId, now: Instant) {
        let host = self.ports[id].host.clone();
        for port in self.ports.iter_mut().filter(|port| port.host == host) {
            let earliest = port.dialled_at.map_or(now, |dialled| dialled + REJECTED);
            if let Some(suspect) = &mut port.suspect {
                suspect.retry_at = suspect.retry_at.min(earliest.max(now + self.backoff_min));
            }
        }
    }

    fn set_use(&mut self, link: &mut Link, usage: Use) {
        *self.ports[link.port].count(link.usage) -= 1;
        *self.ports[link.port].count(usage) += 1;
        link.usage = usage;
    }
}

#[cfg(test)]
#[path = "ports_tests.rs"]
mod tests;
