//! `--log-access`: one line for each request when it is answered, and for each WebSocket connection
//! when it has ended.
//!
//! What comes from a peer is logged as text fields, which both formats quote and escape, and it is
//! cut: so a peer can neither forge a line nor fill the disk with one request. There is no query in
//! a line, because a token may be in it.

use tracing::info;

use crate::reactor::{RejectReason, Served};

use super::event_log::cut;
use super::route::Route;

/// Writes the line. `decoded` is a buffer for the percent-decoded path.
pub(crate) fn served(served: &Served<'_>, decoded: &mut Vec<u8>) {
    let channel = match served.path.map(|path| Route::parse(path, decoded)) {
        Some(Ok(Route::Channel(name))) => Some(name),
        Some(_) | None => None,
    };
    let reason = match (served.status, served.close, served.rejected) {
        (None, _, _) => Some("the peer has gone before the answer"),
        (_, Some((_, reason)), _) => Some(cut(reason)).filter(|reason| !reason.is_empty()),
        (_, None, rejected) => rejected.map(RejectReason::label),
    };
    // A turn reads the clock once, so more than milliseconds would not be exact.
    let seconds = served.duration.as_millis() as f64 / 1e3;
    info!(
        target: "fanfare::access",
        address = %served.address,
        method = served.method,
        path = served.path.map(cut),
        channel = channel.as_ref().map(|name| name.as_str()),
        status = served.status,
        code = served.close.map(|(code, _)| code.as_u16()),
        reason,
        seconds,
        bytes_in = served.received_bytes,
        bytes_out = served.sent_bytes,
        "access"
    );
}
