//! A report that has some figure wherever the report of a run will have one. It shows before the
//! run whether a threshold names a figure that will be there. A test of whole runs compares both.
use serde_json::Value as Json;

use super::hold::targets;
use crate::cli::command::ScenarioArgs;
use crate::cli::scenarios::{BroadcastArgs, ChurnArgs, HoldArgs};
use crate::measure::latency::Latencies;
use crate::report::gather::Report;
use crate::report::value::Value;

const TRAFFIC: [&str; 8] = [
    "sent_per_second",
    "sent",
    "expected",
    "delivered",
    "delivered_in_span",
    "delivered_per_second",
    "payload_bytes",
    "payload_bytes_per_second",
];
const FAULTS: [&str; 5] = ["lost", "duplicated", "reordered", "corrupt", "unexpected"];
const FANOUT_CHECKS: [&str; 4] = ["receivers_ended", "published", "delivered", "expected"];
const OWN_CPU: [&str; 4] =
    ["measured_ns", "busiest_thread_share", "waiting_for_core_share", "loop_stall_p99_ns"];
const MEMORY: [&str; 3] = ["resident_bytes", "proportional_bytes", "anonymous_bytes"];
const CHURN_MEMORY: [&str; 8] = [
    "before_resident_bytes",
    "before_anonymous_bytes",
    "resident_growth_bytes",
    "anonymous_growth_bytes",
    "after_resident_bytes",
    "after_anonymous_bytes",
    "kernel_tcp_before_bytes",
    "kernel_tcp_peak_bytes",
];
const WOKEN: [&str; 8] = [
    "closed_4008",
    "caught_up",
    "reset",
    "other_end",
    "broken",
    "silent",
    "prefix_messages_min",
    "prefix_messages_max",
];

/// Builds the specimen for a run.
pub(crate) fn of(scenario: &ScenarioArgs) -> Json {
    let mut report = Report::default();
    let kind = scenario.loop_name().unwrap_or_default();
    report.section("run").row("loop", Value::Text(kind.to_owned()));
    counts(&mut report, "connect", &["wanted", "opened", "failed", "opened_per_second"]);
    latencies(&mut report, "connect", &["tcp_ns", "upgrade_ns"]);
    if scenario.loop_name().is_some() {
        timed(&mut report, scenario);
    }
    match scenario {
        ScenarioArgs::Check(_) => check(&mut report),
        ScenarioArgs::Ping(_) | ScenarioArgs::Echo(_) => {
            counts(&mut report, "throughput", &TRAFFIC);
            counts(&mut report, "check", &FAULTS);
            counts(&mut report, "check", &["connections_ended", "sent", "replied"]);
        }
        ScenarioArgs::Broadcast(args) => broadcast(&mut report, args),
        ScenarioArgs::Connect(_) => {
            let connections = TRAFFIC.iter().filter(|row| !row.starts_with("payload"));
            let rows: Vec<_> = connections.copied().filter(|row| !row.ends_with("span")).collect();
            counts(&mut report, "throughput", &rows);
            counts(&mut report, "check", &["closed", "not_closed"]);
        }
        ScenarioArgs::Hold(args) => hold(&mut report, args),
        ScenarioArgs::Churn(args) => churn(&mut report, args),
    }
    report.finish()
}

fn counts(report: &mut Report, section: &'static str, rows: &[&str]) {
    for row in rows {
        report.section(section).row(*row, Value::Count(0));
    }
}

fn latencies(report: &mut Report, section: &'static str, rows: &[&str]) {
    let mut one = Latencies::new();
    one.record(1);
    for row in rows {
        report.section(section).row(*row, Value::from(&one));
    }
}

/// Adds what every scenario measures that times something.
fn timed(report: &mut Report, scenario: &ScenarioArgs) {
    let times: &[&str] = match (scenario, scenario.rate()) {
        (ScenarioArgs::Connect(_), Some(_)) => &["response_ns"],
        (_, Some(_)) => &["response_ns", "service_ns", "send_delay_ns"],
        (_, None) => &["service_ns"],
    };
    latencies(report, "latency", times);
    counts(report, "cpu", &OWN_CPU);
    if scenario.rate().is_some() {
        counts(report, "throughput", &["target_per_second"]);
    }
    let has_server = scenario.common().server_pid.is_some();
    if has_server {
        counts(report, "cpu", &["server_share"]);
    }
    // In `churn` the server has other work than messages, so there is no cost of each.
    if !matches!(scenario, ScenarioArgs::Churn(_)) {
        counts(report, "cpu", &["loadgen_ns_per_message"]);
        if has_server {
            counts(report, "cpu", &["server_ns_per_message"]);
        }
    }
}

fn check(report: &mut Report) {
    counts(report, "connect", &["connections_opened", "listeners_opened"]);
    counts(report, "machine", &["open_files", "ports_per_address", "cores"]);
    counts(report, "server", &["ping_ns", "other_messages"]);
    for row in ["answers_ping", "echoes", "broadcasts", "own_copies", "keeps_payload"] {
        report.section("server").row(row, Value::Flag(true));
    }
}

fn fanout(report: &mut Report) {
    counts(report, "connect", &["publishers_opened", "subscribers_opened"]);
    counts(report, "throughput", &TRAFFIC);
    latencies(report, "latency", &["last_receiver_ns"]);
    counts(report, "check", &FAULTS);
    counts(report, "check", &FANOUT_CHECKS);
    report.section("check").row("own_copies", Value::Text(String::new()));
}

fn broadcast(report: &mut Report, args: &BroadcastArgs) {
    fanout(report);
    if args.publishers > 1 {
        counts(report, "check", &["other_order"]);
    }
    if args.publish_url.is_some() {
        counts(report, "check", &["posts_refused", "posts_unanswered"]);
    }
}

fn hold(report: &mut Report, args: &HoldArgs) {
    counts(report, "check", &["connections_ended"]);
    let has_server = args.common.server_pid.is_some();
    let steps = targets(args.connections);
    let names = steps.iter().map(|step| format!("at_{step}"));
    let moments = ["before".to_owned()].into_iter().chain(names).chain(["after_hold".to_owned()]);
    for moment in moments {
        let rows = MEMORY.iter().filter(|_| has_server).chain(&["kernel_tcp_bytes"]);
        let rows: Vec<_> = rows.map(|row| format!("{moment}_{row}")).collect();
        counts(report, "memory", &rows.iter().map(String::as_str).collect::<Vec<_>>());
    }
    if steps.len() > 1 {
        counts(report, "slope", &["from_connections", "to_connections"]);
        if has_server {
            let rows = ["resident_per_connection_bytes", "anonymous_per_connection_bytes"];
            counts(report, "slope", &rows);
        }
    }
}

fn churn(report: &mut Report, args: &ChurnArgs) {
    fanout(report);
    counts(report, "connect", &["slow_opened", "visitors_opened", "stormers_opened"]);
    let visits = ["visits_wanted_per_second", "visits_per_second"];
    counts(report, "churn", &visits);
    counts(report, "churn", &["left_by_reset", "left_by_closing", "cut_short"]);
    if args.storm > 0 {
        counts(report, "churn", &["storm_until_all_back_ns"]);
    }
    if args.common.server_pid.is_some() {
        counts(report, "memory", &CHURN_MEMORY);
        counts(report, "server", &["before_open_files", "after_open_files"]);
    }
    if args.wake {
        counts(report, "woken", &WOKEN);
    }
}
