//! Host names, as they stand in the Host header, in origins and in lists of the operator.

use std::net::IpAddr;

/// Splits `host[:port]`; an IPv6 address keeps its brackets. Returns `None` if it is malformed.
pub(crate) fn split_port(authority: &str) -> Option<(&str, Option<u16>)> {
    let name_bytes = match authority.strip_prefix('[') {
        Some(rest) => rest.find(']')? + 2,
        None => authority.bytes().position(|byte| byte == b':').unwrap_or(authority.len()),
    };
    let (name, rest) = authority.split_at(name_bytes);
    let port = match rest.strip_prefix(':') {
        None if rest.is_empty() => None,
        None => return None,
        Some(digits) if digits.bytes().all(|byte| byte.is_ascii_digit()) => {
            Some(digits.parse().ok()?)
        }
        Some(_) => return None,
    };
    Some((name, port))
}

const LOCALHOST: &[u8] = b"localhost";

/// Returns the address if a host is one, and not a name.
pub(crate) fn ip_address(host: &str) -> Option<IpAddr> {
    if !host.starts_with(|first: char| first.is_ascii_digit() || first == '[') {
        return None;
    }
    match host.strip_prefix('[').and_then(|host| host.strip_suffix(']')) {
        Some(address) => address.parse().ok().map(IpAddr::V6),
        None => host.parse().ok().map(IpAddr::V4),
    }
}

/// Returns true for `localhost` and every name below it. RFC 6761 section 6.3 reserves them for
/// loopback, and a browser never asks a name server for them.
pub(crate) fn is_loopback_name(name: &str) -> bool {
    let name = without_root(name);
    let Some(prefix_bytes) = name.len().checked_sub(LOCALHOST.len()) else { return false };
    let (prefix, last) = name.as_bytes().split_at(prefix_bytes);
    // This check is made for every request, so the usual names are decided first.
    last.eq_ignore_ascii_case(LOCALHOST)
        && (prefix.is_empty()
            || prefix.ends_with(b".") && name.split('.').all(|label| !label.is_empty()))
}

/// Returns true if two names are the same: case is ignored, and so is a dot at the end, which
/// stands for the DNS root.
pub(crate) fn is_same_name(one: &str, other: &str) -> bool {
    without_root(one).eq_ignore_ascii_case(without_root(other))
}

fn without_root(name: &str) -> &str {
    name.strip_suffix('.').unwrap_or(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_below_localhost_is_loopback() {
        for name in ["localhost", "LocalHost", "localhost.", "app.localhost", "a.b.localhost."] {
            assert!(is_loopback_name(name), "{name}");
        }
        for name in [
            "",
            ".",
            "localhost..",
            ".localhost",
            "a..localhost",
            "localhost.example",
            "mylocalhost",
            "127.0.0.1",
        ] {
            assert!(!is_loopback_name(name), "{name}");
        }
    }

    #[test]
    fn a_name_with_the_dot_of_the_root_is_the_same_name() {
        assert!(is_same_name("Dev.Example.", "dev.example"));
        assert!(!is_same_name("dev.example", "dev.example.org"));
    }

    #[test]
    fn a_port_stands_behind_the_last_colon_of_a_host() {
        assert_eq!(split_port("example.com"), Some(("example.com", None)));
        assert_eq!(split_port("example.com:80"), Some(("example.com", Some(80))));
        assert_eq!(split_port("[::1]:80"), Some(("[::1]", Some(80))));
        for malformed in ["[::1", "localhost:x", "localhost:65536", "[::1]x"] {
            assert_eq!(split_port(malformed), None, "{malformed}");
        }
    }
}
