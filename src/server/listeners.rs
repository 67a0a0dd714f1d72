//! Resolves addresses such as `localhost:8080`, and opens the sockets that listen on them.

use std::io;
use std::net::{SocketAddr, TcpListener, ToSocketAddrs};

use crate::net::{self, Families, MioListener};

use super::bind_error::BindError;

/// An address to listen on, and what it resolves to.
pub(crate) struct ListenAddress {
    text: String,
    resolved: Vec<SocketAddr>,
}

/// The listening sockets of each reactor, and the addresses on which each reactor listens.
pub(crate) type Listening = (Vec<Vec<MioListener>>, Vec<SocketAddr>);

impl ListenAddress {
    /// Resolves an address. A name may resolve to several, and to one of them twice.
    pub(crate) fn resolve(text: &str) -> Result<ListenAddress, BindError> {
        let failed = |source| BindError::Listen { address: text.to_owned(), source };
        let mut resolved = Vec::new();
        for address in text.to_socket_addrs().map_err(failed)? {
            if !resolved.contains(&address) {
                resolved.push(address);
            }
        }
        Ok(ListenAddress { text: text.to_owned(), resolved })
    }
}

/// Checks that no two addresses need the same socket.
pub(crate) fn check_overlap(all: &[ListenAddress]) -> Result<(), BindError> {
    for (place, one) in all.iter().enumerate() {
        let overlaps = |other: &&ListenAddress| {
            let pairs =
                one.resolved.iter().flat_map(|a| other.resolved.iter().map(move |b| (a, b)));
            pairs.into_iter().any(|(a, b)| includes(a, b) || includes(b, a))
        };
        if let Some(other) = all[place + 1..].iter().find(overlaps) {
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

/// Listens on `addresses` with `reactors` reactors (at least one). `all` are the addresses of the
/// whole server, these included.
pub(crate) fn listen_on_all(
    addresses: &[ListenAddress],
    all: &[ListenAddress],
    reactors: usize,
) -> Result<Listening, BindError> {
    let is_for_ipv4 = |port| {
        let mut sockets = all.iter().flat_map(|one| &one.resolved);
        sockets.any(|other| other.is_ipv4() && other.port() == port && port != 0)
    };
    let mut listeners: Vec<Vec<MioListener>> = (0..reactors).map(|_| Vec::new()).collect();
    let mut bound = Vec::new();
    for ListenAddress { text, resolved } in addresses {
        let failed = |source| BindError::Listen { address: text.clone(), source };
        let groups = listen_on(resolved, is_for_ipv4, reactors).map_err(failed)?;
        for listener in &groups[0] {
            bound.push(listener.local_addr().map_err(failed)?);
        }
        for (listeners, group) in listeners.iter_mut().zip(groups) {
            listeners.extend(group.into_iter().map(MioListener::from_std));
        }
    }
    Ok((listeners, bound))
}

/// Listens on all addresses that, for example, `localhost:8080` resolves to. Returns one list for
/// each of `reactors`; each list has one socket for each address, in the same order. `is_for_ipv4`
/// says on which ports there is a socket of its own for IPv4.
///
/// A name may resolve to an address that this machine does not have: `localhost` is often `::1` too
/// although IPv6 is disabled. Such an address is skipped, unless there is no other. Any other
/// failure is returned.
fn listen_on(
    resolved: &[SocketAddr],
    is_for_ipv4: impl Fn(u16) -> bool,
    reactors: usize,
) -> io::Result<Vec<Vec<TcpListener>>> {
    let mut listeners: Vec<Vec<TcpListener>> = (0..reactors).map(|_| Vec::new()).collect();
    let mut is_listening = false;
    let mut unavailable = io::Error::from(io::ErrorKind::AddrNotAvailable);
    for address in resolved {
        let families = match is_for_ipv4(address.port()) {
            true => Families::Ipv6,
            false => Families::Both,
        };
        match net::bind(*address, families, reactors) {
            Ok(group) => {
                is_listening = true;
                for (listeners, listener) in listeners.iter_mut().zip(group) {
                    listeners.push(listener);
                }
            }
            Err(error) if is_unavailable(&error) => unavailable = error,
            Err(error) => return Err(error),
        }
    }
    if is_listening { Ok(listeners) } else { Err(unavailable) }
}

/// Returns true if the machine does not have the address, or does not support its address family.
fn is_unavailable(error: &io::Error) -> bool {
    matches!(error.raw_os_error(), Some(libc::EADDRNOTAVAIL | libc::EAFNOSUPPORT))
}

#[cfg(test)]
mod tests {
    use super::*;

    const HERE: &str = "127.0.0.1:0";
    // An address for documentation (RFC 5737): no machine has it.
    const NOWHERE: &str = "192.0.2.1:0";

    fn listen(addresses: &[&str], reactors: usize) -> io::Result<Vec<Vec<TcpListener>>> {
        let resolved: Vec<_> = addresses.iter().map(|address| address.parse().unwrap()).collect();
        listen_on(&resolved, |_| false, reactors)
    }

    /// Listens with one reactor. Returns on how many of the addresses it listens.
    fn listen_with_one(addresses: &[&str]) -> io::Result<usize> {
        listen(addresses, 1).map(|listeners| listeners[0].len())
    }

    #[test]
    fn an_address_that_the_machine_does_not_have_is_passed_over_if_there_is_another() {
        assert_eq!(listen_with_one(&[NOWHERE, HERE]).unwrap(), 1);
        assert_eq!(listen_with_one(&[HERE, NOWHERE, HERE]).unwrap(), 2);
        for none in [&[NOWHERE, NOWHERE][..], &[]] {
            assert_eq!(listen_with_one(none).unwrap_err().kind(), io::ErrorKind::AddrNotAvailable);
        }
    }

    #[test]
    fn a_family_that_the_machine_does_not_have_counts_as_unavailable() {
        assert!(is_unavailable(&io::Error::from_raw_os_error(libc::EAFNOSUPPORT)));
    }

    #[test]
    fn an_address_in_use_is_never_passed_over() {
        let taken = listen(&[HERE], 1).unwrap()[0][0].local_addr().unwrap().to_string();
        let first = listen(&[&taken], 1).unwrap();
        assert_eq!(listen_with_one(&[HERE, &taken]).unwrap_err().kind(), io::ErrorKind::AddrInUse);
        drop(first);
    }

    #[test]
    fn each_reactor_has_a_socket_for_each_address() {
        let listeners = listen(&[HERE, NOWHERE, HERE], 3).unwrap();
        let addresses = |listeners: &Vec<TcpListener>| -> Vec<SocketAddr> {
            listeners.iter().map(|listener| listener.local_addr().unwrap()).collect()
        };
        let addresses: Vec<Vec<SocketAddr>> = listeners.iter().map(addresses).collect();
        assert_eq!((addresses.len(), addresses[0].len()), (3, 2));
        assert!(addresses.iter().all(|one| *one == addresses[0]), "{addresses:?}");
    }

    fn overlap(addresses: &[&str]) -> bool {
        let addresses: Result<Vec<_>, _> =
            addresses.iter().map(|text| ListenAddress::resolve(text)).collect();
        check_overlap(&addresses.unwrap()).is_err()
    }

    #[test]
    fn an_address_that_is_part_of_another_is_found() {
        for twice in [
            ["127.0.0.1:8080", "127.0.0.1:8080"],
            ["0.0.0.0:8080", "127.0.0.1:8080"],
            ["127.0.0.1:8080", "0.0.0.0:8080"],
            ["[::]:8080", "[::1]:8080"],
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
        ] {
            assert!(!overlap(&apart), "{apart:?}");
        }
    }
}
