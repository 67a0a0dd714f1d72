//! A server that stands still for a tenth of the run: the open loop says what that did to messages that were to be sent
//! meanwhile, the closed loop hardly notices, which is why its figures are labelled.
//!
//! Of messages at an even rate a tenth find the server still, and wait for anything between nothing and all of the
//! stall. So half of the stall is what 95 % wait for at most, and nine tenths of it are what 99 % do.
use std::time::Duration;

use rustix::process::Signal;

use crate::loadgen;
use crate::serve::Server;

const STALL: Duration = Duration::from_secs(1);
const OPEN: &str = "-c 10 --rate 500 -W 100ms -d 10s";
/// A quarter below the theory at p95, a tenth at p99. A machine that is busy makes it only more.
const THEORY: &str = "--threshold response.p95>375ms --threshold response.p99>810ms \
    --threshold service.p95>375ms --threshold service.p99>810ms";

#[test]
fn an_open_loop_shows_what_a_stopped_server_made_of_it() {
    let mut server = Server::start("--echo");
    let address = server.address;
    let run = std::thread::spawn(move || loadgen("echo", address, &format!("{OPEN} {THEORY}")));
    // In the middle of the run.
    server.await_messages(1_000);
    server.signal(Signal::STOP);
    std::thread::sleep(STALL);
    server.signal(Signal::CONT);
    let (code, report) = run.join().unwrap();
    assert_eq!(code, 0, "{}", report["thresholds"]);
    assert_eq!(report["run"]["loop"], "open");
    // None was skipped: every 2 ms one, and the stall is no exception.
    assert_eq!(report["throughput"]["sent"], 5_000);
    assert_eq!(report["throughput"]["delivered"], 5_000);
}

#[test]
fn a_closed_loop_hides_the_same_stall_and_is_labelled() {
    let server = Server::start("--echo --fault stall=1s@5s");
    let hidden = "--threshold service.p99<500ms --threshold service.max>900ms";
    let (code, report) = loadgen("echo", server.address, &format!("-c 10 -W 100ms -d 10s {hidden}"));
    assert_eq!(code, 0, "{}", report["thresholds"]);
    assert_eq!(report["run"]["loop"], "closed");
    assert!(report["latency"]["response_ns"].is_null(), "a service time is no response");
}

#[test]
fn a_closed_loop_times_even_the_replies_it_no_longer_waited_for() {
    let server = Server::start("--echo --fault stall=1s@300ms");
    // It goes on without a reply after the time of a drain.
    let flags = "-c 4 -W 0s -d 2s --drain 300ms --threshold service.max>900ms";
    let (code, report) = loadgen("echo", server.address, flags);
    assert_eq!(code, 0, "{} {}", report["thresholds"], report["check"]);
    assert_eq!(report["latency"]["service_ns"]["count"], report["throughput"]["sent"]);
}
