//! mod_proxy's configuration of a server, and the walk over balancers and workers.

use std::collections::HashSet;
use std::net::IpAddr;
use std::ptr::NonNull;
use std::time::Duration;

use crate::ffi::apr::address;
use crate::ffi::apr::array::elements;
use crate::ffi::httpd::server::Server;
use crate::ffi::mod_proxy::balancer::Balancer;
use crate::ffi::mod_proxy::worker::{Worker, microseconds};
use crate::ffi::sys;
use crate::protocol::PacketSize;
use crate::shared::MemberKey;

/// mod_proxy's configuration of one server, for the length of a hook.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ProxyConf<'s> {
    raw: NonNull<sys::proxy_server_conf>,
    server: Server<'s>,
}

impl<'s> ProxyConf<'s> {
    /// # Safety
    /// `raw` is mod_proxy's configuration of `server`.
    pub(crate) unsafe fn from_ptr(raw: *mut sys::proxy_server_conf, server: Server<'s>) -> Self {
        // SAFETY: mod_proxy passes no null configuration.
        Self { raw: unsafe { NonNull::new_unchecked(raw) }, server }
    }

    /// The configuration of a server; `None` where it has none.
    pub(crate) fn of(server: Server<'s>) -> Option<Self> {
        // SAFETY: mod_proxy is loaded, or this library could not be.
        let raw = unsafe { server.config_of(&raw const sys::proxy_module) };
        Some(Self { raw: NonNull::new(raw)?.cast(), server })
    }

    pub(crate) fn as_ptr(self) -> *mut sys::proxy_server_conf {
        self.raw.as_ptr()
    }

    /// The server whose configuration this is.
    pub(crate) fn server(self) -> Server<'s> {
        self.server
    }

    /// The balancers of this server, including those that a virtual host has from the main server.
    pub(crate) fn balancers(self) -> impl Iterator<Item = Balancer<'s>> {
        // SAFETY: mod_proxy's array of balancers; elements are only added, at its end.
        let balancers = unsafe { elements::<sys::proxy_balancer>((*self.as_ptr()).balancers) };
        // SAFETY: an element is a balancer, which lives as long as its server.
        balancers.filter_map(|raw| unsafe { Balancer::from_ptr(raw) })
    }

    /// The workers of this server outside of balancers.
    pub(crate) fn plain_workers(self) -> impl Iterator<Item = Worker<'s>> {
        // SAFETY: mod_proxy's array of workers; elements are only added, at its end.
        let workers = unsafe { elements::<sys::proxy_worker>((*self.as_ptr()).workers) };
        // SAFETY: an element is a worker, which lives as long as its server.
        workers.filter_map(|raw| unsafe { Worker::added(raw) })
    }

    /// All workers of this server: the plain ones, then the members of its balancers.
    pub(crate) fn workers(self) -> impl Iterator<Item = Worker<'s>> {
        self.plain_workers().chain(self.balancers().flat_map(Balancer::members))
    }

    /// ProxyIOBufferSize.
    pub(crate) fn packet_size(self) -> Option<PacketSize> {
        let conf = self.as_ptr();
        // SAFETY: plain fields of a live record.
        unsafe {
            ((*conf).io_buffer_size_set() != 0).then(|| PacketSize::clamped((*conf).io_buffer_size))
        }
    }

    /// ProxyTimeout, else Timeout.
    pub(crate) fn timeout(self) -> Duration {
        let conf = self.as_ptr();
        // SAFETY: plain fields of a live record.
        let own = unsafe { ((*conf).timeout_set() != 0).then(|| (*conf).timeout) };
        microseconds(own.unwrap_or_else(|| self.server.timeout_us()))
    }

    /// ProxySourceAddress.
    pub(crate) fn source_address(self) -> Option<IpAddr> {
        // SAFETY: plain fields of a live record; the address is null or in its pool.
        unsafe {
            if (*self.as_ptr()).source_address_set() == 0 {
                return None;
            }
            address::ip((*self.as_ptr()).source_address)
        }
    }

    /// Whether a virtual host has the balancers of the main server (ProxyInherit, BalancerInherit).
    pub(crate) fn inherits_balancers(self) -> bool {
        // SAFETY: bit fields of a live record.
        unsafe { (*self.as_ptr()).inherit() != 0 || (*self.as_ptr()).ppinherit() != 0 }
    }

    /// Whether there is a ProxyRemote.
    pub(crate) fn has_remote_proxies(self) -> bool {
        // SAFETY: mod_proxy's array, never null, which does not change while httpd serves.
        unsafe { (*(*self.as_ptr()).proxies).nelts > 0 }
    }

    /// ProxyStatus.
    pub(crate) fn shows_status(self) -> bool {
        // SAFETY: a plain field of a live record.
        unsafe { (*self.as_ptr()).proxy_status != 0 }
    }
}

/// mod_proxy's configuration of each server, the main one first.
pub(crate) fn all<'s>(main: Server<'s>) -> impl Iterator<Item = ProxyConf<'s>> {
    main.and_hosts().filter_map(ProxyConf::of)
}

/// Iterates over all workers of all servers. Workers that a virtual host has from the main server come
/// again.
pub(crate) fn all_workers<'s>(main: Server<'s>) -> impl Iterator<Item = Worker<'s>> {
    all(main).flat_map(ProxyConf::workers)
}

/// Returns how many backends the `ajp://` workers of all servers name, and how many of these workers are
/// members of balancers.
pub(crate) fn count_backends_and_members(main: Server<'_>) -> (usize, usize) {
    let (mut backends, mut members) = (HashSet::new(), HashSet::new());
    for worker in all_workers(main).filter(|worker| worker.is_ajp()) {
        if worker.is_member() {
            members.insert(worker.key());
        }
        if worker.has_fixed_address() {
            backends.insert(match worker.socket_path() {
                Some(path) => MemberKey::of(&[&path]),
                None => MemberKey::of(&[&worker.host(), &worker.port().to_be_bytes()]),
            });
        }
    }
    (backends.len(), members.len())
}
