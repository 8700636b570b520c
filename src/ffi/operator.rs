//! What operators have said of members, kept by httpd's parent over graceful restarts, as long as it
//! lives.
//!
//! The memory is mapped once, shared by the parent, its children of before a restart and those of
//! after it, and never given back. httpd keeps its address (`ap_retained_data`), since a reload brings
//! a new library, with a version: a library of another layout maps its own.
//!
//! Whoever changes a member in balancer-manager afterwards has the last word: what no longer agrees
//! with the member's flags when a restart begins is forgotten. So is what was said of a member whose
//! `activation` or `loadfactor=0` has been edited since.

use std::collections::HashMap;
use std::ffi::{c_int, c_void};
use std::ptr::NonNull;

use rustix::mm::{MapFlags, ProtFlags, mmap_anonymous};

use super::guard::guard;
use super::log::{self, LogLevel};
use super::orders::set_activation;
use super::picture::activation;
use super::server_config::{ServerConfig, WorkerId};
use super::worker::Worker;
use super::{roll, sys};
use crate::config::{self, WorkerSettings};
use crate::metrics::{OPERATOR_VERSION, OperatorEntry, Operators};
use crate::status::Activation;

/// The memory.
#[derive(Clone, Copy, Debug)]
pub(super) struct OperatorMemory(NonNull<OperatorEntry>);

// SAFETY: nothing but atomics is reached through the pointer, and the mapping stays for good.
unsafe impl Send for OperatorMemory {}
// SAFETY: as above.
unsafe impl Sync for OperatorMemory {}

/// Members of which something may be said, in the life of one parent: 64 KiB.
const ENTRIES: usize = 4096;

/// What httpd keeps.
#[repr(C)]
struct Kept {
    version: u32,
    entries: u32,
    start: *mut OperatorEntry,
}

const NAME: &std::ffi::CStr = c"mod_proxy_ajp_rs: what operators have said";

impl OperatorMemory {
    /// That of before, or new memory. `None`: there is none.
    pub(super) fn retained() -> Option<Self> {
        // SAFETY: httpd's main thread, in post_config. What is kept under this name is a `Kept`, or
        // begins as one: the version comes first.
        unsafe {
            let mut kept = sys::ap_retained_data_get(NAME.as_ptr()).cast::<Kept>();
            if kept.is_null() {
                kept = sys::ap_retained_data_create(NAME.as_ptr(), size_of::<Kept>() as _).cast();
            }
            let ours = (*kept).version == OPERATOR_VERSION && (*kept).entries == ENTRIES as u32;
            if ours {
                return NonNull::new((*kept).start).map(Self);
            }
            let bytes = ENTRIES * size_of::<OperatorEntry>();
            let access = ProtFlags::READ | ProtFlags::WRITE;
            let start = mmap_anonymous(std::ptr::null_mut(), bytes, access, MapFlags::SHARED);
            let start = NonNull::new(start.ok()?.cast::<OperatorEntry>())?;
            *kept =
                Kept { version: OPERATOR_VERSION, entries: ENTRIES as u32, start: start.as_ptr() };
            Some(Self(start))
        }
    }

    /// The view of it.
    pub(super) fn table(&self) -> Operators<'_> {
        // SAFETY: mapped with this length, zero at first, never unmapped; atomics alone.
        Operators(unsafe { std::slice::from_raw_parts(self.0.as_ptr(), ENTRIES) })
    }
}

/// How an activation is noted, together with what the configuration says of the member.
pub(super) fn word(activation: Activation, settings: &WorkerSettings) -> u64 {
    code(activation) | configured(settings) << 8
}

fn code(activation: Activation) -> u64 {
    match activation {
        Activation::Active => 1,
        Activation::Draining => 2,
        Activation::Stopped => 3,
    }
}

/// Never 0, so that it shows whether it was noted.
fn configured(settings: &WorkerSettings) -> u64 {
    let activation = match settings.activation {
        None => 1,
        Some(config::Activation::Active) => 2,
        Some(config::Activation::Disabled) => 3,
        Some(config::Activation::Stopped) => 4,
    };
    activation | u64::from(settings.sessions_only) << 4
}

fn said(word: u64) -> Option<Activation> {
    Activation::ALL.into_iter().find(|activation| code(*activation) == word & 0xff)
}

/// In the parent, once mod_proxy_balancer has set its members up: gives them what was said of them, and
/// sees to it that it is compared once more when the next restart begins.
///
/// # Safety
/// `pconf` is httpd's configuration pool and `main` its main server; this is its main thread.
pub(super) unsafe fn reapply(
    pconf: *mut sys::apr_pool_t,
    main: *mut sys::server_rec,
    memory: OperatorMemory,
) {
    let table = memory.table();
    let unset = WorkerSettings::default();
    // SAFETY: as the caller promises.
    let settings = unsafe { settings(main) };
    // SAFETY: as the caller promises.
    for worker in unsafe { members(main) } {
        let word = table.get(worker.key());
        let now = configured(settings.get(&worker.id()).copied().unwrap_or(&unset));
        if word.is_some_and(|word| word >> 8 != now) {
            // Whoever has edited the member's line since means what it says.
            table.set(worker.key(), 0);
            continue;
        }
        let wanted = word.and_then(said);
        let Some(wanted) = wanted.filter(|wanted| activation(worker.status()) != *wanted) else {
            continue;
        };
        set_activation(worker, wanted);
        let name = worker.name();
        // SAFETY: the main server is live.
        unsafe {
            log::server(
                main,
                LogLevel::Info,
                format_args!(
                    "{}: {}, as an operator has said before the restart",
                    String::from_utf8_lossy(&name),
                    wanted.name()
                ),
            );
        }
    }
    // SAFETY: pconf is live; the main server is until pconf has been cleared, which begins with this.
    unsafe {
        sys::apr_pool_pre_cleanup_register(pconf, main.cast::<c_void>(), Some(compare));
    }
}

/// What the configuration says of each worker.
///
/// # Safety
/// `main` is httpd's main server; its configuration is not changed while the result is in use.
unsafe fn settings<'m>(main: *mut sys::server_rec) -> HashMap<WorkerId, &'m WorkerSettings> {
    // SAFETY: as the caller promises.
    let servers = unsafe { roll::servers(main) };
    // SAFETY: as above.
    let configs = servers.filter_map(|server| unsafe { ServerConfig::of(server) });
    configs.flat_map(|config| config.workers()).map(|(id, settings)| (*id, settings)).collect()
}

/// A restart begins, or the end.
unsafe extern "C" fn compare(main: *mut c_void) -> sys::apr_status_t {
    guard(0, || {
        let main = main.cast::<sys::server_rec>();
        // SAFETY: what `reapply` registered, live as said there.
        let Some(config) = (unsafe { ServerConfig::of(main) }) else { return 0 as c_int };
        // A child that ends destroys its copy of the pool too.
        let is_parent = config.parent.get() == Some(&std::process::id());
        let Some(memory) = config.operators.get().filter(|_| is_parent) else { return 0 };
        let table = memory.table();
        // SAFETY: as above; nothing of the configuration has been destroyed yet.
        for worker in unsafe { members(main) } {
            let key = worker.key();
            let said = table.get(key).and_then(said);
            if said.is_some_and(|said| said != activation(worker.status())) {
                table.set(key, 0);
            }
        }
        0
    })
}

/// The ajp members of all balancers.
///
/// # Safety
/// `main` is httpd's main server, on its main thread.
unsafe fn members(main: *mut sys::server_rec) -> Vec<Worker> {
    // SAFETY: as the caller promises; the parent changes none of these lists while it serves.
    unsafe {
        roll::servers(main)
            .filter_map(|server| roll::proxy_conf(server))
            .flat_map(|conf| roll::workers(conf))
            .map(|raw| Worker::from_ptr(raw))
            .filter(|worker| worker.is_member() && worker.is_ajp())
            .collect()
    }
}
