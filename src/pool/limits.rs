//! What an administrator allows a pool; passed with each call, since httpd may change it.

use std::num::NonZeroUsize;
use std::time::Duration;

/// How many connections a pool may hold, for how long, and how long to wait for one.
///
/// Passed at each [`acquire`](super::Pool::acquire), [`acquire_fresh`](super::Pool::acquire_fresh)
/// and [`sweep`](super::Pool::sweep); the pool remembers the last it was given for the calls that
/// carry none. A lowered `max` closes the excess as it is released.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Limits {
    /// Places at most: connections idle, in use and being opened. `None`: no bound.
    ///
    /// A connection on a [`BorrowedConnection`](super::BorrowedConnection) is in none of them, so that no request waits for its
    /// test: by those on loan, open connections may exceed `max` until the loans end.
    pub max: Option<NonZeroUsize>,
    /// Idle connections kept at most, where there is no `ttl`; `None`: as many as there are.
    ///
    /// As stock (`reslist_maint` in APR's `apr_reslist.c`): on release the oldest idle connections
    /// above `smax` are closed once idle for `ttl`, at once without a `ttl`. Here `ttl` is kept for
    /// every idle connection, so with a `ttl` there is nothing left for `smax` to do.
    pub smax: Option<usize>,
    /// A connection idle for this long, or longer, is not used again. `None`: no bound.
    pub ttl: Option<Duration>,
    /// How long `acquire` waits once all `max` places are taken.
    pub wait: Wait,
}

/// How long to wait for a place.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Wait {
    /// Until there is one (stock, without `acquire=`).
    #[default]
    Forever,
    /// This long, counted from the `now` of the call. Zero: look once.
    For(Duration),
}
