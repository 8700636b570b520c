//! What lbmethods `sessions` and `next` give to each member, and whose turn it is.
//!
//! As in mod_jk, a member's share grows by the inverse of its load factor with each new session that
//! is given to it, and the member with the least share has the next one. `sessions` halves all shares
//! for each minute that passes. Of `next` the differences alone count: mod_jk subtracts the least
//! share from all, which here would be a write to each member that a child might not complete;
//! comparing differences comes to the same.
//!
//! # Who takes part
//! A member that the last election could not choose (in error, draining, stopped, new, of a higher
//! lbset) has no share. Once it can be chosen it joins with the greatest share of the others: it has
//! its turn with them, and need not catch up. "No share" is all zeros, so a new member and a reset
//! need no further care.
//!
//! # Race
//! Children elect at the same time and read the same shares: both may choose the same member, and
//! the elections after that make up for it. Each write is one word of one member, of a kind that may
//! be the last that its child does.

use std::sync::atomic::Ordering;

use super::clock::Uptime;
use super::member::MemberState;

/// What becomes of shares as time passes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Method {
    /// Halved at each full minute.
    Sessions,
    /// Nothing.
    Next,
}

/// Shares of what.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ledger {
    /// Requests that belong to no session.
    New,
    /// Requests of sessions whose own member could not take them: shared out as fairly, but they
    /// are no new sessions.
    TakenOver,
}

impl Ledger {
    fn index(self) -> usize {
        match self {
            Self::New => 0,
            Self::TakenOver => 1,
        }
    }
}

/// A load factor in httpd's hundredths: 100 to 10000 stand for 1.00 to 100.00.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LoadFactor(u64);

impl LoadFactor {
    /// mod_proxy_cluster has smaller ones than httpd; what is below 1 counts as 1.
    pub fn new(hundredths: i32) -> Self {
        Self(u64::try_from(hundredths).unwrap_or(0).clamp(1, 10_000))
    }

    /// By how much a share grows: exact for whole factors up to 16, right to 0.02 % for all.
    fn step(self) -> u64 {
        // The least common multiple of 1 to 16, in hundredths.
        const ONE: u64 = 720_720 * 100;
        ONE / self.0
    }
}

/// A member's share in one word: whether it has one, the minute (modulo 2^16) that the amount is of,
/// and the amount.
///
/// 2^47 are 195 million new sessions of a member with factor 1; `sessions` forgets them sooner, and
/// `next` goes round.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Share(u64);

impl Share {
    const NONE: Self = Self(0);
    const TAKES_PART: u64 = 1 << 63;
    const MINUTE_AT: u32 = 47;
    const AMOUNT: u64 = (1 << Self::MINUTE_AT) - 1;

    fn new(amount: u64, minute: u16) -> Self {
        Self(Self::TAKES_PART | u64::from(minute) << Self::MINUTE_AT | amount & Self::AMOUNT)
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

/// The shares at the beginning of an election.
#[derive(Clone, Copy, Debug)]
struct Round {
    method: Method,
    minute: u16,
    /// What `next` measures from.
    base: u64,
    /// The greatest; 0 where nobody has a share.
    greatest: u64,
}

impl Round {
    fn new(method: Method, now: Uptime, shares: impl Iterator<Item = Share> + Clone) -> Self {
        // Modulo 2^16.
        let minute = (now.millis() / 60_000) as u16;
        let mut sharing = shares.filter(|share| share.takes_part());
        let first = sharing.clone().next().map_or(0, Share::amount);
        let base = if method == Method::Next { first } else { 0 };
        let mut round = Self { method, minute, base, greatest: base };
        if let Some(greatest) = sharing.by_ref().max_by_key(|share| round.standing(*share)) {
            round.greatest = round.amount(greatest);
        }
        round
    }

    /// What the share is by now; without one, what it will be.
    fn amount(&self, share: Share) -> u64 {
        if !share.takes_part() {
            return self.greatest;
        }
        match self.method {
            Method::Next => share.amount(),
            Method::Sessions => {
                let minutes = self.minute.wrapping_sub(share.minute());
                // More than half way round: another process has read the clock after this one.
                let minutes = if minutes > u16::MAX / 2 { 0 } else { minutes };
                share.amount().checked_shr(minutes.into()).unwrap_or(0)
            }
        }
    }

    /// The same as a number to compare.
    fn standing(&self, share: Share) -> i64 {
        let from_base = self.amount(share).wrapping_sub(self.base);
        // What is half way round is before the base: the sign is that of 47 bits for `next`, and of 64
        // for `sessions`, where it is never set.
        let unused = if self.method == Method::Next { u64::BITS - Share::MINUTE_AT } else { 0 };
        (from_base << unused) as i64 >> unused
    }

    fn joined(&self, share: Share) -> Share {
        Share::new(self.amount(share), self.minute)
    }

    fn given(&self, share: Share, factor: LoadFactor) -> Share {
        let amount = self.amount(share) + factor.step();
        match self.method {
            Method::Sessions => Share::new(amount.min(Share::AMOUNT), self.minute),
            Method::Next => Share::new(amount, self.minute),
        }
    }
}

/// One election among the members of a balancer.
#[derive(Debug)]
pub struct Election<'m> {
    ledger: Ledger,
    round: Round,
    members: Vec<Member<'m>>,
}

/// A member during an election.
#[derive(Debug)]
struct Member<'m> {
    /// `None`: there was no room for it.
    state: Option<MemberState<'m>>,
    share: Share,
    turn: u64,
    stands: bool,
}

impl<'m> Election<'m> {
    /// Reads the shares of all members. They go by their place in `states` from here on.
    pub fn new(
        method: Method,
        ledger: Ledger,
        now: Uptime,
        states: impl Iterator<Item = Option<MemberState<'m>>>,
    ) -> Self {
        let read = |state: Option<MemberState<'m>>| Member {
            share: state.map_or(Share::NONE, |state| state.share(ledger)),
            // Without a share to count in, it comes after those who have one.
            turn: state.map_or(u64::MAX, |state| state.slot.turn.load(Ordering::Relaxed)),
            state,
            stands: false,
        };
        let members: Vec<_> = states.map(read).collect();
        let round = Round::new(method, now, members.iter().map(|member| member.share));
        Self { ledger, round, members }
    }

    /// A member can be chosen.
    pub fn stands(&mut self, at: usize) {
        if let Some(member) = self.members.get_mut(at) {
            member.stands = true;
        }
    }

    /// Compares two members; the less one is to be preferred: it has the lesser share, or of two
    /// equal ones its last turn is longer ago.
    pub fn compare(&self, one: usize, other: usize) -> std::cmp::Ordering {
        let rank = |at: usize| {
            let member = self.members.get(at);
            member.map(|member| (self.round.standing(member.share), member.turn))
        };
        rank(one).cmp(&rank(other))
    }

    /// Counts the request for the one chosen. Those that stood have a share from now on, and no
    /// others.
    pub fn settle(self, chosen: Option<(usize, LoadFactor)>) {
        let turns = self.members.iter().filter(|member| member.state.is_some());
        let next_turn = turns.map(|member| member.turn).max().unwrap_or(0).saturating_add(1);
        for (place, member) in self.members.iter().enumerate() {
            let Some(state) = member.state else { continue };
            let factor = chosen.and_then(|(at, factor)| (at == place).then_some(factor));
            if let Some(factor) = factor {
                state.give(self.ledger, &self.round, factor, next_turn);
            } else if member.stands && member.share == Share::NONE {
                state.join(self.ledger, &self.round);
            } else if !member.stands && member.share != Share::NONE {
                state.leave(self.ledger);
            }
        }
    }
}

/// Nothing else in memory depends on these words, so no order is asked for.
impl MemberState<'_> {
    fn share(&self, ledger: Ledger) -> Share {
        Share(self.slot.shares[ledger.index()].load(Ordering::Relaxed))
    }

    fn join(&self, ledger: Ledger, round: &Round) {
        let word = &self.slot.shares[ledger.index()];
        let joined = round.joined(Share::NONE).0;
        // Err: it has joined in another child's election, and may have been chosen there.
        let _ = word.compare_exchange(0, joined, Ordering::Relaxed, Ordering::Relaxed);
    }

    fn give(&self, ledger: Ledger, round: &Round, factor: LoadFactor, turn: u64) {
        let word = &self.slot.shares[ledger.index()];
        let given = |word| Some(round.given(Share(word), factor).0);
        // Never Err: the closure always gives a value.
        let _ = word.fetch_update(Ordering::Relaxed, Ordering::Relaxed, given);
        self.slot.turn.fetch_max(turn, Ordering::Relaxed);
    }

    fn leave(&self, ledger: Ledger) {
        self.slot.shares[ledger.index()].store(Share::NONE.0, Ordering::Relaxed);
    }

    /// Takes its shares away: it joins the next election like a new member.
    pub fn forget_shares(&self) {
        self.leave(Ledger::New);
        self.leave(Ledger::TakenOver);
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
