//! The addresses of a host name, remembered for `addressttl`.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use parking_lot::Mutex;

use crate::net::{self, ResolveError};

/// The addresses of one backend. Names are resolved outside the lock: several threads may do so at once,
/// and the last answer is kept.
#[derive(Debug, Default)]
pub(super) struct Addresses {
    resolved: Mutex<Option<Resolved>>,
}

#[derive(Debug)]
struct Resolved {
    list: Arc<[SocketAddr]>,
    at: Instant,
}

impl Resolved {
    fn list(&self) -> Arc<[SocketAddr]> {
        Arc::clone(&self.list)
    }
}

impl Addresses {
    /// Returns all addresses of the name, in the resolver's order; resolves it again once `ttl` has passed
    /// (`None`: never, as with httpd's `addressttl=-1`).
    pub(super) fn get(
        &self,
        host: &str,
        port: u16,
        ttl: Option<Duration>,
        now: Instant,
    ) -> Result<Arc<[SocketAddr]>, ResolveError> {
        let is_current =
            |known: &Resolved| ttl.is_none_or(|ttl| now.saturating_duration_since(known.at) < ttl);
        let known =
            self.resolved.lock().as_ref().filter(|known| is_current(known)).map(Resolved::list);
        known.map_or_else(|| self.resolve(host, port, now), Ok)
    }

    /// Resolves the name again if `ttl` has passed since the last time; returns whether it did.
    ///
    /// A name that cannot be resolved now keeps its addresses for another `ttl`: the name server is more
    /// likely to be down than the backend is to be gone.
    pub(super) fn refresh(&self, host: &str, port: u16, ttl: Duration, now: Instant) -> bool {
        let is_due = |known: &Resolved| now.saturating_duration_since(known.at) >= ttl;
        if !self.resolved.lock().as_ref().is_some_and(is_due) {
            return false;
        }
        if self.resolve(host, port, now).is_err() {
            if let Some(known) = &mut *self.resolved.lock() {
                known.at = now;
            }
        }
        true
    }

    /// Whether this is one of the name's addresses; true as long as it has not been resolved.
    pub(super) fn include(&self, address: &SocketAddr) -> bool {
        self.resolved.lock().as_ref().is_none_or(|known| known.list.contains(address))
    }

    /// Returns the addresses that are remembered; `None` as long as the name has not been resolved.
    pub(super) fn known(&self) -> Option<Arc<[SocketAddr]>> {
        self.resolved.lock().as_ref().map(|known| Arc::clone(&known.list))
    }

    /// Resolves the name whatever is remembered: for when no address answers.
    pub(super) fn resolve(
        &self,
        host: &str,
        port: u16,
        now: Instant,
    ) -> Result<Arc<[SocketAddr]>, ResolveError> {
        let list: Arc<[SocketAddr]> = net::resolve(host, port)?.into();
        *self.resolved.lock() = Some(Resolved { list: Arc::clone(&list), at: now });
        Ok(list)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_asked_again_after_its_ttl() {
        let addresses = Addresses::default();
        let start = Instant::now();
        let ttl = Some(Duration::from_secs(5));
        let asked_at = |a: &Addresses| a.resolved.lock().as_ref().map(|k| k.at);

        addresses.get("127.0.0.1", 8009, ttl, start).unwrap();
        addresses.get("127.0.0.1", 8009, ttl, start + Duration::from_secs(4)).unwrap();
        assert_eq!(asked_at(&addresses), Some(start));

        let later = start + Duration::from_secs(5);
        addresses.get("127.0.0.1", 8009, ttl, later).unwrap();
        assert_eq!(asked_at(&addresses), Some(later));
    }

    #[test]
    fn the_housekeeper_asks_again_only_what_was_asked_before_and_is_due() {
        let addresses = Addresses::default();
        let start = Instant::now();
        let ttl = Duration::from_secs(5);
        assert!(!addresses.refresh("127.0.0.1", 8009, ttl, start), "nobody has asked");

        addresses.get("127.0.0.1", 8009, Some(ttl), start).unwrap();
        assert!(!addresses.refresh("127.0.0.2", 8009, ttl, start + ttl / 2));
        assert!(addresses.include(&([127, 0, 0, 1], 8009).into()));

        // An address in the place of a name, which has moved.
        assert!(addresses.refresh("127.0.0.2", 8009, ttl, start + ttl));
        assert!(!addresses.include(&([127, 0, 0, 1], 8009).into()));
        assert!(addresses.include(&([127, 0, 0, 2], 8009).into()));
    }

    #[test]
    fn a_name_that_cannot_be_resolved_keeps_its_addresses_for_another_ttl() {
        let addresses = Addresses::default();
        let start = Instant::now();
        let ttl = Duration::from_secs(5);
        addresses.get("127.0.0.1", 8009, Some(ttl), start).unwrap();

        assert!(addresses.refresh("a\0b", 8009, ttl, start + ttl));
        assert!(addresses.include(&([127, 0, 0, 1], 8009).into()));
        assert!(!addresses.refresh("a\0b", 8009, ttl, start + ttl + ttl / 2));
    }

    #[test]
    fn without_a_ttl_a_name_is_asked_once() {
        let addresses = Addresses::default();
        let start = Instant::now();
        addresses.get("127.0.0.1", 8009, None, start).unwrap();
        addresses.get("127.0.0.1", 8009, None, start + Duration::from_secs(9_999_999)).unwrap();
        assert_eq!(addresses.resolved.lock().as_ref().map(|k| k.at), Some(start));
    }
}
