//! The module's life, from the reading of the configuration to the end of a child.

use std::collections::HashMap;
use std::ffi::c_int;
use std::sync::Arc;
use std::time::SystemTime;

use crate::backend::Housekeeper;
use crate::ffi::apr::pool::Pool;
use crate::ffi::child::child_state::Child;
use crate::ffi::child::housekeeping::{self, WatchList};
use crate::ffi::child::low_water;
use crate::ffi::child::member_table::{Members, SharedMemory};
use crate::ffi::child::operator_memory::OperatorMemory;
use crate::ffi::child::reverse_sockets;
use crate::ffi::child::stats_mapping::StatsMapping;
use crate::ffi::guard::panic_text;
use crate::ffi::httpd::log;
use crate::ffi::httpd::server::{self, Server};
use crate::ffi::mod_proxy::by_requests::ByRequests;
use crate::ffi::mod_proxy::server_conf;
use crate::ffi::startup::members;
use crate::ffi::startup::mistakes;
use crate::ffi::startup::operator_orders;
use crate::ffi::startup::parking;
use crate::ffi::startup::reverse_listeners;
use crate::ffi::state::server_state::{ParentState, ServerState};
use crate::ffi::sys;
use crate::messages::Message;
use crate::net::random;
use crate::shared::unix_ms;
use crate::stats::{Counting, StatsSizes};
use crate::status::Nonce;

/// Refuses a server that is older than the one this module was built for, and invalid reverse
/// connections.
///
/// httpd itself checks the major number only, although structs grow within a major number: a library
/// built for a newer server would read past the end of an older one's structs. `apachectl configtest`
/// runs this as well.
///
/// # Safety
/// `pconf` is httpd's configuration pool, `plog` that for logs and `main` its main server; this is
/// its main thread.
pub(crate) unsafe fn check_config(
    pconf: Pool<'_>,
    plog: *mut sys::apr_pool_t,
    main: Server<'_>,
) -> c_int {
    let built = sys::MODULE_MAGIC_NUMBER_MINOR as c_int;
    // SAFETY: exported data of httpd and mod_proxy, constant once they are loaded.
    let (core, proxy) =
        unsafe { (sys::core_module.minor_version, sys::proxy_module.minor_version) };
    if core >= built && proxy >= built {
        // SAFETY: as the caller promises; the configuration has been read.
        if !unsafe { reverse_listeners::check(pconf, main) } {
            return sys::HTTP_INTERNAL_SERVER_ERROR as c_int;
        }
        if let Some(state) = ServerState::of(main) {
            // SAFETY: as the caller promises.
            unsafe { state.parent.taken_over.fill(plog) };
        }
        if server::is_config_test() {
            // SAFETY: as the caller promises. Otherwise post_config does so, once.
            unsafe { mistakes::log_mistakes(main) };
        }
        return sys::OK as c_int;
    }
    log::server(
        main,
        Message::BuiltForNewerHttpd,
        format_args!(
            "mod_proxy_ajp_rs was built for a newer httpd: its module magic number is \
             {major}:{built}, this server has {major}:{core} and its mod_proxy \
             {major}:{proxy}. Build the module on this server, or update the server.",
            major = sys::MODULE_MAGIC_NUMBER_MAJOR,
        ),
    );
    sys::HTTP_INTERNAL_SERVER_ERROR as c_int
}

/// Creates the memory that the children will share, and logs which version runs (after a reload, that need
/// not be the file on disk).
///
/// # Safety
/// `pconf` is httpd's configuration pool, `plog` that for logs and `main` its main server; this is
/// its main thread.
pub(crate) unsafe fn post_config(
    pconf: Pool<'_>,
    plog: *mut sys::apr_pool_t,
    main: Server<'_>,
) -> c_int {
    if server::is_first_reading() {
        return sys::OK as c_int;
    }
    let fail = |message, text: std::fmt::Arguments<'_>| {
        log::server(main, message, text);
        sys::HTTP_INTERNAL_SERVER_ERROR as c_int
    };
    let Some(state) = ServerState::of(main) else {
        return fail(
            Message::NoConfiguration,
            format_args!("mod_proxy_ajp_rs: the main server has no configuration of this module"),
        );
    };
    // SAFETY: as the caller promises.
    unsafe {
        mistakes::log_mistakes(main);
        parking::check(main);
    }
    // SAFETY: as the caller promises; the configuration has been read, and checked.
    match unsafe { reverse_listeners::listen(pconf, plog, main, &state.parent.taken_over) } {
        Ok(listening) => {
            let _ = state.parent.listening.set(listening);
        }
        Err((message, text)) => return fail(message, format_args!("{text}")),
    }
    let memory = match SharedMemory::for_server(pconf, main) {
        Ok(memory) => memory,
        Err(error) => {
            return fail(Message::NoSharedMemory, format_args!("mod_proxy_ajp_rs: {error}"));
        }
    };
    prepare_status(pconf, main, &state.parent, &memory);
    log::debug_server(main, format_args!("mod_proxy_ajp_rs: {memory}"));
    let _ = state.parent.shared.set(memory);
    log_start(main);
    sys::OK as c_int
}

/// Logs that this module, and not mod_proxy_ajp, is the one that serves.
fn log_start(main: Server<'_>) {
    let (backends, members) = server_conf::count_backends_and_members(main);
    log::server(
        main,
        Message::Started,
        format_args!(
            "mod_proxy_ajp_rs {} serves ajp://: {backends} {}, {members} balancer {} (built for module \
             magic number {}:{})",
            env!("CARGO_PKG_VERSION"),
            if backends == 1 { "backend" } else { "backends" },
            if members == 1 { "member" } else { "members" },
            sys::MODULE_MAGIC_NUMBER_MAJOR,
            sys::MODULE_MAGIC_NUMBER_MINOR,
        ),
    );
}

/// Prepares ajp-status: the memory of the counters (without which httpd serves all the same, and counts
/// nothing), the nonce, and operators' orders from before the restart.
fn prepare_status(pconf: Pool<'_>, main: Server<'_>, parent: &ParentState, members: &SharedMemory) {
    let _ = parent.since_ms.set(unix_ms(SystemTime::now()));
    let _ = parent.process.set(std::process::id());
    if let Ok(nonce) = random().map(Nonce::new) {
        let _ = parent.nonce.set(nonce);
    }
    if let Some((memory, is_lost)) = OperatorMemory::retained() {
        let _ = parent.operators.set(memory);
        if is_lost {
            let text = "ajp-status: operators' orders from before the restart no longer apply: the \
                        version of the module has changed";
            log::server(main, Message::OrdersLost, format_args!("{text}"));
        }
        operator_orders::reapply(pconf, main, memory);
    }
    let sizes = members.sizes();
    match StatsMapping::new(StatsSizes::new(sizes.members(), sizes.rows())) {
        Ok(memory) => {
            let _ = parent.stats.set(Arc::new(memory));
        }
        Err(error) => {
            log::server(
                main,
                Message::NoCounters,
                format_args!("ajp-status has no counters: {error}"),
            );
        }
    }
}

/// Creates the child's state, stores it with every server, and starts the housekeeper.
///
/// # Safety
/// `main` is httpd's main server, as long as the child lives, and `pchild` the child's pool; no other
/// thread runs yet.
pub(crate) unsafe fn child_init(pchild: *mut sys::apr_pool_t, main: Server<'static>) {
    log_panics_through(main);
    let Some(main_state) = ServerState::of(main) else { return };
    let parent = &main_state.parent;
    let states: Vec<&ServerState> = main.and_hosts().filter_map(ServerState::of).collect();
    let mut settings = HashMap::new();
    for state in &states {
        settings.extend(state.config.workers().iter().cloned());
    }
    for (worker, size) in parent.pool_sizes.get().into_iter().flatten() {
        settings.entry(*worker).or_default().pool = *size;
    }
    let members = Members::new(parent.shared.get().copied(), std::process::id());
    if !members.are_shared() {
        log::server(
            main,
            Message::NoRoomForChild,
            format_args!(
                "the shared memory has no room for this child: busylimit, maxreplytimeouts, \
                 escalation, lbmethod=sessions and lbmethod=next count only the child's own \
                 requests"
            ),
        );
    }
    // By now mod_proxy and mod_proxy_balancer have set their workers up.
    // SAFETY: as the caller promises.
    unsafe { members::initialize(main, pchild) };
    let mut watch_list = WatchList::default();
    let can_park = parking::is_possible(main);
    for conf in server_conf::all(main) {
        let parking = ServerState::parking(conf.server(), can_park);
        watch_list.add(conf, parking, |id| settings.get(&id).cloned());
    }
    watch_list.remove_duplicates();
    let listening = parent.listening.get().map_or(&[][..], Vec::as_slice);
    // SAFETY: this is a child, on its only thread.
    let reverses = unsafe { reverse_sockets::open(main, listening) };
    let stats = parent.stats.get();
    let counting = stats.map(|memory| Counting::begin(Arc::clone(memory) as _, std::process::id()));
    let watched = watch_list.ids();
    crate::net::low_water::bring(low_water::set);
    // SAFETY: a child's start, on its only thread, long after the configuration has been read.
    let by_requests = unsafe { ByRequests::of_httpd() };
    let child = Child::new(settings, members, counting, watched, reverses, can_park, by_requests);
    let child = Arc::new(child);
    for state in states {
        // A second child_init in one process occurs with httpd -X after a restart, whose configuration
        // and OnceLock are new as well.
        let _ = state.child.set(Arc::clone(&child));
    }
    if let Some(every) = main_state.config.maintain.every() {
        // SAFETY: as the caller promises; a library is unloaded with pconf, after pchild.
        unsafe { housekeeping::start(&child, watch_list, every, main, pchild) };
    }
}

/// Writes each panic as one line to the error log, with pid and time.
fn log_panics_through(main: Server<'static>) {
    struct Log(Server<'static>);
    // SAFETY: only httpd's logging uses the server, which is meant for any thread.
    unsafe impl Send for Log {}
    // SAFETY: as above.
    unsafe impl Sync for Log {}
    let log = Log(main);
    std::panic::set_hook(Box::new(move |info| {
        let Log(main) = &log;
        let place = info.location().map(|l| format!("{}:{}", l.file(), l.line()));
        let next = if std::thread::current().name() == Some(Housekeeper::THREAD) {
            "the housekeeper continues in a minute"
        } else {
            "this request fails, the child continues"
        };
        log::server(
            *main,
            Message::InternalError,
            format_args!(
                "internal error at {}: {}; {next}",
                place.as_deref().unwrap_or("an unknown place"),
                panic_text(info.payload()),
            ),
        );
    }));
}

/// Prepares for the end of the child after its requests, when httpd asks for it: idle connections close
/// now, those in use when their request is done.
///
/// A child that ends at once needs no preparation: its end closes everything. A prefork child does that
/// inside its signal handler, where no lock may be taken.
pub(crate) fn child_stopping(graceful: bool) {
    if !graceful {
        return;
    }
    // SAFETY: this is a child, whose main server outlives it.
    let main = unsafe { server::main() };
    if let Some(child) = main.and_then(ServerState::child_of) {
        child.close();
    }
}
