//! What the configuration says, kept per server in pconf, and the way from a server to its child.

use std::ffi::{CString, c_char};
use std::sync::{Arc, OnceLock};

use super::apr::{self, Pool};
use super::child::Child;
use super::shm::SharedMemory;
use super::worker::Worker;
use super::{module, roll, sys};
use crate::config::{Maintain, WorkerSettings, rewrite};

/// The module's configuration of one server (main or virtual host). Changed only while httpd reads
/// its configuration, on its main thread; constant afterwards but for `shared` and `child`.
#[derive(Default)]
pub(super) struct ServerConfig {
    workers: Vec<(WorkerId, WorkerSettings)>,
    min: Vec<(WorkerId, usize)>,
    /// `ProxyAjpMaintain`; the main server's counts.
    pub(super) maintain: Maintain,
    /// Filled in by child_init, in the child's own copy of this memory.
    pub(super) child: OnceLock<Arc<Child>>,
    /// What all children share; in the main server alone, filled in by post_config.
    pub(super) shared: OnceLock<SharedMemory>,
}

/// What tells a worker from another one throughout its life.
///
/// A balancer member's record stays where it is while its shared part moves into shared memory.
/// Every other worker's record is copied for each virtual host, while the copies have their shared
/// part in common.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum WorkerId {
    Member(usize),
    Plain(usize),
}

impl WorkerId {
    /// # Safety
    /// `worker` is a live worker.
    pub(super) unsafe fn of(worker: *const sys::proxy_worker) -> Self {
        // SAFETY: live, as the caller promises; both fields are plain pointers set at definition.
        let (balancer, shared) = unsafe { ((*worker).balancer, (*worker).s) };
        if balancer.is_null() {
            Self::Plain(shared as usize)
        } else {
            Self::Member(worker as usize)
        }
    }
}

impl ServerConfig {
    /// # Safety
    /// `pool` is a live pool of httpd's configuration, used by this thread alone.
    pub(super) unsafe fn create(pool: *mut sys::apr_pool_t) -> *mut Self {
        // SAFETY: as the caller promises.
        unsafe { Pool::from_ptr(pool) }.own(Self::default())
    }

    /// The configuration of a server.
    ///
    /// # Safety
    /// `server` is a live server; the result is used only while it is, and not across a call that
    /// changes it (`worker_param`).
    pub(super) unsafe fn of<'s>(server: *const sys::server_rec) -> Option<&'s Self> {
        // SAFETY: the server is live; httpd keeps what create_server_config returned.
        let config =
            unsafe { sys::ap_get_module_config((*server).module_config, module::record()) };
        // SAFETY: null or from ServerConfig::create, in pconf, which outlives the server.
        unsafe { config.cast::<Self>().as_ref() }
    }

    /// The configuration of a server, to be changed. A virtual host gets its own here: httpd asks
    /// create_server_config for one only where it meets a directive of this module.
    ///
    /// # Safety
    /// `server` is live and `pool` its configuration's; httpd is reading its configuration, on this
    /// thread; no other reference to the configuration is in use.
    unsafe fn of_or_new<'s>(
        server: *mut sys::server_rec,
        pool: *mut sys::apr_pool_t,
    ) -> &'s mut Self {
        // SAFETY: as the caller promises; a null entry is filled in before it is used.
        unsafe {
            let vector = (*server).module_config;
            let mut config = sys::ap_get_module_config(vector, module::record()).cast::<Self>();
            if config.is_null() {
                config = Self::create(pool);
                sys::ap_set_module_config(vector, module::record(), config.cast());
            }
            &mut *config
        }
    }

    /// Notes the `min` of every worker, before mod_proxy forgets it under prefork.
    ///
    /// # Safety
    /// `main` is httpd's main server; its configuration has been read, on this thread, and no
    /// reference to a configuration is in use.
    pub(super) unsafe fn note_min(main: *mut sys::server_rec) {
        // SAFETY: as the caller promises; the workers are mod_proxy's and live.
        unsafe {
            let Some(config) = sys::ap_get_module_config((*main).module_config, module::record())
                .cast::<Self>()
                .as_mut()
            else {
                return;
            };
            config.min = roll::servers(main)
                .filter_map(|server| roll::proxy_conf(server))
                .flat_map(|conf| roll::workers(conf))
                .map(|worker| (WorkerId::of(worker), Worker::from_ptr(worker).min()))
                .filter(|(_, min)| *min > 0)
                .collect();
        }
    }

    /// The `min` of each worker that has one; in the main server's configuration.
    pub(super) fn min(&self) -> &[(WorkerId, usize)] {
        &self.min
    }

    /// The settings of all workers defined in this server.
    pub(super) fn workers(&self) -> &[(WorkerId, WorkerSettings)] {
        &self.workers
    }
}

/// Takes the value of `ProxyAjpMaintain`. Null: taken; else the error text.
///
/// # Safety
/// `pool`, `server` and the string are live; httpd is reading its configuration, on this thread.
pub(super) unsafe fn maintain(
    pool: *mut sys::apr_pool_t,
    server: *mut sys::server_rec,
    value: *const c_char,
) -> *const c_char {
    // SAFETY: a string of the configuration.
    let value = unsafe { apr::bytes(value) }.unwrap_or(b"");
    match Maintain::parse(&String::from_utf8_lossy(value)) {
        Ok(maintain) => {
            // SAFETY: as the caller promises; no reference from `of` is in use.
            unsafe { ServerConfig::of_or_new(server, pool) }.maintain = maintain;
            std::ptr::null()
        }
        Err(error) => {
            let text = CString::new(error.to_string()).unwrap_or_default();
            // SAFETY: the configuration's pool is live and ours on this thread.
            unsafe { Pool::from_ptr(pool) }.copy(text.as_bytes())
        }
    }
}

/// The arguments of a line of mod_proxy's with our words in them; null: nothing to change.
///
/// # Safety
/// Arguments as the shim passes them while httpd reads its configuration.
pub(super) unsafe fn edit_line(
    pool: *mut sys::apr_pool_t,
    arguments: *const c_char,
    context: *const c_char,
) -> *const c_char {
    // SAFETY: strings of the configuration, constant during this call.
    let (arguments, context) = unsafe { (apr::bytes(arguments), apr::bytes(context)) };
    // A line that is no UTF-8 has none of our words.
    let text = |bytes: Option<&'static [u8]>| std::str::from_utf8(bytes.unwrap_or(b"")).ok();
    let (Some(arguments), Some(context)) = (text(arguments), text(context)) else {
        return std::ptr::null();
    };
    match rewrite(arguments, context) {
        // SAFETY: the configuration's pool is live and ours on this thread.
        Some(edited) => unsafe { Pool::from_ptr(pool) }.copy(edited.as_bytes()),
        None => std::ptr::null(),
    }
}

/// Takes `key=value` of a ProxyPass, BalancerMember or ProxySet line. Null: taken; else the error
/// text, or `ajp_shim_not_ours`.
///
/// # Safety
/// Arguments as mod_proxy passes them while it reads its configuration on the main thread.
pub(super) unsafe fn worker_param(
    pool: *mut sys::apr_pool_t,
    server: *mut sys::server_rec,
    worker: *mut sys::proxy_worker,
    key: *const c_char,
    value: *const c_char,
) -> *const c_char {
    let not_ours = (&raw const sys::ajp_shim_not_ours).cast::<c_char>();
    // SAFETY: strings of the configuration, constant during this call.
    let (Some(key), Some(value)) = (unsafe { (apr::bytes(key), apr::bytes(value)) }) else {
        return not_ours;
    };
    if worker.is_null() {
        return not_ours;
    }
    // SAFETY: the server is live; this is httpd's main thread, reading its configuration, and no
    // reference from `of` is in use.
    let config = unsafe { ServerConfig::of_or_new(server, pool) };
    // SAFETY: mod_proxy passes a live worker.
    let id = unsafe { WorkerId::of(worker) };
    let at = config.workers.iter().position(|(known, _)| *known == id);
    let mut settings = at.map(|i| config.workers[i].1.clone()).unwrap_or_default();
    match settings.set(&String::from_utf8_lossy(key), &String::from_utf8_lossy(value)) {
        Ok(false) => return not_ours,
        Ok(true) => {}
        Err(error) => {
            let text = CString::new(error.to_string()).unwrap_or_default();
            // SAFETY: the configuration's pool is live and ours on this thread.
            return unsafe { Pool::from_ptr(pool) }.copy(text.as_bytes());
        }
    }
    match at {
        Some(i) => config.workers[i].1 = settings,
        None => config.workers.push((id, settings)),
    }
    std::ptr::null()
}
