//! A server that stops for a tenth of the run. The open loop reports how that delays the messages
//! that were due meanwhile. The closed loop hardly notices it, which is why its figures have
//! another label.
//!
//! Messages are sent at an even rate, so a tenth of them meet the stopped server and wait for any
//! time up to the whole stall. So the 95th percentile is half of the stall, and the 99th is nine
//! tenths of it.
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

/// Returns a percentile of a latency in seconds, from the histogram in the report.
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
    // The stall begins in the middle of the run.
    server.await_messages(1_000);
    let stopped = Instant::now();
    server.signal(Signal::STOP);
    std::thread::sleep(STALL);
    server.signal(Signal::CONT);
    // On a busy machine the stall is longer than requested.
    let stall = stopped.elapsed().as_secs_f64();
    let (code, report) = run.join().unwrap();
    assert_eq!((code, &report["run"]["loop"]), (0, &"open".into()), "{report}");
    for name in ["response_ns", "service_ns"] {
        let latency = &report["latency"][name];
        for (at, tolerance) in [(95.0, 0.25), (99.0, 0.1)] {
            // The messages above this percentile wait longer: they were due earlier in the stall.
            let theory = stall - SECONDS * (100.0 - at) / 100.0;
            let found = percentile(latency, at);
            assert!(
                (found / theory - 1.0).abs() < tolerance,
                "{name} p{at}: {found} s, in theory {theory} s"
            );
        }
        assert!(percentile(latency, 75.0) < 0.1 * stall, "most messages must miss the stall");
    }
    // The messages were sent in time. Only the server delayed them, so both latencies are equal.
    assert!(percentile(&report["latency"]["send_delay_ns"], 99.0) < 0.1 * stall);
    // A message was sent every 2 ms, also during the stall. None was skipped.
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
    assert!(report["latency"]["response_ns"].is_null(), "a closed loop has no response time");
}

#[test]
fn a_closed_loop_times_even_the_replies_it_no_longer_waited_for() {
    let server = Server::start("--echo --fault stall=1s@300ms");
    // After the time of a drain, the closed loop goes on without the reply.
    let flags = "-c 4 -W 0s -d 2s --drain 300ms --threshold service.max>900ms";
    let (code, report) = loadgen("echo", server.address, flags);
    assert_eq!(code, 0, "{} {}", report["thresholds"], report["check"]);
    assert_eq!(report["latency"]["service_ns"]["count"], report["throughput"]["sent"]);
}
