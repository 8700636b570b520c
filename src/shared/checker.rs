//! The one child whose housekeeper looks after the ports that all children share.

use std::time::Duration;

use super::clock::Uptime;
use super::layout::{Row, Table};
use crate::sync::atomic::Ordering;

/// The holder of a claim, and the second in which the claim ends. One word, so that both change together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Claim {
    until: u32,
    /// The number of the row, from 1 on; 0: nobody's.
    row: u32,
}

impl Claim {
    fn unpack(packed: u64) -> Self {
        // The halves of a word: nothing is lost.
        Self { until: (packed >> 32) as u32, row: packed as u32 }
    }

    fn pack(self) -> u64 {
        u64::from(self.until) << 32 | u64::from(self.row)
    }
}

impl Table<'_> {
    /// Claims the ports for the child of this row, or renews its claim, which ends after `time`. `false`:
    /// they are another child's.
    ///
    /// A child that ends gives its claim up, or the parent does it for the child
    /// ([`child_ended`](Table::child_ended)). A child whose housekeeper does not renew the claim in time
    /// loses it.
    pub fn claim_ports(&self, row: Row, now: Uptime, time: Duration) -> bool {
        let word = self.port_checker();
        let known = word.load(Ordering::Acquire);
        let Claim { until, row: holder } = Claim::unpack(known);
        let own = row.number();
        if holder != 0 && holder != own && now.seconds() < until {
            return false;
        }
        let seconds = u32::try_from(time.as_secs()).unwrap_or(u32::MAX);
        let claim = Claim { until: now.seconds().saturating_add(seconds.max(1)), row: own };
        word.compare_exchange(known, claim.pack(), Ordering::AcqRel, Ordering::Relaxed).is_ok()
    }

    /// Gives up the claim, if it is of this row.
    pub fn release_ports(&self, row: Row) {
        let word = self.port_checker();
        let known = word.load(Ordering::Acquire);
        if Claim::unpack(known).row == row.number() {
            // It fails where another child has taken the claim over meanwhile, which is as good.
            let _ = word.compare_exchange(known, 0, Ordering::AcqRel, Ordering::Relaxed);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::shared::{PrivateTable, Sizes};

    const TIME: Duration = Duration::from_secs(13);

    fn at(seconds: u64) -> Uptime {
        Uptime::from_millis(seconds * 1000)
    }

    #[test]
    fn one_child_has_the_ports_as_long_as_it_renews_its_claim() {
        let memory = PrivateTable::new(Sizes::new(1, 2));
        let table = memory.table().unwrap();
        let (one, two) = (table.child_begins(11).unwrap(), table.child_begins(12).unwrap());
        assert!(table.claim_ports(one, at(100), TIME));
        assert!(!table.claim_ports(two, at(112), TIME));
        assert!(table.claim_ports(one, at(112), TIME), "renewed");
        assert!(!table.claim_ports(two, at(124), TIME));
        assert!(table.claim_ports(two, at(125), TIME), "its housekeeper hangs");
        assert!(!table.claim_ports(one, at(126), TIME));
    }

    #[test]
    fn a_child_that_ends_however_it_ends_leaves_the_ports_to_another() {
        let memory = PrivateTable::new(Sizes::new(1, 2));
        let table = memory.table().unwrap();
        let (one, two) = (table.child_begins(11).unwrap(), table.child_begins(12).unwrap());
        assert!(table.claim_ports(one, at(100), TIME));
        table.release_ports(two);
        assert!(!table.claim_ports(two, at(100), TIME), "it had nothing to give up");
        table.release_ports(one);
        assert!(table.claim_ports(two, at(100), TIME));
        // Killed: the parent does it. The next child gets the same row.
        table.child_ended(12, |_, _| {});
        let three = table.child_begins(13).unwrap();
        assert!(table.claim_ports(one, at(100), TIME));
        assert!(!table.claim_ports(three, at(100), TIME));
    }

    #[test]
    fn of_children_that_claim_at_the_same_time_one_gets_the_ports() {
        let memory = PrivateTable::new(Sizes::new(1, 4));
        let table = memory.table().unwrap();
        let rows = [11, 12, 13, 14].map(|pid| table.child_begins(pid).unwrap());
        for round in 1..100 {
            let now = at(round * 100);
            let count = std::thread::scope(|scope| {
                let claim = |row| scope.spawn(move || table.claim_ports(row, now, TIME));
                let threads = rows.map(claim);
                threads.into_iter().map(|thread| thread.join().unwrap()).filter(|is| *is).count()
            });
            assert_eq!(count, 1);
        }
    }
}
