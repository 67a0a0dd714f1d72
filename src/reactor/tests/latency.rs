//! Tests of latency: whatever other peers do, no turn of a reactor is long, and no bystander waits
//! long. In these scenes system calls and work take simulated time (`net/sim/costs.rs`), so the
//! figures are the same on every machine.
//!
//! `cargo test --profile sim --lib latency -- --include-ignored --nocapture` prints for each scene
//! the longest turn, with the steps that took most of it, and how long bystanders waited. Some
//! scenes take long in a build without optimisation, and are ignored there.

use std::time::Duration;

mod bystander;
mod crowd;
mod random;
mod scene;

use super::super::limits::PATIENCE;
use super::client::Client;
use super::frames::Opcode;
use super::swarm::for_each_seed;
use bystander::Kind;
use crowd::{Announcer, Flood, Handshakes, Once, Publishers, readers};
use scene::{Bounds, Report, Scene};

/// A scene: 3,000 readers of one channel, and four peers that flood it with messages of 256 bytes.
/// Runs for this much simulated time.
fn flood(reactors: usize, kinds: &[Kind], duration: Duration) -> Report {
    let mut scene = Scene::new("a flooded channel", reactors, 1);
    scene.invite(kinds);
    let readers = readers(&mut scene.server, 3_000, "/hall");
    let publishers = scene.server.open_many(4, |_| "/hall".to_owned());
    let mut flood = Flood::of(&scene.server, publishers, Opcode::Binary, &[7; 256]);
    // At first the segments of the log are small, and so are the sends, so this time is not
    // measured.
    scene.run(Duration::from_millis(200), &mut flood);
    let report = scene.run(duration, &mut flood);
    assert_eq!(flood.gone(), 0, "no publisher is closed");
    assert!(!readers.iter().any(Client::is_gone), "nobody is cut off who reads");
    report
}

#[test]
fn bystanders_of_a_flooded_channel_do_not_wait() {
    flood(1, &Kind::ALL, Duration::from_millis(800)).check(Bounds::ALL);
}

#[test]
#[ignore = "slow unless optimised"]
fn bystanders_of_a_flooded_channel_do_not_wait_on_two_reactors() {
    flood(2, &Kind::ALL, Duration::from_secs(1)).check(Bounds::ALL);
}

#[test]
#[ignore = "slow unless optimised"]
fn bystanders_of_a_flooded_channel_do_not_wait_on_four_reactors() {
    flood(4, &Kind::ALL, Duration::from_secs(1)).check(Bounds::ALL);
}

/// Compares the throughput with that of a server whose turns have no budgets: the bounds are 2 %
/// below what such a server delivered. No bystanders are served, so any loss of throughput is what
/// the budgets cost.
#[test]
#[ignore = "slow unless optimised"]
fn a_flooded_channel_is_as_fast_as_without_budgets() {
    for (reactors, deliveries) in [(1, 21_200_000), (2, 42_300_000), (4, 82_400_000)] {
        let rate = flood(reactors, &[], Duration::from_secs(3)).deliveries_per_second;
        assert!(rate >= deliveries, "{reactors} reactors: {rate} deliveries per second");
    }
}

/// Peers flood channels of which one reactor is the home, so much that the rings to it fill up.
fn flood_home(reactors: usize, peers: usize, payload_bytes: usize) {
    let mut scene = Scene::new("a flooded home", reactors, 1);
    scene.invite(&Kind::ALL);
    let channels = scene.server.channels_at(reactors - 1, peers / 2);
    let path = |number: usize| format!("/{}", channels[number % channels.len()]);
    let publishers = scene.server.open_many(peers, path);
    let mut flood = Flood::of(&scene.server, publishers, Opcode::Binary, &vec![7; payload_bytes]);
    scene.run(Duration::from_secs(1), &mut flood).check(Bounds::ALL);
    assert_eq!(flood.gone(), 0, "no publisher is closed");
}

#[test]
fn peers_that_flood_the_channels_of_one_home_hold_nobody_up() {
    flood_home(2, 100, 256);
}

#[test]
#[ignore = "slow unless optimised"]
fn a_thousand_peers_that_flood_the_channels_of_one_home_hold_nobody_up() {
    flood_home(2, 1_000, 256);
    flood_home(4, 1_000, 256);
    flood_home(2, 200, 8_000);
}

/// Returns how long the last of a thousand readers waits for a message, beside peers that flood the
/// server with pings.
fn last_of_a_thousand(pinging: usize) -> Duration {
    let mut scene = Scene::new(&format!("{pinging} flood pings"), 1, 1);
    scene.invite(&Kind::ALL);
    let mut announcer = Announcer::new(&mut scene.server, 1_000, Duration::from_millis(300));
    let peers = scene.server.open_many(pinging, |_| "/echo".to_owned());
    let flood = Flood::of(&scene.server, peers, Opcode::Ping, b"ping");
    let report = scene.run(Duration::from_secs(2), &mut (&mut announcer, flood));
    eprintln!("  the last of 1,000 readers: {:.2?}", announcer.waits);
    report.check(Bounds::ALL);
    announcer.waits.into_iter().max().expect("some announcements")
}

#[test]
#[ignore = "slow unless optimised"]
fn a_flood_of_pings_makes_the_last_reader_at_most_twice_as_late() {
    let [alone, beside_pings] = [0, 200].map(last_of_a_thousand);
    assert!(beside_pings <= 2 * alone, "{beside_pings:?} instead of {alone:?}");
}

/// Starts a scene with subscribers that read nothing. Their send buffers are small, so they are
/// soon blocked.
fn with_stalled(
    name: &str,
    reactors: usize,
    kinds: &[Kind],
    stalled: usize,
    path: &str,
) -> (Scene, Vec<Client>) {
    let mut scene = Scene::with(name, reactors, 1, |setting| {
        setting.sim.send_buffer_bytes = 1_024;
        setting.hub.channel_buffer_bytes = 64 * 1024;
    });
    scene.invite(kinds);
    let clients = scene.server.open_many(stalled, |_| path.to_owned());
    clients.iter().for_each(Client::stall);
    (scene, clients)
}

fn cut(reactors: usize, bounds: Bounds) {
    let (mut scene, stalled) =
        with_stalled("8,000 are cut off", reactors, &Kind::ALL, 8_000, "/hall");
    let publisher = scene.server.open_many(1, |_| "/hall".to_owned());
    let pace = (300, Duration::from_millis(2));
    let mut publisher = Publishers::new(&scene.server, publisher, 1_000, pace);
    let report = scene.run(Duration::from_secs(1), &mut publisher);
    let log = scene.server.log.borrow();
    let cut = log.closed.iter().filter(|(_, code, _)| *code == 4008).count();
    assert_eq!(cut, stalled.len(), "everybody who stalls is told");
    report.check(bounds);
}

#[test]
#[ignore = "slow unless optimised"]
fn one_message_that_cuts_off_thousands_holds_nobody_up() {
    cut(1, Bounds::ALL);
}

#[test]
#[ignore = "slow unless optimised"]
fn one_message_that_cuts_off_thousands_holds_nobody_up_on_two_reactors() {
    cut(2, Bounds::ALL);
}

/// Cuts off this many connections, with two subscriptions each. Returns how long the reactors were
/// busy.
fn busy_with_two_each(connections: usize, bounds: Bounds) -> Duration {
    let (mut scene, stalled) = with_stalled("two subscriptions each", 1, &[], connections, "/two");
    let publishers = scene.server.open_many(2, |number| ["/two-a", "/two-b"][number].to_owned());
    let pace = (200, Duration::from_millis(1));
    let mut publishers = Publishers::new(&scene.server, publishers, 1_000, pace);
    let report = scene.run(Duration::from_millis(600), &mut publishers);
    let closed = scene.server.log.borrow().closed.len();
    assert!(closed >= stalled.len(), "everybody falls off: {closed}");
    report.check(bounds);
    let busy = scene.server.busy;
    // Runs on until the last of the clients that were given time to read their Close frames are
    // gone.
    scene.run(2 * PATIENCE, &mut publishers).check(bounds);
    busy + scene.server.busy
}

#[test]
fn subscriptions_fall_off_in_linear_time() {
    let bounds = Bounds::ALL;
    let busy = [1_000, 4_000].map(|connections| busy_with_two_each(connections, bounds));
    assert!(busy[1] < 5 * busy[0], "four times as many take {busy:.2?}");
}

#[test]
#[ignore = "slow unless optimised"]
fn forty_thousand_subscriptions_fall_off_in_linear_time() {
    let bounds = Bounds::ALL;
    let busy = [5_000, 20_000].map(|connections| busy_with_two_each(connections, bounds));
    eprintln!("  four times as many subscriptions take {busy:.2?}");
    assert!(busy[1] < 5 * busy[0], "four times as many take {busy:.2?}");
}

/// A scene of stalled subscribers, each on a channel of its own, whose logs take all memory: some
/// channels get many large messages, and others fill the rest of the memory with small ones.
fn strangers(reactors: usize, bounds: Bounds) {
    let mut scene = Scene::with("strangers who stall", reactors, 1, |setting| {
        setting.sim.send_buffer_bytes = 1_024;
        setting.hub.memory_bytes = reactors * (48 << 20);
    });
    scene.invite(&Kind::ALL);
    let server = &mut scene.server;
    let mut publishers = Vec::new();
    for (count, name, payload_bytes, interval) in
        [(200, "large", 16 << 10, 10), (2_000, "small", 2_000, 100)]
    {
        let strangers = server.open_many(count, |number| format!("/{name}-{number}"));
        strangers.iter().for_each(Client::stall);
        let pace = (60, Duration::from_millis(interval));
        publishers.push(Publishers::new(server, strangers, payload_bytes, pace));
    }
    let report = scene.run(Duration::from_secs(1), &mut publishers[..]);
    report.check(bounds);
}

#[test]
#[ignore = "slow unless optimised"]
fn strangers_who_stall_on_channels_of_their_own_do_not_have_posts_refused() {
    strangers(1, Bounds::ALL);
}

#[test]
#[ignore = "slow unless optimised"]
fn strangers_who_stall_do_not_have_posts_refused_on_two_reactors() {
    strangers(2, Bounds::ALL);
}

/// A scene: five thousand readers leave at the same moment.
fn leave(how: &str, leave: impl Fn(&Client)) {
    let mut scene = Scene::new(how, 1, 1);
    scene.invite(&Kind::ALL);
    let readers = readers(&mut scene.server, 5_000, "/hall");
    let moment = scene.server.now() + Duration::from_millis(50);
    let mut all = Once::at(moment, |_| readers.iter().for_each(&leave));
    scene.run(Duration::from_secs(1), &mut all).check(Bounds::ALL);
}

#[test]
#[ignore = "slow unless optimised"]
fn thousands_of_resets_hold_nobody_up() {
    leave("5,000 reset", |reader| reader.peer.reset());
}

#[test]
#[ignore = "slow unless optimised"]
fn thousands_who_end_their_side_hold_nobody_up() {
    leave("5,000 leave", |reader| reader.peer.close_write());
}

/// A scene: five thousand new clients connect at the same moment.
fn arrive(name: &str, reactors: usize, path: impl Fn(usize) -> String) {
    let mut scene = Scene::new(name, reactors, 1);
    // No bystander opens new connections: they would wait in the kernel's queue behind the five
    // thousand.
    scene.invite(&[Kind::Ping, Kind::Publish, Kind::Post]);
    let moment = scene.server.now() + Duration::from_millis(50);
    let mut clients = Vec::new();
    let mut all = Once::at(moment, |server| {
        for number in 0..5_000 {
            let client = server.connect();
            client.upgrade(&path(number));
            clients.push(client);
        }
    });
    let report = scene.run(Duration::from_secs(1), &mut all);
    let are_open = clients.iter_mut().all(|client| client.answered().is_some());
    assert!(are_open, "everybody gets in");
    report.check(Bounds::ALL);
}

/// Five hundred new clients begin their TLS handshakes at the same moment, which take a core more
/// than a tenth of a second.
#[test]
fn a_storm_of_handshakes_holds_nobody_up() {
    let mut scene = Scene::with("500 shake hands", 1, 1, |setting| setting.speaks_tls = true);
    scene.invite(&[Kind::Ping, Kind::Publish, Kind::Post]);
    let mut storm = Handshakes::of(&scene.server, 500, "/hall");
    let report = scene.run(Duration::from_millis(500), &mut storm);
    assert!(storm.are_all_open(), "everybody gets in");
    report.check(Bounds::millis(3, 10, 3));
}

#[test]
fn a_crowd_that_subscribes_to_one_channel_holds_nobody_up() {
    arrive("5,000 subscribe to one channel", 1, |_| "/hall".to_owned());
}

#[test]
#[ignore = "slow unless optimised"]
fn a_crowd_that_subscribes_to_channels_of_its_own_holds_nobody_up() {
    arrive("5,000 subscribe to 5,000 channels", 2, |number| format!("/own-{number}"));
}

/// New clients subscribe to a channel whose home, another reactor, does not run for a tenth of a
/// second. Its answer then completes all of these subscriptions at once.
#[test]
fn newcomers_who_have_waited_for_a_home_are_let_in_bit_by_bit() {
    let mut scene = Scene::new("6,000 have waited for a home", 2, 1);
    let channel = scene.server.channel_at(1);
    scene.server.hold_up(1, Duration::from_millis(100));
    scene.server.sim.set_moment(scene.server.now());
    let mut clients: Vec<_> = (0..6_000).map(|_| scene.server.connect()).collect();
    clients.iter().for_each(|client| client.upgrade(&format!("/{channel}")));
    let report = scene.run(Duration::from_millis(400), &mut ());
    assert!(clients.iter_mut().all(|client| client.answered().is_some()), "everybody gets in");
    // To let in all who have waited would take six milliseconds.
    report.check(Bounds::millis(3, 50, 5));
}

/// Clients connect together and send nothing, so all their timeouts end together.
#[test]
#[ignore = "slow unless optimised"]
fn timeouts_that_end_together_hold_nobody_up() {
    let mut scene = Scene::new("10,000 time out", 1, 1);
    scene.server.sim.set_moment(scene.server.now());
    let clients: Vec<_> = (0..10_000).map(|_| scene.server.connect()).collect();
    let report = scene.run(Duration::from_secs(8), &mut ());
    assert!(clients.iter().all(Client::is_gone), "nobody stays who sends nothing");
    report.check(Bounds::ALL);
}

/// A reactor with many idle connections is not busier than one with few.
#[test]
fn idle_connections_cost_nothing() {
    let busy = [100, 10_000].map(|idle| {
        let mut scene = Scene::with(&format!("{idle} idle"), 1, 1, |setting| {
            // No pings are sent: a connection that is pinged is not idle.
            setting.limits.ping_interval = Duration::from_secs(3_600);
        });
        let _readers = readers(&mut scene.server, idle, "/hall");
        // The clients' handshake deadlines fall in this time, and are found to be met.
        scene.run(Duration::from_secs(7), &mut ()).check(Bounds::ALL);
        scene.run(Duration::from_secs(5), &mut ()).check(Bounds::ALL);
        scene.server.busy
    });
    assert!(busy[1] <= 2 * busy[0], "busy for {busy:.2?}");
}

/// A drain closes readers gradually.
#[test]
#[ignore = "slow unless optimised"]
fn a_drain_of_thousands_holds_nobody_up() {
    let mut scene = Scene::new("5,000 are drained", 1, 1);
    let readers = readers(&mut scene.server, 5_000, "/hall");
    scene.server.drain();
    let report = scene.run(Duration::from_secs(25), &mut ());
    assert!(readers.iter().all(Client::is_gone), "a drain ends");
    report.check(Bounds::ALL);
}

/// The seeds of a test run without the environment variable `FANFARE_SEEDS`.
const SEEDS: std::ops::Range<u64> = 0..2;

/// The bounds of random scenes. Several crowds act at once, so half of the bystanders may wait a
/// little longer than in the other scenes.
const RANDOM: Bounds = Bounds::millis(10, 50, 10);

#[test]
fn random_scenes() {
    for_each_seed(SEEDS, "reactor::tests::latency", |seed| random::run(seed).check(RANDOM));
}

/// In seed 262, small messages filled the ring to their channel's home and the ring back, and a
/// turn took only half as many of them as it could. In seed 411, 150 peers began to flood at the
/// same moment, and whoever became ready next waited until a thousand frames of each were decoded.
#[test]
#[ignore = "slow unless optimised"]
fn random_scenes_that_have_failed_pass() {
    [262, 411].into_iter().for_each(|seed| random::run(seed).check(RANDOM));
}

#[test]
#[ignore = "slow unless optimised"]
fn the_same_scene_does_the_same_calls() {
    assert_eq!(random::run(0).hash, random::run(0).hash);
}
