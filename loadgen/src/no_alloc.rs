//! Tests that nothing is allocated per message. They count what one thread of a run allocates from
//! its first turn to its last, once with few messages and once with ten times as many in the same
//! time. Connections, handshakes and seconds cost the same in both runs, so the difference is the
//! cost of the messages.
//!
//! Some growth is allowed: a histogram grows when a longer time is recorded, a list doubles when
//! more messages are unanswered than ever before, and a busy machine makes the run longer, so that
//! there are more seconds to store.
use std::io::Write as _;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};

use clap::Parser as _;
use fanfare::protocol::{Opcode, encode_frame};

use crate::cli::command::{Cli, ScenarioArgs as Args, Verb};
use crate::fanout::traffic::Traffic;
use crate::run::load::{Load, LoadSettings};
use crate::run::scenario::Scenario;
use crate::run::threads::{ThisThread, Threads};
use crate::run::turn;
use crate::scenario::{RoundTrips, broadcast};

/// How many more allocations the run with more messages may make, for lists, histograms and
/// seconds. Measured on an idle machine: 5 to 40, for 9,000 or 30,000 additional messages.
const GROWTH_ALLOCATIONS_MAX: u64 = 128;

/// Starts a server that has a thread for each connection and lives until the tests are over.
/// Returns its address. Its allocations are not counted.
fn serve(on_connection: impl Fn(TcpStream) + Send + Sync + 'static) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let on_connection = Arc::new(on_connection);
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let on_connection = Arc::clone(&on_connection);
            std::thread::spawn(move || on_connection(stream.unwrap()));
        }
    });
    address
}

fn echo() -> SocketAddr {
    serve(|stream| {
        let mut socket = tungstenite::accept(stream).unwrap();
        while let Ok(message) = socket.read() {
            let is_to_be_sent_back = message.is_text();
            if is_to_be_sent_back && socket.send(message).is_err() {
                return;
            }
        }
    })
}

fn broadcast() -> SocketAddr {
    let receivers = Mutex::new(Vec::new());
    serve(move |stream| {
        let writer = stream.try_clone().unwrap();
        let mut socket = {
            // The lock is held until the connection is in the list, so a client that has read the
            // 101 receives everything that is published afterwards.
            let mut receivers = receivers.lock().unwrap();
            let socket = tungstenite::accept(stream).unwrap();
            receivers.push(writer);
            socket
        };
        while let Ok(message) = socket.read() {
            if message.is_text() {
                let mut frame = Vec::new();
                encode_frame(&mut frame, Opcode::Text, &message.into_data());
                receivers
                    .lock()
                    .unwrap()
                    .retain_mut(|receiver: &mut TcpStream| receiver.write_all(&frame).is_ok());
            }
        }
    })
}

/// Runs the command `words`. Returns how many allocations its thread made, and its deliveries.
fn count(words: &str) -> (u64, u64) {
    let cli = Cli::try_parse_from(words.split_whitespace()).unwrap();
    let Verb::Run(args) = cli.verb else { panic!("{words}: no run") };
    let thread = ThisThread::new(Threads::new(1, Arc::default()), 0);
    let settings = crate::settings(&args).unwrap();
    match &*args {
        Args::Echo(args) => count_run(settings, RoundTrips::echo(args, None, &thread), thread),
        Args::Ping(args) => count_run(settings, RoundTrips::ping(args, None, &thread), thread),
        Args::Broadcast(args) => {
            let broadcast = Traffic::new(&broadcast::plan(args, None), &thread, &[]);
            count_run(settings, broadcast, thread)
        }
        Args::Check(_) | Args::Connect(_) | Args::Hold(_) | Args::Churn(_) => {
            panic!("{words}: not counted")
        }
    }
}

fn count_run(
    settings: LoadSettings,
    mut scenario: impl Scenario,
    thread: ThisThread,
) -> (u64, u64) {
    let mut load = Load::new(settings, thread).unwrap();
    let counted = allocation_counter::measure(|| turn::run(&mut load, &mut scenario).unwrap());
    (counted.count_total, scenario.progress().delivered)
}

#[test]
fn ten_times_the_messages_cost_no_more_allocations() {
    let echo = echo();
    for (scenario, address, few_flags, many_flags) in [
        (
            "broadcast",
            broadcast(),
            "--subscribers 10 --rate 300 -d 1s",
            "--subscribers 10 --rate 3k -d 1s",
        ),
        (
            "broadcast",
            broadcast(),
            "--subscribers 10 --saturate -n 200",
            "--subscribers 10 --saturate -n 2k",
        ),
        ("echo", echo, "-c 2 --rate 1k -d 1s", "-c 2 --rate 10k -d 1s"),
        ("echo", echo, "-c 2 --inflight 4 -n 1k", "-c 2 --inflight 4 -n 10k"),
        ("ping", echo, "-c 2 --rate 1k -d 1s", "-c 2 --rate 10k -d 1s"),
    ] {
        let [(few_allocations, few), (many_allocations, many)] = [few_flags, many_flags]
            .map(|flags| count(&format!("loadgen {scenario} ws://{address}/ -W 0s {flags}")));
        assert!(many > 5 * few, "{scenario} {few_flags}: {few} and {many} deliveries");
        let more = many_allocations.saturating_sub(few_allocations);
        println!(
            "{scenario} {few_flags}: {few_allocations} allocations for {few}, {many_allocations} \
             for {many}"
        );
        assert!(more <= GROWTH_ALLOCATIONS_MAX, "{scenario} {few_flags}: {more} more");
    }
}
