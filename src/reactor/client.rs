//! Whose request it is. A connection of a trusted proxy brings requests of several clients, one
//! after the other: each counts towards its own client's address, from its head until it is
//! answered. A WebSocket stays with the client that has opened it.

use std::net::SocketAddr;

use crate::net::Net;
use crate::protocol::{ProxyHeader, Request, told_client, told_scheme};

use super::api::Handler;
use super::connection::{Connection, Http, PackedAddress, Phase};
use super::core::{ConnectionOf, Core};
use super::counters::RejectReason;
use super::decode_stop::Stop;
use super::group::{ConnectionLimits, Quota, Refusal, Standing};
use super::limits::ReactorLimits;
use super::via::Via;

/// Returns through whom the request on a connection has come, and the address of its client.
pub(super) fn client_of<T, S>(
    connection: &Connection<T, S>,
    request: &Request<'_>,
    limits: &ReactorLimits,
) -> (Via, PackedAddress) {
    let peer = peer(connection);
    let Phase::Http(Http { proxy, is_far, .. }) = &connection.phase else {
        return (peer, connection.packed_address);
    };
    let Some(proxy) = proxy else {
        let far = Via::Proxy { on_this_machine: false, scheme: peer.scheme() };
        return (if *is_far { far } else { peer }, connection.packed_address);
    };
    // The list may have been changed since the connection was accepted.
    let trusts = |address| limits.trusts(address);
    if !trusts(proxy.unpack().ip()) {
        return (Via::Proxy { on_this_machine: false, scheme: peer.scheme() }, **proxy);
    }
    let scheme = told_scheme(request).or(peer.scheme());
    match told_client(request, trusts) {
        Some(told) => {
            let on_this_machine = told.is_on_loopback && !is_far && is_here(proxy.unpack());
            (Via::Proxy { on_this_machine, scheme }, PackedAddress::new(told.address))
        }
        None => (Via::Proxy { on_this_machine: false, scheme }, **proxy),
    }
}

fn peer<T, S>(connection: &Connection<T, S>) -> Via {
    Via::Peer { is_tls: connection.io.tls.is_some() }
}

/// Attributes a connection of a trusted proxy to the client of the request whose head has arrived,
/// and counts it towards the limit of the client's address. Returns through whom the request has
/// come, and why it is refused if the connection or the client is over a limit.
#[inline]
pub(super) fn attribute<T, S>(
    connection: &mut Connection<T, S>,
    request: &Request<'_>,
    limits: &ReactorLimits,
    counts: &ConnectionLimits,
) -> (Via, Option<Refusal>) {
    match &connection.phase {
        Phase::Http(Http { proxy: None, is_far: false, .. }) => {
            (peer(connection), connection.refusal)
        }
        _ => attribute_to_client(connection, request, limits, counts),
    }
}

fn attribute_to_client<T, S>(
    connection: &mut Connection<T, S>,
    request: &Request<'_>,
    limits: &ReactorLimits,
    counts: &ConnectionLimits,
) -> (Via, Option<Refusal>) {
    let (via, client) = client_of(connection, request, limits);
    connection.packed_address = client;
    let mut standing = Standing::Within;
    if !connection.is_counted && !connection.is_admin() {
        connection.is_counted = true;
        standing = counts.enter_address(client.unpack());
    }
    let over = (standing != Standing::Within).then_some(Refusal::TooManyFromAddress);
    (via, connection.refusal.or(over))
}

/// Returns a connection of a trusted proxy to that proxy: the client's request has been answered.
pub(super) fn give_back<T, S>(connection: &mut Connection<T, S>, counts: &ConnectionLimits) {
    let Phase::Http(Http { proxy: Some(proxy), .. }) = &connection.phase else { return };
    let proxy = **proxy;
    if let Some(client) = connection.counted_address() {
        counts.leave_address(client);
        connection.is_counted = false;
    }
    connection.packed_address = proxy;
}

/// Returns true if a peer of this address is on this machine. One at a socket in the file system is
/// too, but it is a proxy that may pass on what a client says of itself, as nginx does if its
/// configuration sets no headers. So nobody behind it has the rights of this machine.
fn is_here(address: SocketAddr) -> bool {
    address.ip().is_loopback()
}

impl<N: Net, H: Handler> Core<N, H> {
    /// Reads the header of the PROXY protocol, if the connection must begin with one, and
    /// attributes the connection to the client that it tells. Returns its length, or why decoding
    /// stops.
    pub(super) fn take_proxy_header(
        &mut self,
        connection: &mut ConnectionOf<N, H>,
        filled: usize,
    ) -> Result<usize, Stop> {
        if !matches!(&connection.phase, Phase::Http(http) if http.awaits_proxy_header) {
            return Ok(0);
        }
        let header = match ProxyHeader::parse(&self.receive[..filled]) {
            Ok(Some(header)) => header,
            Ok(None) => return Err(Stop::NeedMore),
            Err(_) => return Err(self.leave_unheard(connection, RejectReason::ProxyHeader)),
        };
        let proxy = connection.address();
        let client = header.client.unwrap_or(proxy);
        connection.packed_address = PackedAddress::new(client);
        // The client may itself be a trusted proxy, which tells whose request it passes on. If no
        // client is told, it may be anybody: nothing that it says of itself is believed.
        let is_proxy = header.client.is_some_and(|client| self.limits.trusts(client.ip()));
        if let Phase::Http(http) = &mut connection.phase {
            http.awaits_proxy_header = false;
            http.is_far = header.client.is_none() || !is_here(proxy);
            http.proxy = is_proxy.then(|| Box::new(connection.packed_address));
        }
        if is_proxy {
            return Ok(header.bytes);
        }
        connection.is_counted = true;
        let counts = &self.exchange.shared.connection_limits;
        let standing = counts.enter_address(client);
        if standing != Standing::Within {
            connection.refusal.get_or_insert(Refusal::TooManyFromAddress);
        }
        if standing == Standing::FarOver && connection.quota == Quota::Ordinary {
            if !counts.demote() {
                return Err(self.leave_unheard(connection, RejectReason::AddressLimit));
            }
            connection.quota = Quota::Refusal;
        }
        Ok(header.bytes)
    }

    /// Closes a connection on which no request has been read, without an answer.
    fn leave_unheard(&mut self, connection: &mut ConnectionOf<N, H>, reason: RejectReason) -> Stop {
        self.reject(reason, connection.address(), None);
        self.remove(connection);
        Stop::Left
    }
}

impl<T, S> Connection<T, S> {
    /// Returns the address towards whose limit the connection counts, if any.
    pub(super) fn counted_address(&self) -> Option<SocketAddr> {
        self.is_counted.then(|| self.address())
    }
}
