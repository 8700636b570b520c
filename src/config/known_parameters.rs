//! The names of all parameters, to say of a wrong one which was probably meant.

use super::closest_name::closest;
use super::{BalancerKeys, WorkerSettings};

/// Returns the error for a parameter that a worker does not have. It names no value, which may be a secret.
#[must_use]
pub fn unknown_worker_parameter(name: &str, is_ajp: bool) -> String {
    let of_ajp = |name: &&str| is_ajp || !WorkerSettings::is_for_ajp_only(name);
    let known = || OF_WORKERS.iter().copied().chain(ours().filter(of_ajp));
    let hint = if has(HEALTH_CHECKS.iter().copied(), name) {
        Some("it needs mod_proxy_hcheck, which is not loaded".to_owned())
    } else if has(of_balancers(), name) {
        Some("it is a parameter of a balancer".to_owned())
    } else if has(OF_WORKERS.iter().copied(), name) {
        // `addressttl` before 2.4.59.
        Some("a later httpd has it, this one has not".to_owned())
    } else {
        meant(name, known().chain(HEALTH_CHECKS.iter().copied()))
    };
    with_hint(format!("unknown Worker parameter {name}"), hint)
}

/// Whether a parameter belongs to mod_proxy_hcheck.
#[must_use]
pub fn is_of_health_checks(name: &str) -> bool {
    has(HEALTH_CHECKS.iter().copied(), name)
}

/// Returns what is wrong with the name of a balancer's parameter; `None`: nothing.
#[must_use]
pub(super) fn unknown_balancer_parameter(name: &str) -> Option<String> {
    if has(of_balancers(), name) {
        return None;
    }
    let of_workers = || OF_WORKERS.iter().copied().chain(ours());
    let hint = if has(of_workers(), name) {
        Some("it is a parameter of a member (BalancerMember)".to_owned())
    } else {
        meant(name, of_balancers())
    };
    Some(with_hint(format!("unknown parameter {name}"), hint))
}

fn with_hint(text: String, hint: Option<String>) -> String {
    match hint {
        Some(hint) => format!("{text}; {hint}"),
        None => text,
    }
}

fn meant<'n>(name: &str, known: impl Iterator<Item = &'n str>) -> Option<String> {
    closest(&name.to_ascii_lowercase(), known).map(|meant| format!("did you mean {meant}?"))
}

fn has<'n>(mut names: impl Iterator<Item = &'n str>, name: &str) -> bool {
    names.any(|known| known.eq_ignore_ascii_case(name))
}

fn ours() -> impl Iterator<Item = &'static str> {
    WorkerSettings::documented().map(|docs| docs.name)
}

fn of_balancers() -> impl Iterator<Item = &'static str> {
    OF_BALANCERS.iter().copied().chain(BalancerKeys::documented().map(|docs| docs.name))
}

/// mod_proxy's parameters of a worker (`set_worker_param`).
const OF_WORKERS: &[&str] = &[
    "acquire",
    "addressttl",
    "connectiontimeout",
    "disablereuse",
    "enablereuse",
    "flusher",
    "flushpackets",
    "flushwait",
    "iobuffersize",
    "keepalive",
    "lbset",
    "loadfactor",
    "max",
    "min",
    "ping",
    "receivebuffersize",
    "redirect",
    "responsefieldsize",
    "retry",
    "route",
    "secret",
    "smax",
    "status",
    "timeout",
    "ttl",
    "upgrade",
];

/// mod_proxy_hcheck's parameters of a worker (`set_worker_hc_param`).
const HEALTH_CHECKS: &[&str] =
    &["hcexpr", "hcfails", "hcinterval", "hcmethod", "hcpasses", "hctemplate", "hcuri"];

/// mod_proxy's parameters of a balancer (`set_balancer_param`).
const OF_BALANCERS: &[&str] = &[
    "failonstatus",
    "failontimeout",
    "forcerecovery",
    "growth",
    "lbmethod",
    "maxattempts",
    "nofailover",
    "nonce",
    "scolonpathdelim",
    "stickysession",
    "stickysessionsep",
    "timeout",
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_unknown_parameter_is_named_with_the_nearest_one() {
        for (name, hint) in [
            ("forceclosed", "; did you mean forceclose?"),
            ("conecttimeout", "; did you mean connecttimeout?"),
            ("Ping_Mode", "; did you mean pingmode?"),
            ("secert", "; did you mean secret?"),
            ("hcmetod", "; did you mean hcmethod?"),
            ("hcmethod", "; it needs mod_proxy_hcheck, which is not loaded"),
            ("LocalOnly", "; it is a parameter of a balancer"),
            ("AddressTTL", "; a later httpd has it, this one has not"),
            ("xyzzy", ""),
        ] {
            let text = unknown_worker_parameter(name, true);
            assert_eq!(text, format!("unknown Worker parameter {name}{hint}"));
        }
    }

    #[test]
    fn a_worker_that_is_not_ajp_is_not_told_of_parameters_that_it_cannot_have() {
        let text = |name| unknown_worker_parameter(name, false);
        assert_eq!(text("forceclosed"), "unknown Worker parameter forceclosed");
        assert_eq!(text("domains"), "unknown Worker parameter domains; did you mean domain?");
    }

    #[test]
    fn a_balancer_s_parameters_are_known_in_any_case_and_others_are_named() {
        for name in ["StickySession", "localonly", "growth", "timeout"] {
            assert_eq!(unknown_balancer_parameter(name), None);
        }
        for (name, hint) in [
            ("stickysesion", "; did you mean stickysession?"),
            ("sessionretries", "; did you mean sessionretry?"),
            ("route", "; it is a parameter of a member (BalancerMember)"),
            ("domain", "; it is a parameter of a member (BalancerMember)"),
            ("xyzzy", ""),
        ] {
            let text = unknown_balancer_parameter(name);
            assert_eq!(text, Some(format!("unknown parameter {name}{hint}")));
        }
    }
}
