//! Elections among members in a table of our own memory, at a made-up time.

use std::cmp::Ordering;
use std::thread;

use super::*;

const NOW: u64 = 30_000_000 * MINUTE;
const MINUTE: u64 = 60_000;
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
        table.member(MemberKey::of(&[&number.to_le_bytes()]), self.row).unwrap()
    }

    /// As if so many sessions had been given to it.
    fn set_share(&self, number: usize, amount: u64) {
        let minute = u64::from((NOW / MINUTE) as u16);
        let word = 1 << 63 | minute << 47 | amount;
        self.member(number).slot.shares[0].store(word, std::sync::atomic::Ordering::Relaxed);
    }

    fn election(&self, method: Method, ledger: Ledger, now: u64) -> Election<'_> {
        let states = (0..self.factors.len()).map(|number| Some(self.member(number)));
        Election::new(method, ledger, Uptime::from_millis(now), states)
    }

    /// The one who is chosen among those that can be.
    fn elect_in(&self, ledger: Ledger, method: Method, now: u64, standing: &[usize]) -> usize {
        let mut election = self.election(method, ledger, now);
        standing.iter().for_each(|at| election.stands(*at));
        let chosen = *standing.iter().min_by(|a, b| election.compare(**a, **b)).unwrap();
        election.settle(Some((chosen, LoadFactor::new(self.factors[chosen]))));
        chosen
    }

    fn elect(&self, method: Method, now: u64, standing: &[usize]) -> usize {
        self.elect_in(Ledger::New, method, now, standing)
    }

    /// How often each was chosen in so many elections.
    fn elect_many(&self, count: usize, method: Method, now: u64, standing: &[usize]) -> Vec<usize> {
        let mut counts = vec![0; self.factors.len()];
        (0..count).for_each(|_| counts[self.elect(method, now, standing)] += 1);
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
fn a_factor_that_is_none_of_httpd_s_is_taken_for_the_nearest() {
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
            let mut election = balancer.election(method, Ledger::New, NOW);
            (0..2).for_each(|at| election.stands(at));
            election.settle(Some((0, LoadFactor::new(100))));
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
fn where_all_is_forgotten_members_still_take_turns() {
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

#[test]
fn forgotten_shares_begin_anew_also_when_only_some_are_forgotten() {
    for method in BOTH {
        let balancer = Balancer::new(&[100; 3]);
        balancer.elect_many(50, method, NOW, &[0, 1, 2]);
        // A child that dies in the middle of a reset has done this much.
        balancer.member(0).forget_shares();
        assert_eq!(balancer.elect_many(30, method, NOW, &[0, 1, 2]), [10, 10, 10]);
        (0..3).for_each(|number| balancer.member(number).forget_shares());
        assert_eq!(balancer.elect_many(30, method, NOW, &[0, 1, 2]), [10, 10, 10]);
    }
}

#[test]
fn sessions_taken_over_are_shared_out_by_factor_and_are_no_new_sessions() {
    for method in BOTH {
        let balancer = Balancer::new(&[300, 100]);
        let mut taken = [0, 0];
        for _ in 0..40 {
            taken[balancer.elect_in(Ledger::TakenOver, method, NOW, &[0, 1])] += 1;
        }
        assert_eq!(taken, [30, 10]);
        assert_eq!(balancer.elect_many(4, method, NOW, &[0, 1]), [3, 1]);
    }
}

/// The most that a share can be.
const MOST: u64 = (1 << 47) - 1;

#[test]
fn next_goes_on_for_ever() {
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
fn a_member_without_a_place_in_the_table_is_chosen_where_no_other_can_be() {
    let balancer = Balancer::new(&[100]);
    let states = [None, Some(balancer.member(0)), None];
    let mut election =
        Election::new(Method::Sessions, Ledger::New, Uptime::from_millis(NOW), states.into_iter());
    (0..3).for_each(|at| election.stands(at));
    assert_eq!(election.compare(0, 1), Ordering::Greater);
    assert_eq!(election.compare(0, 2), Ordering::Equal);
    election.settle(Some((0, LoadFactor::new(100))));
}

#[test]
fn children_that_elect_at_the_same_time_come_out_even() {
    for method in BOTH {
        let balancer = Balancer::new(&[300, 100]);
        let counts = thread::scope(|scope| {
            let elect = || balancer.elect_many(1000, method, NOW, &[0, 1]);
            let threads = [(); 4].map(|()| scope.spawn(elect));
            threads.map(|thread| thread.join().unwrap())
        });
        let a: usize = counts.iter().map(|counts| counts[0]).sum();
        assert!(a.abs_diff(3000) <= 60, "{method:?}: {a} of 4000");
    }
}
