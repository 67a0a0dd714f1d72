//! Tests of what a script that runs loadgen relies on: exit codes, JSON that follows the schema,
//! the files that were asked for, and signals.
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::Duration;

use boon::{Compiler, Schemas};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

use crate::serve::Server;
use crate::{error, loadgen};

const PHASES: &str = "-W 50ms -d 300ms";

fn command(words: &str) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_loadgen"));
    command.args(words.split_whitespace());
    command
}

fn output(words: &str) -> Output {
    command(words).output().unwrap()
}

/// Returns the path of a file that belongs to this test process.
fn path(name: &str) -> PathBuf {
    Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("{}-{name}", std::process::id()))
}

fn read(path: &Path) -> String {
    let text =
        std::fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    std::fs::remove_file(path).unwrap();
    text
}

fn assert_keeps_to_the_schema(report: &Value) {
    let mut schemas = Schemas::new();
    let schema = Path::new(env!("CARGO_MANIFEST_DIR")).join("report.schema.json");
    let index = Compiler::new().compile(schema.to_str().unwrap(), &mut schemas).unwrap();
    if let Err(error) = schemas.validate(report, index) {
        panic!("{error:#}\n{report}");
    }
}

#[test]
fn every_scenario_ends_with_one_object_that_keeps_to_the_schema() {
    let (echo, broadcast) = (Server::start("--echo"), Server::start("--broadcast"));
    let (echo, broadcast) = (echo.address, broadcast.address);
    for (scenario, address, flags) in [
        ("check", echo, ""),
        ("check", broadcast, ""),
        ("ping", echo, "-c 2"),
        ("ping", broadcast, "-c 2 --rate 200"),
        ("echo", echo, "-c 2 --inflight 3"),
        ("echo", echo, "-c 2 --rate 200 --threads 2 --label two"),
        ("broadcast", broadcast, "--subscribers 3 --rate 200 --threads 2"),
        ("broadcast", broadcast, "--subscribers 3 --saturate"),
        ("connect", echo, "-n 20"),
        ("hold", echo, "-c 20 --hold 10ms"),
        (
            "churn",
            broadcast,
            "--subscribers 3 --rate 200 --visits 50 --lifetime 10ms --slow 1 --wake",
        ),
    ] {
        let phases = if ["check", "connect", "hold"].contains(&scenario) { "" } else { PHASES };
        let (code, report) = loadgen(scenario, address, &format!("{phases} {flags}"));
        assert_eq!(code, 0, "{scenario} {flags}: {report}");
        assert_eq!(
            (&report["run"]["scenario"], &report["passed"]),
            (&scenario.into(), &true.into())
        );
        assert_keeps_to_the_schema(&report);
    }
    let (code, report) = loadgen("echo", SocketAddr::from(([127, 0, 0, 1], 9)), PHASES);
    assert_eq!((code, error(&report, "not_connected").0), (1, 100));
    assert_keeps_to_the_schema(&report);
}

#[test]
fn a_missed_threshold_exits_with_99_unless_a_check_has_failed() {
    let whole = Server::start("--echo");
    let run = |address, thresholds: &str| {
        loadgen("echo", address, &format!("-c 2 {PHASES} {thresholds}"))
    };
    assert_eq!(
        run(whole.address, "--threshold service.p99<1h --threshold lost==0").0,
        2,
        "hours are not a unit of thresholds"
    );
    assert_eq!(run(whole.address, "--threshold service.p99<100s --threshold lost==0").0, 0);
    let (code, report) = run(whole.address, "--threshold service.p99<1ns --threshold lost==0");
    assert_eq!((code, &report["passed"]), (99, &false.into()));
    let passed: Vec<_> =
        report["thresholds"].as_array().unwrap().iter().map(|one| &one["passed"]).collect();
    assert_eq!(passed, [false, true]);
    let lossy = Server::start("--echo --fault drop=1 --fault-after 20");
    let (code, report) = run(lossy.address, "--threshold service.p99<1ns --drain 100ms");
    assert_eq!((code, &report["thresholds"][0]["passed"]), (3, &false.into()), "{report}");
}

#[test]
fn a_generator_that_was_the_limit_exits_with_4_where_that_is_asked_for() {
    for (flags, code) in [("--strict", 4), ("", 0)] {
        let mut server = Server::start("--echo");
        let words = format!(
            "echo ws://{}/ -c 2 --rate 500 -W 0s -d 2s --format json {flags}",
            server.address
        );
        let run = command(&words).stdout(Stdio::piped()).spawn().unwrap();
        server.await_messages(300);
        // While the process is stopped the span ends, so the other 700 messages are late.
        signal(&run, Signal::STOP);
        std::thread::sleep(Duration::from_secs(2));
        signal(&run, Signal::CONT);
        let output = run.wait_with_output().unwrap();
        let report: Value = serde_json::from_slice(&output.stdout).unwrap();
        assert_eq!(output.status.code(), Some(code), "{report}");
        assert_eq!(report["verdict"]["verdict"], "generator-bound");
        assert_eq!(report["throughput"]["sent"], 1_000, "late messages are not skipped");
    }
}

#[test]
fn as_many_messages_are_sent_as_are_asked_for_on_any_number_of_threads() {
    let (echo, broadcast) = (Server::start("--echo"), Server::start("--broadcast"));
    for (scenario, address, flags) in [
        ("echo", echo.address, "-c 1 --rate 400"),
        ("echo", echo.address, "-c 1 --inflight 3"),
        ("ping", echo.address, "-c 5 --rate 400"),
        ("broadcast", broadcast.address, "--subscribers 4 --rate 400"),
        ("broadcast", broadcast.address, "--subscribers 4 --saturate"),
        ("broadcast", broadcast.address, "--subscribers 4 --publishers 3 --saturate --inflight 2"),
    ] {
        for threads in [1, 2, 3] {
            let flags = format!("{flags} --threads {threads} -n 100 -W 50ms -d 20s");
            let (code, report) = loadgen(scenario, address, &flags);
            assert_eq!(
                (code, &report["throughput"]["sent"]),
                (0, &100.into()),
                "{scenario} {flags}: {report}"
            );
        }
    }
}

#[test]
fn a_stored_report_is_shown_as_it_was_when_it_was_fresh() {
    let server = Server::start("--echo");
    let fresh = ["json", "html", "hgrm"].map(|kind| path(&format!("fresh.{kind}")));
    let flags = format!("-c 2 -W 50ms -d 1s --format json --no-progress {PLACES}");
    let words = in_places(&format!("echo ws://{}/ {flags}", server.address), &fresh);
    let run = output(&words);
    assert_eq!(
        (run.status.code(), run.stdout.as_slice(), run.stderr.as_slice()),
        (Some(0), &b""[..], &b""[..])
    );
    let stored = ["json", "html", "hgrm"].map(|kind| path(&format!("stored.{kind}")));
    let words =
        in_places(&format!("report {} --format json {PLACES}", fresh[0].display()), &stored);
    assert_eq!(output(&words).status.code(), Some(0));
    for format in ["text", "csv"] {
        let shown = output(&format!("report {} --format {format}", fresh[0].display()));
        let first = if format == "text" { "loadgen " } else { "second,phase," };
        assert!(String::from_utf8(shown.stdout).unwrap().starts_with(first));
    }
    for (fresh, stored) in fresh.iter().zip(&stored) {
        assert_eq!(read(fresh), read(stored));
    }
}

const PLACES: &str = "-o JSON --html HTML --hdr HGRM";

fn in_places(words: &str, [json, html, hgrm]: &[PathBuf; 3]) -> String {
    let replace = |words: String, name, path: &Path| words.replace(name, path.to_str().unwrap());
    replace(replace(replace(words.to_owned(), "JSON", json), "HTML", html), "HGRM", hgrm)
}

#[test]
fn what_is_no_report_is_not_shown_and_nothing_is_on_standard_output() {
    let foreign = path("foreign.json");
    std::fs::write(&foreign, "{}").unwrap();
    for (file, reason) in [(&foreign, "not a report of loadgen"), (&path("absent"), "No such file")]
    {
        let shown = output(&format!("report {}", file.display()));
        assert_eq!((shown.status.code(), shown.stdout.as_slice()), (Some(1), &b""[..]));
        let said = String::from_utf8(shown.stderr).unwrap();
        assert!(said.starts_with("loadgen: ") && said.contains(reason), "{said}");
    }
    std::fs::remove_file(foreign).unwrap();
}

fn signal(child: &Child, signal: Signal) {
    kill_process(Pid::from_child(child), signal).unwrap();
}

/// Starts a run of 400 messages a second, and presses Ctrl-C once or twice after this many
/// messages.
fn interrupted(mut server: Server, messages: u64, times: usize, words: &str) -> (i32, Value) {
    let words = words.replacen(' ', &format!(" ws://{}/ ", server.address), 1);
    let words = format!("{words} --rate 400 -d 60s --format json");
    let run = command(&words).stdout(Stdio::piped()).spawn().unwrap();
    server.await_messages(messages);
    signal(&run, Signal::INT);
    if times == 2 {
        // After the first Ctrl-C the run drains: waits until it sends nothing more.
        let mut before = 0;
        while before != server.messages() {
            before = server.messages();
            std::thread::sleep(Duration::from_millis(100));
        }
        signal(&run, Signal::INT);
    }
    let output = run.wait_with_output().unwrap();
    (output.status.code().unwrap(), serde_json::from_slice(&output.stdout).unwrap_or(Value::Null))
}

#[test]
fn the_first_ctrl_c_ends_the_run_early_and_reports() {
    let (code, report) = interrupted(Server::start("--echo"), 200, 1, "echo -c 2 -W 100ms");
    assert_eq!(code, 0, "{report}");
    assert_eq!(report["check"]["sent"], report["check"]["replied"]);
    assert!(report["notes"].to_string().contains("ended early by Ctrl-C"));
    assert_keeps_to_the_schema(&report);
    // The signal arrives before anything is measured.
    let (code, report) = interrupted(Server::start("--echo"), 20, 1, "echo -c 2 -W 50s");
    assert_eq!((code, &report["throughput"]["sent"]), (0, &0.into()), "{report}");
    assert_keeps_to_the_schema(&report);
}

#[test]
fn after_ctrl_c_every_receiver_still_gets_what_was_sent() {
    for words in [
        "broadcast --subscribers 50 -W 50ms",
        "broadcast --subscribers 50 --publishers 3 --threads 2 -W 50ms",
        "churn --subscribers 50 --slow 2 --wake --threads 2 -W 50ms",
    ] {
        let (code, report) = interrupted(Server::start("--broadcast"), 200, 1, words);
        assert_eq!(code, 0, "{words}: {report}");
        assert_eq!(report["check"]["delivered"], report["check"]["expected"]);
        assert!(report["woken"].is_null() || report["woken"]["caught_up"] == 2);
    }
}

#[test]
fn what_is_missing_after_ctrl_c_still_fails_the_run() {
    let server = Server::start("--echo --fault drop=1 --fault-after 20");
    let (code, report) = interrupted(server, 200, 1, "echo -c 2 -W 0s --drain 200ms");
    assert_eq!(code, 3, "{report}");
    let check = |name: &str| report["check"][name].as_u64().unwrap();
    assert_eq!((check("replied"), check("lost")), (40, check("sent") - 40));
}

#[test]
fn the_second_ctrl_c_ends_it_at_once_with_130_and_no_report() {
    let (code, report) = interrupted(Server::start("--sink"), 100, 2, "echo -c 2 -W 0s --drain 1m");
    assert_eq!((code, report), (130, Value::Null));
}
