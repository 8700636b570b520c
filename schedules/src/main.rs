//! Runs the pool and the shared state of members under many schedules: orders in which threads meet.
//!
//! ```text
//! schedules [SCENARIO...] [--seconds N | --rounds N] [--seed N]
//! ```
//!
//! The sources are those of the module, compiled with the primitives in [`sync`]. A round gives each
//! scenario a batch of schedules, random ones and PCT's, all from the round's seed; the next round has the
//! next seed. A finding ends the program, and says how to repeat it.

#[macro_use]
#[path = "../../src/words.rs"]
mod words;

#[allow(dead_code, unused_imports, reason = "the module uses the rest")]
#[path = "../../src/balance/mod.rs"]
mod balance;
#[allow(dead_code, unused_imports, reason = "the module uses the rest")]
#[path = "../../src/pool/mod.rs"]
mod pool;
#[allow(dead_code, unused_imports, reason = "the module uses the rest")]
#[path = "../../src/shared/mod.rs"]
mod shared;
mod sync;

mod bell;
mod choice;
mod pool_scenarios;
mod pool_scene;
mod shared_scenarios;

use std::cell::RefCell;
use std::process::exit;
use std::time::{Duration, Instant};

use shuttle::scheduler::{PctScheduler, RandomScheduler, Scheduler};
use shuttle::{Config, Runner};

/// The schedules of one scenario in one round, by each of the two schedulers.
const BATCH: usize = 100;
/// The changes of priority in a schedule of PCT, and one: a fault that needs so many events in a certain order is found
/// with a known probability.
const DEPTH: usize = 4;

/// What threads do, and what must hold meanwhile and afterwards. A panic is a finding.
type Scenario = (&'static str, fn());

thread_local! {
    /// What runs now, for the report.
    static NOW: RefCell<String> = const { RefCell::new(String::new()) };
}

fn main() {
    let plan = Plan::read(std::env::args().skip(1)).unwrap_or_else(|error| {
        eprintln!("schedules: {error}");
        exit(2);
    });
    // No unwinding: what a failed schedule leaves is of no use, and destructors would go on with it.
    std::panic::set_hook(Box::new(|panic| {
        NOW.with_borrow(|now| println!("{panic}\nFINDING in {now}"));
        exit(1);
    }));
    let begin = Instant::now();
    let (mut seed, mut schedules) = (plan.seed, 0);
    while !plan.is_done(seed, begin.elapsed()) {
        for (name, scenario) in &plan.scenarios {
            NOW.set(format!("{name}; to repeat it: schedules/run {name} --rounds 1 --seed {seed}"));
            schedules += run(RandomScheduler::new_from_seed(seed, BATCH), *scenario);
            schedules += run(PctScheduler::new_from_seed(seed, DEPTH, BATCH), *scenario);
        }
        seed += 1;
    }
    let scenarios = plan.scenarios.len();
    println!(
        "seeds {} to {}: {schedules} schedules of {scenarios} scenarios, no finding",
        plan.seed,
        seed - 1
    );
}

fn run(scheduler: impl Scheduler + 'static, scenario: fn()) -> usize {
    let mut config = Config::new();
    config.silence_warnings = true;
    Runner::new(scheduler, config).run(scenario)
}

/// The command line.
struct Plan {
    scenarios: Vec<Scenario>,
    seconds: Option<u64>,
    rounds: u64,
    seed: u64,
}

impl Plan {
    fn read(arguments: impl Iterator<Item = String>) -> Result<Self, String> {
        let mut plan = Self { scenarios: Vec::new(), seconds: None, rounds: 10, seed: 1 };
        let all = [pool_scenarios::ALL, shared_scenarios::ALL].concat();
        let mut arguments = arguments.peekable();
        while let Some(argument) = arguments.next() {
            let mut number = || {
                let text = arguments.next().unwrap_or_default();
                text.parse::<u64>().map_err(|_| format!("{argument}: a number, not `{text}`"))
            };
            match argument.as_str() {
                "--seconds" => plan.seconds = Some(number()?),
                "--rounds" => plan.rounds = number()?,
                "--seed" => plan.seed = number()?,
                name => {
                    let known = all.iter().find(|(known, _)| *known == name);
                    plan.scenarios.push(*known.ok_or_else(|| format!("no scenario `{name}`"))?);
                }
            }
        }
        if plan.scenarios.is_empty() {
            plan.scenarios = all;
        }
        Ok(plan)
    }

    /// At least one round is run.
    fn is_done(&self, seed: u64, spent: Duration) -> bool {
        let rounds = seed - self.seed;
        match self.seconds {
            Some(seconds) => rounds > 0 && spent.as_secs() >= seconds,
            None => rounds >= self.rounds,
        }
    }
}
