//! The directives and parameters of this module, as httpd and mod_proxy pass them.

use std::ffi::{CStr, c_char, c_void};
use std::sync::atomic::{AtomicPtr, Ordering};

use crate::balance::WorkerStatus;
use crate::config::{
    ConfigError, Line, Maintain, ReverseListener, WorkerSettings, has_ajp_member,
    is_of_health_checks, unknown_worker_parameter,
};
use crate::ffi::apr::error_text::error_text;
use crate::ffi::apr::pool::Pool;
use crate::ffi::apr::text;
use crate::ffi::guard::guard_or;
use crate::ffi::httpd::config_tree;
use crate::ffi::httpd::log;
use crate::ffi::httpd::server::{self, Server};
use crate::ffi::mod_proxy::worker::Worker;
use crate::ffi::mod_proxy::worker_id::WorkerId;
use crate::ffi::state::server_config::ServerConfig;
use crate::ffi::state::server_state::ServerState;
use crate::ffi::sys;
use crate::messages::Message;

/// The directives of this module. A row is all that httpd needs to know about a directive; what it sets
/// is a field of [`ServerConfig`].
const OURS: &[Directive] = &[
    Directive::new(
        c"ProxyAjpMaintain",
        c"seconds between two rounds of the housekeeper, 1 to 3600; 0: no rounds",
        Setter::One(|config, seconds| {
            config.maintain = Maintain::parse(&String::from_utf8_lossy(seconds))?;
            Ok(())
        }),
    )
    .not_in(sys::GLOBAL_ONLY),
    Directive::new(
        c"ProxyAjpReverse",
        c"a worker's URL, and how its container connects: listen=, allow=, keyfile=, node=, backlog=",
        Setter::Whole(|config, arguments| {
            let listener = ReverseListener::parse(&String::from_utf8_lossy(arguments));
            let named = |error| LineError(format!("ProxyAjpReverse: {error}"));
            config.reverse.push(listener.map_err(named)?);
            Ok(())
        }),
    )
    .not_in(sys::NOT_IN_DIR_CONTEXT),
    Directive::new(
        c"ProxyAjpEnvVar",
        c"an environment variable to send as an attribute, and the value to send if it is not set",
        Setter::OneOrTwo(|config, name, value| Ok(config.attributes.add(name, value)?)),
    ),
    Directive::new(
        c"ProxyAjpCertChain",
        c"On: also send the other certificates of the client's chain",
        Setter::OnOff(|config, on| {
            config.attributes.set_certificate_chain(on);
            Ok(())
        }),
    ),
    Directive::new(
        c"ProxyAjpParking",
        c"On: requests that wait for a container give their thread back (MPM event)",
        Setter::OnOff(|config, on| {
            config.parking = Some(on);
            Ok(())
        }),
    ),
];

/// Directives of mod_proxy whose lines may have parameters of ours.
const MOD_PROXYS: &[Directive] = &[
    Directive::of_mod_proxy(c"ProxyPass", sys::RSRC_CONF | sys::ACCESS_CONF),
    Directive::of_mod_proxy(c"ProxyPassMatch", sys::RSRC_CONF | sys::ACCESS_CONF),
    Directive::of_mod_proxy(c"BalancerMember", sys::RSRC_CONF | sys::ACCESS_CONF),
    Directive::of_mod_proxy(c"ProxySet", sys::RSRC_CONF | sys::ACCESS_CONF),
    Directive::of_mod_proxy(c"<Proxy", sys::RSRC_CONF),
    Directive::of_mod_proxy(c"<ProxyMatch", sys::RSRC_CONF),
];

/// The number of directives that httpd is told about.
pub(crate) const COUNT: usize = MOD_PROXYS.len() + OURS.len();

/// The directive at this place, below [`COUNT`].
pub(crate) const fn at(place: usize) -> &'static Directive {
    if place < MOD_PROXYS.len() { &MOD_PROXYS[place] } else { &OURS[place - MOD_PROXYS.len()] }
}

/// A directive.
pub(crate) struct Directive {
    pub(crate) name: &'static CStr,
    pub(crate) set: Setter,
    /// The kinds of files and sections in which it is allowed, as httpd numbers them.
    pub(crate) allowed_in: u32,
    /// Sections within these in which it is not allowed.
    not_in: u32,
    /// The help text that httpd shows (`httpd -L`, and if the number of arguments is wrong).
    pub(crate) help: &'static CStr,
}

impl Directive {
    /// A directive of the main server and of virtual hosts, outside of the sections of directories.
    const fn new(name: &'static CStr, help: &'static CStr, set: Setter) -> Self {
        Self { name, set, allowed_in: sys::RSRC_CONF, not_in: 0, help }
    }

    /// Forbids it in some of these places, httpd's `NOT_IN_…`.
    const fn not_in(mut self, places: u32) -> Self {
        self.not_in = places;
        self
    }

    const fn of_mod_proxy(name: &'static CStr, allowed_in: u32) -> Self {
        Self { name, set: Setter::ModProxys, allowed_in, not_in: 0, help: c"see mod_proxy" }
    }
}

/// How httpd splits a directive's arguments, and the function that stores them.
pub(crate) enum Setter {
    /// One argument.
    One(fn(&mut ServerConfig, &[u8]) -> Taken),
    /// One argument or two.
    OneOrTwo(fn(&mut ServerConfig, &[u8], Option<&[u8]>) -> Taken),
    /// `On` or `Off`.
    OnOff(fn(&mut ServerConfig, bool) -> Taken),
    /// All arguments, unsplit.
    Whole(fn(&mut ServerConfig, &[u8]) -> Taken),
    /// As `Whole`; a line of mod_proxy's, which may have parameters of ours.
    ModProxys,
}

/// Whether the line is valid.
type Taken = Result<(), LineError>;

/// The error in a line.
pub(crate) struct LineError(String);

impl From<ConfigError> for LineError {
    fn from(error: ConfigError) -> Self {
        Self(error.to_string())
    }
}

/// Reads a line with one of the directives, behind the guard. Returns null, or the text of an error.
///
/// # Safety
/// Arguments as httpd passes them to the function of a directive while it reads its configuration
/// on its main thread; its `info` is one of [`at`].
pub(crate) unsafe fn read(
    cmd: *mut sys::cmd_parms,
    arguments: [*const c_char; 2],
    on: bool,
) -> *const c_char {
    // SAFETY: as the caller promises.
    let (directive, pool) =
        unsafe { (&*(*cmd).info.cast_const().cast::<Directive>(), Pool::from_ptr((*cmd).pool)) };
    let name = directive.name.to_bytes();
    let internal_error = || pool.concat(&[name, b": internal error"]).cast_const();
    // SAFETY: as the caller promises.
    guard_or(internal_error, || unsafe { take(cmd, directive, arguments, on) })
}

/// Does the work of [`read`].
///
/// # Safety
/// As [`read`].
unsafe fn take(
    cmd: *mut sys::cmd_parms,
    directive: &Directive,
    arguments: [*const c_char; 2],
    on: bool,
) -> *const c_char {
    // SAFETY: as the caller promises.
    let (pool, server) = unsafe { ((*cmd).pool, (*cmd).server) };
    if let Setter::ModProxys = directive.set {
        // SAFETY: as the caller promises.
        return unsafe { edit(cmd, arguments[0]) };
    }
    // SAFETY: as the caller promises; null, or a text of httpd's.
    let not_here = unsafe { sys::ap_check_cmd_context(cmd, directive.not_in) };
    if !not_here.is_null() {
        return not_here;
    }
    // SAFETY: strings of the configuration, constant during this call, or null.
    let [first, second] = arguments.map(|argument| unsafe { text::bytes(argument) });
    let value = first.unwrap_or_default();
    // SAFETY: as the caller promises; no reference from `of` is in use.
    let config = unsafe { config_of(server, pool) };
    let taken = match directive.set {
        Setter::One(set) | Setter::Whole(set) => set(config, value),
        Setter::OneOrTwo(set) => set(config, value, second),
        Setter::OnOff(set) => set(config, on),
        Setter::ModProxys => Ok(()),
    };
    match taken {
        Ok(()) => std::ptr::null(),
        // SAFETY: as the caller promises.
        Err(LineError(error)) => unsafe { error_text(pool, "", &error) },
    }
}

/// Rewrites a line's arguments to those that mod_proxy is to read, and notes what the line says about a
/// balancer. Returns null, or the text of an error.
///
/// Called before mod_proxy's own handler of the same directive, because mod_proxy was loaded before us.
///
/// # Safety
/// As [`read`].
unsafe fn edit(cmd: *mut sys::cmd_parms, arguments: *const c_char) -> *const c_char {
    // SAFETY: strings of the configuration, constant during this call. A line that is not UTF-8 has
    // none of our words.
    let text = |text: *const c_char| unsafe { text::bytes(text) }.and_then(utf8);
    // SAFETY: a line of the configuration, as the caller promises.
    let (pool, server, name, has_path) =
        unsafe { ((*cmd).pool, (*cmd).server, text((*(*cmd).cmd).name), !(*cmd).path.is_null()) };
    // SAFETY: as the caller promises.
    let (Some(directive), Some(arguments), Some(section)) =
        (name, text(arguments), unsafe { section((*cmd).directive) }.and_then(utf8))
    else {
        return std::ptr::null();
    };
    // SAFETY: as the caller promises; httpd has read all lines before it calls the functions of directives.
    let has_ajp_member = |name: &str| has_ajp_member(&unsafe { config_tree::lines() }, name);
    let ours = match (Line { directive, arguments, section, has_path }).edit(has_ajp_member) {
        Ok(ours) => ours,
        // SAFETY: as the caller promises.
        Err(error) => return unsafe { error_text(pool, directive, &error) },
    };
    // httpd reads its configuration once, twice at its start, of which this is the first time.
    if server::is_first_reading() || server::is_restart() {
        // SAFETY: as the caller promises; texts of the line, constant during this call.
        let place = unsafe { config_tree::place((*cmd).directive) };
        for wrong in &ours.unknown {
            log::reading(Message::UnknownBalancerParameter, format_args!("{place}: {wrong}"));
        }
    }
    if let Some((name, keys)) = ours.balancer {
        // SAFETY: as the caller promises; no reference from `of` is in use.
        let config = unsafe { config_of(server, pool) };
        config.add_balancer_keys(name.into_bytes().into(), keys);
    }
    if let Some(arguments) = ours.arguments {
        // SAFETY: as the caller promises: the line is httpd's, which reads it after us.
        unsafe { (*(*cmd).directive).args = Pool::from_ptr(pool).copy(arguments.as_bytes()) };
    }
    std::ptr::null()
}

fn utf8(text: &[u8]) -> Option<&str> {
    std::str::from_utf8(text).ok()
}

/// The arguments of the `<Proxy>` or `<ProxyMatch>` around a line, found as mod_proxy finds it; empty
/// without one.
///
/// # Safety
/// `line` is a line of the configuration; the result is a string of it.
unsafe fn section<'c>(line: *const sys::ap_directive_t) -> Option<&'c [u8]> {
    // SAFETY: as the caller promises: the section around it is null or live.
    unsafe {
        let around = (*line).parent;
        if around.is_null() {
            return Some(b"");
        }
        let name = text::bytes((*around).directive).unwrap_or_default();
        let is_proxy = name.get(..6).is_some_and(|name| name.eq_ignore_ascii_case(b"<Proxy"));
        Some(text::bytes((*around).args).filter(|_| is_proxy).unwrap_or_default())
    }
}

/// The configuration of a server, to be changed.
///
/// # Safety
/// As [`ServerState::config_mut`]; both are live.
unsafe fn config_of<'s>(
    server: *mut sys::server_rec,
    pool: *mut sys::apr_pool_t,
) -> &'s mut ServerConfig {
    // SAFETY: as the caller promises.
    unsafe { ServerState::config_mut(Server::from_ptr(server), Pool::from_ptr(pool)) }
}

/// The function for parameters of a worker that was registered before ours.
static OTHER_PARAMETERS: AtomicPtr<c_void> = AtomicPtr::new(std::ptr::null_mut());

const SET_WORKER_PARAM: &CStr = c"set_worker_hc_param";

/// Registers a function for parameters of workers in front of that of mod_proxy_hcheck.
///
/// mod_proxy asks for this function in its own pre_config; mod_proxy_hcheck has registered its
/// own in register_hooks. This is called between the two.
///
/// # Safety
/// httpd is about to read its configuration, on its main thread. `ours` calls [`worker_param`].
pub(crate) unsafe fn register_worker_param(ours: sys::apr_OFN_set_worker_hc_param_t) {
    // SAFETY: as the caller promises; a pointer to a function, or null.
    unsafe {
        let ours = std::mem::transmute::<sys::apr_OFN_set_worker_hc_param_t, *mut c_void>(ours);
        let name = SET_WORKER_PARAM.as_ptr();
        let found: *mut c_void = std::mem::transmute(sys::apr_dynamic_fn_retrieve(name));
        let other = if found == ours { std::ptr::null_mut() } else { found };
        OTHER_PARAMETERS.store(other, Ordering::Release);
        sys::apr_dynamic_fn_register(
            name,
            std::mem::transmute::<*mut c_void, sys::apr_opt_fn_t>(ours),
        );
    }
}

/// Reads `key=value` of a ProxyPass, BalancerMember or ProxySet line, or passes it to the next
/// function. Returns null, or the text of an error.
///
/// # Safety
/// Arguments as mod_proxy passes them while it reads its configuration on the main thread.
pub(crate) unsafe fn worker_param(
    pool: *mut sys::apr_pool_t,
    server: *mut sys::server_rec,
    worker: *mut sys::proxy_worker,
    key: *const c_char,
    value: *const c_char,
    others: *mut c_void,
) -> *const c_char {
    // SAFETY: as the caller promises.
    if let Some(taken) = unsafe { own_worker_param(pool, server, worker, key, value) } {
        return taken;
    }
    // SAFETY: null, or a function registered under the name of this type.
    let next: sys::apr_OFN_set_worker_hc_param_t =
        unsafe { std::mem::transmute(OTHER_PARAMETERS.load(Ordering::Acquire)) };
    let error = match next {
        // SAFETY: as the caller promises.
        Some(next) => unsafe { next(pool, server, worker, key, value, others) },
        None => c"unknown Worker parameter".as_ptr(),
    };
    // SAFETY: a string of the configuration, constant during this call.
    let name = unsafe { text::bytes(key) }.map(String::from_utf8_lossy);
    match name {
        // mod_proxy_hcheck says itself what is wrong with a value of its parameters.
        Some(name) if next.is_some() && is_of_health_checks(&name) => error,
        Some(name) if !error.is_null() && !worker.is_null() => {
            // SAFETY: mod_proxy passes a live worker.
            let is_ajp = unsafe { Worker::from_ptr(worker) }.is_ajp();
            // SAFETY: the configuration's pool is live and ours on this thread.
            unsafe { error_text(pool, "", &unknown_worker_parameter(&name, is_ajp)) }
        }
        _ => error,
    }
}

/// Reads `key=value`. Returns `None` if the key is not ours; else null, or the text of an error.
///
/// # Safety
/// Arguments as mod_proxy passes them while it reads its configuration on the main thread.
unsafe fn own_worker_param(
    pool: *mut sys::apr_pool_t,
    server: *mut sys::server_rec,
    worker: *mut sys::proxy_worker,
    key: *const c_char,
    value: *const c_char,
) -> Option<*const c_char> {
    // SAFETY: strings of the configuration, constant during this call.
    let (key, value) = unsafe { (text::bytes(key)?, text::bytes(value)?) };
    if worker.is_null() {
        return None;
    }
    // SAFETY: the server is live; this is httpd's main thread, reading its configuration, and no
    // reference from `of` is in use.
    let config = unsafe { config_of(server, pool) };
    // SAFETY: mod_proxy passes a live worker.
    let id = unsafe { WorkerId::of(worker) };
    let before = config.worker(id).cloned().unwrap_or_default();
    let mut settings = before.clone();
    match settings.set(&String::from_utf8_lossy(key), &String::from_utf8_lossy(value)) {
        Ok(false) => return None,
        Ok(true) => {}
        // SAFETY: the configuration's pool is live and ours on this thread.
        Err(error) => return Some(unsafe { error_text(pool, "", &error) }),
    }
    // SAFETY: mod_proxy passes a live worker.
    let worker = unsafe { Worker::from_ptr(worker) };
    let name = String::from_utf8_lossy(key);
    if !worker.is_ajp() && WorkerSettings::is_for_ajp_only(&name) {
        let url = worker.name();
        let url = String::from_utf8_lossy(&url);
        let error = format!("{name}: only ajp:// workers have this parameter, {url} is not one");
        // SAFETY: the configuration's pool is live and ours on this thread.
        return Some(unsafe { error_text(pool, "", &error) });
    }
    tell_mod_proxy(worker, &before, &settings);
    config.set_worker(id, settings);
    Some(std::ptr::null())
}

/// Sets what mod_proxy itself can do: `status` and `lbset`, which balancer-manager shows and changes.
fn tell_mod_proxy(worker: Worker<'_>, before: &WorkerSettings, after: &WorkerSettings) {
    let flags = |settings: &WorkerSettings| {
        let (activation, _) = settings.activation.unwrap_or_default().flags();
        if settings.sessions_only { activation.with(WorkerStatus::DRAIN) } else { activation }
    };
    let (before_flags, after_flags) = (flags(before), flags(after));
    if before_flags != after_flags {
        worker.clear_status(before_flags.without(after_flags));
        worker.add_status(after_flags);
    }
    if before.distance != after.distance {
        worker.set_lbset(after.distance.unwrap_or(0).into());
    }
}
