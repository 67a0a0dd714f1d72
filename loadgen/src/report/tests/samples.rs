//! Reports for the golden tests. They are built as a scenario builds them, and are always the same.
use serde_json::Value as Json;

use crate::measure::latency::Latencies;
use crate::net::random::Random;
use crate::report::gather::Report;
use crate::report::second::{Second, SecondPhase};
use crate::report::thresholds;
use crate::report::value::Value;
use crate::report::verdict::{Evidence, Tally, judge};
use std::time::Duration;

const MICROS: u64 = 1_000;
const MILLIS: u64 = 1_000_000;

pub(super) fn all() -> [(&'static str, Json); 3] {
    [("broadcast-passed", broadcast()), ("echo-failed", echo()), ("hold", hold())]
}

fn text(text: &str) -> Value {
    Value::Text(text.to_owned())
}

/// Returns latencies around `median`, with a tail up to twenty times as long.
fn latencies(seed: u64, count: u64, median: u64) -> Latencies {
    let mut random = Random::new(seed);
    let mut latencies = Latencies::new();
    for _ in 0..count {
        let spread = random.next() % median;
        let tail = if random.chance(0.004) { random.next() % (20 * median) } else { 0 };
        latencies.record(median / 2 + spread + tail);
    }
    latencies
}

fn run(report: &mut Report, scenario: &str, url: &str, settings: &[(&str, &str)]) {
    let command: Vec<String> =
        settings.iter().map(|(flag, value)| format!("--{flag} {value}")).collect();
    report
        .section("run")
        .row("scenario", text(scenario))
        .row("url", text(url))
        .row("command", Value::Text(format!("loadgen {scenario} {url} {}", command.join(" "))))
        .row("seed", Value::Count(1))
        .row("cores", Value::Count(4))
        .row("threads", Value::Count(1))
        .row("started_unix_ms", Value::Count(1_767_225_600_000));
    report.settings =
        settings.iter().map(|(flag, value)| ((*flag).to_owned(), (*value).to_owned())).collect();
}

fn phase(second: u64, end: u64) -> SecondPhase {
    match second {
        0 => SecondPhase::Connect,
        1..=2 => SecondPhase::Warmup,
        _ if second > end => SecondPhase::Drain,
        _ => SecondPhase::Measure,
    }
}

/// Returns the report of an open loop without any faults.
fn broadcast() -> Json {
    let mut report = Report::default();
    let settings = [
        ("publishers", "1"),
        ("subscribers", "100"),
        ("rate", "1000"),
        ("size", "64"),
        ("duration", "10s"),
    ];
    run(&mut report, "broadcast", "ws://127.0.0.1:9001/room?a=1&b=<2>", &settings);
    report.section("run").row("label", text("after the change")).row("loop", text("open"));
    report
        .section("connect")
        .row("wanted", Value::Count(101))
        .row("opened", Value::Count(101))
        .row("failed", Value::Count(0))
        .row("opened_per_second", Value::PerSecond(1_683.3))
        .row("tcp_ns", Value::from(&latencies(1, 101, 90 * MICROS)))
        .row("upgrade_ns", Value::from(&latencies(2, 101, 240 * MICROS)))
        .row("publishers_opened", Value::Count(1))
        .row("subscribers_opened", Value::Count(100));
    report
        .section("throughput")
        .row("target_per_second", Value::PerSecond(1_000.0))
        .row("sent_per_second", Value::PerSecond(1_000.0))
        .row("sent", Value::Count(10_000))
        .row("expected", Value::Count(1_000_000))
        .row("delivered", Value::Count(1_000_000))
        .row("delivered_per_second", Value::PerSecond(99_998.2))
        .row("payload_bytes", Value::Bytes(64_000_000))
        .row("payload_bytes_per_second", Value::Bytes(6_400_000));
    report
        .section("latency")
        .row("response_ns", Value::from(&latencies(3, 40_000, 2 * MILLIS)))
        .row("service_ns", Value::from(&latencies(4, 40_000, 1_900 * MICROS)))
        .row("send_delay_ns", Value::from(&latencies(5, 10_000, 12 * MICROS)))
        .row("last_receiver_ns", Value::from(&latencies(6, 10_000, 4 * MILLIS)));
    for row in ["lost", "duplicated", "reordered", "corrupt", "unexpected"] {
        report.section("check").row(row, Value::Count(0));
    }
    report.section("check").row("own_copies", Value::Flag(true));
    report
        .section("cpu")
        .row("measured_ns", Value::Nanos(10_000 * MILLIS))
        .row("busiest_thread_share", Value::Share(0.412))
        .row("waiting_for_core_share", Value::Share(0.013))
        .row("loop_stall_p99_ns", Value::Nanos(180 * MICROS))
        .row("server_share", Value::Share(0.733))
        .row("server_ns_per_message", Value::Nanos(733))
        .row("loadgen_ns_per_message", Value::Nanos(412));
    report.section("memory").row("server_resident_bytes", Value::Bytes(14_680_064));
    let mut random = Random::new(7);
    let seconds = (0..15).map(|second| {
        let phase = phase(second, 12);
        let is_sending = matches!(phase, SecondPhase::Warmup | SecondPhase::Measure);
        let of = |nanos: u64| is_sending.then_some(nanos);
        Second {
            second,
            phase,
            open: 101,
            sent: if is_sending { 1_000 } else { 0 },
            delivered: if is_sending { 99_000 + random.next() % 2_000 } else { 0 },
            p50_ns: of(1_900 * MICROS + random.next() % (200 * MICROS)),
            p99_ns: of(3 * MILLIS + random.next() % (2 * MILLIS)),
            max_ns: of(12 * MILLIS + random.next() % (30 * MILLIS)),
            loadgen_share: if is_sending { 0.36 + (random.next() % 50) as f64 / 1e3 } else { 0.04 },
            server_share: Some(if is_sending {
                0.68 + (random.next() % 60) as f64 / 1e3
            } else {
                0.02
            }),
        }
    });
    report.seconds = seconds.collect();
    report.verdict = Some(judge(&Evidence {
        measured: Duration::from_secs(10),
        messages: Some(1_000_000),
        busy_shares: vec![0.412; 10],
        loop_stall_p99: Some(Duration::from_micros(180)),
        sends: Some(Tally { wanted: 10_000, achieved: 10_000 }),
        deliveries: Some(Tally { wanted: 1_000_000, achieved: 999_900 }),
        response_p50: Duration::from_millis(2),
        openings: None,
        server_share: Some(0.733),
        error: None,
        cut: None,
    }));
    for threshold in ["delivery.p99<20ms", "lost==0", "delivered_per_second>10k"] {
        report.thresholds.push(thresholds::parse(threshold).unwrap());
    }
    report.finish()
}

/// Returns the report of a closed loop with all kinds of failures, and text from a hostile server.
fn echo() -> Json {
    let mut report = Report::default();
    run(
        &mut report,
        "echo",
        "ws://127.0.0.1:9002/",
        &[("connections", "50"), ("inflight", "1"), ("size", "1024")],
    );
    report.section("run").row("loop", text("closed"));
    report
        .section("connect")
        .row("wanted", Value::Count(50))
        .row("opened", Value::Count(47))
        .row("failed", Value::Count(3))
        .row("opened_per_second", Value::PerSecond(93.7));
    report
        .section("throughput")
        .row("sent_per_second", Value::PerSecond(20_120.4))
        .row("sent", Value::Count(120_722))
        .row("expected", Value::Count(120_722))
        .row("delivered", Value::Count(120_713))
        .row("delivered_per_second", Value::PerSecond(20_118.9));
    report.section("latency").row("service_ns", Value::from(&latencies(8, 30_000, 2_200 * MICROS)));
    report
        .section("check")
        .row("lost", Value::Count(9))
        .row("duplicated", Value::Count(0))
        .row("reordered", Value::Count(1))
        .row("corrupt", Value::Count(0))
        .row("unexpected", Value::Count(0));
    report.error("connect_refused", 3, "connection refused");
    report.error("closed_4008", 12, "too slow");
    report.error("closed_1011", 1, "<script>alert('x')</script>\x1b[31m");
    report
        .section("cpu")
        .row("measured_ns", Value::Nanos(6_000 * MILLIS))
        .row("busiest_thread_share", Value::Share(0.97))
        .row("waiting_for_core_share", Value::Share(0.21))
        .row("loop_stall_p99_ns", Value::Nanos(2_400 * MICROS))
        .row("loadgen_ns_per_message", Value::Nanos(48_000));
    let mut random = Random::new(9);
    let seconds = (0..10).map(|second| {
        let phase = phase(second, 8);
        let is_stalled = second == 6;
        let is_sending = matches!(phase, SecondPhase::Warmup | SecondPhase::Measure) && !is_stalled;
        let sent = if is_sending { 19_000 + random.next() % 2_000 } else { 0 };
        let of = |nanos: u64| is_sending.then_some(nanos);
        Second {
            second,
            phase,
            open: if second < 7 { 47 } else { 34 },
            sent,
            delivered: sent.saturating_sub(random.next() % 300),
            p50_ns: of(2 * MILLIS + random.next() % MILLIS),
            p99_ns: of(6 * MILLIS + random.next() % (3 * MILLIS)),
            max_ns: of(if second == 7 {
                1_020 * MILLIS
            } else {
                20 * MILLIS + random.next() % (20 * MILLIS)
            }),
            loadgen_share: if is_sending { 0.94 + (random.next() % 50) as f64 / 1e3 } else { 0.03 },
            server_share: None,
        }
    });
    report.seconds = seconds.collect();
    report.verdict = Some(judge(&Evidence {
        measured: Duration::from_secs(6),
        messages: Some(120_713),
        busy_shares: vec![0.97, 0.98, 0.95, 0.1, 0.98, 0.97],
        loop_stall_p99: Some(Duration::from_micros(2_400)),
        ..Evidence::default()
    }));
    report.fail_if_any(9, "deliveries were lost");
    report.fail_if_any(1, "deliveries were reordered");
    report.fail_if_any(13, "connections ended before the run did");
    for threshold in
        ["delivery.p99<2ms", "lost==0", "connect.failed==0", "errors.closed_4008==0", "delivred>1k"]
    {
        report.thresholds.push(thresholds::parse(threshold).unwrap());
    }
    report.note("ended early by Ctrl-C".to_owned());
    report.finish()
}

/// Returns a report on idle connections: no messages, no latencies, and a section of its own.
fn hold() -> Json {
    let mut report = Report::default();
    run(
        &mut report,
        "hold",
        "ws://127.0.0.1:9001/idle",
        &[("connections", "19000"), ("hold", "5s")],
    );
    report
        .section("connect")
        .row("wanted", Value::Count(19_000))
        .row("opened", Value::Count(19_000))
        .row("failed", Value::Count(0))
        .row("opened_per_second", Value::PerSecond(6_120.0))
        .row("tcp_ns", Value::from(&latencies(10, 19_000, 80 * MICROS)))
        .row("upgrade_ns", Value::from(&latencies(11, 19_000, 700 * MICROS)));
    report
        .section("cpu")
        .row("measured_ns", Value::Nanos(5_000 * MILLIS))
        .row("busiest_thread_share", Value::Share(0.002))
        .row("loop_stall_p99_ns", Value::Nanos(40 * MICROS))
        .row("server_share", Value::Share(0.001));
    report
        .section("memory")
        .row("before_resident_bytes", Value::Bytes(6_291_456))
        .row("at_19000_resident_bytes", Value::Bytes(62_914_560))
        .row("kernel_tcp_bytes", Value::Absent);
    report
        .section("slope")
        .row("from_connections", Value::Count(5_000))
        .row("to_connections", Value::Count(15_000))
        .row("resident_per_connection_bytes", Value::Growth(2_976))
        .row("anonymous_per_connection_bytes", Value::Growth(-16));
    let seconds = (0..9).map(|second| Second {
        second,
        phase: if second < 4 { SecondPhase::Connect } else { SecondPhase::Measure },
        open: (second * 6_120).min(19_000),
        sent: 0,
        delivered: 0,
        p50_ns: None,
        p99_ns: None,
        max_ns: None,
        loadgen_share: if second < 4 { 0.31 } else { 0.002 },
        server_share: Some(if second < 4 { 0.44 } else { 0.001 }),
    });
    report.seconds = seconds.collect();
    report.verdict = Some(judge(&Evidence {
        measured: Duration::from_secs(5),
        busy_shares: vec![0.002; 5],
        loop_stall_p99: Some(Duration::from_micros(40)),
        server_share: Some(0.001),
        ..Evidence::default()
    }));
    report.thresholds.push(thresholds::parse("slope.resident_per_connection<4KiB").unwrap());
    report.finish()
}
