//! The effect of an operator's order on a member, or the reason for none; and which orders outlive a restart.

use super::{Activation, WorkerStatus};

words! {
    /// An action of an operator on a member.
    pub enum Action {
        /// The member takes all requests again.
        Activate = "activate",
        /// The member keeps its sessions and takes no new ones.
        Drain = "drain",
        /// The member takes no requests.
        Stop = "stop",
        /// The member is no longer in error: the next request is tried on it.
        Recover = "recover",
        /// The member's counters, and those of its pool, start again at 0.
        Reset = "reset",
    }
}

words! {
    /// A remark for the operator, beside that the order was done or refused.
    pub enum Remark {
        /// Refused: the worker is not in a balancer.
        NoBalancer = "no_balancer",
        /// Refused, or done in part: `recover` does not bring the member back.
        HealthCheck = "health_check",
        /// Activated, which means draining for a member with `loadfactor=0`.
        SessionsOnly = "sessions_only",
        /// Activated, although `localonly` made it drain.
        LocalOnly = "local_only",
    }
}

impl Remark {
    /// Returns the remark with this name.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|remark| remark.name() == name)
    }
}

/// The state that the configuration gives a member before balancer-manager, a saved state or an operator
/// changes it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Configured {
    /// `activation` on its line.
    pub activation: Option<Activation>,
    /// `loadfactor=0`.
    pub sessions_only: bool,
    /// The flags of its status that an order is about ([`Activation::FLAGS`]).
    pub status: WorkerStatus,
    /// Whether `localonly` makes it drain.
    pub by_local_only: bool,
}

/// The facts about a member on which an order depends. Virtual hosts may each have a worker of its
/// name, configured differently; an order applies to all of them.
#[derive(Clone, Copy, Debug, Default)]
pub struct Facts<'a> {
    /// Whether it belongs to a balancer. Other workers have their flags in each child separately.
    pub is_in_balancer: bool,
    /// The status of each of its workers.
    pub status: &'a [WorkerStatus],
    /// The configured state of each of them.
    pub configured: &'a [Configured],
}

/// The effect of an order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Effect {
    /// Set its activation, and note that for the next restart.
    Activate(Activation),
    /// Take it out of error, and forget its reply timeouts.
    Recover,
    /// Reset its counters and those of its pool.
    Reset,
}

impl Action {
    /// The activation that the action orders.
    #[must_use]
    pub fn activation(self) -> Option<Activation> {
        match self {
            Self::Activate => Some(Activation::Active),
            Self::Drain => Some(Activation::Draining),
            Self::Stop => Some(Activation::Stopped),
            Self::Recover | Self::Reset => None,
        }
    }

    /// Returns the effect on this member, and a remark about it.
    ///
    /// # Errors
    /// The action has no effect, for this reason.
    pub fn on(self, member: Facts<'_>) -> Result<(Effect, Option<Remark>), Remark> {
        if self == Self::Reset {
            return Ok((Effect::Reset, None));
        }
        if !member.is_in_balancer {
            return Err(Remark::NoBalancer);
        }
        let Some(wanted) = self.activation() else {
            let any_has = |flag| member.status.iter().any(|status| status.has(flag));
            let has_failed_check = any_has(WorkerStatus::HC_FAIL);
            if has_failed_check && !any_has(WorkerStatus::IN_ERROR) {
                return Err(Remark::HealthCheck);
            }
            return Ok((Effect::Recover, has_failed_check.then_some(Remark::HealthCheck)));
        };
        if wanted != Activation::Active {
            return Ok((Effect::Activate(wanted), None));
        }
        // `loadfactor=0`: such a member is active when it drains.
        if member.configured.iter().any(|configured| configured.sessions_only) {
            return Ok((Effect::Activate(Activation::Draining), Some(Remark::SessionsOnly)));
        }
        let by_local_only = member.configured.iter().any(|configured| configured.by_local_only);
        Ok((Effect::Activate(wanted), by_local_only.then_some(Remark::LocalOnly)))
    }
}

/// An order that is kept over restarts, in one word: the activation, and the configuration when it was
/// given.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct KeptOrder(u64);

/// The fate of a kept order after a restart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AfterRestart {
    /// The member gets this activation again.
    Apply(Activation),
    /// The order is dropped: the configuration of the member was edited later.
    Forget(Activation),
}

impl KeptOrder {
    /// Notes an activation for a member with this configuration.
    #[must_use]
    pub fn new(activation: Activation, configured: &[Configured]) -> Self {
        Self(code(activation) | bits(configured) << 8)
    }

    /// Reads the word in shared memory; `None`: it is not an order.
    #[must_use]
    pub fn from_bits(bits: u64) -> Option<Self> {
        let kept = Self(bits);
        kept.find().map(|_| kept)
    }

    /// The word in shared memory; never 0.
    #[must_use]
    pub const fn bits(self) -> u64 {
        self.0
    }

    /// The activation that was ordered.
    #[must_use]
    pub fn activation(self) -> Activation {
        // Checked when it was made.
        self.find().unwrap_or_default()
    }

    /// Decides its fate, with the present configuration of the member.
    #[must_use]
    pub fn after_restart(self, configured: &[Configured]) -> AfterRestart {
        let activation = self.activation();
        if self.0 >> 8 == bits(configured) {
            AfterRestart::Apply(activation)
        } else {
            AfterRestart::Forget(activation)
        }
    }

    /// Whether balancer-manager has changed the member since: one of its workers no longer has the
    /// ordered activation.
    pub fn is_undone(self, mut status: impl Iterator<Item = WorkerStatus>) -> bool {
        status.any(|status| status.activation() != self.activation())
    }

    fn find(self) -> Option<Activation> {
        Activation::ALL.into_iter().find(|activation| code(*activation) == self.0 & 0xff)
    }
}

fn code(activation: Activation) -> u64 {
    match activation {
        Activation::Active => 1,
        Activation::Draining => 2,
        Activation::Stopped => 3,
    }
}

/// A bit for each configured state of any of them, whatever the order of the virtual hosts.
fn bits(configured: &[Configured]) -> u64 {
    let of_one = |configured: &Configured| {
        let activation = match configured.activation {
            None => 1,
            Some(Activation::Active) => 2,
            Some(Activation::Draining) => 4,
            Some(Activation::Stopped) => 8,
        };
        let flag = |at: u32, is_set: bool| 1_u64 << (at + u32::from(is_set));
        activation
            | flag(4, configured.sessions_only)
            | flag(6, configured.status.has(WorkerStatus::DRAIN))
            | flag(8, configured.status.has(WorkerStatus::STOPPED))
            | flag(10, configured.status.has(WorkerStatus::DISABLED))
            | flag(12, configured.by_local_only)
    };
    configured.iter().map(of_one).fold(0, |all, bits| all | bits)
}

#[cfg(test)]
mod tests {
    use std::collections::{HashMap, HashSet};

    use super::*;

    const OK: WorkerStatus = WorkerStatus::INITIALIZED;
    const ERROR: WorkerStatus = OK.with(WorkerStatus::IN_ERROR);
    const UNSET: Configured = Configured {
        activation: None,
        sessions_only: false,
        status: WorkerStatus::from_bits(0),
        by_local_only: false,
    };

    fn member<'a>(status: &'a [WorkerStatus], configured: &'a [Configured]) -> Facts<'a> {
        Facts { is_in_balancer: true, status, configured }
    }

    #[test]
    fn activate_drain_and_stop_set_the_activation_of_their_name() {
        for (action, activation) in [
            (Action::Activate, Activation::Active),
            (Action::Drain, Activation::Draining),
            (Action::Stop, Activation::Stopped),
        ] {
            let done = action.on(member(&[OK], &[UNSET]));
            assert_eq!(done, Ok((Effect::Activate(activation), None)));
        }
    }

    #[test]
    fn a_worker_in_no_balancer_can_only_be_reset() {
        for action in Action::ALL {
            let done = action.on(Facts { status: &[ERROR], ..Facts::default() });
            let wanted = match action {
                Action::Reset => Ok((Effect::Reset, None)),
                _ => Err(Remark::NoBalancer),
            };
            assert_eq!(done, wanted, "{action:?}");
        }
    }

    #[test]
    fn activate_returns_a_member_with_loadfactor_0_to_draining_and_reports_it() {
        let configured = [UNSET, Configured { sessions_only: true, ..UNSET }];
        let done = Action::Activate.on(member(&[OK, OK], &configured));
        let draining = Effect::Activate(Activation::Draining);
        assert_eq!(done, Ok((draining, Some(Remark::SessionsOnly))));
        assert_eq!(Action::Drain.on(member(&[OK], &configured)), Ok((draining, None)));
    }

    #[test]
    fn activate_reports_that_localonly_drained_the_member() {
        let configured = [Configured { by_local_only: true, ..UNSET }];
        let done = Action::Activate.on(member(&[OK], &configured));
        assert_eq!(done, Ok((Effect::Activate(Activation::Active), Some(Remark::LocalOnly))));
        let stopped = Action::Stop.on(member(&[OK], &configured));
        assert_eq!(stopped, Ok((Effect::Activate(Activation::Stopped), None)));
    }

    #[test]
    fn recover_is_refused_after_a_failed_health_check_unless_the_member_is_in_error_too() {
        let failed_check = OK.with(WorkerStatus::HC_FAIL);
        for (status, wanted) in [
            (vec![ERROR], Ok((Effect::Recover, None))),
            (vec![OK], Ok((Effect::Recover, None))),
            (vec![failed_check], Err(Remark::HealthCheck)),
            (vec![OK, failed_check], Err(Remark::HealthCheck)),
            (vec![ERROR.with(failed_check)], Ok((Effect::Recover, Some(Remark::HealthCheck)))),
            (vec![ERROR, failed_check], Ok((Effect::Recover, Some(Remark::HealthCheck)))),
        ] {
            assert_eq!(Action::Recover.on(member(&status, &[UNSET])), wanted, "{status:?}");
        }
    }

    #[test]
    fn a_kept_order_is_applied_again_unless_the_configuration_was_edited() {
        let drained = Configured { activation: Some(Activation::Draining), ..UNSET };
        let kept = KeptOrder::new(Activation::Stopped, &[UNSET]);
        assert_eq!(KeptOrder::from_bits(kept.bits()), Some(kept));
        assert_eq!(kept.after_restart(&[UNSET]), AfterRestart::Apply(Activation::Stopped));
        assert_eq!(kept.after_restart(&[drained]), AfterRestart::Forget(Activation::Stopped));
        for bits in [0, 4, 0x100, u64::MAX] {
            assert_eq!(KeptOrder::from_bits(bits), None);
        }
    }

    #[test]
    fn an_order_is_undone_if_balancer_manager_has_changed_any_of_the_workers() {
        let stopped = OK.with(WorkerStatus::STOPPED);
        let kept = KeptOrder::new(Activation::Stopped, &[UNSET]);
        assert!(!kept.is_undone([stopped, OK.with(WorkerStatus::DISABLED)].into_iter()));
        assert!(kept.is_undone([stopped, OK].into_iter()));
    }

    #[test]
    fn each_word_of_the_configuration_about_activation_counts_and_no_order_of_hosts() {
        let said = [
            UNSET,
            Configured { activation: Some(Activation::Active), ..UNSET },
            Configured { activation: Some(Activation::Draining), ..UNSET },
            Configured { activation: Some(Activation::Stopped), ..UNSET },
            Configured { sessions_only: true, ..UNSET },
        ];
        let flags = [
            WorkerStatus::default(),
            WorkerStatus::DRAIN,
            WorkerStatus::STOPPED,
            WorkerStatus::DISABLED,
            WorkerStatus::STOPPED.with(WorkerStatus::DRAIN),
        ];
        let mut words = HashSet::new();
        for line in said {
            for status in flags {
                for by_local_only in [false, true] {
                    for wanted in Activation::ALL {
                        let configured = Configured { status, by_local_only, ..line };
                        let word = KeptOrder::new(wanted, &[configured]);
                        assert_eq!(word.activation(), wanted);
                        assert!(words.insert(word), "{configured:?} {wanted:?}");
                    }
                }
            }
        }
        let stopped = Configured { status: WorkerStatus::STOPPED, ..said[3] };
        let word = |configured: &[Configured]| KeptOrder::new(Activation::Active, configured);
        assert_eq!(word(&[said[0], stopped]), word(&[stopped, said[0]]));
        assert_ne!(word(&[said[0], stopped]), word(&[said[0]]));
    }

    #[test]
    fn of_several_hosts_it_counts_which_states_any_of_them_has() {
        let lines: Vec<_> = [None, Some(Activation::Active), Some(Activation::Stopped)]
            .into_iter()
            .flat_map(|activation| {
                (0_u32..8).map(move |set| {
                    let drains = if set & 2 == 0 { OK } else { OK.with(WorkerStatus::DRAIN) };
                    Configured {
                        activation,
                        sessions_only: set & 1 != 0,
                        status: drains,
                        by_local_only: set & 4 != 0,
                    }
                })
            })
            .collect();
        let states = |hosts: &[Configured; 2]| {
            let any = |is: &dyn Fn(&Configured) -> bool| hosts.iter().any(is);
            let activations = [None, Some(Activation::Active), Some(Activation::Stopped)]
                .map(|wanted| any(&|host| host.activation == wanted));
            let both = |is: &dyn Fn(&Configured) -> bool| (any(is), any(&|host| !is(host)));
            (
                activations,
                both(&|host| host.sessions_only),
                both(&|host| host.status.has(WorkerStatus::DRAIN)),
                both(&|host| host.by_local_only),
            )
        };
        let (mut words, mut all_states) = (HashMap::new(), HashMap::new());
        for one in &lines {
            for other in &lines {
                let hosts = [*one, *other];
                let word = KeptOrder::new(Activation::Active, &hosts);
                assert_eq!(*words.entry(word).or_insert_with(|| states(&hosts)), states(&hosts));
                assert_eq!(*all_states.entry(states(&hosts)).or_insert(word), word, "{hosts:?}");
            }
        }
    }

    #[test]
    fn letters_of_status_that_are_not_about_activation_leave_an_order_in_force() {
        let kept = KeptOrder::new(Activation::Stopped, &[UNSET]);
        let spare = Configured { status: WorkerStatus::HOT_SPARE, ..UNSET };
        assert_eq!(kept.after_restart(&[spare]), AfterRestart::Apply(Activation::Stopped));
    }

    #[test]
    fn a_remark_is_found_by_its_name() {
        assert!(Remark::ALL.into_iter().all(|remark| Remark::named(remark.name()) == Some(remark)));
        assert_eq!(Remark::named("other"), None);
    }
}
