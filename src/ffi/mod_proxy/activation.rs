//! Changes of a member's activation, as balancer-manager makes them.

use crate::balance::Activation;
use crate::ffi::mod_proxy::balancer::Balancer;
use crate::ffi::mod_proxy::worker::Worker;

/// Sets the flags of a member as `activation` on its line does. Other flags stay.
pub(crate) fn set_activation(worker: Worker<'_>, wanted: Activation) {
    let was_usable = worker.status().is_usable();
    let (set, clear) = wanted.flags();
    // Flags are removed last: in between the member takes fewer requests, not more.
    if !set.is_empty() {
        worker.add_status(set);
    }
    worker.clear_status(clear);
    reset_lbmethod_if_usable(worker, was_usable);
}

/// Resets the lbmethod after a member has become usable, so that the member starts with a fair share.
pub(crate) fn reset_lbmethod_if_usable(worker: Worker<'_>, was_usable: bool) {
    let balancer = Balancer::of(worker).filter(|_| !was_usable && worker.status().is_usable());
    if let Some(balancer) = balancer {
        balancer.request_lbmethod_reset();
    }
}
