//! A socket address in 18 bytes, where the standard library's takes 32.

use std::net::{IpAddr, Ipv6Addr, SocketAddr};

/// A socket address. An IPv4 address is stored as IPv4-mapped IPv6; the scope id of an IPv6 address
/// is dropped.
#[derive(Clone, Copy)]
pub(in crate::reactor) struct PackedAddress {
    ip: [u8; 16],
    port: [u8; 2],
}

impl PackedAddress {
    pub(in crate::reactor) fn new(address: SocketAddr) -> PackedAddress {
        let ip = match address.ip() {
            IpAddr::V4(v4) => v4.to_ipv6_mapped(),
            IpAddr::V6(v6) => v6,
        };
        PackedAddress { ip: ip.octets(), port: address.port().to_be_bytes() }
    }

    pub(in crate::reactor) fn unpack(self) -> SocketAddr {
        SocketAddr::new(Ipv6Addr::from(self.ip).to_canonical(), u16::from_be_bytes(self.port))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_comes_out_as_it_went_in() {
        for text in ["127.0.0.1:8080", "[::1]:1", "[2001:db8::7]:65535"] {
            let address: SocketAddr = text.parse().unwrap();
            assert_eq!(PackedAddress::new(address).unpack(), address);
        }
        let mapped: SocketAddr = "[::ffff:10.1.2.3]:9".parse().unwrap();
        assert_eq!(PackedAddress::new(mapped).unpack(), "10.1.2.3:9".parse().unwrap());
    }
}
