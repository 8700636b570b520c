//! A table of our own memory, a made-up clock, and children that are threads.

use std::thread;
use std::time::Duration;

use super::*;

const NOW: u64 = 1_800_000_000_000;

fn at(milliseconds: u64) -> Uptime {
    Uptime::from_millis(milliseconds)
}
const SECOND: u64 = 1000;
const MINUTE: u64 = 60 * SECOND;

fn memory(members: usize, children: usize) -> PrivateTable {
    PrivateTable::new(Sizes::new(members, children))
}

fn key(name: &str) -> MemberKey {
    MemberKey::of(&[b"balancer://app", name.as_bytes()])
}

#[test]
fn the_parts_of_a_name_are_kept_apart() {
    assert_eq!(MemberKey::of(&[b"a", b"b"]), MemberKey::of(&[b"a", b"b"]));
    assert_ne!(MemberKey::of(&[b"a", b"b"]), MemberKey::of(&[b"ab"]));
    assert_ne!(MemberKey::of(&[b"a", b"b"]), MemberKey::of(&[b"", b"ab"]));
    // FNV-1a of no byte at all, and of "a" and the end of a part, computed by hand.
    assert_eq!(MemberKey::of(&[]).get(), 0xcbf2_9ce4_8422_2325);
    let a = (0xcbf2_9ce4_8422_2325_u64 ^ 0x61).wrapping_mul(0x0100_0000_01b3);
    assert_eq!(MemberKey::of(&[b"a"]).get(), (a ^ 0xff).wrapping_mul(0x0100_0000_01b3));
}

#[test]
fn sizes_are_whole_cache_lines() {
    let sizes = Sizes::new(84, 512);
    assert_eq!((sizes.slots_at(), sizes.rows_at()), (64, 64 + 168 * 128));
    // 1 + 168 words in lines of 16: 176.
    assert_eq!(sizes.row_words(), 512 * 352);
    assert_eq!(sizes.bytes(), Some(64 + 168 * 128 + 512 * 352 * 4));
    assert_eq!(Sizes::new(0, 0), Sizes::new(1, 1));
}

#[test]
fn at_most_half_of_the_places_are_taken_and_so_a_search_is_short() {
    for members in [1, 2, 66, 2064, 1 << 19] {
        let sizes = Sizes::new(members, 1);
        assert!(2 * members <= sizes.slots(), "{sizes:?}");
    }
    // As many as a large site has, with names as its configuration writes them.
    let sizes = Sizes::new(2064, 1);
    let memory = PrivateTable::new(sizes);
    let table = memory.table().unwrap();
    let row = table.child_begins(11).unwrap();
    let looked_at = |number: usize| {
        let (balancer, host) = (number / 20, number % 250);
        let name = format!("ajp://10.1.{balancer}.{host}:8009");
        let key = MemberKey::of(&[format!("balancer://app{balancer}").as_bytes(), name.as_bytes()]);
        let at = MemberState::find(table, key, row).unwrap().at;
        let first = usize::try_from(key.get() % sizes.slots() as u64).unwrap();
        (at + sizes.slots() - first) % sizes.slots() + 1
    };
    let searches: Vec<usize> = (0..2064).map(looked_at).collect();
    let (all, longest) = (searches.iter().sum::<usize>(), searches.iter().max().unwrap());
    // Knuth: 1.5 on average where half is taken.
    assert!(all < 2 * 2064 && *longest < 50, "{all} places for 2064 searches, {longest} for one");
}

#[test]
fn a_view_of_other_sizes_is_refused() {
    let memory = memory(4, 2);
    assert!(memory.table().is_some());
    let (header, slots, rows) = memory.parts();
    assert!(Table::new(header, slots, rows, Sizes::new(5, 2)).is_none());
    assert!(Table::new(header, slots, rows, Sizes::new(4, 3)).is_none());
    // The same rows, as another process would have laid them out.
    assert!(Table::new(header, &slots[..6], rows, Sizes::new(3, 2)).is_none());
    assert!(memory.table().is_some());
}

#[test]
fn two_children_count_one_member() {
    let memory = memory(4, 2);
    let table = memory.table().unwrap();
    let (one, two) = (table.child_begins(11).unwrap(), table.child_begins(12).unwrap());
    let a = MemberState::find(table, key("a"), one).unwrap();
    let a_elsewhere = MemberState::find(table, key("a"), two).unwrap();
    let b = MemberState::find(table, key("b"), two).unwrap();

    let first = a.enter(None).unwrap();
    let second = a_elsewhere.enter(Some(2)).unwrap();
    assert_eq!((a.in_flight(), b.in_flight()), (2, 0));
    assert_eq!(first.others_busy(), 1);
    assert!(a.is_at_limit(2) && !a.is_at_limit(3));
    assert_eq!(a.enter(Some(2)).unwrap_err(), AtLimit { limit: 2 });
    drop(second);
    drop(a.enter(Some(2)).unwrap());
    assert_eq!((a.in_flight(), first.others_busy()), (1, 0));
    drop(first);
    assert_eq!(a_elsewhere.in_flight(), 0);
}

#[test]
fn the_members_that_a_dead_child_held_are_reported_once_and_those_it_released_are_not() {
    let memory = memory(4, 2);
    let table = memory.table().unwrap();
    let (dead, alive) = (table.child_begins(11).unwrap(), table.child_begins(12).unwrap());
    for (name, row, held, let_go) in [("a", dead, 3, 1), ("b", dead, 1, 1), ("a", alive, 1, 0)] {
        let member = MemberState::find(table, key(name), row).unwrap();
        (0..held).for_each(|_| member.hold());
        (0..let_go).for_each(|_| member.release());
    }
    let told = |pid| {
        let mut told = Vec::new();
        let in_flight = table.child_ended(pid, |member, count| told.push((member, count)));
        assert_eq!(in_flight, 0, "that is another count");
        told
    };
    assert_eq!(told(11), [(key("a"), 2)]);
    assert_eq!(told(11), []);
    assert_eq!(told(12), [(key("a"), 1)]);
    // Once more than it held does not make the count wrap.
    MemberState::find(table, key("a"), alive).unwrap().release();
    assert_eq!(told(12), []);
}

#[test]
fn a_dead_childs_share_is_taken_back_and_its_row_is_free_again() {
    let memory = memory(4, 2);
    let table = memory.table().unwrap();
    let (dead, alive) = (table.child_begins(11).unwrap(), table.child_begins(12).unwrap());
    assert_eq!(table.child_begins(13), None);
    let left_behind = MemberState::find(table, key("a"), dead).unwrap().enter(None).unwrap();
    let a = MemberState::find(table, key("a"), alive).unwrap();
    let _busy = a.enter(None).unwrap();
    assert_eq!(a.in_flight(), 2);

    assert_eq!(table.child_ended(11, |_, _| {}), 1);
    assert_eq!(a.in_flight(), 1);
    assert_eq!(table.child_ended(99, |_, _| {}), 0);
    assert_eq!(a.in_flight(), 1);
    assert_eq!(table.child_begins(13), Some(dead));
    // A guard that outlived its row (no child does this) does not make the count wrap.
    drop(left_behind);
    assert_eq!(a.in_flight(), 1);
}

#[test]
fn a_child_with_the_pid_of_a_dead_one_begins_at_zero() {
    let memory = memory(1, 3);
    let table = memory.table().unwrap();
    let old = table.child_begins(11).unwrap();
    std::mem::forget(MemberState::find(table, key("a"), old).unwrap().enter(None));
    let new = table.child_begins(11).unwrap();
    assert_eq!(new, old);
    assert_eq!(MemberState::find(table, key("a"), new).unwrap().in_flight(), 0);
}

#[test]
fn a_full_table_has_no_slot_for_a_new_member_and_keeps_those_it_has() {
    let memory = memory(2, 1);
    let table = memory.table().unwrap();
    let row = table.child_begins(11).unwrap();
    let names = ["a", "b", "c", "d"];
    let _busy = names.map(|name| MemberState::find(table, key(name), row).unwrap().enter(None));
    assert!(MemberState::find(table, key("e"), row).is_none());
    for name in names {
        assert_eq!(MemberState::find(table, key(name), row).unwrap().in_flight(), 1, "{name}");
    }
}

#[test]
fn threads_never_exceed_the_limit_and_leave_nothing_behind() {
    let memory = memory(2, 4);
    let table = memory.table().unwrap();
    let inside = std::sync::atomic::AtomicU32::new(0);
    let order = std::sync::atomic::Ordering::SeqCst;
    thread::scope(|scope| {
        let rows = [100, 101, 102, 103].map(|pid| table.child_begins(pid).unwrap());
        // Two threads a child.
        for row in rows.into_iter().chain(rows) {
            let inside = &inside;
            scope.spawn(move || {
                let a = MemberState::find(table, key("a"), row).unwrap();
                for _ in 0..20_000 {
                    let Ok(_busy) = a.enter(Some(3)) else { continue };
                    assert!(inside.fetch_add(1, order) < 3);
                    inside.fetch_sub(1, order);
                }
            });
        }
    });
    let row = table.child_begins(100).unwrap();
    assert_eq!(MemberState::find(table, key("a"), row).unwrap().in_flight(), 0);
}

#[test]
fn all_threads_find_the_same_slot_for_a_new_member() {
    for _ in 0..200 {
        let memory = memory(4, 1);
        let table = memory.table().unwrap();
        let row = table.child_begins(11).unwrap();
        thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    for name in ["a", "b", "c", "d"] {
                        MemberState::find(table, key(name), row)
                            .unwrap()
                            .count_reply_timeout(at(NOW));
                    }
                });
            }
        });
        for name in ["a", "b", "c", "d"] {
            assert_eq!(
                MemberState::find(table, key(name), row).unwrap().reply_timeouts(at(NOW)),
                4,
                "{name}"
            );
        }
    }
}

/// Runs `test` on the state of a member that nobody has used.
fn on_a_member(test: impl FnOnce(MemberState<'_>)) {
    let memory = memory(1, 1);
    let table = memory.table().unwrap();
    test(MemberState::find(table, key("a"), table.child_begins(11).unwrap()).unwrap());
}

#[test]
fn reply_timeouts_are_halved_for_each_whole_minute() {
    on_a_member(|a| {
        for expected in 1..=9 {
            assert_eq!(a.count_reply_timeout(at(NOW)), expected);
        }
        assert_eq!(a.reply_timeouts(at(NOW + MINUTE - 1)), 9);
        assert_eq!(a.count_reply_timeout(at(NOW + MINUTE)), 5);
        // Not a minute since the last halving.
        assert_eq!(a.count_reply_timeout(at(NOW + 2 * MINUTE - SECOND)), 6);
        assert_eq!(a.count_reply_timeout(at(NOW + 2 * MINUTE)), 4);
        assert_eq!(a.reply_timeouts(at(NOW + 3 * MINUTE + 59 * SECOND)), 2);
        assert_eq!(a.count_reply_timeout(at(NOW + 5 * MINUTE)), 1);
        assert_eq!(a.reply_timeouts(at(NOW + 1_000_000 * MINUTE)), 0);
        assert_eq!(a.count_reply_timeout(at(NOW + 1_000_000 * MINUTE)), 1);
    });
}

/// mod_jk's cases 36 and 37 (`max_reply_timeouts` 2).
#[test]
fn slow_requests_two_minutes_apart_never_add_up() {
    on_a_member(|a| {
        for number in 0..20 {
            assert_eq!(a.count_reply_timeout(at(NOW + number * 2 * MINUTE)), 1);
        }
    });
}

#[test]
fn reply_timeouts_are_forgotten_when_a_member_starts_again() {
    on_a_member(|a| {
        a.count_reply_timeout(at(NOW));
        a.forget_reply_timeouts();
        assert_eq!(a.reply_timeouts(at(NOW)), 0);
        assert_eq!(a.count_reply_timeout(at(NOW)), 1);
    });
}

#[test]
fn a_clock_set_back_halves_again_from_its_new_time_on() {
    on_a_member(|a| {
        for _ in 0..4 {
            a.count_reply_timeout(at(NOW));
        }
        assert_eq!(a.count_reply_timeout(at(NOW - 600 * MINUTE)), 5);
        assert_eq!(a.reply_timeouts(at(NOW - 599 * MINUTE)), 2);
        a.note_failure(at(NOW));
        assert_eq!(a.note_failure(at(NOW - MINUTE)), Duration::ZERO);
    });
}

#[test]
fn failures_in_a_row_are_measured_from_the_first_until_a_success() {
    on_a_member(|a| {
        assert_eq!(a.note_failure(at(NOW)), Duration::ZERO);
        assert_eq!(a.note_failure(at(NOW + 1500)), Duration::from_millis(1500));
        a.note_success(at(NOW + 2000));
        assert_eq!(a.note_failure(at(NOW + 3000)), Duration::ZERO);
        assert_eq!(a.note_failure(at(NOW + 3007)), Duration::from_millis(7));
    });
}

#[test]
fn a_success_is_recent_for_a_second_or_two() {
    on_a_member(|a| {
        assert!(!a.has_just_succeeded(at(NOW)));
        a.note_success(at(NOW + 999));
        assert!(a.has_just_succeeded(at(NOW + 1999)));
        assert!(!a.has_just_succeeded(at(NOW + 2000)));
    });
}

#[test]
fn without_escalation_every_failure_marks_the_member() {
    for others in [false, true] {
        for age in [Duration::ZERO, Duration::from_secs(99)] {
            assert!(marks_in_error(None, others, age));
        }
    }
}

#[test]
fn escalation_spares_a_member_that_others_use_until_its_time_has_passed() {
    let escalation = Some(Duration::from_secs(30));
    assert!(!marks_in_error(escalation, true, Duration::ZERO));
    assert!(!marks_in_error(escalation, true, Duration::from_millis(29_999)));
    assert!(marks_in_error(escalation, true, Duration::from_secs(30)));
    assert!(marks_in_error(escalation, false, Duration::ZERO), "nobody uses it");
}

#[test]
fn a_failing_request_sees_others_in_flight_but_not_itself() {
    on_a_member(|a| {
        let escalation = Some(Duration::from_secs(30));
        let busy = a.enter(None).unwrap();
        assert!(busy.note_failure(escalation, at(NOW)), "idle: in error at once");
        a.note_success(at(NOW));
        assert!(!busy.note_failure(escalation, at(NOW + SECOND)), "it has just answered");
        assert!(busy.note_failure(escalation, at(NOW + 3 * SECOND)));
        let other = a.enter(None).unwrap();
        assert!(!busy.note_failure(escalation, at(NOW + 30 * SECOND)));
        assert!(busy.note_failure(escalation, at(NOW + 31 * SECOND)), "30 s since the first");
        assert!(busy.note_failure(None, at(NOW)));
        drop(other);
        assert!(busy.note_failure(escalation, at(NOW + 4 * SECOND)));
    });
}
