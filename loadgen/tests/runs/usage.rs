//! Tests of what flags mean, which of them are refused before a run, and that shown commands can be
//! run.
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Command, Output};

use serde_json::Value;

use crate::loadgen;
use crate::serve::Server;

const NOBODY: SocketAddr =
    SocketAddr::V4(std::net::SocketAddrV4::new(std::net::Ipv4Addr::LOCALHOST, 9));

fn output(words: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_loadgen")).args(words).output().unwrap()
}

#[test]
fn a_threshold_that_names_nothing_is_a_usage_error() {
    for (scenario, flags, threshold, reason) in [
        ("echo", "", "losst==0", "the report has no losst; near it are check.lost"),
        ("echo", "", "errors.rest==0", "no class of errors rest; near it are reset"),
        ("echo", "", "errors.closed_400==0", "no class of errors closed_400"),
        ("echo", "", "response.p99<1s", "response is not measured in this run"),
        ("echo", "", "service.q99<1s", "service has no q99"),
        ("echo", "", "service.p99<20", "it needs ns, us, ms or s"),
        ("echo", "", "server_share<90%", "is not measured in this run"),
        ("echo", "", "last_receiver.p99<1s", "is not measured in this run"),
        ("broadcast", "", "other_order==0", "the report has no other_order"),
        ("broadcast", "", "own_copies==1", "own_copies is not a number"),
        ("broadcast", "", "posts_refused==0", "the report has no posts_refused"),
        ("connect", "", "lost==0", "lost is not measured in this run"),
        ("hold", "", "slope.resident_per_connection<4KiB", "no resident_per_connection"),
        ("churn", "", "woken.silent==0", "the report has no woken"),
        ("check", "", "service.p99<1s", "service is not measured in this run"),
    ] {
        let url = format!("ws://{NOBODY}/");
        let mut words = vec![scenario, &url, "--threshold", threshold];
        words.extend(flags.split_whitespace());
        let output = output(&words);
        let said = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(2), "{scenario} {threshold}: {said}");
        assert!(said.starts_with("error: --threshold '"), "{said}");
        assert!(said.contains(reason), "{scenario} {threshold}: {said}");
    }
}

/// Returns a threshold for every figure of a report that can have one.
fn thresholds_for(report: &Value) -> Vec<String> {
    let mut thresholds = Vec::new();
    for (section, rows) in report.as_object().unwrap() {
        if ["run", "errors", "seconds", "verdict", "thresholds"].contains(&section.as_str()) {
            continue;
        }
        for (row, value) in rows.as_object().into_iter().flatten() {
            let unit = if row.contains("_ns") { "ns" } else { "" };
            if value.is_number() {
                thresholds.push(format!("{section}.{row}>=-9999999999{unit}"));
            } else if value.get("histogram").is_some() {
                thresholds.push(format!("{section}.{row}.p95>=0ns"));
            }
        }
    }
    thresholds.push("errors==0".to_owned());
    thresholds
}

#[test]
fn every_figure_of_a_run_can_have_a_threshold() {
    let (echo, broadcast) = (Server::start("--echo"), Server::start("--broadcast"));
    let (echo, broadcast) = (&echo, &broadcast);
    let phases = "-W 50ms -d 300ms";
    for (scenario, server, flags) in [
        ("check", broadcast, String::new()),
        ("ping", echo, format!("{phases} -c 2 --rate 200")),
        ("echo", echo, format!("{phases} -c 2 --inflight 3")),
        ("broadcast", broadcast, format!("{phases} -c 4 --rate 200")),
        ("broadcast", broadcast, format!("{phases} -c 4 --publishers 2 --saturate")),
        ("connect", echo, "-n 20".to_owned()),
        ("connect", echo, "-n 20 --connect-rate 1k".to_owned()),
        ("hold", echo, "-c 20 -d 10ms".to_owned()),
        (
            "churn",
            broadcast,
            format!(
                "{phases} -c 4 --rate 200 --visits 50 --lifetime 10ms --slow 1 --wake --storm 2"
            ),
        ),
    ] {
        let flags = format!("{flags} --server-pid {}", server.pid());
        let (code, report) = loadgen(scenario, server.address, &flags);
        assert_eq!(code, 0, "{scenario} {flags}: {report}");
        // The unknown threshold comes last. The error names only that one, so all others were
        // accepted.
        let mut words: Vec<String> = vec![scenario.to_owned(), format!("ws://{NOBODY}/")];
        words.extend(flags.split_whitespace().map(str::to_owned));
        for threshold in thresholds_for(&report).into_iter().chain(["zzz==0".to_owned()]) {
            words.extend(["--threshold".to_owned(), threshold]);
        }
        let output = output(&words.iter().map(String::as_str).collect::<Vec<_>>());
        let said = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(2));
        assert!(said.starts_with("error: --threshold 'zzz==0'"), "{scenario} {flags}: {said}");
    }
}

#[test]
fn connections_duration_and_messages_mean_the_same_in_every_scenario() {
    let (echo, broadcast) = (Server::start("--echo"), Server::start("--broadcast"));
    for (scenario, address, flags, connections) in [
        ("ping", echo.address, "-c 7 -d 1 -W 0", 7),
        ("echo", echo.address, "-c 7 -d 1 -W 0", 7),
        ("broadcast", broadcast.address, "-c 7 -d 1 -W 0", 7),
        ("broadcast", broadcast.address, "-c 7 --publishers 3 --saturate -d 1 -W 0", 7),
        ("hold", echo.address, "-c 7 -d 1", 7),
        ("churn", broadcast.address, "-c 7 --visits 0 -d 1 -W 0", 7),
    ] {
        let (code, report) = loadgen(scenario, address, flags);
        assert_eq!(code, 0, "{scenario} {flags}: {report}");
        assert_eq!(report["connect"]["opened"], connections, "{scenario} {flags}");
        assert_eq!(report["run"]["settings"]["duration"], "1");
    }
    for (scenario, address, flags) in [
        ("ping", echo.address, "-c 2 --rate 1k -W 0"),
        ("echo", echo.address, "-c 2 -W 0"),
        ("broadcast", broadcast.address, "-c 2 --rate 1k -W 0"),
        ("churn", broadcast.address, "-c 2 --rate 1k --visits 0 -W 0"),
        ("connect", echo.address, "-c 2"),
    ] {
        let (code, report) = loadgen(scenario, address, &format!("{flags} -n 100 -d 1h"));
        assert_eq!(code, 0, "{scenario} {flags}: {report}");
        assert_eq!(report["throughput"]["sent"], 100, "{scenario} {flags}");
    }
    assert_eq!(loadgen("broadcast", NOBODY, "-c 3 --publishers 4").0, 2);
    assert_eq!(loadgen("broadcast", NOBODY, "-c 3 --subscribers 4").0, 2);
    assert_eq!(loadgen("connect", NOBODY, "-c 3 --connect-concurrency 4").0, 2);
}

#[test]
fn numbers_and_times_are_taken_as_people_write_them() {
    let server = Server::start("--echo");
    let flags = "-c 2 --rate 1K -W 0 -d 0.5 --drain 1.5s --connect-rate 1M";
    let (code, report) = loadgen("echo", server.address, flags);
    assert_eq!((code, &report["throughput"]["sent"]), (0, &500.into()), "{report}");
    for flags in ["-d 2h -n 5", "-d 24h -n 5 -W 0"] {
        assert_eq!(loadgen("echo", server.address, flags).0, 0, "{flags}");
    }
    for flags in ["-d 25h", "-d soon", "--rate 1.5", "--rate 1X"] {
        assert_eq!(loadgen("echo", NOBODY, flags).0, 2, "{flags}");
    }
}

/// Runs a line in a shell, as a user would paste it.
fn run_in_a_shell(line: &str) -> Output {
    Command::new("sh").args(["-c", line]).output().unwrap()
}

#[test]
fn what_check_says_to_run_next_can_be_run() {
    for (flags, scenario) in [
        ("--echo", "echo"),
        ("--broadcast", "broadcast"),
        ("--broadcast --no-own-copy", "broadcast"),
        ("--sink", "ping"),
    ] {
        let server = Server::start(flags);
        let url = format!("ws://{}/it's?a=1&b=$(c)", server.address);
        let output = output(&["check", &url, "--binary", "-b", "127.0.0.0/8", "--format", "json"]);
        let report: Value = serde_json::from_slice(&output.stdout).unwrap();
        let line = report["server"]["run_next"].as_str().unwrap();
        let said = String::from_utf8(output.stderr).unwrap();
        assert!(said.contains(line), "{line}: {said}");
        assert!(line.contains(&format!(" {scenario} ")) && line.contains("--binary"), "{line}");
        let next = run_in_a_shell(&format!("{line} -W 0 -d 1"));
        let shown = String::from_utf8(next.stdout).unwrap();
        assert_eq!(next.status.code(), Some(0), "{line}: {shown}");
        assert!(shown.contains(&format!("{scenario}  {url}\n")), "{shown}");
    }
}

#[test]
fn the_command_in_a_report_repeats_the_run() {
    let server = Server::start("--echo");
    let url = format!("ws://{}/a b?c=1&d=*", server.address);
    let words = ["echo", &url, "-c", "2", "-W", "0", "-d", "300ms", "--label=-x 'y'"];
    let more = ["--threshold", "lost<1", "-H", "X-Secret: s", "--format", "json"];
    let first = output(&[&words[..], &more].concat());
    let report: Value = serde_json::from_slice(&first.stdout).unwrap();
    let line = report["run"]["command"].as_str().unwrap();
    assert!(report["notes"].to_string().contains("add --header"), "{}", report["notes"]);
    let again = run_in_a_shell(line);
    let repeated: Value = serde_json::from_slice(&again.stdout).unwrap();
    assert_eq!(again.status.code(), Some(0), "{line}");
    assert_eq!(repeated["run"]["settings"], report["run"]["settings"], "{line}");
    assert_eq!(repeated["run"]["url"], url.as_str());
    assert_eq!(repeated["run"]["command"], line);
}

#[test]
fn a_server_that_does_not_open_is_not_recommended() {
    let (code, report) = loadgen("check", NOBODY, "");
    assert_eq!((code, &report["server"]["run_next"]), (1, &Value::Null), "{report}");
}

#[test]
fn what_does_not_fit_on_this_machine_is_said_before_it_fails() {
    let server = Server::start("--echo");
    let program = Path::new(env!("CARGO_BIN_EXE_loadgen")).display();
    let url = format!("ws://{}/", server.address);
    let line = format!("ulimit -n 64; {program} hold {url} -c 100 -d 0");
    let output = run_in_a_shell(&line);
    let (said, shown) =
        (String::from_utf8(output.stderr).unwrap(), String::from_utf8(output.stdout).unwrap());
    let warning = "100 connections asked for, 64 open files allowed: the run goes on, but up to 68";
    assert!(said.contains(warning), "{said}");
    assert_eq!(output.status.code(), Some(3), "{shown}");
    assert!(shown.contains("Too many open files"), "{shown}");
}

#[test]
fn what_would_measure_nothing_or_write_a_file_named_dash_is_a_usage_error() {
    let url = format!("ws://{NOBODY}/");
    for (words, reason) in [
        (["ping", &url, "-d", "0"], "measures nothing"),
        (["connect", &url, "--duration", "0s"], "measures nothing"),
        (["ping", &url, "-o", "-"], "--format"),
        (["hold", &url, "--html", "-"], "--format"),
    ] {
        let output = output(&words);
        let said = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(2), "{words:?}: {said}");
        assert!(said.contains(reason), "{words:?}: {said}");
    }
}

#[test]
fn a_misspelt_variable_is_told_and_the_known_one_is_not() {
    let server = Server::start("--echo");
    let url = format!("ws://{}/", server.address);
    let mut command = Command::new(env!("CARGO_BIN_EXE_loadgen"));
    command.args(["ping", &url, "-c", "1", "-n", "1", "-W", "0", "--no-progress"]);
    command.env("LOADGEN_BEARR", "x").env("LOADGEN_BEARER", "x");
    let said = String::from_utf8(command.output().unwrap().stderr).unwrap();
    assert!(said.contains("LOADGEN_BEARR has no effect"), "{said}");
    assert!(!said.contains("variable LOADGEN_BEARER "), "{said}");
}
