//! Through whom a request has come.

use crate::protocol::Scheme;

/// Through whom a request has come.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(crate) enum Via {
    /// The peer of the connection has sent it. It may be a proxy, but not a trusted one.
    Peer,
    /// A trusted proxy has passed it on.
    Proxy {
        /// The client and all proxies are on this machine.
        on_this_machine: bool,
        /// The scheme of the URL that the client has asked for, if the proxy tells it.
        scheme: Option<Scheme>,
    },
}

impl Via {
    /// Returns the scheme of the URL that the client has asked for, if a trusted proxy tells it.
    pub(crate) fn scheme(self) -> Option<Scheme> {
        match self {
            Via::Peer => None,
            Via::Proxy { scheme, .. } => scheme,
        }
    }
}
