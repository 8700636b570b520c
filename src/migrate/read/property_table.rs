//! Every property that may end a `worker.` line in mod_jk 1.2, one in each row: its names, how repeated
//! lines are joined, and its translation.
//!
//! A property that becomes one parameter of httpd's with the same meaning needs no more than its row.
//! The rows are in the order in which parameters are written.

use crate::config::closest_name;

/// A property of mod_jk's.
#[derive(Clone, Copy, Debug)]
pub struct JkProperty {
    /// The last part of the line's name.
    pub name: &'static str,
    /// A former name, which mod_jk still reads, with a warning.
    pub old_name: Option<&'static str>,
    /// mod_jk reads the property, with a warning.
    pub is_deprecated: bool,
    /// The character that joins the values of repeated lines. `None`: the last line counts.
    pub joined_by: Option<char>,
    /// Its translation for a worker of type ajp13.
    pub translation: Translation,
}

/// The translation of a property of a worker of type ajp13.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Translation {
    /// A number, limited to a range.
    Number {
        /// httpd's parameter.
        parameter: &'static str,
        /// The smallest value of the parameter.
        min: i64,
        /// The largest value of the parameter.
        max: i64,
        /// Whether zero and negative numbers leave the parameter at its default.
        zero_is_default: bool,
        /// What differs from mod_jk, if anything.
        difference: Option<&'static str>,
    },
    /// On or off; off is the default.
    Switch {
        /// httpd's parameter.
        parameter: &'static str,
    },
    /// None.
    Dropped {
        /// The reason.
        why: &'static str,
        /// What the administrator can do.
        advice: &'static str,
    },
    /// Code in `translate`, which may read several properties. Rows of the same step are adjacent.
    Step(Step),
    /// The property belongs to another type of worker, to a member, or to the file as a whole.
    Elsewhere,
}

/// A part of the translation that needs code.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// `acquire`
    AcquireTimeout,
    /// `timeout` or `idlemax`
    SocketTimeout,
    /// `pingmode` and its times
    Pings,
    /// `retries`
    Retries,
    /// `recovery`
    Recovery,
    /// `failstatus`
    FailStatus,
    /// `iobuffersize`
    PacketSize,
    /// Nothing, whether it is on or off.
    PreferIpv6,
}

/// 24 days, in milliseconds: the longest time that this module waits for anything.
pub const MAX_MS: i64 = 24 * 86_400_000;

/// All properties, in the order in which their parameters are written.
pub const PROPERTIES: &[JkProperty] = &[
    property("connection_pool_size").old("cachesize").positive("max"),
    property("connection_pool_minsize")
        .number("min", 0, i64::MAX)
        .differs("The connections are also opened in advance; mod_jk only keeps them open."),
    property("connection_pool_timeout").old("cache_timeout").positive("ttl"),
    property("connection_acquire_timeout").step(Step::AcquireTimeout),
    property("recycle_timeout").deprecated().dropped("mod_jk ignores it, too", ""),
    property("socket_timeout").step(Step::SocketTimeout),
    property("socket_connect_timeout").positive("connecttimeout").at_most(MAX_MS),
    property("reply_timeout").positive("replytimeout").at_most(MAX_MS),
    property("ping_mode").step(Step::Pings),
    property("ping_timeout").step(Step::Pings),
    property("connect_timeout").step(Step::Pings),
    property("prepost_timeout").step(Step::Pings),
    property("connection_ping_interval").step(Step::Pings),
    property("retries").step(Step::Retries),
    property("retry_interval").number("retryinterval", 0, 60_000),
    property("recovery_options").step(Step::Recovery),
    property("fail_on_status").joined_by(',').step(Step::FailStatus),
    property("busy_limit").positive("busylimit").at_most(1_000_000),
    property("socket_keepalive").switch("keepalive"),
    property("socket_buffer")
        .positive("receivebuffersize")
        .at_least(8192)
        .at_most(1 << 26)
        .differs("It sets the receive buffer only; the kernel sizes the send buffer."),
    property("max_packet_size").step(Step::PacketSize),
    property("source").dropped(
        "in httpd, the source address applies to a whole server",
        "Use ProxySourceAddress if the address is the same for all workers.",
    ),
    property("prefer_ipv6").step(Step::PreferIpv6),
    property("secretkey").dropped("it is for the login of ajp14", "Tomcat has secret= instead."),
    // Read by code for every worker.
    property("host"),
    property("port"),
    property("reference"),
    property("secret"),
    property("type"),
    // Members of a balancer.
    property("activation"),
    property("disabled").deprecated(),
    property("distance"),
    property("domain"),
    property("lbfactor"),
    property("local_worker").deprecated(),
    property("redirect"),
    property("route").old("jvm_route"),
    property("stopped").deprecated(),
    // Balancers.
    property("balance_workers").old("balanced_workers").joined_by(','),
    property("error_escalation_time"),
    property("lb_retries"),
    property("local_worker_only").deprecated(),
    property("lock"),
    property("max_reply_timeouts"),
    property("method"),
    property("recover_time"),
    property("session_cookie"),
    property("session_cookie_path"),
    property("session_path"),
    property("set_session_cookie"),
    property("sticky_session"),
    property("sticky_session_force"),
    // Status workers.
    property("bad").joined_by(','),
    property("css"),
    property("doctype"),
    property("good").joined_by(','),
    property("ns"),
    property("prefix"),
    property("read_only"),
    property("user").joined_by(','),
    property("user_case_insensitive"),
    property("xmlns"),
    // The file as a whole.
    property("list").joined_by(','),
    property("maintain"),
    property("mount").joined_by(','),
    // Workers of type jni.
    property("bridge").deprecated(),
    property("class_path").deprecated().joined_by(':'),
    property("cmd_line").deprecated().joined_by(' '),
    property("jvm_lib").deprecated(),
    property("ld_path").deprecated().joined_by(':'),
    property("ms").deprecated(),
    property("mx").deprecated(),
    property("native_lib").deprecated(),
    property("stderr").deprecated(),
    property("stdout").deprecated(),
    property("sysprops").deprecated(),
];

/// Begins a row.
const fn property(name: &'static str) -> JkProperty {
    JkProperty {
        name,
        old_name: None,
        is_deprecated: false,
        joined_by: None,
        translation: Translation::Elsewhere,
    }
}

impl JkProperty {
    const fn old(mut self, name: &'static str) -> Self {
        self.old_name = Some(name);
        self
    }

    const fn deprecated(mut self) -> Self {
        self.is_deprecated = true;
        self
    }

    const fn joined_by(mut self, joint: char) -> Self {
        self.joined_by = Some(joint);
        self
    }

    /// A number that may be zero.
    const fn number(mut self, parameter: &'static str, min: i64, max: i64) -> Self {
        let (zero_is_default, difference) = (false, None);
        self.translation = Translation::Number { parameter, min, max, zero_is_default, difference };
        self
    }

    /// A number above zero; everything else leaves the default.
    const fn positive(mut self, parameter: &'static str) -> Self {
        let (min, max, zero_is_default, difference) = (1, i64::MAX, true, None);
        self.translation = Translation::Number { parameter, min, max, zero_is_default, difference };
        self
    }

    const fn at_least(mut self, least: i64) -> Self {
        if let Translation::Number { min, .. } = &mut self.translation {
            *min = least;
        }
        self
    }

    const fn at_most(mut self, most: i64) -> Self {
        if let Translation::Number { max, .. } = &mut self.translation {
            *max = most;
        }
        self
    }

    const fn differs(mut self, what: &'static str) -> Self {
        if let Translation::Number { difference, .. } = &mut self.translation {
            *difference = Some(what);
        }
        self
    }

    const fn switch(mut self, parameter: &'static str) -> Self {
        self.translation = Translation::Switch { parameter };
        self
    }

    const fn dropped(mut self, why: &'static str, advice: &'static str) -> Self {
        self.translation = Translation::Dropped { why, advice };
        self
    }

    const fn step(mut self, step: Step) -> Self {
        self.translation = Translation::Step(step);
        self
    }

    /// Returns the present name, then the old one.
    pub fn names(&self) -> impl Iterator<Item = &'static str> + use<> {
        std::iter::once(self.name).chain(self.old_name)
    }
}

/// A property found by its name, present or old.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KnownProperty {
    /// The name as it was written.
    pub name: &'static str,
    /// The character that joins the values of repeated lines. `None`: the last line counts.
    pub joined_by: Option<char>,
    /// mod_jk reads it, with a warning.
    pub is_deprecated: bool,
}

/// Returns the property at the end of a full name such as `worker.x.port`.
#[must_use]
pub fn known(full_name: &str) -> Option<KnownProperty> {
    let ends_with =
        |name: &str| full_name.strip_suffix(name).is_some_and(|before| before.ends_with('.'));
    let found = all_names().filter(|(name, _)| ends_with(name));
    let (name, row) = found.max_by_key(|(name, _)| name.len())?;
    let is_deprecated = row.is_deprecated || row.old_name == Some(name);
    Some(KnownProperty { name, joined_by: row.joined_by, is_deprecated })
}

/// Returns the name of a property that is most similar to a misspelled one.
#[must_use]
pub fn closest(name: &str) -> Option<&'static str> {
    closest_name::closest(name, all_names().map(|(name, _)| name))
}

fn all_names() -> impl Iterator<Item = (&'static str, &'static JkProperty)> {
    PROPERTIES.iter().flat_map(|row| row.names().map(move |name| (name, row)))
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

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
        assert_eq!(joined("balanced_workers"), Some(','), "by its old name too");
        assert_eq!(joined("class_path"), Some(':'));
        assert_eq!(joined("cmd_line"), Some(' '));
        assert_eq!(joined("port"), None);
    }

    #[test]
    fn a_misspelled_name_finds_the_closest_one() {
        assert_eq!(closest("prot"), Some("port"));
        assert_eq!(closest("reply_time_out"), Some("reply_timeout"));
        assert_eq!(closest("zzzzzz"), None);
    }

    #[test]
    fn every_name_stands_once_and_an_old_one_is_deprecated() {
        let names: Vec<_> = all_names().map(|(name, _)| name).collect();
        assert_eq!(names.iter().collect::<HashSet<_>>().len(), names.len());
        let is_deprecated = |name: &str| known(&format!("worker.a.{name}")).unwrap().is_deprecated;
        assert!(is_deprecated("cachesize") && is_deprecated("jvm_route") && is_deprecated("ms"));
        assert!(!is_deprecated("connection_pool_size") && !is_deprecated("route"));
    }

    #[test]
    fn rows_of_one_step_are_adjacent() {
        let steps: Vec<_> = PROPERTIES.iter().map(|row| row.translation).collect();
        for (at, step) in
            steps.iter().enumerate().filter(|(_, t)| matches!(t, Translation::Step(_)))
        {
            let first = steps.iter().position(|other| other == step).unwrap();
            assert!(steps[first..=at].iter().all(|other| other == step), "{step:?}");
        }
    }
}
