//! The heads of requests. A header of `-H` replaces the generator's own header of the same name.
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use fanfare::protocol::ClientHandshake;
use http::{HeaderName, HeaderValue};

const HOST: &str = "Host";
const KEY: &str = "Sec-WebSocket-Key";
const SUBPROTOCOL: &str = "Sec-WebSocket-Protocol";

/// Headers of the opening handshake. A POST has none of them, even if `-H` gives them.
const ONLY_IN_HANDSHAKES: [&str; 6] = [
    "Upgrade",
    "Connection",
    "Sec-WebSocket-Version",
    "Sec-WebSocket-Extensions",
    SUBPROTOCOL,
    KEY,
];
/// Headers that give the length of a body. `-H` may not set them, because only the code that writes
/// the body knows its length.
const LENGTHS: [&str; 2] = ["Content-Length", "Transfer-Encoding"];

#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Header {
    name: String,
    value: String,
}

impl Header {
    pub(crate) fn new(name: &str, value: String) -> Header {
        Header { name: name.to_owned(), value }
    }

    /// Parses `Name: value`. The error is a readable text without the value, which may be a secret.
    pub(crate) fn parse(text: &str) -> Result<Header, String> {
        let (name, value) = text.split_once(':').ok_or("a header is \"Name: value\"")?;
        let (name, value) = (name.trim(), value.trim());
        if !is_token(name) {
            return Err(format!("{name:?} cannot be the name of a header"));
        }
        if value.is_empty() || HeaderValue::from_bytes(value.as_bytes()).is_err() {
            return Err(format!("{name}: the value is one line of text"));
        }
        let header = Header::new(name, value.to_owned());
        if LENGTHS.iter().any(|length| header.is(length)) {
            return Err(format!("{name}: the length of a body cannot be chosen"));
        }
        if header.is(KEY) && header.nonce().is_none() {
            return Err(format!("{KEY}: a key is 16 bytes in base64"));
        }
        if header.is(SUBPROTOCOL) && !header.tokens().all(is_token) {
            return Err(format!("{SUBPROTOCOL}: a list of names such as chat, chat2"));
        }
        Ok(header)
    }

    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    fn is(&self, name: &str) -> bool {
        self.name.eq_ignore_ascii_case(name)
    }

    /// Returns the elements of a value that is a list.
    fn tokens(&self) -> impl Iterator<Item = &str> {
        self.value.split(',').map(str::trim)
    }

    fn nonce(&self) -> Option<[u8; 16]> {
        STANDARD.decode(&self.value).ok()?.try_into().ok()
    }
}

/// Returns true if `text` can be a subprotocol or the name of a header (RFC 9110 section 5.6.2).
pub(crate) fn is_token(text: &str) -> bool {
    HeaderName::from_bytes(text.as_bytes()).is_ok()
}

/// Returns the header lines of a request, in their order: `own` without those that `given` has too,
/// and then `given`. The value of Host stands first (RFC 9110 section 7.2).
fn lines(own: &[Header], given: &[Header]) -> Vec<u8> {
    let is_given = |header: &&Header| !given.iter().any(|other| other.is(&header.name));
    let all: Vec<&Header> = own.iter().filter(is_given).chain(given).collect();
    let (hosts, others): (Vec<_>, Vec<_>) = all.into_iter().partition(|header| header.is(HOST));
    let mut bytes = Vec::new();
    for Header { name, value } in hosts.into_iter().chain(others) {
        bytes.extend_from_slice(format!("{name}: {value}\r\n").as_bytes());
    }
    bytes
}

/// The opening handshakes of a run. They differ in path and key.
pub(crate) struct Upgrades {
    /// The header lines, without the key.
    lines: Vec<u8>,
    /// The nonce of every handshake, if `-H` gives a key.
    nonce: Option<[u8; 16]>,
    /// The subprotocols that a server may choose. They live as long as the process, because every
    /// handshake points to them.
    offered: &'static [&'static str],
}

impl Upgrades {
    pub(crate) fn new(host: &str, subprotocols: &[String], given: &[Header]) -> Upgrades {
        let mut own = vec![
            Header::new(HOST, host.to_owned()),
            Header::new("Upgrade", "websocket".to_owned()),
            Header::new("Connection", "Upgrade".to_owned()),
            Header::new("Sec-WebSocket-Version", "13".to_owned()),
        ];
        if !subprotocols.is_empty() {
            own.push(Header::new(SUBPROTOCOL, subprotocols.join(", ")));
        }
        let key = given.iter().find(|header| header.is(KEY));
        let others: Vec<Header> = given.iter().filter(|header| !header.is(KEY)).cloned().collect();
        let in_place_of_own = given.iter().any(|header| header.is(SUBPROTOCOL));
        let offered: Vec<&'static str> = if in_place_of_own {
            let lists = given.iter().filter(|header| header.is(SUBPROTOCOL));
            lists.flat_map(Header::tokens).map(|name| &*name.to_owned().leak()).collect()
        } else {
            subprotocols.iter().map(|name| &*name.clone().leak()).collect()
        };
        Upgrades {
            lines: lines(&own, &others),
            nonce: key.and_then(Header::nonce),
            offered: offered.leak(),
        }
    }

    /// Appends a request for `path` to `out`. Returns what its response must contain. `nonce` is
    /// used unless `-H` gives a key.
    pub(crate) fn begin(
        &self,
        out: &mut Vec<u8>,
        path: &str,
        nonce: [u8; 16],
    ) -> ClientHandshake<'static> {
        let handshake = ClientHandshake::new(self.nonce.unwrap_or(nonce)).offering(self.offered);
        for part in ["GET ", path, " HTTP/1.1\r\n"] {
            out.extend_from_slice(part.as_bytes());
        }
        out.extend_from_slice(&self.lines);
        for part in [KEY, ": ", handshake.key(), "\r\n\r\n"] {
            out.extend_from_slice(part.as_bytes());
        }
        handshake
    }
}

/// Returns the head of a POST up to the value of Content-Length.
pub(crate) fn post_head(host: &str, path: &str, kind: &str, given: &[Header]) -> Vec<u8> {
    let own = [Header::new(HOST, host.to_owned()), Header::new("Content-Type", kind.to_owned())];
    let is_for_posts = |header: &&Header| !ONLY_IN_HANDSHAKES.iter().any(|name| header.is(name));
    let given: Vec<Header> = given.iter().filter(is_for_posts).cloned().collect();
    let mut head = format!("POST {path} HTTP/1.1\r\n").into_bytes();
    head.extend_from_slice(&lines(&own, &given));
    head.extend_from_slice(b"Content-Length: ");
    head
}

#[cfg(test)]
mod tests {
    use super::*;

    const NONCE: [u8; 16] = *b"the sample nonce";

    fn given(headers: &[&str]) -> Vec<Header> {
        headers.iter().map(|text| Header::parse(text).unwrap()).collect()
    }

    fn upgrade(subprotocols: &[&str], headers: &[&str]) -> String {
        let subprotocols: Vec<String> = subprotocols.iter().map(|&name| name.into()).collect();
        let mut out = Vec::new();
        Upgrades::new("h:1", &subprotocols, &given(headers)).begin(&mut out, "/x", NONCE);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn a_handshake_has_the_headers_that_it_must_have() {
        assert_eq!(
            upgrade(&["chat", "chat2"], &["X-Y: z"]),
            "GET /x HTTP/1.1\r\nHost: h:1\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
             Sec-WebSocket-Version: 13\r\nSec-WebSocket-Protocol: chat, chat2\r\nX-Y: z\r\n\
             Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
        );
    }

    #[test]
    fn a_given_header_takes_the_place_of_the_own_one() {
        for header in [
            "host: other",
            "Upgrade: WebSocket",
            "connection: keep-alive, Upgrade",
            "SEC-WEBSOCKET-VERSION: 8",
            "Sec-WebSocket-Protocol: a, b",
            "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==",
        ] {
            let request = upgrade(&["chat"], &[header]);
            let (name, value) = header.split_once(": ").unwrap();
            let named = |line: &&str| {
                line.split_once(':').is_some_and(|(other, _)| other.eq_ignore_ascii_case(name))
            };
            let values: Vec<_> = request.lines().filter(named).collect();
            assert_eq!(values.len(), 1, "{request}");
            assert!(values[0].ends_with(value), "{request}");
            let second = request.lines().nth(1).unwrap();
            assert!(second.to_lowercase().starts_with("host: "), "{request}");
        }
        let twice = upgrade(&[], &["Cookie: a", "cookie: b"]);
        assert_eq!(twice.to_lowercase().matches("cookie: ").count(), 2, "{twice}");
    }

    #[test]
    fn a_post_has_no_header_of_a_handshake_and_may_have_another_type() {
        let given = given(&["Sec-WebSocket-Protocol: a", "content-type: text/x", "Host: other"]);
        let head = post_head("h", "/news", "text/plain", &given);
        let expected =
            "POST /news HTTP/1.1\r\nHost: other\r\ncontent-type: text/x\r\nContent-Length: ";
        assert_eq!(String::from_utf8(head).unwrap(), expected);
    }

    #[test]
    fn refuses_what_is_no_header_and_does_not_repeat_its_value() {
        for text in [
            "no colon",
            ": secret",
            "a b: secret",
            "a(b: secret",
            "a: secret\r\nc: d",
            "a: secret\0",
            "a:",
            "Content-Length: 5",
            "transfer-encoding: chunked",
            "Sec-WebSocket-Key: secret",
            "Sec-WebSocket-Protocol: a,,secret",
        ] {
            let error = Header::parse(text).unwrap_err();
            assert!(!error.contains("secret"), "{text}: {error}");
        }
        assert!(Header::parse("X-Stra\u{df}e: a").is_err());
        assert!(Header::parse("X-Street: Stra\u{df}e:\t5").is_ok());
    }
}
