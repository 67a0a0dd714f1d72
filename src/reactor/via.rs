//! Through whom a request has come.

use crate::protocol::Scheme;

/// Through whom a request has come.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(crate) enum Via {
    /// The peer of the connection has sent it. It may be a proxy, but not a trusted one.
    Peer {
        /// It came over TLS that ends here.
        is_tls: bool,
    },
    /// A trusted proxy has passed it on.
    Proxy {
        /// The client and all proxies are on this machine.
        on_this_machine: bool,
        /// The scheme of the URL that the client has asked for, if the proxy tells it.
        scheme: Option<Scheme>,
    },
}

impl Via {
    /// Without TLS, and not through a trusted proxy.
    pub(crate) const PLAIN: Via = Via::Peer { is_tls: false };

    /// Returns the scheme of the URL that the client has asked for, if it is known: a trusted proxy
    /// tells it, or TLS ends here. Without TLS a proxy that is not trusted may have ended it.
    pub(crate) fn scheme(self) -> Option<Scheme> {
        match self {
            Via::Peer { is_tls } => is_tls.then_some(Scheme::Https),
            Via::Proxy { scheme, .. } => scheme,
        }
    }
}
