//! The handshakes of one port that are under way in this child: how many there may be, and whose
//! place another one may take. Without I/O.

use std::net::IpAddr;
use std::time::{Duration, Instant};

use super::handshake::Handshake;

/// The handshakes under way, oldest first.
///
/// They go side by side, so that nobody waits behind a stranger's. Another connection is taken out of
/// the queue, where all children find it, only if it is likely to be needed: a peer that has been
/// [asked](Handshake::asked) something and may be about to answer is enough for one request. Those that
/// have let some time go by are strangers or far away; as many again are tried beside them. Those
/// that have not even said hello count for nothing.
#[derive(Debug)]
pub(super) struct Handshakes<C> {
    under_way: Vec<UnderWay<C>>,
    numbers: u64,
}

/// One of them.
#[derive(Debug)]
pub(super) struct UnderWay<C> {
    /// Never used twice.
    pub(super) number: u64,
    pub(super) connection: C,
    pub(super) peer: IpAddr,
    pub(super) handshake: Handshake,
}

impl<C> Default for Handshakes<C> {
    fn default() -> Self {
        Self { under_way: Vec::new(), numbers: 0 }
    }
}

impl<C> Handshakes<C> {
    /// Is another connection to be taken out of the queue, while so many requests wait for one?
    pub(super) fn want_another(&self, waiting: usize, now: Instant) -> bool {
        let asked = self.under_way.iter().filter_map(|one| one.handshake.asked());
        let (promising, late): (Vec<_>, Vec<_>) = asked.partition(|at| is_promising(*at, now));
        let wanted = waiting.max(1) + late.len();
        promising.len() < wanted && (!self.is_full() || self.least_promising(now).is_some())
    }

    /// Takes one in, and out the one whose place it gets, if they were [`MOST`] already: the oldest of
    /// those that have not said hello; else the oldest.
    pub(super) fn insert(
        &mut self,
        connection: C,
        peer: IpAddr,
        handshake: Handshake,
        now: Instant,
    ) -> (&UnderWay<C>, Option<UnderWay<C>>) {
        let displaced = match self.is_full() {
            true => Some(self.under_way.remove(self.least_promising(now).unwrap_or(0))),
            false => None,
        };
        let number = self.numbers;
        self.numbers += 1;
        let at = self.under_way.len();
        self.under_way.push(UnderWay { number, connection, peer, handshake });
        (&self.under_way[at], displaced)
    }

    /// The one with this number.
    pub(super) fn get_mut(&mut self, number: u64) -> Option<&mut UnderWay<C>> {
        self.under_way.iter_mut().find(|one| one.number == number)
    }

    /// Takes out the one with this number.
    pub(super) fn remove(&mut self, number: u64) -> Option<UnderWay<C>> {
        let at = self.under_way.iter().position(|one| one.number == number)?;
        Some(self.under_way.remove(at))
    }

    /// Takes out one whose time is over.
    pub(super) fn remove_ended(&mut self, now: Instant) -> Option<UnderWay<C>> {
        let at = self.under_way.iter().position(|one| one.handshake.end() <= now)?;
        Some(self.under_way.remove(at))
    }

    /// Takes out all.
    pub(super) fn clear(&mut self) {
        self.under_way.clear();
    }

    /// Are there none?
    pub(super) fn is_empty(&self) -> bool {
        self.under_way.is_empty()
    }

    /// Has any been asked something that it may still answer?
    pub(super) fn is_any_asked(&self) -> bool {
        self.under_way.iter().any(|one| one.handshake.asked().is_some())
    }

    /// When time alone changes something: one has ended, or another one is wanted.
    pub(super) fn next_change(&self, now: Instant) -> Option<Instant> {
        let asked = self.under_way.iter().filter_map(|one| one.handshake.asked());
        let late = asked.clone().map(|at| at + PROMISING);
        let fair = asked.map(|at| at + FAIR).filter(|_| self.is_full());
        let ends = self.under_way.iter().map(|one| one.handshake.end());
        // An end that has passed is dealt with at once.
        late.chain(fair).filter(|at| *at > now).chain(ends).min()
    }

    fn is_full(&self) -> bool {
        self.under_way.len() >= MOST
    }

    /// The one whose place may be given to another.
    fn least_promising(&self, now: Instant) -> Option<usize> {
        let has_had_its_time = |one: &UnderWay<C>| {
            one.handshake.asked().is_some_and(|at| now.saturating_duration_since(at) >= FAIR)
        };
        self.under_way
            .iter()
            .position(|one| one.handshake.asked().is_none())
            .or_else(|| self.under_way.iter().position(has_had_its_time))
    }
}

fn is_promising(asked: Instant, now: Instant) -> bool {
    now.saturating_duration_since(asked) < PROMISING
}

/// So many at once.
const MOST: usize = 32;

/// A container nearby has answered by then.
const PROMISING: Duration = Duration::from_millis(50);

/// The longest way there and back, and some more: so long a peer that was asked keeps its place,
/// however many strangers there are.
const FAIR: Duration = Duration::from_millis(300);

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
            while self.handshakes.want_another(1, now) {
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
        assert!(scene.handshakes.want_another(0, at(0)), "the housekeeper asks as well");
        scene.asked(at(0));
        assert!(!scene.handshakes.want_another(0, at(0)));
        assert!(!scene.handshakes.want_another(1, at(49)), "the others are for other children");
        assert!(scene.handshakes.want_another(2, at(0)), "another request waits as well");
        scene.asked(at(10));
        assert!(!scene.handshakes.want_another(2, at(10)));
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
                assert!(scene.handshakes.want_another(2, at(1)));
                scene.mute(at(1))
            })
            .collect();
        assert_eq!(scene.displaced, strangers[..100 - (MOST - 1)], "the oldest first");
        assert!(scene.handshakes.get_mut(far).is_some(), "its answer is on its way");
    }

    #[test]
    fn of_peers_that_were_asked_the_oldest_loses_its_place_but_not_before_it_could_have_answered() {
        let (mut scene, at) = (Scene::default(), clock());
        for number in 0..MOST {
            scene.asked(at(number as u64));
        }
        assert!(!scene.handshakes.want_another(1, at(299)));
        assert!(scene.handshakes.want_another(1, at(300)));
        scene.asked(at(300));
        assert_eq!(scene.displaced, [0]);
        assert!(!scene.handshakes.want_another(1, at(300)));
        assert!(scene.handshakes.want_another(1, at(301)));
    }

    #[test]
    fn each_has_five_seconds_and_no_more() {
        let (mut scene, at) = (Scene::default(), clock());
        let first = scene.mute(at(0));
        let second = scene.asked(at(100));
        let mut ended = |now| scene.handshakes.remove_ended(now).map(|one| one.number);
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
        assert!(scene.handshakes.want_another(1, at(50)));
        assert_eq!(scene.handshakes.next_change(at(50)), Some(at(0) + LONG));
        assert_eq!(scene.handshakes.next_change(at(9000)), Some(at(0) + LONG), "at once");
    }
}
