//! The rules of packets that go ahead, whatever container, client and sockets do.

use std::sync::Arc;

use proptest::prelude::*;

use super::container::{Container, kind_of};
use super::rules::{Seen, asked, assert_pool_clean, begun};
use super::scene::{self, World, ask_for, chunk, end};
use super::*;
use crate::config::WorkerSettings;
use crate::exchange::{Ahead, RequestBody};

/// What comes of one thing: a kind, and how much of it.
type Dice = (u8, u16);

/// More steps than any request of this test takes whose container says so much.
const STEPS: usize = 5_000;

const SIZES: [u16; 6] = [8_186, 4_096, 4_095, 600, 9_000, 65_530];

#[derive(Clone, Debug)]
struct Setup {
    announced: bool,
    length: usize,
    first: usize,
    window: usize,
    shown: u32,
    polled: bool,
    /// The size that the container mostly asks for.
    size: usize,
}

prop_compose! {
    fn setups()(
        (announced, polled) in any::<(bool, bool)>(),
        (length, first, size) in (1_usize..150_000, 1_usize..8_187, 0..SIZES.len()),
        (window, shown) in (0_usize..100_000, 0_u32..20),
    ) -> Setup {
        Setup { announced, length, first, window, shown, polled, size }
    }
}

/// Mostly what it may say.
fn says(container: &mut Container, more: u16, setup: &Setup) -> Vec<u8> {
    let ask = ask_for(SIZES[setup.size]);
    match more % 50 {
        0 => end(true),
        1 => container.answers(200, [chunk("all of it"), end(true)].concat()),
        2 => [ask, container.answers(200, end(true))].concat(),
        3 => ask_for(SIZES[usize::from(more) % SIZES.len()]),
        4..=6 => ask.repeat(3),
        7 => chunk(""),
        8..=10 => container.answers(200, Vec::new()),
        11..=14 => container.answers(200, chunk("some of it")),
        // All of a long answer, before it reads on.
        15..=20 => container.answers(200, chunk(&".".repeat(8_000)).repeat(20)),
        21..=23 => [container.answers(200, ask), chunk("some of it")].concat(),
        24..=26 => container.pauses(ask, 4),
        _ => ask,
    }
}

/// What comes of the thing that is asked for.
fn world(container: &mut Container, asked: &str, (kind, more): Dice, setup: &Setup) -> World {
    match (kind_of(asked), kind % 16) {
        (_, 0) if more < 2_000 => World::Closes,
        ("receive", 0 | 1) if asked.starts_with("receive 0ns") => World::Late,
        ("receive", _) => container.goes_on(|container| says(container, more, setup)),
        ("send", 0..=5) => World::Takes(usize::from(more) / 2),
        ("send", 6..=8) | ("piece now", 0..=2) => World::No,
        ("piece now", 3..=6) => World::Has(usize::from(more) / 3),
        ("piece now", 7 | 8) => World::Has(usize::from(more) % 5_000),
        ("piece", 0..=7) => World::Late,
        ("wait rw" | "body wait", 0..=7) => World::Readable,
        ("wait rw" | "wait w" | "body wait", 8) if more < 10_000 => World::No,
        _ => World::Yes,
    }
}

fn scene(setup: &Setup) -> Scene {
    let data: Vec<u8> = (0..setup.length).map(|at| (at / 251) as u8 ^ at as u8).collect();
    let mut scene = match setup.announced {
        true => Scene::new(RequestBody::Announced, &data, Some(setup.first)),
        false => Scene::new(RequestBody::OnRequest, &data, None),
    }
    .warm();
    let mut worker = WorkerSettings::default();
    worker.set("uploadahead", &setup.window.to_string()).expect("a number");
    scene.settings.worker = Arc::new(worker);
    scene.client.is_polled = setup.polled;
    if setup.shown > 0 {
        scene.backend.upload_history().note(Ahead::Consumed(setup.shown), scene.start);
    }
    scene
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn no_short_packet_goes_ahead_no_connection_with_unread_ones_is_kept_and_reading_goes_on(
        setup in setups(),
        dice in prop::collection::vec(any::<Dice>(), 0..150),
    ) {
        let mut scene = scene(&setup);
        let mut conversation = scene.begin();
        let (mut container, mut seen) = (Container::default(), Seen::default());
        let (mut dice, mut steps) = (dice.into_iter(), 0);
        loop {
            let asked_for = scene.with(|context| scene::text(&conversation.next(context)));
            if asked_for == "done" {
                break;
            }
            steps += 1;
            prop_assert!(steps < STEPS, "no end: {}", asked_for);
            if let (Some(connection), true) = (conversation.connection(), asked_for.starts_with("piece ")) {
                let (_, asked) = asked(connection, &scene);
                let sent = begun(connection, &scene.request.packet).0.len();
                let waits = !asked_for.starts_with("piece now");
                prop_assert!(!waits || sent < asked, "waits for the client though nothing is due");
            }
            container.speaks_over(conversation.connection().map_or(0, |connection| connection.number));
            let world = dice.next().map(|dice| world(&mut container, &asked_for, dice, &setup));
            let world = world.unwrap_or(World::Closes);
            seen.check_is_heard(&mut conversation, &scene, (&asked_for, &world));
            scene.step(&mut conversation, world);
            seen.look(&mut conversation, &scene);
        }
        let (result, _) = conversation.take_end();

        assert_pool_clean(&scene, result.is_ok());
    }
}
