//! Every name that may end a `worker.` line, as mod_jk 1.2 has them.

/// What is known of a property by its name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KnownProperty {
    /// The last part of the line's name.
    pub name: &'static str,
    /// What joins the values where it stands twice; `None`: the last one counts.
    pub joined_by: Option<char>,
    /// mod_jk takes it, and warns.
    pub deprecated: bool,
}

/// The property at the end of `worker.x.name`.
#[must_use]
pub fn known(full_name: &str) -> Option<KnownProperty> {
    let ends_with =
        |name: &&str| full_name.strip_suffix(*name).is_some_and(|before| before.ends_with('.'));
    let longest = PROPERTIES.iter().copied().filter(ends_with).max_by_key(|name| name.len())?;
    let joined_by = match longest {
        "balance_workers" | "balanced_workers" | "mount" | "user" | "good" | "bad"
        | "fail_on_status" | "list" => Some(','),
        "class_path" | "ld_path" => Some(':'),
        "cmd_line" => Some(' '),
        _ => None,
    };
    Some(KnownProperty { name: longest, joined_by, deprecated: DEPRECATED.contains(&longest) })
}

/// The property that is most like this, for who has made a slip.
#[must_use]
pub fn closest(name: &str) -> Option<&'static str> {
    crate::migrate::text::closest_name::closest(name, PROPERTIES.iter().copied())
}

const PROPERTIES: &[&str] = &[
    "activation",
    "bad",
    "balance_workers",
    "balanced_workers",
    "bridge",
    "busy_limit",
    "cache_timeout",
    "cachesize",
    "class_path",
    "cmd_line",
    "connect_timeout",
    "connection_acquire_timeout",
    "connection_ping_interval",
    "connection_pool_minsize",
    "connection_pool_size",
    "connection_pool_timeout",
    "css",
    "disabled",
    "distance",
    "doctype",
    "domain",
    "error_escalation_time",
    "fail_on_status",
    "good",
    "host",
    "jvm_lib",
    "jvm_route",
    "lb_retries",
    "lbfactor",
    "ld_path",
    "list",
    "local_worker",
    "local_worker_only",
    "lock",
    "maintain",
    "max_packet_size",
    "max_reply_timeouts",
    "method",
    "mount",
    "ms",
    "mx",
    "native_lib",
    "ns",
    "ping_mode",
    "ping_timeout",
    "port",
    "prefer_ipv6",
    "prefix",
    "prepost_timeout",
    "read_only",
    "recover_time",
    "recovery_options",
    "recycle_timeout",
    "redirect",
    "reference",
    "reply_timeout",
    "retries",
    "retry_interval",
    "route",
    "secret",
    "secretkey",
    "session_cookie",
    "session_cookie_path",
    "session_path",
    "set_session_cookie",
    "socket_buffer",
    "socket_connect_timeout",
    "socket_keepalive",
    "socket_timeout",
    "source",
    "stderr",
    "stdout",
    "sticky_session",
    "sticky_session_force",
    "stopped",
    "sysprops",
    "type",
    "user",
    "user_case_insensitive",
    "xmlns",
];

const DEPRECATED: &[&str] = &[
    "balanced_workers",
    "bridge",
    "cache_timeout",
    "cachesize",
    "class_path",
    "cmd_line",
    "disabled",
    "jvm_lib",
    "jvm_route",
    "ld_path",
    "local_worker",
    "local_worker_only",
    "ms",
    "mx",
    "native_lib",
    "recycle_timeout",
    "stderr",
    "stdout",
    "stopped",
    "sysprops",
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_part_of_the_name_is_the_property() {
        assert_eq!(known("worker.a.b.port").map(|k| k.name), Some("port"));
        assert_eq!(known("worker.list").map(|k| k.name), Some("list"));
        assert_eq!(known("worker.a.prot"), None);
        assert_eq!(known("worker.a.xport"), None);
    }

    #[test]
    fn lists_paths_and_command_lines_are_joined_each_by_its_own() {
        let joined = |name: &str| known(&format!("worker.a.{name}")).unwrap().joined_by;
        assert_eq!(joined("mount"), Some(','));
        assert_eq!(joined("class_path"), Some(':'));
        assert_eq!(joined("cmd_line"), Some(' '));
        assert_eq!(joined("port"), None);
    }

    #[test]
    fn a_slip_finds_what_was_meant() {
        assert_eq!(closest("prot"), Some("port"));
        assert_eq!(closest("reply_time_out"), Some("reply_timeout"));
        assert_eq!(closest("zzzzzz"), None);
    }

    #[test]
    fn the_names_are_sorted_and_every_deprecated_one_is_among_them() {
        assert!(PROPERTIES.is_sorted() && DEPRECATED.is_sorted());
        assert!(DEPRECATED.iter().all(|name| PROPERTIES.contains(name)));
    }
}
