//! Tests of what a report says about a run that went wrong: what happened, instead of "measure
//! longer".
use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpListener};
use std::process::{Command, Stdio};

use fanfare::protocol::{CloseCode, encode_close};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

use crate::serve::{Server, counts};
use crate::servers::{Fault, answering, broadcast, full_after};
use crate::{error, loadgen, run};

/// Returns reason and cure of a report's verdict.
fn verdict(report: &Value) -> (&str, &str) {
    let verdict = &report["verdict"];
    (verdict["reason"].as_str().unwrap(), verdict["cure"].as_str().unwrap_or_default())
}

fn assert_explained(report: &Value, words: &str) {
    let (reason, cure) = verdict(report);
    assert!(reason.contains(words), "{words}: {reason} {report}");
    assert!(!cure.contains("longer"), "{words}: {cure}");
}

#[test]
fn connections_that_cannot_be_held_are_not_called_trustworthy() {
    let full = b"HTTP/1.1 503 Service Unavailable\r\nContent-Length: 5\r\n\r\nfull.";
    let (code, report) = loadgen("hold", full_after(4, full), "-c 8 -d 0");
    assert_eq!(code, 3, "{report}");
    assert_eq!(report["verdict"]["verdict"], "target missed", "{report}");
    assert_explained(&report, "only 4 of 8 (50.0 %) connections opened; the most frequent: ");
    assert_explained(&report, "handshake_refused: status 503: full.");
}

#[test]
fn a_server_that_is_not_there_or_refuses_is_the_reason() {
    let nobody = SocketAddr::from(([127, 0, 0, 1], 9));
    for (scenario, flags) in [
        ("echo", "-c 2"),
        ("ping", "-c 2 --rate 100"),
        ("broadcast", "-c 2"),
        ("connect", "-n 2"),
        ("hold", "-c 2"),
        ("check", ""),
    ] {
        let (code, report) = loadgen(scenario, nobody, flags);
        assert_eq!(code, 1, "{scenario}: {report}");
        assert_explained(&report, "no connection opened, not_connected: Connection refused");
        let failures = report["failures"].to_string();
        assert!(!failures.contains("does this"), "{scenario}: {failures}");
    }
    let refusing =
        answering(b"HTTP/1.1 403 Forbidden\r\nContent-Length: 24\r\n\r\nThis origin may not ask.");
    let (_, report) = run("echo", refusing, "-c 1");
    assert_explained(&report, "handshake_refused: status 403: This origin may not ask.");
    let (_, report) = run("echo", answering(b""), "-c 1");
    assert_explained(&report, "handshake_invalid: the server ended the connection");
}

#[test]
fn a_path_that_does_something_else_is_the_reason() {
    let sink = Server::start("--sink");
    let (code, report) =
        loadgen("echo", sink.address, "-c 200 --rate 2k -W 0 -d 300ms --drain 100ms");
    assert_eq!(code, 3);
    assert_explained(&report, "600 were expected");
    assert!(report["failures"].to_string().contains("does this path echo?"), "{report}");
    let (code, report) = run("broadcast", sink.address, "-c 2");
    assert_eq!(code, 3);
    assert_explained(&report, "the first message did not reach every receiver");
}

#[test]
fn connections_that_end_are_the_reason() {
    let server = Server::start("--echo --fault close=4403@20");
    let (code, report) = loadgen("echo", server.address, "-c 2 -W 0 -d 60");
    assert_eq!(code, 3);
    assert_explained(&report, "the most frequent error was closed_4403");
}

#[test]
fn a_publisher_that_is_closed_at_its_first_message_is_the_reason() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            std::thread::spawn(move || {
                let mut socket = tungstenite::accept(stream.unwrap()).unwrap();
                let _ = socket.read();
                let mut close = Vec::new();
                encode_close(&mut close, CloseCode::FORBIDDEN, "not for you");
                socket.get_mut().write_all(&close).unwrap();
                let _ = socket.read();
            });
        }
    });
    let (code, report) = loadgen("broadcast", address, "-c 5 --publishers 2 -W 0 -d 60");
    assert_eq!((code, error(&report, "closed_4403")), (3, (1, "not for you")), "{report}");
    assert_explained(&report, "the server ended its publisher's connection");
}

#[test]
fn what_was_asked_for_is_the_reason_if_it_was_too_little() {
    let server = Server::start("--echo");
    let (code, report) = loadgen("echo", server.address, "-c 2 -n 20 -W 0 -d 60");
    assert_eq!(code, 0);
    assert_explained(&report, "no more were asked for");
    let (code, report) = loadgen("connect", server.address, "-c 2 -n 150");
    assert_eq!(code, 0);
    assert_explained(&report, "less than 1 s: no more were asked for");
    let (code, report) = loadgen("echo", server.address, "-c 2 -W 0 -d 200ms");
    assert_eq!((code, verdict(&report).1), (0, "measure longer, with --duration"), "{report}");
}

#[test]
fn a_close_that_a_server_should_send_is_no_error() {
    let flags = "--slow 3 --subscribers 2 --rate 200 --visits 0 --wake --connect-concurrency 1";
    let (code, report) = run("churn", broadcast(Fault::Cut { message: 9, receiver: 4 }), flags);
    assert_eq!((code, &report["woken"]["closed_4008"]), (0, &1.into()), "{report}");
    assert_eq!(report["errors"], Value::Array(Vec::new()));
    // A healthy receiver that is closed counts as an error.
    let (_, report) = run("churn", broadcast(Fault::Cut { message: 9, receiver: 1 }), flags);
    assert_eq!(error(&report, "closed_4008"), (1, "too slow"));
}

#[test]
fn what_the_server_said_is_read_before_a_failed_write_is_told() {
    // The server says why it closes, and resets the connection while the client is still sending.
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            std::thread::spawn(move || {
                let mut raw = stream.unwrap();
                let mut socket = tungstenite::accept(raw.try_clone().unwrap()).unwrap();
                let _ = socket.read();
                let mut close = Vec::new();
                encode_close(&mut close, CloseCode::SLOW_CONSUMER, "too slow");
                raw.write_all(&close).unwrap();
                // There are bytes left to read, so closing the socket resets the connection.
                let _ = raw.peek(&mut [0]);
            });
        }
    });
    let flags = "-c 50 --inflight 64 -s 16KiB -W 0 -d 2 --drain 200ms";
    let (code, report) = loadgen("echo", address, flags);
    assert_eq!(code, 3);
    assert_eq!(error(&report, "closed_4008"), (50, "too slow"), "{}", report["errors"]);
}

#[test]
fn a_hold_that_is_interrupted_while_it_opens_has_not_passed() {
    for flags in ["-c 1k --connect-rate 50", "-c 1k --connect-rate 50 --threads 2"] {
        let mut server = Server::start("--echo");
        let mut command = Command::new(env!("CARGO_BIN_EXE_loadgen"));
        command.args(["hold", &format!("ws://{}/", server.address), "--format", "json"]);
        command.args(flags.split(' ')).stdout(Stdio::piped());
        let run = command.spawn().unwrap();
        while counts(&server.ledger_after(Signal::USR1), ["connections"])[0] < 20 {
            std::thread::yield_now();
        }
        kill_process(Pid::from_child(&run), Signal::INT).unwrap();
        let output = run.wait_with_output().unwrap();
        let report: Value = serde_json::from_slice(&output.stdout).unwrap();
        assert_eq!(output.status.code(), Some(3), "{report}");
        assert_eq!(report["connect"]["wanted"], 1_000, "{report}");
        let opened = report["connect"]["opened"].as_u64().unwrap();
        let [not_begun, not_finished] =
            ["not_begun", "not_finished"].map(|class| error(&report, class).0);
        assert_eq!(opened + not_begun + not_finished, 1_000, "{report}");
        assert!(report["notes"].to_string().contains("Ctrl-C"), "{report}");
    }
}

#[test]
fn a_server_that_answers_nothing_is_told_from_one_that_closes() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let mut read = 0;
            let mut request = [0; 4096];
            // The whole request is read, so closing the socket does not reset the connection.
            while !request[..read].ends_with(b"\r\n\r\n") {
                read += stream.read(&mut request[read..]).unwrap();
            }
        }
    });
    let (code, report) = run("echo", address, "-c 1");
    let (count, text) = error(&report, "handshake_invalid");
    assert_eq!((code, count), (1, 1), "{report}");
    assert_eq!(text, "the server ended the connection and answered nothing");
}
