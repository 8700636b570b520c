//! Why no member of a balancer can take a request, in words.

use std::fmt::Write;

use super::{Refusal, WorkerStatus};

words! {
    /// What keeps a member from taking a request.
    pub enum Obstacle {
        /// The request has been given to it.
        Tried = "tried",
        /// It takes no requests.
        Stopped = "stopped",
        /// A health check failed.
        HealthCheck = "failed by a health check",
        /// A request failed, and `retry` has not passed, or another request finds out whether it answers.
        InError = "in error",
        /// It takes requests of its own sessions alone.
        Draining = "draining",
        /// Nothing that shows.
        Other = "not for this request",
    }
}

impl Obstacle {
    /// What keeps a member with this status from taking a request, which may have been given to it before.
    #[must_use]
    pub fn of(status: WorkerStatus, was_tried: bool) -> Self {
        let stopped =
            WorkerStatus::STOPPED.with(WorkerStatus::DISABLED).with(WorkerStatus::IN_SHUTDOWN);
        if was_tried {
            Self::Tried
        } else if status.has(stopped) {
            Self::Stopped
        } else if status.has(WorkerStatus::HC_FAIL) {
            Self::HealthCheck
        } else if status.is_in_error() {
            Self::InError
        } else if status.is_draining() {
            Self::Draining
        } else {
            Self::Other
        }
    }
}

/// What keeps the members of a balancer from taking a request, for the log: `2 in error, 1 draining`.
#[must_use]
pub fn obstacles(refusal: Refusal, members: impl Iterator<Item = Obstacle>) -> String {
    let members: Vec<_> = members.collect();
    let mut text = String::new();
    for obstacle in Obstacle::ALL {
        let count = members.iter().filter(|member| **member == obstacle).count();
        if count > 0 {
            let comma = if text.is_empty() { "" } else { ", " };
            let _ = write!(text, "{comma}{count} {}", obstacle.name());
        }
    }
    if members.is_empty() {
        text.push_str("it has none");
    }
    match refusal {
        Refusal::NoFailover => text + " (nofailover=On: only the member of the session may)",
        Refusal::LocalOnly => text + " (localonly=On)",
        Refusal::Drained | Refusal::NoneUsable => text,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const OK: WorkerStatus = WorkerStatus::INITIALIZED;

    #[test]
    fn each_obstacle_is_counted_and_all_drained_is_not_in_error() {
        let of = |statuses: &[(WorkerStatus, bool)], refusal| {
            obstacles(refusal, statuses.iter().map(|(status, tried)| Obstacle::of(*status, *tried)))
        };
        let drained = (OK.with(WorkerStatus::DRAIN), false);
        assert_eq!(of(&[drained, drained], Refusal::Drained), "2 draining");
        let error = OK.with(WorkerStatus::IN_ERROR);
        let stopped = error.with(WorkerStatus::STOPPED);
        let members = [(error, true), (error, false), (stopped, false), drained];
        assert_eq!(of(&members, Refusal::NoneUsable), "1 tried, 1 stopped, 1 in error, 1 draining");
        assert_eq!(of(&[], Refusal::NoneUsable), "it has none");
        let text = of(&[(OK, false), (stopped, false)], Refusal::NoFailover);
        assert!(text.starts_with("1 stopped, 1 not for this request (nofailover=On"), "{text}");
    }
}
