//! Whatever happens in whatever order, the promises hold.

use std::sync::Arc;
use std::time::Duration;

use proptest::prelude::*;

use super::container::{Container, kind_of};
use super::rules::{Seen, assert_pool_clean};
use super::scene::{World, ask_for, chunk, end, head, pong};
use super::*;
use crate::config::{Pings, WorkerSettings};
use crate::exchange::RequestBody;
use crate::proxy::{ClientError, Flush, Resend};

/// What comes of one thing: a number for each, of which the first chooses the kind.
type Dice = (u8, u8);

/// More steps than any request of this test takes whose container says so much.
const STEPS: usize = 2_000;

/// What the world does for this throw.
fn world(container: &mut Container, asked: &str, (kind, more): Dice) -> World {
    match (kind_of(asked), kind % 16) {
        (_, 0) if more < 32 => World::Closes,
        (_, 1) if more < 16 => World::Gone,
        (_, 2) if more < 32 => World::Client(ClientError::BodyTooShort { missing: 1 }),
        ("pong", 3..) => World::Hears(pong()),
        ("receive", 0 | 1) if asked.starts_with("receive 0ns") => World::Late,
        ("receive", 0) => World::Late,
        ("pong", _) => World::Hears(strays(more)),
        ("receive", _) => container.goes_on(|container| says(container, more)),
        ("send" | "ping", 0..=3) => World::Takes(usize::from(more) % 12),
        ("send" | "ping", 4) | ("connect", 0..=2) => World::No,
        ("piece", 0..=7) => World::Late,
        ("wait rw" | "wait r", 0..=7) => World::Readable,
        ("wait rw" | "wait r" | "wait w" | "room for a ping", 8) => World::No,
        _ => World::Yes,
    }
}

/// Mostly what a container may say.
fn says(container: &mut Container, more: u8) -> Vec<u8> {
    match more % 16 {
        0 => strays(more),
        1 => container.answers(404, Vec::new()),
        2 | 3 => container.answers(503, Vec::new()),
        4 => end(more < 200),
        5..=7 => container.answers(200, chunk("some of it")),
        8 | 9 => container.answers(200, [chunk("all of it"), end(true)].concat()),
        10 => [ask_for(4), container.answers(200, end(true))].concat(),
        11 => chunk(""),
        12 => {
            let packets = container.answers(200, chunk("in two parts"));
            container.pauses(packets, usize::from(more) % 20)
        }
        _ => ask_for(u16::from(more)),
    }
}

/// What it may not say, or not here.
fn strays(more: u8) -> Vec<u8> {
    match more % 5 {
        0 => head(200),
        1 => pong(),
        2 => end(true),
        3 => head(200)[..5].to_vec(),
        _ => vec![more; usize::from(more) % 9 + 1],
    }
}

#[derive(Clone, Debug)]
struct Setup {
    body: u8,
    length: usize,
    warm: bool,
    pings: bool,
    large: bool,
    fail_status: bool,
    flush: u8,
    retries: u32,
    repeats: u32,
    connect_retries: u32,
    after_send: Option<bool>,
    is_alone: bool,
    pause: bool,
}

prop_compose! {
    fn setups()(
        (body, length, flush) in (0_u8..3, 0_usize..40, 0_u8..3),
        (warm, pings, large, fail_status) in any::<(bool, bool, bool, bool)>(),
        (retries, repeats, connect_retries) in (0_u32..4, 0_u32..4, 0_u32..3),
        (after_send, is_alone, pause) in any::<(Option<bool>, bool, bool)>(),
    ) -> Setup {
        Setup {
            body, length, warm, pings, large, fail_status, flush, retries, repeats,
            connect_retries, after_send, is_alone, pause,
        }
    }
}

fn scene(setup: &Setup) -> Scene {
    let data = vec![b'd'; setup.length];
    let mut scene = match setup.body {
        0 => Scene::get(),
        1 if setup.length > 0 => Scene::new(RequestBody::Announced, &data, Some(8)),
        _ => Scene::new(RequestBody::OnRequest, &data, None),
    };
    if setup.warm {
        scene = scene.warm();
    }
    if setup.large {
        scene.request.packet = vec![0; 10_000];
    }
    if setup.pings {
        scene.settings.connect.pings = Pings::before_every_request(Duration::from_secs(1));
    }
    let mut worker = WorkerSettings::default();
    worker.set("failstatus", "503").expect("a code");
    scene.settings.worker = Arc::new(worker);
    scene.settings.usual.has_others = setup.fail_status;
    scene.settings.flush = match setup.flush {
        0 => Flush::Off,
        1 => Flush::On,
        _ => Flush::Auto(Duration::from_millis(1)),
    };
    scene.settings.usual.resend = Resend {
        retries: setup.retries,
        repeats: setup.repeats,
        is_alone: setup.is_alone,
        connect_retries: setup.connect_retries,
        interval: Duration::from_millis(u64::from(setup.pause)),
        after_send: setup.after_send,
    };
    scene
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn the_promises_hold_whatever_comes(
        setup in setups(),
        dice in prop::collection::vec(any::<Dice>(), 0..80),
    ) {
        let mut scene = scene(&setup);
        let mut conversation = scene.begin();
        let (mut container, mut seen) = (Container::default(), Seen::default());
        let (mut dice, mut steps) = (dice.into_iter(), 0);
        loop {
            let asked = scene.with(|context| scene::text(&conversation.next(context)));
            if asked == "done" {
                break;
            }
            steps += 1;
            prop_assert!(steps < STEPS, "no end: {asked}");
            if asked != "nothing" && !asked.starts_with("pause") {
                scene.with(|context| conversation.got(What::Paused, context));
                let again = scene.with(|context| scene::text(&conversation.next(context)));
                prop_assert_eq!(&asked, &again, "that was no answer");
            }
            container.speaks_over(conversation.connection().map_or(0, |connection| connection.number));
            let world = dice.next().map(|dice| world(&mut container, &asked, dice));
            let world = world.unwrap_or(World::Closes);
            scene.step(&mut conversation, world);
            seen.look(&mut conversation, &scene);
        }
        prop_assert_eq!(scene.step(&mut conversation, World::Hears(head(200))), "done");
        let (result, traffic) = conversation.take_end();

        let resend = scene.settings.usual.resend;
        prop_assert!(traffic.repeats <= resend.repeats);
        let again = resend.retries.min(resend.repeats) as usize;
        prop_assert!(seen.written.len() <= 1 + again, "{:?}", seen);
        prop_assert!(traffic.attempts <= 1 + resend.retries.min(resend.repeats) + resend.retries.max(1));
        let ends = scene.client.ends;
        prop_assert!(ends <= 1);
        if result.is_ok() {
            prop_assert_eq!(ends, 1, "{}", &scene.client.got);
        }
        if let Err(failure) = &result {
            prop_assert!(!(failure.may_go_elsewhere && scene.client.has_got));
        }

        assert_pool_clean(&scene, result.is_ok() || ends == 1);
    }
}
