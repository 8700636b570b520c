//! What a backend has shown of how it reads request bodies.

use std::time::{Duration, Instant};

use parking_lot::Mutex;

use crate::exchange::Ahead;

/// How many body packets might go ahead in requests that a backend has consumed, as this child has seen it.
#[derive(Debug, Default)]
pub struct UploadHistory {
    consumed: Mutex<Option<(u32, Instant)>>,
}

impl UploadHistory {
    /// Returns the most packets that might go ahead at the end of a request of the last minute which consumed
    /// all of them; 0 where there was none, or the last one did not.
    #[must_use]
    pub fn shown(&self, now: Instant) -> u32 {
        let consumed = *self.consumed.lock();
        consumed.filter(|(_, at)| is_recent(*at, now)).map_or(0, |(packets, _)| packets)
    }

    /// Notes what became of the packets that a request has sent ahead.
    pub fn note(&self, ahead: Ahead, now: Instant) {
        let mut consumed = self.consumed.lock();
        *consumed = match (ahead, *consumed) {
            (Ahead::Unread, _) => None,
            (Ahead::Consumed(packets), Some((most, at)))
                if most > packets && is_recent(at, now) =>
            {
                Some((most, at))
            }
            (Ahead::Consumed(packets), _) => Some((packets, now)),
        };
    }
}

fn is_recent(at: Instant, now: Instant) -> bool {
    now.saturating_duration_since(at) < MEMORY
}

/// A container that is restarted, or whose application changes, is learnt again within this time.
const MEMORY: Duration = Duration::from_secs(60);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_most_that_was_consumed_counts_for_a_minute() {
        let history = UploadHistory::default();
        let start = Instant::now();
        let at = |seconds| start + Duration::from_secs(seconds);
        assert_eq!(history.shown(start), 0);
        history.note(Ahead::Consumed(7), start);
        history.note(Ahead::Consumed(3), at(30));
        assert_eq!((history.shown(at(59)), history.shown(at(60))), (7, 0));
        history.note(Ahead::Consumed(3), at(60));
        assert_eq!(history.shown(at(61)), 3);
        history.note(Ahead::Consumed(3), at(100));
        assert_eq!(history.shown(at(150)), 3, "as much again counts from then on");
    }

    #[test]
    fn one_request_that_leaves_packets_unread_takes_it_all_back() {
        let history = UploadHistory::default();
        let now = Instant::now();
        history.note(Ahead::Consumed(30), now);
        history.note(Ahead::Unread, now);
        assert_eq!(history.shown(now), 0);
    }
}
