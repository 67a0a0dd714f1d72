//! Why a request is not served, and the answer that says so.

use crate::protocol::Response;
use crate::reactor::RejectReason;

use super::access::Denied;
use super::route::RouteError;

/// Why a request is not served.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Rejection {
    /// The path is neither a page nor a valid channel name.
    Route(RouteError),
    /// The request is denied.
    Denied(Denied),
    /// The query of one of the server's own pages is wrong, for the reason given.
    Query(&'static str),
    /// The path does not support this method.
    Method {
        /// The value of `Allow`.
        allow: &'static str,
    },
    /// Nothing is served under this reserved path.
    NotFound,
    /// The path does not accept WebSockets.
    NoWebSocket,
    /// The path accepts only WebSockets.
    NeedsWebSocket,
    /// The request asked for server-sent events, which are not supported.
    EventStream,
}

impl From<Denied> for Rejection {
    fn from(denied: Denied) -> Rejection {
        Rejection::Denied(denied)
    }
}

impl From<RouteError> for Rejection {
    fn from(error: RouteError) -> Rejection {
        Rejection::Route(error)
    }
}

impl Rejection {
    /// The reason under which the rejection is counted.
    pub(crate) fn reason(self) -> RejectReason {
        match self {
            Rejection::Route(_) | Rejection::Query(_) | Rejection::NeedsWebSocket => {
                RejectReason::Malformed
            }
            Rejection::Denied(denied) => denied.reject_reason(),
            Rejection::Method { .. } => RejectReason::Method,
            Rejection::NotFound | Rejection::NoWebSocket | Rejection::EventStream => {
                RejectReason::NotFound
            }
        }
    }

    /// Returns the answer. Its text says what request would have been right.
    pub(crate) fn response(self) -> Response {
        match self {
            Rejection::Route(error) => Response::text(400, format!("{error}\n")),
            Rejection::Query(reason) => Response::text(400, format!("{reason}\n")),
            Rejection::Denied(denied) => denied.response(),
            Rejection::Method { allow } => {
                Response::text(405, format!("this path takes {allow}\n")).header("Allow", allow)
            }
            Rejection::NotFound => {
                Response::text(404, "nothing is served here: paths under /-/ are reserved\n")
            }
            Rejection::NoWebSocket => Response::text(
                404,
                "no WebSocket is served here: subscribe to a channel, such as /news\n",
            ),
            Rejection::NeedsWebSocket => Response::text(426, "connect here with a WebSocket\n")
                .header("Upgrade", "websocket")
                .header("Sec-WebSocket-Version", "13"),
            Rejection::EventStream => {
                Response::text(501, "server-sent events are not served: subscribe by a WebSocket\n")
            }
        }
    }
}
