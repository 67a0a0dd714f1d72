//! `X-Forwarded-For` and `X-Forwarded-Proto`: what proxies tell of the client whose request they
//! pass on. No standard has them, but all proxies send them.
//!
//! `Forwarded` (RFC 7239) is not read. A proxy that writes the one header passes the other one on
//! as the client has written it, and a reader of both could not know which of them that is.

use std::net::{IpAddr, SocketAddr};

use super::Request;

/// The client of a request, as proxies tell it that are trusted.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct ToldClient {
    /// The address of the client, with port 0 if no port is told.
    pub(crate) address: SocketAddr,
    /// The client, and every proxy between it and the one that has sent the request here, has an
    /// address of loopback.
    pub(crate) is_on_loopback: bool,
}

/// The scheme of the URL that a client has asked for.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(crate) enum Scheme {
    Http,
    Https,
}

impl Scheme {
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Scheme::Http => "http",
            Scheme::Https => "https",
        }
    }
}

/// Returns the client of a request that a trusted proxy has sent: the last address in
/// `X-Forwarded-For` that is not itself a trusted proxy's; the first one if all are.
///
/// Each proxy has appended the address of its own peer, so the last entry is the proxy's own word,
/// the one before it the word of the proxy of that address, and so on. What stands in front of an
/// address that is not trusted is the word of a stranger. What stands in front of an entry that is
/// no address cannot be attributed to anybody; then the client is the proxy that has written that
/// entry, and is not taken to be on this machine. `None` if that is the very proxy that has sent
/// the request.
pub(crate) fn told_client(
    request: &Request<'_>,
    is_trusted: impl Fn(IpAddr) -> bool,
) -> Option<ToldClient> {
    let mut told: Option<ToldClient> = None;
    // HAProxy appends a line instead of an entry: all lines together are one list (RFC 9110
    // section 5.3).
    let lines = request.header_lines("X-Forwarded-For").rev();
    for entry in lines.flat_map(|line| line.rsplit(',')) {
        let Some(address) = address_of(entry) else {
            return told.map(|told| ToldClient { is_on_loopback: false, ..told });
        };
        let was_on_loopback = told.is_none_or(|told| told.is_on_loopback);
        let is_on_loopback = was_on_loopback && address.ip().is_loopback();
        told = Some(ToldClient { address, is_on_loopback });
        if !is_trusted(address.ip()) {
            break;
        }
    }
    told
}

/// Returns the address of an entry of `X-Forwarded-For`: an address, in brackets or not, and with a
/// port or without. `None` for anything else: `unknown`, an empty entry, the address of nobody.
fn address_of(entry: &str) -> Option<SocketAddr> {
    let entry = entry.trim_matches([' ', '\t']);
    let bare = entry.strip_prefix('[').and_then(|rest| rest.strip_suffix(']'));
    let address = match entry.parse::<SocketAddr>() {
        Ok(address) => address,
        Err(_) => match bare {
            Some(bare) => SocketAddr::new(IpAddr::V6(bare.parse().ok()?), 0),
            None => SocketAddr::new(entry.parse().ok()?, 0),
        },
    };
    let ip = address.ip().to_canonical();
    (!ip.is_unspecified()).then(|| SocketAddr::new(ip, address.port()))
}

/// Returns the scheme that `X-Forwarded-Proto` tells: the last word of it, which is that of the
/// proxy that has sent the request. `None` if it is not a scheme of HTTP or WebSocket.
pub(crate) fn told_scheme(request: &Request<'_>) -> Option<Scheme> {
    let line = request.header_lines("X-Forwarded-Proto").next_back()?;
    let last = line.rsplit(',').next()?.trim_matches([' ', '\t']);
    let is_one_of = |names: [&str; 2]| names.iter().any(|name| last.eq_ignore_ascii_case(name));
    if is_one_of(["https", "wss"]) {
        Some(Scheme::Https)
    } else if is_one_of(["http", "ws"]) {
        Some(Scheme::Http)
    } else {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::super::HeaderStorage;
    use super::*;

    fn with_request<R>(headers: &str, look: impl FnOnce(&Request<'_>) -> R) -> R {
        let head = format!("GET / HTTP/1.1\r\nHost: a\r\n{headers}\r\n");
        let mut storage = HeaderStorage::new();
        look(&Request::parse(head.as_bytes(), &mut storage).unwrap())
    }

    /// Returns the client that these lines tell, where 10.0.0.0/8, 127.0.0.1 and ::1 are proxies.
    fn told(lines: &[&str]) -> Option<ToldClient> {
        let headers: String =
            lines.iter().map(|line| format!("X-Forwarded-For: {line}\r\n")).collect();
        let is_trusted = |address: IpAddr| match address {
            IpAddr::V4(address) => address.octets()[0] == 10 || address.is_loopback(),
            IpAddr::V6(address) => address.is_loopback(),
        };
        with_request(&headers, |request| told_client(request, is_trusted))
    }

    #[test]
    fn the_client_is_the_last_address_that_is_not_a_trusted_proxys() {
        for (lines, address) in [
            (&["203.0.113.9"][..], "203.0.113.9:0"),
            (&["203.0.113.9:4711"], "203.0.113.9:4711"),
            (&["2001:db8::9"], "[2001:db8::9]:0"),
            (&["[2001:db8::9]"], "[2001:db8::9]:0"),
            (&["[2001:db8::9]:443"], "[2001:db8::9]:443"),
            (&["::ffff:203.0.113.9"], "203.0.113.9:0"),
            // What the client has written itself is not believed.
            (&["127.0.0.1, 203.0.113.9"], "203.0.113.9:0"),
            (&["127.0.0.1", "203.0.113.9"], "203.0.113.9:0"),
            (&["127.0.0.1,10.0.0.1,203.0.113.9"], "203.0.113.9:0"),
            (&["unknown, ,,\u{fffd}, 203.0.113.9"], "203.0.113.9:0"),
            // Proxies in a row.
            (&["198.51.100.1, 203.0.113.9, 10.0.0.2,10.0.0.1"], "203.0.113.9:0"),
            (&["198.51.100.1, 203.0.113.9", "10.0.0.2", "\t10.0.0.1 "], "203.0.113.9:0"),
            // A request that begins at a proxy.
            (&["10.0.0.3, 10.0.0.2"], "10.0.0.3:0"),
            (&["127.0.0.1"], "127.0.0.1:0"),
            // An entry that is no address.
            (&["203.0.113.9, unknown, 10.0.0.2"], "10.0.0.2:0"),
            (&["203.0.113.9, , 10.0.0.2"], "10.0.0.2:0"),
            (&["203.0.113.9", "10.0.0.256", "10.0.0.2"], "10.0.0.2:0"),
        ] {
            let address: SocketAddr = address.parse().unwrap();
            assert_eq!(told(lines).map(|told| told.address), Some(address), "{lines:?}");
        }
    }

    #[test]
    fn a_last_entry_that_is_no_address_tells_nothing() {
        for last in [
            "",
            " ",
            ",",
            "203.0.113.9,",
            "unknown",
            "_hidden",
            "unix:",
            "203.0.113.9, unix:",
            "203.0.113",
            "203.0.113.9/32",
            "203.0.113.9:",
            "203.0.113.9:x",
            "203.0.113.9:65536",
            "0.0.0.0",
            "::",
            "[::]:80",
            "[203.0.113.9]",
            "[2001:db8::9",
            "2001:db8::9]",
            "\"1.1.1.1\"",
            "fe80::1%eth0",
            "0x7f.1",
            "127.1",
            "for=203.0.113.9",
            "localhost",
            "203.0.113.9;",
        ] {
            assert_eq!(told(&[last]), None, "{last}");
            assert_eq!(told(&["203.0.113.9", last]), None, "{last}");
        }
        assert_eq!(told(&[]), None);
    }

    #[test]
    fn a_client_is_on_loopback_only_if_all_in_between_are_and_every_entry_is_an_address() {
        for (line, expected) in [
            ("127.0.0.1", true),
            ("::1, 127.0.0.1", true),
            ("127.0.0.1, 10.0.0.1", false),
            ("10.0.0.1, 127.0.0.1", false),
            ("203.0.113.9, 127.0.0.1", false),
            ("unknown, 127.0.0.1", false),
            (", 127.0.0.1", false),
        ] {
            assert_eq!(told(&[line]).unwrap().is_on_loopback, expected, "{line}");
        }
    }

    #[test]
    fn the_scheme_is_the_last_word_of_the_proxy_and_nothing_else() {
        for (headers, scheme) in [
            ("X-Forwarded-Proto: https\r\n", Some(Scheme::Https)),
            ("x-forwarded-proto: HTTP \r\n", Some(Scheme::Http)),
            ("X-Forwarded-Proto: wss\r\n", Some(Scheme::Https)),
            ("X-Forwarded-Proto: ws\r\n", Some(Scheme::Http)),
            ("X-Forwarded-Proto: http, https\r\n", Some(Scheme::Https)),
            ("X-Forwarded-Proto: https\r\nX-Forwarded-Proto: http\r\n", Some(Scheme::Http)),
            ("X-Forwarded-Proto: https,\r\n", None),
            ("X-Forwarded-Proto: ftp\r\n", None),
            ("X-Forwarded-Proto:\r\n", None),
            ("", None),
        ] {
            assert_eq!(with_request(headers, told_scheme), scheme, "{headers}");
        }
    }
}
