//! The handshakes of one port that are in progress in this child: how many there may be, and which of them
//! may lose its place to another. Without I/O.

use std::net::IpAddr;
use std::time::{Duration, Instant};

use super::handshake::Handshake;

/// The handshakes in progress, oldest first.
///
/// They proceed in parallel, so that no container waits behind a stranger. Another connection is taken out
/// of the kernel's queue, which all children share, only if it is likely to be needed. One peer that has
/// been [asked](Handshake::asked) something and may be about to answer is enough for one request. Peers
/// that have not answered for some time are strangers or far away; as many again are tried beside them.
/// Peers that have not even sent their hello do not count.
#[derive(Debug)]
pub(super) struct Handshakes<C> {
    in_progress: Vec<InProgress<C>>,
    numbers: u64,
}

/// A handshake in progress.
#[derive(Debug)]
pub(super) struct InProgress<C> {
    /// Identifies it; never used twice.
    pub(super) number: u64,
    pub(super) connection: C,
    pub(super) peer: IpAddr,
    pub(super) handshake: Handshake,
    /// It waits for room to send.
    pub(super) awaits_room: bool,
}

impl<C> Default for Handshakes<C> {
    fn default() -> Self {
        Self { in_progress: Vec::new(), numbers: 0 }
    }
}

impl<C> Handshakes<C> {
    /// Whether another connection should be taken out of the queue, while so many requests wait for one.
    pub(super) fn wants_another(&self, waiting: usize, now: Instant) -> bool {
        let asked = self.in_progress.iter().filter_map(|one| one.handshake.asked());
        let (promising, late): (Vec<_>, Vec<_>) = asked.partition(|at| is_promising(*at, now));
        let wanted = waiting.max(1) + late.len();
        promising.len() < wanted && (!self.is_full() || self.least_promising(now).is_some())
    }

    /// Adds a handshake. If there are [`MAX_HANDSHAKES`] already, removes the one whose place it gets: the
    /// oldest of those without a hello, else the oldest.
    pub(super) fn insert(
        &mut self,
        connection: C,
        peer: IpAddr,
        handshake: Handshake,
        now: Instant,
    ) -> (&mut InProgress<C>, Option<InProgress<C>>) {
        let displaced = match self.is_full() {
            true => Some(self.in_progress.remove(self.least_promising(now).unwrap_or(0))),
            false => None,
        };
        let number = self.numbers;
        self.numbers += 1;
        let at = self.in_progress.len();
        self.in_progress.push(InProgress {
            number,
            connection,
            peer,
            handshake,
            awaits_room: false,
        });
        (&mut self.in_progress[at], displaced)
    }

    /// Returns the one with this number.
    pub(super) fn get_mut(&mut self, number: u64) -> Option<&mut InProgress<C>> {
        self.in_progress.iter_mut().find(|one| one.number == number)
    }

    /// Removes the one with this number.
    pub(super) fn remove(&mut self, number: u64) -> Option<InProgress<C>> {
        let at = self.in_progress.iter().position(|one| one.number == number)?;
        Some(self.in_progress.remove(at))
    }

    /// Removes one that has timed out.
    pub(super) fn remove_timed_out(&mut self, now: Instant) -> Option<InProgress<C>> {
        let at = self.in_progress.iter().position(|one| one.handshake.end() <= now)?;
        Some(self.in_progress.remove(at))
    }

    /// Removes all.
    pub(super) fn clear(&mut self) {
        self.in_progress.clear();
    }

    /// Whether there are none.
    pub(super) fn is_empty(&self) -> bool {
        self.in_progress.is_empty()
    }

    /// Whether any has been asked something that it may still answer.
    pub(super) fn is_any_asked(&self) -> bool {
        self.in_progress.iter().any(|one| one.handshake.asked().is_some())
    }

    /// Returns when time alone changes something: a handshake times out, or another one is wanted.
    pub(super) fn next_change(&self, now: Instant) -> Option<Instant> {
        let asked = self.in_progress.iter().filter_map(|one| one.handshake.asked());
        let late = asked.clone().map(|at| at + PROMISING);
        let replaceable = asked.map(|at| at + KEEPS_PLACE).filter(|_| self.is_full());
        let ends = self.in_progress.iter().map(|one| one.handshake.end());
        // A timeout that has passed is dealt with at once.
        late.chain(replaceable).filter(|at| *at > now).chain(ends).min()
    }

    fn is_full(&self) -> bool {
        self.in_progress.len() >= MAX_HANDSHAKES
    }

    /// Returns the index of the one whose place may be given to another.
    fn least_promising(&self, now: Instant) -> Option<usize> {
        let has_had_time = |one: &InProgress<C>| {
            one.handshake.asked().is_some_and(|at| now.saturating_duration_since(at) >= KEEPS_PLACE)
        };
        self.in_progress
            .iter()
            .position(|one| one.handshake.asked().is_none())
            .or_else(|| self.in_progress.iter().position(has_had_time))
    }
}

fn is_promising(asked: Instant, now: Instant) -> bool {
    now.saturating_duration_since(asked) < PROMISING
}

/// The most handshakes at once.
const MAX_HANDSHAKES: usize = 32;

/// A container nearby has answered after this time.
const PROMISING: Duration = Duration::from_millis(50);

/// A peer that was asked keeps its place for this time, however many strangers there are: more than the
/// longest round trip.
const KEEPS_PLACE: Duration = Duration::from_millis(300);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::handshake::{Container, Hello, Key};

    const LONG: Duration = Duration::from_secs(5);

    /// Handshakes whose connections are numbers.
    #[derive(Default)]
    struct Scene {
        handshakes: Handshakes<u64>,
        displaced: Vec<u64>,
    }

    impl Scene {
        fn insert(&mut self, handshake: Handshake, now: Instant) -> u64 {
            let number = self.handshakes.numbers;
            let peer = IpAddr::from([10, 0, 0, 1]);
            let (_, displaced) = self.handshakes.insert(number, peer, handshake, now);
            self.displaced.extend(displaced.map(|one| one.connection));
            number
        }

        /// One that has said hello and been asked for its proof.
        fn asked(&mut self, now: Instant) -> u64 {
            let key = Key::new(b"a key of more than 16 bytes").unwrap();
            let hello = Container::new(&key, 1, Hello::new([7; 16], b"").unwrap()).hello();
            let mut handshake = Handshake::keyed(key, 1, None, now);
            handshake.buffer().extend_from_slice(&hello);
            handshake.advance(|| Ok([9; 16]), now).unwrap();
            self.insert(handshake, now)
        }

        /// One that has said nothing, or a part of it.
        fn mute(&mut self, now: Instant) -> u64 {
            let key = Key::new(b"a key of more than 16 bytes").unwrap();
            self.insert(Handshake::keyed(key, 1, None, now), now)
        }

        /// Takes in what is wanted from a queue without end of peers that say hello; tells how many.
        fn fill(&mut self, now: Instant) -> usize {
            let mut count = 0;
            while self.handshakes.wants_another(1, now) {
                self.asked(now);
                count += 1;
            }
            count
        }
    }

    fn clock() -> impl Fn(u64) -> Instant {
        let start = Instant::now();
        move |milliseconds| start + Duration::from_millis(milliseconds)
    }

    #[test]
    fn one_connection_is_taken_for_each_request_that_waits_while_the_peers_may_be_about_to_answer()
    {
        let (mut scene, at) = (Scene::default(), clock());
        assert!(scene.handshakes.wants_another(0, at(0)), "the housekeeper asks as well");
        scene.asked(at(0));
        assert!(!scene.handshakes.wants_another(0, at(0)));
        assert!(!scene.handshakes.wants_another(1, at(49)), "the others are for other children");
        assert!(scene.handshakes.wants_another(2, at(0)), "another request waits as well");
        scene.asked(at(10));
        assert!(!scene.handshakes.wants_another(2, at(10)));
    }

    #[test]
    fn beside_peers_that_take_their_time_as_many_again_are_tried() {
        let (mut scene, at) = (Scene::default(), clock());
        let counts: Vec<usize> = (0..6).map(|step| scene.fill(at(50 * step))).collect();
        assert_eq!(counts, [1, 2, 4, 8, 16, 1], "up to 32");
        assert_eq!(scene.displaced, [0_u64; 0]);
        assert_eq!(scene.fill(at(299)), 0, "nobody has had its time yet");
        assert_eq!(scene.handshakes.next_change(at(299)), Some(at(300)));
    }

    #[test]
    fn strangers_that_say_no_hello_do_not_count_and_go_first() {
        let (mut scene, at) = (Scene::default(), clock());
        let far = scene.asked(at(0));
        let strangers: Vec<u64> = (0..100)
            .map(|_| {
                assert!(scene.handshakes.wants_another(2, at(1)));
                scene.mute(at(1))
            })
            .collect();
        assert_eq!(scene.displaced, strangers[..100 - (MAX_HANDSHAKES - 1)], "the oldest first");
        assert!(scene.handshakes.get_mut(far).is_some(), "its answer is on its way");
    }

    #[test]
    fn of_peers_that_were_asked_the_oldest_loses_its_place_but_not_before_it_could_have_answered() {
        let (mut scene, at) = (Scene::default(), clock());
        for number in 0..MAX_HANDSHAKES {
            scene.asked(at(number as u64));
        }
        assert!(!scene.handshakes.wants_another(1, at(299)));
        assert!(scene.handshakes.wants_another(1, at(300)));
        scene.asked(at(300));
        assert_eq!(scene.displaced, [0]);
        assert!(!scene.handshakes.wants_another(1, at(300)));
        assert!(scene.handshakes.wants_another(1, at(301)));
    }

    #[test]
    fn each_has_five_seconds_and_no_more() {
        let (mut scene, at) = (Scene::default(), clock());
        let first = scene.mute(at(0));
        let second = scene.asked(at(100));
        let mut ended = |now| scene.handshakes.remove_timed_out(now).map(|one| one.number);
        assert_eq!(ended(at(0) + LONG - Duration::from_millis(1)), None);
        assert_eq!(ended(at(0) + LONG), Some(first));
        assert_eq!(ended(at(0) + LONG), None);
        assert_eq!(ended(at(100) + LONG), Some(second));
        assert!(scene.handshakes.is_empty());
    }

    #[test]
    fn a_waiting_request_wakes_when_another_connection_is_wanted_and_when_one_has_ended() {
        let (mut scene, at) = (Scene::default(), clock());
        assert_eq!(scene.handshakes.next_change(at(0)), None);
        scene.asked(at(0));
        assert_eq!(scene.handshakes.next_change(at(0)), Some(at(50)));
        assert!(scene.handshakes.wants_another(1, at(50)));
        assert_eq!(scene.handshakes.next_change(at(50)), Some(at(0) + LONG));
        assert_eq!(scene.handshakes.next_change(at(9000)), Some(at(0) + LONG), "at once");
    }
}
