//! The module record, the only symbol this library exports, and the table of callbacks.

use std::ffi::{c_char, c_int, c_void};

use crate::ffi::apr::buckets;
use crate::ffi::balancing::hook_args::HookArgs;
use crate::ffi::balancing::lbmethod;
use crate::ffi::balancing::pre_request;
use crate::ffi::guard::guard;
use crate::ffi::httpd::request::Request;
use crate::ffi::mod_proxy::worker::Worker;
use crate::ffi::request::canon;
use crate::ffi::request::handler;
use crate::ffi::request::hcheck_cping;
use crate::ffi::startup::balancer_settings;
use crate::ffi::startup::child_end;
use crate::ffi::startup::directives;
use crate::ffi::startup::lifecycle;
use crate::ffi::state::member_marks;
use crate::ffi::state::server_state::ServerConfig;
use crate::ffi::status_page;
use crate::ffi::sys;

/// httpd finds a module by its record. It has mod_proxy_ajp's name, so that `<IfModule>` in
/// existing files holds, and only one of the two can be loaded.
///
/// The record is Rust's since one in C would not be exported from this library. httpd writes to
/// it while it loads the module (index, next, handle), and each load starts with this value.
#[unsafe(no_mangle)]
pub static mut proxy_ajp_module: sys::module = sys::module {
    version: sys::MODULE_MAGIC_NUMBER_MAJOR as c_int,
    minor_version: sys::MODULE_MAGIC_NUMBER_MINOR as c_int,
    module_index: -1,
    name: c"mod_proxy_ajp.c".as_ptr(),
    dynamic_load_handle: std::ptr::null_mut(),
    next: std::ptr::null_mut(),
    magic: sys::MODULE_MAGIC_COOKIE as std::ffi::c_ulong,
    rewrite_args: None,
    create_dir_config: None,
    merge_dir_config: None,
    create_server_config: Some(create_server_config),
    merge_server_config: None,
    cmds: (&raw const sys::ajp_shim_directives).cast(),
    register_hooks: Some(register_hooks),
    flags: 0,
};

static CALLBACKS: sys::ajp_shim_callbacks = sys::ajp_shim_callbacks {
    check_config: Some(check_config),
    before_balancer: Some(before_balancer),
    post_config: Some(post_config),
    child_init: Some(child_init),
    child_stopping: Some(child_stopping),
    child_ended: Some(child_ended),
    canon: Some(canon),
    scheme: Some(scheme),
    pre_request: Some(pre_request),
    post_request: Some(post_request),
    request_status: Some(request_status),
    worker_param: Some(worker_param),
    edit_line: Some(edit_line),
    maintain: Some(maintain),
    reverse: Some(reverse),
    env_var: Some(env_var),
    cert_chain: Some(cert_chain),
    cping: Some(handle_cping),
    status_page: Some(status_page),
    status_summary: Some(status_summary),
    release_slice: Some(release_slice),
};

// Below: what httpd calls. Each is one line into the guard; the fallback is what httpd gets after
// a panic.

unsafe extern "C" fn register_hooks(pool: *mut sys::apr_pool_t) {
    // SAFETY: httpd calls this once per load, on its main thread, with its configuration pool; the
    // table is static.
    guard((), || unsafe {
        sys::ajp_shim_register_hooks(&raw const CALLBACKS);
        lbmethod::register(pool);
    })
}

unsafe extern "C" fn create_server_config(
    pool: *mut sys::apr_pool_t,
    _server: *mut sys::server_rec,
) -> *mut c_void {
    // SAFETY: httpd passes its configuration pool, on its main thread.
    guard(std::ptr::null_mut(), || unsafe { ServerConfig::create(pool) }.cast())
}

unsafe extern "C" fn check_config(
    pconf: *mut sys::apr_pool_t,
    plog: *mut sys::apr_pool_t,
    _ptemp: *mut sys::apr_pool_t,
    server: *mut sys::server_rec,
) -> c_int {
    // SAFETY: httpd passes its pools and its main server, on its main thread.
    guard(sys::HTTP_INTERNAL_SERVER_ERROR as c_int, || unsafe {
        lifecycle::check_config(pconf, plog, server)
    })
}

unsafe extern "C" fn before_balancer(
    pconf: *mut sys::apr_pool_t,
    _plog: *mut sys::apr_pool_t,
    _ptemp: *mut sys::apr_pool_t,
    server: *mut sys::server_rec,
) -> c_int {
    // SAFETY: httpd passes its configuration pool and its main server, on its main thread.
    guard(sys::HTTP_INTERNAL_SERVER_ERROR as c_int, || unsafe {
        balancer_settings::settle(pconf, server);
        sys::OK as c_int
    })
}

unsafe extern "C" fn post_config(
    pconf: *mut sys::apr_pool_t,
    plog: *mut sys::apr_pool_t,
    _ptemp: *mut sys::apr_pool_t,
    server: *mut sys::server_rec,
) -> c_int {
    // SAFETY: httpd passes its configuration pool and its main server, on its main thread.
    guard(sys::HTTP_INTERNAL_SERVER_ERROR as c_int, || unsafe {
        lifecycle::post_config(pconf, plog, server)
    })
}

unsafe extern "C" fn child_init(pchild: *mut sys::apr_pool_t, server: *mut sys::server_rec) {
    // SAFETY: httpd passes the child's pool and its main server, before other threads exist.
    guard((), || unsafe { lifecycle::child_init(pchild, server) })
}

unsafe extern "C" fn child_stopping(_pchild: *mut sys::apr_pool_t, graceful: c_int) {
    guard((), || lifecycle::child_stopping(graceful != 0))
}

unsafe extern "C" fn child_ended(server: *mut sys::server_rec, pid: c_int) {
    // SAFETY: httpd passes its main server, in the parent.
    guard((), || unsafe { child_end::child_ended(server, pid) })
}

unsafe extern "C" fn canon(r: *mut sys::request_rec, url: *mut c_char) -> c_int {
    // SAFETY: httpd passes the request it serves on this thread and a string of its own.
    guard(500, || unsafe { canon::canon(Request::from_ptr(r), url) })
}

unsafe extern "C" fn scheme(
    r: *mut sys::request_rec,
    worker: *mut sys::proxy_worker,
    conf: *mut sys::proxy_server_conf,
    url: *mut c_char,
    proxyname: *const c_char,
    proxyport: sys::apr_port_t,
) -> c_int {
    // SAFETY: mod_proxy passes the request it serves on this thread, a worker and configuration
    // that outlive it, and strings of the request's pool.
    unsafe {
        handler::guarded(
            Request::from_ptr(r),
            Worker::from_ptr(worker),
            conf,
            url,
            proxyname,
            proxyport,
        )
    }
}

unsafe extern "C" fn pre_request(
    worker: *mut *mut sys::proxy_worker,
    balancer: *mut *mut sys::proxy_balancer,
    r: *mut sys::request_rec,
    conf: *mut sys::proxy_server_conf,
    url: *mut *mut c_char,
) -> c_int {
    // SAFETY: mod_proxy passes the request it serves on this thread, its configuration, and places
    // of its own.
    guard(sys::HTTP_INTERNAL_SERVER_ERROR as c_int, || unsafe {
        pre_request::pre_request(Request::from_ptr(r), conf, &HookArgs { worker, balancer, url })
    })
}

unsafe extern "C" fn post_request(
    _worker: *mut sys::proxy_worker,
    _balancer: *mut sys::proxy_balancer,
    r: *mut sys::request_rec,
    _conf: *mut sys::proxy_server_conf,
) -> c_int {
    // SAFETY: mod_proxy passes the request it serves on this thread.
    guard((), || member_marks::settle(unsafe { Request::from_ptr(r) }));
    // mod_proxy_balancer has its turn.
    sys::DECLINED
}

unsafe extern "C" fn request_status(status: *mut c_int, r: *mut sys::request_rec) -> c_int {
    // SAFETY: mod_proxy passes the request it serves on this thread, and a place of its own.
    guard((), || unsafe { member_marks::final_status(Request::from_ptr(r), &mut *status) });
    sys::OK as c_int
}

unsafe extern "C" fn worker_param(
    pool: *mut sys::apr_pool_t,
    server: *mut sys::server_rec,
    worker: *mut sys::proxy_worker,
    key: *const c_char,
    value: *const c_char,
) -> *const c_char {
    // SAFETY: mod_proxy passes its configuration pool, server and worker, and two strings.
    guard(c"AJP parameter: internal error".as_ptr(), || unsafe {
        directives::worker_param(pool, server, worker, key, value)
    })
}

unsafe extern "C" fn edit_line(
    pool: *mut sys::apr_pool_t,
    server: *mut sys::server_rec,
    line: *const sys::ajp_shim_line,
    edited: *mut *const c_char,
) -> *const c_char {
    // SAFETY: the shim passes httpd's configuration pool and server, a line of its configuration,
    // and a place of its own.
    guard(c"AJP parameter: internal error".as_ptr(), || unsafe {
        directives::edit_line(pool, server, &*line, &mut *edited)
    })
}

unsafe extern "C" fn maintain(
    pool: *mut sys::apr_pool_t,
    server: *mut sys::server_rec,
    value: *const c_char,
) -> *const c_char {
    // SAFETY: the shim passes httpd's configuration pool, its main server, and a string.
    guard(c"ProxyAjpMaintain: internal error".as_ptr(), || unsafe {
        directives::maintain(pool, server, value)
    })
}

unsafe extern "C" fn reverse(
    pool: *mut sys::apr_pool_t,
    server: *mut sys::server_rec,
    arguments: *const c_char,
) -> *const c_char {
    // SAFETY: the shim passes httpd's configuration pool, a server of its, and a string.
    guard(c"ProxyAjpReverse: internal error".as_ptr(), || unsafe {
        directives::reverse(pool, server, arguments)
    })
}

unsafe extern "C" fn env_var(
    pool: *mut sys::apr_pool_t,
    server: *mut sys::server_rec,
    name: *const c_char,
    value: *const c_char,
) -> *const c_char {
    // SAFETY: the shim passes httpd's configuration pool, a server of its, a string, and another one
    // or null.
    guard(c"ProxyAjpEnvVar: internal error".as_ptr(), || unsafe {
        directives::env_var(pool, server, name, value)
    })
}

unsafe extern "C" fn cert_chain(
    pool: *mut sys::apr_pool_t,
    server: *mut sys::server_rec,
    on: c_int,
) -> *const c_char {
    // SAFETY: the shim passes httpd's configuration pool and a server of its.
    guard(c"ProxyAjpCertChain: internal error".as_ptr(), || unsafe {
        directives::cert_chain(pool, server, on != 0)
    })
}

unsafe extern "C" fn handle_cping(
    socket: *mut sys::apr_socket_t,
    r: *mut sys::request_rec,
    timeout: sys::apr_interval_time_t,
) -> sys::apr_status_t {
    // SAFETY: mod_proxy_hcheck passes a connected socket and a request of its own.
    guard(sys::APR_EGENERAL as i32, || unsafe {
        hcheck_cping::handle(socket, Request::from_ptr(r), timeout)
    })
}

unsafe extern "C" fn status_page(r: *mut sys::request_rec) -> c_int {
    // SAFETY: httpd passes the request it serves on this thread.
    guard(sys::HTTP_INTERNAL_SERVER_ERROR as c_int, || unsafe {
        status_page::handler::handle(Request::from_ptr(r))
    })
}

unsafe extern "C" fn status_summary(r: *mut sys::request_rec, flags: c_int) -> c_int {
    // SAFETY: mod_status passes the request it serves on this thread.
    guard((), || unsafe { status_page::handler::summary(Request::from_ptr(r), flags) });
    sys::OK as c_int
}

unsafe extern "C" fn release_slice(owner: *mut c_void) {
    // SAFETY: the shim gives back what ffi::apr::buckets gave it, once.
    guard((), || unsafe { buckets::release(owner) })
}
