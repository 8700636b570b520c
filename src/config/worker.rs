//! The parameters of a worker besides those of mod_proxy.

use std::time::Duration;

use super::activation::ACTIVATION;
use super::parameter::{
    Kind, MILLISECONDS, PAUSE, ParameterDocs, Row, SECONDS, SECONDS_OR_0, SWITCH, WORD, number,
    parameters,
};
use super::ping_mode::{PING_MODE, PingMode};
use super::recovery::{RECOVERY, Recovery};
use super::status_list::{FAIL_STATUS, FailStatus};
use super::upload_ahead::{UPLOAD_AHEAD, UploadAhead};
use super::{ConfigError, PoolSize, parameter};
use crate::balance::Activation;

parameters! {
    /// Our own parameters of one worker, as ProxyPass, BalancerMember, ProxySet and `<Proxy>` set them.
    #[derive(Clone, Debug, Default, PartialEq, Eq)]
    pub struct WorkerSettings, ROWS;
    beside {
        /// The size of its pool as it was written.
        pool: PoolSize,
    }

    /// Closes the connection after each response (as `disablereuse=On`).
    force_close: bool = "forceclose", SWITCH, "Off";

    /// The longest time that one connect() may take; `None`: `connectiontimeout`.
    connect_timeout: Option<Duration> = "connecttimeout", MILLISECONDS, "connectiontimeout";

    /// A connection that has been idle for this long is not used again; `None`: `ttl` alone counts.
    idle_max: Option<Duration> = "idlemax", MILLISECONDS, "ttl";

    /// When CPING is sent; `None`: before every request where `ping` is set.
    ping_mode: Option<PingMode> = "pingmode", PING_MODE, "before every request where ping is set";

    /// The wait for CPONG on a new connection; `None`: `ping`.
    ping_connect: Option<Duration> = "pingconnect", MILLISECONDS, "ping, else 10 s";

    /// The wait for CPONG before a request; `None`: `ping`.
    ping_prepost: Option<Duration> = "pingprepost", MILLISECONDS, "ping, else 10 s";

    /// The interval at which idle connections are pinged.
    ping_interval: Option<Duration> = "pinginterval", SECONDS, "none; 100 s with pingmode=interval";

    /// The longest gap between two packets of a response; `None`: `timeout`.
    reply_timeout: Option<Duration> = "replytimeout", MILLISECONDS, "timeout";

    /// How many reply timeouts a balancer member may have before it is in error.
    max_reply_timeouts: Option<u32> =
        "maxreplytimeouts", number!(u32, 0 to 1000000), "0 where replytimeout is set, else no limit";

    /// The requests that may be resent after they were sent; `None`: the safe ones.
    recovery: Option<Recovery> = "recovery", RECOVERY, "only what is safe";

    /// How often a request is resent to the same backend, and, if it may have been executed, to all
    /// members of a balancer (at least once). `None`: once, and not after a failure to connect.
    retries: Option<u32> = "retries", number!(u32, 0 to 100), "1 for a request, 0 for connecting";

    /// The pause before a request is resent.
    retry_interval: Duration = "retryinterval", PAUSE, "0";

    /// Responses of the backend that count as its failure.
    fail_status: FailStatus = "failstatus", FAIL_STATUS, "none";

    /// How long failures are tolerated while other requests on the member succeed.
    escalation: Option<Duration> = "escalation", SECONDS_OR_0, "0";

    /// How much of a request body may be sent before the container asks for it.
    upload_ahead: UploadAhead = "uploadahead", UPLOAD_AHEAD, "262144";

    /// The highest number of requests in flight, over all children.
    busy_limit: Option<u32> = "busylimit", number!(u32, 1 to 1000000), "none";

    /// The use of a balancer member; `None`: as `status` says.
    activation: Option<Activation> = "activation", ACTIVATION, "what status says";

    /// The distance of a balancer member, from `distance` or an `lbset` of 0: members that are farther
    /// away are used when no nearer one can be. `None`: what `lbset` says.
    distance: Option<u8> = "distance", number!(u8, 0 to 99), "lbset";

    /// A balancer member that is preferred to those without.
    local: bool = "local", SWITCH, "Off";

    /// The container opens the connections.
    reversed: bool = "reversed", SWITCH, "Off";

    /// The domain of a balancer member: members of one domain share their sessions.
    domain: Option<String> = "domain", WORD, "none";

    /// `acquire=0`: look for a connection once, without waiting.
    look_once: bool = LOOK_ONCE, SWITCH, "Off";

    /// `loadfactor=0`: a balancer member for requests of its own sessions alone.
    sessions_only: bool = SESSIONS_ONLY, SWITCH, "Off";
}

impl WorkerSettings {
    /// How many requests of a balancer member may run into the reply timeout before it is in error;
    /// `None`: they are not counted.
    #[must_use]
    pub fn reply_timeout_limit(&self) -> Option<u32> {
        self.max_reply_timeouts.or(self.reply_timeout.map(|_| 0))
    }

    /// How often a request is resent to the same backend: `retries`, 1 if it is not set.
    #[must_use]
    pub fn resends(&self) -> u32 {
        self.retries.unwrap_or(1)
    }

    /// Sets the parameter of ours with this name, in any case. `Ok(false)`: it is not ours.
    ///
    /// # Errors
    /// [`ConfigError`] for a value out of range; the settings are unchanged then.
    pub fn set(&mut self, name: &str, value: &str) -> Result<bool, ConfigError> {
        parameter::set(ROWS, self, name, value)
    }

    /// Whether a client error resets the connection to the backend (`recovery=abortonclienterror`).
    #[must_use]
    pub fn resets_on_client_error(&self) -> bool {
        self.recovery.is_some_and(|recovery| recovery.abort_on_client_error)
    }

    /// Whether a parameter of ours needs a worker that is `ajp://`. The others choose a member of a balancer
    /// and may be on any member.
    #[must_use]
    pub fn is_for_ajp_only(name: &str) -> bool {
        let is = |other: &&str| other.eq_ignore_ascii_case(name);
        ROWS.iter().any(|row| is(&row.docs.name)) && !FOR_ANY_MEMBER.iter().any(is)
    }

    /// Returns the parameters that only a member of a balancer can have an effect of, and that are set.
    /// (`distance=0` may be an `lbset` of 0, and a worker that is stopped takes no requests anywhere.)
    #[must_use]
    pub fn for_members_only(&self) -> Vec<&'static str> {
        let activation = self.activation == Some(Activation::Draining);
        let mut names = self.as_flags_of_mod_proxy();
        names.retain(|name| *name != "activation" || activation);
        names.extend(self.domain.is_some().then_some("domain"));
        names
    }

    /// Returns the parameters that are set and that also have an effect where this module does not choose
    /// the member: mod_proxy_balancer reads the flags and the `lbset` that follow from them.
    #[must_use]
    pub fn as_flags_of_mod_proxy(&self) -> Vec<&'static str> {
        let all = [
            ("activation", self.activation.is_some()),
            ("distance", self.distance.is_some_and(|distance| distance > 0)),
            ("local", self.local),
            ("loadfactor=0", self.sessions_only),
        ];
        all.into_iter().filter(|(_, is_set)| *is_set).map(|(name, _)| name).collect()
    }

    /// Iterates over the parameters that an administrator may write, as they are documented.
    pub fn documented() -> impl Iterator<Item = ParameterDocs> {
        let is_ours = |docs: &ParameterDocs| [LOOK_ONCE, SESSIONS_ONLY].contains(&docs.name);
        ROWS.iter().map(|row| row.docs).filter(move |docs| !is_ours(docs))
    }
}

/// The parameter that `acquire=0` becomes.
pub(super) const LOOK_ONCE: &str = "acquireonce";

/// The parameter that `loadfactor=0` becomes, beside a `loadfactor` that mod_proxy accepts.
pub(super) const SESSIONS_ONLY: &str = "sessionsonly";

/// The parameters that choose a member, whatever its scheme.
const FOR_ANY_MEMBER: &[&str] = &["activation", "distance", "domain", "local", SESSIONS_ONLY];

#[cfg(test)]
mod tests {
    use super::super::parameter::tests::{check_defaults, check_rows};
    use super::*;

    #[test]
    fn keys_are_read_in_any_case() {
        let mut settings = WorkerSettings::default();
        assert_eq!(settings.set("ForceClose", "ON"), Ok(true));
        assert_eq!(settings.set("connectTimeout", "2s"), Ok(true));
        assert!(settings.force_close);
        assert_eq!(settings.connect_timeout, Some(Duration::from_secs(2)));
    }

    #[test]
    fn a_parameter_of_another_module_is_left_alone() {
        let mut settings = WorkerSettings::default();
        assert_eq!(settings.set("hcmethod", "CPING"), Ok(false));
        assert_eq!(settings, WorkerSettings::default());
    }

    #[test]
    fn every_parameter_sets_a_value_of_its_own_and_refuses_a_wrong_one() {
        check_rows(ROWS);
    }

    #[test]
    fn a_default_that_can_be_written_is_the_default() {
        check_defaults(ROWS);
    }

    #[test]
    fn parameters_that_choose_a_member_are_for_members_of_any_scheme_and_all_others_for_ajp() {
        for name in FOR_ANY_MEMBER {
            assert!(ROWS.iter().any(|row| row.docs.name == *name), "{name}");
            assert!(!WorkerSettings::is_for_ajp_only(name), "{name}");
        }
        for name in ["forceclose", "ConnectTimeout", "busylimit", "reversed", LOOK_ONCE] {
            assert!(WorkerSettings::is_for_ajp_only(name), "{name}");
        }
        assert!(!WorkerSettings::is_for_ajp_only("timeout"), "it is mod_proxy's");
    }

    #[test]
    fn parameters_of_members_that_are_set_are_named() {
        let set = |parameters: &[(&str, &str)]| {
            let mut settings = WorkerSettings::default();
            for (key, value) in parameters {
                settings.set(key, value).unwrap();
            }
            (settings.for_members_only(), settings.as_flags_of_mod_proxy())
        };
        assert_eq!(set(&[("distance", "0"), ("local", "Off")]), (vec![], vec![]));
        let all = [("activation", "disabled"), ("domain", "x"), ("local", "On"), ("distance", "1")];
        let flags = ["activation", "distance", "local"];
        assert_eq!(set(&all), ([&flags[..], &["domain"]].concat(), flags.to_vec()));
        assert_eq!(set(&[("activation", "stopped")]), (vec![], vec!["activation"]));
        assert_eq!(set(&[(SESSIONS_ONLY, "On")]).0, ["loadfactor=0"]);
    }

    #[test]
    fn a_distance_is_an_lbset_and_a_domain_is_as_long_as_a_route() {
        let mut settings = WorkerSettings::default();
        for (key, value) in [("distance", "99"), ("Domain", &"d".repeat(63)), ("local", "on")] {
            assert_eq!(settings.set(key, value), Ok(true));
        }
        assert_eq!(settings.distance, Some(99));
        assert_eq!(settings.domain, Some("d".repeat(63)));
        assert!(settings.local);
        let error = settings.set("distance", "100").unwrap_err();
        assert_eq!(error.to_string(), "distance=100: must be a number from 0 to 99");
    }

    #[test]
    fn a_wrong_value_is_named_with_its_range() {
        let error = WorkerSettings::default().set("forceclose", "maybe").unwrap_err();
        assert_eq!(error.to_string(), "forceclose=maybe: must be On or Off");
        let error = WorkerSettings::default().set("BusyLimit", "0").unwrap_err();
        assert_eq!(error.to_string(), "busylimit=0: must be a number from 1 to 1000000");
        for zero in ["connecttimeout", "idlemax", "replytimeout", "pinginterval"] {
            assert!(WorkerSettings::default().set(zero, "0").is_err(), "{zero}");
        }
    }

    #[test]
    fn reply_timeouts_are_counted_if_either_parameter_is_set_and_none_is_allowed_by_default() {
        let limit = |parameters: &[(&str, &str)]| {
            let mut settings = WorkerSettings::default();
            for (key, value) in parameters {
                settings.set(key, value).unwrap();
            }
            settings.reply_timeout_limit()
        };
        assert_eq!(limit(&[]), None);
        assert_eq!(limit(&[("replytimeout", "100")]), Some(0));
        assert_eq!(limit(&[("maxreplytimeouts", "3")]), Some(3));
        assert_eq!(limit(&[("replytimeout", "100"), ("maxreplytimeouts", "3")]), Some(3));
    }
}
