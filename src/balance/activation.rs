//! What an administrator or operator wants a member to be used for.

use super::WorkerStatus;

/// What a member of a balancer is to be used for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Activation {
    /// All requests.
    #[default]
    Active,
    /// Requests of its own sessions (`N`; `activation=disabled`, as mod_jk calls it).
    Draining,
    /// None (`S`; `D` in mod_proxy).
    Stopped,
}

impl Activation {
    /// Every one.
    pub const ALL: [Self; 3] = [Self::Active, Self::Draining, Self::Stopped];

    /// The flags that say any of it.
    pub const FLAGS: WorkerStatus =
        WorkerStatus::DRAIN.with(WorkerStatus::STOPPED).with(WorkerStatus::DISABLED);

    /// As one word.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Active => "active",
            Self::Draining => "draining",
            Self::Stopped => "stopped",
        }
    }

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
