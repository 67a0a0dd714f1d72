//! Tests of the requests that loadgen sends: to which address, for which path, with which headers.
//! The server is tungstenite's, and records each request.
use std::net::{SocketAddr, TcpListener, ToSocketAddrs};
use std::process::{Command, Output};
use std::sync::{Arc, Mutex};

use tungstenite::handshake::server::{Request, Response};

use crate::serve::Server;

/// Starts an echo server on `listener`. Returns a list of the requests that it gets.
fn recorder(listener: TcpListener) -> Arc<Mutex<Vec<Request>>> {
    let requests = Arc::new(Mutex::new(Vec::new()));
    let list = Arc::clone(&requests);
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let list = Arc::clone(&list);
            std::thread::spawn(move || {
                #[expect(clippy::result_large_err, reason = "tungstenite wants this type")]
                let note = |request: &Request, mut response: Response| {
                    let offered = request.headers().get("sec-websocket-protocol");
                    let first = offered.and_then(|list| list.to_str().ok()?.split(',').next());
                    if let Some(name) = first {
                        let headers = response.headers_mut();
                        headers.insert("sec-websocket-protocol", name.parse().unwrap());
                    }
                    list.lock().unwrap().push(request.clone());
                    Ok(response)
                };
                let Ok(mut socket) = tungstenite::accept_hdr(stream.unwrap(), note) else { return };
                while let Ok(message) = socket.read() {
                    if message.is_text() && socket.send(message).is_err() {
                        return;
                    }
                }
            });
        }
    });
    requests
}

fn loadgen(words: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_loadgen")).args(words).output().unwrap()
}

/// Makes one round trip. Returns the request.
fn request(path: &str, flags: &[&str]) -> Request {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let requests = recorder(listener);
    let url = format!("WS://{address}{path}");
    let short = ["echo", &url, "-c", "1", "-n", "1", "-W", "0"];
    let output = loadgen(&[&short, flags].concat());
    assert_eq!(output.status.code(), Some(0), "{flags:?}: {output:?}");
    requests.lock().unwrap().pop().unwrap()
}

/// Returns all values of a header.
fn values<'a>(request: &'a Request, name: &str) -> Vec<&'a str> {
    request.headers().get_all(name).iter().map(|value| value.to_str().unwrap()).collect()
}

#[test]
fn every_address_of_a_name_is_tried() {
    // The server listens on only one of the addresses of `localhost`, and must be reached
    // nevertheless.
    for address in "localhost:0".to_socket_addrs().unwrap() {
        let Ok(listener) = TcpListener::bind(address) else { continue };
        let port = listener.local_addr().unwrap().port();
        let requests = recorder(listener);
        let url = format!("ws://localhost:{port}/");
        let output = loadgen(&["echo", &url, "-c", "3", "-n", "3", "-W", "0"]);
        assert_eq!(output.status.code(), Some(0), "{address}: {output:?}");
        let requests = requests.lock().unwrap();
        assert_eq!(requests.len(), 3, "{address}");
        assert_eq!(values(&requests[0], "host"), [format!("localhost:{port}")]);
    }
}

#[test]
fn a_header_that_is_given_takes_the_place_of_the_own_one() {
    for (header, name, value) in [
        ("Host: other.example", "host", "other.example"),
        ("hOsT: other.example", "host", "other.example"),
        ("Origin: https://a.example", "origin", "https://a.example"),
        ("Authorization: Basic YTpi", "authorization", "Basic YTpi"),
        ("Sec-WebSocket-Protocol: two", "sec-websocket-protocol", "two"),
        ("Sec-WebSocket-Version: 13", "sec-websocket-version", "13"),
        ("Connection: keep-alive, Upgrade", "connection", "keep-alive, Upgrade"),
        (
            "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==",
            "sec-websocket-key",
            "AAAAAAAAAAAAAAAAAAAAAA==",
        ),
        ("User-Agent: me", "user-agent", "me"),
    ] {
        let own = ["--origin", "https://b.example", "--bearer", "t", "--subprotocol", "one"];
        let request = request("/", &[&["-H", header][..], &own].concat());
        assert_eq!(values(&request, name), [value], "{header}");
    }
    let request = request("/", &["--bearer", "t", "--subprotocol", "one", "--subprotocol", "two"]);
    assert_eq!(values(&request, "authorization"), ["Bearer t"]);
    assert_eq!(values(&request, "sec-websocket-protocol"), ["one, two"]);
}

#[test]
fn a_path_may_be_in_any_language_and_is_sent_as_a_browser_sends_it() {
    let request = request("/stra\u{df}e/\u{43c}\u{438}\u{440}?q=\u{e4}", &[]);
    assert_eq!(request.uri().to_string(), "/stra%C3%9Fe/%D0%BC%D0%B8%D1%80?q=%C3%A4");
}

#[test]
fn channels_are_in_the_path_and_the_query_stays_whole() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("ws://{}/room?token=a-b", listener.local_addr().unwrap());
    let requests = recorder(listener);
    let output = loadgen(&["hold", &url, "-c", "4", "--channels", "2", "-d", "0"]);
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    let mut paths: Vec<String> =
        requests.lock().unwrap().iter().map(|request| request.uri().to_string()).collect();
    paths.sort();
    let expected = ["/room-0?token=a-b", "/room-0?token=a-b", "/room-1?token=a-b"];
    assert_eq!(paths[..3], expected);
}

#[test]
fn what_would_break_a_request_is_a_usage_error_that_keeps_secrets() {
    let nobody = SocketAddr::from(([127, 0, 0, 1], 9));
    let url = format!("ws://{nobody}/");
    for flags in [
        ["--bearer", "secret\nX-Other: 1"],
        ["--bearer", "secret\r"],
        ["--bearer", "two secrets"],
        ["--subprotocol", "secret\nX-Other: 1"],
        ["--subprotocol", "secret, chat"],
        ["--subprotocol", ""],
        ["--origin", "https://secret\r\nX-Other: 1"],
        ["--header", "X: secret\nX-Other: 1"],
        ["--header", "secret"],
        ["--header", "Content-Length: 5"],
    ] {
        let output = loadgen(&[&["echo", &url], &flags[..]].concat());
        let said = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(2), "{flags:?}: {said}");
        assert!(said.starts_with("error: ") && said.contains(flags[0]), "{flags:?}: {said}");
        assert!(!said.contains("secret"), "{flags:?}: {said}");
    }
}

#[test]
fn a_url_that_cannot_be_meant_is_a_usage_error_with_the_right_one() {
    for (url, hint) in [
        ("http://localhost/x", "as in ws://localhost/x"),
        ("ws://localhost/x#y", "%23"),
        ("ws://me@localhost/", "--bearer"),
        ("ws://localhost:http/", "port"),
    ] {
        let output = loadgen(&["ping", url]);
        let said = String::from_utf8(output.stderr).unwrap();
        assert!(output.status.code() == Some(2) && said.contains(hint), "{url}: {said}");
    }
}

#[test]
fn posts_go_out_under_the_headers_that_are_given() {
    let server = Server::start("--broadcast");
    let url = format!("ws://{}/x", server.address);
    let post = format!("HTTP://{}/x", server.address);
    let flags = ["-H", "Content-Type: text/x", "-H", "Host: other", "--subscribers", "2"];
    let short = ["broadcast", &url, "--publish-url", &post, "-n", "3", "-W", "0"];
    let output = loadgen(&[&short[..], &flags].concat());
    assert_eq!(output.status.code(), Some(0), "{output:?}");
}
