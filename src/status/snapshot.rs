//! The snapshot that all outputs are made from.

use std::num::NonZeroUsize;

use crate::balance::{Activation, Role};
use crate::stats::{Activity, LastError, MemberFigures, PoolFigures};

/// One httpd, over all its children.
#[derive(Clone, Debug, Default)]
pub struct Snapshot {
    /// The name under which it was asked, as UseCanonicalName says.
    pub server: String,
    /// Its ServerName.
    pub server_name: String,
    /// The time of the snapshot, in ms since 1970.
    pub now_ms: u64,
    /// The start of counting, which is the last start or restart, in ms since 1970.
    pub since_ms: u64,
    /// The number of its children.
    pub children: usize,
    /// Each balancer that has an ajp member.
    pub balancers: Vec<Balancer>,
    /// The workers outside a balancer.
    pub workers: Vec<Member>,
    /// The connection pools.
    pub pools: Vec<Pool>,
}

/// A balancer.
#[derive(Clone, Debug, Default)]
pub struct Balancer {
    /// Its name, without `balancer://`.
    pub name: String,
    /// `lbmethod`.
    pub method: String,
    /// The cookie of `stickysession`.
    pub sticky: Option<String>,
    /// Its ajp members.
    pub members: Vec<Member>,
    /// How many members of other protocols take new sessions.
    pub others_for_new_sessions: usize,
}

/// A worker: a member of a balancer, or one outside.
#[derive(Clone, Debug, Default)]
pub struct Member {
    /// The balancer's name; `None`: it is in none.
    pub balancer: Option<String>,
    /// Its URL as in the configuration; over a unix socket, `unix:PATH|ajp://localhost/`.
    pub url: String,
    /// The address of its container.
    pub endpoint: Endpoint,
    /// `route`.
    pub route: Option<String>,
    /// `redirect`.
    pub redirect: Option<String>,
    /// `domain`.
    pub domain: Option<String>,
    /// The name of the pool with its connections.
    pub pool: String,
    /// The requests that it is used for.
    pub activation: Activation,
    /// Its state.
    pub state: State,
    /// When it stands in for others.
    pub role: Role,
    /// `lbset`.
    pub lbset: i32,
    /// `loadfactor`, in hundredths.
    pub lbfactor: i32,
    /// `loadfactor=0`: it is active when it drains.
    pub sessions_only: bool,
    /// How often a balancer has chosen it, counted by mod_proxy.
    pub elected: u64,
    /// Requests in flight, over all children.
    pub busy: u32,
    /// Those of them that wait without a thread, over all children.
    pub parked: u32,
    /// If it is in error: the time until it is due again, in ms.
    pub recovers_in_ms: Option<u64>,
    /// The time of its last error mark, in ms since 1970.
    pub error_ms: Option<u64>,
    /// If it is in error: the time since which it is, in ms since 1970.
    pub in_error_since_ms: Option<u64>,
    /// If the last three requests to it, or more, have failed: the time of the first of them, in ms since
    /// 1970. Requests that failed by the client's fault or for want of a free connection do not count.
    pub failing_since_ms: Option<u64>,
    /// The last request to it that failed, except by the client's fault.
    pub last_error: Option<LastError>,
    /// `busylimit`.
    pub busy_limit: Option<u32>,
    /// The most connections of one child to it; `None`: no limit.
    pub max: Option<NonZeroUsize>,
    /// The time of the last reset of its counters, in ms since 1970.
    pub reset_ms: Option<u64>,
    /// The sums of its counters.
    pub figures: MemberFigures,
    /// Its requests per second, and those of its sessions, of the last minutes.
    pub activity: Activity,
}

/// The address of a container.
#[derive(Clone, Debug, Default)]
pub struct Endpoint {
    /// Host name or address, without brackets.
    pub host: String,
    /// TCP port.
    pub port: u16,
    /// Path of its unix socket.
    pub socket: Option<String>,
}

/// A pool: the connections of all children to one backend.
#[derive(Clone, Debug, Default)]
pub struct Pool {
    /// The backend's name in the log.
    pub name: String,
    /// The listening socket, where the container opens the connections.
    pub dials_in: Option<DialsIn>,
    /// The sums of its counters, and its gauges.
    pub figures: PoolFigures,
}

/// A listening socket for connections that a container opens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DialsIn {
    /// Its address with the port, or the range of ports.
    pub at: String,
    /// The connections that no request has taken yet, and how many there may be; `None`: the system does
    /// not say. With a range of ports, those of the child that answers.
    pub queue: Option<(u32, u32)>,
}

words! {
    /// The state of a member.
    pub enum State default Ok {
        /// Well, as far as is known.
        Ok = "ok",
        /// A request found it at fault.
        Error = "error",
        /// A health check found it at fault.
        HealthCheckFailed = "health_check_failed",
        /// It is not set up in this child.
        Unknown = "unknown",
    }
}

words! {
    /// The health of a worker or a balancer, or of the whole, from the best to the worst.
    #[derive(PartialOrd, Ord)]
    pub enum Health default Good {
        /// Requests are answered.
        Good = "good",
        /// Requests are answered, but not by all members.
        Degraded = "degraded",
        /// Some requests, or all, are not answered.
        Bad = "bad",
    }
}

impl Member {
    /// Whether it may be given a request.
    pub fn is_usable(&self) -> bool {
        self.state == State::Ok && self.activation != Activation::Stopped
    }

    /// Its name in words: `balancer://shop ajp://10.0.0.7:8009`.
    pub fn name(&self) -> String {
        member_name(self.balancer.as_deref(), &self.url)
    }

    /// `loadfactor`, as it is in force: also 0, for which mod_proxy has no number.
    pub fn load_factor(&self) -> f64 {
        if self.sessions_only { 0.0 } else { f64::from(self.lbfactor) / 100.0 }
    }

    /// Whether it may be given a request that belongs to no session: it is usable and active.
    pub fn takes_new_sessions(&self) -> bool {
        self.is_usable() && self.activation == Activation::Active
    }

    /// Whether the requests to it fail, of late all of them.
    pub fn is_failing(&self) -> bool {
        self.failing_since_ms.is_some()
    }

    /// Whether there is something wrong with it: it is in error, or requests to it fail.
    pub fn is_at_fault(&self) -> bool {
        matches!(self.state, State::Error | State::HealthCheckFailed) || self.is_failing()
    }

    /// Whether a request that belongs to no session would be answered by it, as far as is known.
    pub fn serves_new_sessions(&self) -> bool {
        self.takes_new_sessions() && !self.is_failing()
    }

    /// Its health. A worker outside a balancer is bad if it serves nobody; a member, if it is at fault.
    pub fn health(&self) -> Health {
        let is_bad = self.is_at_fault() || (self.balancer.is_none() && !self.serves_new_sessions());
        if is_bad { Health::Bad } else { Health::Good }
    }

    /// Its short name: the route, else the unix socket, else the URL without the scheme.
    pub fn short_name(&self) -> &str {
        let url = || self.url.split_once("://").map_or(&*self.url, |(_, rest)| rest);
        let route = self.route.as_deref().or(self.endpoint.socket.as_deref());
        route.unwrap_or_else(url)
    }
}

/// The name of a member in words.
pub(super) fn member_name(balancer: Option<&str>, url: &str) -> String {
    match balancer {
        Some(balancer) => format!("balancer://{balancer} {url}"),
        None => url.to_owned(),
    }
}

impl Balancer {
    /// Whether a request that belongs to no session would be answered by one of its members, of whatever
    /// protocol.
    pub fn serves_new_sessions(&self) -> bool {
        self.others_for_new_sessions > 0 || self.members.iter().any(Member::serves_new_sessions)
    }

    /// Its health: bad if no member serves new sessions, degraded if a member is at fault.
    pub fn health(&self) -> Health {
        if !self.serves_new_sessions() {
            Health::Bad
        } else if self.members.iter().any(Member::is_at_fault) {
            Health::Degraded
        } else {
            Health::Good
        }
    }
}

impl Snapshot {
    /// The health of the whole: that of the balancer or worker outside a balancer that fares worst.
    pub fn health(&self) -> Health {
        let balancers = self.balancers.iter().map(Balancer::health);
        balancers.chain(self.workers.iter().map(Member::health)).max().unwrap_or_default()
    }

    /// All members of all balancers, then the other workers.
    pub fn members(&self) -> impl Iterator<Item = &Member> + Clone {
        self.balancers.iter().flat_map(|balancer| &balancer.members).chain(&self.workers)
    }
}

/// The output that a request to ajp-status asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wanted {
    /// HTML.
    Page,
    /// `format=json`
    Json,
    /// `format=openmetrics`
    OpenMetrics,
    /// `help`: what the words of the page mean.
    Help,
    /// `format=nonce`: the nonce that orders need, as plain text.
    Nonce,
    /// `mime=prop`: mod_jk's names.
    Prop,
    /// `mime=prop&cmd=version`
    PropVersion,
    /// An unknown `cmd`.
    BadCommand {
        /// The sender reads mod_jk's properties.
        as_prop: bool,
    },
    /// `action=`, or one of mod_jk's commands that change something: an order, which is a POST.
    Order {
        /// The sender reads mod_jk's properties.
        as_prop: bool,
    },
}

impl Wanted {
    /// Parses the query of the URL. `None`: an unknown format.
    pub fn of(query: &[u8]) -> Option<Self> {
        let mut wanted = Self::Page;
        let (mut is_version, mut is_order, mut is_bad) = (false, false, false);
        for (key, value) in form_urlencoded::parse(query) {
            wanted = match (&*key, &*value) {
                ("format", "html") | ("mime", "html") => Self::Page,
                ("help", _) => Self::Help,
                ("format", "json") => Self::Json,
                ("format", "openmetrics") => Self::OpenMetrics,
                ("format", "nonce") => Self::Nonce,
                ("mime", "prop") | ("format", "prop") => Self::Prop,
                ("format" | "mime", _) => return None,
                ("cmd", "version") => {
                    is_version = true;
                    continue;
                }
                ("action", _) | ("cmd", "update" | "edit" | "reset" | "recover") => {
                    is_order = true;
                    continue;
                }
                // The list is what we have to show of one worker, too.
                ("cmd", "" | "list" | "show") => continue,
                ("cmd", _) => {
                    is_bad = true;
                    continue;
                }
                _ => continue,
            };
        }
        Some(match wanted {
            wanted if is_bad => Self::BadCommand { as_prop: wanted == Self::Prop },
            wanted if is_order => Self::Order { as_prop: wanted == Self::Prop },
            Self::Prop if is_version => Self::PropVersion,
            wanted => wanted,
        })
    }
}
