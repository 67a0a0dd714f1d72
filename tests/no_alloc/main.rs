//! Nothing is allocated per message: a counting global allocator around a real server on loopback,
//! its client in another process (this program again), so that nothing but the server is counted.
//!
//! Each case warms up, so that slabs, pools and lists have grown to what the case needs; then the
//! same is done again, many times, and counted.

mod cases;
mod client;
#[path = "../support/mod.rs"]
mod support;

use std::alloc::System;
use std::io::{BufRead, BufReader, Write};
use std::process::{Command, Stdio};

use cases::Case;
use fanfare::{BroadcastOptions, Message, PublishPolicy};
use stats_alloc::{INSTRUMENTED_SYSTEM, StatsAlloc};
use support::Running;

#[global_allocator]
static ALLOCATOR: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

/// What the two processes say to each other, a line each.
const WARM: &str = "warm";
const GO: &str = "go";
/// The client asks the server's process for a burst of [`PUBLISHED`] messages to `news`.
const PUBLISH: &str = "publish";

/// Published at a time by a thread that is not a reactor's.
const PUBLISHED: usize = 20;

/// What the message of this number carries: sizes alternate, so that buffers are used for each.
fn published_payload(number: usize) -> &'static [u8] {
    const SIZES: [usize; 3] = [64, 2_100, 2_300];
    &[b'p'; 2_300][..SIZES[number % SIZES.len()]]
}

fn main() {
    let mut arguments = std::env::args().skip(1);
    if let (Some("client"), Some(case), Some(address)) =
        (arguments.next().as_deref(), arguments.next(), arguments.next())
    {
        return client::run(&case, &address);
    }
    let mut failed = 0;
    for case in cases::CASES {
        let (allocations, messages) = count(case);
        let (allowed, why) = case.allowed;
        let is_ok = allocations as u64 <= allowed * messages;
        let verdict = if is_ok { "ok" } else { "FAILED" };
        let name = case.name;
        println!(
            "test {name} ... {verdict}: {allocations} allocations in {messages} {}",
            case.unit
        );
        if allowed > 0 {
            println!("    allowed are {allowed} each: {why}");
        }
        failed += usize::from(!is_ok);
    }
    println!("{} passed, {failed} failed", cases::CASES.len() - failed);
    assert!(failed == 0, "a message must not cost more allocations than are allowed");
}

/// Allocations of a server while the client goes through a case, and how often the client did what
/// the case is about.
fn count(case: &Case) -> (usize, u64) {
    let options = BroadcastOptions {
        publish: Some(PublishPolicy::All),
        echo: true,
        ..BroadcastOptions::default()
    };
    let server = Running::broadcast_with(options, |builder| builder.reactors(case.reactors));

    let this = std::env::current_exe().expect("this program has a path");
    let mut client = Command::new(this)
        .args(["client", case.name, &server.address.to_string()])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("this program can be started again");
    let mut says = BufReader::new(client.stdout.take().expect("piped"));
    let mut hears = client.stdin.take().expect("piped");
    // Long enough that reading the answers allocates nothing here.
    let mut line = String::with_capacity(1024);
    let mut before = None;
    let messages = loop {
        line.clear();
        says.read_line(&mut line).expect("the client says what it does");
        match line.trim() {
            WARM => {
                before = Some(ALLOCATOR.stats());
                writeln!(hears, "{GO}").expect("the client listens");
            }
            PUBLISH => (0..PUBLISHED).for_each(|number| {
                let published = server
                    .publisher
                    .try_publish("news", Message::binary(published_payload(number)));
                assert_eq!(published, Ok(()));
            }),
            messages => break messages.parse().expect("a count"),
        }
    };
    let (before, after) = (before.expect("it was warm"), ALLOCATOR.stats());

    drop(hears);
    assert!(client.wait().expect("the client ends").success(), "{}: the client failed", case.name);
    let counted = |stats: stats_alloc::Stats| stats.allocations + stats.reallocations;
    (counted(after) - counted(before), messages)
}
