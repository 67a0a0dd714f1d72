//! The PROXY protocol, version 2: the header by which a proxy tells whose connection it passes on,
//! in front of the connection's first byte. The specification is HAProxy's `proxy-protocol.txt`,
//! sections 2.2 and following.

#[cfg(test)]
mod naive;
#[cfg(test)]
mod tests;

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

/// The bytes with which every header begins. No request of HTTP begins like it.
const SIGNATURE: [u8; 12] = *b"\r\n\r\n\0\r\nQUIT\n";

/// The signature, the version with the command, the family with the protocol, and the length of
/// what follows.
const FIXED_BYTES: usize = 16;

/// The longest header that is taken. The addresses have 216 bytes at most; the rest is for
/// additions of the proxy (TLVs), such as what a client's certificate says, which are skipped.
const PROXY_HEADER_BYTES_MAX: usize = 4096;

/// Two addresses and two ports.
const IPV4_BYTES: usize = 12;
const IPV6_BYTES: usize = 36;
/// Two paths.
const UNIX_BYTES: usize = 216;

/// A header that was read.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct ProxyHeader {
    /// How long it is; the bytes of the connection itself follow.
    pub bytes: usize,
    /// The address of the client. `None` if the proxy does not tell one: the connection is its own,
    /// for a health check, or the client has no internet address.
    pub client: Option<SocketAddr>,
}

/// Why bytes are not a header of the PROXY protocol.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ProxyHeaderError {
    /// They do not begin as every header does.
    NoHeader,
    /// The version or the command is unknown.
    Command,
    /// The address family or the protocol is unknown.
    Family,
    /// The header is too short for its addresses, or longer than any that is taken.
    Length,
}

impl fmt::Display for ProxyHeaderError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            ProxyHeaderError::NoHeader => "no header of the PROXY protocol, version 2",
            ProxyHeaderError::Command => "an unknown version or command of the PROXY protocol",
            ProxyHeaderError::Family => "an unknown address family of the PROXY protocol",
            ProxyHeaderError::Length => "a header of the PROXY protocol with a wrong length",
        })
    }
}

impl std::error::Error for ProxyHeaderError {}

impl ProxyHeader {
    /// Reads the header at the front of `bytes`. Returns `None` while it is incomplete.
    ///
    /// # Errors
    /// As soon as a byte is wrong, even if more are missing.
    pub fn parse(bytes: &[u8]) -> Result<Option<ProxyHeader>, ProxyHeaderError> {
        if bytes.iter().zip(&SIGNATURE).any(|(found, expected)| found != expected) {
            return Err(ProxyHeaderError::NoHeader);
        }
        // The connection is the proxy's own with the first command; then the family means nothing.
        let is_own = match bytes.get(12) {
            None => return Ok(None),
            Some(0x20) => true,
            Some(0x21) => false,
            Some(_) => return Err(ProxyHeaderError::Command),
        };
        let Some(family) = bytes.get(13) else { return Ok(None) };
        // The client may have reached the proxy by UDP, as in HTTP/3: its address is one as well.
        let address_bytes = match family {
            _ if is_own => 0,
            0x00 => 0,
            0x11 | 0x12 => IPV4_BYTES,
            0x21 | 0x22 => IPV6_BYTES,
            0x31 | 0x32 => UNIX_BYTES,
            _ => return Err(ProxyHeaderError::Family),
        };
        let Some(length) = bytes.get(14..FIXED_BYTES) else { return Ok(None) };
        let rest_bytes = usize::from(u16::from_be_bytes([length[0], length[1]]));
        let header_bytes = FIXED_BYTES + rest_bytes;
        if rest_bytes < address_bytes || header_bytes > PROXY_HEADER_BYTES_MAX {
            return Err(ProxyHeaderError::Length);
        }
        let Some(rest) = bytes.get(FIXED_BYTES..header_bytes) else { return Ok(None) };
        let client = match address_bytes {
            IPV4_BYTES => ipv4(rest),
            IPV6_BYTES => ipv6(rest),
            _ => None,
        };
        Ok(Some(ProxyHeader { bytes: header_bytes, client: client.filter(is_of_somebody) }))
    }
}

/// Reads a source address and port; the destination's stand between them.
fn ipv4(addresses: &[u8]) -> Option<SocketAddr> {
    let (ip, _) = addresses.split_first_chunk::<4>()?;
    Some(SocketAddr::new(Ipv4Addr::from(*ip).into(), port(addresses, 8)?))
}

fn ipv6(addresses: &[u8]) -> Option<SocketAddr> {
    let (ip, _) = addresses.split_first_chunk::<16>()?;
    let ip = IpAddr::V6(Ipv6Addr::from(*ip)).to_canonical();
    Some(SocketAddr::new(ip, port(addresses, 32)?))
}

fn port(addresses: &[u8], at: usize) -> Option<u16> {
    let (port, _) = addresses.get(at..)?.split_first_chunk::<2>()?;
    Some(u16::from_be_bytes(*port))
}

fn is_of_somebody(address: &SocketAddr) -> bool {
    !address.ip().is_unspecified()
}
