//! The limits that an administrator sets for a pool; passed with each call, since httpd may change them.

use std::num::NonZeroUsize;
use std::time::Duration;

/// How many connections a pool may hold, for how long, and how long to wait for one.
///
/// Passed at each [`acquire`](super::Pool::acquire), [`acquire_fresh`](super::Pool::acquire_fresh)
/// and [`sweep`](super::Pool::sweep); the pool remembers the last ones for the calls that carry
/// none. After `max` has been lowered, connections above it are closed as they are released.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Limits {
    /// The most places: connections idle, in use and being opened. `None`: no bound.
    ///
    /// A [`BorrowedConnection`](super::BorrowedConnection) has no place, so that no request waits for
    /// its test: until they are given back, borrowed connections may be open above `max`.
    pub max: Option<NonZeroUsize>,
    /// The most idle connections that are kept without a `ttl`; `None`: no bound.
    ///
    /// In APR (`reslist_maint` in `apr_reslist.c`), on release the oldest idle connections above `smax`
    /// are closed once they have been idle for `ttl`, and at once without a `ttl`. Here `ttl` applies to
    /// every idle connection, so with a `ttl` there is nothing left for `smax` to do.
    pub smax: Option<usize>,
    /// A connection idle for this long, or longer, is not used again. `None`: no bound.
    pub ttl: Option<Duration>,
    /// How long `acquire` waits once all `max` places are taken.
    pub wait: Wait,
}

impl Limits {
    /// Returns the limits for requests that wait without a thread. The number of threads bounds nothing
    /// then, so only what an administrator has set (`max`, `smax`) counts, and a request waits for its place
    /// no longer than for its backend (`timeout`), unless `acquire` is set.
    ///
    /// `self` has the bounds that follow from the number of threads.
    #[must_use]
    pub fn without_threads(
        self,
        max: Option<NonZeroUsize>,
        smax: Option<usize>,
        timeout: Duration,
    ) -> Self {
        let smax = smax.or(max.map(NonZeroUsize::get));
        let unlimited = Self { max, smax, ..self.beside_parked(timeout) };
        Self { smax: unlimited.smax.map(|smax| unlimited.bound(smax)), ..unlimited }
    }

    /// Returns the limits for requests that wait in their threads beside others that wait without. Those may have
    /// all places, and each needs a thread to go on and give its place back: a wait for a place must end,
    /// so that not all threads are in one for ever.
    #[must_use]
    pub fn beside_parked(self, timeout: Duration) -> Self {
        let wait = match self.wait {
            Wait::Forever => Wait::AtMost(timeout),
            set => set,
        };
        Self { wait, ..self }
    }

    /// So many connections, or `max` if that is less.
    #[must_use]
    pub fn bound(&self, connections: usize) -> usize {
        self.max.map_or(connections, |max| connections.min(max.get()))
    }
}

impl Wait {
    /// The longest wait; `None`: it has no end.
    #[must_use]
    pub fn time(self) -> Option<Duration> {
        match self {
            Self::Forever => None,
            Self::AtMost(time) | Self::For(time) => Some(time),
        }
    }
}

/// How long to wait for a place.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Wait {
    /// Until there is one (the default, without `acquire=`).
    #[default]
    Forever,
    /// As `Forever`, but no longer than this, counted from the `now` of the call.
    AtMost(Duration),
    /// This long, counted from the `now` of the call. Zero: look once.
    For(Duration),
}

#[cfg(test)]
mod tests {
    use super::*;

    const TIMEOUT: Duration = Duration::from_secs(60);

    fn of_eight_threads(wait: Wait) -> Limits {
        let ttl = Some(Duration::from_secs(5));
        Limits { max: NonZeroUsize::new(8), smax: Some(8), ttl, wait }
    }

    #[test]
    fn without_threads_a_max_that_is_not_set_is_no_limit_and_a_set_one_holds() {
        let threads = of_eight_threads(Wait::Forever);
        let unset = threads.without_threads(None, None, TIMEOUT);
        assert_eq!((unset.max, unset.smax, unset.ttl), (None, None, threads.ttl));
        for max in [2, 400] {
            let max = NonZeroUsize::new(max);
            let set = threads.without_threads(max, None, TIMEOUT);
            assert_eq!((set.max, set.smax), (max, max.map(NonZeroUsize::get)));
        }
    }

    #[test]
    fn without_threads_smax_is_what_was_set_and_no_more_than_max() {
        let threads = of_eight_threads(Wait::Forever);
        let smax =
            |max, smax| threads.without_threads(NonZeroUsize::new(max), Some(smax), TIMEOUT).smax;
        assert_eq!((smax(0, 100), smax(20, 10), smax(20, 100)), (Some(100), Some(10), Some(20)));
    }

    #[test]
    fn without_threads_a_request_waits_for_its_place_until_acquire_or_else_until_its_timeout() {
        let wait = |wait| of_eight_threads(wait).without_threads(None, None, TIMEOUT).wait;
        assert_eq!(wait(Wait::Forever), Wait::AtMost(TIMEOUT));
        for acquire in [Duration::ZERO, Duration::from_secs(90)] {
            assert_eq!(wait(Wait::For(acquire)), Wait::For(acquire));
        }
    }

    #[test]
    fn beside_parked_requests_the_wait_for_a_place_has_an_end_and_the_number_of_threads_counts() {
        let threads = of_eight_threads(Wait::Forever);
        let beside = threads.beside_parked(TIMEOUT);
        assert_eq!(beside, Limits { wait: Wait::AtMost(TIMEOUT), ..threads });
        let acquire = of_eight_threads(Wait::For(2 * TIMEOUT));
        assert_eq!(acquire.beside_parked(TIMEOUT), acquire);
    }
}
