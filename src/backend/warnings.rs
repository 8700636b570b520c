//! What a client can have said in the log as often as it likes is said once a minute.

use std::fmt;
use std::time::{Duration, Instant};

use parking_lot::Mutex;

/// What is warned of. A client alone can bring each of them about, with as many lines as it sends
/// requests.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WarningKind {
    /// 400 to a large request packet, of which its size may be the reason.
    LargePacket,
    /// The request's headers are more than the container takes.
    RequestTooLarge,
    /// Every connection is in use, or `busylimit` is reached.
    Busy,
    /// An answer that `failstatus` lists.
    FailStatus,
    /// A filter of httpd's failed on the response.
    Filter,
    /// Any failure of a backend whose name comes from the client's URL.
    ChosenBackend,
    /// A request for a worker that is disabled or stopped.
    Disabled,
    /// A URL that names no backend, or has what must not be forwarded.
    Url,
    /// No member of a balancer is left that could take the request.
    NoMember,
    /// An order to ajp-status under a host that is not the server's own.
    Order,
}

impl WarningKind {
    const COUNT: usize = Self::Order as usize + 1;
}

/// When each kind was last said of one backend, or worker, or balancer; in one child, so that as many
/// lines may come in a minute as there are children.
#[derive(Debug, Default)]
pub struct Warnings(Mutex<[Said; WarningKind::COUNT]>);

#[derive(Clone, Copy, Debug, Default)]
struct Said {
    last: Option<Instant>,
    unsaid: u64,
}

/// How many of the kind were left unsaid since the last line. Displayed, what to append to the line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Unsaid(u64);

impl Warnings {
    /// Takes the line of this minute. `None`: it has been taken, and this one is counted for the next.
    pub fn claim(&self, kind: WarningKind, now: Instant) -> Option<Unsaid> {
        let said = &mut self.0.lock()[kind as usize];
        if said.last.is_some_and(|last| now.saturating_duration_since(last) < SILENCE) {
            said.unsaid += 1;
            return None;
        }
        said.last = Some(now);
        Some(Unsaid(std::mem::take(&mut said.unsaid)))
    }
}

impl fmt::Display for Unsaid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            0 => Ok(()),
            more => write!(f, " ({more} more since the last such line)"),
        }
    }
}

/// Often enough for whoever looks at the log now, seldom enough for a log that nobody can fill.
const SILENCE: Duration = Duration::from_secs(60);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_kind_is_said_once_a_minute_and_then_with_how_many_were_not() {
        let (warnings, start) = (Warnings::default(), Instant::now());
        let at = |seconds| start + Duration::from_secs(seconds);
        let claim = |seconds| {
            let claimed = warnings.claim(WarningKind::LargePacket, at(seconds));
            claimed.map(|unsaid| unsaid.to_string())
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
        let later = warnings.claim(WarningKind::Busy, now + SILENCE);
        assert_eq!(later, Some(Unsaid(999)));
    }
}
