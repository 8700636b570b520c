//! A child's table of the routes of balancers' members.

use std::collections::HashMap;

use parking_lot::RwLock;

use crate::balance::{Places, Routes};
use crate::ffi::child::worker_cache::ByAddress;
use crate::ffi::mod_proxy::balancer::Balancer;
use crate::ffi::mod_proxy::worker::Worker;

/// The routes by the address of their balancer, which stays where it is as long as the child lives.
#[derive(Debug, Default)]
pub(crate) struct BalancerRoutes(RwLock<HashMap<usize, Routes, ByAddress>>);

/// The members that had a route when it was last looked for.
#[derive(Clone, Debug)]
pub(crate) struct FoundRoute<'r> {
    route: &'r [u8],
    pub(crate) places: Places,
    stamp: i64,
    count: usize,
}

impl FoundRoute<'_> {
    /// Its places, if this is the route, and the balancer has not been changed since.
    pub(crate) fn still(&self, balancer: Balancer<'_>, route: &[u8]) -> Option<&Places> {
        let is_current = self.stamp == balancer.changed() && self.count == balancer.count();
        (is_current && self.route == route).then_some(&self.places)
    }
}

impl BalancerRoutes {
    /// Looks for the members with this route, as [`of`](Self::of), to be asked for again.
    pub(crate) fn find<'r>(&self, balancer: Balancer<'_>, route: &'r [u8]) -> FoundRoute<'r> {
        // Before the look: what is added meanwhile is looked for again.
        let (stamp, count) = (balancer.changed(), balancer.count());
        FoundRoute { route, places: self.of(balancer, route), stamp, count }
    }

    /// Returns the places of the members with this route, each checked against the member itself.
    pub(crate) fn of(&self, balancer: Balancer<'_>, route: &[u8]) -> Places {
        let (stamp, count) = (balancer.changed(), balancer.count());
        let has_route =
            |place| balancer.member(place).is_some_and(|m: Worker<'_>| m.has_route(route));
        let address = balancer.as_ptr() as usize;
        {
            let known = self.0.read();
            let known = known.get(&address);
            if let Some(found) = known.and_then(|known| known.of(route, stamp, count, has_route)) {
                return found.into();
            }
        }
        let found: Places = (0..count).filter(|place| has_route(*place)).collect();
        // A route that no member has is no reason to read the routes again: clients can make routes up.
        if !found.is_empty() {
            let route_of = |place: usize| balancer.member(place)?.route();
            let routes = Routes::new(stamp, count, route_of);
            self.0.write().insert(address, routes);
        }
        found
    }
}
