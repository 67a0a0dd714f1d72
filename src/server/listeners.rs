//! Opens the sockets on which a server listens.

use std::io;
use std::net::{SocketAddr, TcpListener};
use std::os::fd::OwnedFd;

use crate::TlsSettings;
use crate::net::{self, Families, HandedAddress, MioListener, SocketFile};
use crate::reactor::ListenerKind;

use super::bind_error::BindError;
use super::listen_address::{ListenAddress, ListenPlace};

/// What a server listens on.
#[derive(Default)]
pub(crate) struct Listening {
    /// For each reactor.
    pub(crate) listeners: Vec<Vec<(MioListener, ListenerKind, Option<TlsSettings>)>>,
    /// The TCP addresses for channels, those of the PROXY protocol last.
    pub(crate) addresses: Vec<SocketAddr>,
    /// The TCP addresses for the operator.
    pub(crate) admin_addresses: Vec<SocketAddr>,
    /// Where there are channels, as URLs or as the operator writes it.
    pub(crate) shown: Vec<String>,
    pub(crate) files: Vec<SocketFile>,
}

impl Listening {
    fn add(
        &mut self,
        group: impl IntoIterator<Item = MioListener>,
        kind: ListenerKind,
        tls: Option<&TlsSettings>,
    ) {
        for (listeners, listener) in self.listeners.iter_mut().zip(group) {
            listeners.push((listener, kind, tls.cloned()));
        }
    }

    fn note_tcp(&mut self, address: SocketAddr, kind: ListenerKind, is_tls: bool) {
        let start = match (kind, is_tls) {
            (ListenerKind::Public, false) => "http://",
            (ListenerKind::Public, true) => "https://",
            (ListenerKind::ProxyProtocol, false) => "proxy:",
            (ListenerKind::ProxyProtocol, true) => "proxy+tls:",
            (ListenerKind::Admin, _) => return self.admin_addresses.push(address),
        };
        self.addresses.push(address);
        self.shown.push(format!("{start}{address}"));
    }

    /// Opens the sockets of one address. `is_for_ipv4` says on which ports there is a socket of its
    /// own for IPv4.
    fn listen(
        &mut self,
        address: &ListenAddress,
        is_for_ipv4: impl Fn(u16) -> bool,
        socket_mode: u32,
        tls: Option<&TlsSettings>,
    ) -> io::Result<()> {
        let (reactors, kind) = (self.listeners.len(), address.kind);
        let tls = tls.filter(|_| address.is_tls);
        match &address.place {
            ListenPlace::Tcp(resolved) => {
                let groups = listen_on(resolved, is_for_ipv4, reactors)?;
                for listener in &groups[0] {
                    self.note_tcp(listener.local_addr()?, kind, address.is_tls);
                }
                for (listeners, group) in self.listeners.iter_mut().zip(groups) {
                    let group = group.into_iter().map(MioListener::from_std);
                    listeners.extend(group.map(|listener| (listener, kind, tls.cloned())));
                }
            }
            ListenPlace::Unix(path) => {
                let (group, file) = net::bind_unix(path, socket_mode, reactors)?;
                self.add(group, kind, tls);
                self.files.push(file);
                if kind != ListenerKind::Admin {
                    self.shown.push(address.text.clone());
                }
            }
        }
        Ok(())
    }

    /// Listens on a socket that was handed over.
    fn adopt(&mut self, handed: OwnedFd) -> io::Result<()> {
        let (group, address) = net::adopt(handed, self.listeners.len())?;
        match address {
            HandedAddress::Tcp(address) => self.note_tcp(address, ListenerKind::Public, false),
            HandedAddress::Unix(path) => {
                let path = path.unwrap_or_default();
                self.shown.push(format!("unix:{}", path.display()));
            }
        }
        self.add(group, ListenerKind::Public, None);
        Ok(())
    }
}

/// Listens on all addresses and on the sockets that were handed over, with `reactors` reactors (at
/// least one). `tls`: by what TLS is spoken where an address asks for it.
pub(crate) fn listen_on_all(
    all: &[ListenAddress],
    handed: Vec<OwnedFd>,
    socket_mode: u32,
    tls: Option<&TlsSettings>,
    reactors: usize,
) -> Result<Listening, BindError> {
    let is_for_ipv4 = |port| {
        let mut sockets = all.iter().flat_map(ListenAddress::resolved);
        sockets.any(|other| other.is_ipv4() && other.port() == port && port != 0)
    };
    let listeners = (0..reactors).map(|_| Vec::new()).collect();
    let mut listening = Listening { listeners, ..Listening::default() };
    for socket in handed {
        let failed = |source| BindError::Listen { address: HANDED_OVER.to_owned(), source };
        listening.adopt(socket).map_err(failed)?;
    }
    // The addresses of the PROXY protocol come last, as the field says.
    let (last, first): (Vec<_>, Vec<_>) =
        all.iter().partition(|one| one.kind == ListenerKind::ProxyProtocol);
    for address in first.into_iter().chain(last) {
        let failed = |source| BindError::Listen { address: address.text.clone(), source };
        listening.listen(address, is_for_ipv4, socket_mode, tls).map_err(failed)?;
    }
    // One of plain HTTP is the best example, then one of TLS.
    listening
        .shown
        .sort_by_key(|shown| (!shown.starts_with("http://"), !shown.starts_with("https://")));
    Ok(listening)
}

/// What an error calls a socket that was handed over.
const HANDED_OVER: &str = "a socket that was handed over";

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
}
