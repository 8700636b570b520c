//! The `lbset` of members in a balancer that has local ones (`local=On`; mod_jk's `local_worker`).

/// The place of a member, from its lines.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Place {
    /// `local=On`.
    pub is_local: bool,
    /// Whether its lines have a `distance`, or an `lbset` of 0. (An `lbset` above 0 is visible in
    /// itself.)
    pub is_fixed: bool,
    /// The `lbset` that it has so far.
    pub lbset: i32,
}

/// The settings that a member gets for its place.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Placement {
    /// The `lbset` that it gets; `None`: it keeps its own.
    pub lbset: Option<i32>,
    /// Whether it drains: it gets only requests of its own sessions.
    pub drains: bool,
}

/// The highest possible `lbset`.
const MAX_LBSET: i32 = 99;

/// Puts the remote members of a balancer behind its local ones, and, with `localonly`, keeps requests
/// without a session from them. `None`: no member is local, so none is remote.
///
/// A second call, for a virtual host that has the members from the main server, changes nothing.
#[must_use]
pub fn placements(members: &[Place], local_only: bool) -> Option<Vec<Placement>> {
    let local = members.iter().filter(|member| member.is_local);
    let farthest = local.map(|member| member.lbset).max()?;
    let behind = farthest.saturating_add(1).min(MAX_LBSET);
    let placement = |member: &Place| {
        if member.is_local {
            return Placement::default();
        }
        let is_free = member.lbset == 0 && !member.is_fixed;
        Placement { lbset: is_free.then_some(behind), drains: local_only }
    };
    Some(members.iter().map(placement).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    const LOCAL: Place = Place { is_local: true, is_fixed: false, lbset: 0 };
    const REMOTE: Place = Place { is_local: false, is_fixed: false, lbset: 0 };

    fn at(member: Place, lbset: i32) -> Place {
        Place { lbset, ..member }
    }

    fn lbsets(members: &[Place]) -> Vec<Option<i32>> {
        let all = placements(members, false).unwrap();
        assert!(all.iter().all(|placement| !placement.drains));
        all.into_iter().map(|placement| placement.lbset).collect()
    }

    #[test]
    fn the_others_get_an_lbset_of_one_more_than_the_local_ones_have() {
        assert_eq!(lbsets(&[REMOTE, LOCAL, REMOTE]), [Some(1), None, Some(1)]);
        assert_eq!(lbsets(&[at(LOCAL, 2), at(LOCAL, 4), REMOTE]), [None, None, Some(5)]);
        assert_eq!(lbsets(&[at(LOCAL, 99), REMOTE]), [None, Some(99)]);
    }

    #[test]
    fn a_line_that_names_an_lbset_or_distance_keeps_it() {
        let fixed = Place { is_fixed: true, ..REMOTE };
        assert_eq!(lbsets(&[LOCAL, at(REMOTE, 5), fixed]), [None, None, None]);
    }

    #[test]
    fn localonly_has_the_others_drain_whatever_their_lbset() {
        let fixed = Place { is_fixed: true, ..REMOTE };
        let all = placements(&[LOCAL, REMOTE, at(REMOTE, 5), fixed], true).unwrap();
        assert_eq!(all.iter().map(|one| one.drains).collect::<Vec<_>>(), [false, true, true, true]);
        assert_eq!(all[1].lbset, Some(1));
    }

    #[test]
    fn without_a_local_member_nothing_is_remote() {
        assert_eq!(placements(&[REMOTE, at(REMOTE, 3)], true), None);
        assert_eq!(placements(&[], true), None);
    }

    #[test]
    fn doing_it_again_changes_nothing() {
        for local_only in [false, true] {
            let first = placements(&[LOCAL, REMOTE], local_only).unwrap();
            let members = [LOCAL, at(REMOTE, first[1].lbset.unwrap())];
            let second = placements(&members, local_only).unwrap();
            assert_eq!((second[1].lbset, second[1].drains), (None, local_only));
        }
    }
}
