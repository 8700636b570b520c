//! Which port is dialled next, and when: the books of all connections. Knows no socket and no
//! clock.
//!
//! Each port has `spare` spare connections. One that refuses, does not answer, or closes a
//! connection before it was of use is suspect: it is dialled again after a pause that grows, and
//! gets one connection on trial. It has proved good when a request has been served, or when a
//! connection has lasted for [`REJECTED`]. The connector for Tomcat does the same (`Ports.java`).

use std::fmt;
use std::time::{Duration, Instant};

use super::settings::{HttpdPorts, Settings};

/// A connection closed by httpd this soon, without having served anything, was refused.
pub(super) const REJECTED: Duration = Duration::from_secs(1);

/// The port as its place in the list.
pub(super) type PortId = usize;

/// What one established connection is used for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Use {
    /// Nothing was ever received: httpd may not even have accepted it.
    Fresh,
    /// Between requests, or behind a handshake.
    Idle,
    /// Serving a request, or in the handshake.
    Busy,
}

/// One established connection in the books.
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

/// Something about a port that has changed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum News {
    Suspect { port: String, why: String, longest: Duration },
    StillSuspect { port: String, why: String },
    Available { port: String },
    WrongKey { port: String, why: String },
    KnowsKey { port: String },
}

impl News {
    /// Whether only those want to know who look for a fault.
    pub(super) fn is_detail(&self) -> bool {
        matches!(self, News::StillSuspect { .. })
    }
}

impl fmt::Display for News {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            News::Suspect { port, why, longest } => write!(
                f,
                "httpd {port} is not available ({why}), dialling it again at intervals of up to {} ms",
                longest.as_millis()
            ),
            News::StillSuspect { port, why } => {
                write!(f, "httpd {port} is still not available ({why})")
            }
            News::Available { port } => write!(f, "httpd {port} is available"),
            News::WrongKey { port, why } => {
                write!(f, "httpd {port}: {why}; no request is taken from there before that changes")
            }
            News::KnowsKey { port } => write!(f, "httpd {port} knows the key again"),
        }
    }
}

/// The books.
#[derive(Debug)]
pub(super) struct Ports {
    ports: Vec<Port>,
    spare: usize,
    backoff_min: Duration,
    backoff_max: Duration,
    /// A random number of milliseconds from 0 to this one.
    jitter: fn(u64) -> u64,
    news: Vec<News>,
}

#[derive(Debug)]
struct Port {
    host: String,
    number: u16,
    name: String,
    /// Several processes accept here: a connection that one of them has is no use to the others.
    shared: bool,

    /// Connections; `pending` ones are not established yet.
    pending: usize,
    fresh: usize,
    idle: usize,
    busy: usize,

    suspect: Option<Suspect>,
    dialled_at: Option<Instant>,
    /// The last handshake failed. Then lasting proves nothing, only the next handshake does.
    wrong_key: bool,
}

#[derive(Clone, Copy, Debug)]
struct Suspect {
    /// The pause after the last failure.
    delay: Duration,
    retry_at: Instant,
    /// Since when a connection is open that will prove the port good by lasting.
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

    /// When lasting will have proved a suspect port good.
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
    /// `jitter` gives a random number from 0 to its argument.
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
            news: Vec::new(),
        }
    }

    /// How many there are.
    pub(super) fn len(&self) -> usize {
        self.ports.len()
    }

    /// Host and number to dial.
    pub(super) fn address(&self, port: PortId) -> (&str, u16) {
        (&self.ports[port].host, self.ports[port].number)
    }

    /// For the log.
    pub(super) fn name(&self, port: PortId) -> &str {
        &self.ports[port].name
    }

    /// What has changed since the last call.
    pub(super) fn news(&mut self) -> Vec<News> {
        std::mem::take(&mut self.news)
    }

    /// Takes the port most in need: with the fewest spare connections, then the fewest connections,
    /// which spreads them. [`Ports::opened`], [`Ports::failed`] or [`Ports::given_up`] must follow.
    ///
    /// `None` if no port needs any now.
    pub(super) fn take(&mut self, now: Instant) -> Option<PortId> {
        for id in 0..self.ports.len() {
            if self.ports[id].proved_at().is_some_and(|at| now >= at) {
                self.proved(id);
            }
        }
        let in_need = self.ports.iter().enumerate().filter(|(_, p)| p.wants(self.spare, now));
        let (id, _) = in_need.min_by_key(|(_, port)| (port.spare(), port.open()))?;
        let port = &mut self.ports[id];
        port.pending += 1;
        port.dialled_at = Some(now);
        if let Some(suspect) = &mut port.suspect {
            // Its connection on trial is busy as soon as anything comes: that asks for no second.
            suspect.retry_at = now + suspect.delay;
        }
        Some(id)
    }

    /// When [`Ports::take`] should be asked again, if nothing else happens; `None`: never.
    pub(super) fn next_look(&self) -> Option<Instant> {
        // A spare connection that goes makes somebody ask anyway.
        let without = self.ports.iter().filter(|port| port.spare() < 1);
        let retries = without.filter_map(|port| Some(port.suspect?.retry_at));
        retries.chain(self.ports.iter().filter_map(Port::proved_at)).min()
    }

    /// A connection is established.
    pub(super) fn opened(&mut self, id: PortId, now: Instant) -> Link {
        let port = &mut self.ports[id];
        port.pending -= 1;
        port.fresh += 1;
        if let Some(suspect) = &mut port.suspect {
            suspect.on_trial = Some(now);
        }
        Link { port: id, usage: Use::Fresh, served: false, since: now }
    }

    /// A connection could not be established.
    pub(super) fn failed(&mut self, id: PortId, why: String, now: Instant) {
        self.ports[id].pending -= 1;
        self.suspect(id, why, now);
    }

    /// The attempt was stopped by this side.
    pub(super) fn given_up(&mut self, id: PortId) {
        self.ports[id].pending -= 1;
    }

    /// Something has been received.
    pub(super) fn busy(&mut self, link: &mut Link) {
        self.set_use(link, Use::Busy);
    }

    /// A request has been answered and the next may come.
    pub(super) fn idle(&mut self, link: &mut Link) {
        link.served = true;
        if self.ports[link.port].suspect.is_some() && !self.ports[link.port].wrong_key {
            self.proved(link.port);
        }
        self.set_use(link, Use::Idle);
    }

    /// The handshake has succeeded. httpd may still have no use for the connection.
    pub(super) fn accepted(&mut self, link: &mut Link, now: Instant) {
        link.since = now;
        self.set_use(link, Use::Idle);
        let port = &mut self.ports[link.port];
        if port.wrong_key {
            port.wrong_key = false;
            if let Some(suspect) = &mut port.suspect {
                suspect.on_trial = Some(now);
            }
            self.news.push(News::KnowsKey { port: port.name.clone() });
        }
    }

    /// This side closes the connection for what came in the handshake.
    pub(super) fn refused(&mut self, link: Link, why: String, now: Instant) {
        let id = link.port;
        *self.ports[id].count(link.usage) -= 1;
        if !self.ports[id].wrong_key {
            let port = self.ports[id].name.clone();
            self.news.push(News::WrongKey { port, why: why.clone() });
        }
        self.ports[id].wrong_key = true;
        self.suspect(id, why, now);
    }

    /// This side closes the connection for a reason that is not the port's.
    pub(super) fn left(&mut self, link: Link) {
        *self.ports[link.port].count(link.usage) -= 1;
    }

    /// httpd has closed the connection.
    pub(super) fn closed(&mut self, link: Link, now: Instant) {
        *self.ports[link.port].count(link.usage) -= 1;
        if !link.served && now.saturating_duration_since(link.since) < REJECTED {
            self.suspect(link.port, "it closes connections before they are of use".into(), now);
        } else {
            self.look_around(link.port, now);
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
        self.news.push(match port.suspect {
            // Said already, and better.
            None if port.wrong_key => News::StillSuspect { port: name, why },
            None => News::Suspect { port: name, why, longest },
            Some(_) => News::StillSuspect { port: name, why },
        });
        let half = u64::try_from(delay.as_millis() / 2).unwrap_or(u64::MAX);
        let retry_at = now + delay - Duration::from_millis((self.jitter)(half));
        // What is still open may prove the port good.
        let on_trial = (port.fresh + port.idle > 0).then_some(now);
        port.suspect = Some(Suspect { delay, retry_at, on_trial });
    }

    fn proved(&mut self, id: PortId) {
        self.ports[id].suspect = None;
        self.news.push(News::Available { port: self.ports[id].name.clone() });
    }

    /// Where one process of httpd ends another may begin, on a port that was not worth dialling.
    fn look_around(&mut self, id: PortId, now: Instant) {
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
