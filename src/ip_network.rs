//! A range of IP addresses, written as `10.0.0.0/8`: the addresses of proxies that are trusted.

use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

use ipnet::IpNet;

/// A range of IP addresses in CIDR notation, such as `10.0.0.0/8` or `2001:db8::/32`; an address
/// alone is the range of that one address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct IpNetwork(IpNet);

/// Why a text is not an [`IpNetwork`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct IpNetworkError(());

impl fmt::Display for IpNetworkError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("write an IP address or a range of them, as in 10.0.0.5, 10.0.0.0/8 or ::1")
    }
}

impl std::error::Error for IpNetworkError {}

impl FromStr for IpNetwork {
    type Err = IpNetworkError;

    fn from_str(text: &str) -> Result<IpNetwork, IpNetworkError> {
        let network = match text.parse::<IpAddr>() {
            Ok(address) => IpNet::from(address.to_canonical()),
            Err(_) => text.parse().map_err(|_| IpNetworkError(()))?,
        };
        Ok(IpNetwork(of_ipv4(network).unwrap_or(network).trunc()))
    }
}

/// Returns the range of IPv4 addresses if they are written as mapped into IPv6: the range must find
/// them however a socket tells of them.
fn of_ipv4(network: IpNet) -> Option<IpNet> {
    let IpNet::V6(mapped) = network else { return None };
    let address = mapped.addr().to_ipv4_mapped()?;
    IpNet::new(address.into(), mapped.prefix_len().checked_sub(96)?).ok()
}

impl fmt::Display for IpNetwork {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0.prefix_len() == self.0.max_prefix_len() {
            true => self.0.addr().fmt(f),
            false => self.0.fmt(f),
        }
    }
}

impl IpNetwork {
    /// Returns true if the range has this address. An IPv4 address that is mapped into IPv6 counts
    /// as the IPv4 address.
    #[must_use]
    pub fn contains(&self, address: IpAddr) -> bool {
        self.0.contains(&address.to_canonical())
    }
}

/// Returns the addresses that a limit per address counts as one: an IPv4 address, or an IPv6 /64,
/// which is what one customer usually gets.
pub(crate) fn customer_of(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V4(v4) => IpAddr::V4(v4),
        IpAddr::V6(v6) => IpAddr::V6((v6.to_bits() >> 64 << 64).into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_range_has_the_addresses_that_begin_like_it() {
        for (network, inside, outside) in [
            ("10.0.0.0/8", "10.255.0.1", "11.0.0.1"),
            ("10.1.2.3/8", "10.0.0.1", "9.0.0.1"),
            ("192.0.2.7", "192.0.2.7", "192.0.2.8"),
            ("0.0.0.0/0", "203.0.113.9", "2001:db8::1"),
            ("2001:db8::/32", "2001:db8:ffff::1", "2001:db9::1"),
            ("::1", "::1", "127.0.0.1"),
            ("127.0.0.0/8", "::ffff:127.0.0.1", "::1"),
            ("::ffff:10.0.0.1", "10.0.0.1", "10.0.0.2"),
            ("::ffff:10.0.0.0/104", "10.255.0.1", "11.0.0.1"),
            ("::ffff:0:0/96", "203.0.113.9", "2001:db8::1"),
            ("::/0", "2001:db8::1", "10.0.0.1"),
        ] {
            let one: IpNetwork = network.parse().unwrap();
            assert!(one.contains(inside.parse().unwrap()), "{network} {inside}");
            assert!(!one.contains(outside.parse().unwrap()), "{network} {outside}");
        }
    }

    #[test]
    fn what_is_no_range_is_an_error() {
        for text in ["", "10.0.0.0/33", "10.0.0/8", "10.0.0.0/", "::/129", "localhost", "10.0.0.*"]
        {
            assert_eq!(text.parse::<IpNetwork>(), Err(IpNetworkError(())), "{text}");
        }
    }

    #[test]
    fn a_range_is_shown_as_it_is_written() {
        for (text, shown) in
            [("10.1.2.3/8", "10.0.0.0/8"), ("::1", "::1"), ("10.0.0.1", "10.0.0.1")]
        {
            assert_eq!(text.parse::<IpNetwork>().unwrap().to_string(), shown);
        }
    }
}
