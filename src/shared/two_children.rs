//! A member as two children see it, for tests.

use super::{MemberKey, MemberState, PrivateTable, Sizes, Uptime};

/// A time of the shared clock.
pub(super) fn at(milliseconds: u64) -> Uptime {
    Uptime::from_millis(milliseconds)
}

/// Two children's views of one member.
pub(super) fn with_two_children(check: impl FnOnce(MemberState<'_>, MemberState<'_>)) {
    let memory = PrivateTable::new(Sizes::new(1, 2));
    let table = memory.table().unwrap();
    let [one, other] = [11, 12].map(|pid| {
        let row = table.child_begins(pid).unwrap();
        MemberState::find(table, MemberKey::of(&[b"a"]), row).unwrap()
    });
    check(one, other);
}
