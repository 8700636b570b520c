//! Choices among members whose shares are in a vector, at a made-up time.

use std::cell::RefCell;

use super::*;

const NOW: u64 = 30_000_000 * MINUTE;
const MINUTE: u64 = 60_000;
const BOTH: [Method; 2] = [Method::Sessions, Method::Next];

/// A balancer of members that are named by their numbers.
struct Balancer {
    kept: RefCell<Vec<(Share, u64)>>,
    factors: Vec<i32>,
}

impl Balancer {
    fn new(factors: &[i32]) -> Self {
        let kept = RefCell::new(vec![(Share::NONE, 0); factors.len()]);
        Self { kept, factors: factors.to_vec() }
    }

    /// Sets a share, as if so many sessions had been given to the member.
    fn set_share(&self, number: usize, amount: u64) {
        self.kept.borrow_mut()[number].0 = Share::new(amount, (NOW / MINUTE) as u16);
    }

    fn choice(&self, method: Method, now: u64) -> Choice {
        let kept = self.kept.borrow();
        Choice::new(method, (now / MINUTE) as u16, kept.iter().copied().map(Some))
    }

    fn commit(&self, choice: &Choice, taken: usize) {
        let factor = LoadFactor::new(self.factors[taken]);
        for (at, change) in choice.changes(Some((taken, factor))) {
            let (share, last_turn) = &mut self.kept.borrow_mut()[at];
            match change {
                Change::Give(factor, turn) => {
                    (*share, *last_turn) = (choice.scale().given(*share, factor), turn);
                }
                Change::Join => *share = choice.scale().joined(),
                Change::Leave => *share = Share::NONE,
            }
        }
    }

    /// Chooses one of the electable members.
    fn elect(&self, method: Method, now: u64, electable: &[usize]) -> usize {
        let mut choice = self.choice(method, now);
        electable.iter().for_each(|at| choice.mark_electable(*at));
        let taken = *electable.iter().min_by(|a, b| choice.compare(**a, **b)).unwrap();
        self.commit(&choice, taken);
        taken
    }

    /// Counts how often each member was taken in so many choices.
    fn elect_many(
        &self,
        count: usize,
        method: Method,
        now: u64,
        electable: &[usize],
    ) -> Vec<usize> {
        let mut counts = vec![0; self.factors.len()];
        (0..count).for_each(|_| counts[self.elect(method, now, electable)] += 1);
        counts
    }
}

#[test]
fn members_of_equal_factors_have_their_turns_one_after_the_other() {
    for method in BOTH {
        let balancer = Balancer::new(&[100; 3]);
        let order: Vec<usize> = (0..9).map(|_| balancer.elect(method, NOW, &[0, 1, 2])).collect();
        assert_eq!(order, [0, 1, 2, 0, 1, 2, 0, 1, 2], "{method:?}");
    }
}

#[test]
fn load_factors_of_3_to_1_are_kept_over_any_stretch_of_four() {
    for method in BOTH {
        let balancer = Balancer::new(&[300, 100]);
        for _ in 0..100 {
            assert_eq!(balancer.elect_many(4, method, NOW, &[0, 1]), [3, 1], "{method:?}");
        }
    }
}

#[test]
fn load_factors_between_whole_numbers_are_kept_too() {
    for method in BOTH {
        let balancer = Balancer::new(&[10_000, 9_999, 150, 100, 1_733]);
        let all = [0, 1, 2, 3, 4];
        let sum: i32 = balancer.factors.iter().sum();
        let counts = balancer.elect_many(usize::try_from(sum).unwrap(), method, NOW, &all);
        for (count, factor) in counts.iter().zip(&balancer.factors) {
            let wanted = usize::try_from(*factor).unwrap();
            assert!(count.abs_diff(wanted) <= 2, "{method:?}: {counts:?}");
        }
    }
}

#[test]
fn a_factor_that_httpd_does_not_know_is_replaced_by_the_nearest() {
    for (strange, taken_for) in [(0, 1), (-1, 1), (i32::MAX, 10_000)] {
        assert_eq!(LoadFactor::new(strange), LoadFactor::new(taken_for));
    }
}

#[test]
fn sessions_are_halved_at_each_full_minute() {
    // a has had eight more than b.
    let after = |method, later| {
        let balancer = Balancer::new(&[100, 100]);
        balancer.elect_many(2, method, NOW, &[0, 1]);
        // b takes part, and loses the comparison on purpose.
        for _ in 0..8 {
            let mut choice = balancer.choice(method, NOW);
            (0..2).for_each(|at| choice.mark_electable(at));
            balancer.commit(&choice, 0);
        }
        (0..).take_while(|_| balancer.elect(method, NOW + later, &[0, 1]) == 1).count()
    };
    // Shares are 9 and 1. A tie goes to the one whose turn is longer ago.
    assert_eq!(after(Method::Sessions, MINUTE - 1), 8);
    assert_eq!(after(Method::Sessions, MINUTE), 4);
    assert_eq!(after(Method::Sessions, 2 * MINUTE), 2);
    assert_eq!(after(Method::Sessions, 3 * MINUTE), 1);
    for later in [0, MINUTE, 1_000_000 * MINUTE] {
        assert_eq!(after(Method::Next, later), 8, "next forgets nothing");
    }
}

#[test]
fn members_without_shares_still_take_turns() {
    let balancer = Balancer::new(&[100; 3]);
    let day = 24 * 60 * MINUTE;
    let elect = |number| balancer.elect(Method::Sessions, NOW + number * day, &[0, 1, 2]);
    assert_eq!((0..6).map(elect).collect::<Vec<_>>(), [0, 1, 2, 0, 1, 2]);
}

#[test]
fn a_clock_set_back_forgets_nothing_and_stops_nothing() {
    let balancer = Balancer::new(&[100, 100]);
    balancer.elect_many(20, Method::Sessions, NOW, &[0, 1]);
    let earlier = NOW - 90 * MINUTE;
    assert_eq!(balancer.elect_many(20, Method::Sessions, earlier, &[0, 1]), [10, 10]);
    assert_eq!(balancer.elect_many(20, Method::Sessions, earlier + MINUTE, &[0, 1]), [10, 10]);
}

#[test]
fn a_share_of_a_later_minute_is_whole_and_one_of_long_ago_is_nothing() {
    let at = |minute| Scale::new(Method::Sessions, minute, std::iter::empty());
    for (minute, wanted) in [(100, 9), (101, 4), (99, 9), (100 + 0x7FFF, 0), (100 + 0x8000, 9)] {
        assert_eq!(at(minute).amount(Share::new(9, 100)), wanted, "{minute}");
    }
}

/// mod_jk's cases 83 and 84.
#[test]
fn a_member_that_comes_back_joins_with_the_greatest_share_of_the_others() {
    for method in BOTH {
        let balancer = Balancer::new(&[100; 3]);
        balancer.elect_many(30, method, NOW, &[0, 1, 2]);
        assert_eq!(balancer.elect_many(100, method, NOW, &[0, 1]), [50, 50, 0]);
        let first: Vec<usize> = (0..6).map(|_| balancer.elect(method, NOW, &[0, 1, 2])).collect();
        assert!(first.iter().filter(|at| **at == 2).count() <= 2, "{method:?}: {first:?}");
        assert_eq!(balancer.elect_many(30, method, NOW, &[0, 1, 2]), [10, 10, 10]);
    }
}

#[test]
fn a_new_member_joins_in_the_same_way_also_with_another_factor() {
    for method in BOTH {
        let balancer = Balancer::new(&[300, 100, 200]);
        assert_eq!(balancer.elect_many(400, method, NOW, &[0, 1]), [300, 100, 0]);
        let counts = balancer.elect_many(60, method, NOW, &[0, 1, 2]);
        for (count, wanted) in counts.iter().zip([30, 10, 20]) {
            assert!(count.abs_diff(wanted) <= 3, "{method:?}: {counts:?}");
        }
    }
}

#[test]
fn a_higher_lbset_that_steps_in_begins_even_and_leaves_no_mark() {
    for method in BOTH {
        let balancer = Balancer::new(&[100; 4]);
        assert_eq!(balancer.elect_many(100, method, NOW, &[0, 1]), [50, 50, 0, 0]);
        assert_eq!(balancer.elect_many(10, method, NOW, &[2, 3]), [0, 0, 5, 5]);
        assert_eq!(balancer.elect_many(10, method, NOW, &[0, 1]), [5, 5, 0, 0]);
    }
}

/// The largest share.
const MOST: u64 = (1 << 47) - 1;

#[test]
fn next_goes_on_forever() {
    let balancer = Balancer::new(&[100, 100]);
    for behind in [0, 1, 720_720, 5 * 720_720] {
        balancer.set_share(0, MOST - 5 * 720_720);
        balancer.set_share(1, MOST - 5 * 720_720 - behind);
        let counts = balancer.elect_many(20, Method::Next, NOW, &[0, 1]);
        assert!(counts[1] - counts[0] <= 5, "{counts:?}, b was {behind} behind");
        assert_eq!(balancer.elect_many(20, Method::Next, NOW, &[0, 1]), [10, 10]);
    }
}

#[test]
fn so_many_sessions_that_the_number_ends_do_no_harm() {
    let balancer = Balancer::new(&[100, 100]);
    balancer.set_share(0, MOST - 720_721);
    balancer.set_share(1, MOST - 720_720);
    assert_eq!(balancer.elect_many(20, Method::Sessions, NOW, &[0, 1]), [10, 10]);
}

#[test]
fn a_member_without_a_slot_in_the_table_is_chosen_if_no_other_can_be() {
    let members = [None, Some((Share::NONE, 0)), None];
    let mut choice = Choice::new(Method::Sessions, 0, members.into_iter());
    (0..3).for_each(|at| choice.mark_electable(at));
    assert_eq!(choice.compare(0, 1), Ordering::Greater);
    assert_eq!(choice.compare(0, 2), Ordering::Equal);
    let changes: Vec<_> = choice.changes(Some((0, LoadFactor::new(100)))).collect();
    assert_eq!(changes, [(1, Change::Join)], "there is nothing to write for the others");
}

#[test]
fn of_members_equal_in_share_and_turn_the_one_with_less_to_do_is_preferred() {
    let choice = Choice::new(Method::Next, 0, [None, None].into_iter());
    let load = |at| Load { busy: [5, 4][at], factor: 100 };
    assert!(choice.prefers(1, 0, load) && !choice.prefers(0, 1, load));
    let other = Choice::new(Method::Next, 0, [None, Some((Share::NONE, 3))].into_iter());
    let idle = |at| Load { busy: [0, 9][at], factor: 100 };
    assert!(other.prefers(1, 0, idle) && !other.prefers(0, 1, idle));
}

#[test]
fn lbset_drain_hot_standbys_and_spares_come_before_any_share() {
    use crate::balance::{WorkerStatus, preferred};
    const OK: WorkerStatus = WorkerStatus::INITIALIZED;
    let drain = OK.with(WorkerStatus::DRAIN);
    let (spare, standby) = (OK.with(WorkerStatus::HOT_SPARE), OK.with(WorkerStatus::HOT_STANDBY));
    for method in BOTH {
        let taken = |members: &[(WorkerStatus, i32)]| {
            let choice = Choice::new(method, 0, members.iter().map(|_| Some((Share::NONE, 0))));
            let is_better = |at, best: Option<usize>| {
                best.is_none_or(|best| choice.prefers(at, best, |_| Load::default()))
            };
            preferred(members.len(), |at| members[at].0, |at| members[at].1, is_better)
        };
        assert_eq!(taken(&[(OK, 1), (OK, 0)]), Some(1), "lbset");
        assert_eq!(taken(&[(drain, 0), (OK, 1)]), Some(1), "drain");
        assert_eq!(taken(&[(standby, 0), (OK, 0)]), Some(1), "standby");
        assert_eq!(taken(&[(spare, 0), (OK, 0)]), Some(1), "spare");
        assert_eq!(taken(&[(spare, 0), (drain, 0)]), Some(0), "spare for a draining one");
    }
}

#[test]
fn no_member_is_taken_if_none_is_electable_and_all_leave() {
    let balancer = Balancer::new(&[100, 100]);
    balancer.elect_many(2, Method::Next, NOW, &[0, 1]);
    let choice = balancer.choice(Method::Next, NOW);
    let changes: Vec<_> = choice.changes(None).collect();
    assert_eq!(changes, [(0, Change::Leave), (1, Change::Leave)]);
}

#[test]
fn a_share_is_shown_by_its_amount_and_minute() {
    assert_eq!(format!("{:?}", Share::new(7, 3)), "Share(7 in minute 3)");
    assert_eq!(format!("{:?}", Share::NONE), "Share(none)");
    assert_eq!(Share::from_bits(Share::new(7, 3).bits()), Share::new(7, 3));
}
