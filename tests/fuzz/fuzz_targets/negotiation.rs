//! Fuzz target: reads Sec-WebSocket-Extensions and agrees on compression, and compares that with
//! the naive parser and the rules of RFC 7692 section 7.1 spelled out.
//!
//! Input: one byte for the server's window, then the lines of the header.
#![no_main]

use fanfare::protocol::{
    HandshakeError, HeaderStorage, Request, check_upgrade, encode_switching_protocols,
};
use libfuzzer_sys::fuzz_target;

#[path = "../../../src/protocol/handshake/extensions/naive.rs"]
mod naive;

const ANSWER: &str = "permessage-deflate; server_no_context_takeover; client_no_context_takeover";

fuzz_target!(|data: &[u8]| {
    let [window, header @ ..] = data else { return };
    let Ok(header) = std::str::from_utf8(header) else { return };
    let window_bits = 9 + window % 7;
    let mut head = "GET / HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
                    Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
        .to_owned();
    for line in header.lines() {
        head.push_str(&format!("Sec-WebSocket-Extensions: {line}\r\n"));
    }
    head.push_str("\r\n");
    let mut storage = HeaderStorage::new();
    // Control characters are no part of a header.
    let Ok(request) = Request::parse(head.as_bytes(), &mut storage) else { return };
    let offers: Option<Vec<_>> = header.lines().map(naive::parse).collect();
    let Some(offers) = offers else {
        assert_eq!(check_upgrade(&request).err(), Some(HandshakeError::ExtensionsMalformed));
        return;
    };
    let upgrade = check_upgrade(&request).expect("the handshake has no fault");
    let mut answer = Vec::new();
    let accepted = upgrade.accept_compression(window_bits);
    encode_switching_protocols(&mut answer, upgrade.key, None, accepted);
    let answer = String::from_utf8(answer).expect("a head is text");
    let expected = offers.iter().flatten().find_map(|offer| accept(offer, window_bits));
    assert_eq!(
        answer.split_once("Sec-WebSocket-Extensions: ").map(|(_, is)| is.trim()),
        expected.as_deref()
    );
});

fn accept((name, params): &naive::NaiveExtension, window_bits: u8) -> Option<String> {
    let names: Vec<&str> = params.iter().map(|(name, _)| name.as_str()).collect();
    let is_twice = (1..names.len()).any(|at| names[..at].contains(&names[at]));
    if name != "permessage-deflate" || is_twice {
        return None;
    }
    let sizes = ["8", "9", "10", "11", "12", "13", "14", "15"];
    let mut answer = ANSWER.to_owned();
    for (name, value) in params {
        match (name.as_str(), value.as_deref()) {
            ("server_no_context_takeover" | "client_no_context_takeover", None)
            | ("client_max_window_bits", None) => {}
            ("client_max_window_bits", Some(value)) if sizes.contains(&value) => {}
            ("server_max_window_bits", Some(value))
                if sizes.contains(&value) && value.parse::<u8>().unwrap() >= window_bits =>
            {
                answer.push_str(&format!("; server_max_window_bits={window_bits}"));
            }
            _ => return None,
        }
    }
    Some(answer)
}
