//! Why a request is not served, and the answer that says so.

use crate::protocol::{CloseCode, Response};
use crate::reactor::RejectReason;

use super::access::Denied;
use super::authorizer::NoVerdict;
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
    /// The application has answered a handshake with this status.
    ByApplication { status: u16, reason: RejectReason },
    /// The application has not decided on a handshake.
    NoVerdict(NoVerdict),
    /// The server is draining.
    Draining,
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
            Rejection::ByApplication { reason, .. } => reason,
            Rejection::NoVerdict(_) => RejectReason::Authorizer,
            Rejection::Draining => RejectReason::Draining,
        }
    }

    /// Returns the close code and reason that say the same to a browser, if the peer lacks rights.
    pub(crate) fn close(self) -> Option<(CloseCode, &'static str)> {
        match self {
            Rejection::Denied(denied) => Some(denied.close()),
            Rejection::ByApplication { status: 401, .. } => {
                Some((CloseCode::UNAUTHORIZED, "the application asks for credentials"))
            }
            Rejection::ByApplication { status: 429, .. } => {
                Some((CloseCode::RATE_LIMITED, "too often, says the application"))
            }
            Rejection::ByApplication { status: 300..=499, .. } => {
                Some((CloseCode::FORBIDDEN, "the application does not let this peer in"))
            }
            _ => None,
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
            Rejection::ByApplication { status, .. } => {
                Response::text(status, "the application does not let this peer in\n")
            }
            Rejection::NoVerdict(cause) => {
                Response::text(503, format!("{}: try again later\n", cause.reason()))
                    .header("Retry-After", "1")
            }
            Rejection::Draining => Response::text(503, "the server is restarting: try again\n")
                .header("Retry-After", "1"),
        }
    }
}
