use std::sync::Arc;
use std::time::Duration;

use super::*;
use crate::pool::CloseReason;
use crate::shared::{MemberKey, Uptime};

fn memory(members: usize, children: usize) -> Arc<PrivateStats> {
    Arc::new(PrivateStats::new(StatsSizes::new(members, children)))
}

fn key(name: &str) -> MemberKey {
    MemberKey::of(&[name.as_bytes()])
}

fn request(result: Result<u16, ErrorReason>) -> Request {
    Request {
        sent: 2,
        uploaded: 30,
        downloaded: 500,
        waited: Duration::from_micros(7),
        took: Duration::from_millis(15),
        first_byte: result.is_ok().then_some(Duration::from_millis(9)),
        result,
        ended: Uptime::from_millis(90_000),
        is_of_session: result == Ok(200),
    }
}

#[test]
fn the_counts_of_children_are_summed_and_stay_when_the_children_have_ended() {
    let memory = memory(4, 40);
    let children: Vec<_> =
        (1..=40).map(|pid| Counting::begin(Arc::clone(&memory) as _, pid)).collect();
    for child in &children {
        let a = child.member(key("a")).unwrap();
        a.counters().count(&request(Ok(200)));
        a.counters().count(&request(Err(ErrorReason::ReplyTimeout)));
        a.counters().failovers.add(1);
        child.member(key("b")).unwrap().counters().count(&request(Ok(99)));
    }
    (1..=40).for_each(|pid| memory.table().child_ended(pid));

    let a = memory.table().member_figures(key("a"));
    assert_eq!((a.requests, a.sent, a.retries, a.failovers), (80, 160, 80, 40));
    assert_eq!(a.session_requests, 40);
    let lately = a.recent.activity(Uptime::from_millis(91_000), Duration::from_secs(10));
    assert_eq!((lately.rate, lately.of_sessions), (8.0, 40));
    assert_eq!(lately.since_last, Some(Duration::from_secs(1)));
    assert_eq!((a.uploaded, a.downloaded, a.waited_us), (2400, 40_000, 560));
    assert_eq!(a.answers, [0, 40, 0, 0, 0]);
    assert_eq!((a.errors_of(ErrorReason::ReplyTimeout), a.failures()), (40, 40));
    assert_eq!((a.duration.count(), a.first_byte.count()), (80, 40));
    assert_eq!(a.duration.sum_us, 80 * 15_000);
    assert_eq!(memory.table().member_figures(key("b")).answers, [0, 0, 0, 0, 40], "no status");
    assert_eq!(memory.table().member_figures(key("c")), MemberFigures::default());
    assert_eq!(memory.table().children(), 0);
}

#[test]
fn a_pool_has_its_name_its_counters_and_the_gauges_of_the_children_that_are() {
    let memory = memory(2, 3);
    let pools: Vec<_> = (1..=3)
        .map(|pid| Counting::begin(Arc::clone(&memory) as _, pid).pool("ajp://a:8009").unwrap())
        .collect();
    let held = |idle, in_use| Gauges { idle, in_use, ..Gauges::default() };
    for pool in &pools {
        let counters = pool.counters();
        counters.created.add(1);
        counters.reused.add(1);
        counters.closed[CloseReason::Broken as usize].add(1);
        counters.pings.add(1);
        counters.ping_failures.add(1);
        counters.timed_out.add(1);
        pool.gauges_changed(Gauges::default(), held(5, 1));
        pool.gauges_changed(held(5, 1), held(4, 2));
    }
    memory.table().child_ended(2);

    let table = memory.table();
    assert_eq!(table.pool_names(), ["ajp://a:8009"]);
    let sum = table.pool_figures("ajp://a:8009");
    assert_eq!((sum.created, sum.reused, sum.timed_out), (3, 3, 3));
    assert_eq!((sum.pings, sum.ping_failures, sum.closed[CloseReason::Broken as usize]), (3, 3, 3));
    assert_eq!((sum.now, sum.now.open()), (held(8, 4), 12));
    assert_eq!(table.children(), 2);
}

#[test]
fn parked_requests_are_counted_over_all_children_until_their_gauges_go_on_any_thread() {
    let memory = memory(2, 3);
    let [a, b] = [1, 2].map(|pid| {
        let child = Counting::begin(Arc::clone(&memory) as _, pid);
        child.member(key("a")).unwrap()
    });
    let table = memory.table();
    let parked = || table.member_parked(key("a"));
    let (first, second, other) = (a.parked(), a.parked(), b.parked());
    assert_eq!((parked(), table.member_parked(key("b"))), (3, 0));
    std::thread::spawn(move || drop(first)).join().unwrap();
    assert_eq!(parked(), 2);
    drop((second, other));
    assert_eq!(parked(), 0);
}

#[test]
fn the_parked_requests_of_a_child_that_was_killed_are_gone_and_no_later_child_has_them() {
    let memory = memory(2, 2);
    let start = |pid| Counting::begin(Arc::clone(&memory) as _, pid).member(key("a")).unwrap();
    let parked = || memory.table().member_parked(key("a"));
    let (killed, alive) = (start(1).parked(), start(2).parked());
    memory.table().child_ended(1);
    assert_eq!(parked(), 1);
    let next = start(3);
    assert_eq!(parked(), 1);
    // Nobody drops what a killed process had. If someone does, it is not below 0.
    drop(killed);
    assert_eq!(parked(), 1);
    let gauge = next.parked();
    assert_eq!(parked(), 2);
    drop((gauge, alive));
    assert_eq!(parked(), 0);
}

#[test]
fn a_child_without_a_row_counts_no_parked_requests_and_a_reset_leaves_them() {
    let memory = memory(2, 1);
    let start = |pid| Counting::begin(Arc::clone(&memory) as _, pid).member(key("a")).unwrap();
    let (own, without) = (start(1), start(2));
    let gauges = [own.parked(), without.parked()];
    memory.table().reset_member(key("a"), 55);
    assert_eq!(memory.table().member_parked(key("a")), 1);
    drop(gauges);
    assert_eq!(memory.table().member_parked(key("a")), 0);
}

#[test]
fn a_new_child_in_the_place_of_a_dead_one_begins_with_no_gauges_and_the_old_counters() {
    let memory = memory(2, 1);
    let first = Counting::begin(Arc::clone(&memory) as _, 7).pool("a").unwrap();
    first.counters().created.add(1);
    first.gauges_changed(Gauges::default(), Gauges { waiting: 3, ..Gauges::default() });
    let without = Counting::begin(Arc::clone(&memory) as _, 8).pool("a").unwrap();
    without.counters().created.add(1);
    without.gauges_changed(Gauges::default(), Gauges { idle: 9, ..Gauges::default() });
    memory.table().child_ended(7);
    Counting::begin(Arc::clone(&memory) as _, 9).pool("a").unwrap().counters().created.add(1);
    let sum = memory.table().pool_figures("a");
    assert_eq!((sum.created, sum.now), (3, Gauges::default()));
}

#[test]
fn a_reset_clears_one_member_or_pool_and_notes_the_time() {
    let memory = memory(2, 1);
    let child = Counting::begin(Arc::clone(&memory) as _, 1);
    for name in ["a", "b"] {
        child.member(key(name)).unwrap().counters().count(&request(Ok(200)));
        child.pool(name).unwrap().counters().created.add(1);
    }
    let table = memory.table();
    table.reset_member(key("a"), 55);
    table.reset_pool("a", 55);
    assert_eq!(table.member_figures(key("a")), MemberFigures::default());
    assert_eq!(table.pool_figures("a"), PoolFigures::default());
    assert_eq!(
        (table.member_reset_ms(key("a")), table.member_reset_ms(key("b"))),
        (Some(55), None)
    );
    assert_eq!(table.member_figures(key("b")).requests, 1);
    assert_eq!(table.pool_figures("b").created, 1);
}

#[test]
fn without_room_nothing_is_counted_and_long_names_are_cut_at_a_character() {
    let memory = memory(1, 1);
    let child = Counting::begin(Arc::clone(&memory) as _, 1);
    let long = format!("{}é", "x".repeat(223));
    assert!(child.pool(&long).is_some() && child.pool("b").is_some());
    assert!(child.pool("c").is_none());
    let found = memory.table().pool_names();
    assert!(found.contains(&"x".repeat(223)) && found.len() == 2, "{found:?}");
    assert!(child.member(key("a")).is_some() && child.member(key("b")).is_some());
    assert!(child.member(key("c")).is_none());
}

#[test]
fn the_parts_of_the_memory_lie_one_behind_the_other() {
    let sizes = StatsSizes::new(3, 40);
    let offsets = sizes.offsets().unwrap();
    assert!(offsets.is_sorted() && offsets.iter().all(|at| at % 64 == 0), "{offsets:?}");
    assert_eq!(offsets[1], 64);
    assert_eq!(offsets[7] - offsets[6], sizes.gauges() * 16);
    assert_eq!(offsets[8] - offsets[7], (sizes.gauges() * 4).next_multiple_of(64));
    assert_eq!(StatsSizes::new(usize::MAX, usize::MAX).offsets().map(|_| ()), Some(()));
}
