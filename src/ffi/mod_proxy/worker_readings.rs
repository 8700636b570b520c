//! The numbers of a worker from which its settings follow, read at one moment.
//!
//! They lie in memory shared with other processes: balancer-manager, mod_proxy_cluster or another module may
//! change them at any time. So each request reads them, and what was made of equal numbers before is still
//! right. Settings are made of them alone ([`EffectiveSettings`](super::worker_settings::EffectiveSettings)).

use std::ffi::c_int;
use std::num::NonZeroUsize;
use std::time::Duration;

use crate::config::PoolSize;
use crate::ffi::mod_proxy::worker::{Worker, microseconds};
use crate::ffi::sys;
use crate::pool::{Limits, Wait};
use crate::protocol::PacketSize;
use crate::proxy::Flush;

/// The numbers, as they are in the memory of mod_proxy.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Readings {
    min: c_int,
    smax: c_int,
    hmax: c_int,
    flush_packets: u32,
    flush_wait: c_int,
    address_ttl: i32,
    ttl: i64,
    timeout: i64,
    acquire: i64,
    ping_timeout: i64,
    conn_timeout: i64,
    recv_buffer_size: usize,
    io_buffer_size: usize,
    timeout_is_set: bool,
    acquire_is_set: bool,
    ping_timeout_is_set: bool,
    conn_timeout_is_set: bool,
    io_buffer_size_is_set: bool,
    address_ttl_is_set: bool,
    keepalive: bool,
    disablereuse: bool,
}

impl Worker<'_> {
    /// What its settings follow from, as it is now.
    pub(crate) fn readings(self) -> Readings {
        let s = self.shared();
        // SAFETY: plain fields of a record that lives as long as the worker.
        unsafe {
            #[cfg(httpd_has_address_ttl)]
            let (address_ttl, address_ttl_is_set) = ((*s).address_ttl, (*s).address_ttl_set() != 0);
            // An httpd without addressttl.
            #[cfg(not(httpd_has_address_ttl))]
            let (address_ttl, address_ttl_is_set) = (0, false);
            Readings {
                min: (*s).min,
                smax: (*s).smax,
                hmax: (*s).hmax,
                flush_packets: (*s).flush_packets,
                flush_wait: (*s).flush_wait,
                address_ttl,
                ttl: (*s).ttl,
                timeout: (*s).timeout,
                acquire: (*s).acquire,
                ping_timeout: (*s).ping_timeout,
                conn_timeout: (*s).conn_timeout,
                recv_buffer_size: (*s).recv_buffer_size,
                io_buffer_size: (*s).io_buffer_size,
                timeout_is_set: (*s).timeout_set() != 0,
                acquire_is_set: (*s).acquire_set() != 0,
                ping_timeout_is_set: (*s).ping_timeout_set() != 0,
                conn_timeout_is_set: (*s).conn_timeout_set() != 0,
                io_buffer_size_is_set: (*s).io_buffer_size_set() != 0,
                address_ttl_is_set,
                keepalive: (*s).keepalive() != 0,
                disablereuse: (*s).disablereuse() != 0,
            }
        }
    }
}

impl Readings {
    /// `min`: the number of connections kept open. 0 in a prefork child, where mod_proxy sets it so.
    pub(crate) fn min(&self) -> usize {
        usize::try_from(self.min).unwrap_or(0)
    }

    /// `min`, `max` and `smax`. As they were written in the parent, before mod_proxy_balancer has set its
    /// members up; later as mod_proxy has filled them in.
    pub(crate) fn pool_size(&self) -> PoolSize {
        PoolSize {
            min: self.min(),
            max: usize::try_from(self.hmax).ok().and_then(NonZeroUsize::new),
            // -1: not set.
            smax: usize::try_from(self.smax).ok(),
        }
    }

    /// `max`, `smax`, `ttl`, `acquire`.
    pub(crate) fn limits(&self) -> Limits {
        let PoolSize { max, smax, .. } = self.pool_size();
        Limits {
            max,
            // Under prefork mod_proxy sets both to 0: one thread, one connection, kept.
            smax: smax.filter(|_| max.is_some()),
            ttl: (self.ttl > 0).then(|| microseconds(self.ttl)),
            wait: match self.acquire_is_set {
                true => Wait::For(microseconds(self.acquire)),
                false => Wait::Forever,
            },
        }
    }

    /// Not `disablereuse`, nor what mod_proxy sets it for.
    pub(crate) fn reuses(&self) -> bool {
        !self.disablereuse
    }

    /// `iobuffersize`.
    pub(crate) fn packet_size(&self) -> Option<PacketSize> {
        self.io_buffer_size_is_set.then(|| PacketSize::clamped(self.io_buffer_size))
    }

    /// `timeout`: the longest wait for one read or write.
    pub(crate) fn timeout(&self) -> Option<Duration> {
        self.timeout_is_set.then(|| microseconds(self.timeout))
    }

    /// `connectiontimeout`.
    pub(crate) fn connection_timeout(&self) -> Option<Duration> {
        self.conn_timeout_is_set.then(|| microseconds(self.conn_timeout))
    }

    /// `ping`.
    pub(crate) fn ping(&self) -> Option<Duration> {
        self.ping_timeout_is_set.then(|| microseconds(self.ping_timeout))
    }

    /// `keepalive`: the kernel's probes on idle connections.
    pub(crate) fn keepalive(&self) -> bool {
        self.keepalive
    }

    /// `receivebuffer`.
    pub(crate) fn receive_buffer(&self) -> Option<usize> {
        (self.recv_buffer_size > 0).then_some(self.recv_buffer_size)
    }

    /// `addressttl`; `None`: forever.
    pub(crate) fn address_ttl(&self) -> Option<Duration> {
        let seconds = self.address_ttl_is_set.then_some(self.address_ttl)?;
        u64::try_from(seconds).ok().map(Duration::from_secs)
    }

    /// `flushpackets` and `flushwait`.
    pub(crate) fn flush(&self) -> Flush {
        match self.flush_packets {
            sys::proxy_worker_shared_flush_on => Flush::On,
            sys::proxy_worker_shared_flush_auto => {
                // 0: flushwait was not set, which means mod_proxy's 10 ms.
                let wait = match self.flush_wait {
                    0 => i64::from(sys::PROXY_FLUSH_WAIT),
                    wait => wait.into(),
                };
                Flush::Auto(microseconds(wait))
            }
            _ => Flush::Off,
        }
    }
}
