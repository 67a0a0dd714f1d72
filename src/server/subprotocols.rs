//! Which subprotocol the server chooses of those that a client offers (RFC 6455 section 4.2.2).
//!
//! On a plain channel a subprotocol changes nothing. But a client that speaks a protocol of its own
//! may need one to be chosen: a browser that offers some and gets none fails its connection.

use std::borrow::Cow;

use crate::protocol::{Request, is_token};

use super::bearer_subprotocol::{BEARER, offered};
use super::options::BroadcastOptions;

/// In the list of subprotocols: whatever the client offers first.
const ANY: &str = "*";

/// How the names of the server's own subprotocols begin. None is built yet, so none is chosen.
const OWN: &str = "fanfare.";

/// Returns the subprotocol that is chosen: the first that the client offers and the options list,
/// or else `bearer`, by which it hands over a token. A token that follows `bearer` is none.
pub(crate) fn chosen(
    options: &BroadcastOptions,
    request: &Request<'_>,
) -> Option<Cow<'static, str>> {
    let is_listed = |name: &str| {
        let is_it = |listed: &String| *listed == ANY || *listed == name;
        // What is no token is not a name either (RFC 6455 section 4.1), so it is not sent back.
        is_token(name) && !name.starts_with(OWN) && options.subprotocols.iter().any(is_it)
    };
    let mut has_bearer = false;
    let mut names = offered(request);
    while let Some(name) = names.next() {
        if name == BEARER {
            has_bearer = true;
            names.next();
        } else if is_listed(name) {
            return Some(Cow::Owned(name.to_owned()));
        }
    }
    (has_bearer && options.takes_credentials()).then_some(Cow::Borrowed(BEARER))
}

#[cfg(test)]
mod tests {
    use crate::protocol::HeaderStorage;
    use crate::server::jwt_key::JwtKey;

    use super::*;

    #[test]
    fn the_first_that_is_offered_and_listed_is_chosen_and_a_token_never() {
        for (listed, offered, without_tokens, with_tokens) in [
            ("", "chat", "", ""),
            ("", "", "", ""),
            ("chat", "", "", ""),
            ("chat", "chat", "chat", "chat"),
            ("chat", "Chat", "", ""),
            ("chat mqtt", "mqtt, chat", "mqtt", "mqtt"),
            ("chat", "other, chat", "chat", "chat"),
            ("chat", "other\r\nSec-WebSocket-Protocol: chat", "chat", "chat"),
            ("*", "other, chat", "other", "other"),
            ("*", "not a name, chat", "chat", "chat"),
            ("*", "caf\u{e9}", "", ""),
            ("", "bearer, t1", "", "bearer"),
            ("*", "bearer, t1", "", "bearer"),
            ("*", "bearer", "", "bearer"),
            ("*", "bearer, t1, chat", "chat", "chat"),
            ("*", "chat, bearer, t1", "chat", "chat"),
            ("chat", "bearer, chat", "", "bearer"),
            ("chat", "bearer, chat, chat", "chat", "chat"),
            ("*", "bearer, t1, bearer, t2", "", "bearer"),
            ("bearer *", "bearer, t1", "", "bearer"),
            ("*", "fanfare.1", "", ""),
            ("* fanfare.1", "fanfare.1, bearer, t1", "", "bearer"),
        ] {
            let head = format!(
                "GET /a HTTP/1.1\r\nHost: a.example\r\nUpgrade: websocket\r\n\
                 Sec-WebSocket-Protocol: {offered}\r\n\r\n"
            );
            let mut storage = HeaderStorage::new();
            let request = Request::parse(head.as_bytes(), &mut storage).unwrap();
            let subprotocols = listed.split_whitespace().map(str::to_owned).collect();
            let mut options = BroadcastOptions { subprotocols, ..BroadcastOptions::default() };
            let shown = |options: &BroadcastOptions| chosen(options, &request).unwrap_or_default();
            assert_eq!(shown(&options), without_tokens, "{listed}: {offered}");
            options.jwt_keys = vec![JwtKey::secret(&[b'x'; 32]).unwrap()];
            assert_eq!(shown(&options), with_tokens, "{listed}: {offered}");
        }
    }
}
