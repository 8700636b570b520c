//! The life of a member, as the log has it: in error and back, drained, stopped and active again.
//!
//! Every child sees a change in mod_proxy's flags, and may be the one that makes it. So that the log has
//! each change once, the slot keeps what the log has last said, and a child claims a line before it writes
//! it.

use std::time::Duration;

use super::clock::Uptime;
use super::member::MemberState;
use crate::balance::Activation;
use crate::sync::atomic::Ordering;

impl MemberState<'_> {
    /// Claims the line that says that the member is in error. `false`: the log says so already.
    pub fn claim_error_line(&self, now: Uptime) -> bool {
        let in_error = |said: Said| {
            said.error_since.is_none().then_some(Said { error_since: Some(now.seconds()), ..said })
        };
        self.change(in_error).is_some()
    }

    /// Claims the line that says that the member is back, if the log has said for at least `at_least` that
    /// it is in error. Returns for how long that was.
    pub fn claim_recovery_line(&self, now: Uptime, at_least: Duration) -> Option<Duration> {
        let recovered = |said: Said| {
            let lasted = said.error_lasted(now)?;
            (lasted >= at_least).then_some(Said { error_since: None, ..said })
        };
        self.change(recovered).and_then(|before| before.error_lasted(now))
    }

    /// Notes how the member is to be used at start, if no other child has.
    pub fn note_first_activation(&self, at_start: Activation) {
        self.change(|said| match said.activation {
            None => said.changed_to(at_start),
            Some(_) => None,
        });
    }

    /// The time since which the log says that the member is in error. `None`: it does not say so.
    pub fn in_error_since(&self) -> Option<Uptime> {
        Said::unpack(self.slot().said.load(Ordering::Acquire)).error_began()
    }

    /// Claims the line that says how the member is to be used. Returns what the log has said before.
    /// `None`: the log says so already, or nothing was noted before.
    pub fn claim_activation_line(&self, to: Activation) -> Option<Activation> {
        self.change(|said| said.changed_to(to)).and_then(|before| before.activation)
    }

    /// Notes how the member is to be used, without a line: the order that says so has one of its own.
    pub fn note_activation(&self, to: Activation) {
        self.change(|said| said.changed_to(to));
    }

    /// Makes a change, unless another process has made it. Returns what was there before.
    fn change(&self, change: impl Fn(Said) -> Option<Said>) -> Option<Said> {
        let word = &self.slot().said;
        // Read first: the usual case writes nothing.
        change(Said::unpack(word.load(Ordering::Relaxed)))?;
        let changed = |word| change(Said::unpack(word)).map(Said::pack);
        let before = word.fetch_update(Ordering::AcqRel, Ordering::Acquire, changed).ok()?;
        Some(Said::unpack(before))
    }
}

/// What the log has last said of a member, in one word: the second since which it is in error (upper
/// half), whether it is, and its activation.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Said {
    error_since: Option<u32>,
    /// `None`: nothing yet.
    activation: Option<Activation>,
}

const IN_ERROR: u64 = 4;

impl Said {
    fn unpack(word: u64) -> Self {
        Self {
            // The upper half of a word: nothing is lost.
            error_since: (word & IN_ERROR != 0).then_some((word >> 32) as u32),
            activation: match word & 3 {
                1 => Some(Activation::Active),
                2 => Some(Activation::Draining),
                3 => Some(Activation::Stopped),
                _ => None,
            },
        }
    }

    fn pack(self) -> u64 {
        let activation = match self.activation {
            None => 0,
            Some(Activation::Active) => 1,
            Some(Activation::Draining) => 2,
            Some(Activation::Stopped) => 3,
        };
        let in_error = self.error_since.map_or(0, |since| u64::from(since) << 32 | IN_ERROR);
        in_error | activation
    }

    fn changed_to(self, to: Activation) -> Option<Self> {
        (self.activation != Some(to)).then_some(Self { activation: Some(to), ..self })
    }

    fn error_began(self) -> Option<Uptime> {
        Some(Uptime::from_millis(u64::from(self.error_since?) * 1000))
    }

    fn error_lasted(self, now: Uptime) -> Option<Duration> {
        Some(now.since(self.error_began()?))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::shared::two_children::{at, with_two_children};

    const NOW: u64 = 1_000_000;

    #[test]
    fn that_a_member_is_in_error_and_back_is_said_once_over_all_children() {
        with_two_children(|one, other| {
            assert_eq!(one.claim_recovery_line(at(NOW), Duration::ZERO), None);
            assert!(one.claim_error_line(at(NOW)));
            assert!(!other.claim_error_line(at(NOW + 1)) && !one.claim_error_line(at(NOW + 1)));
            assert_eq!(other.in_error_since(), Some(at(NOW)));
            let minutes = Duration::from_secs(240);
            assert_eq!(other.claim_recovery_line(at(NOW + 240_000), Duration::ZERO), Some(minutes));
            assert_eq!(one.claim_recovery_line(at(NOW + 240_000), Duration::ZERO), None);
            assert_eq!(one.in_error_since(), None);
            assert!(one.claim_error_line(at(NOW + 241_000)));
        });
    }

    #[test]
    fn a_recovery_that_comes_too_soon_after_the_error_is_not_claimed() {
        with_two_children(|one, other| {
            assert!(one.claim_error_line(at(NOW)));
            let at_least = Duration::from_secs(2);
            assert_eq!(other.claim_recovery_line(at(NOW + 1999), at_least), None);
            assert_eq!(other.claim_recovery_line(at(NOW + 2000), at_least), Some(at_least));
        });
    }

    #[test]
    fn a_change_of_activation_is_said_once_and_that_of_the_start_is_only_noted() {
        use Activation::{Active, Draining, Stopped};
        with_two_children(|one, other| {
            one.note_first_activation(Active);
            other.note_first_activation(Draining);
            assert_eq!(one.claim_activation_line(Active), None, "as it was at start");
            assert_eq!(other.claim_activation_line(Draining), Some(Active));
            assert_eq!(one.claim_activation_line(Draining), None);
            one.note_activation(Stopped);
            assert_eq!(other.claim_activation_line(Stopped), None, "the order has said so");
            assert_eq!(other.claim_activation_line(Active), Some(Stopped));
            assert!(one.claim_error_line(at(NOW)), "that is said apart");
            assert_eq!(other.claim_activation_line(Active), None);
        });
    }

    #[test]
    fn of_two_children_that_claim_a_line_at_once_one_gets_it() {
        for second in 0..100 {
            with_two_children(|one, other| {
                let claim = |state: MemberState<'_>| state.claim_error_line(at(NOW + second));
                let said = std::thread::scope(|scope| {
                    let both = [one, other].map(|state| scope.spawn(move || claim(state)));
                    both.map(|thread| thread.join().unwrap())
                });
                assert!(said[0] != said[1], "{said:?}");
            });
        }
    }
}
