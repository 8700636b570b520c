//! How an operator's order is noted, together with what the configuration says of the member.

use crate::balance::{Activation, WorkerStatus};
use crate::config::WorkerSettings;
use crate::ffi::state::server_state::ConfiguredState;

/// What the configuration says of one worker: its line, and what comes of it.
type Lines<'l> = (&'l WorkerSettings, &'l ConfiguredState);

/// How an activation is noted, together with what the configuration says of the workers it is about.
pub(crate) fn word<'l>(activation: Activation, lines: impl Iterator<Item = Lines<'l>>) -> u64 {
    code(activation) | configured(lines) << 8
}

fn code(activation: Activation) -> u64 {
    match activation {
        Activation::Active => 1,
        Activation::Draining => 2,
        Activation::Stopped => 3,
    }
}

/// A bit for each thing that is said of any of them: virtual hosts may say different things of what is one
/// member here, in whatever order.
pub(crate) fn configured<'l>(lines: impl Iterator<Item = Lines<'l>>) -> u64 {
    let bits = |(settings, stated): Lines<'_>| {
        let activation = match settings.activation {
            None => 1,
            Some(Activation::Active) => 2,
            Some(Activation::Draining) => 4,
            Some(Activation::Stopped) => 8,
        };
        let flag = |at: u32, is_set: bool| 1_u64 << (at + u32::from(is_set));
        let has = |flag: WorkerStatus| stated.status.has(flag);
        activation
            | flag(4, settings.sessions_only)
            | flag(6, has(WorkerStatus::DRAIN))
            | flag(8, has(WorkerStatus::STOPPED))
            | flag(10, has(WorkerStatus::DISABLED))
            | flag(12, stated.by_local_only)
    };
    lines.map(bits).fold(0, |all, bits| all | bits)
}

pub(crate) fn said(word: u64) -> Option<Activation> {
    Activation::ALL.into_iter().find(|activation| code(*activation) == word & 0xff)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_word_of_the_configuration_about_activation_counts_and_no_order_of_hosts() {
        let line = |activation, sessions_only| WorkerSettings {
            activation,
            sessions_only,
            ..WorkerSettings::default()
        };
        let lines = [
            line(None, false),
            line(Some(Activation::Active), false),
            line(Some(Activation::Draining), false),
            line(Some(Activation::Stopped), false),
            line(None, true),
        ];
        let flags = [
            WorkerStatus::default(),
            WorkerStatus::DRAIN,
            WorkerStatus::STOPPED,
            WorkerStatus::DISABLED,
            WorkerStatus::STOPPED.with(WorkerStatus::DRAIN),
        ];
        let stated: Vec<_> = flags
            .into_iter()
            .flat_map(|status| {
                [false, true].map(|by_local_only| ConfiguredState { status, by_local_only })
            })
            .collect();
        let mut words = std::collections::HashSet::new();
        for line in &lines {
            for stated in &stated {
                for wanted in Activation::ALL {
                    let word = word(wanted, [(line, stated)].into_iter());
                    assert_eq!(said(word), Some(wanted));
                    assert!(words.insert(word), "{line:?} {stated:?} {wanted:?}");
                }
            }
        }
        let two = [(&lines[0], &stated[0]), (&lines[3], &stated[4])];
        let turned = [two[1], two[0]];
        assert_eq!(configured(two.into_iter()), configured(turned.into_iter()));
        assert_ne!(configured(two.into_iter()), configured([two[0]].into_iter()));
    }
}
