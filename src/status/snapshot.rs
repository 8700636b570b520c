//! All there is to see at one moment.

use crate::balance::{Activation, Role};
use crate::stats::{MemberFigures, PoolFigures};

/// One httpd, over all its children.
#[derive(Clone, Debug, Default)]
pub struct Snapshot {
    /// Its ServerName.
    pub server: String,
    /// When the picture was taken, in ms since 1970.
    pub now_ms: u64,
    /// Since when it is counted: the last start or restart.
    pub since_ms: u64,
    /// Its children.
    pub children: usize,
    /// Each balancer that has an ajp member.
    pub balancers: Vec<Balancer>,
    /// Workers in no balancer.
    pub workers: Vec<Member>,
    /// The connections.
    pub pools: Vec<Pool>,
}

/// A balancer.
#[derive(Clone, Debug, Default)]
pub struct Balancer {
    /// Without `balancer://`.
    pub name: String,
    /// `lbmethod`.
    pub method: String,
    /// The cookie of `stickysession`.
    pub sticky: Option<String>,
    /// Its ajp members.
    pub members: Vec<Member>,
}

/// A worker: a balancer's member, or one for itself.
#[derive(Clone, Debug, Default)]
pub struct Member {
    /// The balancer's name; `None`: it has none.
    pub balancer: Option<String>,
    /// As it stands in the configuration, `unix:PATH|ajp://localhost/` for one that is reached over a unix
    /// socket.
    pub url: String,
    /// Where it leads.
    pub endpoint: Endpoint,
    /// `route`.
    pub route: Option<String>,
    /// `redirect`.
    pub redirect: Option<String>,
    /// `domain`.
    pub domain: Option<String>,
    /// The name of the pool with its connections.
    pub pool: String,
    /// What it is to be used for.
    pub activation: Activation,
    /// How it is.
    pub state: State,
    /// When it stands in for others.
    pub role: Role,
    /// `lbset`.
    pub lbset: i32,
    /// `loadfactor`, in hundredths.
    pub lbfactor: i32,
    /// How often a balancer has chosen it, as mod_proxy counts.
    pub elected: u64,
    /// Requests in flight, over all children.
    pub busy: u32,
    /// In error: how long until it is asked again, in ms.
    pub recovers_in_ms: Option<u64>,
    /// When it was last put in error, in ms since 1970.
    pub error_ms: Option<u64>,
    /// `busylimit`.
    pub busy_limit: Option<u32>,
    /// When its counters were last reset, in ms since 1970.
    pub reset_ms: Option<u64>,
    /// What has been counted.
    pub figures: MemberFigures,
}

/// Where a worker leads.
#[derive(Clone, Debug, Default)]
pub struct Endpoint {
    /// Host name or address, without brackets.
    pub host: String,
    /// TCP port.
    pub port: u16,
    /// Path of its unix socket.
    pub socket: Option<String>,
}

/// A pool: connections of all children to one backend.
#[derive(Clone, Debug, Default)]
pub struct Pool {
    /// The backend, as the log names it.
    pub name: String,
    /// Where its container dials in, if it does.
    pub dials_in: Option<DialsIn>,
    /// What has been counted, and what there is now.
    pub figures: PoolFigures,
}

/// Where a container opens the connections.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DialsIn {
    /// Address and port, or ports.
    pub at: String,
    /// Connections that wait to be taken by a request, and how many may; `None` where the system does
    /// not say. Of a range: those of the child that was asked.
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
        /// It is not ready in this child.
        Unknown = "unknown",
    }
}

impl Member {
    /// May it be given a request?
    pub fn is_usable(&self) -> bool {
        self.state == State::Ok && self.activation != Activation::Stopped
    }

    /// A short name: its route, else its unix socket, else its URL without the scheme.
    pub fn short_name(&self) -> &str {
        let url = || self.url.split_once("://").map_or(&*self.url, |(_, rest)| rest);
        let route = self.route.as_deref().or(self.endpoint.socket.as_deref());
        route.unwrap_or_else(url)
    }
}

impl Snapshot {
    /// All members of all balancers, then the other workers.
    pub fn members(&self) -> impl Iterator<Item = &Member> {
        self.balancers.iter().flat_map(|balancer| &balancer.members).chain(&self.workers)
    }
}

/// What a reader of the page asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wanted {
    /// HTML.
    Page,
    /// `format=json`
    Json,
    /// `format=openmetrics`
    OpenMetrics,
    /// `format=nonce`: what changes must bring along, as plain text.
    Nonce,
    /// `mime=prop`: mod_jk's names.
    Prop,
    /// `mime=prop&cmd=version`
    PropVersion,
    /// A `cmd` that there is not.
    BadCommand {
        /// Whoever sent it reads mod_jk's properties.
        as_prop: bool,
    },
    /// `action=`, or one of mod_jk's commands that change something: an order, which is a POST.
    Order {
        /// Whoever sent it reads mod_jk's properties.
        as_prop: bool,
    },
}

impl Wanted {
    /// From the query of the URL. `None`: an unknown format.
    pub fn of(query: &[u8]) -> Option<Self> {
        let mut wanted = Self::Page;
        let (mut is_version, mut is_order, mut is_bad) = (false, false, false);
        for (key, value) in form_urlencoded::parse(query) {
            wanted = match (&*key, &*value) {
                ("format", "html") | ("mime", "html") => Self::Page,
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
