//! What children do with the memory that they share. A thread stands for a child.
//!
//! What the scenarios note is exact: between an atomic operation and what follows it, no other thread runs.

use std::sync::Mutex;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering::SeqCst};
use std::time::Duration;

use shuttle::thread;

use super::Scenario;
use crate::balance::lbmethod::{LoadFactor, Method};
use crate::balance::{Activation, Load};
use crate::choice::choose;
use crate::shared::{
    Account, MemberKey, MemberState, PrivateTable, Probe, Row, SharedChoice, Sizes, Table, Uptime,
};

pub(crate) const ALL: &[Scenario] = &[
    ("busylimit", busylimit),
    ("killed", killed),
    ("members", members),
    ("probes", probes),
    ("late_probes", late_probes),
    ("lines", lines),
    ("failures", failures),
    ("ports", ports),
    ("shares", shares),
];

const NOW: u64 = 1_000_000;

fn at(milliseconds: u64) -> Uptime {
    Uptime::from_millis(milliseconds)
}

/// Runs so many children, each with its row, and what each sees of the member `a`.
fn children(
    memory: &PrivateTable,
    count: u32,
    act: impl Fn(Table<'_>, Row, MemberState<'_>) + Sync,
) {
    let act = &act;
    thread::scope(|scope| {
        for pid in 1..=count {
            scope.spawn(move || {
                let table = memory.table().expect("it is of these sizes");
                let row = table.child_begins(pid).expect("there is a row for each");
                act(table, row, member(table, row, 0));
            });
        }
    });
}

/// The keys of all members have the same first slot in a small table.
fn member(table: Table<'_>, row: Row, number: u8) -> MemberState<'_> {
    let key = MemberKey::of(&[&[number << 3]]);
    MemberState::find(table, key, row).expect("there is a slot for each")
}

/// No more requests than the limit are let in, over all children.
fn busylimit() {
    let limit = 1 + choose(2);
    let memory = PrivateTable::new(Sizes::new(1, 2));
    let table = memory.table().expect("it is of these sizes");
    let inside = AtomicU32::new(0);
    let rows = [1, 2].map(|pid| table.child_begins(pid).expect("there are two"));
    thread::scope(|scope| {
        // Two threads of each child.
        for row in rows.into_iter().chain(rows) {
            let inside = &inside;
            scope.spawn(move || {
                let state = member(table, row, 0);
                for _ in 0..2 {
                    if let Ok(busy) = state.enter(Some(limit)) {
                        assert!(
                            inside.fetch_add(1, SeqCst) < limit,
                            "more than {limit} are let in"
                        );
                        thread::yield_now();
                        assert!(busy.others_busy() < 4);
                        inside.fetch_sub(1, SeqCst);
                    }
                }
            });
        }
    });
    assert_eq!(member(table, rows[0], 0).in_flight(), 0);
}

/// A child dies with requests in flight; another begins and uses its row while the parent cleans up.
fn killed() {
    let memory = PrivateTable::new(Sizes::new(1, 3));
    let table = memory.table().expect("it is of these sizes");
    let dead = table.child_begins(1).expect("the first");
    for _ in 0..2 {
        let state = member(table, dead, 0);
        state.enter(None).expect("no limit").stay_counted();
        state.hold();
    }
    let held = AtomicU32::new(0);
    thread::scope(|scope| {
        scope.spawn(|| {
            let left = table.child_ended(1, |_, count| {
                held.fetch_add(count, SeqCst);
            });
            assert_eq!((left, held.load(SeqCst)), (2, 2), "what the dead one left");
        });
        for pid in [2, 3] {
            scope.spawn(move || {
                let row = table.child_begins(pid).expect("there are three");
                let state = member(table, row, 0);
                let busy = state.enter(None).expect("no limit");
                state.hold();
                thread::yield_now();
                state.release();
                drop(busy);
                table.child_ended(pid, |_, count| panic!("{count} were held"));
            });
        }
    });
    let row = table.child_begins(4).expect("all are free");
    assert_eq!(member(table, row, 0).in_flight(), 0);
}

/// Children meet new members in different orders: each member has one state, and no two have the same.
fn members() {
    // As many as there are slots, so that they meet in these.
    const MEMBERS: u8 = 4;
    let memory = PrivateTable::new(Sizes::new(usize::from(MEMBERS) / 2, 3));
    let said = [const { AtomicU32::new(0) }; MEMBERS as usize];
    children(&memory, 3, |table, row, _| {
        let first = choose(MEMBERS.into()) as u8;
        for number in (first..MEMBERS).chain(0..first) {
            if member(table, row, number).claim_error_line(at(NOW)) {
                said[usize::from(number)].fetch_add(1, SeqCst);
            }
        }
    });
    assert_eq!(said.map(AtomicU32::into_inner), [1; MEMBERS as usize]);
}

/// One request at a time probes a member.
fn probes() {
    let memory = PrivateTable::new(Sizes::new(1, 4));
    let probing = AtomicU32::new(0);
    children(&memory, 3, |_, _, state| {
        for _ in 0..2 {
            if let Some(probe) = state.begin_probe(at(NOW)) {
                assert_eq!(probing.fetch_add(1, SeqCst), 0, "a second probe");
                thread::yield_now();
                assert!(state.probe_left(at(NOW)).is_some(), "the others know");
                probing.fetch_sub(1, SeqCst);
                assert!(state.end_probe(probe), "it was the one");
            }
        }
    });
    let table = memory.table().expect("as before");
    let state = member(table, table.child_begins(9).expect("the fourth"), 0);
    assert_eq!(state.probe_left(at(NOW)), None);
    assert!(state.begin_probe(at(NOW)).is_some());
}

/// Probes that take so long that others replace them, and clocks that have been read before others claimed: up to
/// a minute before, as the claim of a request that is later may be taken for one of another clock.
fn late_probes() {
    let minute = u64::try_from(Probe::TIMEOUT.as_millis()).expect("a minute");
    let memory = PrivateTable::new(Sizes::new(1, 4));
    let clock = AtomicU64::new(NOW);
    // The end of each probe that is under way.
    let under_way = Mutex::new(Vec::<u64>::new());
    children(&memory, 4, |_, _, state| {
        for _ in 0..2 {
            let read = clock.load(SeqCst);
            let Some(probe) = state.begin_probe(at(read)) else {
                let passed = [1, minute / 2][choose(2) as usize];
                clock.store((clock.load(SeqCst) + passed).min(NOW + minute), SeqCst);
                continue;
            };
            let end = read + minute;
            {
                let mut under_way = under_way.lock().expect("no panic is survived");
                let now = clock.load(SeqCst);
                let other = under_way.iter().find(|end| **end > now);
                assert_eq!(other, None, "a second probe at {now}, by a clock read at {read}");
                under_way.push(end);
            }
            thread::yield_now();
            let was_the_one = state.end_probe(probe);
            under_way.lock().expect("no panic is survived").retain(|other| *other != end);
            assert!(was_the_one || clock.load(SeqCst) >= end, "replaced before its end");
        }
    });
}

/// The log has each change once: in error and back in turns, and each activation as a change of the one before.
fn lines() {
    use Activation::{Active, Draining, Stopped};
    let memory = PrivateTable::new(Sizes::new(1, 3));
    let in_error = AtomicU32::new(0);
    let activation = Mutex::new(None);
    children(&memory, 3, |_, _, state| {
        state.note_first_activation(Active);
        activation.lock().expect("no panic is survived").get_or_insert(Active);
        for _ in 0..2 {
            if state.claim_error_line(at(NOW)) {
                assert_eq!(in_error.fetch_add(1, SeqCst), 0, "said twice");
            }
            let to = [Active, Draining, Stopped][choose(3) as usize];
            if let Some(before) = state.claim_activation_line(to) {
                let known = activation.lock().expect("no panic is survived").replace(to);
                assert_eq!(known, Some(before));
                assert_ne!(before, to, "no change");
            }
            if state.claim_recovery_line(at(NOW + 1000), Duration::ZERO).is_some() {
                assert_eq!(in_error.fetch_sub(1, SeqCst), 1, "back without an error");
            }
        }
    });
}

/// No failure and no reply timeout is lost or counted twice.
fn failures() {
    let memory = PrivateTable::new(Sizes::new(1, 3));
    let (failing, timeouts) = (AtomicU32::new(0), Mutex::new(Vec::new()));
    children(&memory, 3, |_, _, state| {
        for _ in 0..2 {
            failing.fetch_add(state.note_failed_attempt(at(NOW)).into(), SeqCst);
            let count = state.count_reply_timeout(at(NOW));
            timeouts.lock().expect("no panic is survived").push(count);
        }
    });
    assert_eq!(failing.into_inner(), 4, "the third to the sixth");
    let mut timeouts = timeouts.into_inner().expect("no panic is survived");
    timeouts.sort_unstable();
    assert_eq!(timeouts, [1, 2, 3, 4, 5, 6]);
}

/// The ports are one child's at a time.
fn ports() {
    const TIME: Duration = Duration::from_secs(13);
    let memory = PrivateTable::new(Sizes::new(1, 3));
    let holder = Mutex::new(None);
    children(&memory, 3, |table, row, _| {
        for _ in 0..2 {
            if table.claim_ports(row, at(NOW), TIME) {
                let before = holder.lock().expect("no panic is survived").replace(row);
                assert!(before.is_none_or(|before| before == row), "two have the ports");
            }
            if choose(2) == 0 {
                table.release_ports(row);
                holder.lock().expect("no panic is survived").take_if(|other| *other == row);
            }
        }
    });
}

/// Children choose at the same time: no choice is lost, so that the choices after that make all even.
fn shares() {
    const CHILDREN: u32 = 3;
    let method = [Method::Sessions, Method::Next][choose(2) as usize];
    let memory = PrivateTable::new(Sizes::new(2, CHILDREN as usize + 1));
    let table = memory.table().expect("it is of these sizes");
    let row = table.child_begins(9).expect("the first");
    let taken = [const { AtomicU32::new(0) }; 2];
    let choose_member = |table: Table<'_>, row: Row| {
        let states = [0, 1].map(|number| Some(member(table, row, number)));
        let mut choice =
            SharedChoice::new(method, Account::NewSessions, at(NOW), states.into_iter());
        choice.mark_electable(0);
        choice.mark_electable(1);
        let best = usize::from(choice.prefers(1, 0, |_| Load::default()));
        choice.commit(Some((best, LoadFactor::new(100))));
        taken[best].fetch_add(1, SeqCst);
    };
    // Both take part from now on.
    (0..2).for_each(|_| choose_member(table, row));
    children(&memory, CHILDREN, |table, row, _| {
        (0..2).for_each(|_| choose_member(table, row));
    });
    (0..2 * CHILDREN).for_each(|_| choose_member(table, row));
    let taken = taken.each_ref().map(|count| count.load(SeqCst));
    assert_eq!(taken[0], taken[1], "of {} choices", 2 + 4 * CHILDREN);
}
