//! What has happened, in numbers: counters and histograms per member and per pool, gauges per child.
//!
//! ```text
//! StatsHeader      64 bytes    version, sizes, since when
//! MemberSlot       64 bytes    × slots: whose counters they are
//! PoolSlot        256 bytes    × slots: likewise, and the name
//! MemberCounters  whole 64s    × slots × stripes
//! PoolCounters    whole 64s    × slots × stripes
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

// First, for their macros.
#[macro_use]
mod layout_hash;
#[macro_use]
mod figure;

mod histogram;
mod layout;
mod member;
mod memory;
mod packet_size;
mod pool;
mod reason;
#[cfg(test)]
mod tests;

pub use figure::{Count, Figure, Shown, Unit, Value};
pub use histogram::{BOUNDS_MS, BUCKETS, Histogram, HistogramFigures};
pub use layout::{MemberSlot, PoolSlot, STATS_VERSION, StatsHeader, StatsSizes, StatsTable};
pub use member::{Answers, MEMBER_FIGURES, MemberCounters, MemberFigures, Request};
pub use memory::{Counting, MemberStats, PoolStats, PrivateStats, StatsMemory};
pub use packet_size::{KnownPacketSize, PacketSizeSource};
pub use pool::{Gauges, POOL_FIGURES, PoolCounters, PoolFigures, PoolGauges};
pub use reason::ErrorReason;
