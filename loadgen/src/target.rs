//! Where to connect, and from which addresses: the URL and `--source-ip`.
use std::fmt;
use std::net::{IpAddr, Ipv4Addr, SocketAddr, ToSocketAddrs};

/// A `ws://` URL, looked up once.
#[derive(Clone, Debug)]
pub(crate) struct Target {
    pub(crate) address: SocketAddr,
    /// What the Host header says.
    pub(crate) host: String,
    /// Path and query.
    pub(crate) path: String,
    /// With channels, connection n goes to `PATH-(n mod channels)`.
    pub(crate) channels: Option<u32>,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum TargetError {
    Tls,
    Scheme,
    Host,
    /// The name has no address.
    Unknown,
}

impl fmt::Display for TargetError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            TargetError::Tls => "wss:// is not supported yet: put the load on the plain listener",
            TargetError::Scheme => "the URL must begin with ws://",
            TargetError::Host => "the URL has no host, or characters that do not belong in one",
            TargetError::Unknown => "the host of the URL has no address",
        })
    }
}

impl Target {
    /// `ws://HOST[:PORT][/PATH][?QUERY]`; the port is 80 unless given.
    pub(crate) fn parse(url: &str) -> Result<Target, TargetError> {
        if url.starts_with("wss://") {
            return Err(TargetError::Tls);
        }
        let rest = url.strip_prefix("ws://").ok_or(TargetError::Scheme)?;
        let (host, path) = rest.split_at(rest.find(['/', '?']).unwrap_or(rest.len()));
        let visible = |text: &str| text.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'#');
        if host.is_empty() || host.contains('@') || !visible(rest) {
            return Err(TargetError::Host);
        }
        let has_port = host.rsplit_once(':').is_some_and(|(_, port)| !port.ends_with(']'));
        let looked_up =
            if has_port { host.to_socket_addrs() } else { format!("{host}:80").to_socket_addrs() };
        let address = looked_up.ok().and_then(|mut found| found.next()).ok_or(TargetError::Unknown)?;
        let path = if path.starts_with('/') { path.to_owned() } else { format!("/{path}") };
        Ok(Target { address, host: host.to_owned(), path, channels: None })
    }

    /// The request target of connection number `ordinal`.
    pub(crate) fn path_of(&self, ordinal: u32) -> String {
        match self.channels {
            Some(channels) => format!("{}-{}", self.path, ordinal % channels),
            None => self.path.clone(),
        }
    }
}

/// Addresses to connect from, taken in turn: one address has some 28,000 ports toward one server.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Sources {
    first: IpAddr,
    count: u32,
}

impl Sources {
    /// `IP`, or `NETWORK/BITS` for IPv4, whose first and last address are left out. The error is for people.
    pub(crate) fn parse(text: &str) -> Result<Sources, String> {
        let Some((network, bits)) = text.split_once('/') else {
            let first = text.parse().map_err(|_| format!("not an IP address: {text}"))?;
            return Ok(Sources { first, count: 1 });
        };
        let network: Ipv4Addr = network.parse().map_err(|_| format!("not an IPv4 address: {network}"))?;
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

    /// The address of connection number `ordinal`; the port is the kernel's choice.
    pub(crate) fn address_of(self, ordinal: u32) -> SocketAddr {
        let ip = match self.first {
            IpAddr::V4(first) => IpAddr::V4(Ipv4Addr::from(u32::from(first) + ordinal % self.count)),
            IpAddr::V6(first) => IpAddr::V6(first),
        };
        SocketAddr::new(ip, 0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn takes_a_url_apart() {
        let target = Target::parse("ws://127.0.0.1:8080/news?last=1").unwrap();
        assert_eq!((target.host.as_str(), target.path.as_str()), ("127.0.0.1:8080", "/news?last=1"));
        assert_eq!(target.address, "127.0.0.1:8080".parse().unwrap());
        assert_eq!(Target::parse("ws://127.0.0.1").unwrap().address.port(), 80);
        assert_eq!(Target::parse("ws://[::1]").unwrap().address, "[::1]:80".parse().unwrap());
        assert_eq!(Target::parse("ws://127.0.0.1?a").unwrap().path, "/?a");
    }

    #[test]
    fn refuses_what_it_cannot_reach() {
        let error = |url| Target::parse(url).unwrap_err();
        assert_eq!(error("wss://localhost/"), TargetError::Tls);
        assert_eq!(error("http://localhost/"), TargetError::Scheme);
        assert_eq!(error("ws:///news"), TargetError::Host);
        assert_eq!(error("ws://me@127.0.0.1/"), TargetError::Host);
        assert_eq!(error("ws://127.0.0.1/a b"), TargetError::Host);
        assert_eq!(error("ws://127.0.0.1:port/"), TargetError::Unknown);
    }

    #[test]
    fn channels_are_taken_in_turn() {
        let target = Target { channels: Some(3), ..Target::parse("ws://127.0.0.1/c").unwrap() };
        assert_eq!([0, 1, 2, 3].map(|ordinal| target.path_of(ordinal)), ["/c-0", "/c-1", "/c-2", "/c-0"]);
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
