//! The preferences of the lbmethods `sessions` and `next`, and how a member's share changes.
//!
//! As in mod_jk, a member's share grows by the inverse of its load factor with each new session that
//! it gets, and the member with the smallest share gets the next one. `sessions` halves all shares
//! for each minute that passes. For `next` only the differences count: mod_jk subtracts the smallest
//! share from all, which here would be a write to each member that a child might not complete;
//! comparing differences has the same result.
//!
//! # Who takes part
//! A member that the last choice could not take (in error, draining, stopped, new, of a higher lbset)
//! has no share. Once it is electable it joins with the greatest share of the others: it takes turns
//! with them, and need not catch up. "No share" is all zeros, so a new member and a reset need no
//! further care.

use std::cmp::Ordering;

use super::Load;

/// An lbmethod of this module.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Method {
    /// Shares are halved at each full minute.
    Sessions,
    /// Shares stay as they are.
    Next,
}

/// A load factor in httpd's hundredths: 100 to 10000 stand for 1.00 to 100.00.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LoadFactor(u64);

impl LoadFactor {
    /// Takes the nearest factor that httpd knows. (mod_proxy_cluster has smaller ones.)
    #[must_use]
    pub fn new(hundredths: i32) -> Self {
        Self(u64::try_from(hundredths).unwrap_or(0).clamp(1, 10_000))
    }

    /// The amount by which a share grows: exact for whole factors up to 16, within 0.02 % for all.
    fn step(self) -> u64 {
        // The least common multiple of 1 to 16, in hundredths.
        const ONE: u64 = 720_720 * 100;
        ONE / self.0
    }
}

/// A member's share in one word: whether it has one, the minute (modulo 2^16) of the amount, and the
/// amount.
///
/// 2^47 are 195 million new sessions of a member with factor 1; `sessions` halves them away before
/// that, and `next` wraps around.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
pub struct Share(u64);

impl Share {
    /// The share of a member that does not take part.
    pub const NONE: Self = Self(0);
    const TAKES_PART: u64 = 1 << 63;
    const MINUTE_AT: u32 = 47;
    const AMOUNT: u64 = (1 << Self::MINUTE_AT) - 1;

    fn new(amount: u64, minute: u16) -> Self {
        Self(Self::TAKES_PART | u64::from(minute) << Self::MINUTE_AT | amount & Self::AMOUNT)
    }

    /// Reads the word in shared memory.
    #[must_use]
    pub const fn from_bits(bits: u64) -> Self {
        Self(bits)
    }

    /// The word in shared memory.
    #[must_use]
    pub const fn bits(self) -> u64 {
        self.0
    }

    fn takes_part(self) -> bool {
        self.0 & Self::TAKES_PART != 0
    }

    fn minute(self) -> u16 {
        // The bit above is cut off with the rest.
        (self.0 >> Self::MINUTE_AT) as u16
    }

    fn amount(self) -> u64 {
        self.0 & Self::AMOUNT
    }
}

impl std::fmt::Debug for Share {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        if !self.takes_part() {
            return f.write_str("Share(none)");
        }
        write!(f, "Share({} in minute {})", self.amount(), self.minute())
    }
}

/// The scale for the shares of a balancer during one choice.
#[derive(Clone, Copy, Debug)]
pub struct Scale {
    method: Method,
    minute: u16,
    /// The zero of the scale of `next`.
    base: u64,
    /// The greatest share; 0 if no member has one.
    greatest: u64,
}

impl Scale {
    fn new(method: Method, minute: u16, shares: impl Iterator<Item = Share> + Clone) -> Self {
        let sharing = shares.filter(|share| share.takes_part());
        let first = sharing.clone().next().map_or(0, Share::amount);
        let base = if method == Method::Next { first } else { 0 };
        let mut scale = Self { method, minute, base, greatest: base };
        if let Some(greatest) = sharing.max_by_key(|share| scale.rank(*share)) {
            scale.greatest = scale.amount(greatest);
        }
        scale
    }

    /// The present amount; for a member without a share, the amount with which it joins.
    fn amount(&self, share: Share) -> u64 {
        if !share.takes_part() {
            return self.greatest;
        }
        match self.method {
            Method::Next => share.amount(),
            Method::Sessions => {
                let minutes = self.minute.wrapping_sub(share.minute());
                // More than half way round: the other process read the clock after this one.
                let minutes = if minutes > u16::MAX / 2 { 0 } else { minutes };
                share.amount().checked_shr(minutes.into()).unwrap_or(0)
            }
        }
    }

    /// The amount as a number to compare.
    fn rank(&self, share: Share) -> i64 {
        let from_base = self.amount(share).wrapping_sub(self.base);
        // A difference of more than half way round is negative: the sign is that of 47 bits for `next`,
        // and of 64 for `sessions`, where it never occurs.
        let unused = if self.method == Method::Next { u64::BITS - Share::MINUTE_AT } else { 0 };
        (from_base << unused) as i64 >> unused
    }

    /// The share with which a member joins.
    #[must_use]
    pub fn joined(&self) -> Share {
        Share::new(self.greatest, self.minute)
    }

    /// The share after one more session.
    #[must_use]
    pub fn given(&self, share: Share, factor: LoadFactor) -> Share {
        let amount = self.amount(share) + factor.step();
        match self.method {
            Method::Sessions => Share::new(amount.min(Share::AMOUNT), self.minute),
            Method::Next => Share::new(amount, self.minute),
        }
    }
}

/// The change of a member's share by a choice.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change {
    /// It got the session: its share grows ([`Scale::given`]), and this is its last turn.
    Give(LoadFactor, u64),
    /// It was electable, and has a share from now on ([`Scale::joined`]).
    Join,
    /// It was not electable, and has no share from now on.
    Leave,
}

/// One choice among the members of a balancer, which are named by their place in it.
///
/// mod_proxy decides which members are electable, in its order of lbset, spares and hot standbys.
#[derive(Debug)]
pub struct Choice {
    scale: Scale,
    members: Vec<Candidate>,
}

#[derive(Debug)]
struct Candidate {
    /// `None`: there is no room for it.
    share: Option<Share>,
    turn: u64,
    is_electable: bool,
}

impl Choice {
    /// Starts with the share of each member and the number of its last turn. `None`: there is no room
    /// for them.
    pub fn new(
        method: Method,
        minute: u16,
        members: impl Iterator<Item = Option<(Share, u64)>>,
    ) -> Self {
        let members: Vec<_> = members
            .map(|kept| Candidate {
                share: kept.map(|(share, _)| share),
                // A member without room for a share comes after those that have one.
                turn: kept.map_or(u64::MAX, |(_, turn)| turn),
                is_electable: false,
            })
            .collect();
        let scale = Scale::new(method, minute, members.iter().filter_map(|member| member.share));
        Self { scale, members }
    }

    /// The scale for shares.
    #[must_use]
    pub fn scale(&self) -> &Scale {
        &self.scale
    }

    /// Notes that mod_proxy would take this member.
    pub fn mark_electable(&mut self, member: usize) {
        if let Some(member) = self.members.get_mut(member) {
            member.is_electable = true;
        }
    }

    /// Whether a member is preferred to another: it has the smaller share; with equal shares, its last
    /// turn is longer ago; and if those are equal too, it has fewer requests in flight.
    pub fn prefers(&self, member: usize, other: usize, load: impl Fn(usize) -> Load) -> bool {
        match self.compare(member, other) {
            Ordering::Less => true,
            Ordering::Equal => load(member).is_less_than(load(other)),
            Ordering::Greater => false,
        }
    }

    fn compare(&self, one: usize, other: usize) -> Ordering {
        let rank = |at: usize| {
            let member = self.members.get(at);
            member.map(|one| (self.scale.rank(one.share.unwrap_or(Share::NONE)), one.turn))
        };
        rank(one).cmp(&rank(other))
    }

    /// The changes after this member (or none) has been taken: it gets the session, and exactly the
    /// electable members have a share from now on.
    pub fn changes(
        &self,
        taken: Option<(usize, LoadFactor)>,
    ) -> impl Iterator<Item = (usize, Change)> + '_ {
        let turns = self.members.iter().filter(|member| member.share.is_some());
        let next_turn = turns.map(|member| member.turn).max().unwrap_or(0).saturating_add(1);
        self.members.iter().enumerate().filter_map(move |(at, member)| {
            let has_share = member.share? != Share::NONE;
            let change = match taken.filter(|(taken, _)| *taken == at) {
                Some((_, factor)) => Some(Change::Give(factor, next_turn)),
                None => match (member.is_electable, has_share) {
                    (true, false) => Some(Change::Join),
                    (false, true) => Some(Change::Leave),
                    (true, true) | (false, false) => None,
                },
            };
            change.map(|change| (at, change))
        })
    }
}

#[cfg(test)]
#[path = "lbmethod_tests.rs"]
mod tests;
