//! The status word of a worker, and its meaning.

/// The flags of a worker, as mod_proxy keeps them in shared memory (`PROXY_WORKER_…` in mod_proxy.h,
/// the same numbers).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct WorkerStatus(u32);

words! {
    /// When a member replaces others.
    pub enum Role default Regular {
        /// It does not wait for others to fail.
        Regular = "regular",
        /// It replaces an unusable member of its `lbset` (`status=+R`).
        Spare = "spare",
        /// It is used when no other member of its `lbset` is usable (`status=+H`).
        Standby = "standby",
    }
}

impl WorkerStatus {
    /// Set up in this child.
    pub const INITIALIZED: Self = Self(0x0001);
    /// `I`: never marked as in error.
    pub const IGNORE_ERRORS: Self = Self(0x0002);
    /// `N`: only requests of its own sessions.
    pub const DRAIN: Self = Self(0x0004);
    /// `G`: it stands for URLs that no other worker is for, with `disablereuse`.
    pub const GENERIC: Self = Self(0x0008);
    /// It is being removed.
    pub const IN_SHUTDOWN: Self = Self(0x0010);
    /// `D`
    pub const DISABLED: Self = Self(0x0020);
    /// `S`
    pub const STOPPED: Self = Self(0x0040);
    /// `E`: a request found it at fault.
    pub const IN_ERROR: Self = Self(0x0080);
    /// `H`
    pub const HOT_STANDBY: Self = Self(0x0100);
    /// `C`: a health check failed.
    pub const HC_FAIL: Self = Self(0x0400);
    /// `R`
    pub const HOT_SPARE: Self = Self(0x0800);

    /// A member with any of these flags takes no requests (`PROXY_WORKER_NOT_USABLE_BITMAP`).
    pub const NOT_USABLE: Self = Self(
        Self::IN_SHUTDOWN.0
            | Self::DISABLED.0
            | Self::STOPPED.0
            | Self::IN_ERROR.0
            | Self::HC_FAIL.0,
    );

    /// Reads the word in shared memory.
    #[must_use]
    pub const fn from_bits(bits: u32) -> Self {
        Self(bits)
    }

    /// The word in shared memory.
    #[must_use]
    pub const fn bits(self) -> u32 {
        self.0
    }

    /// All flags of both.
    #[must_use]
    pub const fn with(self, flags: Self) -> Self {
        Self(self.0 | flags.0)
    }

    /// All but these flags.
    #[must_use]
    pub const fn without(self, flags: Self) -> Self {
        Self(self.0 & !flags.0)
    }

    /// Whether it has any of these flags.
    #[must_use]
    pub const fn has(self, flags: Self) -> bool {
        self.0 & flags.0 != 0
    }

    /// Whether it is usable (`PROXY_WORKER_IS_USABLE`).
    #[must_use]
    pub const fn is_usable(self) -> bool {
        !self.has(Self::NOT_USABLE) && self.has(Self::INITIALIZED)
    }

    /// Whether it is in error.
    #[must_use]
    pub const fn is_in_error(self) -> bool {
        self.has(Self::IN_ERROR)
    }

    /// Whether it is in error and otherwise usable: neither disabled, stopped, being removed, nor
    /// failed by a health check.
    #[must_use]
    pub const fn is_only_in_error(self) -> bool {
        self.is_in_error() && !self.has(Self::NOT_USABLE.without(Self::IN_ERROR))
    }

    /// Whether it gets only requests of its own sessions.
    #[must_use]
    pub const fn is_draining(self) -> bool {
        self.has(Self::DRAIN)
    }

    /// Whether it may get new sessions while it is usable: it neither drains nor waits as a spare or
    /// standby.
    #[must_use]
    pub const fn accepts_new_sessions(self) -> bool {
        !self.has(Self::DRAIN.with(Self::HOT_SPARE).with(Self::HOT_STANDBY))
    }

    /// Those of these flags that it has.
    #[must_use]
    pub const fn among(self, flags: Self) -> Self {
        Self(self.0 & flags.0)
    }

    /// Whether it has no flag at all.
    #[must_use]
    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// Whether and when it replaces others.
    #[must_use]
    pub const fn role(self) -> Role {
        if self.has(Self::HOT_STANDBY) {
            Role::Standby
        } else if self.has(Self::HOT_SPARE) {
            Role::Spare
        } else {
            Role::Regular
        }
    }

    /// The value of `JK_LB_ACTIVATION` for Tomcat.
    #[must_use]
    pub const fn jk_activation(self) -> &'static str {
        if self.has(Self::STOPPED) {
            "STP"
        } else if self.has(Self::DISABLED.with(Self::DRAIN)) {
            "DIS"
        } else {
            "ACT"
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const OK: WorkerStatus = WorkerStatus::INITIALIZED;

    #[test]
    fn the_word_of_shared_memory_is_its_flags() {
        let flags = WorkerStatus::DRAIN.with(WorkerStatus::STOPPED);
        let word = OK.with(flags);
        assert_eq!(WorkerStatus::from_bits(word.bits()), word);
        assert_eq!(word.among(flags.with(WorkerStatus::DISABLED)), flags);
        assert!(word.among(WorkerStatus::DISABLED).is_empty() && !word.is_empty());
    }

    #[test]
    fn a_member_is_usable_unless_a_flag_says_otherwise() {
        assert!(OK.is_usable());
        assert!(!WorkerStatus::default().is_usable(), "not set up yet");
        for flag in [
            WorkerStatus::IN_SHUTDOWN,
            WorkerStatus::DISABLED,
            WorkerStatus::STOPPED,
            WorkerStatus::IN_ERROR,
            WorkerStatus::HC_FAIL,
        ] {
            assert!(!OK.with(flag).is_usable(), "{flag:?}");
        }
        for flag in [
            WorkerStatus::DRAIN,
            WorkerStatus::IGNORE_ERRORS,
            WorkerStatus::HOT_SPARE,
            WorkerStatus::HOT_STANDBY,
        ] {
            assert!(OK.with(flag).is_usable(), "{flag:?}");
        }
    }

    #[test]
    fn only_in_error_means_that_a_probe_can_end_it() {
        let error = OK.with(WorkerStatus::IN_ERROR);
        assert!(error.is_only_in_error());
        assert!(error.with(WorkerStatus::DRAIN).is_only_in_error());
        assert!(!error.with(WorkerStatus::STOPPED).is_only_in_error());
        assert!(!error.with(WorkerStatus::HC_FAIL).is_only_in_error());
        assert!(!OK.is_only_in_error());
    }

    #[test]
    fn new_sessions_are_for_members_that_neither_drain_nor_stand_by() {
        assert!(OK.accepts_new_sessions());
        for flag in [WorkerStatus::DRAIN, WorkerStatus::HOT_SPARE, WorkerStatus::HOT_STANDBY] {
            assert!(!OK.with(flag).accepts_new_sessions(), "{flag:?}");
        }
    }

    #[test]
    fn a_standby_that_is_a_spare_too_counts_as_a_standby() {
        let both = WorkerStatus::HOT_SPARE.with(WorkerStatus::HOT_STANDBY);
        assert_eq!(both.role(), Role::Standby);
        assert_eq!(WorkerStatus::HOT_SPARE.role(), Role::Spare);
        assert_eq!(OK.role(), Role::Regular);
    }

    #[test]
    fn tomcat_gets_the_activation_in_mod_jk_s_words() {
        for (status, word) in [
            (OK, "ACT"),
            (OK.with(WorkerStatus::DRAIN), "DIS"),
            (OK.with(WorkerStatus::DISABLED), "DIS"),
            (OK.with(WorkerStatus::DISABLED).with(WorkerStatus::STOPPED), "STP"),
        ] {
            assert_eq!(status.jk_activation(), word);
        }
    }
}
