//! A view of one of mod_proxy's balancers.
//!
//! As with a [`Worker`], the shared parts are read raw, one field at a time.

use std::ffi::{c_char, c_int};
use std::marker::PhantomData;
use std::ptr::NonNull;

use crate::balance::Sticky;
use crate::ffi::apr::array;
use crate::ffi::apr::shared_text::Text;
use crate::ffi::httpd::request::Request;
use crate::ffi::httpd::server::Server;
use crate::ffi::mod_proxy::worker::Worker;
use crate::ffi::sys;

const NAME: usize = sys::PROXY_BALANCER_MAX_NAME_SIZE as usize;
/// The length of mod_proxy's array of it.
/// The size of the names of `stickysession`, with their NUL.
pub(crate) const STICKY: usize = sys::PROXY_BALANCER_MAX_STICKY_SIZE as usize;
const METHOD: usize = sys::PROXY_MAX_PROVIDER_NAME_SIZE as usize;

/// A balancer, for the length of a hook.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Balancer<'s> {
    raw: NonNull<sys::proxy_balancer>,
    hook: PhantomData<&'s ()>,
}

impl<'s> Balancer<'s> {
    /// # Safety
    /// `raw` is null or a balancer of mod_proxy's that is live during `'s`.
    pub(crate) unsafe fn from_ptr(raw: *mut sys::proxy_balancer) -> Option<Self> {
        NonNull::new(raw).map(|raw| Self { raw, hook: PhantomData })
    }

    /// The balancer that a worker is a member of.
    pub(crate) fn of(worker: Worker<'s>) -> Option<Self> {
        // SAFETY: null, or a balancer that lives as long as its member.
        unsafe { Self::from_ptr((*worker.as_ptr()).balancer) }
    }

    pub(crate) fn as_ptr(self) -> *mut sys::proxy_balancer {
        self.raw.as_ptr()
    }

    fn shared(self) -> *mut sys::proxy_balancer_shared {
        // SAFETY: a plain field of a live record; never null once defined.
        unsafe { (*self.as_ptr()).s }
    }

    /// `balancer://name`.
    pub(crate) fn name(self) -> Text<NAME> {
        // SAFETY: an array of the shared part, which lives as long as the balancer.
        unsafe { Text::read(&raw const (*self.shared()).name) }
    }

    /// The same, where mod_proxy has it, for a note of a request: mod_proxy notes it so itself. It never changes.
    pub(crate) fn name_text(self) -> *const c_char {
        // SAFETY: an array of the shared part, which lives as long as the balancer.
        unsafe { (&raw const (*self.shared()).name).cast() }
    }

    /// Its members, in the order of the configuration.
    pub(crate) fn members(self) -> impl Iterator<Item = Worker<'s>> {
        // SAFETY: the array is live; members are added at its end alone, to memory that stays.
        let members =
            unsafe { array::elements::<*mut sys::proxy_worker>((*self.as_ptr()).workers) };
        // SAFETY: below the number of elements when it was read; members outlive requests.
        members.filter_map(|member| unsafe { Worker::added(*member) })
    }

    /// The number of members, including one that is just being added.
    pub(crate) fn count(self) -> usize {
        // SAFETY: the array is live; members are added at its end alone, to memory that stays.
        unsafe { array::elements::<*mut sys::proxy_worker>((*self.as_ptr()).workers).len() }
    }

    /// The highest number of members (`growth`); for the parent, which makes room for them.
    pub(crate) fn max_members(self) -> usize {
        // SAFETY: a plain field of a live record.
        usize::try_from(unsafe { (*self.as_ptr()).max_workers }).unwrap_or(0)
    }

    /// `maxattempts`, where mod_proxy has one for it: how many members are tried after the first.
    pub(crate) fn max_attempts(self) -> Option<u32> {
        let s = self.shared();
        // SAFETY: plain fields of a live record.
        let most = unsafe { ((*s).max_attempts_set() != 0).then(|| (*s).max_attempts) };
        most.and_then(|most| u32::try_from(most).ok())
    }

    /// The member at this place; `None` while it is being added.
    pub(crate) fn member(self, place: usize) -> Option<Worker<'s>> {
        // SAFETY: as in `members`.
        unsafe {
            let mut all = array::elements::<*mut sys::proxy_worker>((*self.as_ptr()).workers);
            Worker::added(*all.nth(place)?)
        }
    }

    /// When its members were last changed, as mod_proxy notes it.
    pub(crate) fn changed(self) -> i64 {
        // SAFETY: an aligned word in shared memory.
        unsafe { (&raw const (*self.shared()).wupdated).read_volatile() }
    }

    /// Locks the balancer against the other threads of this child; `None` if that fails.
    pub(crate) fn lock(self) -> Option<Locked<'s>> {
        // SAFETY: the balancer is live.
        let locked = unsafe { sys::ajp_shim_lock_balancer(self.as_ptr()) } == 0;
        locked.then_some(Locked(self))
    }

    /// How it recognises sessions; `None` without `stickysession`.
    pub(crate) fn sticky(self) -> Option<Sticky<Text<STICKY>>> {
        let s = self.shared();
        // SAFETY: arrays and plain fields of the shared part, which lives as long as the balancer.
        let (cookie, path, separator, ends_at_semicolon) = unsafe {
            (
                Text::read(&raw const (*s).sticky),
                Text::read(&raw const (*s).sticky_path),
                (*s).sticky_separator as u8,
                (*s).scolonsep() != 0,
            )
        };
        let separator = (separator != 0).then_some(separator);
        (!cookie.is_empty()).then_some(Sticky { cookie, path, separator, ends_at_semicolon })
    }

    /// The lbmethod that chooses its members; `None` if that lbmethod is not loaded.
    fn lbmethod(self) -> Option<sys::proxy_balancer_method> {
        // SAFETY: a record that its module never changes and that outlives the balancer.
        self.lbmethod_record().map(|method| unsafe { method.read() })
    }

    /// The same, where its module has it.
    pub(crate) fn lbmethod_record(self) -> Option<NonNull<sys::proxy_balancer_method>> {
        // SAFETY: a plain field of a live record.
        NonNull::new(unsafe { (*self.as_ptr()).lbmethod })
    }

    /// `lbmethod`.
    pub(crate) fn method(self) -> Text<METHOD> {
        // SAFETY: an array of the shared part, which lives as long as the balancer.
        unsafe { Text::read(&raw const (*self.shared()).lbpname) }
    }

    /// Tells the lbmethod to start again, since a member has become usable.
    pub(crate) fn request_lbmethod_reset(self) {
        // SAFETY: a bit field in shared memory, set as balancer-manager does.
        unsafe { sys::proxy_balancer_shared::set_need_reset_raw(self.shared(), 1) };
    }

    /// `nofailover`: a request of a session goes to the session's member or to none.
    pub(crate) fn forces_sessions(self) -> bool {
        // SAFETY: a bit field in shared memory.
        unsafe { (*self.shared()).sticky_force() != 0 }
    }

    /// `forcerecovery`: if all members are in error, all are tried.
    pub(crate) fn forces_recovery(self) -> bool {
        // SAFETY: a bit field in shared memory.
        unsafe { (*self.shared()).forcerecovery() != 0 }
    }

    /// Whether mod_proxy_balancer puts a member in error that answers with this status (`failonstatus`).
    pub(crate) fn fails_on_status(self, status: c_int) -> bool {
        // SAFETY: the balancer and its array, which its configuration has filled, are live.
        unsafe {
            let mut all = array::elements::<c_int>((*self.as_ptr()).errstatuses);
            all.any(|listed| *listed == status)
        }
    }

    /// `timeout`: requests wait for a member to become usable.
    pub(crate) fn waits_for_members(self) -> bool {
        // SAFETY: a plain field in shared memory.
        unsafe { (*self.shared()).timeout != 0 }
    }
}

/// A member in the words of logs: `balancer://app ajp://10.0.0.1:8009`.
pub(crate) fn member_name(worker: Worker<'_>) -> String {
    let balancer = Balancer::of(worker).map(Balancer::name);
    let balancer = balancer.as_deref().map(String::from_utf8_lossy).unwrap_or_default();
    format!("{balancer} {}", String::from_utf8_lossy(&worker.name()))
}

/// A balancer that this thread has locked; dropping it unlocks.
#[derive(Debug)]
pub(crate) struct Locked<'s>(Balancer<'s>);

impl<'s> Locked<'s> {
    /// The balancer that is locked.
    pub(crate) fn balancer(&self) -> Balancer<'s> {
        self.0
    }

    /// Adds the members that another child has added. `server` is the request's, or one that has the
    /// balancer.
    ///
    /// # Safety
    /// `conf` is mod_proxy's configuration of `server`.
    pub(crate) unsafe fn sync(&self, server: Server<'_>, conf: *mut sys::proxy_server_conf) {
        // SAFETY: all live, as the caller promises; the lock is held.
        unsafe { sys::ap_proxy_sync_balancer(self.0.as_ptr(), server.as_ptr(), conf) };
    }

    /// The member that the lbmethod elects.
    pub(crate) fn find(&self, request: Request<'_>) -> Option<Worker<'s>> {
        let finder = self.0.lbmethod()?.finder?;
        // SAFETY: balancer and request are live, the lock is held.
        let found = unsafe { finder(self.0.as_ptr(), request.as_ptr()) };
        // SAFETY: null or a member, which outlives the request.
        NonNull::new(found).map(|found| unsafe { Worker::from_ptr(found.as_ptr()) })
    }

    /// Tells the lbmethod of a member that a session has chosen, as mod_proxy_balancer does for a
    /// member that it finds by a session's route.
    pub(crate) fn elected_for_session(&self, member: Worker<'_>, request: Request<'_>) {
        if let Some(update) = self.0.lbmethod().and_then(|method| method.updatelbstatus) {
            // SAFETY: balancer, member and server are live, the lock is held.
            unsafe { update(self.0.as_ptr(), member.as_ptr(), request.server().as_ptr()) };
            return;
        }
        let mut total = 0_i32;
        for usable in self.0.members().filter(|member| member.status().is_usable()) {
            total = total.wrapping_add(usable.add_own_factor().0);
        }
        member.take_from_lbstatus(total);
    }
}

impl Drop for Locked<'_> {
    fn drop(&mut self) {
        // SAFETY: locked by this thread in `lock`, unlocked once.
        unsafe { sys::ajp_shim_unlock_balancer(self.0.as_ptr()) };
    }
}
