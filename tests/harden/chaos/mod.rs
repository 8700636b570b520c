//! Chaos: clients that leave, containers that misbehave, children that are killed, restarts and orders, all at once,
//! by a plan that a seed repeats (the moments are the system's own).
//!
//! What must never happen, whatever else does: a client gets a part of another's answer, or a cut answer that looks
//! whole; a POST is executed twice; a request hangs; a process ends by a signal that nobody has sent. Afterwards
//! nothing is held: no connection in use, no request that waits, no socket that its container has closed.

mod accounts;
mod answer;
mod client;
mod curl;
mod disturbance;
mod explained;
mod peer;
mod scene;
mod tally;

use std::env;
use std::time::Duration;

use test_support::httpd::Mpm;

use scene::Scene;

#[test]
fn whatever_happens_each_client_gets_its_own_whole_answer_or_an_error() {
    let number = |name: &str, unset| {
        env::var(name).ok().map_or(unset, |text| text.parse::<u64>().expect(name))
    };
    let seconds = Duration::from_secs(number("AJP_SECONDS", 10));
    let first = number("AJP_SEED", 1);
    for seed in first..first + number("AJP_RUNS", 1) {
        let mpm = [Mpm::Event, Mpm::Worker, Mpm::Prefork][seed as usize % 3];
        // What is wrong with the answers is said before httpd ends, which may find crashes.
        let mut scene = Scene::start(mpm, seed);
        let tally = scene.run(seconds);
        println!("seed {seed} {mpm:?}: {tally}");
        tally.check();
    }
}
