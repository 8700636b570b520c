//! Why a GET has no right answer: what was done to it, or nothing that would explain it.

use std::time::{Duration, Instant};

use super::answer::Outcome;
use super::disturbance::{Disturbance, Kind};
use super::peer::Fault;
use super::tally::FailedGet;

/// For how long a member in error is left out: `retry` of the members, and what the restart of a listener takes.
pub const LEFT_OUT: Duration = Duration::from_secs(2);

/// For how long after a graceful restart a child from before it may still end connections.
const LEAVING: Duration = Duration::from_secs(2);

/// Whether what was done to a request, in the containers that had it and meanwhile, is the reason why it has failed.
///
/// * An answer that has begun, and a time that is up, are final. A Tomcat that starts accepts connections before it answers.
/// * What ends a connection before the answer is mended once, by another connection or member: `retries` is 1. So two
///   such faults are a reason, and one is if there was no second member: of four, two are Tomcat's, which was away, and
///   the third may be drained, stopped or in error.
/// * A connection that a container ends behind an answer, without a word, may be just then given to the next request: that
///   is one such fault, too, which the container does not see (`met_an_end`).
/// * Whatever a process that was killed meanwhile had in hand is lost: a child's requests; of a container's, those that
///   had an answer, and those that have met another fault.
/// * A child that ends after a graceful restart may reset its connections over HTTP/2, although all was written: mod_http2
///   does so with static files, too.
pub fn is_explained(
    get: &FailedGet,
    faults: &[Fault],
    met_an_end: bool,
    disturbances: &[Disturbance],
) -> bool {
    let is_final =
        |fault: &Fault| matches!(fault, Fault::CloseWithin | Fault::Reset | Fault::Stall);
    let mended = match faults.iter().filter(|fault| is_mended(fault)).count() {
        0 => 0,
        own => own + usize::from(met_an_end),
    };
    let met = |one: &Disturbance, until: Instant| one.from <= get.until && until >= get.from;
    let was_away =
        |one: &Disturbance| one.kind == Kind::TomcatKilled && met(one, one.back + LEFT_OUT);
    let tomcat_was_away = disturbances.iter().any(was_away);
    faults.iter().any(is_final)
        || tomcat_was_away && matches!(get.outcome, Outcome::Error(504))
        || mended > usize::from(!tomcat_was_away)
        || disturbances.iter().any(|one| match one.kind {
            Kind::Restarted => {
                matches!(get.outcome, Outcome::Reset) && met(one, one.ended + LEAVING)
            }
            _ => met(one, one.ended),
        })
}

fn is_mended(fault: &Fault) -> bool {
    matches!(fault, Fault::CloseBefore | Fault::CloseInHeaders)
}

/// Whether these are faults of a request that another connection or member mends, all of them.
pub fn are_mended(faults: &[Fault]) -> bool {
    !faults.is_empty() && faults.iter().all(is_mended)
}
