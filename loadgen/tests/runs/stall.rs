//! A server that stands still for a tenth of the run: the open loop says what that did to messages
//! that were to be sent meanwhile, the closed loop hardly notices, which is why its figures are
//! labelled.
//!
//! Of messages at an even rate a tenth find the server still, and wait for anything between nothing
//! and all of the stall. So half of the stall is what 95 % wait for at most, and nine tenths of it
//! are what 99 % do.
use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hdrhistogram::Histogram;
use hdrhistogram::serialization::Deserializer;
use rustix::process::Signal;
use serde_json::Value;

use crate::loadgen;
use crate::serve::Server;

const STALL: Duration = Duration::from_secs(1);
const SECONDS: f64 = 10.0;

/// A percentile of a latency, in seconds, from the histogram that the report has.
fn percentile(latency: &Value, percentile: f64) -> f64 {
    let bytes = STANDARD.decode(latency["histogram"].as_str().unwrap()).unwrap();
    let histogram: Histogram<u64> = Deserializer::new().deserialize(&mut bytes.as_slice()).unwrap();
    histogram.value_at_percentile(percentile) as f64 / 1e9
}

#[test]
fn an_open_loop_shows_what_a_stopped_server_made_of_it() {
    let mut server = Server::start("--echo");
    let address = server.address;
    let flags = format!("-c 10 --rate 500 -W 100ms -d {SECONDS}s");
    let run = std::thread::spawn(move || loadgen("echo", address, &flags));
    // In the middle of the run.
    server.await_messages(1_000);
    let stopped = Instant::now();
    server.signal(Signal::STOP);
    std::thread::sleep(STALL);
    server.signal(Signal::CONT);
    // On a busy machine it is longer than was asked for.
    let stall = stopped.elapsed().as_secs_f64();
    let (code, report) = run.join().unwrap();
    assert_eq!((code, &report["run"]["loop"]), (0, &"open".into()), "{report}");
    for name in ["response_ns", "service_ns"] {
        let latency = &report["latency"][name];
        for (at, tolerance) in [(95.0, 0.25), (99.0, 0.1)] {
            // Those that wait for longer are the last to come before the end of the stall.
            let theory = stall - SECONDS * (100.0 - at) / 100.0;
            let found = percentile(latency, at);
            assert!(
                (found / theory - 1.0).abs() < tolerance,
                "{name} p{at}: {found} s, in theory {theory} s"
            );
        }
        assert!(percentile(latency, 75.0) < 0.1 * stall, "most did not find it still");
    }
    // The messages left in time, so the wait was the server's: that is why both are the same.
    assert!(percentile(&report["latency"]["send_delay_ns"], 99.0) < 0.1 * stall);
    // None was skipped: every 2 ms one, and the stall is no exception.
    assert_eq!(report["throughput"]["sent"], 5_000);
    assert_eq!(report["throughput"]["delivered"], 5_000);
}

#[test]
fn a_closed_loop_hides_the_same_stall_and_is_labelled() {
    let server = Server::start("--echo --fault stall=1s@5s");
    let hidden = "--threshold service.p99<300ms --threshold service.max>900ms";
    let (code, report) = loadgen("echo", server.address, &format!("-c 4 -W 100ms -d 10s {hidden}"));
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
