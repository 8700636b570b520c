//! A request to a backend that sends any bytes, with a client and sockets that do anything: the fuzz target
//! `conversation`.

use std::sync::Arc;
use std::time::Duration;

use super::rules::{Seen, assert_pool_clean};
use super::scene::{self, World, ask_for, chunk, end, head, packets, pong};
use super::{Conversation, Scene, split};
use crate::backend::fake::FakeConnection;
use crate::config::{Pings, WorkerSettings};
use crate::exchange::{Ahead, RequestBody};
use crate::protocol::{BufferSlice, Response, digits};
use crate::proxy::{ClientError, Flush, Resend};

/// More steps than a request takes when the world does nothing unusual any more.
const STEPS: usize = 5_000;

/// Makes a request, and does with it what `data` says: first the settings, then what comes of each thing that is
/// asked for. At its end the container closes every connection.
///
/// # Panics
/// If a promise does not hold: nothing is sent again after the client had a byte, and never more often than is
/// allowed; nothing short is sent ahead; the client gets the bytes of the container's chunks and no more than
/// the response announces; a connection is kept only when it is clean; the container is heard while its socket has
/// no room; and the request ends.
pub fn check_any_backend(data: &[u8]) {
    let mut plan = Plan(data);
    let mut scene = scene(&mut plan);
    let mut conversation = scene.begin();
    let (mut seen, mut heard) = (Seen::default(), Heard::default());
    for step in 0.. {
        let asked = scene.with(|context| scene::text(&conversation.next(context)));
        if asked == "done" {
            break;
        }
        assert!(step < STEPS + data.len(), "no end: {asked}");
        let world = plan.world();
        seen.check_is_heard(&mut conversation, &scene, (&asked, &world));
        heard.note(&mut conversation, &asked, &world);
        scene.step(&mut conversation, world);
        seen.look(&mut conversation, &scene);
        heard.check(&scene, false);
    }
    let (result, traffic) = conversation.take_end();
    let (resend, client) = (scene.settings.usual.resend, &scene.client);
    let again = resend.retries.min(resend.repeats);
    assert!(traffic.repeats <= resend.repeats);
    assert!(seen.written.len() <= 1 + again as usize, "{seen:?}");
    assert!(traffic.attempts <= 1 + again + resend.retries.max(1));
    assert!(client.ends <= 1);
    match &result {
        Ok(_) => assert_eq!(client.ends, 1),
        Err(failure) => assert!(!(failure.may_go_elsewhere && client.has_got)),
    }
    heard.check(&scene, client.ends == 1);
    assert_pool_clean(&scene, client.ends == 1);
}

/// What is still to be read of the input.
struct Plan<'a>(&'a [u8]);

impl<'a> Plan<'a> {
    fn byte(&mut self) -> u8 {
        self.bytes(1).first().copied().unwrap_or(0)
    }

    fn number(&mut self) -> u16 {
        u16::from_be_bytes([self.byte(), self.byte()])
    }

    fn bytes(&mut self, count: usize) -> &'a [u8] {
        let (bytes, rest) = self.0.split_at(count.min(self.0.len()));
        self.0 = rest;
        bytes
    }

    fn world(&mut self) -> World {
        if self.0.is_empty() {
            return World::Closes;
        }
        match self.byte() % 32 {
            0..=5 => World::Yes,
            6 => World::No,
            7 => World::Takes(self.number().into()),
            8 => World::Closes,
            9 => World::Readable,
            10 => World::Late,
            11 | 12 => World::Has(self.number().into()),
            13 => World::Gone,
            14 => World::Client(ClientError::BodyTooShort { missing: 1 }),
            kind => World::Hears(self.said(kind)),
        }
    }

    fn said(&mut self, kind: u8) -> Vec<u8> {
        match kind {
            15 => pong(),
            16 => head(200),
            17 => head(self.number()),
            18 => self.chunk(),
            19 => chunk(""),
            20 => ask_for(self.number()),
            21 => ask_for(8_186).repeat(usize::from(self.byte() % 8)),
            22 | 23 => end(true),
            24 => end(self.byte() == 1),
            25 => self.announced(),
            // Any payload, framed.
            26 => {
                let length = self.byte().into();
                packets(&[self.bytes(length)])
            }
            27 => [head(200), self.chunk(), end(true)].concat(),
            // Several things at once.
            28 => {
                let (one, other) = (self.byte() % 32, self.byte() % 32);
                [self.said_at_once(one), self.said_at_once(other)].concat()
            }
            // Any bytes.
            29 => {
                let length = self.number().into();
                self.bytes(length).to_vec()
            }
            30 => {
                let length = usize::from(self.byte()) + 1;
                self.bytes(length).to_vec()
            }
            // All of a long answer, before it reads on.
            _ => chunk(&".".repeat(8_000)).repeat(usize::from(self.byte() % 20)),
        }
    }

    fn said_at_once(&mut self, kind: u8) -> Vec<u8> {
        match kind {
            15..=27 | 29.. => self.said(kind),
            _ => Vec::new(),
        }
    }

    fn chunk(&mut self) -> Vec<u8> {
        let length = self.byte();
        let data = self.bytes(length.into());
        let [high, low] = (data.len() as u16).to_be_bytes();
        packets(&[&[&[3, high, low], data, &[0]].concat()])
    }

    /// SEND_HEADERS with a Content-Length.
    fn announced(&mut self) -> Vec<u8> {
        let length = self.byte().to_string();
        let digits = [&[0, length.len() as u8], length.as_bytes(), &[0]].concat();
        packets(&[&[&[4, 0, 200, 0, 0, 0, 0, 1, 0xA0, 0x03][..], &digits].concat()])
    }
}

fn scene(plan: &mut Plan<'_>) -> Scene {
    let (kind, more, counts) = (plan.byte(), plan.byte(), plan.byte());
    let (length, first) = (usize::from(plan.number()), usize::from(plan.number()) % 8_187);
    let window = u32::from(plan.number()) * 2;
    let shown = u32::from(plan.byte()) % 20;
    let data: Vec<u8> = (0..length).map(|at| (at / 251) as u8 ^ at as u8).collect();
    let mut scene = match kind & 3 {
        1 if length > 0 => Scene::new(RequestBody::Announced, &data, Some(first.max(1))),
        1 | 2 => Scene::new(RequestBody::OnRequest, &data, None),
        _ => Scene::get(),
    };
    scene.request.facts.is_head = kind & 3 == 3;
    if kind & 4 != 0 {
        scene = scene.warm();
    }
    if kind & 8 != 0 {
        scene.settings.connect.pings = Pings::before_every_request(Duration::from_secs(1));
    }
    if kind & 16 != 0 {
        scene.request.packet = vec![0; 10_000];
    }
    let mut worker = WorkerSettings::default();
    worker.set("failstatus", "503").expect("a code");
    worker.set("uploadahead", &window.to_string()).expect("a number");
    scene.settings.usual.has_others = kind & 32 != 0;
    scene.settings.worker = Arc::new(worker);
    scene.client.is_polled = kind & 64 != 0;
    if shown > 0 {
        scene.backend.upload_history().note(Ahead::Consumed(shown), scene.start);
    }
    scene.settings.flush = match more & 3 {
        0 => Flush::On,
        1 => Flush::Auto(Duration::from_millis(1)),
        _ => Flush::Off,
    };
    scene.settings.usual.resend = Resend {
        retries: (counts & 3).into(),
        repeats: (counts >> 2 & 3).into(),
        is_alone: more & 4 != 0,
        connect_retries: (counts >> 4 & 1).into(),
        interval: Duration::from_millis(u64::from(kind >> 7)),
        after_send: [None, None, Some(false), Some(true)][usize::from(more >> 3 & 3)],
    };
    scene
}

/// What the container has said over the connection of the present attempt, and what of it the client had when it
/// was last looked at.
#[derive(Default)]
struct Heard {
    number: usize,
    bytes: Vec<u8>,
    checked: usize,
}

impl Heard {
    /// Notes what the container says in this step.
    fn note(
        &mut self,
        conversation: &mut Conversation<FakeConnection>,
        asked: &str,
        world: &World,
    ) {
        let Some(connection) = conversation.connection() else { return };
        if connection.number != self.number {
            (self.number, self.bytes) = (connection.number, connection.received.clone());
        }
        if let (World::Hears(bytes), true) = (world, asked.starts_with("receive")) {
            self.bytes.extend(bytes);
        }
    }

    /// Checks that the client has what the container's chunks say, and no more than the headers announce; all
    /// of it, if the response `has_ended`.
    fn check(&mut self, scene: &Scene, has_ended: bool) {
        let delivered = &scene.client.delivered;
        if delivered.len() == self.checked && !has_ended {
            return;
        }
        self.checked = delivered.len();
        let (mut said, mut announced, mut has_head) = (Vec::new(), None, false);
        for payload in split(&self.bytes).0 {
            match Response::decode(BufferSlice::from(payload)) {
                Ok(Response::SendHeaders(head)) if head.status >= 200 && !has_head => {
                    has_head = true;
                    let is_counted = !matches!(head.status, 204 | 205 | 304);
                    let length = head.content_lengths().next();
                    announced = length.and_then(digits).filter(|_| is_counted);
                }
                Ok(Response::SendBodyChunk(chunk)) => said.extend(&*chunk.data),
                Ok(Response::EndResponse(_)) => break,
                Ok(_) => {}
                Err(_) => break,
            }
        }
        assert!(said.starts_with(delivered), "the client has what the container did not say");
        if let (Some(length), false) = (announced, scene.request.facts.is_head) {
            assert!(delivered.len() as u64 <= length, "more than the {length} bytes announced");
            assert!(!has_ended || delivered.len() as u64 == length, "a response cut or too long");
        }
        assert!(!has_ended || said.len() == delivered.len(), "a part of the response is missing");
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::check_any_backend;

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(2_000))]

        #[test]
        fn the_promises_hold_whatever_the_backend_sends(
            data in prop::collection::vec(any::<u8>(), 0..300),
        ) {
            check_any_backend(&data);
        }
    }

    /// A GET, its way to a connection, and then this.
    fn get(rest: &[u8]) -> Vec<u8> {
        [&[0; 10][..], &[0; 3], rest].concat()
    }

    // What reaches no line that other inputs do not reach, so that fuzzing does not keep it.
    #[test]
    fn the_promises_hold_with_something_behind_the_end() {
        for behind in [22, 16, 15, 19, 20, 30] {
            let one_and_other = [28, 27, behind, 2, b'h', b'i', 0, b'A'];
            check_any_backend(&get(&one_and_other));
        }
    }

    #[test]
    fn the_promises_hold_with_body_packets_ahead_that_the_container_has_not_read() {
        // A POST of unknown length, with all of its body there, and all that may go ahead.
        let post = [2 + 64, 0, 0, 0xFF, 0xFF, 0, 0, 0xFF, 0xFF, 19];
        for steps in 0..8 {
            let asked = [0, 0, 0, 20, 0x1F, 0xFA];
            let answered = [27, 2, b'h', b'i'];
            let plan = [&post[..], &asked, &[0; 8][..steps], &answered].concat();
            check_any_backend(&plan);
        }
    }

    #[test]
    fn the_promises_hold_for_the_kept_corpus() {
        let kept = concat!(env!("CARGO_MANIFEST_DIR"), "/fuzz/corpus/conversation");
        let inputs = std::fs::read_dir(kept).expect("a kept corpus");
        let count = inputs.map(|input| {
            let path = input.expect("readable").path();
            eprintln!("{}", path.display());
            check_any_backend(&std::fs::read(path).expect("readable"));
        });
        assert!(count.count() > 0);
    }
}
