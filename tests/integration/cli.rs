//! Tests of the `fanfare` command: its subcommands, its configuration, its exit codes.

use std::io::{BufRead, BufReader, Write};
use std::process::{Command, Stdio};

use assert_cmd::assert::OutputAssertExt;
use rustix::process::Signal;
use tempfile::NamedTempFile;
use tungstenite::Message;

use crate::support::{
    Metrics, Peer, Program, Scraper, ask_once, connect, fanfare, request, upgrade, wait_for,
};

/// Waits until a channel has this many subscribers.
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
        let mut server = Program::start(&[]);
        let mut peer = Peer::subscribe(server.address, "/news");
        server.signal(signal);
        assert_eq!(peer.frame().close().map(|(code, _)| code), Some(1012));
        drop(peer);
        assert_eq!(server.exit_code(), Some(0));
    }
}

#[test]
fn sub_says_when_it_is_connected_and_comes_back_after_a_restart() {
    let mut server = Program::start(&[]);
    let url = format!("ws://{}/news", server.address);
    let mut sub = fanfare(&["sub", &url, "--count", "2"]);
    let mut sub = sub.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut said = BufReader::new(sub.stderr.take().unwrap()).lines().map(Result::unwrap);
    let subscribed = format!("fanfare: subscribed to http://{}/news", server.address);
    assert_eq!(said.next().as_ref(), Some(&subscribed));
    let publish = |message: &str| fanfare(&["pub", &url, message]).assert().success();
    publish("before");
    server.signal(Signal::TERM);
    let restarting = said.next().unwrap();
    assert!(restarting.contains("restarting") && restarting.contains("missed"), "{restarting}");
    assert_eq!(server.exit_code(), Some(0));
    let _server = Program::start_at(server.address, &[]);
    assert_eq!(said.next().as_ref(), Some(&subscribed));
    publish("after");
    let sub = sub.wait_with_output().unwrap();
    assert_eq!((sub.status.code(), &*sub.stdout), (Some(0), &b"before\nafter\n"[..]));
}

#[test]
fn a_server_that_is_not_there_or_refuses_says_what_to_do() {
    let key = file("open-sesame\n");
    let server = Program::start(&["--publish-key-file", key.path().to_str().unwrap()]);
    let url = format!("{}/news", server.url);
    let (_, error) = output(&mut fanfare(&["pub", &url, "hello"]), 1);
    assert!(error.contains("401") && error.contains("--key-file"), "{error}");
    let (_, error) = output(&mut fanfare(&["pub", &url, "hello", "--key", "wrong"]), 1);
    assert!(error.contains("401") && error.contains("was started with"), "{error}");
    let path = key.path().to_str().unwrap();
    fanfare(&["pub", &url, "hello", "--key-file", path]).assert().success();
    drop(server);
    for verb in [&["pub", &url, "hello"][..], &["sub", &url]] {
        let (_, error) = output(&mut fanfare(verb), 1);
        assert!(error.contains("Start it with") && error.contains("--url"), "{error}");
    }
}

#[test]
fn a_url_is_a_server_and_a_channel_and_never_the_name_of_one() {
    let server = Program::start(&[]);
    for scheme in ["http", "ws", "WS"] {
        let url = format!("{scheme}://{}/news/uk", server.address);
        // The server in the environment variable is not used.
        let mut publish = fanfare(&["pub", &url, "hello"]);
        publish.env("FANFARE_URL", "http://127.0.0.1:1").assert().success();
    }
    let answer = ask_once(server.address, "GET /news/uk", &[], "");
    assert!(answer.body.contains("\"messages\":3"), "{}", answer.body);
    let (_, error) = output(&mut fanfare(&["pub", &server.url, "hello"]), 1);
    assert!(error.contains("no channel"), "{error}");
}

#[test]
fn pub_names_the_line_that_was_not_published() {
    let server = Program::start(&["--max-message-size", "10"]);
    let assert = assert_cmd::Command::from_std(fanfare(&["pub", "news", "--url", &server.url]))
        .write_stdin("short\nlonger than ten\nshort\n")
        .assert()
        .code(1);
    let error = String::from_utf8(assert.get_output().stderr.clone()).unwrap();
    assert!(error.contains("line 2: ") && error.contains("10 bytes of --max-message-size"));
    let answer = ask_once(server.address, "GET /news", &[], "");
    assert!(answer.body.contains("\"messages\":1"), "{}", answer.body);
}

#[test]
fn pub_and_sub_do_not_take_a_url_with_a_mistake_for_a_channel() {
    let server = Program::start(&[]);
    for channel in ["htps://prod.example/news", "127.0.0.1:9/news"] {
        let mut publish = fanfare(&["pub", channel, "hello", "--url", &server.url]);
        let (_, error) = output(&mut publish, 1);
        assert!(error.contains("looks like a URL"), "{error}");
        let (_, error) = output(&mut fanfare(&["sub", channel, "--url", &server.url]), 1);
        assert!(error.contains("looks like a URL"), "{error}");
    }
}

#[test]
fn the_exit_codes_stand_in_the_help() {
    for verb in ["pub", "sub"] {
        let (help, _) = output(&mut fanfare(&[verb, "--help"]), 0);
        assert!(help.contains("Exit codes: 0"), "{help}");
    }
}

#[test]
fn the_first_line_shows_how_to_publish_with_the_key_where_one_is_needed() {
    let with_key = &Program::start(&["--publish-key", "hush"]).first_line;
    assert!(with_key.contains("curl -H 'Authorization: Bearer KEY' -d hello"), "{with_key}");
    assert!(!with_key.contains("hush"), "{with_key}");
    let without = &Program::start(&[]).first_line;
    assert!(without.contains("curl -d hello"), "{without}");
}

#[test]
fn the_second_signal_ends_the_server_at_once() {
    let (mut server, mut log) = Program::start_with_log(&["--drain-timeout", "1h"]);
    let _peer = connect(server.address, "/news");
    server.signal(Signal::TERM);
    log.wait_for("draining");
    log.read_in_background();
    assert_eq!(server.signal_until_the_end(Signal::TERM), Some(0));
}

#[test]
fn a_signal_that_comes_twice_is_one() {
    let flags = ["--drain-timeout", "1h", "--slow-timeout", "1h"];
    let (mut server, mut log) = Program::start_with_log(&flags);
    let behind = subscriber_that_is_behind(&server);
    // Two different signals, because the system may merge two pending signals of the same number.
    server.signal(Signal::TERM);
    server.signal(Signal::INT);
    log.wait_for("draining; a second signal");
    log.wait_for("counts as the first");
    log.read_in_background();
    // The drain goes on until the last peer has disconnected. If the second signal had counted, it
    // would have ended the server earlier.
    drop(behind);
    assert_eq!(server.exit_code(), Some(0));
}

#[test]
fn signals_that_mean_nothing_yet_are_logged_and_do_not_end_the_server() {
    for verb in ["serve", "echo"] {
        let (mut server, mut log) = Program::start_with_log(&[verb]);
        for (signal, name) in
            [(Signal::HUP, "SIGHUP"), (Signal::USR1, "SIGUSR1"), (Signal::USR2, "SIGUSR2")]
        {
            server.signal(signal);
            log.wait_for(name);
        }
        connect(server.address, "/news");
        log.read_in_background();
        server.signal(Signal::TERM);
        assert_eq!(server.exit_code(), Some(0));
    }
}

#[test]
fn the_metrics_say_what_the_memory_limit_is() {
    let server = Program::start(&["--memory-limit", "64MiB", "--reactors", "1"]);
    let metrics = Scraper::connect(server.address).scrape();
    assert_eq!(metrics.value("fanfare_memory_limit_bytes"), 64 << 20);
}

#[test]
fn a_log_that_nobody_reads_holds_up_nobody_and_its_lost_lines_are_counted() {
    let (mut server, log) = Program::start_with_log(&["--log-events", "--reactors", "2"]);
    let event = format!(r#"{{"event":"{}","data":"{}"}}"#, "e".repeat(250), "d".repeat(250));
    let mut scraper = Scraper::connect(server.address);
    let mut publisher = Peer::connect(server.address);
    let is_dropping = |metrics: &Metrics| metrics.value("fanfare_log_lines_dropped_total") > 0;
    let mut published = 0;
    while !is_dropping(&scraper.scrape()) {
        for _ in 0..200 {
            assert_eq!(publisher.ask(request("POST", "/news", "", &event)).status, 202);
        }
        published += 200;
        assert!(published < 100_000, "the pipe and the buffer hold less");
    }
    server.signal(Signal::HUP);
    assert_eq!(publisher.ask(request("POST", "/news", "", &event)).status, 202);
    server.signal(Signal::TERM);
    assert_eq!(server.exit_code(), Some(0));
    drop(log);
}

#[test]
fn a_refusal_is_logged_with_its_reason_and_what_was_asked_but_not_with_the_key() {
    let (server, mut log) = Program::start_with_log(&["--publish-key", "sesame"]);
    let mut peer = Peer::connect(server.address);
    let headers = "Authorization: Bearer guessed\r\nOrigin: http://localhost\r\n";
    assert_eq!(peer.ask(request("POST", "/news?token=hidden", headers, "a")).status, 401);
    let line = log.wait_for("bad_credentials");
    for part in [
        "method=\"POST\" path=\"/news\" host=\"localhost\" origin=\"http://localhost\"",
        "127.0.0.1",
    ] {
        assert!(line.contains(part), "{part} in {line}");
    }
    assert!(!line.contains("guessed") && !line.contains("hidden"), "{line}");
    for (request, reason) in [
        (request("POST", "/news", "", "a"), "missing_credentials"),
        (request("POST", "/news", "Origin: https://evil.example\r\n", "a"), "forbidden_origin"),
        (b"GET / HTTP/1.1\r\nHost: evil.example\r\n\r\n".to_vec(), "forbidden_host"),
    ] {
        assert!([401, 403].contains(&Peer::connect(server.address).ask(request).status));
        log.wait_for(reason);
    }
}

#[test]
fn a_publish_over_a_websocket_that_is_not_allowed_is_logged() {
    let (server, mut log) = Program::start_with_log(&["--publish", "none"]);
    Peer::subscribe(server.address, "/news").send(crate::support::text("hello"));
    let line = log.wait_for("forbidden_publish");
    assert!(line.contains("--publish"), "{line}");
}

#[test]
fn the_first_refusal_by_a_limit_is_logged_and_names_the_flag() {
    let (server, mut log) = Program::start_with_log(&["--max-connections-per-ip", "1"]);
    let _member = Peer::subscribe(server.address, "/news");
    assert_eq!(Peer::connect(server.address).ask(upgrade("/news")).status, 429);
    let line = log.wait_for("address_limit");
    assert!(line.contains("--max-connections-per-ip"), "{line}");
    // A message over the limit, on an open connection, is logged too.
    let (server, mut log) = Program::start_with_log(&["--max-message-size", "10"]);
    Peer::subscribe(server.address, "/news").send(crate::support::text("more than ten bytes"));
    let line = log.wait_for("too_large");
    assert!(line.contains("--max-message-size"), "{line}");
}

/// Connects a peer that does not read, and to which more is sent than the buffers hold.
fn subscriber_that_is_behind(server: &Program) -> Peer {
    let behind = Peer::connect_narrow(server.address).open("/behind");
    let mut publisher = Peer::connect(server.address);
    let payload = "x".repeat(60_000);
    for _ in 0..10 {
        assert_eq!(publisher.ask(request("POST", "/behind", "", &payload)).status, 201);
    }
    behind
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
fn pub_sends_no_key_that_a_server_could_not_have() {
    let server = Program::start(&[]);
    let publish = ["pub", "news", "hello", "--url", &server.url];
    for (key, why) in [("a\r\nX-Foo: bar", "not ASCII"), ("two words", "not ASCII"), ("", "empty")]
    {
        let (_, error) = output(fanfare(&publish).args(["--key", key]), 1);
        assert!(error.contains("--key") && error.contains(why), "{error}");
        // A variable that is set to nothing counts as not set.
        if !key.is_empty() {
            let (_, error) = output(fanfare(&publish).env("FANFARE_PUBLISH_KEY", key), 1);
            assert!(error.contains("FANFARE_PUBLISH_KEY") && error.contains(why), "{error}");
        }
        let file = file(key);
        let path = file.path().to_str().unwrap();
        let (_, error) = output(fanfare(&publish).args(["--key-file", path]), 1);
        assert!(error.contains(path) && error.contains(why), "{error}");
        assert!(!error.contains("X-Foo"), "{error}");
    }
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
fn healthcheck_asks_where_the_configuration_says_that_the_server_listens() {
    let server = Program::start(&[]);
    let port = server.address.port();
    let listen = server.address.to_string();
    fanfare(&["healthcheck", "--listen", &listen]).assert().code(0);
    fanfare(&["healthcheck", "--listen", &format!("0.0.0.0:{port}")]).assert().code(0);
    fanfare(&["healthcheck"]).env("FANFARE_LISTEN", &listen).assert().code(0);
    let config = file(&format!("listen = '192.0.2.1:1'\nadmin-listen = '{listen}'\n"));
    fanfare(&["healthcheck"]).env("FANFARE_CONFIG", config.path()).assert().code(0);
    // An empty variable counts as one that is not set.
    let mut command = fanfare(&["healthcheck", "--listen", &listen]);
    command.env("FANFARE_URL", "").env("FANFARE_CONFIG", "").assert().code(0);
}

#[test]
fn an_error_names_the_variable_that_is_wrong() {
    for (name, value, code) in [
        ("FANFARE_REACTORS", "four", 2),
        ("FANFARE_SLOW_POLICY", "kill", 2),
        ("FANFARE_ALLOWED_ORIGINS", "https://a.example, https://b.example/", 2),
        ("FANFARE_LISTEN", "8080", 1),
        ("FANFARE_MAX_MESSAGE_SIZE", "1MiB", 1),
    ] {
        // Of a variable, a value that cannot be read is one of the configuration's mistakes, too.
        let (_, error) = output(fanfare(&["check"]).env(name, value), 1);
        assert!(error.contains(name), "{error}");
        // If the wrong value is on the command line, the error names the flag and not the variable.
        let flag = format!("--{}", name.trim_start_matches("FANFARE_").to_lowercase());
        let flag = flag.replace('_', "-");
        let (_, error) = output(&mut fanfare(&["check", &flag, value]), code);
        assert!(error.contains(&flag) && !error.contains(name), "{error}");
        output(fanfare(&["check"]).env(name, ""), 0);
    }
}

#[test]
fn a_service_of_kubernetes_with_a_like_name_does_not_keep_the_server_from_starting() {
    let mut check = fanfare(&["check"]);
    check.env("FANFARE_METRICS_SERVICE_HOST", "10.0.0.7");
    check.env("FANFARE_METRICS_PORT", "tcp://10.0.0.7:8080");
    check.env("FANFARE_METRICS_PORT_8080_TCP_ADDR", "10.0.0.7");
    output(&mut check, 0);
    let (_, error) = output(fanfare(&["check"]).env("FANFARE_METRICS_HOST", "10.0.0.7"), 1);
    assert!(error.contains("FANFARE_METRICS_HOST"), "{error}");
}

#[test]
fn the_same_address_twice_is_told_apart_from_a_port_in_use() {
    let (_, error) =
        output(&mut fanfare(&["--listen", "127.0.0.1:9", "--listen", "127.0.0.1:9"]), 1);
    assert!(error.contains("127.0.0.1:9 twice") && !error.contains("another program"), "{error}");
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
    // This message is larger than the standalone server accepts by default.
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
    let (_, error) = output(
        &mut fanfare(&["check", "--config", file("listen = []").path().to_str().unwrap()]),
        1,
    );
    assert!(error.contains("no address") && error.contains("--listen"), "{error}");
    output(&mut fanfare(&["check"]), 0);
}

#[test]
fn a_bad_key_file_is_named_with_its_flag() {
    let key = file("two words");
    let path = key.path().to_str().unwrap();
    for path in [path, "/nowhere/key", "/dev/zero"] {
        let (_, error) = output(&mut fanfare(&["check", "--publish-key-file", path]), 1);
        assert!(error.contains(path) && !error.contains("words"), "{error}");
    }
    let (_, error) = output(&mut fanfare(&["check", "--publish-key-file", path]), 1);
    assert!(error.contains("--publish-key-file"), "{error}");
}

#[test]
fn a_key_on_the_command_line_overrides_one_of_another_kind_in_the_environment() {
    let (good, other) = (file("good-key"), file("other-key"));
    let (good, other) = (good.path().to_str().unwrap(), other.path().to_str().unwrap());
    let server = Program::start(&["--publish-key", "good-key"]);
    let publish = ["pub", "--url", &server.url, "news", "hello"];
    let mut by_file = fanfare(&publish);
    by_file.args(["--key-file", good]).env("FANFARE_PUBLISH_KEY", "other-key").assert().code(0);
    let mut by_text = fanfare(&publish);
    by_text.args(["--key", "good-key"]).env("FANFARE_PUBLISH_KEY_FILE", other).assert().code(0);
    let mut both = fanfare(&publish);
    let both = both.env("FANFARE_PUBLISH_KEY", "a").env("FANFARE_PUBLISH_KEY_FILE", good);
    assert!(output(both, 1).1.contains("give one"));

    let config = file("publish-key = 'a'\n");
    let mut check = fanfare(&["check", "--config", config.path().to_str().unwrap()]);
    output(check.env("FANFARE_PUBLISH_KEY_FILE", good), 0);
    output(check.args(["--publish-key", "b"]), 0);
}

#[test]
fn what_this_version_does_not_have_is_an_unknown_flag() {
    for flag in ["--compression", "--history-size", "--cluster"] {
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
    assert!(log.wait_for("message").contains("channel=\"news\" kind=\"text\" bytes=5"));
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

/// A configuration with rules for channels, of thirteen lines and what is put behind them.
fn rules_file(more: &str) -> NamedTempFile {
    file(&format!(
        "jwt-secret = '0123456789abcdef0123456789abcdef'\nslow-policy = 'skip'\n\n\
         [[channels]]\nmatch = 'chat/staff'\nsubscribe = 'token'\npublish = 'none'\n\n\
         [[channels]]\nmatch = 'chat/*'\nsubscribe = 'all'\nmessage-rate = 5\n\n{more}"
    ))
}

#[test]
fn check_says_which_rule_applies_to_a_channel_and_where_each_setting_comes_from() {
    let rules = rules_file("");
    let path = rules.path().to_str().unwrap();
    let about = |channel: &str, arguments: &[&str]| {
        let mut command = fanfare(&["check", "--config", path, "--channel", channel]);
        command.args(arguments).env("FANFARE_PUBLISH", "all");
        let (shown, _) = output(&mut command, 0);
        shown.replace(path, "FILE").lines().map(words).collect::<Vec<_>>()
    };
    assert_eq!(
        about("chat/staff", &[]),
        [
            "chat/staff: the rule \"chat/staff\" (FILE, line 5)",
            "\"chat/*\" (FILE, line 10) covers it too, but comes later",
            "publish = none FILE, line 7",
            "subscribe = token FILE, line 6",
            "message-rate = off default",
            "slow-policy = skip FILE, line 2",
        ]
    );
    assert_eq!(
        about("chat/42", &["--slow-policy", "latest"]),
        [
            "chat/42: the rule \"chat/*\" (FILE, line 10)",
            "publish = all FANFARE_PUBLISH, in the environment",
            "subscribe = all FILE, line 11",
            "message-rate = 5 FILE, line 12",
            "slow-policy = latest --slow-policy, on the command line",
        ]
    );
    assert_eq!(
        about("chat", &[])[..3],
        [
            "chat: no rule covers it, so the flags count",
            "publish = all FANFARE_PUBLISH, in the environment",
            "subscribe = token default: there are keys for tokens",
        ]
    );
    for channel in ["", "-/metrics", "a\nb"] {
        let command = &mut fanfare(&["check", "--config", path, "--channel", channel]);
        assert!(output(command, 1).1.contains("--channel"), "{channel:?}");
    }
}

/// Returns a line with one space between words.
fn words(line: &str) -> String {
    line.split_whitespace().collect::<Vec<_>>().join(" ")
}

#[test]
fn a_mistake_in_a_rule_is_named_with_its_line_and_key() {
    let table = |lines: &str| format!("[[channels]]\n{lines}\n");
    for (more, expected) in [
        (table("match = 'chat/7'"), &["line 15", "never counts", "\"chat/*\" in line 10"][..]),
        (
            table("match = '*/7'\npublish = 'token'\nmessage-rate = 6"),
            &["line 15", "contradicts \"chat/*\" in line 10", "message-rate"],
        ),
        (table("match = '-/metrics'"), &["line 15", "covers no channel"]),
        (table("match = 'a'\nhistory = { bytes = '1KiB' }"), &["line 16", "history"]),
        (table("match = 'a'\nposition-ttl = '1d'"), &["line 16", "position-ttl"]),
        (table("match = 'a'\npublish = 'everyone'"), &["line 16", "publish", "everyone"]),
        (table("match = 'a'\nsubscribe = 'none'"), &["line 16", "subscribe", "none"]),
        (table("match = 'a'\nmessage-rate = 0"), &["line 16", "message-rate"]),
        (table("match = 'a'\nslow-policy = 'wait'"), &["line 16", "slow-policy", "wait"]),
        (table("match = '***'"), &["line 15", "match"]),
        (table("publish = 'none'"), &["line 14", "match"]),
        (table("match = 'a'").repeat(101), &["[[channels]]", "100"]),
    ] {
        let rules = rules_file(&more);
        let command = &mut fanfare(&["check", "--config", rules.path().to_str().unwrap()]);
        let (_, error) = output(command, 1);
        for part in expected {
            assert!(error.contains(part), "{more}: {error}");
        }
    }
    // Without a key for tokens nobody could have one.
    for (key, line) in [("publish", 3), ("subscribe", 3)] {
        let rules = file(&table(&format!("match = 'a'\n{key} = 'token'")));
        let path = rules.path().to_str().unwrap();
        let (_, error) = output(&mut fanfare(&["check", "--config", path]), 1);
        assert!(error.contains(&format!("line {line}")) && error.contains(key), "{error}");
    }
    let rules = file(&table("match = 'a'\npublish = 'none'"));
    let path = rules.path().to_str().unwrap();
    let (_, warning) = output(&mut fanfare(&["check", "--config", path]), 0);
    assert!(warning.contains("line 3") && warning.contains("--publish-key"), "{warning}");
}

#[test]
fn rules_are_printed_and_served() {
    let rules = rules_file("");
    let path = rules.path().to_str().unwrap();
    let (printed, _) = output(&mut fanfare(&["check", "--config", path, "--print-config"]), 0);
    for line in ["[[channels]]", "match = \"chat/staff\"", "publish = \"none\"", "message-rate = 5"]
    {
        assert!(printed.lines().any(|printed| printed == line), "{line}: {printed}");
    }
    let again = file(&format!("jwt-secret = '{}'\n{printed}", "x".repeat(32)));
    let path_again = again.path().to_str().unwrap();
    let command = &mut fanfare(&["check", "--config", path_again, "--print-config"]);
    // The memory that is available changes all the time.
    let settings = |printed: &str| {
        let lines = printed.lines().filter(|line| !line.starts_with('#'));
        lines.map(str::to_owned).collect::<Vec<_>>()
    };
    assert_eq!(settings(&output(command, 0).0), settings(&printed));
    let server = Program::start(&["--config", path, "--subprotocols", "chat.v1, chat.v2"]);
    let get = |path: &str| ask_once(server.address, &format!("GET {path}"), &[], "").status;
    assert_eq!((get("/chat/42"), get("/chat/staff"), get("/chat")), (200, 401, 401));
    for (name, part) in [("bearer", "token"), ("fanfare.1", "version"), ("a b", "neither")] {
        let (_, error) = output(&mut fanfare(&["check", "--subprotocols", name]), 1);
        assert!(error.contains("--subprotocols") && error.contains(part), "{error}");
    }
}
