//! The `fanfare` command: its verbs, its configuration, its exit codes.

use std::io::Write;
use std::process::{Command, Stdio};

use assert_cmd::assert::OutputAssertExt;
use rustix::process::Signal;
use tempfile::NamedTempFile;
use tungstenite::Message;

use crate::support::{Peer, Program, ask_once, connect, fanfare, request, wait_for};

/// Waits until a channel has so many subscribers.
fn wait_for_subscribers(server: &Program, channel: &str, subscribers: u64) {
    let wanted = format!("\"subscribers\":{subscribers},");
    wait_for("the subscribers", || {
        let answer = ask_once(server.address, &format!("GET /{channel}"), &[], "");
        answer.body.contains(&wanted).then_some(())
    });
}

fn file(text: &str) -> NamedTempFile {
    let mut file = NamedTempFile::new().unwrap();
    file.write_all(text.as_bytes()).unwrap();
    file
}

fn output(command: &mut Command, code: i32) -> (String, String) {
    let assert = command.assert().code(code);
    let output = assert.get_output();
    (
        String::from_utf8(output.stdout.clone()).unwrap(),
        String::from_utf8(output.stderr.clone()).unwrap(),
    )
}

#[test]
fn what_sub_prints_is_what_pub_has_published() {
    let server = Program::start(&[]);
    let sub = fanfare(&["sub", "news/uk", "--count", "4", "--url", &server.url])
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    wait_for_subscribers(&server, "news/uk", 1);
    let (answer, _) = output(&mut fanfare(&["pub", "news/uk", "one", "--url", &server.url]), 0);
    assert!(answer.ends_with(",\"subscribers\":1}\n"), "{answer}");
    assert_cmd::Command::from_std(fanfare(&["pub", "news/uk", "--url", &server.url]))
        .write_stdin("two\r\nthree")
        .assert()
        .success();
    assert_cmd::Command::from_std(fanfare(&["pub", "news/uk", "--binary", "--url", &server.url]))
        .write_stdin(&b"\xff\n\xff"[..])
        .assert()
        .success();
    let sub = sub.wait_with_output().unwrap();
    assert!(sub.status.success());
    assert_eq!(sub.stdout, b"one\ntwo\nthree\n\xff\n\xff\n");
}

#[test]
fn sub_says_why_it_was_refused() {
    let server = Program::start(&[]);
    let (_, error) = output(&mut fanfare(&["sub", "/-/nothing", "--url", &server.url]), 1);
    assert!(error.contains("404") && error.contains("no WebSocket is served here"), "{error}");
}

#[test]
fn sub_ends_quietly_when_its_reader_has_gone() {
    let server = Program::start(&[]);
    let mut sub =
        fanfare(&["sub", "news", "--url", &server.url]).stdout(Stdio::piped()).spawn().unwrap();
    drop(sub.stdout.take());
    wait_for_subscribers(&server, "news", 1);
    fanfare(&["pub", "news", "hello", "--url", &server.url]).assert().success();
    assert_eq!(sub.wait().unwrap().code(), Some(0));
}

#[test]
fn a_server_outlives_the_reader_of_its_log() {
    for format in ["text", "json"] {
        let (mut server, log) = Program::start_with_log(&["--log-events", "--log-format", format]);
        drop(log);
        for _ in 0..2 {
            let mut peer = connect(server.address, "/news");
            peer.send(Message::text("hello")).unwrap();
            assert_eq!(peer.read().unwrap(), Message::text("hello"));
        }
        server.signal(Signal::TERM);
        assert_eq!(server.exit_code(), Some(0));
    }
}

#[test]
fn the_first_signal_drains_and_the_server_exits_with_0() {
    for signal in [Signal::TERM, Signal::INT] {
        let (mut server, mut log) = Program::start_with_log(&["--log-events"]);
        let mut sub = fanfare(&["sub", "news", "--url", &server.url]);
        let sub = sub.stderr(Stdio::piped()).spawn().unwrap();
        log.wait_for("open");
        log.read_in_background();
        server.signal(signal);
        let sub = sub.wait_with_output().unwrap();
        assert_eq!(sub.status.code(), Some(1));
        assert!(String::from_utf8(sub.stderr).unwrap().contains("1012"));
        assert_eq!(server.exit_code(), Some(0));
    }
}

#[test]
fn the_second_signal_ends_the_server_at_once() {
    let (mut server, mut log) = Program::start_with_log(&["--drain-timeout", "1h"]);
    let _peer = connect(server.address, "/news");
    server.signal(Signal::TERM);
    log.wait_for("draining");
    log.read_in_background();
    server.signal(Signal::TERM);
    assert_eq!(server.exit_code(), Some(0));
}

#[test]
fn a_publish_key_is_asked_for_and_taken() {
    let key = file("open-sesame\n");
    let server = Program::start(&["--publish-key-file", key.path().to_str().unwrap()]);
    let publish = ["pub", "news", "hello", "--url", &server.url];
    let (_, error) = output(&mut fanfare(&publish), 1);
    assert!(error.contains("401") && error.contains("Authorization: Bearer"), "{error}");
    fanfare(&publish).args(["--key", "wrong"]).assert().code(1);
    fanfare(&publish).args(["--key", "open-sesame"]).assert().success();
    fanfare(&publish).env("FANFARE_PUBLISH_KEY", "open-sesame").assert().success();
}

#[test]
fn healthcheck_tells_by_its_exit_code() {
    let server = Program::start(&[]);
    fanfare(&["healthcheck", "--url", &server.url]).assert().code(0);
    let url = server.url.clone();
    drop(server);
    let (_, error) = output(&mut fanfare(&["healthcheck", "--url", &url]), 1);
    assert!(error.contains("is fanfare running there?"), "{error}");
}

#[test]
fn a_port_in_use_is_named_with_the_way_out() {
    let server = Program::start(&[]);
    let address = server.address.to_string();
    let (_, error) = output(&mut fanfare(&["--listen", &address]), 1);
    assert!(error.contains(&address) && error.contains("--listen"), "{error}");
}

#[test]
fn echo_answers_with_what_it_gets() {
    let server = Program::start(&["echo"]);
    let mut peer = connect(server.address, "/any/path");
    // Larger than the standalone server takes.
    let message = Message::binary(vec![7; 1 << 20]);
    peer.send(message.clone()).unwrap();
    assert_eq!(peer.read().unwrap(), message);
}

#[test]
fn echo_may_have_several_reactors_and_a_reactor_must_be() {
    let server = Program::start(&["echo", "--reactors", "16"]);
    let mut peer = connect(server.address, "/");
    peer.send(Message::text("hello")).unwrap();
    assert_eq!(peer.read().unwrap(), Message::text("hello"));
    let (_, error) =
        output(&mut fanfare(&["echo", "--reactors", "0", "--listen", "127.0.0.1:0"]), 1);
    assert!(error.contains("at least one reactor"), "{error}");
}

#[test]
fn the_configuration_comes_from_file_environment_and_command_line_in_this_order() {
    let config =
        file("max-channels = 1\nreactors = 2\nmax-message-size = '1KiB'\nslow-policy = 'skip'\n");
    let path = config.path().to_str().unwrap();
    let (shown, _) = output(
        fanfare(&["--config", path, "--max-channels", "3", "--print-config"])
            .env("FANFARE_MAX_CHANNELS", "2")
            .env("FANFARE_REACTORS", "3")
            .env("FANFARE_MAX_MESSAGE_SIZE", "2KiB"),
        0,
    );
    for line in [
        "max-channels = 3",
        "reactors = 3",
        "max-message-size = \"2KiB\"",
        "slow-policy = \"skip\"",
        "ping-interval = \"25s\"",
    ] {
        assert!(shown.lines().any(|shown| shown == line), "{line} in {shown}");
    }
}

#[test]
fn a_printed_configuration_can_be_read_back_and_holds_no_secret() {
    let flags = [
        "--listen",
        "[::1]:9000",
        "--echo",
        "--publish-key",
        "hush",
        "--allowed-origins=https://*.a.example,*",
    ];
    let (shown, _) = output(fanfare(&flags).arg("--print-config"), 0);
    assert!(!shown.contains("hush"), "{shown}");
    let config = file(&shown);
    let again =
        output(&mut fanfare(&["--config", config.path().to_str().unwrap(), "--print-config"]), 0).0;
    let without_comments =
        |text: &str| text.lines().filter(|line| !line.starts_with('#')).collect::<String>();
    assert_eq!(without_comments(&shown), without_comments(&again));
}

#[test]
fn what_is_wrong_in_a_configuration_is_named() {
    let unknown = file("lissen = '127.0.0.1:1'\n");
    let (_, error) =
        output(&mut fanfare(&["check", "--config", unknown.path().to_str().unwrap()]), 1);
    assert!(error.contains("lissen") && error.contains("line 1"), "{error}");
    let (_, error) = output(fanfare(&["check"]).env("FANFARE_LISSEN", "x"), 1);
    assert!(error.contains("FANFARE_LISSEN"), "{error}");
    let (_, error) = output(&mut fanfare(&["check", "--max-message-size", "1MiB"]), 1);
    assert!(error.contains("--channel-buffer"), "{error}");
    let (_, error) = output(&mut fanfare(&["check", "--listen", "8080"]), 1);
    assert!(error.contains("127.0.0.1:8080"), "{error}");
    for (reactors, rule) in [("0", "at least 1"), ("257", "at most 256")] {
        let (_, error) = output(&mut fanfare(&["check", "--reactors", reactors]), 1);
        assert!(error.contains("--reactors") && error.contains(rule), "{error}");
    }
    let (_, error) =
        output(&mut fanfare(&["check", "--reactors", "4", "--memory-limit", "3MiB"]), 1);
    assert!(error.contains("4 reactors") && error.contains("set --memory-limit"), "{error}");
    output(&mut fanfare(&["check"]), 0);
}

#[test]
fn what_this_version_does_not_have_is_an_unknown_flag() {
    for flag in ["--jwt-secret", "--tls-cert", "--compression", "--history-size", "--cluster"] {
        let (_, error) = output(&mut fanfare(&[flag, "1"]), 2);
        assert!(error.contains(flag), "{error}");
    }
}

#[test]
fn a_server_for_everyone_without_authentication_is_warned_of() {
    let (_, warning) = output(&mut fanfare(&["check", "--listen", "0.0.0.0:0"]), 0);
    assert!(
        warning.contains("without authentication") && warning.contains("--publish-key"),
        "{warning}"
    );
    let (_, silence) = output(&mut fanfare(&["check"]), 0);
    assert_eq!(silence, "");
}

#[test]
fn events_are_logged_one_line_each_and_escaped() {
    let (server, mut log) = Program::start_with_log(&["--log-events"]);
    let mut peer = connect(server.address, "/news");
    assert!(log.wait_for("open").contains("channel=\"news\""));
    peer.send(Message::text("hello")).unwrap();
    assert!(log.wait_for("message").contains("kind=\"text\" bytes=5"));
    peer.send(Message::text(r#"{"event":"move\nINFO forged","data":{"x":1}}"#)).unwrap();
    let line = log.wait_for("event");
    assert!(
        line.contains(r#"event="move\nINFO forged""#) && line.contains(r#"data="{\"x\":1}""#),
        "{line}"
    );
    Peer::connect(server.address).send(request("POST", "/news", "", "posted"));
    assert!(log.wait_for("message").contains("channel=\"news\" kind=\"text\" bytes=6"));
    peer.close(Some(tungstenite::protocol::CloseFrame {
        code: 4321.into(),
        reason: "bye\n".into(),
    }))
    .unwrap();
    assert!(log.wait_for("close").contains(r#"code=4321 reason="bye\n""#));
}
