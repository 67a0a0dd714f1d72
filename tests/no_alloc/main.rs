//! Tests that nothing is allocated per message. A global allocator counts the allocations of a real
//! server on loopback. The clients run in another process (this program, started again), so that
//! only the server's allocations are counted.
//!
//! Each case first warms up, so that slabs, pools and lists grow to the size that it needs. Then
//! the same work is done many more times and counted.

mod cases;
mod client;
mod guard;
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

/// Lines that the two processes send each other.
const WARM: &str = "warm";
const GO: &str = "go";
/// The client asks the server's process to publish [`PUBLISHED`] messages to `news`.
const PUBLISH: &str = "publish";

/// How many messages a thread that is no reactor publishes at a time.
const PUBLISHED: usize = 20;

/// Returns the payload of message `number`. The sizes alternate, so that each reused buffer must
/// hold all of them.
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

/// Returns the allocations of a server while the client runs a case, and how many units of work the
/// client did.
fn count(case: &Case) -> (usize, u64) {
    let server = if case.is_guarded {
        Running::broadcast_with(guard::options(), |builder| {
            guard::limit(builder.reactors(case.reactors))
        })
    } else {
        let options = BroadcastOptions {
            publish: Some(PublishPolicy::All),
            echo: true,
            ..BroadcastOptions::default()
        };
        Running::broadcast_with(options, |builder| builder.reactors(case.reactors))
    };

    let this = std::env::current_exe().expect("this program has a path");
    let mut client = Command::new(this)
        .args(["client", case.name, &server.address.to_string()])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("this program can be started again");
    let mut says = BufReader::new(client.stdout.take().expect("piped"));
    let mut hears = client.stdin.take().expect("piped");
    // Large enough that reading the client's lines allocates nothing in this process.
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
