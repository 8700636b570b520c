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

impl BalancerRoutes {
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
