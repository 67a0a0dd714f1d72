//! Nothing is allocated per message: a counting global allocator around a real server on loopback,
//! its client in another process (this program again), so that nothing but the server is counted.
//!
//! Each case warms up, so that slabs, pools and lists have grown to what the case needs; then the
//! same is done again, many times, and counted.

mod cases;
mod client;

use std::alloc::System;
use std::io::{BufRead, BufReader, Write};
use std::process::{Command, Stdio};

use fanfare::{Broadcast, BroadcastOptions, PublishPolicy, Server};
use stats_alloc::{INSTRUMENTED_SYSTEM, StatsAlloc};

#[global_allocator]
static ALLOCATOR: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

/// What the two processes say to each other, a line each.
const WARM: &str = "warm";
const GO: &str = "go";

fn main() {
    let mut arguments = std::env::args().skip(1);
    if let (Some("client"), Some(case), Some(address)) =
        (arguments.next().as_deref(), arguments.next(), arguments.next())
    {
        return client::run(&case, &address);
    }
    let mut failed = 0;
    for case in cases::CASES {
        let (allocations, messages) = count(case.name, case.reactors);
        let verdict = if allocations == 0 { "ok" } else { "FAILED" };
        println!(
            "test {} ... {verdict}: {allocations} allocations in {messages} {}",
            case.name, case.unit
        );
        failed += usize::from(allocations != 0);
    }
    println!("{} passed, {failed} failed", cases::CASES.len() - failed);
    assert!(failed == 0, "a message must not cost an allocation");
}

/// Allocations of a server while the client goes through a case, and how often the client did what
/// the case is about.
fn count(case: &str, reactors: usize) -> (usize, u64) {
    let options = BroadcastOptions {
        publish: Some(PublishPolicy::All),
        echo: true,
        ..BroadcastOptions::default()
    };
    let server = Server::builder()
        .listen("127.0.0.1:0")
        .reactors(reactors)
        .handler(move |_reactor| Broadcast::new(options.clone()))
        .bind()
        .expect("a port of loopback is free");
    let address = server.local_addresses()[0].to_string();
    let stopper = server.stopper();
    let running = std::thread::spawn(move || server.run());

    let this = std::env::current_exe().expect("this program has a path");
    let mut client = Command::new(this)
        .args(["client", case, &address])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("this program can be started again");
    let mut says = BufReader::new(client.stdout.take().expect("piped"));
    let mut hears = client.stdin.take().expect("piped");
    // Long enough that reading the answers allocates nothing here.
    let mut line = String::with_capacity(1024);
    says.read_line(&mut line).expect("the client says that it is warm");
    assert_eq!(line.trim(), WARM, "{case}");
    line.clear();

    let before = ALLOCATOR.stats();
    writeln!(hears, "{GO}").expect("the client listens");
    says.read_line(&mut line).expect("the client says how much it did");
    let after = ALLOCATOR.stats();

    drop(hears);
    let messages = line.trim().parse().expect("a count");
    assert!(client.wait().expect("the client ends").success(), "{case}: the client failed");
    stopper.stop();
    running.join().expect("the server does not panic").expect("the server ends well");
    let counted = |stats: stats_alloc::Stats| stats.allocations + stats.reallocations;
    (counted(after) - counted(before), messages)
}
