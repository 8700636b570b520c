//! How many requests one child can park, and whether the system lets it.

use std::fmt;

/// The size of a child under MPM event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ChildSize {
    /// `ThreadsPerChild`.
    threads: u32,
    /// `AsyncRequestWorkerFactor`, of which event uses the whole number.
    factor: u32,
}

/// event's own default of `AsyncRequestWorkerFactor`.
const DEFAULT_FACTOR: u32 = 2;

/// The most descriptors of one parked request: the client's connection, the container's, and two of the
/// kernel's with which it waits (epoll, timer).
const DESCRIPTORS: u64 = 4;

impl ChildSize {
    /// The size of a child with so many threads. `factor`: `AsyncRequestWorkerFactor` as it was written.
    #[must_use]
    pub fn new(threads: u32, factor: Option<&str>) -> Self {
        let written = factor.and_then(|text| text.trim().parse::<f64>().ok());
        // As event does: no less than 1, cut off to a whole number. The cast stops at the type's limits.
        let factor = written.map_or(DEFAULT_FACTOR, |factor| factor.max(1.0) as u32);
        Self { threads, factor }
    }

    /// The most connections that a child accepts: event adds the factor for each thread that is idle, and
    /// all are while all requests are parked.
    #[must_use]
    pub fn connections(self) -> u64 {
        u64::from(self.threads) * (1 + u64::from(self.factor))
    }

    /// The descriptors for as many parked requests.
    #[must_use]
    pub fn descriptors(self) -> u64 {
        self.connections() * DESCRIPTORS
    }

    /// What an administrator should know before requests are parked. `limit`: the descriptors that a
    /// process may have; `None`: unlimited.
    pub fn remarks(self, limit: Option<u64>) -> impl Iterator<Item = ParkingRemark> {
        let few = self.factor <= DEFAULT_FACTOR;
        let scarce = limit.filter(|limit| limit / DESCRIPTORS < self.connections());
        let few = few.then_some(ParkingRemark::FewConnections(self));
        few.into_iter().chain(scarce.map(|limit| ParkingRemark::FewDescriptors(self, limit)))
    }
}

impl fmt::Display for ChildSize {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { threads, factor } = self;
        write!(f, "ThreadsPerChild {threads}, AsyncRequestWorkerFactor {factor}")
    }
}

/// A remark on the number of requests that can be parked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ParkingRemark {
    /// Parking is on, but httpd takes hardly more connections than without it.
    #[error(
        "at most {} requests can be parked in a child, since it accepts no more connections ({_0}). \
         Raise AsyncRequestWorkerFactor for more",
        _0.connections()
    )]
    FewConnections(ChildSize),
    /// The descriptors run out before the connections.
    #[error(
        "a process may have {_1} open files, which is not enough for the {} connections of a child \
         ({_0}): a parked request needs up to {DESCRIPTORS}. Start httpd with ulimit -n {} or more \
         (systemd: LimitNOFILE={})",
        _0.connections(), _0.descriptors(), _0.descriptors()
    )]
    FewDescriptors(ChildSize, u64),
}

#[cfg(test)]
mod tests {
    use super::*;

    fn remarks(threads: u32, factor: Option<&str>, limit: Option<u64>) -> Vec<String> {
        let size = ChildSize::new(threads, factor);
        size.remarks(limit).map(|remark| remark.to_string()).collect()
    }

    #[test]
    fn a_child_has_a_connection_for_each_thread_and_the_factor_for_each_idle_one() {
        for (factor, connections) in [
            (None, 75),
            (Some("2"), 75),
            (Some("200"), 5025),
            (Some(" 7 "), 200),
            // As event reads it: a whole number, and no less than 1.
            (Some("7.9"), 200),
            (Some("0.5"), 50),
            (Some("many"), 75),
        ] {
            assert_eq!(ChildSize::new(25, factor).connections(), connections, "{factor:?}");
        }
        assert_eq!(ChildSize::new(u32::MAX, Some("1e30")).connections(), u64::from(u32::MAX) << 32);
    }

    #[test]
    fn the_default_factor_is_remarked_on_and_a_larger_one_is_not() {
        assert_eq!(
            remarks(25, None, None),
            ["at most 75 requests can be parked in a child, since it accepts no more connections \
              (ThreadsPerChild 25, AsyncRequestWorkerFactor 2). Raise AsyncRequestWorkerFactor for more"]
        );
        assert_eq!(remarks(25, Some("2"), None).len(), 1);
        assert!(remarks(25, Some("3"), None).is_empty());
    }

    #[test]
    fn a_limit_of_four_descriptors_for_each_connection_is_enough_and_one_less_is_not() {
        // 5 * (1 + 199) connections.
        assert!(remarks(5, Some("199"), Some(4000)).is_empty());
        assert_eq!(
            remarks(5, Some("199"), Some(3999)),
            [
                "a process may have 3999 open files, which is not enough for the 1000 connections of a \
              child (ThreadsPerChild 5, AsyncRequestWorkerFactor 199): a parked request needs up to 4. \
              Start httpd with ulimit -n 4000 or more (systemd: LimitNOFILE=4000)"
            ]
        );
        assert_eq!(remarks(5, None, Some(40)).len(), 2);
    }
}
