//! Faults are requested by rate and seed and counted exactly: what loadgen reports must equal the
//! ledger of `loadgen serve`.
//!
//! Three details concern the end of a run. A lost message that no other message follows cannot be
//! distinguished from a late one until `--drain` is over, so the run waits that long. A copy that
//! is held back to be overtaken, and that no copy overtakes, is sent in order after 100 ms; neither
//! side counts it as reordered. A run ends when each receiver has received each message once. The
//! second copy of a last message is counted if it arrives in the same read, as small ones do, and
//! is not waited for otherwise.
use serde_json::Value;

use crate::serve::{Server, counts};
use crate::{faults, loadgen};

const ALL: &str = "drop=0.02,dup=0.02,reorder=0.02,corrupt=0.02";
/// The drain of 2 s is long enough for the last copies on a busy machine. A copy that arrived later
/// would be lost for loadgen but not in the ledger.
const PHASES: &str = "-W 50ms -d 300ms --connect-rate 0";
const THOUSAND: &str = "--subscribers 1000 --rate 50";

/// Runs and compares the counts of all faults and messages on both sides. Returns the report.
fn run_counted(scenario: &str, serve: &str, flags: &str) -> Value {
    let server = Server::start(serve);
    let (code, report) = loadgen(scenario, server.address, &format!("{PHASES} {flags}"));
    let ledger = server.end();
    let said = format!("{serve} {flags}\n{ledger}\n{}", report["check"]);
    assert_eq!(code, 3, "{said}\n{report}");
    assert_eq!(faults(&report), made(&ledger), "{said}");
    let [messages, copies] = counts(&ledger, ["messages_in", "copies"]);
    let check = |name: &str| report["check"][name].as_u64();
    assert_eq!(check("unexpected"), Some(0), "{said}");
    let [_, duplicated, _, corrupted] = made(&ledger);
    let whole = Some(copies - duplicated - corrupted);
    let (sent, came) =
        if scenario == "echo" { ("sent", "replied") } else { ("published", "delivered") };
    assert_eq!((check(sent), check(came)), (Some(messages), whole), "{said}");
    report
}

/// Returns the copies that were dropped, duplicated, reordered and corrupted.
fn made(ledger: &Value) -> [u64; 4] {
    counts(ledger, ["dropped", "duplicated", "reordered", "corrupted"])
}

/// Asserts that each of the faults has happened, often enough to be significant.
fn assert_all_came(report: &Value) {
    assert!(faults(report).iter().all(|count| *count > 20), "{}", report["check"]);
}

#[test]
fn a_broadcast_to_a_thousand_receivers_is_judged_to_the_message() {
    for (seed, threads) in [(1, 1), (2, 2)] {
        let serve = format!("--broadcast --fault {ALL} --seed {seed}");
        let report = run_counted("broadcast", &serve, &format!("{THOUSAND} --threads {threads}"));
        assert_eq!(report["connect"]["opened"], 1_001);
        assert_all_came(&report);
    }
}

#[test]
fn each_fault_alone_is_told_from_the_others_at_a_thousand_receivers() {
    for (at, fault) in ["drop", "dup", "reorder", "corrupt"].iter().enumerate() {
        let serve = format!("--broadcast --fault {fault}=0.05 --seed {at}");
        let report =
            run_counted("broadcast", &serve, &format!("{THOUSAND} --threads {}", 1 + at % 2));
        let found: Vec<_> = (0..4).filter(|other| faults(&report)[*other] > 0).collect();
        assert_eq!(found, [at], "{fault}: {}", report["check"]);
    }
}

/// Order is checked for each publisher separately: a copy that is overtaken by another publisher's
/// copy, as most are here, is in order.
#[test]
fn several_publishers_in_both_loops_are_judged_to_the_message() {
    for (serve, flags) in [
        ("--broadcast", "--publishers 3 --rate 600"),
        ("--broadcast --no-own-copy", "--publishers 3 --rate 600 --threads 2"),
        ("--broadcast", "--publishers 3 --saturate --inflight 8"),
        (
            "--broadcast --no-own-copy",
            "--publishers 4 --saturate --inflight 8 --pipeline --threads 2",
        ),
    ] {
        let serve = format!("{serve} --fault drop=0.02,dup=0.02,corrupt=0.02 --seed 3");
        let report = run_counted("broadcast", &serve, &format!("--subscribers 20 {flags}"));
        let [lost, duplicated, _, corrupt] = faults(&report);
        assert!(lost > 20 && duplicated > 20 && corrupt > 20, "{}", report["check"]);
    }
}

#[test]
fn an_echo_is_judged_to_the_message_in_both_loops() {
    for (seed, flags) in [
        (1, "-c 50 --rate 10k"),
        (2, "-c 50 --rate 10k --threads 2"),
        (3, "-c 50 --inflight 16"),
        (4, "-c 50 --inflight 16 --threads 2 -s 16..1k"),
    ] {
        let report = run_counted("echo", &format!("--echo --fault {ALL} --seed {seed}"), flags);
        assert_all_came(&report);
    }
}

#[test]
fn what_is_lost_at_the_end_with_nothing_after_it_is_lost_all_the_same() {
    for (scenario, serve, flags) in [
        ("broadcast", "--broadcast", "--subscribers 9 --rate 100"),
        ("broadcast", "--broadcast", "--subscribers 9 --rate 100 --threads 2"),
        ("echo", "--echo", "-c 4 --rate 400"),
    ] {
        let serve = format!("{serve} --fault drop=1 --fault-after 10");
        let report = run_counted(scenario, &serve, &format!("{flags} --drain 200ms"));
        assert!(faults(&report)[0] > 0);
    }
}

#[test]
fn copies_that_are_under_way_at_the_end_are_counted() {
    for fault in ["dup=1", "reorder=1"] {
        for (scenario, serve, flags) in [
            ("broadcast", "--broadcast", "--subscribers 9 --rate 100"),
            ("echo", "--echo", "-c 4 --rate 400"),
        ] {
            run_counted(scenario, &format!("{serve} --fault {fault}"), flags);
        }
    }
    let server = Server::start("--echo --fault dup=1");
    let (code, report) =
        loadgen("echo", server.address, &format!("{PHASES} -c 4 --rate 400 -s 40KiB"));
    let ([_, found, ..], [_, made, ..]) = (faults(&report), made(&server.end()));
    assert_eq!(code, 3);
    assert!(
        (made - 4..=made).contains(&found),
        "only the last of each connection may be missing: {found} of {made}"
    );
}

#[test]
fn what_comes_late_is_timed_all_the_same() {
    for (scenario, serve, flags) in [
        ("broadcast", "--broadcast", "--subscribers 20 --rate 400"),
        ("echo", "--echo", "-c 4 --rate 4k"),
        ("echo", "--echo", "-c 4 --inflight 4"),
    ] {
        let report = run_counted(scenario, &format!("{serve} --fault reorder=0.2"), flags);
        let throughput = &report["throughput"];
        assert_eq!(throughput["delivered"], throughput["expected"], "{throughput}");
        let times = if flags.contains("--rate") { "response_ns" } else { "service_ns" };
        assert_eq!(report["latency"][times]["count"], throughput["delivered"]);
    }
}
