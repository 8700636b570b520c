//! The choice of a member for a request without a session, while no member is in error: the lbmethod's.
//!
//! There is nothing else to decide, so that what `proxy_balancer_pre_request` of mod_proxy_balancer does is done here
//! without the steps that such a request does not need.

use std::ffi::c_int;

use crate::balance::WorkerStatus;
use crate::ffi::balancing::elected;
use crate::ffi::balancing::hook_args::HookArgs;
use crate::ffi::child::child_state::Child;
use crate::ffi::httpd::request::Request;
use crate::ffi::mod_proxy::balancer::Balancer;
use crate::ffi::mod_proxy::server_conf::ProxyConf;
use crate::ffi::mod_proxy::worker::Worker;
use crate::ffi::state::first_piece;
use crate::ffi::sys;

/// What a look at all members shows.
#[derive(Clone, Copy, Debug)]
pub(super) struct Overview {
    count: usize,
    /// A member is in error.
    pub(super) has_errors: bool,
    /// A member could take a request without a session. If none could, mod_proxy_balancer would log that
    /// all are in error, whatever they are.
    pub(super) can_take_any: bool,
    /// Each member could take it as well as any other: all are usable, for new sessions, too, and of one `lbset`.
    are_alike: bool,
}

impl Overview {
    pub(super) fn of(balancer: Balancer<'_>) -> Self {
        // There may be hundreds of members, all alike nearly always.
        let (mut count, mut lbsets) = (0, 0);
        let (mut any, mut each) = (WorkerStatus::default(), WorkerStatus::INITIALIZED);
        let first = balancer.members().next().map(Worker::lbset).unwrap_or_default();
        for member in balancer.members() {
            let status = member.status();
            (any, each) = (any.with(status), each.among(status));
            lbsets |= member.lbset() ^ first;
            count += 1;
        }
        let are_alike =
            lbsets == 0 && each.is_usable() && any.is_usable() && any.accepts_new_sessions();
        let can_take = |status: WorkerStatus| status.is_usable() && !status.is_draining();
        let can_take_any = are_alike || balancer.members().map(Worker::status).any(can_take);
        Self { count, has_errors: any.is_in_error(), can_take_any, are_alike }
    }
}

/// Gives the request to the member that the lbmethod chooses. Returns the hook's result; `None` if it chooses none.
///
/// # Race
/// The members are looked at before the balancer is locked. One that is put in error, stopped or drained in between may
/// get this request, as it might have got it a moment before.
///
/// # Safety
/// `places` and `conf` are mod_proxy's for this request.
pub(super) unsafe fn elect(
    request: Request<'_>,
    conf: ProxyConf<'_>,
    balancer: Balancer<'_>,
    members: Overview,
    child: &Child,
    url: &[u8],
    places: &HookArgs,
) -> Option<c_int> {
    let Some(locked) = balancer.lock() else { return Some(sys::DECLINED) };
    // SAFETY: as the caller promises.
    unsafe { locked.sync(request.server(), conf.as_ptr()) };
    // A member that another child has added since may not be like the others.
    let are_alike = members.are_alike && balancer.count() == members.count;
    let chosen = match are_alike && child.by_requests().is_of(balancer) {
        true => locked.find_by_requests(),
        false => locked.find(request),
    };
    if let Some(member) = chosen {
        member.count_election();
    }
    drop(locked);
    let member = chosen?;
    if !member.is_ajp() {
        first_piece::hand_over(request);
    }
    // SAFETY: as the caller promises.
    Some(unsafe { elected::install(request, balancer, member, None, url, places) })
}
