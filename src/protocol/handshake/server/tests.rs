use super::*;
use crate::protocol::HeaderStorage;

const EXAMPLE: &str = "GET /chat HTTP/1.1\r\nHost: server.example.com\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
    Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nOrigin: http://example.com\r\n\
    Sec-WebSocket-Protocol: chat, superchat\r\nSec-WebSocket-Version: 13\r\n\r\n";

#[test]
fn accepts_the_handshake_of_rfc_6455_section_1_3() {
    let mut storage = HeaderStorage::new();
    let request = Request::parse(EXAMPLE.as_bytes(), &mut storage).unwrap();
    let upgrade = check_upgrade(&request).unwrap();
    assert_eq!(upgrade.key, "dGhlIHNhbXBsZSBub25jZQ==");
    assert_eq!(upgrade.subprotocols().collect::<Vec<_>>(), ["chat", "superchat"]);
    let mut out = Vec::new();
    encode_switching_protocols(&mut out, upgrade.key, Some("chat"));
    assert_eq!(
        std::str::from_utf8(&out),
        Ok("HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
            Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\nSec-WebSocket-Protocol: chat\r\n\r\n")
    );
}
