//! What an administrator or operator wants a member to be used for.

use super::WorkerStatus;

words! {
    /// What a member of a balancer is to be used for.
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
    /// The flags that say any of it.
    pub const FLAGS: WorkerStatus =
        WorkerStatus::DRAIN.with(WorkerStatus::STOPPED).with(WorkerStatus::DISABLED);

    /// The flags that it sets, and those that it takes away. To be set first: in between a member takes
    /// fewer requests, not more.
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
