//! Changing what a member is used for, as balancer-manager does.

use crate::balance::Activation;
use crate::ffi::mod_proxy::balancer::Balancer;
use crate::ffi::mod_proxy::worker::Worker;

/// Sets the flags of a member as `activation` on its line does; those of other things stay.
pub(crate) fn set_activation(worker: Worker<'_>, wanted: Activation) {
    let was_usable = worker.status().is_usable();
    let (set, clear) = wanted.flags();
    // What is taken away last: in between it takes fewer requests, not more.
    if !set.is_empty() {
        worker.add_status(set);
    }
    worker.clear_status(clear);
    reset_lbmethod_if_usable(worker, was_usable);
}

/// A member that has become usable starts with a fair share: the lbmethod begins again.
pub(crate) fn reset_lbmethod_if_usable(worker: Worker<'_>, was_usable: bool) {
    let balancer = Balancer::of(worker).filter(|_| !was_usable && worker.status().is_usable());
    if let Some(balancer) = balancer {
        balancer.begin_anew();
    }
}
