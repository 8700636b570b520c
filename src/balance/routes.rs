//! The routes of members, remembered so that a session's member is found without a walk.

use std::ops::Deref;

use super::Places;

/// The routes of a balancer's members when they were last read.
///
/// Members are added, and their routes changed, at run time, in other processes too. So a result is a
/// guess that is checked against the member itself; `stamp` and the number of members show when the
/// whole is to be built again.
#[derive(Debug, Default)]
pub struct Routes {
    stamp: i64,
    count: usize,
    /// By their routes, in order.
    members: Vec<(Box<[u8]>, Places)>,
}

impl Routes {
    /// Remembers the route of each of `count` members, as of `stamp`.
    pub fn new<R: Deref<Target = [u8]>>(
        stamp: i64,
        count: usize,
        route: impl Fn(usize) -> Option<R>,
    ) -> Self {
        let mut each: Vec<(Box<[u8]>, usize)> =
            (0..count).filter_map(|member| Some(((*route(member)?).into(), member))).collect();
        each.sort();
        let mut members: Vec<(Box<[u8]>, Places)> = Vec::new();
        for (route, member) in each {
            match members.last_mut() {
                Some((last, places)) if *last == route => places.push(member),
                _ => members.push((route, Places::from_slice(&[member]))),
            }
        }
        Self { stamp, count, members }
    }

    /// The members with this route. `None`: it is not known, or the balancer has changed since, or
    /// `has_route` says that a member no longer has it.
    pub fn of(
        &self,
        route: &[u8],
        stamp: i64,
        count: usize,
        has_route: impl Fn(usize) -> bool,
    ) -> Option<&[usize]> {
        if self.stamp != stamp || self.count != count {
            return None;
        }
        let at = self.members.binary_search_by(|(known, _)| (**known).cmp(route)).ok()?;
        let (_, found) = &self.members[at];
        found.iter().all(|member| has_route(*member)).then_some(found)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn routes() -> Routes {
        let names = [Some(&b"a"[..]), None, Some(b"b"), Some(b"a")];
        Routes::new(7, 4, |member| names[member])
    }

    #[test]
    fn a_route_is_found_with_all_members_that_have_it_in_their_order() {
        assert_eq!(routes().of(b"a", 7, 4, |_| true), Some(&[0, 3][..]));
        assert_eq!(routes().of(b"b", 7, 4, |_| true), Some(&[2][..]));
    }

    #[test]
    fn routes_that_may_have_changed_are_not_known() {
        assert_eq!(routes().of(b"gone", 7, 4, |_| true), None);
        assert_eq!(routes().of(b"a", 8, 4, |_| true), None, "members were changed");
        assert_eq!(routes().of(b"a", 7, 5, |_| true), None, "one was added");
        assert_eq!(routes().of(b"a", 7, 4, |member| member == 0), None, "one has another route");
    }
}
