//! Tables of what the application answers, and what becomes of the handshake: status, headers,
//! metric and close code.

use std::io::Write;
use std::net::TcpListener;
use std::time::Duration;

use fanfare::{BroadcastOptions, Reject};

use super::application::Application;
use super::{asking, asking_for, handshake, start};
use crate::identities::{Asker, Outcome};
use crate::support::Peer;

const AUTHORIZER: Option<&str> = Some("authorizer");
const NOT_UNDERSTOOD: (u16, Option<&str>, &str) = (503, AUTHORIZER, "is not understood");

fn of_head(head: &str) -> Vec<u8> {
    format!("HTTP/1.1 {head}\r\nContent-Length: 0\r\n\r\n").into_bytes()
}

fn with_body(head: &str, body: &[u8]) -> Vec<u8> {
    let head = format!("HTTP/1.1 {head}\r\nContent-Length: {}\r\n\r\n", body.len());
    [head.as_bytes(), body].concat()
}

fn raw(text: &str) -> Vec<u8> {
    text.as_bytes().to_vec()
}

/// Returns the outcome of a handshake on `/news` with these headers, and the answer as a text.
fn outcome(options: BroadcastOptions, headers: &str) -> (Outcome, String) {
    let server = start(options);
    let mut asker = Asker::new(server.address);
    let (outcome, shown, _) = asker.ask("WS /news", headers, "");
    (outcome, shown)
}

/// Answers that let in or not, each with the expected status, reason and text.
fn check(table: impl IntoIterator<Item = (Vec<u8>, (u16, Option<&'static str>, &'static str))>) {
    for (answer, (status, reason, text)) in table {
        let shown_answer = String::from_utf8_lossy(&answer[..answer.len().min(90)]).into_owned();
        // The connection is closed behind the answer, so that its end may be that of the body.
        let application = Application::start(move |_, stream| {
            let _ = stream.write_all(&answer);
            false
        });
        let (outcome, shown) = outcome(asking(&application.url()), "");
        assert_eq!(outcome, (status, reason), "{shown_answer}: {shown}");
        assert!(shown.contains(text), "{shown_answer}: {shown}");
        assert!(!shown.contains("evil"), "{shown_answer}: {shown}");
        if status == 503 && text.starts_with("is ") {
            assert!(shown.contains("Retry-After"), "{shown_answer}: {shown}");
        }
    }
}

#[test]
fn a_2xx_lets_in_if_what_it_grants_is_clear_and_covers_the_channel() {
    let lets_in = (101, None, "");
    let granted = |line: &str| of_head(&format!("200 OK\r\n{line}"));
    let not_granted = (403, Some("forbidden_channel"), "see Fanfare-Subscribe");
    check([
        (raw("HTTP/1.1 204 No Content\r\n\r\n"), lets_in),
        (with_body("200 OK", b"welcome"), lets_in),
        (with_body("200 OK", &[b'x'; 5000]), lets_in),
        (of_head("299 Fine"), lets_in),
        (raw("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n"), lets_in),
        (raw("HTTP/1.0 200 OK\r\n\r\nuntil the end"), lets_in),
        (raw("HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 204 Now\r\n\r\n"), lets_in),
        (granted("Fanfare-Subscribe: news"), lets_in),
        (granted("fanfare-subscribe:chat/* ,, news, a b"), lets_in),
        (granted("Fanfare-Subscribe: other\r\nFanfare-Subscribe: n*"), lets_in),
        (granted("Fanfare-Expires: 3600"), lets_in),
        (granted("Fanfare-Expires: 18446744073709551615"), lets_in),
        (granted("Fanfare-Subscribe: other"), not_granted),
        (granted("Fanfare-Subscribe: news/*, News"), not_granted),
        (granted("Fanfare-Subscribe:"), not_granted),
        (granted("Fanfare-Subscribe: a***b"), NOT_UNDERSTOOD),
        (granted(&format!("Fanfare-Publish: {}", "a,".repeat(65))), NOT_UNDERSTOOD),
        (granted(&format!("Fanfare-Publish: {}", "a".repeat(256))), NOT_UNDERSTOOD),
        (granted("Fanfare-Expires: -1"), NOT_UNDERSTOOD),
        (granted("Fanfare-Expires: soon"), NOT_UNDERSTOOD),
        (granted("Fanfare-Expires: 1.5"), NOT_UNDERSTOOD),
        (granted("Fanfare-Expires:"), NOT_UNDERSTOOD),
        (granted("Fanfare-Expires: 99999999999999999999"), NOT_UNDERSTOOD),
        (granted("Fanfare-Expires: 60\r\nFanfare-Expires: 6000"), NOT_UNDERSTOOD),
    ]);
}

#[test]
fn any_other_status_is_the_answer_with_what_says_how_to_go_on() {
    let passed = "Passed: evil\r\nSet-Cookie: evil=1";
    let own_text = "the application does not let this peer in";
    check([
        (
            of_head(&format!("401 Who?\r\nWWW-Authenticate: Basic realm=\"x\"\r\n{passed}")),
            (401, Some("missing_credentials"), "Basic realm"),
        ),
        (
            with_body("403 No\r\nContent-Type: application/json", b"{\"no\":1}"),
            (403, Some("forbidden_channel"), "application/json"),
        ),
        (with_body("403 No", b"not you"), (403, Some("forbidden_channel"), "not you")),
        (with_body("404 What", b"no such room"), (404, AUTHORIZER, "no such room")),
        (of_head("429 Slow\r\nRetry-After: 77"), (429, AUTHORIZER, "77")),
        (of_head("302 Found\r\nLocation: /login"), (302, AUTHORIZER, "/login")),
        (of_head("405 Not so"), (405, AUTHORIZER, own_text)),
        (with_body("500 Oops", b"a fault"), (500, AUTHORIZER, "a fault")),
        (of_head("503 Later\r\nRetry-After: 33"), (503, AUTHORIZER, "33")),
        (with_body("403 No", &[b'x'; 4096]), (403, Some("forbidden_channel"), "xxxx")),
        (with_body("403 No", &[b'x'; 4097]), (403, Some("forbidden_channel"), own_text)),
        (with_body("403 No", b"\xff evil"), (403, Some("forbidden_channel"), own_text)),
        (
            with_body("403 No\r\nContent-Encoding: gzip", b"evil"),
            (403, Some("forbidden_channel"), own_text),
        ),
    ]);
    let application = Application::that_says(of_head("401 Who?"));
    for headers in ["Authorization: Basic eDp5\r\n", "Sec-WebSocket-Protocol: bearer, t1\r\n"] {
        let (outcome, shown) = outcome(asking(&application.url()), headers);
        assert_eq!(outcome, (401, Some("bad_credentials")), "{headers}: {shown}");
        assert!(shown.contains("\"WWW-Authenticate\", \"Bearer\""), "{headers}: {shown}");
    }
}

#[test]
fn what_is_no_answer_is_503_and_says_why_in_general() {
    let huge = 10 << 20;
    let too_large = (503, AUTHORIZER, "is too large");
    let failed = (503, AUTHORIZER, "has closed the connection");
    let line = [&b"HTTP/1.1 200 OK\r\nX: "[..], &vec![b'x'; huge]].concat();
    let lines = [&b"HTTP/1.1 200 OK\r\n"[..], &b"X: x\r\n".repeat(huge / 6)].concat();
    let chunk = format!("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n{huge:x}\r\n");
    let endless = [b"HTTP/1.0 403 No\r\n\r\n".to_vec(), vec![b'x'; huge]].concat();
    check([
        (raw("SSH-2.0-OpenSSH_9.9\r\n"), NOT_UNDERSTOOD),
        (raw("\0\0\0\0\r\n\r\n"), NOT_UNDERSTOOD),
        (raw("HTTP/2 200 OK\r\n\r\n"), NOT_UNDERSTOOD),
        (of_head("099 Low"), NOT_UNDERSTOOD),
        (of_head("600 High"), NOT_UNDERSTOOD),
        (
            raw("HTTP/1.1 101 Switching\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n"),
            NOT_UNDERSTOOD,
        ),
        (of_head("401 Who?\r\nWWW-Authenticate: Basic\rSet-Cookie: evil"), NOT_UNDERSTOOD),
        (of_head("200 OK\r\nContent-Length: x"), NOT_UNDERSTOOD),
        (Vec::new(), failed),
        (raw("HTTP/1.1 204 No Con"), failed),
        (raw("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nevil"), failed),
        (with_body("200 OK", &vec![b'x'; huge]), too_large),
        (with_body("403 No", &vec![b'x'; huge]), too_large),
        ([chunk.into_bytes(), vec![b'x'; huge]].concat(), too_large),
        (endless, too_large),
        (line, too_large),
        (lines, NOT_UNDERSTOOD),
    ]);
}

#[test]
fn an_application_that_is_not_there_or_too_slow_is_503() {
    // Nobody listens on port 1.
    let (refused, shown) = outcome(asking("http://127.0.0.1:1/"), "");
    assert_eq!(refused, (503, AUTHORIZER));
    assert!(shown.contains("cannot be reached") && shown.contains("Retry-After"), "{shown}");

    let briefly = Duration::from_millis(200);
    // It takes connections, in the queue of the system, and says nothing.
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let silent = format!("http://{}/", silent.local_addr().unwrap());
    let drips = |text: &'static str| {
        Application::start(move |_, stream| {
            text.bytes().all(|byte| {
                std::thread::sleep(Duration::from_millis(20));
                stream.write_all(&[byte]).is_ok()
            })
        })
    };
    let head = drips("HTTP/1.1 204 No Content\r\n\r\n");
    let body = drips("HTTP/1.1 200 OK\r\nContent-Length: 30\r\n\r\nabcdefghijklmnopqrstuvwxyz1234");
    for url in [silent, head.url(), body.url()] {
        let (outcome, shown) = outcome(asking_for(&url, briefly), "");
        assert_eq!(outcome, (503, AUTHORIZER), "{url}");
        assert!(shown.contains("not answered in time"), "{shown}");
    }
}

#[test]
fn where_close_codes_refuse_they_say_what_the_status_would_have() {
    let late = "HTTP/1.1 200 OK\r\nFanfare-Subscribe: other\r\nContent-Length: 0\r\n\r\n";
    for (answer, status, code) in [
        (of_head("401 Who?"), 101, Some(4401)),
        (of_head("403 No"), 101, Some(4403)),
        (of_head("404 What"), 101, Some(4403)),
        (of_head("302 Found\r\nLocation: /login"), 101, Some(4403)),
        (of_head("429 Slow"), 101, Some(4429)),
        (raw(late), 101, Some(4403)),
        (of_head("500 Oops"), 500, None),
        (raw("garbage"), 503, None),
    ] {
        let application = Application::that_says(answer);
        let options = BroadcastOptions { reject: Reject::Close, ..asking(&application.url()) };
        let server = start(options);
        let mut peer = Peer::connect(server.address);
        let got = peer.ask(handshake("/news", "")).status;
        let closed = (got == 101).then(|| peer.frame().close().unwrap().0);
        assert_eq!((got, closed), (status, code));
    }
}
