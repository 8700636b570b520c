//! Corrects mod_proxy's busy counts after a child was killed.
//!
//! mod_proxy adds a request to its member's `busy` when it gives it to the member, and subtracts it
//! when the request's pool is cleared. A child that is killed, or crashes, never subtracts it:
//! `bybusyness` and the pages would count its requests until httpd is restarted. So each request of
//! ours that mod_proxy counts is also counted in the child's own row of the shared memory, and
//! subtracted there by the same pool. When the child is gone, its row has the number that it left in
//! `busy`.
//!
//! # Race
//! A child killed in the few instructions between mod_proxy's count and ours, or between the two
//! counts down, leaves one request too many or too few. mod_proxy's own count is as plain: two
//! children that change it in the same instant may lose one of their changes.

use std::sync::Arc;

use crate::ffi::child::child_state::Child;
use crate::shared::MemberKey;

/// A request that mod_proxy counts on a member; dropped with the request's pool, when mod_proxy's count
/// ends.
pub(crate) struct BusyGuard {
    key: MemberKey,
    child: Arc<Child>,
}

impl BusyGuard {
    /// `key`: the member's.
    pub(crate) fn new(key: MemberKey, child: &Arc<Child>) -> Self {
        if let Some(state) = child.member_state(key) {
            state.hold();
        }
        Self { key, child: Arc::clone(child) }
    }
}

impl Drop for BusyGuard {
    fn drop(&mut self) {
        if let Some(state) = self.child.member_state(self.key) {
            state.release();
        }
    }
}
