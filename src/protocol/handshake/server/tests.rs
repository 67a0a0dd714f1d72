use super::*;
use crate::protocol::{HeaderStorage, HttpError, Persistence};

/// The example request of RFC 6455 section 1.3.
const EXAMPLE: &str = "GET /chat HTTP/1.1\r\n\
    Host: server.example.com\r\n\
    Upgrade: websocket\r\n\
    Connection: Upgrade\r\n\
    Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\
    Origin: http://example.com\r\n\
    Sec-WebSocket-Protocol: chat, superchat\r\n\
    Sec-WebSocket-Version: 13\r\n\r\n";

fn check(head: &str) -> Result<Vec<String>, HandshakeError> {
    let mut storage = HeaderStorage::new();
    let request = Request::parse(head.as_bytes(), &mut storage).expect("the head itself is right");
    check_upgrade(&request).map(|upgrade| upgrade.subprotocols().map(str::to_owned).collect())
}

#[test]
fn accepts_the_handshake_of_rfc_6455_section_1_3() {
    let mut storage = HeaderStorage::new();
    let request = Request::parse(EXAMPLE.as_bytes(), &mut storage).unwrap();
    let upgrade = check_upgrade(&request).unwrap();
    assert_eq!(upgrade.key, "dGhlIHNhbXBsZSBub25jZQ==");
    assert_eq!(upgrade.subprotocols().collect::<Vec<_>>(), ["chat", "superchat"]);
    let mut out = Vec::new();
    encode_switching_protocols(&mut out, upgrade.key, Some("chat"), None);
    assert_eq!(
        std::str::from_utf8(&out),
        Ok("HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
            Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\
            Sec-WebSocket-Protocol: chat\r\n\r\n")
    );
}

#[test]
fn without_a_subprotocol_the_answer_names_none() {
    let mut out = Vec::new();
    encode_switching_protocols(&mut out, "dGhlIHNhbXBsZSBub25jZQ==", None, None);
    let answer = std::str::from_utf8(&out).unwrap();
    assert!(
        answer.ends_with("Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n"),
        "{answer}"
    );
}

#[test]
fn accepts_what_browsers_and_proxies_make_of_it() {
    for (from, to) in [
        ("Upgrade: websocket", "upgrade: WebSocket"),
        ("Upgrade: websocket", "Upgrade: h2c\r\nUpgrade: foo/1, websocket"),
        ("Connection: Upgrade", "Connection: keep-alive, Upgrade"),
        ("Connection: Upgrade", "Connection: keep-alive\r\nConnection: upgrade"),
        ("Sec-WebSocket-Version", "sec-websocket-version"),
        ("Origin: http://example.com\r\n", "Content-Length: 0\r\n"),
        ("/chat HTTP", "http://server.example.com/chat HTTP"),
    ] {
        assert_eq!(
            check(&EXAMPLE.replace(from, to)).as_deref().map(<[String]>::len),
            Ok(2),
            "{from:?} -> {to:?}"
        );
    }
}

#[test]
fn offers_of_compression_come_from_every_line_in_their_order() {
    let offers = "Sec-WebSocket-Extensions: foo, permessage-deflate; server_max_window_bits=10\r\n\
                  SEC-WEBSOCKET-EXTENSIONS: permessage-deflate; bad, \
                  permessage-deflate; server_max_window_bits=\"15\", permessage-deflate";
    let head = EXAMPLE.replace("Origin: http://example.com", offers);
    let mut storage = HeaderStorage::new();
    let request = Request::parse(head.as_bytes(), &mut storage).unwrap();
    let upgrade = check_upgrade(&request).unwrap();
    for (window_bits, expected) in [(10, Some("=10\r\n\r\n")), (13, Some("=13\r\n\r\n"))] {
        let mut out = Vec::new();
        let compression = upgrade.accept_compression(window_bits);
        encode_switching_protocols(&mut out, upgrade.key, None, compression);
        let answer = std::str::from_utf8(&out).unwrap();
        assert!(expected.is_some_and(|expected| answer.ends_with(expected)), "{answer}");
    }
}

#[test]
fn subprotocols_come_from_every_line_in_their_order() {
    let head =
        EXAMPLE.replace("superchat\r\n", "superchat\r\nsec-websocket-protocol: ,a.b~c ,, d\r\n");
    assert_eq!(check(&head), Ok(["chat", "superchat", "a.b~c", "d"].map(String::from).to_vec()));
    assert_eq!(
        check(&EXAMPLE.replace("Sec-WebSocket-Protocol: chat, superchat\r\n", "")),
        Ok(Vec::new())
    );
}

#[test]
fn each_rule_of_section_4_2_1_has_its_error_and_status() {
    use HandshakeError as E;
    let key = "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n";
    for (from, to, error, status) in [
        ("GET", "POST", E::MethodNotGet, 405),
        ("GET", "get", E::MethodNotGet, 405),
        ("GET", "HEAD", E::MethodNotGet, 405),
        ("HTTP/1.1", "HTTP/1.0", E::HttpVersionTooOld, 400),
        ("Upgrade: websocket\r\n", "", E::UpgradeMissing, 426),
        ("Upgrade: websocket", "Upgrade: h2c", E::UpgradeMissing, 426),
        ("Upgrade: websocket", "Upgrade: websocket2", E::UpgradeMissing, 426),
        ("Connection: Upgrade\r\n", "", E::ConnectionMissing, 400),
        ("Connection: Upgrade", "Connection: keep-alive", E::ConnectionMissing, 400),
        ("Connection: Upgrade", "Connection: not-upgrade", E::ConnectionMissing, 400),
        ("Sec-WebSocket-Version: 13\r\n", "", E::VersionUnsupported, 426),
        ("Version: 13", "Version: 8", E::VersionUnsupported, 426),
        ("Version: 13", "Version: 013", E::VersionUnsupported, 426),
        ("Version: 13", "Version: 13, 8", E::VersionUnsupported, 426),
        (key, "", E::KeyMissing, 400),
        (key, "Sec-WebSocket-Key:\r\n", E::KeyMalformed, 400),
        ("ZQ==", "ZQ=", E::KeyMalformed, 400),
        ("ZQ==", "ZQAA", E::KeyMalformed, 400),
        ("ZQ==", "ZQ==, dGhl", E::KeyMalformed, 400),
        ("chat, superchat", "chat, super chat", E::SubprotocolMalformed, 400),
        ("chat, superchat", "chat; superchat", E::SubprotocolMalformed, 400),
        ("chat, superchat", "chät", E::SubprotocolMalformed, 400),
        ("Origin: http", "Sec-WebSocket-Extensions: a b, http", E::ExtensionsMalformed, 400),
        ("Origin: http", "Sec-WebSocket-Extensions: \u{fc}, http", E::ExtensionsMalformed, 400),
        ("Origin: http://example.com\r\n", "Content-Length: 1\r\n", E::BodyNotAllowed, 400),
    ] {
        assert_eq!(check(&EXAMPLE.replacen(from, to, 1)), Err(error), "{from:?} -> {to:?}");
        assert_eq!((error.status(), error.response().status()), (status, status));
    }
}

#[test]
fn an_upgrade_with_framing_that_two_readers_may_read_differently_is_no_request_at_all() {
    for (header, error) in [
        ("Transfer-Encoding: chunked", HttpError::TransferEncodingUnsupported),
        ("Transfer-Encoding: chunked\r\nContent-Length: 0", HttpError::FramingAmbiguous),
        ("Transfer-Encoding : chunked", HttpError::HeaderNameMalformed),
        ("Transfer_Encoding: chunked", HttpError::HeaderLookalike),
        ("Content-Length: 0\r\nContent-Length: 0", HttpError::HeaderRepeated),
        ("Content-Length: 0, 0", HttpError::ContentLengthMalformed),
        ("Sec-WebSocket-Version: 8", HttpError::HeaderRepeated),
        ("Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==", HttpError::HeaderRepeated),
    ] {
        let head = EXAMPLE.replace("Origin: http://example.com", header);
        let mut storage = HeaderStorage::new();
        assert_eq!(Request::parse(head.as_bytes(), &mut storage).err(), Some(error), "{header}");
    }
}

#[test]
fn a_refusal_says_what_would_be_right() {
    let encoded = |error: HandshakeError| {
        let mut out = Vec::new();
        error.response().encode(&mut out, Persistence::Implied, false);
        String::from_utf8(out).unwrap()
    };
    let text = encoded(HandshakeError::VersionUnsupported);
    assert!(text.starts_with("HTTP/1.1 426 Upgrade Required\r\n"), "{text}");
    for header in [
        "\r\nUpgrade: websocket\r\n",
        "\r\nSec-WebSocket-Version: 13\r\n",
        "\r\nConnection: upgrade\r\n",
    ] {
        assert!(text.contains(header), "{text}");
    }
    assert!(encoded(HandshakeError::MethodNotGet).contains("\r\nAllow: GET\r\n"));
}
