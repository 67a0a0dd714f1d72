//! Whole runs of the program, against servers with a different codec, with and without faults, and
//! against the floor.
mod faults;
mod pipeline;
mod reasons;
mod requests;
mod serve;
mod servers;
mod stall;
mod terminal;
mod tls;
mod usage;
mod views;

use std::net::SocketAddr;
use std::process::Command;

use serde_json::Value;
use socket2::{Domain, Socket, Type};

use crate::servers::{Fault, Floor, answering, broadcast, echo};

/// Makes the shortest run that still has every phase. Returns the exit code, and the report if
/// there is one.
fn loadgen(scenario: &str, address: SocketAddr, flags: &str) -> (i32, Value) {
    let output = Command::new(env!("CARGO_BIN_EXE_loadgen"))
        .args([scenario, &format!("ws://{address}/channel"), "--format", "json"])
        .args(flags.split_whitespace())
        .output()
        .unwrap();
    let report = serde_json::from_slice(&output.stdout).unwrap_or(Value::Null);
    (output.status.code().unwrap(), report)
}

/// Returns how many errors of a class there were, and the text of the first one.
fn error<'a>(report: &'a Value, class: &str) -> (u64, &'a str) {
    let errors = report["errors"].as_array().unwrap();
    let found = errors.iter().find(|error| error["class"] == class);
    found.map_or((0, ""), |error| {
        (error["count"].as_u64().unwrap(), error["first"].as_str().unwrap())
    })
}

const PHASES: &str = "-W 50ms -d 300ms --drain 5s";

fn run(scenario: &str, address: SocketAddr, flags: &str) -> (i32, Value) {
    loadgen(scenario, address, &format!("{PHASES} {flags}"))
}

/// Runs a broadcast to a publisher and three subscribers, with one fault early on.
fn run_faulty(fault: Fault) -> (i32, Value) {
    run("broadcast", broadcast(fault), "--subscribers 3 --rate 200")
}

#[test]
fn every_reply_of_an_echo_server_is_counted_and_right() {
    for flags in ["-c 3 -s 32", "-c 2 -s 16KiB --inflight 16", "-c 1 -s 1 --inflight 3"] {
        let (code, report) = run("echo", echo(|_, text| text), flags);
        let check = &report["check"];
        assert_eq!((code, &report["passed"]), (0, &Value::Bool(true)), "{report}");
        assert!(check["sent"].as_u64() > Some(0));
        assert_eq!(check["sent"], check["replied"]);
        assert!(report["latency"]["service_ns"]["count"].as_u64() > Some(0));
    }
}

#[test]
fn one_wrong_byte_in_one_reply_fails_the_run() {
    let alters_the_third = |count, text: String| {
        if count == 2 { format!("{}!", &text[..text.len() - 1]) } else { text }
    };
    let (code, report) = run("echo", echo(alters_the_third), "-c 2");
    assert_eq!((code, report["check"]["corrupt"].as_u64()), (3, Some(2)), "{report}");
    let (code, _) = run("echo", echo(alters_the_third), "-c 2 --verify count");
    assert_eq!(code, 0);
}

#[test]
fn a_broadcast_without_faults_passes_in_both_loops() {
    for flags in [
        "--rate 300",
        "--saturate",
        "--saturate --publishers 3 --inflight 8",
        "--saturate --inflight 8 --pipeline -s 40",
        "--rate 300 --threads 2",
        "--saturate --publishers 3 --inflight 2 --threads 2 -s 40..1k",
    ] {
        let flags = format!("--subscribers 5 {flags}");
        let (code, report) = run("broadcast", broadcast(Fault::None), &flags);
        let check = &report["check"];
        assert_eq!(code, 0, "{flags}: {report}");
        assert_eq!(check["own_copies"], "yes");
        let has_many = flags.contains("--publishers");
        assert_eq!(
            check["other_order"],
            if has_many { Value::from(0) } else { Value::Null },
            "{flags}"
        );
        assert_eq!(check["delivered"], check["expected"]);
        assert_eq!(report["throughput"]["delivered"], report["throughput"]["expected"]);
        let receivers = if flags.contains("--publishers 3") { 8 } else { 6 };
        assert_eq!(
            check["delivered"].as_u64().unwrap(),
            check["published"].as_u64().unwrap() * receivers
        );
    }
}

/// Returns the counts of lost, duplicated, reordered and corrupt messages.
fn faults(report: &Value) -> [u64; 4] {
    ["lost", "duplicated", "reordered", "corrupt"]
        .map(|name| report["check"][name].as_u64().unwrap())
}

#[test]
fn each_fault_is_found_and_called_by_its_name() {
    let (message, receiver) = (5, 2);
    for (fault, counts) in [
        (Fault::Drop { message, receiver }, [1, 0, 0, 0]),
        (Fault::Duplicate { message, receiver }, [0, 1, 0, 0]),
        (Fault::Swap { message, receiver }, [0, 0, 1, 0]),
        // A message that cannot be read is not missing.
        (Fault::Alter { message, receiver }, [0, 0, 0, 1]),
    ] {
        let (code, report) = run_faulty(fault);
        assert_eq!((code, faults(&report)), (3, counts), "{report}");
    }
}

#[test]
fn a_loss_does_not_stop_a_closed_loop_with_more_under_way() {
    let fault = Fault::Drop { message: 5, receiver: 2 };
    let (code, report) =
        run("broadcast", broadcast(fault), "--subscribers 3 --saturate --inflight 4");
    assert_eq!((code, faults(&report)), (3, [1, 0, 0, 0]), "{report}");
    assert!(report["check"]["published"].as_u64() > Some(20));
}

#[test]
fn a_close_is_told_as_a_close_and_not_as_a_loss() {
    let (code, report) = run_faulty(Fault::Cut { message: 5, receiver: 2 });
    assert_eq!((code, faults(&report)), (3, [0; 4]), "{report}");
    assert_eq!(report["check"]["receivers_ended"], 1);
    assert_eq!(error(&report, "closed_4008"), (1, "too slow"));
}

#[test]
fn a_server_that_does_not_broadcast_is_noticed_before_measuring() {
    let (code, report) = run("broadcast", echo(|_, text| text), "--subscribers 2");
    assert_eq!(code, 3);
    assert!(report["failures"].to_string().contains("does this path broadcast"), "{report}");
    assert!(!report["notes"].to_string().contains("Ctrl-C"), "{report}");
}

#[test]
fn stalled_subscribers_that_wake_up_find_everything_or_a_reason() {
    // Opened one by one, the receivers have the numbers that the faults name.
    let flags = "--slow 3 --subscribers 2 --rate 200 --visits 0 --wake --connect-concurrency 1";
    let (code, report) = run("churn", broadcast(Fault::None), flags);
    assert_eq!((code, &report["woken"]["caught_up"]), (0, &Value::from(3)), "{report}");
    // Receivers 0 to 2 are the publisher and the healthy subscribers.
    let (code, report) = run("churn", broadcast(Fault::Cut { message: 9, receiver: 4 }), flags);
    assert_eq!(code, 0, "{report}");
    let woken = &report["woken"];
    assert_eq!((&woken["closed_4008"], &woken["caught_up"]), (&Value::from(1), &Value::from(2)));
    assert_eq!(woken["prefix_messages_min"], 9);
    let (code, report) = run("churn", broadcast(Fault::Drop { message: 9, receiver: 4 }), flags);
    assert_eq!((code, &report["woken"]["broken"]), (3, &Value::from(1)), "{report}");
}

#[test]
fn visitors_come_and_go_and_the_healthy_ones_do_not_notice() {
    let flags = "--subscribers 3 --rate 100 --visits 200 --lifetime 20ms --storm 20";
    let (code, report) = run("churn", broadcast(Fault::None), flags);
    assert_eq!(code, 0, "{report}");
    let visitors = report["connect"]["visitors_opened"].as_u64().unwrap();
    let left = |how: &str| report["churn"][how].as_u64().unwrap();
    assert_eq!(left("left_by_reset") + left("left_by_closing"), visitors);
    assert!(left("left_by_reset") > 0 && left("left_by_closing") > 0);
    assert_eq!(report["connect"]["stormers_opened"], 40);
}

#[test]
fn idle_connections_are_opened_held_and_counted() {
    let flags = "-c 40 -d 10ms -b 127.0.0.0/8 --channels 7 --connect-rate 1k";
    let floor = Floor::start("broadcast", 64);
    let (code, report) =
        loadgen("hold", floor.address, &format!("{flags} --server-pid {}", floor.pid()));
    assert_eq!((code, &report["connect"]["opened"]), (0, &Value::from(40)), "{report}");
    assert!(report["memory"]["at_40_resident_bytes"].as_u64() > Some(0));
    assert_eq!(
        (&report["slope"]["from_connections"], &report["slope"]["to_connections"]),
        (&10.into(), &30.into())
    );
}

#[test]
fn the_floor_answers_with_fixed_bytes_and_broadcasts_true_ones() {
    let floor = Floor::start("echo", 32);
    let pid = floor.pid();
    let flags = format!("-c 5 -s 32 --inflight 16 --verify off --server-pid {pid}");
    let (code, report) = run("echo", floor.address, &flags);
    assert_eq!(code, 0, "{report}");
    assert!(report["cpu"]["server_ns_per_message"].as_u64() > Some(0));
    assert_eq!(run("echo", floor.address, "-c 1 -s 32").0, 3);
    for size in [64, 200, 70_000] {
        let floor = Floor::start("broadcast", size);
        let flags = format!("-s {size} --subscribers 20 --publishers 3 --saturate --inflight 4");
        let (code, report) = run("broadcast", floor.address, &flags);
        assert_eq!(code, 0, "{report}");
    }
}

#[test]
fn with_verify_off_nothing_is_judged() {
    let flags = "-c 3 --rate 300 --verify off";
    let (code, report) = run("echo", broadcast(Fault::None), flags);
    assert_eq!((code, &report["passed"]), (0, &Value::Bool(true)), "{report}");
    assert!(
        report["notes"].to_string().contains("no replies"),
        "the report must note what was not judged: {report}"
    );
}

#[test]
fn what_cannot_run_says_why() {
    // The port is bound, so that no other process gets it, but does not listen.
    let bound = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
    bound.bind(&SocketAddr::from(([127, 0, 0, 1], 0)).into()).unwrap();
    let nobody = bound.local_addr().unwrap().as_socket().unwrap();
    let (code, report) = run("echo", nobody, "-c 2");
    assert_eq!((code, error(&report, "not_connected").0), (1, 2), "{report}");
    let refusing = answering(b"HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\n\r\n");
    let (code, report) = run("echo", refusing, "-c 1");
    assert_eq!((code, error(&report, "handshake_refused").1), (1, "status 503"));
    let (code, report) = run("echo", answering(b"SSH-2.0-OpenSSH_9.9\r\n\r\n"), "-c 1");
    assert_eq!((code, error(&report, "handshake_invalid").0), (1, 1), "{report}");
    assert_eq!(run("echo", nobody, "--server-pid 4294967295").0, 1);
}

#[test]
fn wrong_usage_exits_with_2() {
    let nobody = SocketAddr::from(([127, 0, 0, 1], 9));
    for flags in
        ["--rate 5 --inflight 2", "-c 0", "-d 5x", "--inflight 0", "--nonsense", "-b 127.0.0.1/32"]
    {
        assert_eq!(loadgen("echo", nobody, flags).0, 2, "{flags}");
    }
    assert_eq!(loadgen("broadcast", nobody, "-s 39").0, 2);
    assert_eq!(loadgen("broadcast", nobody, "--saturate --rate 5").0, 2);
}
