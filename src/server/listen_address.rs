//! The addresses to listen on, as the operator writes them: `localhost:8080`, `unix:/run/f.sock`,
//! and either with `proxy:`, `tls:` or `proxy+tls:` in front.

use std::net::{SocketAddr, ToSocketAddrs};
use std::path::PathBuf;

use crate::reactor::ListenerKind;

use super::bind_error::BindError;

/// An address to listen on, and what it stands for.
pub(crate) struct ListenAddress {
    pub(crate) text: String,
    pub(crate) kind: ListenerKind,
    /// TLS is spoken there.
    pub(crate) is_tls: bool,
    pub(crate) place: ListenPlace,
}

/// Where a socket listens.
pub(crate) enum ListenPlace {
    /// What a host and a port resolve to.
    Tcp(Vec<SocketAddr>),
    /// The path of a socket in the file system.
    Unix(PathBuf),
}

impl ListenAddress {
    /// Reads an address for channels, and resolves the host in it. A name may resolve to several
    /// addresses, and to one of them twice.
    pub(crate) fn public(text: &str) -> Result<ListenAddress, BindError> {
        let kinds = [
            ("proxy+tls:", ListenerKind::ProxyProtocol, true),
            ("proxy:", ListenerKind::ProxyProtocol, false),
            ("tls:", ListenerKind::Public, true),
            ("", ListenerKind::Public, false),
        ];
        let found = kinds.into_iter().find_map(|(start, kind, is_tls)| {
            text.strip_prefix(start).map(|address| (address, kind, is_tls))
        });
        let (address, kind, is_tls) = found.unwrap_or((text, ListenerKind::Public, false));
        ListenAddress::read(text, address, kind, is_tls)
    }

    /// Reads an address for the operator.
    pub(crate) fn admin(text: &str) -> Result<ListenAddress, BindError> {
        ListenAddress::read(text, text, ListenerKind::Admin, false)
    }

    fn read(
        text: &str,
        address: &str,
        kind: ListenerKind,
        is_tls: bool,
    ) -> Result<ListenAddress, BindError> {
        let place = match address.strip_prefix("unix:") {
            Some(path) => ListenPlace::Unix(path.into()),
            None => {
                let failed = |source| BindError::Listen { address: text.to_owned(), source };
                let mut resolved = Vec::new();
                for address in address.to_socket_addrs().map_err(failed)? {
                    if !resolved.contains(&address) {
                        resolved.push(address);
                    }
                }
                ListenPlace::Tcp(resolved)
            }
        };
        Ok(ListenAddress { text: text.to_owned(), kind, is_tls, place })
    }

    /// Returns the TCP addresses.
    pub(crate) fn resolved(&self) -> &[SocketAddr] {
        match &self.place {
            ListenPlace::Tcp(resolved) => resolved,
            ListenPlace::Unix(_) => &[],
        }
    }

    fn overlaps(&self, other: &ListenAddress) -> bool {
        let mut pairs =
            self.resolved().iter().flat_map(|a| other.resolved().iter().map(move |b| (a, b)));
        match (&self.place, &other.place) {
            (ListenPlace::Unix(one), ListenPlace::Unix(other)) => one == other,
            _ => pairs.any(|(a, b)| includes(a, b) || includes(b, a)),
        }
    }
}

/// Checks that no two addresses need the same socket.
pub(crate) fn check_overlap(all: &[ListenAddress]) -> Result<(), BindError> {
    for (place, one) in all.iter().enumerate() {
        if let Some(other) = all[place + 1..].iter().find(|other| one.overlaps(other)) {
            return Err(BindError::Twice { one: one.text.clone(), other: other.text.clone() });
        }
    }
    Ok(())
}

/// Returns true if a socket on one address takes the connections to the other. `[::]` leaves those
/// of IPv4 to a socket that is meant for them.
fn includes(one: &SocketAddr, other: &SocketAddr) -> bool {
    let is_all = one.ip().is_unspecified() && one.is_ipv4() == other.is_ipv4();
    one.port() == other.port() && one.port() != 0 && (is_all || one.ip() == other.ip())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn overlap(addresses: &[&str]) -> bool {
        let addresses: Result<Vec<_>, _> =
            addresses.iter().map(|text| ListenAddress::public(text)).collect();
        check_overlap(&addresses.unwrap()).is_err()
    }

    #[test]
    fn an_address_that_is_part_of_another_is_found() {
        for twice in [
            ["127.0.0.1:8080", "127.0.0.1:8080"],
            ["0.0.0.0:8080", "127.0.0.1:8080"],
            ["127.0.0.1:8080", "0.0.0.0:8080"],
            ["[::]:8080", "[::1]:8080"],
            ["127.0.0.1:8080", "proxy:127.0.0.1:8080"],
            ["127.0.0.1:8080", "tls:127.0.0.1:8080"],
            ["unix:/run/a", "proxy:unix:/run/a"],
        ] {
            assert!(overlap(&twice), "{twice:?}");
            assert!(overlap(&["127.0.0.2:1", twice[0], twice[1]]), "{twice:?}");
        }
        for apart in [
            ["127.0.0.1:8080", "127.0.0.1:8081"],
            ["127.0.0.1:8080", "127.0.0.2:8080"],
            ["0.0.0.0:8080", "[::]:8080"],
            ["127.0.0.1:8080", "[::]:8080"],
            ["127.0.0.1:0", "127.0.0.1:0"],
            ["unix:/run/a", "unix:/run/b"],
            ["unix:/run/a", "127.0.0.1:8080"],
        ] {
            assert!(!overlap(&apart), "{apart:?}");
        }
    }

    #[test]
    fn what_is_in_front_of_an_address_says_what_is_spoken_there() {
        let (public, proxies) = (ListenerKind::Public, ListenerKind::ProxyProtocol);
        for (text, kind, is_tls, is_unix) in [
            ("127.0.0.1:1", public, false, false),
            ("proxy:127.0.0.1:1", proxies, false, false),
            ("tls:127.0.0.1:1", public, true, false),
            ("proxy+tls:127.0.0.1:1", proxies, true, false),
            ("unix:/run/a", public, false, true),
            ("proxy:unix:/run/a", proxies, false, true),
            ("tls:unix:/run/a", public, true, true),
        ] {
            let address = ListenAddress::public(text).unwrap();
            let is_in_files = matches!(address.place, ListenPlace::Unix(_));
            assert_eq!((address.kind, address.is_tls, is_in_files), (kind, is_tls, is_unix));
        }
        assert!(ListenAddress::admin("proxy:127.0.0.1:1").is_err());
        assert!(ListenAddress::public("proxy:1").is_err());
    }
}
