//! From the reading of the configuration to the end of a child.

use std::collections::HashMap;
use std::ffi::c_int;
use std::sync::Arc;
use std::time::SystemTime;

use crate::backend::Housekeeper;
use crate::ffi::apr::pool::Pool;
use crate::ffi::child::child_state::Child;
use crate::ffi::child::housekeeping::{self, WatchList};
use crate::ffi::child::member_table::{Members, SharedMemory};
use crate::ffi::child::operator_memory::OperatorMemory;
use crate::ffi::child::reverse_sockets;
use crate::ffi::child::stats_mapping::StatsMapping;
use crate::ffi::guard::panic_text;
use crate::ffi::httpd::log::{self, LogLevel};
use crate::ffi::httpd::server;
use crate::ffi::startup::operator_orders;
use crate::ffi::startup::reverse_listeners;
use crate::ffi::state::server_state::ServerConfig;
use crate::ffi::sys;
use crate::net::random;
use crate::shared::unix_ms;
use crate::stats::{Counting, StatsSizes};
use crate::status::Nonce;

/// Refuses a server that is older than the one this was built for, and reverse connections that
/// cannot be.
///
/// httpd itself checks the major number alone, while structs grow within it: a library built for a
/// newer server would read past the end of what an older one has. Also run by
/// `apachectl configtest`.
///
/// # Safety
/// `pconf` is httpd's configuration pool, `plog` that for logs and `server` its main server; this is
/// its main thread.
pub(crate) unsafe fn check_config(
    pconf: *mut sys::apr_pool_t,
    plog: *mut sys::apr_pool_t,
    server: *mut sys::server_rec,
) -> c_int {
    let built = sys::MODULE_MAGIC_NUMBER_MINOR as c_int;
    // SAFETY: exported data of httpd and mod_proxy, constant once they are loaded.
    let (core, proxy) =
        unsafe { (sys::core_module.minor_version, sys::proxy_module.minor_version) };
    if core >= built && proxy >= built {
        // SAFETY: as the caller promises; the configuration has been read.
        if !unsafe { reverse_listeners::check(Pool::from_ptr(pconf), server) } {
            return sys::HTTP_INTERNAL_SERVER_ERROR as c_int;
        }
        // SAFETY: the server is live; as the caller promises.
        unsafe {
            if let Some(config) = ServerConfig::of(server) {
                config.taken_over.fill(plog);
            }
        }
        return sys::OK as c_int;
    }
    // SAFETY: the server is live.
    unsafe {
        log::server(
            server,
            LogLevel::Error,
            format_args!(
                "mod_proxy_ajp_rs was built for a newer httpd: its module magic number is \
                 {major}:{built}, this server has {major}:{core} and its mod_proxy \
                 {major}:{proxy}. Build the module on this server, or update the server.",
                major = sys::MODULE_MAGIC_NUMBER_MAJOR,
            ),
        );
    }
    sys::HTTP_INTERNAL_SERVER_ERROR as c_int
}

/// Says which code runs (after a reload, that need not be the file on disk), and makes the memory
/// that the children will share.
///
/// # Safety
/// `pconf` is httpd's configuration pool, `plog` that for logs and `server` its main server; this is
/// its main thread.
pub(crate) unsafe fn post_config(
    pconf: *mut sys::apr_pool_t,
    plog: *mut sys::apr_pool_t,
    server: *mut sys::server_rec,
) -> c_int {
    if server::is_first_reading() {
        return sys::OK as c_int;
    }
    // SAFETY: httpd's main server, with its whole configuration, on its main thread.
    unsafe { ServerConfig::note_min(server) };
    // SAFETY: the server is live.
    unsafe {
        log::server(
            server,
            LogLevel::Info,
            format_args!(
                "mod_proxy_ajp_rs {} serves ajp:// (built for module magic number {}:{})",
                env!("CARGO_PKG_VERSION"),
                sys::MODULE_MAGIC_NUMBER_MAJOR,
                sys::MODULE_MAGIC_NUMBER_MINOR,
            ),
        );
    }
    // SAFETY: the server is live.
    if let Some(config) = unsafe { ServerConfig::of(server) } {
        // SAFETY: as the caller promises; the configuration has been read, and checked.
        match unsafe {
            reverse_listeners::listen(Pool::from_ptr(pconf), plog, server, &config.taken_over)
        } {
            Ok(listening) => {
                let _ = config.listening.set(listening);
            }
            Err(text) => {
                // SAFETY: the server is live.
                unsafe { log::server(server, LogLevel::Error, format_args!("{text}")) };
                return sys::HTTP_INTERNAL_SERVER_ERROR as c_int;
            }
        }
    }
    // SAFETY: as the caller promises; the configuration has been read.
    let made = unsafe { SharedMemory::for_server(Pool::from_ptr(pconf), server) };
    // SAFETY: the server is live.
    let config = unsafe { ServerConfig::of(server) };
    let (level, text, status) = match (made, config) {
        (Ok(memory), Some(config)) => {
            let text = memory.to_string();
            // SAFETY: httpd's configuration pool and main server, on its main thread.
            unsafe { prepare_status(pconf, server, config, &memory) };
            let _ = config.shared.set(memory);
            (LogLevel::Debug, text, sys::OK)
        }
        (Err(error), _) => (LogLevel::Error, error.to_string(), sys::HTTP_INTERNAL_SERVER_ERROR),
        (Ok(_), None) => (
            LogLevel::Error,
            "the main server has no configuration of this module".into(),
            sys::HTTP_INTERNAL_SERVER_ERROR,
        ),
    };
    // SAFETY: the server is live.
    unsafe { log::server(server, level, format_args!("mod_proxy_ajp_rs: {text}")) };
    status as c_int
}

/// Makes what ajp-status needs: the memory of the counters, without which httpd serves all the same and
/// counts nothing; the nonce; and gives members what operators have said of them.
///
/// # Safety
/// `pconf` is httpd's configuration pool and `server` its main server; this is its main thread.
unsafe fn prepare_status(
    pconf: *mut sys::apr_pool_t,
    server: *mut sys::server_rec,
    config: &ServerConfig,
    members: &SharedMemory,
) {
    let _ = config.since_ms.set(unix_ms(SystemTime::now()));
    let _ = config.parent.set(std::process::id());
    if let Ok(nonce) = random().map(Nonce::new) {
        let _ = config.nonce.set(nonce);
    }
    if let Some((memory, is_lost)) = OperatorMemory::retained() {
        let _ = config.operators.set(memory);
        if is_lost {
            let text = "ajp-status: what operators have said of members is forgotten, for the module \
                        is of another version now";
            // SAFETY: as the caller promises.
            unsafe { log::server(server, LogLevel::Warning, format_args!("{text}")) };
        }
        // SAFETY: as the caller promises; mod_proxy_balancer has had its turn.
        unsafe { operator_orders::reapply(pconf, server, memory) };
    }
    let sizes = members.sizes();
    match StatsMapping::new(StatsSizes::new(sizes.members(), sizes.rows())) {
        Ok(memory) => {
            let _ = config.stats.set(Arc::new(memory));
        }
        // SAFETY: as the caller promises.
        Err(error) => unsafe {
            log::server(
                server,
                LogLevel::Error,
                format_args!("nothing is counted for ajp-status: {error}"),
            );
        },
    }
}

/// Makes the child's state, ties it to every server, and starts its housekeeper.
///
/// # Safety
/// `main` is httpd's main server and `pchild` the child's pool; no other thread runs yet.
pub(crate) unsafe fn child_init(pchild: *mut sys::apr_pool_t, main: *mut sys::server_rec) {
    log_panics_through(main);
    let mut settings = HashMap::new();
    let mut configs = Vec::new();
    let mut roster = WatchList::default();
    // SAFETY: httpd's list of servers, all live; nothing changes their configuration any more.
    for server in unsafe { server::servers(main) } {
        // SAFETY: as above.
        if let Some(config) = unsafe { ServerConfig::of(server) } {
            settings.extend(config.workers().iter().cloned());
            configs.push(config);
        }
    }
    // SAFETY: the main server is live.
    for (worker, min) in unsafe { ServerConfig::of(main) }.into_iter().flat_map(ServerConfig::min) {
        settings.entry(*worker).or_default().min = *min;
    }
    // SAFETY: the main server is live.
    let shared = unsafe { ServerConfig::of(main) }.and_then(|config| config.shared.get());
    let members = Members::new(shared.copied(), std::process::id());
    if !members.are_shared() {
        // SAFETY: the main server is live.
        unsafe {
            log::server(
                main,
                LogLevel::Warning,
                format_args!(
                    "no room for this child in the memory that children share: busylimit, \
                     maxreplytimeouts, escalation and the lbmethods sessions and next count its \
                     own requests alone"
                ),
            );
        }
    }
    // SAFETY: as above. By now mod_proxy and mod_proxy_balancer have set their workers up.
    for server in unsafe { server::servers(main) } {
        // SAFETY: as above.
        unsafe { roster.add(server, |id| settings.get(&id).cloned()) };
    }
    roster.settle();
    // SAFETY: the main server is live; this is a child, on its only thread.
    let reverses = unsafe {
        let config = ServerConfig::of(main);
        let listening = config.and_then(|config| config.listening.get());
        reverse_sockets::open(main, listening.map_or(&[], Vec::as_slice))
    };
    // SAFETY: the main server is live.
    let stats = unsafe { ServerConfig::of(main) }.and_then(|config| config.stats.get());
    let counting = stats.map(|memory| Counting::begin(Arc::clone(memory) as _, std::process::id()));
    let child = Arc::new(Child::new(settings, members, counting, roster.ids(), reverses));
    for config in configs {
        // A second child_init in one process is httpd -X after a restart, whose configuration and
        // OnceLock are new as well.
        let _ = config.child.set(Arc::clone(&child));
    }
    // SAFETY: the main server's configuration is not being changed any more.
    let maintain = unsafe { ServerConfig::of(main) }.map_or_else(Default::default, |c| c.maintain);
    if let Some(every) = maintain.every() {
        // SAFETY: as the caller promises; a library is unloaded with pconf, after pchild.
        unsafe { housekeeping::start(&child, roster, every, main, pchild) };
    }
}

/// A panic is one line in the error log, with pid and time.
fn log_panics_through(server: *mut sys::server_rec) {
    struct Server(*const sys::server_rec);
    // SAFETY: only httpd's logging uses the pointer, which is meant for any thread, and a server
    // outlives the child's threads.
    unsafe impl Send for Server {}
    // SAFETY: as above.
    unsafe impl Sync for Server {}
    let server = Server(server);
    std::panic::set_hook(Box::new(move |info| {
        let Server(server) = &server;
        let place = info.location().map(|l| format!("{}:{}", l.file(), l.line()));
        let next = if std::thread::current().name() == Some(Housekeeper::THREAD) {
            "the housekeeper goes on in a minute"
        } else {
            "this request fails, the child goes on"
        };
        // SAFETY: the main server lives as long as the child.
        unsafe {
            log::server(
                *server,
                LogLevel::Error,
                format_args!(
                    "internal error at {}: {}; {next}",
                    place.as_deref().unwrap_or("an unknown place"),
                    panic_text(info.payload()),
                ),
            );
        }
    }));
}

/// httpd asks the child to end after its requests: idle connections close now, those in use when
/// their request is done.
///
/// A child that is to end at once needs nothing: its end closes everything. A prefork child does
/// that inside its signal handler, where no lock may be taken.
pub(crate) fn child_stopping(graceful: bool) {
    if !graceful {
        return;
    }
    // SAFETY: live as long as the child.
    let config = server::main().and_then(|main| unsafe { ServerConfig::of(main.as_ptr()) });
    if let Some(child) = config.and_then(|config| config.child.get()) {
        child.close();
    }
}
