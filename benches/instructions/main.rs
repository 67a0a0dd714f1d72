//! Instructions that the release server spends on one unit of each kind of work, counted by
//! valgrind's callgrind. `benches/instructions/run.sh` builds the server and starts this.
//!
//! The kernel's instructions are not counted. Each figure is the difference of two runs of
//! different lengths, divided by the units between them: what starting, connecting and ending cost
//! is the same in both and cancels out. The load is one client on plain sockets that sends a fixed
//! number of messages and waits for every reply, so the work is the same each time, and a busy
//! machine changes nothing.

mod client;
mod scenes;
mod server;

use std::collections::BTreeMap;
use std::process::{Command, ExitCode};
use std::{env, fs};

use serde_json::Value;

use scenes::{SCENES, Scene};
use server::Server;

/// How far a figure may differ from the baseline, as a fraction of it.
const TOLERANCE: f64 = 0.02;

/// The file with the baseline, beside this one.
const BASELINE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/benches/instructions/baseline.json");

type Figures = BTreeMap<&'static str, u64>;

fn main() -> ExitCode {
    // `cargo bench` adds the argument `--bench`.
    let mut arguments: Vec<_> = env::args().skip(1).filter(|one| one != "--bench").collect();
    let write = arguments.iter().position(|one| one == "--write").map(|at| arguments.remove(at));
    let [server] = &*arguments else {
        eprintln!("Run benches/instructions/run.sh [--write]: it passes the server to count.");
        return ExitCode::FAILURE;
    };
    let figures: Figures =
        SCENES.iter().map(|scene| (scene.name, per_unit(server, scene))).collect();
    if write.is_some() {
        write_baseline(&figures);
        println!("Written to {BASELINE}. Say in the commit's body why the figures changed.");
        return ExitCode::SUCCESS;
    }
    if compare(&figures) { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn per_unit(server: &str, scene: &Scene) -> u64 {
    let [few, many] = [scene.few, scene.many].map(|rounds| {
        let mut server = Server::start(server, scene.flags);
        (scene.run)(&mut server, rounds);
        server.end()
    });
    (many - few) / ((scene.many - scene.few) * scene.units) as u64
}

/// Prints each figure beside the baseline. Returns false if one differs by more than `TOLERANCE`.
fn compare(figures: &Figures) -> bool {
    let text = fs::read_to_string(BASELINE).unwrap();
    let baseline: Value = serde_json::from_str(&text).unwrap();
    let mut is_near = true;
    println!("{:<10} {:>9} {:>9} {:>8}", "", "baseline", "now", "change");
    for (name, now) in figures {
        let before = baseline[name].as_u64().unwrap_or_else(|| panic!("the baseline lacks {name}"));
        let change = *now as f64 / before as f64 - 1.0;
        let mark = if change.abs() > TOLERANCE { "  <--" } else { "" };
        println!("{name:<10} {before:>9} {now:>9} {:>+7.2}%{mark}", change * 100.0);
        is_near &= change.abs() <= TOLERANCE;
    }
    if !is_near {
        println!(
            "A figure is more than 2 % from the baseline. If that is not meant, mend it. If it is \
             meant, run\n  benches/instructions/run.sh --write\nand commit the baseline with the \
             change; say in the commit's body why."
        );
        let rustc = rustc();
        if baseline["rustc"] != *rustc {
            println!("The baseline is of {}, this is {rustc}.", baseline["rustc"]);
        }
    }
    is_near
}

fn write_baseline(figures: &Figures) {
    let mut baseline: BTreeMap<&str, Value> =
        figures.iter().map(|(name, figure)| (*name, (*figure).into())).collect();
    baseline.insert("rustc", rustc().into());
    let text = serde_json::to_string_pretty(&baseline).unwrap();
    fs::write(BASELINE, text + "\n").unwrap();
}

fn rustc() -> String {
    let output = Command::new("rustc").arg("--version").output().unwrap();
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}
