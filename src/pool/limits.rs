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

/// How long to wait for a place.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Wait {
    /// Until there is one (the default, without `acquire=`).
    #[default]
    Forever,
    /// This long, counted from the `now` of the call. Zero: look once.
    For(Duration),
}
