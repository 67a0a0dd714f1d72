//! Credentials in the subprotocols of a handshake: scripts in a browser can set no header, but they
//! can offer subprotocols.

use crate::protocol::Request;

/// The subprotocol by which a browser hands over a token: it offers `bearer` and then the token,
/// because scripts can set no header of an opening handshake. The server chooses `bearer`.
pub(crate) const BEARER: &str = "bearer";

/// Returns the token that follows `bearer` in the subprotocols of a handshake.
pub(crate) fn bearer_in_subprotocols<'r>(request: &Request<'r>) -> Option<&'r str> {
    let mut all = offered(request).skip_while(|one| *one != BEARER);
    all.nth(1).filter(|_| request.wants_websocket())
}

/// Returns the subprotocols that a client offers.
pub(crate) fn offered<'r>(request: &Request<'r>) -> impl Iterator<Item = &'r str> {
    let lines = request.header_lines("Sec-WebSocket-Protocol");
    lines.flat_map(|line| line.split(',')).map(str::trim).filter(|one| !one.is_empty())
}

/// Returns true if a request brings credentials in a place that is meant for them alone. (Whether a
/// cookie is a credential, only the application knows.)
pub(crate) fn brings_credentials(request: &Request<'_>) -> bool {
    request.header("Authorization").is_some() || bearer_in_subprotocols(request).is_some()
}
