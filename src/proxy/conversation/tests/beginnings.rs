//! A request that is given an idle connection as it begins goes on as one that has asked for a place in the pool.

use std::num::NonZeroUsize;
use std::time::Duration;

use super::Conversation;
use super::scene::World::Yes;
use super::scene::{Scene, text};
use crate::backend::fake::FakeConnection;
use crate::exchange::RequestBody;
use crate::pool::{CloseReason, Limits, Stats};
use crate::proxy::Resend;

/// How long the connections have been idle.
const IDLE: Duration = Duration::from_secs(30);

/// What there is when a request begins.
#[derive(Clone, Copy, Debug)]
struct Situation {
    /// For each idle connection, the oldest first, whether the container has closed it.
    idle: &'static [bool],
    /// The container has been seen to close connections that were idle for as long.
    is_doubtful: bool,
    /// GET; else POST.
    is_idempotent: bool,
    /// `retries=0`.
    is_sent_once: bool,
    ttl: Option<Duration>,
}

fn situations() -> Vec<Situation> {
    let mut all = Vec::new();
    let idle: [&[bool]; 7] =
        [&[], &[false], &[true], &[false, false], &[false, true], &[true, false], &[true, true]];
    for idle in idle {
        for bits in 0..8 {
            for ttl in [None, Some(IDLE), Some(2 * IDLE)] {
                all.push(Situation {
                    idle,
                    is_doubtful: bits & 1 > 0,
                    is_idempotent: bits & 2 > 0,
                    is_sent_once: bits & 4 > 0,
                    ttl,
                });
            }
        }
    }
    all
}

impl Situation {
    fn scene(self) -> Scene {
        let body = if self.is_idempotent { RequestBody::None } else { RequestBody::OnRequest };
        let mut scene = Scene::new(body, b"", None);
        for (number, is_dead) in (1..).zip(self.idle) {
            let vacancy = scene.pool.acquire_fresh(scene.start, &Limits::default());
            let mut connection = FakeConnection::new(number, scene.start);
            connection.is_dead = *is_dead;
            vacancy.expect("there is room").stock(connection, scene.start);
        }
        scene.passed.set(IDLE);
        if self.is_doubtful {
            scene.backend.idle_connection_closed(IDLE, scene.start + IDLE);
        }
        let usual = &mut scene.settings.usual;
        usual.resend = Resend { repeats: u32::from(!self.is_sent_once), ..usual.resend };
        let max = NonZeroUsize::new(2);
        scene.settings.connect.limits = Limits { ttl: self.ttl, max, ..Limits::default() };
        scene
    }
}

/// What is asked for once there is a place, over which connection, and what the pool has done.
type End = (String, Option<usize>, Stats, (usize, usize));

fn end(scene: &mut Scene, mut conversation: Conversation<FakeConnection>) -> End {
    let next = |scene: &mut Scene, conversation: &Conversation<FakeConnection>| {
        text(&scene.with(|context| conversation.next(context)))
    };
    if next(scene, &conversation) == "place" {
        scene.step(&mut conversation, Yes);
    }
    let asked = next(scene, &conversation);
    let number = conversation.connection().map(|connection| connection.number);
    let stats = scene.pool.stats();
    drop(conversation);
    (asked, number, stats, scene.left())
}

#[test]
fn a_beginning_over_an_idle_connection_is_that_of_a_request_that_has_asked_for_a_place() {
    let (mut at_once, mut suspect) = (0, 0);
    for situation in situations() {
        let mut scene = situation.scene();
        let conversation = scene.begin();
        let expected = end(&mut scene, conversation);

        let mut scene = situation.scene();
        let limits = scene.settings.connect.limits;
        let idle = scene.pool.acquire_idle(scene.start + IDLE, &limits);
        let mut conversation = scene.with(|context| Conversation::not_begun(context));
        scene.with(|context| conversation.begin_with(idle, context));
        at_once += usize::from(conversation.connection().is_some());
        let found = end(&mut scene, conversation);

        assert_eq!(found, expected, "{situation:?}");
        suspect += usize::from(expected.2.closed.of(CloseReason::Suspect) > 0);
    }
    assert!(at_once > 0 && suspect > 0, "{at_once} {suspect}");
}
