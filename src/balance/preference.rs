//! The order in which members are preferred: mod_proxy's `lbset`, spares and standbys, then a
//! comparison.

use super::{Role, WorkerStatus};

/// The requests in flight on a member, and its `loadfactor`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Load {
    /// Requests in flight, as mod_proxy counts them.
    pub busy: u64,
    /// `loadfactor` in hundredths; at least 1 counts.
    pub factor: u64,
}

impl Load {
    /// Whether it is less than the other, in relation to the factors.
    #[must_use]
    pub fn is_less_than(self, other: Self) -> bool {
        self.busy.saturating_mul(other.factor.max(1))
            < other.busy.saturating_mul(self.factor.max(1))
    }
}

/// Returns the preferred member among those that are usable and do not drain: the best one of the
/// lowest `lbset` that has one (`ap_proxy_balancer_get_best_worker`).
///
/// Within an `lbset`, as many spares join as regular members are unusable or drain; standbys are used
/// if there is no other. `is_better` says whether a member is preferred to the best one so far, which
/// is none at first; if it is false for all, the next `lbset` is tried.
pub fn preferred(
    count: usize,
    status: impl Fn(usize) -> WorkerStatus,
    lbset: impl Fn(usize) -> i32,
    mut is_better: impl FnMut(usize, Option<usize>) -> bool,
) -> Option<usize> {
    let members: Vec<(usize, i32, WorkerStatus)> =
        (0..count).map(|member| (member, lbset(member), status(member))).collect();
    let mut sets: Vec<i32> = members.iter().map(|(_, lbset, _)| *lbset).collect();
    sets.sort_unstable();
    sets.dedup();
    sets.into_iter().find_map(|set| {
        let (mut regular, mut spares, mut standbys) = (Vec::new(), Vec::new(), Vec::new());
        let mut missing = 0;
        for (member, _, status) in members.iter().filter(|(_, lbset, _)| *lbset == set) {
            let can_be_used = status.is_usable() && !status.is_draining();
            match status.role() {
                Role::Regular if can_be_used => regular.push(*member),
                Role::Regular => missing += 1,
                Role::Spare if can_be_used => spares.push(*member),
                Role::Standby if can_be_used => standbys.push(*member),
                Role::Spare | Role::Standby => {}
            }
        }
        let mut best = |candidates: &mut dyn Iterator<Item = usize>| {
            candidates.fold(
                None,
                |best, member| {
                    if is_better(member, best) { Some(member) } else { best }
                },
            )
        };
        let first = best(&mut regular.into_iter().chain(spares.into_iter().take(missing)));
        first.or_else(|| best(&mut standbys.into_iter()))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const OK: WorkerStatus = WorkerStatus::INITIALIZED;
    const ERROR: WorkerStatus = OK.with(WorkerStatus::IN_ERROR);
    const DRAIN: WorkerStatus = OK.with(WorkerStatus::DRAIN);
    const SPARE: WorkerStatus = OK.with(WorkerStatus::HOT_SPARE);
    const STANDBY: WorkerStatus = OK.with(WorkerStatus::HOT_STANDBY);

    fn first_of(members: &[(WorkerStatus, i32)]) -> Option<usize> {
        preferred(members.len(), |m| members[m].0, |m| members[m].1, |_, best| best.is_none())
    }

    #[test]
    fn the_lowest_lbset_with_a_usable_member_is_used() {
        assert_eq!(first_of(&[(OK, 2), (OK, 1)]), Some(1));
        assert_eq!(first_of(&[(OK, 2), (ERROR, 1)]), Some(0));
        assert_eq!(first_of(&[(ERROR, 0), (DRAIN, 1)]), None);
        assert_eq!(first_of(&[]), None);
    }

    #[test]
    fn a_spare_replaces_a_member_that_is_unusable_or_drains_and_only_in_its_lbset() {
        assert_eq!(first_of(&[(SPARE, 0), (OK, 0)]), Some(1));
        assert_eq!(first_of(&[(SPARE, 0), (ERROR, 0)]), Some(0));
        assert_eq!(first_of(&[(SPARE, 0), (DRAIN, 0)]), Some(0));
        assert_eq!(first_of(&[(SPARE, 1), (ERROR, 0)]), None);
    }

    #[test]
    fn only_as_many_spares_join_as_members_are_missing() {
        let members = [(ERROR, 0), (SPARE, 0), (SPARE, 0)];
        let mut seen = Vec::new();
        let all = |member, _: Option<usize>| {
            seen.push(member);
            true
        };
        preferred(3, |m: usize| members[m].0, |m| members[m].1, all);
        assert_eq!(seen, [1]);
    }

    #[test]
    fn a_standby_is_used_if_no_other_member_of_its_lbset_is_usable() {
        assert_eq!(first_of(&[(STANDBY, 0), (OK, 0)]), Some(1));
        assert_eq!(first_of(&[(STANDBY, 0), (ERROR, 0)]), Some(0));
        assert_eq!(first_of(&[(STANDBY, 0), (ERROR, 0), (SPARE, 0)]), Some(2));
        assert_eq!(first_of(&[(STANDBY, 0), (ERROR, 0), (OK, 1)]), Some(0));
    }

    #[test]
    fn if_no_member_of_an_lbset_is_wanted_the_next_lbset_is_tried() {
        let only_one = |member, _: Option<usize>| member == 1;
        assert_eq!(preferred(2, |_| OK, |m| m as i32, only_one), Some(1));
    }

    #[test]
    fn load_is_requests_for_the_loadfactor() {
        let load = |busy, factor| Load { busy, factor };
        assert!(load(1, 100).is_less_than(load(2, 100)));
        assert!(load(2, 300).is_less_than(load(1, 100)));
        assert!(!load(0, 100).is_less_than(load(0, 1)));
        assert!(load(0, 0).is_less_than(load(1, 0)), "a factor of 0 counts as 1");
    }
}
