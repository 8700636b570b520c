//! The use of a member, as an administrator or operator wants it.

use super::WorkerStatus;

words! {
    /// The requests that a balancer member is to get.
    pub enum Activation default Active {
        /// All requests.
        Active = "active",
        /// Requests of its own sessions (`N`; `activation=disabled`, as mod_jk calls it).
        Draining = "draining",
        /// None (`S`; `D` in mod_proxy).
        Stopped = "stopped",
    }
}

impl Activation {
    /// All flags that belong to an activation.
    pub const FLAGS: WorkerStatus =
        WorkerStatus::DRAIN.with(WorkerStatus::STOPPED).with(WorkerStatus::DISABLED);

    /// The flags that it sets, and those that it clears. The first are to be set first: in between a
    /// member takes fewer requests, not more.
    #[must_use]
    pub const fn flags(self) -> (WorkerStatus, WorkerStatus) {
        let none = WorkerStatus::from_bits(0);
        match self {
            Self::Active => (none, Self::FLAGS),
            Self::Draining => {
                (WorkerStatus::DRAIN, WorkerStatus::STOPPED.with(WorkerStatus::DISABLED))
            }
            Self::Stopped => (WorkerStatus::STOPPED, WorkerStatus::DRAIN),
        }
    }
}

impl WorkerStatus {
    /// The activation that follows from the flags: a member that is disabled takes no requests either.
    #[must_use]
    pub const fn activation(self) -> Activation {
        if self.has(Self::STOPPED.with(Self::DISABLED)) {
            Activation::Stopped
        } else if self.has(Self::DRAIN) {
            Activation::Draining
        } else {
            Activation::Active
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const OK: WorkerStatus = WorkerStatus::INITIALIZED;

    #[test]
    fn a_stopped_or_disabled_member_takes_no_requests_whether_or_not_it_drains() {
        assert_eq!(OK.activation(), Activation::Active);
        assert_eq!(OK.with(WorkerStatus::DRAIN).activation(), Activation::Draining);
        for flag in [WorkerStatus::STOPPED, WorkerStatus::DISABLED] {
            let status = OK.with(WorkerStatus::DRAIN).with(flag);
            assert_eq!(status.activation(), Activation::Stopped, "{flag:?}");
        }
    }

    #[test]
    fn an_activation_sets_its_flag_and_clears_the_others() {
        for (activation, before) in [
            (Activation::Active, WorkerStatus::DRAIN.with(WorkerStatus::STOPPED)),
            (Activation::Draining, WorkerStatus::DISABLED),
            (Activation::Stopped, WorkerStatus::DRAIN),
        ] {
            let (set, clear) = activation.flags();
            assert_eq!(OK.with(before).with(set).without(clear).activation(), activation);
        }
    }
}
