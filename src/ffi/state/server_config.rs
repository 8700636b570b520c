//! The directives and parameters of one server.

use std::collections::HashMap;

use crate::config::{
    BalancerKeys, BalancerSettings, Maintain, RequestAttributes, ReverseListener, WorkerSettings,
};
use crate::ffi::mod_proxy::worker_id::WorkerId;

/// The lines of one server (main or virtual host). Changed only while httpd reads its configuration,
/// on its main thread.
#[derive(Default)]
pub(crate) struct ServerConfig {
    workers: Vec<(WorkerId, WorkerSettings)>,
    /// Balancer keys, by the balancers' names as mod_proxy has them.
    balancer_keys: HashMap<Box<[u8]>, BalancerKeys>,
    /// `ProxyAjpReverse`.
    pub(crate) reverse: Vec<ReverseListener>,
    /// `ProxyAjpEnvVar` and `ProxyAjpCertChain`.
    pub(crate) attributes: RequestAttributes,
    /// `ProxyAjpMaintain`; only the main server's is used.
    pub(crate) maintain: Maintain,
    /// `ProxyAjpParking`; `None`: no line says.
    pub(crate) parking: Option<bool>,
}

impl ServerConfig {
    /// Adds a line with keys of ours for the balancer of this name.
    pub(crate) fn add_balancer_keys(&mut self, name: Box<[u8]>, keys: BalancerKeys) {
        let known = self.balancer_keys.entry(name).or_default();
        *known = keys.over(*known);
    }

    /// The settings of a worker defined in this server.
    pub(crate) fn worker(&self, id: WorkerId) -> Option<&WorkerSettings> {
        self.workers.iter().find(|(known, _)| *known == id).map(|(_, settings)| settings)
    }

    /// Sets the settings of a worker defined in this server.
    pub(crate) fn set_worker(&mut self, id: WorkerId, settings: WorkerSettings) {
        match self.workers.iter_mut().find(|(known, _)| *known == id) {
            Some((_, known)) => *known = settings,
            None => self.workers.push((id, settings)),
        }
    }

    /// The settings of all workers defined in this server.
    pub(crate) fn workers(&self) -> &[(WorkerId, WorkerSettings)] {
        &self.workers
    }
}

/// The effective settings of one server: its own, else those of the main server.
#[derive(Debug)]
pub(crate) struct Inherited {
    balancers: HashMap<Box<[u8]>, BalancerSettings>,
    attributes: RequestAttributes,
    parking: bool,
}

impl Inherited {
    /// `base` is the main server's configuration; `None` for the main server itself. A virtual host
    /// that does not inherit the main server's balancers uses only its own lines for them.
    pub(crate) fn new(
        own: &ServerConfig,
        base: Option<&ServerConfig>,
        has_balancers: bool,
    ) -> Self {
        let attributes = match base {
            Some(base) => own.attributes.over(&base.attributes),
            None => own.attributes.clone(),
        };
        let parking = own.parking.or_else(|| base?.parking).unwrap_or(false);
        let base = base.filter(|_| has_balancers);
        let names = base.into_iter().flat_map(|base| base.balancer_keys.keys());
        let keys =
            |of: &ServerConfig, name| of.balancer_keys.get(name).copied().unwrap_or_default();
        let settled = names.chain(own.balancer_keys.keys()).map(|name| {
            let inherited = base.map(|base| keys(base, name)).unwrap_or_default();
            (name.clone(), keys(own, name).over(inherited).settings())
        });
        Self { balancers: settled.collect(), attributes, parking }
    }

    /// The settings of the balancer of this name (`balancer://name`, in lower case, as mod_proxy has
    /// it). `None` if no line has a key of ours for it. Allocates nothing.
    pub(crate) fn balancer(&self, name: &[u8]) -> Option<BalancerSettings> {
        self.balancers.get(name).copied()
    }

    /// Whether any line has such a key.
    pub(crate) fn has_balancer_keys(&self) -> bool {
        !self.balancers.is_empty()
    }

    /// The attributes that a request carries beyond the standard ones.
    pub(crate) fn attributes(&self) -> &RequestAttributes {
        &self.attributes
    }
    /// Whether requests are to wait without a thread.
    pub(crate) fn parking(&self) -> bool {
        self.parking
    }
}
