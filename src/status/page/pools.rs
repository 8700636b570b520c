//! The connection pools.

use super::figure_lines::{Line, lines};
use crate::pool::CloseReason;
use crate::stats::POOL_FIGURES;
use crate::status::Pool;

/// A pool as the page shows it.
pub(in crate::status) struct PoolRow<'s> {
    pub(in crate::status) name: &'s str,
    pub(in crate::status) dials_in: Option<String>,
    pub(in crate::status) open: u32,
    pub(in crate::status) idle: u32,
    pub(in crate::status) in_use: u32,
    pub(in crate::status) borrowed: u32,
    pub(in crate::status) waiting: u32,
    pub(in crate::status) created: u64,
    pub(in crate::status) reused: u64,
    pub(in crate::status) share: String,
    pub(in crate::status) timed_out: u64,
    pub(in crate::status) lines: Vec<Line>,
    pub(in crate::status) packet_size: usize,
    pub(in crate::status) packet_size_source: &'static str,
    pub(in crate::status) closed: Vec<(&'static str, &'static str, u64)>,
}

/// Makes the row of a pool.
pub(in crate::status) fn pool_row(pool: &Pool) -> PoolRow<'_> {
    let (figures, now) = (&pool.figures, pool.figures.now);
    let served = figures.created + figures.reused;
    PoolRow {
        name: &pool.name,
        dials_in: pool.dials_in.as_ref().map(|dials_in| match dials_in.queue {
            Some((waiting, backlog)) => {
                format!("{}, {waiting} of {backlog} waiting to be accepted", dials_in.at)
            }
            None => dials_in.at.clone(),
        }),
        open: now.open(),
        idle: now.idle,
        in_use: now.in_use,
        borrowed: now.borrowed,
        waiting: now.waiting,
        created: figures.created,
        reused: figures.reused,
        share: match served {
            0 => String::new(),
            served => format!("{}\u{a0}%", figures.reused * 100 / served),
        },
        timed_out: figures.timed_out,
        lines: lines(POOL_FIGURES, figures),
        packet_size: figures.packet_size.bytes,
        packet_size_source: figures.packet_size.source.name(),
        closed: CloseReason::ALL
            .into_iter()
            .zip(figures.closed)
            .filter(|(_, count)| *count > 0)
            .map(|(reason, count)| (reason.name(), reason.help(), count))
            .collect(),
    }
}
