//! Where to connect to, and from which addresses: the URL and `--source-ip`.
use std::fmt;
use std::net::{IpAddr, Ipv4Addr, SocketAddr, ToSocketAddrs};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use rustls::ClientConfig;
use rustls::pki_types::ServerName;
use url::{Host, Url};

use super::tls::{Tls, Trust};

const PORT: u16 = 80;
const TLS_PORT: u16 = 443;

/// A URL of a server: `ws://HOST[:PORT][/PATH][?QUERY]`, or `wss://`; where publishers send their
/// POST requests, `http://` or `https://`.
#[derive(Clone, Debug)]
pub(crate) struct ServerUrl {
    /// The URL as it was given.
    text: String,
    url: Url,
}

impl ServerUrl {
    /// Parses the URL of a WebSocket server. The error is a readable text.
    pub(crate) fn parse(text: &str) -> Result<ServerUrl, String> {
        ServerUrl::with_scheme(text, ["ws", "wss"])
    }

    /// Parses a URL to publish to by POST.
    pub(crate) fn parse_http(text: &str) -> Result<ServerUrl, String> {
        ServerUrl::with_scheme(text, ["http", "https"])
    }

    fn with_scheme(text: &str, [plain, secure]: [&str; 2]) -> Result<ServerUrl, String> {
        let (scheme, rest) = text.split_once("://").unwrap_or(("", text));
        if ![plain, secure].iter().any(|known| scheme.eq_ignore_ascii_case(known)) {
            let known = if ["wss", "https"].contains(&scheme) { secure } else { plain };
            return Err(format!(
                "the URL must begin with {plain}:// or {secure}://, as in {known}://{rest}"
            ));
        }
        if rest.starts_with(['/', '\\']) || text.contains(|c: char| c.is_control()) {
            return Err("the URL has no host, or characters that do not belong in it".to_owned());
        }
        let url = Url::parse(text).map_err(|error| error.to_string())?;
        if !url.username().is_empty() || url.password().is_some() {
            return Err("a user name does not belong in the URL: use --bearer, or -H".to_owned());
        }
        if url.fragment().is_some() {
            return Err("no server is sent what follows #: write %23 for the character".to_owned());
        }
        Ok(ServerUrl { text: text.to_owned(), url })
    }

    fn is_secure(&self) -> bool {
        ["wss", "https"].contains(&self.url.scheme())
    }

    /// Returns the name or address that the certificate must be valid for.
    fn server_name(&self) -> Result<ServerName<'static>, String> {
        match self.url.host() {
            Some(Host::Ipv4(address)) => Ok(ServerName::from(IpAddr::from(address))),
            Some(Host::Ipv6(address)) => Ok(ServerName::from(IpAddr::from(address))),
            Some(Host::Domain(name)) => Tls::server_name(name),
            None => Tls::server_name(""),
        }
    }

    /// Resolves the host.
    fn look_up(&self) -> Result<Vec<SocketAddr>, String> {
        let default = if self.is_secure() { TLS_PORT } else { PORT };
        let port = self.url.port().unwrap_or(default);
        let mut addresses: Vec<SocketAddr> = match self.url.host() {
            Some(Host::Ipv4(address)) => vec![(address, port).into()],
            Some(Host::Ipv6(address)) => vec![(address, port).into()],
            Some(Host::Domain(name)) => match (name, port).to_socket_addrs() {
                Ok(found) => found.collect(),
                Err(error) => return Err(format!("{name} has no address: {error}")),
            },
            None => Vec::new(),
        };
        addresses.dedup();
        Ok(addresses)
    }
}

/// Shows the URL as it was given.
impl fmt::Display for ServerUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

/// A server whose host has been resolved once.
#[derive(Clone, Debug)]
pub(crate) struct Target {
    pub(crate) addresses: Arc<Addresses>,
    /// The value of the Host header.
    pub(crate) host: String,
    path: String,
    /// The query with its question mark, or nothing.
    query: String,
    /// If set, connection number n requests the path `PATH-(n mod channels)`.
    pub(crate) channels: Option<u32>,
    /// Set for a `wss://` URL.
    pub(crate) tls: Option<TlsTarget>,
}

/// The TLS configuration, and the name that the certificate must be valid for.
#[derive(Clone, Debug)]
pub(crate) struct TlsTarget {
    pub(crate) config: Arc<ClientConfig>,
    pub(crate) server_name: ServerName<'static>,
}

impl Target {
    /// Resolves the host of a URL, to connect to it from `sources`. The error is a readable text.
    pub(crate) fn find(
        url: &ServerUrl,
        sources: Option<Sources>,
        trust: Trust<'_>,
    ) -> Result<Target, String> {
        let tls = match url.is_secure() {
            true => {
                Some(TlsTarget { server_name: url.server_name()?, config: Tls::config(trust)? })
            }
            false => None,
        };
        let mut found = url.look_up()?;
        if let Some(sources) = sources {
            found.retain(|address| address.is_ipv4() == sources.first.is_ipv4());
        }
        if found.is_empty() {
            return Err(format!("{url} has no address that --source-ip could connect to"));
        }
        let url = &url.url;
        let port = url.port().map_or(String::new(), |port| format!(":{port}"));
        Ok(Target {
            addresses: Arc::new(Addresses::new(found)),
            host: format!("{}{port}", url.host_str().unwrap_or_default()),
            path: url.path().to_owned(),
            query: url.query().map_or(String::new(), |query| format!("?{query}")),
            channels: None,
            tls,
        })
    }

    /// Returns path and query that connection number `ordinal` requests.
    pub(crate) fn path_of(&self, ordinal: u32) -> String {
        match self.channels {
            Some(channels) => format!("{}-{}{}", self.path, ordinal % channels, self.query),
            None => format!("{}{}", self.path, self.query),
        }
    }
}

/// The addresses of a host. If a connection cannot be made to one, the next is tried, because a
/// server may listen on some of them only.
#[derive(Debug)]
pub(crate) struct Addresses {
    list: Vec<SocketAddr>,
    /// Index of the address that was reached last. The next connections try it first.
    reached: AtomicUsize,
}

impl Addresses {
    /// `list` has at least one address.
    pub(crate) fn new(list: Vec<SocketAddr>) -> Addresses {
        debug_assert!(!list.is_empty(), "a host without addresses is refused");
        Addresses { list, reached: AtomicUsize::new(0) }
    }

    /// Returns the index of the address to try first.
    pub(crate) fn first(&self) -> usize {
        self.reached.load(Ordering::Relaxed)
    }

    /// Returns the index of the address to try after number `at`.
    pub(crate) fn after(&self, at: usize) -> usize {
        (at + 1) % self.list.len()
    }

    pub(crate) fn at(&self, at: usize) -> SocketAddr {
        self.list[at]
    }

    pub(crate) fn count(&self) -> usize {
        self.list.len()
    }

    /// Records that a connection has reached an address.
    pub(crate) fn note_reached(&self, at: usize) {
        self.reached.store(at, Ordering::Relaxed);
    }
}

/// Local addresses to connect from, used in turn. Each has some 28,000 ports for one server.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Sources {
    first: IpAddr,
    count: u32,
}

impl Sources {
    /// Parses `IP`, or an IPv4 range `NETWORK/BITS`, whose first and last address are not used. The
    /// error is a readable text.
    pub(crate) fn parse(text: &str) -> Result<Sources, String> {
        let Some((network, bits)) = text.split_once('/') else {
            let first = text.parse().map_err(|_| format!("not an IP address: {text}"))?;
            return Ok(Sources { first, count: 1 });
        };
        let network: Ipv4Addr =
            network.parse().map_err(|_| format!("not an IPv4 address: {network}"))?;
        let bits: u32 = bits.parse().map_err(|_| format!("not a prefix length: {bits}"))?;
        if !(1..=30).contains(&bits) {
            return Err(format!("a prefix of {bits} bits: between 1 and 30 can be rotated over"));
        }
        let size = 1u32 << (32 - bits);
        let first = (u32::from(network) & !(size - 1)) + 1;
        Ok(Sources { first: IpAddr::V4(Ipv4Addr::from(first)), count: size - 2 })
    }

    pub(crate) fn count(self) -> u32 {
        self.count
    }

    /// Returns the local address for connection number `ordinal`. The kernel chooses the port.
    pub(crate) fn address_of(self, ordinal: u32) -> SocketAddr {
        let ip = match self.first {
            IpAddr::V4(first) => {
                IpAddr::V4(Ipv4Addr::from(u32::from(first) + ordinal % self.count))
            }
            IpAddr::V6(first) => IpAddr::V6(first),
        };
        SocketAddr::new(ip, 0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn find(url: &str) -> Target {
        Target::find(&ServerUrl::parse(url).unwrap(), None, Trust::Any).unwrap()
    }

    fn parts(url: &str) -> (String, String, String) {
        let target = find(url);
        (target.addresses.at(0).to_string(), target.host.clone(), target.path_of(0))
    }

    fn owned([address, host, path]: [&str; 3]) -> (String, String, String) {
        (address.to_owned(), host.to_owned(), path.to_owned())
    }

    #[test]
    fn takes_a_url_apart() {
        for (url, expected) in [
            (
                "ws://127.0.0.1:8080/news?last=1",
                ["127.0.0.1:8080", "127.0.0.1:8080", "/news?last=1"],
            ),
            ("ws://127.0.0.1", ["127.0.0.1:80", "127.0.0.1", "/"]),
            ("ws://[::1]", ["[::1]:80", "[::1]", "/"]),
            ("ws://127.0.0.1?a", ["127.0.0.1:80", "127.0.0.1", "/?a"]),
            ("WS://127.0.0.1:81/A%20b", ["127.0.0.1:81", "127.0.0.1:81", "/A%20b"]),
            ("wSs://127.0.0.1/", ["127.0.0.1:443", "127.0.0.1", "/"]),
        ] {
            assert_eq!(parts(url), owned(expected), "{url}");
        }
        assert!(find("ws://127.0.0.1").tls.is_none());
    }

    #[test]
    fn a_url_may_be_in_any_language() {
        let target = find("ws://127.0.0.1/stra\u{df}e/\u{43c}\u{438}\u{440}?q=\u{e4} b");
        assert_eq!(target.path_of(0), "/stra%C3%9Fe/%D0%BC%D0%B8%D1%80?q=%C3%A4%20b");
        let url = ServerUrl::parse("ws://B\u{fc}cher.example/").unwrap();
        assert_eq!(url.url.host_str(), Some("xn--bcher-kva.example"));
        assert_eq!(url.to_string(), "ws://B\u{fc}cher.example/");
    }

    #[test]
    fn a_secure_url_has_a_port_and_a_name_of_its_own() {
        let target = find("wss://localhost/news");
        assert_eq!((target.addresses.at(0).port(), target.host.as_str()), (443, "localhost"));
        let name = |url| find(url).tls.unwrap().server_name.to_str().into_owned();
        assert_eq!(name("wss://localhost:8443/"), "localhost");
        assert_eq!(name("wss://[::1]:8443/"), "::1");
        assert_eq!(name("wss://127.0.0.1/"), "127.0.0.1");
    }

    #[test]
    fn refuses_what_it_cannot_reach_and_says_why() {
        for (url, reason) in [
            ("http://localhost/", "as in ws://localhost/"),
            ("https://localhost/", "as in wss://localhost/"),
            ("localhost:8080/news", "as in ws://localhost:8080/news"),
            ("ws:///news", "no host"),
            ("ws://", "empty host"),
            ("ws://me@127.0.0.1/", "user name"),
            ("ws://127.0.0.1/a\nb", "characters"),
            ("ws://127.0.0.1/a#b", "%23"),
            ("ws://127.0.0.1:port/", "invalid port"),
            ("ws://a b/", "invalid"),
        ] {
            let error = ServerUrl::parse(url).unwrap_err();
            assert!(error.contains(reason), "{url}: {error}");
        }
        assert!(ServerUrl::parse_http("ws://localhost/").is_err());
        let nowhere = ServerUrl::parse("ws://there.is.none.invalid/").unwrap();
        let error = Target::find(&nowhere, None, Trust::Any).unwrap_err();
        assert!(error.starts_with("there.is.none.invalid has no address: "), "{error}");
    }

    #[test]
    fn only_addresses_of_the_family_of_the_source_are_tried() {
        let url = ServerUrl::parse("ws://[::1]/").unwrap();
        let from = |source| Target::find(&url, Sources::parse(source).ok(), Trust::Any);
        assert!(from("::1").is_ok());
        assert!(from("127.0.0.1").unwrap_err().contains("--source-ip"));
    }

    #[test]
    fn channels_are_taken_in_turn_and_the_query_stays_behind() {
        for (url, paths) in [
            ("ws://127.0.0.1/c", ["/c-0", "/c-1", "/c-2", "/c-0"]),
            ("ws://127.0.0.1/c?a=b", ["/c-0?a=b", "/c-1?a=b", "/c-2?a=b", "/c-0?a=b"]),
        ] {
            let target = Target { channels: Some(3), ..find(url) };
            assert_eq!([0, 1, 2, 3].map(|ordinal| target.path_of(ordinal)), paths);
        }
    }

    #[test]
    fn source_addresses_are_taken_in_turn_without_the_ends_of_the_network() {
        let sources = Sources::parse("127.0.0.0/30").unwrap();
        let addresses = [0, 1, 2].map(|ordinal| sources.address_of(ordinal).to_string());
        assert_eq!(addresses, ["127.0.0.1:0", "127.0.0.2:0", "127.0.0.1:0"]);
        assert_eq!(Sources::parse("127.0.0.0/8").unwrap().count(), (1 << 24) - 2);
        assert!(Sources::parse("127.0.0.0/31").is_err() && Sources::parse("127.0.0/8").is_err());
    }
}
