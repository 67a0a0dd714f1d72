//! Tests of `--log-access` with the real command: one line for each request and each WebSocket
//! connection, in both formats, without secrets, and not to be forged.

use fanfare::Value;
use rustix::process::Signal;
use tempfile::NamedTempFile;

use crate::support::{Log, Peer, Program, ask_once, close_frame, fanfare, request, text, upgrade};

fn start(arguments: &[&str]) -> (Program, Log) {
    let all = [&["--log-access", "--log-format", "json"], arguments].concat();
    Program::start_with_log(&all)
}

/// Reads the next access line. Returns its fields of these names as JSON, and checks that it has no
/// others.
fn fields(log: &mut Log, names: &[&str]) -> Vec<Value> {
    let line = log.wait_for("fanfare::access");
    let Value::Object(mut line) = line.parse::<Value>().expect("a line is an object") else {
        panic!("{line}")
    };
    for every in ["timestamp", "level", "target", "message"] {
        assert!(line.remove(every).is_some(), "{every}: {line:?}");
    }
    let found = names.iter().map(|name| line.remove(*name).unwrap_or(Value::Null)).collect();
    assert!(line.is_empty(), "besides {names:?}: {line:?}");
    found
}

/// The fields of an answered request.
const REQUEST: [&str; 9] = [
    "method",
    "path",
    "channel",
    "status",
    "reason",
    "bytes_in",
    "bytes_out",
    "address",
    "seconds",
];
/// The fields of a WebSocket connection.
const CONNECTION: [&str; 10] = [
    "method",
    "path",
    "channel",
    "status",
    "code",
    "reason",
    "bytes_in",
    "bytes_out",
    "address",
    "seconds",
];

fn json(values: &[Value]) -> String {
    let texts: Vec<_> = values.iter().map(Value::to_string).collect();
    texts.join(" ")
}

#[test]
fn a_request_has_one_line_with_what_was_asked_answered_and_sent() {
    let (server, mut log) = start(&["--reactors", "2"]);
    let mut peer = Peer::connect(server.address);
    let own = peer.stream.local_addr().unwrap();
    for (method, path, body, expected) in [
        ("POST", "/caf%C3%A9?a=b", "hello", r#""POST" "/caf%C3%A9" "café" 202 null"#),
        ("GET", "/news", "", r#""GET" "/news" "news" 200 null"#),
        ("GET", "/", "", r#""GET" "/" null 200 null"#),
        ("GET", "/-/healthz", "", r#""GET" "/-/healthz" null 200 null"#),
        ("PUT", "/news", "", r#""PUT" "/news" "news" 405 "method""#),
        ("GET", "/-/no", "", r#""GET" "/-/no" null 404 "not_found""#),
        ("GET", "/%0A%22forged", "", r#""GET" "/%0A%22forged" null 400 "malformed""#),
    ] {
        let asked = request(method, path, "", body);
        let answer = peer.ask(&asked);
        let line = fields(&mut log, &REQUEST);
        assert_eq!(json(&line[..5]), expected);
        assert_eq!(line[5], asked.len());
        assert!(line[6].as_u64().unwrap() > answer.body.len() as u64, "{line:?}");
        assert_eq!(line[7], own.to_string());
        assert!((0.0..60.0).contains(&line[8].as_f64().unwrap()));
    }
    Peer::connect(server.address).send("GET / HTTP/9\r\n\r\n");
    let line = fields(&mut log, &REQUEST);
    assert_eq!(json(&line[..6]), r#"null null null 400 "malformed" 16"#);
}

#[test]
fn a_connection_has_one_line_when_it_ends_and_a_peer_cannot_forge_one() {
    let (server, mut log) = start(&["--publish", "all"]);
    let mut peer = Peer::subscribe(server.address, "/news");
    let own = peer.stream.local_addr().unwrap();
    let message = text("hello");
    peer.send(&message);
    assert_eq!(peer.text(), "hello");
    let close = close_frame(4321, "bye\n{\"level\":\"INFO\"} \u{1b}[2J");
    peer.send(&close);
    assert_eq!(peer.frame().close().map(|(code, _)| code), Some(4321));
    let line = fields(&mut log, &CONNECTION);
    assert_eq!(
        json(&line[..6]),
        r#""GET" "/news" "news" 101 4321 "bye\n{\"level\":\"INFO\"} \u001b[2J""#
    );
    assert_eq!(line[6], upgrade("/news").len() + message.len() + close.len());
    // The 101 with its accept key, and the message.
    let sent = line[7].as_u64().unwrap();
    assert!((100 + 7..400).contains(&sent), "{sent}");
    assert_eq!(line[8], own.to_string());
    drop(peer);
    drop(Peer::subscribe(server.address, "/a/b"));
    let line = fields(&mut log, &CONNECTION);
    assert_eq!(json(&line[..6]), r#""GET" "/a/b" "a/b" 101 1006 null"#);
}

#[test]
fn text_lines_have_the_same_fields_quoted_and_escaped() {
    let (server, mut log) = Program::start_with_log(&["--log-access"]);
    ask_once(server.address, "POST /news", &[], "hello");
    let line = log.wait_for("access");
    assert!(line.contains("INFO access address=127.0.0.1:"), "{line}");
    let fields = r#"method="POST" path="/news" channel="news" status=202 seconds=0.0"#;
    let (_, rest) = line.split_once(" method").expect("a method");
    let begin = &fields["method".len()..];
    assert!(rest.starts_with(begin) && rest.contains(" bytes_in="), "{line}");
    let mut peer = Peer::subscribe(server.address, "/news");
    peer.send(close_frame(1000, "bye\nINFO access forged"));
    let line = log.wait_for("access");
    let end = r#"status=101 code=1000 reason="bye\nINFO access forged" seconds="#;
    assert!(line.contains(end) && line.contains(" bytes_out="), "{line}");
}

#[test]
fn no_line_has_a_token_or_a_key() {
    let secret = "s".repeat(32);
    let minted = fanfare(&["token", "--jwt-secret", &secret, "--subscribe", "news"]).output();
    let token = String::from_utf8(minted.unwrap().stdout).unwrap().trim().to_owned();
    let (server, mut log) =
        start(&["--jwt-secret", &secret, "--token-query", "--publish-key", "sesame-open"]);
    let mut open = Peer::connect(server.address);
    let with_query = format!("/news?token={token}");
    open.send(upgrade(&with_query));
    assert_eq!(open.response().status, 101);
    open.close();
    let mut lines = vec![log.wait_for("fanfare::access")];
    let address = server.address;
    let mut asked = |line: &str, headers: &[&str]| {
        ask_once(address, line, headers, "");
        lines.push(log.wait_for("fanfare::access"));
    };
    asked(&format!("GET {with_query}x"), &[]);
    asked("POST /news", &["Authorization: Bearer sesame-open"]);
    asked("POST /news", &[&format!("Authorization: Bearer {token}")]);
    let all = lines.concat();
    assert_eq!(lines.len(), 4);
    assert!(!all.contains(&token[..20]) && !all.contains("sesame") && !all.contains('?'), "{all}");
    assert!(lines[1].contains(r#""status":401,"reason":"bad_credentials""#), "{all}");
}

#[test]
fn behind_a_trusted_proxy_the_line_has_the_address_of_the_client() {
    let (server, mut log) = start(&["--trusted-proxies", "127.0.0.1"]);
    let mut proxy = Peer::connect(server.address);
    for client in ["192.0.2.7", "192.0.2.8"] {
        proxy.ask(request("GET", "/news", &format!("X-Forwarded-For: {client}\r\n"), ""));
        let line = fields(&mut log, &REQUEST);
        assert_eq!((&line[3], &line[7]), (&Value::from(200), &format!("{client}:0").into()));
    }
}

#[test]
fn refusals_by_a_close_frame_and_in_the_middle_of_a_connection_have_their_code() {
    let (server, mut log) =
        start(&["--jwt-secret", &"s".repeat(32), "--reject", "close", "--max-message-size", "9"]);
    let mut peer = Peer::subscribe(server.address, "/news");
    let frame = peer.frame();
    let (code, reason) = frame.close().unwrap();
    let line = fields(&mut log, &CONNECTION);
    assert_eq!((&line[4], &line[5]), (&Value::from(code), &Value::from(reason)));
    let (server, mut log) = start(&["--max-message-size", "9"]);
    let mut peer = Peer::subscribe(server.address, "/news");
    peer.send(text("much too long for this server"));
    let frame = peer.frame();
    let (code, reason) = frame.close().unwrap();
    assert_eq!(code, 1009);
    let line = fields(&mut log, &CONNECTION);
    assert_eq!((&line[4], &line[5]), (&Value::from(code), &Value::from(reason)));
}

/// Has the server read this configuration. It is in force for all that is asked afterwards: a
/// reactor hears of it before it reads anything.
fn reload(server: &Program, file: &NamedTempFile, log: &mut Log, text: &str) {
    std::fs::write(file.path(), text).unwrap();
    server.signal(Signal::HUP);
    log.wait_for("SIGHUP: ");
}

#[test]
fn a_reload_turns_the_lines_on_and_off() {
    let file = NamedTempFile::with_suffix(".toml").unwrap();
    let path = file.path().to_str().unwrap();
    let (server, mut log) = Program::start_with_log(&["--config", path, "--reactors", "1"]);
    let mut early = Peer::subscribe(server.address, "/early");
    let mut kept = Peer::connect(server.address);
    assert_eq!(kept.ask(request("GET", "/before", "", "")).status, 200);
    reload(&server, &file, &mut log, "log-access = true\n");
    assert_eq!(kept.ask(request("GET", "/during", "", "")).status, 200);
    assert!(log.wait_for("path=\"/during\"").contains("status=200"));
    early.send(close_frame(1000, ""));
    early.frame();
    reload(&server, &file, &mut log, "log-format = 'json'\n");
    assert_eq!(kept.ask(request("GET", "/after", "", "")).status, 200);
    reload(&server, &file, &mut log, "log-access = true\nlog-format = 'json'\n");
    assert_eq!(kept.ask(request("GET", "/again", "", "")).status, 200);
    // Neither the request while they were off, nor the connection from before, has a line.
    let line = log.wait_for("\"/");
    assert!(line.contains("\"path\":\"/again\""), "{line}");
}
