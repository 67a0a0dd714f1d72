//! Everything at once: each seed draws faults, limits and a schedule of clients, and what the design promises
//! is checked at every turn and at the end.
//!
//! More seeds: `FANFARE_SEEDS=0..20000 cargo test --profile sim --lib swarm`. A seed that fails prints how to repeat it.

use std::sync::atomic::{AtomicU64, Ordering};

mod actor;
mod plan;
mod run;

use run::Run;

/// Seeds of an ordinary run of the tests.
const SEEDS: std::ops::Range<u64> = 0..100;

/// So many of them are run twice, to see that a seed decides everything.
const SEEDS_REPEATED: u64 = 5;

/// The seeds that the environment asks for.
fn seeds() -> std::ops::Range<u64> {
    let Ok(text) = std::env::var("FANFARE_SEEDS") else { return SEEDS };
    let (from, to) = text.split_once("..").expect("FANFARE_SEEDS=from..to");
    from.parse().expect("a number")..to.parse().expect("a number")
}

/// Prints how to repeat a seed if its run panics.
struct Repeat(u64);

impl Drop for Repeat {
    fn drop(&mut self) {
        if std::thread::panicking() {
            let (from, to) = (self.0, self.0 + 1);
            eprintln!("repeat: FANFARE_SEEDS={from}..{to} cargo test --lib reactor::tests::swarm");
        }
    }
}

/// Keeps the other threads from further seeds if this one panics.
struct Last<'a>(&'a AtomicU64);

impl Drop for Last<'_> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.0.store(u64::MAX, Ordering::Relaxed);
        }
    }
}

fn run(seed: u64) -> u64 {
    let _repeat = Repeat(seed);
    Run::new(seed).finish()
}

#[test]
fn simulation() {
    let seeds = seeds();
    let next = AtomicU64::new(seeds.start);
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                let _last = Last(&next);
                while let Ok(seed) = next.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |next| {
                    (next < seeds.end).then(|| next + 1)
                }) {
                    run(seed);
                }
            });
        }
    });
}

#[test]
fn the_same_seed_does_the_same_calls() {
    for seed in seeds().take(SEEDS_REPEATED as usize) {
        assert_eq!(run(seed), run(seed), "seed {seed}");
    }
}
