//! What a server of a million connections and a hundred thousand channels costs: its memory, and
//! its work at rest and per delivery. The run takes two gigabytes, most of them for the simulated
//! network, and half a minute, so it is started by hand:
//!
//! `cargo test --profile sim --lib -- --ignored --nocapture a_million_connections`

use std::time::Duration;

use super::super::ReactorLimits;
use super::frames::handshake;
use super::timed::TimedWorld;
use super::world::{PORT, Setting};
use crate::hub::HubLimits;
use crate::net::sim::SimPeer;
use crate::protocol::MessageKind;

const CONNECTIONS: usize = 1_000_000;
const CHANNELS: usize = 100_000;
/// How many of the channels are published to, one message each.
const PUBLISHED: usize = 1_000;

/// Returns the memory of this process that is in use, in bytes.
fn resident_bytes() -> i64 {
    let statm = std::fs::read_to_string("/proc/self/statm").expect("this is Linux");
    let pages = statm.split(' ').nth(1).and_then(|pages| pages.parse::<i64>().ok());
    4_096 * pages.expect("the second number")
}

/// Returns the processor time of this process, in seconds.
fn processor_secs() -> f64 {
    let stat = std::fs::read_to_string("/proc/self/stat").expect("this is Linux");
    let fields: Vec<_> = stat.rsplit(')').next().expect("a name").split(' ').collect();
    let ticks = |place: usize| fields[place].parse::<f64>().expect("a number");
    // utime and stime, the fields 14 and 15 of all, in hundredths of a second.
    (ticks(12) + ticks(13)) / 100.0
}

/// Connects peers, which send their handshakes and throw away what they receive.
fn connect(server: &TimedWorld, numbers: std::ops::Range<usize>) -> Vec<SimPeer> {
    server.sim.set_moment(server.now());
    let connect = |number: usize| {
        let peer = server.sim.connect(PORT);
        peer.set_discarding(true);
        peer.send(&handshake(&format!("/channel-{}", number % CHANNELS)));
        peer
    };
    numbers.map(connect).collect()
}

/// Connects these peers. Returns them, and the server's memory for each in bytes.
fn come(server: &mut TimedWorld, numbers: std::ops::Range<usize>) -> (Vec<SimPeer>, f64) {
    let count = numbers.len();
    let peers = connect(server, numbers);
    let before = resident_bytes();
    let opened = server.log.borrow().open;
    while server.log.borrow().open < opened + count {
        server.run_for(Duration::from_millis(100), &mut ());
    }
    let bytes = (resident_bytes() - before) as f64 / count as f64;
    (peers, bytes)
}

#[test]
#[ignore = "takes two gigabytes and half a minute"]
fn a_million_connections() {
    let mut server = TimedWorld::new(Setting {
        limits: ReactorLimits {
            connections_max: 2 * CONNECTIONS,
            // No pings are sent, so that their cost is not part of the figures.
            ping_interval: Duration::from_secs(24 * 3600),
            ..ReactorLimits::default()
        },
        hub: HubLimits { memory_bytes: 4 << 30, ..HubLimits::default() },
        ..Setting::default()
    });
    let (first, with_channel) = come(&mut server, 0..CHANNELS);
    let (rest, alone) = come(&mut server, CHANNELS..CONNECTIONS);
    println!("{CONNECTIONS} connections, {CHANNELS} channels");
    println!("memory per connection with a subscription: {alone:.0} bytes");
    println!("memory per channel: {:.0} bytes", with_channel - alone);

    // Waits until the handshakes, and the work that follows them, are over.
    server.run_for(Duration::from_secs(10), &mut ());
    server.forget_turns();
    let (seconds, processor) = (10, processor_secs());
    server.run_for(Duration::from_secs(seconds), &mut ());
    let (turns, busy) = (server.turns_made, server.busy);
    println!(
        "at rest: {} turns per second, {:.1?} per turn, {:.3} % of a core (cost model); \
         {:.2} % by the clock of this machine",
        turns / seconds,
        busy / turns.max(1) as u32,
        busy.as_secs_f64() / seconds as f64 * 100.0,
        (processor_secs() - processor) / seconds as f64 * 100.0,
    );

    server.forget_turns();
    let processor = processor_secs();
    let deliveries = PUBLISHED * CONNECTIONS / CHANNELS;
    for channel in 0..PUBLISHED {
        server.publish(&format!("channel-{channel}"), MessageKind::Text, b"a message of 20 bytes");
        server.run_for(Duration::from_millis(1), &mut ());
    }
    println!(
        "per delivery, to {} subscribers each: {:.2?} (cost model, sends included); {:.2} µs by \
         the clock of this machine, the simulator included",
        CONNECTIONS / CHANNELS,
        server.busy / deliveries as u32,
        (processor_secs() - processor) * 1e6 / deliveries as f64,
    );
    let delivered = first.iter().chain(&rest).filter(|peer| peer.received_at() > server.began);
    assert_eq!(delivered.count(), deliveries);
}
