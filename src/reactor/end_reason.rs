//! How a WebSocket connection has ended: its close code, and which side sent the Close frame.

use crate::protocol::CloseCode;

/// Who sent the Close frame that ended a connection.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Initiator {
    /// The server.
    Server,
    /// The peer.
    Client,
    /// Neither side: the connection was lost.
    Nobody,
}

/// The close code of a connection that has ended, and where it came from.
#[derive(Clone, Copy)]
pub(super) struct End {
    pub(super) code: CloseCode,
    pub(super) initiator: Initiator,
}

impl End {
    pub(super) const LOST: End = End { code: CloseCode::ABNORMAL, initiator: Initiator::Nobody };

    pub(super) fn by_server(code: CloseCode) -> End {
        End { code, initiator: Initiator::Server }
    }

    pub(super) fn by_client(code: CloseCode) -> End {
        End { code, initiator: Initiator::Client }
    }
}
