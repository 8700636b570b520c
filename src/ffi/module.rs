//! The module record, the only symbol that this library exports; the hooks; and every function that
//! httpd can call (except callbacks of lbmethods and of APR's pools, which stand beside their data).

use std::ffi::{c_char, c_int, c_void};
use std::mem::ManuallyDrop;

use crate::ffi::apr::pool::Pool;
use crate::ffi::balancing::hook_args::HookArgs;
use crate::ffi::balancing::lbmethod;
use crate::ffi::balancing::pre_request;
use crate::ffi::guard::guard;
use crate::ffi::httpd::connection::Connection;
use crate::ffi::httpd::request::Request;
use crate::ffi::httpd::server::Server;
use crate::ffi::mod_proxy::balancer::Balancer;
use crate::ffi::mod_proxy::server_conf::ProxyConf;
use crate::ffi::mod_proxy::worker::Worker;
use crate::ffi::parking::hooks;
use crate::ffi::request::canon;
use crate::ffi::request::handler;
use crate::ffi::request::hcheck_cping;
use crate::ffi::startup::balancer_settings;
use crate::ffi::startup::child_end;
use crate::ffi::startup::directives::{self, Directive, Setter};
use crate::ffi::startup::lifecycle;
use crate::ffi::state::member_marks;
use crate::ffi::state::server_state::ServerState;
use crate::ffi::status_page;
use crate::ffi::sys;

/// The module record, by which httpd finds a module. It has mod_proxy_ajp's name, so that `<IfModule>`
/// in existing files holds, and only one of the two modules can be loaded.
///
/// The record is written in Rust, because a record in C would not be exported from this library. httpd
/// writes to it while it loads the module (index, next, handle), and each load starts with this value.
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
    cmds: (&raw const COMMANDS.0).cast(),
    register_hooks: Some(register_hooks),
    flags: 0,
};

/// The module's directives as httpd reads them, ending with an empty record.
struct Commands([sys::command_rec; directives::COUNT + 1]);

// SAFETY: a constant, whose pointers lead to constants; httpd only reads it.
unsafe impl Sync for Commands {}

static COMMANDS: Commands = Commands(commands());

const fn commands() -> [sys::command_rec; directives::COUNT + 1] {
    let mut all = [const { END }; directives::COUNT + 1];
    let mut at = 0;
    while at < directives::COUNT {
        all[at] = command(directives::at(at));
        at += 1;
    }
    all
}

/// Behind the last directive.
const END: sys::command_rec = sys::command_rec {
    name: std::ptr::null(),
    func: sys::cmd_func { no_args: ManuallyDrop::new(None) },
    cmd_data: std::ptr::null_mut(),
    req_override: 0,
    args_how: sys::cmd_how_RAW_ARGS,
    errmsg: std::ptr::null(),
};

/// A directive's record, as httpd's `AP_INIT_…` make it. The function gets the directive itself back in
/// `info`.
const fn command(directive: &'static Directive) -> sys::command_rec {
    let (func, how) = match directive.set {
        Setter::One(_) => {
            (sys::cmd_func { take1: ManuallyDrop::new(Some(take1)) }, sys::cmd_how_TAKE1)
        }
        Setter::OneOrTwo(_) => {
            (sys::cmd_func { take2: ManuallyDrop::new(Some(take2)) }, sys::cmd_how_TAKE12)
        }
        Setter::OnOff(_) => {
            (sys::cmd_func { flag: ManuallyDrop::new(Some(flag)) }, sys::cmd_how_FLAG)
        }
        Setter::Whole(_) | Setter::ModProxys => {
            (sys::cmd_func { raw_args: ManuallyDrop::new(Some(raw_args)) }, sys::cmd_how_RAW_ARGS)
        }
    };
    sys::command_rec {
        name: directive.name.as_ptr(),
        func,
        cmd_data: (&raw const *directive).cast_mut().cast(),
        req_override: directive.allowed_in as c_int,
        args_how: how,
        errmsg: directive.help.as_ptr(),
    }
}

/// Modules of httpd before or after which a hook of ours runs. httpd keeps the lists.
type Modules = &'static [*const c_char];
const PROXY: Modules = &[c"mod_proxy.c".as_ptr(), std::ptr::null()];
const BALANCER: Modules = &[c"mod_proxy_balancer.c".as_ptr(), std::ptr::null()];
const CLUSTER: Modules = &[c"mod_proxy_cluster.c".as_ptr(), std::ptr::null()];

const FIRST: c_int = sys::APR_HOOK_FIRST as c_int;
const REALLY_FIRST: c_int = sys::APR_HOOK_REALLY_FIRST;
const REALLY_LAST: c_int = sys::APR_HOOK_REALLY_LAST as c_int;
const MIDDLE: c_int = sys::APR_HOOK_MIDDLE as c_int;
const LAST: c_int = sys::APR_HOOK_LAST as c_int;

/// Registers all hooks. The second argument of each names the modules whose hooks run before ours, the
/// third one those whose hooks run after it.
///
/// # Safety
/// httpd is loading the module, on its main thread.
unsafe fn hooks() {
    let none = std::ptr::null();
    let request_status: sys::proxy_HOOK_request_status_t = Some(request_status);
    let status_summary: sys::ap_HOOK_status_hook_t = Some(status_summary);
    let cping: sys::apr_OFN_ajp_handle_cping_cpong_t = Some(handle_cping);
    // SAFETY: as the caller promises; the functions and lists are there as long as the module. The
    // functions without a registering function of their own have the types that httpd's headers
    // declare for these names.
    unsafe {
        sys::ap_hook_pre_config(Some(pre_config), BALANCER.as_ptr(), PROXY.as_ptr(), MIDDLE);
        sys::ap_hook_check_config(Some(check_config), none, none, MIDDLE);
        sys::ap_hook_post_config(Some(before_balancer), none, BALANCER.as_ptr(), MIDDLE);
        sys::ap_hook_post_config(Some(post_config), BALANCER.as_ptr(), none, LAST);
        sys::ap_hook_child_init(Some(child_init), BALANCER.as_ptr(), none, LAST);
        sys::ap_hook_child_stopping(Some(child_stopping), none, none, MIDDLE);
        sys::ap_hook_child_status(Some(child_status), none, none, MIDDLE);
        sys::proxy_hook_scheme_handler(Some(scheme), none, none, FIRST);
        sys::proxy_hook_canon_handler(Some(canon), none, none, FIRST);
        // mod_proxy_cluster chooses the members of its own balancers.
        let (cluster, balancer) = (CLUSTER.as_ptr(), BALANCER.as_ptr());
        sys::proxy_hook_pre_request(Some(pre_request), cluster, balancer, FIRST);
        sys::proxy_hook_post_request(Some(post_request), none, balancer, FIRST);
        let (name, hook) = (c"request_status".as_ptr(), untyped(request_status));
        sys::apr_optional_hook_add(name, hook, none, none, FIRST);
        sys::ap_hook_process_connection(Some(process_connection), none, none, REALLY_FIRST);
        sys::ap_hook_suspend_connection(Some(suspend_connection), none, none, REALLY_LAST);
        sys::ap_hook_resume_connection(Some(resume_connection), none, none, REALLY_FIRST);
        sys::ap_hook_pre_close_connection(Some(pre_close_connection), none, none, REALLY_FIRST);
        sys::ap_hook_handler(Some(status_page), none, none, MIDDLE);
        let (name, hook) = (c"status_hook".as_ptr(), untyped(status_summary));
        sys::apr_optional_hook_add(name, hook, none, none, MIDDLE);
        sys::apr_dynamic_fn_register(c"ajp_handle_cping_cpong".as_ptr(), untyped(cping));
        sys::ajp_shim_register_filter();
    }
}

/// Returns the function as httpd's registries keep it, whatever its type.
///
/// # Safety
/// `F` is an optional function pointer, and the code that takes it out knows its type.
unsafe fn untyped<F: Copy>(function: F) -> sys::apr_opt_fn_t {
    const { assert!(size_of::<F>() == size_of::<sys::apr_opt_fn_t>()) };
    // SAFETY: as the caller promises: both are pointers to functions, or null.
    unsafe { std::mem::transmute_copy(&function) }
}

// Below: the functions that httpd calls. Each is one line into the guard; httpd gets the fallback after
// a panic.

unsafe extern "C" fn register_hooks(pool: *mut sys::apr_pool_t) {
    // SAFETY: httpd calls this once per load, on its main thread, with its configuration pool.
    guard((), || unsafe {
        hooks();
        lbmethod::register(pool);
    })
}

unsafe extern "C" fn create_server_config(
    pool: *mut sys::apr_pool_t,
    _server: *mut sys::server_rec,
) -> *mut c_void {
    // SAFETY: httpd passes its configuration pool, on its main thread.
    guard(std::ptr::null_mut(), || unsafe { ServerState::create(Pool::from_ptr(pool)) }.cast())
}

unsafe extern "C" fn pre_config(
    _pconf: *mut sys::apr_pool_t,
    _plog: *mut sys::apr_pool_t,
    _ptemp: *mut sys::apr_pool_t,
) -> c_int {
    // SAFETY: httpd calls this on its main thread, after the modules have registered their functions.
    guard((), || unsafe { directives::register_worker_param(Some(worker_param)) });
    sys::OK as c_int
}

unsafe extern "C" fn check_config(
    pconf: *mut sys::apr_pool_t,
    plog: *mut sys::apr_pool_t,
    _ptemp: *mut sys::apr_pool_t,
    server: *mut sys::server_rec,
) -> c_int {
    // SAFETY: httpd passes its pools and its main server, on its main thread.
    guard(sys::HTTP_INTERNAL_SERVER_ERROR as c_int, || unsafe {
        lifecycle::check_config(Pool::from_ptr(pconf), plog, Server::from_ptr(server))
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
        balancer_settings::apply(Pool::from_ptr(pconf), Server::from_ptr(server));
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
        lifecycle::post_config(Pool::from_ptr(pconf), plog, Server::from_ptr(server))
    })
}

unsafe extern "C" fn child_init(pchild: *mut sys::apr_pool_t, server: *mut sys::server_rec) {
    // SAFETY: httpd passes the child's pool and its main server, which lives as long as the child,
    // before other threads exist.
    guard((), || unsafe { lifecycle::child_init(pchild, Server::from_ptr(server)) })
}

unsafe extern "C" fn child_stopping(_pchild: *mut sys::apr_pool_t, graceful: c_int) {
    guard((), || lifecycle::child_stopping(graceful != 0))
}

unsafe extern "C" fn child_status(
    server: *mut sys::server_rec,
    pid: sys::pid_t,
    _generation: sys::ap_generation_t,
    _slot: c_int,
    status: sys::mpm_child_status,
) {
    if status == sys::mpm_child_status_MPM_CHILD_EXITED && !server.is_null() {
        // SAFETY: httpd passes its main server, in the parent.
        guard((), || child_end::child_ended(unsafe { Server::from_ptr(server) }, pid))
    }
}

unsafe extern "C" fn process_connection(c: *mut sys::conn_rec) -> c_int {
    // SAFETY: httpd passes the connection it serves on this thread.
    guard(sys::DECLINED, || hooks::process(unsafe { Connection::from_ptr(c) }))
}

unsafe extern "C" fn suspend_connection(c: *mut sys::conn_rec, _r: *mut sys::request_rec) {
    // SAFETY: the MPM passes the connection that this thread is about to let go of.
    guard((), || hooks::suspend(unsafe { Connection::from_ptr(c) }))
}

unsafe extern "C" fn resume_connection(c: *mut sys::conn_rec, _r: *mut sys::request_rec) {
    // SAFETY: the MPM passes the connection that this thread has just taken over.
    guard((), || hooks::resume(unsafe { Connection::from_ptr(c) }))
}

unsafe extern "C" fn pre_close_connection(c: *mut sys::conn_rec) -> c_int {
    // SAFETY: httpd passes the connection it serves on this thread.
    guard((), || hooks::close(unsafe { Connection::from_ptr(c) }));
    sys::OK as c_int
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
        let request = Request::from_ptr(r);
        let conf = ProxyConf::from_ptr(conf, request.server());
        handler::guarded(request, Worker::from_ptr(worker), conf, url, proxyname, proxyport)
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
        let request = Request::from_ptr(r);
        let conf = ProxyConf::from_ptr(conf, request.server());
        pre_request::pre_request(request, conf, &HookArgs { worker, balancer, url })
    })
}

unsafe extern "C" fn post_request(
    worker: *mut sys::proxy_worker,
    balancer: *mut sys::proxy_balancer,
    r: *mut sys::request_rec,
    _conf: *mut sys::proxy_server_conf,
) -> c_int {
    // SAFETY: mod_proxy passes the request it serves on this thread, and null or a live member and its
    // balancer.
    guard(sys::DECLINED, || unsafe {
        let member = Worker::added(worker).zip(Balancer::from_ptr(balancer));
        member_marks::post_request(Request::from_ptr(r), member)
    })
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
    others: *mut c_void,
) -> *const c_char {
    // SAFETY: mod_proxy passes its configuration pool, server and worker, two strings, and the
    // arguments that the next function wants.
    guard(c"AJP parameter: internal error".as_ptr(), || unsafe {
        directives::worker_param(pool, server, worker, key, value, others)
    })
}

// Directives: one function for each way in which httpd splits the arguments.

unsafe extern "C" fn take1(
    cmd: *mut sys::cmd_parms,
    _directory: *mut c_void,
    value: *const c_char,
) -> *const c_char {
    // SAFETY: httpd passes a line of its configuration with a directive of ours.
    unsafe { directives::read(cmd, [value, std::ptr::null()], false) }
}

unsafe extern "C" fn take2(
    cmd: *mut sys::cmd_parms,
    _directory: *mut c_void,
    first: *const c_char,
    second: *const c_char,
) -> *const c_char {
    // SAFETY: as above; the second one may be null.
    unsafe { directives::read(cmd, [first, second], false) }
}

unsafe extern "C" fn flag(
    cmd: *mut sys::cmd_parms,
    _directory: *mut c_void,
    on: c_int,
) -> *const c_char {
    // SAFETY: as above.
    unsafe { directives::read(cmd, [std::ptr::null(); 2], on != 0) }
}

unsafe extern "C" fn raw_args(
    cmd: *mut sys::cmd_parms,
    _directory: *mut c_void,
    arguments: *const c_char,
) -> *const c_char {
    // SAFETY: as above.
    unsafe { directives::read(cmd, [arguments, std::ptr::null()], false) }
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
    guard(sys::HTTP_INTERNAL_SERVER_ERROR as c_int, || {
        // SAFETY: httpd passes the request it serves on this thread.
        let request = unsafe { Request::from_ptr(r) };
        if request.handler() != Some(b"ajp-status") {
            return sys::DECLINED;
        }
        status_page::handler::handle(request)
    })
}

unsafe extern "C" fn status_summary(r: *mut sys::request_rec, flags: c_int) -> c_int {
    // SAFETY: mod_status passes the request it serves on this thread.
    guard((), || status_page::handler::summary(unsafe { Request::from_ptr(r) }, flags));
    sys::OK as c_int
}
