//! Where to connect to, and from which addresses: the URL and `--source-ip`.
use std::net::{IpAddr, Ipv4Addr, SocketAddr, ToSocketAddrs};
use std::sync::Arc;

use rustls::ClientConfig;
use rustls::pki_types::ServerName;

use super::tls::Tls;

const PORT: u16 = 80;
const TLS_PORT: u16 = 443;

/// A `ws://` or `wss://` URL whose host has been resolved once.
#[derive(Clone, Debug)]
pub(crate) struct Target {
    pub(crate) address: SocketAddr,
    /// The value of the Host header.
    pub(crate) host: String,
    /// Path and query.
    pub(crate) path: String,
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

const NO_SCHEME: &str = "the URL must begin with ws:// or wss://";
const NO_HOST: &str = "the URL has no host, or characters that do not belong in one";
const NO_ADDRESS: &str = "the host of the URL has no address";

impl Target {
    /// Parses `ws://HOST[:PORT][/PATH][?QUERY]`, or `wss://`. The port is 80 or 443 unless given.
    /// The error is a readable text.
    pub(crate) fn parse(url: &str, insecure: bool) -> Result<Target, String> {
        let address = Address::parse(url)?;
        let tls = match address.is_tls {
            true => Some(TlsTarget {
                server_name: Tls::server_name(address.name())?,
                config: Tls::config(insecure)?,
            }),
            false => None,
        };
        let (host, path) = (address.host.to_owned(), address.path.clone());
        Ok(Target { address: address.look_up()?, host, path, channels: None, tls })
    }

    /// Parses `http://HOST[:PORT][/PATH][?QUERY]`, or `https://`.
    pub(crate) fn parse_http(url: &str, insecure: bool) -> Result<Target, String> {
        let rest = url.strip_prefix("http").ok_or("the URL must begin with http:// or https://")?;
        Target::parse(&format!("ws{rest}"), insecure)
    }

    /// Returns the request target of connection number `ordinal`.
    pub(crate) fn path_of(&self, ordinal: u32) -> String {
        match self.channels {
            Some(channels) => format!("{}-{}", self.path, ordinal % channels),
            None => self.path.clone(),
        }
    }
}

/// The parts of a URL.
struct Address<'a> {
    is_tls: bool,
    /// Includes the port if there is one.
    host: &'a str,
    path: String,
}

impl Address<'_> {
    fn parse(url: &str) -> Result<Address<'_>, &'static str> {
        let (is_tls, rest) = match url.split_once("://") {
            Some(("ws", rest)) => (false, rest),
            Some(("wss", rest)) => (true, rest),
            Some(_) | None => return Err(NO_SCHEME),
        };
        let (host, path) = rest.split_at(rest.find(['/', '?']).unwrap_or(rest.len()));
        let visible = |text: &str| text.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'#');
        if host.is_empty() || host.contains('@') || !visible(rest) {
            return Err(NO_HOST);
        }
        let path = if path.starts_with('/') { path.to_owned() } else { format!("/{path}") };
        Ok(Address { is_tls, host, path })
    }

    /// Returns host and port. An IPv6 address keeps its brackets.
    fn host_and_port(&self) -> (&str, Option<&str>) {
        match self.host.rsplit_once(':') {
            Some((host, port)) if !port.ends_with(']') => (host, Some(port)),
            Some(_) | None => (self.host, None),
        }
    }

    /// Returns the name that the certificate must be valid for.
    fn name(&self) -> &str {
        let (host, _) = self.host_and_port();
        host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host)
    }

    fn look_up(&self) -> Result<SocketAddr, &'static str> {
        let port = if self.is_tls { TLS_PORT } else { PORT };
        let looked_up = match self.host_and_port() {
            (_, Some(_)) => self.host.to_socket_addrs(),
            (host, None) => format!("{host}:{port}").to_socket_addrs(),
        };
        looked_up.ok().and_then(|mut found| found.next()).ok_or(NO_ADDRESS)
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

    fn parse(url: &str) -> Target {
        Target::parse(url, true).unwrap()
    }

    #[test]
    fn takes_a_url_apart() {
        let target = parse("ws://127.0.0.1:8080/news?last=1");
        assert_eq!(
            (target.host.as_str(), target.path.as_str()),
            ("127.0.0.1:8080", "/news?last=1")
        );
        assert_eq!(target.address, "127.0.0.1:8080".parse().unwrap());
        assert_eq!(parse("ws://127.0.0.1").address.port(), 80);
        assert_eq!(parse("ws://[::1]").address, "[::1]:80".parse().unwrap());
        assert_eq!(parse("ws://127.0.0.1?a").path, "/?a");
        assert!(target.tls.is_none());
    }

    #[test]
    fn a_secure_url_has_a_port_and_a_name_of_its_own() {
        let target = parse("wss://localhost/news");
        assert_eq!((target.address.port(), target.host.as_str()), (443, "localhost"));
        let name = |url| parse(url).tls.unwrap().server_name.to_str().into_owned();
        assert_eq!(name("wss://localhost:8443/"), "localhost");
        assert_eq!(name("wss://[::1]:8443/"), "::1");
        assert_eq!(name("wss://127.0.0.1/"), "127.0.0.1");
    }

    #[test]
    fn refuses_what_it_cannot_reach() {
        let error = |url| Target::parse(url, false).unwrap_err();
        for (url, reason) in [
            ("http://localhost/", NO_SCHEME),
            ("ws:///news", NO_HOST),
            ("ws://me@127.0.0.1/", NO_HOST),
            ("ws://127.0.0.1/a b", NO_HOST),
            ("ws://127.0.0.1:port/", NO_ADDRESS),
        ] {
            assert_eq!(error(url), reason, "{url}");
        }
    }

    #[test]
    fn channels_are_taken_in_turn() {
        let target = Target { channels: Some(3), ..parse("ws://127.0.0.1/c") };
        assert_eq!(
            [0, 1, 2, 3].map(|ordinal| target.path_of(ordinal)),
            ["/c-0", "/c-1", "/c-2", "/c-0"]
        );
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
