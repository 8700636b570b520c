//! httpd's lbmethod `byrequests`: which record is its, and its choice where each member can be chosen.
//!
//! mod_proxy looks at each member several times before the method compares it (`ap_proxy_balancer_get_best_worker`).
//! Where all members are alike, nothing but the comparison is left. With hundreds of members, the rest is what a small
//! request costs most.

use std::ffi::c_void;
use std::ptr::NonNull;

use crate::ffi::httpd::module_record;
use crate::ffi::mod_proxy::balancer::{Balancer, Locked};
use crate::ffi::mod_proxy::worker::Worker;
use crate::ffi::sys;

/// httpd's `byrequests`, if httpd has it.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct ByRequests(Option<NonNull<sys::proxy_balancer_method>>);

// SAFETY: an address that is compared alone.
unsafe impl Send for ByRequests {}
// SAFETY: as above.
unsafe impl Sync for ByRequests {}

impl ByRequests {
    /// Looks for it. A method of this name is httpd's only if its function lies in the same file as the record of
    /// `mod_lbmethod_byrequests`: any module may register a method of any name. (Modules that are linked into httpd
    /// itself are in one file.)
    ///
    /// # Safety
    /// The configuration has been read, and no module is unloaded meanwhile.
    pub(crate) unsafe fn of_httpd() -> Self {
        // SAFETY: static texts; null or a record of mod_proxy's type, which all of this group have.
        let method = NonNull::new(unsafe {
            let group = sys::PROXY_LBMETHOD.as_ptr().cast();
            sys::ap_lookup_provider(group, c"byrequests".as_ptr(), c"0".as_ptr())
                .cast::<sys::proxy_balancer_method>()
        });
        let module = module_record::find(c"mod_lbmethod_byrequests.c");
        let is_httpds = |method: &NonNull<sys::proxy_balancer_method>| {
            // SAFETY: a record that its module never changes.
            let Some(finder) = (unsafe { method.read() }).finder else { return false };
            let own = module_record::file_of(finder as *const c_void);
            let of_module =
                |module: NonNull<sys::module>| module_record::file_of(module.as_ptr().cast());
            own.is_some() && own == module.and_then(of_module)
        };
        Self(method.filter(is_httpds))
    }

    /// Whether it is the lbmethod of this balancer.
    pub(crate) fn is_of(self, balancer: Balancer<'_>) -> bool {
        self.0.is_some() && self.0 == balancer.lbmethod_record()
    }
}

impl<'s> Locked<'s> {
    /// The member that `byrequests` chooses where each can be chosen, counted as there
    /// (`find_best_byrequests` in mod_lbmethod_byrequests.c): each gets its factor, the chosen one gives all of them.
    pub(crate) fn find_by_requests(&self) -> Option<Worker<'s>> {
        let (mut total, mut most) = (0_i32, i32::MIN);
        let mut best = None;
        for member in self.balancer().members() {
            let (factor, status) = member.add_own_factor();
            total = total.wrapping_add(factor);
            if best.is_none() || status > most {
                (best, most) = (Some(member), status);
            }
        }
        best.inspect(|best| best.take_from_lbstatus(total))
    }
}
