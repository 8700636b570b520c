//! The counters of a member and of a pool, and what they come to.

use std::sync::atomic::{AtomicU32, AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use super::histogram::{Histogram, HistogramFigures, micros};
use super::packet_size::KnownPacketSize;
use super::reason::ErrorReason;

/// Answers by the first digit of their status, 1 to 5; anything else is with the fives.
pub type Answers = [u64; 5];

/// One stripe of what is counted of a member.
#[repr(C, align(64))]
#[derive(Debug, Default)]
pub struct MemberCounters {
    requests: AtomicU64,
    sent: AtomicU64,
    retries: AtomicU64,
    failovers: AtomicU64,
    uploaded: AtomicU64,
    downloaded: AtomicU64,
    waited_us: AtomicU64,
    answers: [AtomicU64; 5],
    errors: [AtomicU64; ErrorReason::ALL.len()],
    duration: Histogram,
    first_byte: Histogram,
}

const _: () = assert!(size_of::<MemberCounters>() == 512);

/// One request on a member, over.
#[derive(Clone, Copy, Debug)]
pub struct Request {
    /// How often it was sent.
    pub sent: u32,
    /// Body bytes to the backend.
    pub uploaded: u64,
    /// Body bytes from it.
    pub downloaded: u64,
    /// How long it waited for connections.
    pub waited: Duration,
    /// From the beginning, waiting included, to the end of the response or the failure.
    pub took: Duration,
    /// To the response's status and headers, if they came.
    pub first_byte: Option<Duration>,
    /// The status of the response, or why there was none.
    pub result: Result<u16, ErrorReason>,
}

impl MemberCounters {
    /// Counts a request. Some relaxed additions: for the hot path.
    pub fn count(&self, request: &Request) {
        self.requests.fetch_add(1, Relaxed);
        // Nothing to be added is the usual case for the others.
        let add = |counter: &AtomicU64, count: u64| {
            if count > 0 {
                counter.fetch_add(count, Relaxed);
            }
        };
        add(&self.sent, request.sent.into());
        add(&self.retries, request.sent.saturating_sub(1).into());
        add(&self.uploaded, request.uploaded);
        add(&self.downloaded, request.downloaded);
        add(&self.waited_us, micros(request.waited));
        match request.result {
            Ok(status) => {
                let class = usize::from(status / 100).wrapping_sub(1).min(self.answers.len() - 1);
                self.answers[class].fetch_add(1, Relaxed);
            }
            Err(reason) => self.count_error(reason),
        }
        // What was refused at once says nothing of how fast the member is.
        if request.sent > 0 {
            self.duration.observe(request.took);
        }
        if let Some(first_byte) = request.first_byte {
            self.first_byte.observe(first_byte);
        }
    }

    /// Counts a request that was over before a connection was asked for.
    pub fn refused(&self, reason: ErrorReason) {
        self.requests.fetch_add(1, Relaxed);
        self.count_error(reason);
    }

    fn count_error(&self, reason: ErrorReason) {
        self.errors[reason as usize].fetch_add(1, Relaxed);
    }

    /// Another member was given a request that this one had.
    pub fn failed_over(&self) {
        self.failovers.fetch_add(1, Relaxed);
    }

    pub(super) fn add_to(&self, sum: &mut MemberFigures) {
        let add = |sum: &mut u64, counter: &AtomicU64| {
            *sum = sum.wrapping_add(counter.load(Relaxed));
        };
        add(&mut sum.requests, &self.requests);
        add(&mut sum.sent, &self.sent);
        add(&mut sum.retries, &self.retries);
        add(&mut sum.failovers, &self.failovers);
        add(&mut sum.uploaded, &self.uploaded);
        add(&mut sum.downloaded, &self.downloaded);
        add(&mut sum.waited_us, &self.waited_us);
        sum.answers.iter_mut().zip(&self.answers).for_each(|(sum, counter)| add(sum, counter));
        sum.errors.iter_mut().zip(&self.errors).for_each(|(sum, counter)| add(sum, counter));
        self.duration.add_to(&mut sum.duration);
        self.first_byte.add_to(&mut sum.first_byte);
    }

    pub(super) fn clear(&self) {
        let Self { requests, sent, retries, failovers, uploaded, downloaded, waited_us, .. } = self;
        let single = [requests, sent, retries, failovers, uploaded, downloaded, waited_us];
        let all = single.into_iter().chain(&self.answers).chain(&self.errors);
        all.for_each(|counter| counter.store(0, Relaxed));
        self.duration.clear();
        self.first_byte.clear();
    }
}

/// What has been counted of a member, over all children that were.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct MemberFigures {
    /// Requests it was given.
    pub requests: u64,
    /// How often a request was sent to it, each attempt for itself.
    pub sent: u64,
    /// Attempts after the first of a request, on a new connection.
    pub retries: u64,
    /// Requests that another member was given after this one.
    pub failovers: u64,
    /// Body bytes to it.
    pub uploaded: u64,
    /// Body bytes from it.
    pub downloaded: u64,
    /// Microseconds that requests waited for connections.
    pub waited_us: u64,
    /// Whole responses, by status.
    pub answers: Answers,
    /// Failed requests, in the order of [`ErrorReason::ALL`].
    pub errors: [u64; ErrorReason::ALL.len()],
    /// Of requests that were sent: from the beginning to the end of the response, or the failure.
    pub duration: HistogramFigures,
    /// To the response's status and headers.
    pub first_byte: HistogramFigures,
}

impl MemberFigures {
    /// Failures by this reason.
    pub fn errors_of(&self, reason: ErrorReason) -> u64 {
        self.errors[reason as usize]
    }

    /// Each reason with its count.
    pub fn errors(&self) -> impl Iterator<Item = (ErrorReason, u64)> + '_ {
        ErrorReason::ALL.into_iter().map(|reason| (reason, self.errors_of(reason)))
    }

    /// Failures but for the clients' own.
    pub fn failures(&self) -> u64 {
        self.errors().filter(|(reason, _)| !reason.is_the_clients()).map(|(_, count)| count).sum()
    }
}

/// Places for reasons to close a connection, some of them spare.
const CLOSED: usize = 16;

/// One stripe of what is counted of a pool.
#[repr(C, align(64))]
#[derive(Debug, Default)]
pub struct PoolCounters {
    pub(super) created: AtomicU64,
    pub(super) reused: AtomicU64,
    pub(super) timed_out: AtomicU64,
    pub(super) pings: AtomicU64,
    pub(super) ping_failures: AtomicU64,
    spare: [AtomicU64; 3],
    pub(super) closed: [AtomicU64; CLOSED],
}

const _: () = assert!(size_of::<PoolCounters>() == 192);

impl PoolCounters {
    pub(super) fn add_to(&self, sum: &mut PoolFigures) {
        let add = |sum: &mut u64, counter: &AtomicU64| {
            *sum = sum.wrapping_add(counter.load(Relaxed));
        };
        add(&mut sum.created, &self.created);
        add(&mut sum.reused, &self.reused);
        add(&mut sum.timed_out, &self.timed_out);
        add(&mut sum.pings, &self.pings);
        add(&mut sum.ping_failures, &self.ping_failures);
        sum.closed.iter_mut().zip(&self.closed).for_each(|(sum, counter)| add(sum, counter));
    }

    pub(super) fn clear(&self) {
        let Self { created, reused, timed_out, pings, ping_failures, closed, .. } = self;
        let all = [created, reused, timed_out, pings, ping_failures].into_iter().chain(closed);
        all.for_each(|counter| counter.store(0, Relaxed));
    }
}

/// What a pool has at one moment, in one child or all.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Gauges {
    /// Connections waiting for a request.
    pub idle: u32,
    /// Connections serving one, being opened, or being looked at.
    pub in_use: u32,
    /// Connections out to be pinged.
    pub borrowed: u32,
    /// Requests waiting for a connection.
    pub waiting: u32,
}

impl Gauges {
    /// Connections that are open, or about to be.
    pub fn open(self) -> u32 {
        self.idle.saturating_add(self.in_use).saturating_add(self.borrowed)
    }
}

/// One child's [`Gauges`] of a pool, in shared memory.
#[repr(C)]
#[derive(Debug, Default)]
pub struct PoolGauges {
    idle: AtomicU32,
    in_use: AtomicU32,
    borrowed: AtomicU32,
    waiting: AtomicU32,
}

const _: () = assert!(size_of::<PoolGauges>() == 16);

impl PoolGauges {
    /// As differences: several pools of a child may have one name.
    pub(super) fn change(&self, before: Gauges, now: Gauges) {
        let change = |gauge: &AtomicU32, before: u32, now: u32| {
            if before != now {
                gauge.fetch_add(now.wrapping_sub(before), Relaxed);
            }
        };
        change(&self.idle, before.idle, now.idle);
        change(&self.in_use, before.in_use, now.in_use);
        change(&self.borrowed, before.borrowed, now.borrowed);
        change(&self.waiting, before.waiting, now.waiting);
    }

    pub(super) fn add_to(&self, sum: &mut Gauges) {
        sum.idle = sum.idle.wrapping_add(self.idle.load(Relaxed));
        sum.in_use = sum.in_use.wrapping_add(self.in_use.load(Relaxed));
        sum.borrowed = sum.borrowed.wrapping_add(self.borrowed.load(Relaxed));
        sum.waiting = sum.waiting.wrapping_add(self.waiting.load(Relaxed));
    }

    pub(super) fn clear(&self) {
        let Self { idle, in_use, borrowed, waiting } = self;
        [idle, in_use, borrowed, waiting].into_iter().for_each(|gauge| gauge.store(0, Relaxed));
    }
}

/// What has been counted of a pool, over all children that were; and what they have now.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PoolFigures {
    /// Connections opened.
    pub created: u64,
    /// Times an idle connection served a request.
    pub reused: u64,
    /// Requests that got none within `acquire`.
    pub timed_out: u64,
    /// CPINGs sent.
    pub pings: u64,
    /// Those without a proper answer.
    pub ping_failures: u64,
    /// Connections closed, by the number of the pool's reason.
    pub closed: [u64; CLOSED],
    /// Of all children that are.
    pub now: Gauges,
    /// How large a packet the backend takes.
    pub packet_size: KnownPacketSize,
}
