//! Nothing is allocated per message. What one thread of a run allocates from its first turn to its last is counted,
//! with few messages and with ten times as many in the same time: connections, handshakes and seconds cost the same in
//! both, so the difference is what the messages cost.
//!
//! What may grow: a histogram when a longer time is recorded, a list that doubles when there is more under way than
//! ever before, and what is kept of a second when a busy machine makes the run longer.
use std::sync::Arc;
use std::thread::JoinHandle;

use clap::Parser as _;
use fanfare::{BroadcastOptions, PublishPolicy, Server, Stopper};

use crate::cli::{Cli, Scenario as Args, Verb};
use crate::load::{Load, LoadSettings};
use crate::run::{self, Scenario};
use crate::scenario::{Broadcast, RoundTrips};
use crate::team::{Shared, Team};

/// Of lists and histograms, and of seconds: 5 to 40 on an idle machine, for 9,000 messages more or 30,000.
const GROWTH_ALLOCATIONS_MAX: u64 = 128;

/// fanfare, on a thread of its own: what it allocates is not counted.
struct Peer {
    address: String,
    stopper: Stopper,
    running: Option<JoinHandle<()>>,
}

impl Peer {
    fn start() -> Peer {
        let options =
            BroadcastOptions { publish: Some(PublishPolicy::All), echo: true, ..BroadcastOptions::default() };
        let server = Server::builder()
            .listen("127.0.0.1:0")
            .handler(move |_reactor| fanfare::Broadcast::new(options.clone()))
            .bind()
            .unwrap();
        let (address, stopper) = (server.local_addresses()[0].to_string(), server.stopper());
        let running = std::thread::spawn(move || server.run().unwrap());
        Peer { address, stopper, running: Some(running) }
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        self.stopper.stop();
        if let Some(running) = self.running.take() {
            let _ = running.join();
        }
    }
}

/// Allocations of a whole run, and its deliveries.
fn count(words: &str) -> (u64, u64) {
    let cli = Cli::try_parse_from(words.split_whitespace()).unwrap();
    let Verb::Run(args) = cli.verb else { panic!("{words}: no run") };
    let team = Team::new(Shared::new(1, Arc::default()), 0);
    let settings = crate::settings(&args).unwrap();
    match &*args {
        Args::Echo(args) => count_run(settings, RoundTrips::echo(args, None, &team), team),
        Args::Ping(args) => count_run(settings, RoundTrips::ping(args, None, &team), team),
        Args::Broadcast(args) => {
            let broadcast = Broadcast::new(&Broadcast::plan(args, None), &team);
            count_run(settings, broadcast, team)
        }
        Args::Check(_) | Args::Connect(_) | Args::Hold(_) | Args::Churn(_) => panic!("{words}: not counted"),
    }
}

fn count_run(settings: LoadSettings, mut scenario: impl Scenario, team: Team) -> (u64, u64) {
    let mut load = Load::new(settings, team).unwrap();
    let counted = allocation_counter::measure(|| run::run(&mut load, &mut scenario).unwrap());
    (counted.count_total, scenario.progress().delivered)
}

#[test]
fn ten_times_the_messages_cost_no_more_allocations() {
    let peer = Peer::start();
    for (scenario, path, few, many) in [
        ("broadcast", "/open", "--subscribers 10 --rate 300 -d 1s", "--subscribers 10 --rate 3k -d 1s"),
        ("broadcast", "/closed", "--subscribers 10 --saturate -n 200", "--subscribers 10 --saturate -n 2k"),
        ("echo", "/-/echo", "-c 2 --rate 1k -d 1s", "-c 2 --rate 10k -d 1s"),
        ("echo", "/-/echo", "-c 2 --inflight 4 -n 1k", "-c 2 --inflight 4 -n 10k"),
        ("ping", "/-/echo", "-c 2 --rate 1k -d 1s", "-c 2 --rate 10k -d 1s"),
    ] {
        let [(few_allocations, few), (many_allocations, many)] = [few, many]
            .map(|flags| count(&format!("loadgen {scenario} ws://{}{path} -W 0s {flags}", peer.address)));
        assert!(many > 5 * few, "{scenario}{path}: {few} and {many} deliveries");
        let more = many_allocations.saturating_sub(few_allocations);
        println!("{scenario}{path}: {few_allocations} allocations for {few}, {many_allocations} for {many}");
        assert!(more <= GROWTH_ALLOCATIONS_MAX, "{scenario}{path}: {more} more");
    }
}
