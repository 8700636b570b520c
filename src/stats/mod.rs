//! What has happened, in numbers: counters and histograms per member and per pool, gauges per child.
//!
//! ```text
//! StatsHeader      64 bytes    version, sizes, since when
//! MemberSlot       64 bytes    × slots: whose counters they are
//! PoolSlot        256 bytes    × slots: likewise, and the name
//! MemberCounters  512 bytes    × slots × stripes
//! PoolCounters    192 bytes    × slots × stripes
//! pids              4 bytes    × children
//! PoolGauges       16 bytes    × slots × children
//! ```
//!
//! Nothing but atomics, as in the table of members, and for the reasons that are given there.
//!
//! # Why stripes, and rows
//! Counters only grow, so a child that is killed takes nothing back: what it had counted stays. They
//! need no owner either. A stripe is there so that two processors do not pass one cache line to and
//! fro: a child adds to the stripe of its row's number, several children to one where there are more
//! children than stripes. Gauges go down again, so those of each child are its own and are cleared when
//! it is gone.

mod counters;
mod histogram;
mod layout;
mod memory;
mod packet_size;
mod reason;
#[cfg(test)]
mod tests;

pub use counters::{
    Answers, Gauges, MemberCounters, MemberFigures, PoolCounters, PoolFigures, PoolGauges, Request,
};
pub use histogram::{BOUNDS_MS, BUCKETS, Histogram, HistogramFigures};
pub use layout::{MemberSlot, PoolSlot, STATS_VERSION, StatsHeader, StatsSizes, StatsTable};
pub use memory::{Counting, MemberStats, PoolStats, PrivateStats, StatsMemory};
pub use packet_size::{KnownPacketSize, PacketSizeSource};
pub use reason::ErrorReason;
