//! Decides which port of httpd is connected to next, and when; counts all connections. Uses neither a
//! socket nor the clock.
//!
//! Each port has `spare` spare connections. A port that refuses, does not answer, or closes a
//! connection before it was used is suspect: it is tried again after pauses that grow, with one
//! connection on trial. It is good again when a request has been served, or when a connection has
//! stayed open for [`REJECTED`]. The connector for Tomcat does the same (`Ports.java`).

use std::fmt;
use std::time::{Duration, Instant};

use super::settings::{HttpdPorts, Settings};

/// A connection that httpd closes within this time, without having used it, was refused.
pub(super) const REJECTED: Duration = Duration::from_secs(1);

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
    served: bool,
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
    /// The last handshake failed. Then only the next handshake proves the port good; staying open does
    /// not.
    wrong_key: bool,
}

#[derive(Clone, Copy, Debug)]
struct Suspect {
    /// The pause after the last failure.
    delay: Duration,
    retry_at: Instant,
    /// When the connection was opened that proves the port good by staying open.
    on_trial: Option<Instant>,
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
            wrong_key: false,
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

    /// When a suspect port will be good because its connection has stayed open.
    fn proved_at(&self) -> Option<Instant> {
        let since = self.suspect?.on_trial?;
        (!self.wrong_key).then(|| since + REJECTED)
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
            if self.ports[id].proved_at().is_some_and(|at| now >= at) {
                self.mark_good(id);
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
        retries.chain(self.ports.iter().filter_map(Port::proved_at)).min()
    }

    /// Records that a connection is established.
    pub(super) fn opened(&mut self, id: PortId, now: Instant) -> Link {
        let port = &mut self.ports[id];
        port.pending -= 1;
        port.fresh += 1;
        if let Some(suspect) = &mut port.suspect {
            suspect.on_trial = Some(now);
        }
        Link { port: id, usage: Use::Fresh, served: false, since: now }
    }

    /// Records that connecting failed.
    pub(super) fn failed(&mut self, id: PortId, why: String, now: Instant) {
        self.ports[id].pending -= 1;
        self.suspect(id, why, now);
    }

    /// Records that this side stopped the attempt.
    pub(super) fn given_up(&mut self, id: PortId) {
        self.ports[id].pending -= 1;
    }

    /// Records that something has been received.
    pub(super) fn busy(&mut self, link: &mut Link) {
        self.set_use(link, Use::Busy);
    }

    /// Records that a request was answered and the next may come.
    pub(super) fn idle(&mut self, link: &mut Link) {
        link.served = true;
        if self.ports[link.port].suspect.is_some() && !self.ports[link.port].wrong_key {
            self.mark_good(link.port);
        }
        self.set_use(link, Use::Idle);
    }

    /// Records that the handshake has succeeded. httpd may still not use the connection.
    pub(super) fn accepted(&mut self, link: &mut Link, now: Instant) {
        link.since = now;
        self.set_use(link, Use::Idle);
        let port = &mut self.ports[link.port];
        if port.wrong_key {
            port.wrong_key = false;
            if let Some(suspect) = &mut port.suspect {
                suspect.on_trial = Some(now);
            }
            self.changes.push(PortChange::KnowsKey { port: port.name.clone() });
        }
    }

    /// Records that this side closes the connection because of what httpd sent in the handshake.
    pub(super) fn refused(&mut self, link: Link, why: String, now: Instant) {
        let id = link.port;
        *self.ports[id].count(link.usage) -= 1;
        if !self.ports[id].wrong_key {
            let port = self.ports[id].name.clone();
            self.changes.push(PortChange::WrongKey { port, why: why.clone() });
        }
        self.ports[id].wrong_key = true;
        self.suspect(id, why, now);
    }

    /// Records that this side closes the connection for a reason that is not the port's fault.
    pub(super) fn left(&mut self, link: Link) {
        *self.ports[link.port].count(link.usage) -= 1;
    }

    /// Records that httpd has closed the connection.
    pub(super) fn closed(&mut self, link: Link, now: Instant) {
        *self.ports[link.port].count(link.usage) -= 1;
        if !link.served && now.saturating_duration_since(link.since) < REJECTED {
            self.suspect(link.port, "it closes connections before using them".into(), now);
        } else {
            self.retry_ports_of_host_soon(link.port, now);
        }
    }

    fn suspect(&mut self, id: PortId, why: String, now: Instant) {
        let (least, longest) = (self.backoff_min, self.backoff_max);
        let port = &mut self.ports[id];
        let name = port.name.clone();
        let delay = match port.suspect {
            None => least,
            Some(suspect) => (2 * suspect.delay).min(longest),
        };
        self.changes.push(match port.suspect {
            // Already logged, with a better text.
            None if port.wrong_key => PortChange::StillSuspect { port: name, why },
            None => PortChange::Suspect { port: name, why, longest },
            Some(_) => PortChange::StillSuspect { port: name, why },
        });
        let half = u64::try_from(delay.as_millis() / 2).unwrap_or(u64::MAX);
        let retry_at = now + delay - Duration::from_millis((self.jitter)(half));
        // A connection that is still open may prove the port good.
        let on_trial = (port.fresh + port.idle > 0).then_some(now);
        port.suspect = Some(Suspect { delay, retry_at, on_trial });
    }

    fn mark_good(&mut self, id: PortId) {
        self.ports[id].suspect = None;
        self.changes.push(PortChange::Available { port: self.ports[id].name.clone() });
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
