//! The addresses of a host name, remembered for `addressttl`.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use parking_lot::Mutex;

use crate::net::{ResolveError, resolve};

/// Where the addresses of one backend are kept. Names are asked for outside the lock: several
/// threads may ask at once, and the last answer stays.
#[derive(Debug, Default)]
pub(super) struct Addresses {
    known: Mutex<Option<Known>>,
}

#[derive(Debug)]
struct Known {
    list: Arc<[SocketAddr]>,
    asked: Instant,
}

impl Known {
    fn list(&self) -> Arc<[SocketAddr]> {
        Arc::clone(&self.list)
    }
}

impl Addresses {
    /// All addresses of the name, in the resolver's order; asked again once `ttl` has passed
    /// (`None`: never, as httpd's `addressttl=-1`).
    pub(super) fn get(
        &self,
        host: &str,
        port: u16,
        ttl: Option<Duration>,
        now: Instant,
    ) -> Result<Arc<[SocketAddr]>, ResolveError> {
        let is_good =
            |known: &Known| ttl.is_none_or(|ttl| now.saturating_duration_since(known.asked) < ttl);
        let known = self.known.lock().as_ref().filter(|known| is_good(known)).map(Known::list);
        known.map_or_else(|| self.ask(host, port, now), Ok)
    }

    /// Asks again if `ttl` has passed since they were asked, by whomever; `true` if it did.
    ///
    /// A name that cannot be resolved now keeps the addresses it had, for another `ttl`: the
    /// backend is more likely to be there than gone with the name server.
    pub(super) fn refresh(&self, host: &str, port: u16, ttl: Duration, now: Instant) -> bool {
        let due = |known: &Known| now.saturating_duration_since(known.asked) >= ttl;
        if !self.known.lock().as_ref().is_some_and(due) {
            return false;
        }
        if self.ask(host, port, now).is_err() {
            if let Some(known) = &mut *self.known.lock() {
                known.asked = now;
            }
        }
        true
    }

    /// Does the name lead to this address, as far as is known? Yes, while it was never asked.
    pub(super) fn include(&self, address: &SocketAddr) -> bool {
        self.known().is_none_or(|list| list.contains(address))
    }

    /// What is known without asking; nothing while the name was never asked.
    pub(super) fn known(&self) -> Option<Arc<[SocketAddr]>> {
        self.known.lock().as_ref().map(|known| Arc::clone(&known.list))
    }

    /// Asks again whatever is remembered: for when no address answered.
    pub(super) fn ask(
        &self,
        host: &str,
        port: u16,
        now: Instant,
    ) -> Result<Arc<[SocketAddr]>, ResolveError> {
        let list: Arc<[SocketAddr]> = resolve(host, port)?.into();
        *self.known.lock() = Some(Known { list: Arc::clone(&list), asked: now });
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
        let asked_at = |a: &Addresses| a.known.lock().as_ref().map(|k| k.asked);

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
        assert_eq!(addresses.known.lock().as_ref().map(|k| k.asked), Some(start));
    }
}
