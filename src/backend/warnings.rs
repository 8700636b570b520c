//! Warnings that clients can cause at will: each is logged at most once a minute.

use std::fmt;
use std::time::{Duration, Instant};

use parking_lot::Mutex;

/// The kind of a warning. A client alone can cause each of them, with as many lines as it sends
/// requests.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WarningKind {
    /// The status 400 for a large request packet, perhaps because of its size.
    LargePacket,
    /// The status 403 from the container's connector, not from an application.
    Refused,
    /// The request's headers are larger than the container accepts.
    RequestTooLarge,
    /// Every connection is in use, or `busylimit` is reached.
    Busy,
    /// A response with a status that `failstatus` lists.
    FailStatus,
    /// An output filter of httpd failed on the response.
    Filter,
    /// Any failure of a backend whose name comes from the client's URL.
    ChosenBackend,
    /// A request for a worker that is disabled or stopped.
    Disabled,
    /// A URL that names no backend, or must not be forwarded.
    Url,
    /// A balancer without a member that could take the request.
    NoMember,
    /// An order to ajp-status with a Host header that does not name this server.
    Order,
}

impl WarningKind {
    const COUNT: usize = Self::Order as usize + 1;
}

/// When each kind was last logged for one backend, worker or balancer. Each child keeps its own, so each
/// child may log a line a minute.
#[derive(Debug, Default)]
pub struct Warnings(Mutex<[LastLine; WarningKind::COUNT]>);

#[derive(Clone, Copy, Debug, Default)]
struct LastLine {
    at: Option<Instant>,
    suppressed: u64,
}

/// The number of warnings of a kind that were not logged since the last line. Displayed, it is the end of
/// the line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Suppressed(u64);

impl Warnings {
    /// Claims the line of this minute. `None`: it has been claimed, and this warning is counted for the
    /// next line.
    pub fn claim(&self, kind: WarningKind, now: Instant) -> Option<Suppressed> {
        let line = &mut self.0.lock()[kind as usize];
        if line.at.is_some_and(|at| now.saturating_duration_since(at) < LINE_INTERVAL) {
            line.suppressed += 1;
            return None;
        }
        line.at = Some(now);
        Some(Suppressed(std::mem::take(&mut line.suppressed)))
    }
}

impl fmt::Display for Suppressed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            0 => Ok(()),
            more => write!(f, " ({more} more since the last such line)"),
        }
    }
}

/// Short enough for an administrator who watches the log, long enough that clients cannot fill it.
const LINE_INTERVAL: Duration = Duration::from_secs(60);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_kind_is_said_once_a_minute_and_then_with_how_many_were_not() {
        let (warnings, start) = (Warnings::default(), Instant::now());
        let at = |seconds| start + Duration::from_secs(seconds);
        let claim = |seconds| {
            let claimed = warnings.claim(WarningKind::LargePacket, at(seconds));
            claimed.map(|suppressed| suppressed.to_string())
        };
        assert_eq!(claim(0).as_deref(), Some(""));
        assert_eq!((claim(1), claim(30), claim(59)), (None, None, None));
        assert_eq!(claim(60).as_deref(), Some(" (3 more since the last such line)"));
        assert_eq!(claim(119), None);
        assert_eq!(claim(121).as_deref(), Some(" (1 more since the last such line)"));
        assert_eq!(claim(300).as_deref(), Some(""));
    }

    #[test]
    fn one_kind_does_not_silence_another() {
        let (warnings, now) = (Warnings::default(), Instant::now());
        for kind in [WarningKind::LargePacket, WarningKind::Busy, WarningKind::NoMember] {
            assert!(warnings.claim(kind, now).is_some(), "{kind:?}");
            assert!(warnings.claim(kind, now).is_none(), "{kind:?}");
        }
    }

    #[test]
    fn of_a_thousand_at_once_one_is_said() {
        let (warnings, now) = (Warnings::default(), Instant::now());
        let said = std::thread::scope(|scope| {
            let claim =
                || (0..250).filter(|_| warnings.claim(WarningKind::Busy, now).is_some()).count();
            let threads: Vec<_> = (0..4).map(|_| scope.spawn(claim)).collect();
            threads.into_iter().map(|thread| thread.join().unwrap()).sum::<usize>()
        });
        assert_eq!(said, 1);
        let later = warnings.claim(WarningKind::Busy, now + LINE_INTERVAL);
        assert_eq!(later, Some(Suppressed(999)));
    }
}
