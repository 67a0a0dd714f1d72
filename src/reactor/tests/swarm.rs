//! Everything at once: each seed draws faults, limits and a schedule of clients, and what the design promises
//! is checked at every turn and at the end.
//!
//! More seeds: `FANFARE_SEEDS=0..20000 cargo test --release --lib swarm`. A seed that fails prints how to repeat it.

mod actor;
mod plan;
mod run;

use run::Run;

/// Seeds of an ordinary run of the tests.
const SEEDS: std::ops::Range<u64> = 0..200;

/// So many of them are run twice, to see that a seed decides everything.
const SEEDS_REPEATED: u64 = 10;

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

fn run(seed: u64) -> u64 {
    let _repeat = Repeat(seed);
    Run::new(seed).finish()
}

#[test]
fn simulation() {
    for seed in seeds() {
        run(seed);
    }
}

#[test]
fn the_same_seed_does_the_same_calls() {
    for seed in seeds().take(SEEDS_REPEATED as usize) {
        assert_eq!(run(seed), run(seed), "seed {seed}");
    }
}
