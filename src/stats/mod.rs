//! Statistics: counters and histograms of each member and pool, and gauges of each child.
//!
//! ```text
//! StatsHeader      64 bytes    version, sizes, since when
//! MemberSlot       64 bytes    × slots: whose counters they are
//! PoolSlot        256 bytes    × slots: likewise, and the name
//! MemberCounters  whole 64s    × slots × stripes
//! PoolCounters    whole 64s    × slots × stripes
//! pids              4 bytes    × children
//! PoolGauges       16 bytes    × slots × children
//! MemberGauges      4 bytes    × slots × children
//! ```
//!
//! It consists of atomics alone, as the table of members does and for the reasons given there. Records are
//! filled up to whole cache lines, and nothing reads or writes these bytes.
//!
//! # Why stripes, and rows
//! Counters only grow, so nothing has to be taken back when a child is killed, and they need no owner.
//! Stripes keep processors from passing one cache line to and fro: a child adds to the stripe with the
//! number of its row, and children share a stripe where there are more children than stripes. Gauges
//! also fall, so each child has its own, which are cleared when it has ended.

// First, for their macros.
#[macro_use]
mod layout_hash;
#[macro_use]
mod figure;

mod histogram;
mod last_error;
mod layout;
mod member;
mod member_gauges;
mod memory;
mod packet_size;
mod pool;
mod reason;
mod recent;
#[cfg(test)]
mod tests;

pub use figure::{Count, Figure, Shown, Unit, Value};
pub use histogram::{BOUNDS_MS, BUCKETS, Histogram, HistogramFigures};
pub use last_error::{ErrorDetail, LastError};
pub use layout::{MemberSlot, PoolSlot, STATS_VERSION, StatsHeader, StatsSizes, StatsTable};
pub use member::{Answers, MEMBER_FIGURES, MemberCounters, MemberFigures, Request};
pub use member_gauges::MemberGauges;
pub use memory::{Counting, MemberStats, ParkedGauge, PoolStats, PrivateStats, StatsMemory};
pub use packet_size::{KnownPacketSize, PacketSizeSource};
pub use pool::{Gauges, POOL_FIGURES, PoolCounters, PoolFigures, PoolGauges};
pub use reason::ErrorReason;
pub use recent::{Activity, Recent, RecentFigures, Ring, Steps};
