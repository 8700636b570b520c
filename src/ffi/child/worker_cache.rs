//! A child's cache of its workers, so that a request need not compute their settings again.

use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};
use std::sync::Arc;

use parking_lot::RwLock;

use crate::backend::Backend;
use crate::ffi::mod_proxy::backend_url::Origin;
use crate::ffi::mod_proxy::server_conf::ProxyConf;
use crate::ffi::mod_proxy::worker::Worker;
use crate::ffi::mod_proxy::worker_settings::Basis;
use crate::proxy::Settings;
use crate::shared::MemberKey;
use crate::stats::MemberStats;

/// A worker as one server uses it.
#[derive(Debug)]
pub(crate) struct CachedWorker {
    /// The backend that it led to when it was last read. Its settings may have changed since.
    pub(crate) backend: Arc<Backend>,
    /// The beginning of the URL that led to it, if all URLs that begin so do.
    pub(crate) origin: Option<Origin>,
    /// What the settings were made of.
    pub(crate) basis: Basis,
    /// The settings of its requests.
    pub(crate) settings: Settings,
    /// Its key in the shared memory.
    pub(crate) member: MemberKey,
    /// The counters of its requests; `None` if there is no room.
    pub(crate) stats: Option<MemberStats>,
    /// Whether its requests pass its settings to the backend; else the housekeeper does.
    pub(crate) updates_maintenance: bool,
}

/// The workers that have had a request, by their addresses and their servers'.
#[derive(Debug, Default)]
pub(crate) struct WorkerCache(RwLock<HashMap<(usize, usize), Arc<CachedWorker>, ByAddress>>);

impl WorkerCache {
    /// The entry of a worker that has had a request.
    pub(crate) fn get(&self, worker: Worker<'_>, conf: ProxyConf<'_>) -> Option<Arc<CachedWorker>> {
        self.0.read().get(&place(worker, conf)).cloned()
    }

    pub(crate) fn set(
        &self,
        worker: Worker<'_>,
        conf: ProxyConf<'_>,
        known: CachedWorker,
    ) -> Arc<CachedWorker> {
        let known = Arc::new(known);
        self.0.write().insert(place(worker, conf), Arc::clone(&known));
        known
    }
}

fn place(worker: Worker<'_>, conf: ProxyConf<'_>) -> (usize, usize) {
    (worker.as_ptr() as usize, conf.as_ptr() as usize)
}

/// Hashes addresses, which no client can choose.
pub(crate) type ByAddress = BuildHasherDefault<AddressHasher>;

/// See [`ByAddress`].
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct AddressHasher(u64);

impl Hasher for AddressHasher {
    fn finish(&self) -> u64 {
        // The map uses both ends of the number.
        self.0.rotate_left(32)
    }

    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.write_u64(u64::from(*byte));
        }
    }

    fn write_u64(&mut self, word: u64) {
        // 2^64 divided by the golden ratio: spreads differences in a few low bits.
        self.0 = (self.0.rotate_left(5) ^ word).wrapping_mul(0x9E37_79B9_7F4A_7C15);
    }

    fn write_usize(&mut self, word: usize) {
        self.write_u64(word as u64);
    }

    fn write_isize(&mut self, word: isize) {
        self.write_u64(word as u64);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::hash::BuildHasher;

    #[test]
    fn addresses_that_lie_close_together_have_hashes_far_apart() {
        let hash = |address: usize| ByAddress::default().hash_one((address, 0x7f00_1234_usize));
        let hashes: std::collections::HashSet<u64> =
            (0..4096).map(|n| hash(0x5555_0000 + n * 72) % 8192).collect();
        assert!(hashes.len() > 3000, "{} of 4096 places", hashes.len());
    }
}
