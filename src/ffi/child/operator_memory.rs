//! What operators have said of members, kept by httpd's parent over graceful restarts, as long as it
//! lives.
//!
//! The memory is mapped once, shared by the parent, its children of before a restart and those of
//! after it, and never given back. httpd keeps its address (`ap_retained_data`), since a reload brings
//! a new library, with a version: a library of another layout maps its own.
//!
//! Whoever changes a member in balancer-manager afterwards has the last word: what no longer agrees
//! with the member's flags when a restart begins is forgotten. So is what was said of a member of which the
//! configuration says something else since: `activation`, `loadfactor=0`, `localonly`, or `D`, `S`, `N` of
//! `status`. What is forgotten is logged.

use std::collections::HashMap;
use std::ffi::{c_int, c_void};
use std::ptr::NonNull;

use rustix::mm::{MapFlags, ProtFlags, mmap_anonymous};

use crate::balance::{Activation, WorkerStatus};
use crate::config::WorkerSettings;
use crate::ffi::guard::guard;
use crate::ffi::httpd::log::{self, LogLevel};
use crate::ffi::mod_proxy::server_conf;
use crate::ffi::mod_proxy::worker::Worker;
use crate::ffi::state::server_state::{ServerConfig, Stated, WorkerId};
use crate::ffi::status_page::orders::set_activation;
use crate::ffi::sys;
use crate::shared::{MemberKey, OPERATOR_VERSION, OperatorEntry, Operators};

/// The memory.
#[derive(Clone, Copy, Debug)]
pub(crate) struct OperatorMemory(NonNull<OperatorEntry>);

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
    /// That of before, or new memory; with whether that of before was another version's, whose words are
    /// lost. `None`: there is none.
    pub(crate) fn retained() -> Option<(Self, bool)> {
        // SAFETY: httpd's main thread, in post_config. What is kept under this name is a `Kept`, or
        // begins as one: the version comes first.
        unsafe {
            let mut kept = sys::ap_retained_data_get(NAME.as_ptr()).cast::<Kept>();
            if kept.is_null() {
                kept = sys::ap_retained_data_create(NAME.as_ptr(), size_of::<Kept>() as _).cast();
            }
            let ours = (*kept).version == OPERATOR_VERSION && (*kept).entries == ENTRIES as u32;
            if ours {
                return NonNull::new((*kept).start).map(|start| (Self(start), false));
            }
            let is_lost = (*kept).version != 0;
            let bytes = ENTRIES * size_of::<OperatorEntry>();
            let access = ProtFlags::READ | ProtFlags::WRITE;
            let start = mmap_anonymous(std::ptr::null_mut(), bytes, access, MapFlags::SHARED);
            let start = NonNull::new(start.ok()?.cast::<OperatorEntry>())?;
            *kept =
                Kept { version: OPERATOR_VERSION, entries: ENTRIES as u32, start: start.as_ptr() };
            Some((Self(start), is_lost))
        }
    }

    /// The view of it.
    pub(crate) fn table(&self) -> Operators<'_> {
        // SAFETY: mapped with this length, zero at first, never unmapped; atomics alone.
        Operators(unsafe { std::slice::from_raw_parts(self.0.as_ptr(), ENTRIES) })
    }
}

/// What the configuration says of one worker: its line, and what comes of it.
type Lines<'l> = (&'l WorkerSettings, &'l Stated);

/// How an activation is noted, together with what the configuration says of the workers it is about.
pub(crate) fn word<'l>(activation: Activation, lines: impl Iterator<Item = Lines<'l>>) -> u64 {
    code(activation) | configured(lines) << 8
}

fn code(activation: Activation) -> u64 {
    match activation {
        Activation::Active => 1,
        Activation::Draining => 2,
        Activation::Stopped => 3,
    }
}

/// A bit for each thing that is said of any of them: virtual hosts may say different things of what is one
/// member here, in whatever order.
fn configured<'l>(lines: impl Iterator<Item = Lines<'l>>) -> u64 {
    let bits = |(settings, stated): Lines<'_>| {
        let activation = match settings.activation {
            None => 1,
            Some(Activation::Active) => 2,
            Some(Activation::Draining) => 4,
            Some(Activation::Stopped) => 8,
        };
        let flag = |at: u32, is_set: bool| 1_u64 << (at + u32::from(is_set));
        let has = |flag: WorkerStatus| stated.status.has(flag);
        activation
            | flag(4, settings.sessions_only)
            | flag(6, has(WorkerStatus::DRAIN))
            | flag(8, has(WorkerStatus::STOPPED))
            | flag(10, has(WorkerStatus::DISABLED))
            | flag(12, stated.by_local_only)
    };
    lines.map(bits).fold(0, |all, bits| all | bits)
}

fn said(word: u64) -> Option<Activation> {
    Activation::ALL.into_iter().find(|activation| code(*activation) == word & 0xff)
}

/// In the parent, once mod_proxy_balancer has set its members up: gives them what was said of them, and
/// sees to it that it is compared once more when the next restart begins.
///
/// # Safety
/// `pconf` is httpd's configuration pool and `main` its main server; this is its main thread.
pub(crate) unsafe fn reapply(
    pconf: *mut sys::apr_pool_t,
    main: *mut sys::server_rec,
    memory: OperatorMemory,
) {
    let table = memory.table();
    let (unset, nothing) = (WorkerSettings::default(), Stated::default());
    // SAFETY: as the caller promises.
    let settings = unsafe { settings(main) };
    // SAFETY: as the caller promises.
    let stated = unsafe { ServerConfig::of(main) }.and_then(|config| config.stated.get());
    let lines = |worker: &Worker| {
        let stated = stated.and_then(|all| all.get(&worker.id()));
        let settings = settings.get(&worker.id()).copied();
        (settings.unwrap_or(&unset), stated.unwrap_or(&nothing))
    };
    // SAFETY: as the caller promises.
    for (key, workers) in unsafe { members(main) } {
        let Some(word) = table.get(key) else { continue };
        let Some(wanted) = said(word) else { continue };
        if word >> 8 != configured(workers.iter().map(lines)) {
            // Whoever has edited the configuration since means what it says.
            table.set(key, 0);
            // SAFETY: as the caller promises.
            unsafe { forgotten(main, &workers, wanted, "what is configured was edited since") };
            continue;
        }
        let others = workers.iter().filter(|worker| worker.status().activation() != wanted);
        let changed = others.map(|worker| set_activation(*worker, wanted)).count();
        if changed > 0 {
            let name = name(&workers);
            let wanted = wanted.name();
            // SAFETY: the main server is live.
            unsafe {
                log::server(
                    main,
                    LogLevel::Info,
                    format_args!("{name}: {wanted}, as an operator has said before the restart"),
                );
            }
        }
    }
    // SAFETY: pconf is live; the main server is until pconf has been cleared, which begins with this.
    unsafe {
        sys::apr_pool_pre_cleanup_register(pconf, main.cast::<c_void>(), Some(compare));
    }
}

/// Says that what an operator has said of a member counts no longer.
///
/// # Safety
/// `main` is httpd's main server.
unsafe fn forgotten(main: *const sys::server_rec, workers: &[Worker], said: Activation, why: &str) {
    let (name, said) = (name(workers), said.name());
    // SAFETY: as the caller promises.
    unsafe {
        log::server(
            main,
            LogLevel::Warning,
            format_args!("ajp-status: {name}: that it is {said} is forgotten, for {why}"),
        );
    }
}

/// `balancer://app ajp://10.0.0.1:8009`.
fn name(workers: &[Worker]) -> String {
    let Some(worker) = workers.first() else { return String::new() };
    let balancer = worker.balancer().map(|balancer| balancer.name());
    let balancer = balancer.as_deref().map(String::from_utf8_lossy).unwrap_or_default();
    format!("{balancer} {}", String::from_utf8_lossy(&worker.name()))
}

/// What the configuration says of each worker.
///
/// # Safety
/// `main` is httpd's main server; its configuration is not changed while the result is in use.
unsafe fn settings<'m>(main: *mut sys::server_rec) -> HashMap<WorkerId, &'m WorkerSettings> {
    // SAFETY: as the caller promises.
    let servers = unsafe { server_conf::servers(main) };
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
        for (key, workers) in unsafe { members(main) } {
            let Some(said) = table.get(key).and_then(said) else { continue };
            if workers.iter().any(|worker| worker.status().activation() != said) {
                table.set(key, 0);
                // SAFETY: as above; the log is closed later.
                unsafe {
                    forgotten(main, &workers, said, "it was changed in balancer-manager since")
                };
            }
        }
        0
    })
}

/// The ajp members of all balancers, with all that go by one name.
///
/// # Safety
/// `main` is httpd's main server, on its main thread.
unsafe fn members(main: *mut sys::server_rec) -> Vec<(MemberKey, Vec<Worker>)> {
    let mut found: Vec<(MemberKey, Vec<Worker>)> = Vec::new();
    let mut places = HashMap::new();
    // SAFETY: as the caller promises; the parent changes none of these lists while it serves.
    let workers = unsafe {
        server_conf::servers(main)
            .filter_map(|server| server_conf::proxy_conf(server))
            .flat_map(|conf| server_conf::workers(conf))
            .map(|raw| Worker::from_ptr(raw))
    };
    for worker in workers.filter(|worker| worker.is_member() && worker.is_ajp()) {
        let key = worker.key();
        let at = *places.entry(key).or_insert(found.len());
        match found.get_mut(at) {
            Some((_, known)) if known.contains(&worker) => {}
            Some((_, known)) => known.push(worker),
            None => found.push((key, vec![worker])),
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_word_of_the_configuration_about_activation_counts_and_no_order_of_hosts() {
        let line = |activation, sessions_only| WorkerSettings {
            activation,
            sessions_only,
            ..WorkerSettings::default()
        };
        let lines = [
            line(None, false),
            line(Some(Activation::Active), false),
            line(Some(Activation::Draining), false),
            line(Some(Activation::Stopped), false),
            line(None, true),
        ];
        let flags = [
            WorkerStatus::default(),
            WorkerStatus::DRAIN,
            WorkerStatus::STOPPED,
            WorkerStatus::DISABLED,
            WorkerStatus::STOPPED.with(WorkerStatus::DRAIN),
        ];
        let stated: Vec<_> = flags
            .into_iter()
            .flat_map(|status| [false, true].map(|by_local_only| Stated { status, by_local_only }))
            .collect();
        let mut words = std::collections::HashSet::new();
        for line in &lines {
            for stated in &stated {
                for wanted in Activation::ALL {
                    let word = word(wanted, [(line, stated)].into_iter());
                    assert_eq!(said(word), Some(wanted));
                    assert!(words.insert(word), "{line:?} {stated:?} {wanted:?}");
                }
            }
        }
        let two = [(&lines[0], &stated[0]), (&lines[3], &stated[4])];
        let turned = [two[1], two[0]];
        assert_eq!(configured(two.into_iter()), configured(turned.into_iter()));
        assert_ne!(configured(two.into_iter()), configured([two[0]].into_iter()));
    }
}
