//! The meaning of a failure for the balancer member, and for a probe of one that is in error.

use std::fmt;
use std::time::Duration;

use super::reply::Reply;

/// The member's part in a failure.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Blame {
    /// None: its state does not change.
    Nobody,
    /// It accepts no requests: in error, if `escalation` allows.
    Unreachable,
    /// Its answer is one that `failstatus` lists: in error.
    ListedAnswer,
    /// It was silent: in error with `failontimeout`.
    Silence {
        /// Whether it also counts for `maxreplytimeouts`.
        counts: bool,
    },
}

/// The change of a balancer member's error mark.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mark {
    /// None: its state does not change. Always for a worker outside a balancer.
    Nothing,
    /// The member is in error until its `retry` has passed.
    Error,
    /// mod_proxy marks the member because of the status that it gets, and the mark is cleared again.
    Transient,
}

/// The result of a probe of a member in error.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ProbeResult {
    /// It answers, whatever the answer is.
    Recovered,
    /// It is still in error.
    StillDown,
    /// Unknown: the request itself was at fault.
    Inconclusive,
}

/// The facts about the member, or about a worker outside a balancer.
#[derive(Clone, Copy, Debug, Default)]
pub struct MemberFacts<'m> {
    /// Whether it belongs to a balancer: only then can it be in error, and another be tried.
    pub is_member: bool,
    /// Whether the request is its probe.
    pub is_probed: bool,
    /// `failontimeout` of its balancer.
    pub fails_on_timeout: bool,
    /// `escalation`.
    pub escalation: Option<Duration>,
    /// How many reply timeouts it may have; `None`: they are not counted.
    pub reply_timeout_limit: Option<u32>,
    /// `None`: nothing is known about other requests.
    pub history: Option<&'m dyn MemberHistory>,
}

/// The history of one member over all children. Each question counts the request; so a failure asks
/// once.
pub trait MemberHistory: fmt::Debug {
    /// Counts a failure to reach the member. Returns whether it is in error now: not as long as other
    /// requests use it and it has failed for less than `escalation`.
    fn count_unreachable(&self, escalation: Option<Duration>) -> bool;

    /// Counts a reply that did not arrive in time. Returns how many there are, halved every minute.
    fn count_reply_timeout(&self) -> u32;

    /// Sets the number of reply timeouts to 0.
    fn forget_reply_timeouts(&self);
}

impl Blame {
    /// Decides the member's mark when httpd gets `reply`. Counts the failure.
    pub(super) fn mark(self, probe: ProbeResult, reply: Reply, member: &MemberFacts<'_>) -> Mark {
        let is_in_error = self.puts_in_error(reply, member);
        if !member.is_member {
            Mark::Nothing
        } else if is_in_error {
            Mark::Error
        } else if !reply.marks_member() {
            Mark::Nothing
        } else if member.is_probed && probe != ProbeResult::Recovered {
            // It was in error and still is: mod_proxy's mark changes nothing.
            Mark::Error
        } else {
            Mark::Transient
        }
    }

    /// Whether it is a timeout, to which `failontimeout` applies.
    pub(super) fn is_silence(self) -> bool {
        match self {
            Self::Silence { .. } => true,
            Self::Nobody | Self::Unreachable | Self::ListedAnswer => false,
        }
    }

    /// Whether the member is in error now. Counts the failure.
    fn puts_in_error(self, reply: Reply, member: &MemberFacts<'_>) -> bool {
        match self {
            Self::Nobody => false,
            Self::ListedAnswer => true,
            Self::Unreachable => {
                member.history.is_none_or(|history| history.count_unreachable(member.escalation))
            }
            Self::Silence { counts } => {
                let is_one_too_many = counts && count_reply_timeout(member);
                // Unless another member answers in the end, mod_proxy_balancer reads a note, and marks
                // the member itself.
                is_one_too_many || member.fails_on_timeout && reply.instead_of_503().is_some()
            }
        }
    }
}

/// Counts a reply timeout. Returns whether it is one too many; then the count is set to 0.
fn count_reply_timeout(member: &MemberFacts<'_>) -> bool {
    let (Some(history), Some(limit)) = (member.history, member.reply_timeout_limit) else {
        return false;
    };
    let has_too_many = history.count_reply_timeout() > limit;
    if has_too_many {
        history.forget_reply_timeouts();
    }
    has_too_many
}
