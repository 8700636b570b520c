//! The shares of the lbmethods `sessions` and `next`, as all children keep them for each member.
//!
//! What they mean is decided in [`balance::lbmethod`](crate::balance::lbmethod); here they are read and
//! written.
//!
//! # Race
//! Children choose at the same time and read the same shares: both may take the same member, and the
//! choices after that make up for it. Each write is one word of one member, of a kind that may be the
//! last that its child does.

use super::clock::Uptime;
use super::member::MemberState;
use crate::balance::Load;
use crate::balance::lbmethod::{Change, Choice, LoadFactor, Method, Scale, Share};
use crate::sync::atomic::Ordering::Relaxed;

/// Which requests a share counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Account {
    /// Choices that begin a session.
    NewSessions,
    /// Choices for sessions whose own member could not take them: shared out as fairly, but they are no
    /// new sessions.
    OrphanedSessions,
}

impl Account {
    fn index(self) -> usize {
        match self {
            Self::NewSessions => 0,
            Self::OrphanedSessions => 1,
        }
    }
}

/// One choice among the members of a balancer, by the shares that all children keep.
#[derive(Debug)]
pub struct SharedChoice<'m> {
    account: Account,
    choice: Choice,
    /// `None`: there was no room for it.
    members: Vec<Option<MemberState<'m>>>,
}

impl<'m> SharedChoice<'m> {
    /// Reads the shares of all members. They go by their place in `members` from here on.
    pub fn new(
        method: Method,
        account: Account,
        now: Uptime,
        members: impl Iterator<Item = Option<MemberState<'m>>>,
    ) -> Self {
        let members: Vec<_> = members.collect();
        let read = |state: &Option<MemberState<'m>>| {
            state.map(|state| (state.share(account), state.slot.turn.load(Relaxed)))
        };
        let choice = Choice::new(method, now.minute(), members.iter().map(read));
        Self { account, choice, members }
    }

    /// Notes that mod_proxy would take this member.
    pub fn mark_electable(&mut self, member: usize) {
        self.choice.mark_electable(member);
    }

    /// Whether a member is preferred to another one ([`Choice::prefers`]).
    pub fn prefers(&self, member: usize, other: usize, load: impl Fn(usize) -> Load) -> bool {
        self.choice.prefers(member, other, load)
    }

    /// Counts the request for the member that was taken, if there was one.
    pub fn commit(self, taken: Option<(usize, LoadFactor)>) {
        for (at, change) in self.choice.changes(taken) {
            if let Some(state) = self.members[at] {
                state.change_share(self.account, self.choice.scale(), change);
            }
        }
    }
}

/// Nothing else in memory depends on these words, so no order is asked for.
impl MemberState<'_> {
    fn share(&self, account: Account) -> Share {
        Share::from_bits(self.slot.shares[account.index()].load(Relaxed))
    }

    fn change_share(&self, account: Account, scale: &Scale, change: Change) {
        let word = &self.slot.shares[account.index()];
        match change {
            Change::Give(factor, turn) => {
                let given = |bits| Some(scale.given(Share::from_bits(bits), factor).bits());
                // Never Err: the closure always gives a value.
                let _ = word.fetch_update(Relaxed, Relaxed, given);
                self.slot.turn.fetch_max(turn, Relaxed);
            }
            Change::Join => {
                let none = Share::NONE.bits();
                // Err: it has joined by another child's choice, and may have been taken there.
                let _ = word.compare_exchange(none, scale.joined().bits(), Relaxed, Relaxed);
            }
            Change::Leave => word.store(Share::NONE.bits(), Relaxed),
        }
    }

    /// Takes its shares away: it joins the next choice like a new member.
    pub fn forget_shares(&self) {
        self.slot.shares.iter().for_each(|word| word.store(Share::NONE.bits(), Relaxed));
    }
}

#[cfg(test)]
mod tests {
    use std::thread;

    use super::*;
    use crate::shared::{MemberKey, PrivateTable, Row, Sizes};

    const BOTH: [Method; 2] = [Method::Sessions, Method::Next];

    /// A balancer of members that are named by their numbers.
    struct Balancer {
        memory: PrivateTable,
        row: Row,
        factors: Vec<i32>,
    }

    impl Balancer {
        fn new(factors: &[i32]) -> Self {
            let memory = PrivateTable::new(Sizes::new(factors.len(), 1));
            let row = memory.table().unwrap().child_begins(11).unwrap();
            Self { memory, row, factors: factors.to_vec() }
        }

        fn member(&self, number: usize) -> MemberState<'_> {
            let table = self.memory.table().unwrap();
            MemberState::find(table, MemberKey::of(&[&number.to_le_bytes()]), self.row).unwrap()
        }

        fn choose(&self, account: Account, method: Method) -> usize {
            let states = (0..self.factors.len()).map(|number| Some(self.member(number)));
            let now = Uptime::from_millis(1_800_000_000_000);
            let mut choice = SharedChoice::new(method, account, now, states);
            let idle = |_| Load::default();
            let taken = (0..self.factors.len()).fold(0, |best, at| {
                choice.mark_electable(at);
                if choice.prefers(at, best, idle) { at } else { best }
            });
            choice.commit(Some((taken, LoadFactor::new(self.factors[taken]))));
            taken
        }

        /// How often each was taken in so many choices.
        fn counts(&self, count: usize, account: Account, method: Method) -> Vec<usize> {
            let mut counts = vec![0; self.factors.len()];
            (0..count).for_each(|_| counts[self.choose(account, method)] += 1);
            counts
        }
    }

    #[test]
    fn shares_are_kept_from_one_choice_to_the_next_and_the_accounts_apart() {
        for method in BOTH {
            let balancer = Balancer::new(&[300, 100]);
            assert_eq!(balancer.counts(40, Account::OrphanedSessions, method), [30, 10]);
            assert_eq!(balancer.counts(4, Account::NewSessions, method), [3, 1]);
        }
    }

    #[test]
    fn forgotten_shares_begin_again_also_when_only_some_are_forgotten() {
        for method in BOTH {
            let balancer = Balancer::new(&[100; 3]);
            balancer.counts(50, Account::NewSessions, method);
            // A child that dies in the middle of a reset has done this much.
            balancer.member(0).forget_shares();
            assert_eq!(balancer.counts(30, Account::NewSessions, method), [10, 10, 10]);
            (0..3).for_each(|number| balancer.member(number).forget_shares());
            assert_eq!(balancer.counts(30, Account::NewSessions, method), [10, 10, 10]);
        }
    }

    #[test]
    fn children_that_choose_at_the_same_time_come_out_even() {
        for method in BOTH {
            let balancer = Balancer::new(&[300, 100]);
            let counts = thread::scope(|scope| {
                let choose = || balancer.counts(1000, Account::NewSessions, method);
                let threads = [(); 4].map(|()| scope.spawn(choose));
                threads.map(|thread| thread.join().unwrap())
            });
            let a: usize = counts.iter().map(|counts| counts[0]).sum();
            assert!(a.abs_diff(3000) <= 60, "{method:?}: {a} of 4000");
        }
    }

    #[test]
    fn a_member_without_a_place_in_the_table_is_only_read_about() {
        let balancer = Balancer::new(&[100]);
        let states = [None, Some(balancer.member(0))];
        let now = Uptime::from_millis(0);
        let mut choice =
            SharedChoice::new(Method::Next, Account::NewSessions, now, states.into_iter());
        choice.mark_electable(0);
        choice.commit(Some((0, LoadFactor::new(100))));
        assert_eq!(balancer.member(0).share(Account::NewSessions), Share::NONE);
    }
}
