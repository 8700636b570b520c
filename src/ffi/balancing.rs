//! What our balancer keys come to, once the whole configuration has been read.

use super::balancer::Balancer;
use super::log::{self, LogLevel};
use super::server_config::ServerConfig;
use super::{roll, sys};

/// Has every server know what its balancers go by, and says so at debug level.
///
/// # Safety
/// `pconf` is httpd's configuration pool and `main` its main server, whose configuration has been
/// read; this is its main thread, and no reference to a configuration is in use.
pub(super) unsafe fn settle(pconf: *mut sys::apr_pool_t, main: *mut sys::server_rec) {
    // SAFETY: the shim asks httpd for its own state.
    if unsafe { sys::ajp_shim_is_first_reading() } != 0 {
        return;
    }
    // SAFETY: as the caller promises.
    unsafe { settle_keys(pconf, main) };
    // SAFETY: as the caller promises.
    for (server, config, balancer) in unsafe { balancers(main) } {
        let name = balancer.name();
        let text = String::from_utf8_lossy(&name);
        if let Some(settings) = config.balancer_with_keys(&name) {
            let what = format_args!("{text}: {settings}");
            // SAFETY: the server is live.
            unsafe { log::server(server, LogLevel::Debug, what) };
        }
    }
}

/// Each server's balancers, with what our lines of that server say.
///
/// # Safety
/// As [`settle`].
unsafe fn balancers(
    main: *mut sys::server_rec,
) -> impl Iterator<Item = (*mut sys::server_rec, &'static ServerConfig, Balancer)> {
    // SAFETY: httpd's main server.
    unsafe { roll::servers(main) }
        .filter_map(|server| {
            // SAFETY: a live server; its configurations stay until pconf is cleared.
            unsafe { Some((server, ServerConfig::of(server)?, roll::proxy_conf(server)?)) }
        })
        .flat_map(|(server, config, conf)| {
            // SAFETY: mod_proxy's array of balancers, which does not change meanwhile.
            let all = unsafe { roll::elements::<sys::proxy_balancer>((*conf).balancers) };
            // SAFETY: an element is a live balancer.
            all.filter_map(move |raw| Some((server, config, unsafe { Balancer::from_ptr(raw) }?)))
        })
}

/// A virtual host goes by its own lines, and by the main server's as far as mod_proxy has it inherit
/// balancers.
///
/// # Safety
/// As [`settle`].
unsafe fn settle_keys(pconf: *mut sys::apr_pool_t, main: *mut sys::server_rec) {
    // SAFETY: the main server is live; its configuration stays until pconf is cleared.
    let Some(main_config) = (unsafe { ServerConfig::of(main) }) else { return };
    main_config.settle_balancers(None);
    // SAFETY: httpd's main server.
    for host in unsafe { roll::servers(main) }.skip(1) {
        // SAFETY: a live server, and mod_proxy's configuration of it.
        let inherits = unsafe {
            roll::proxy_conf(host)
                .is_none_or(|conf| (*conf).inherit() != 0 || (*conf).ppinherit() != 0)
        };
        // SAFETY: a live server.
        let own = unsafe { ServerConfig::of(host) };
        if !inherits && own.is_some_and(|own| std::ptr::eq(own, main_config)) {
            // httpd gives a host without a line of ours the main server's.
            // SAFETY: a live server and its pool, on httpd's main thread.
            unsafe { ServerConfig::renew(host, pconf) };
        }
        // SAFETY: a live server.
        if let Some(own) = unsafe { ServerConfig::of(host) } {
            own.settle_balancers(inherits.then_some(main_config));
        }
    }
}
