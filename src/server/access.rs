//! Access rules for requests over the network: which requests count as local, and the answers to
//! requests that are denied.

use std::net::IpAddr;

use crate::protocol::{CloseCode, Request, Response};

use super::origin::host_is_local;

/// Why a request is denied.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Denied {
    /// The Host header does not name this machine.
    Host,
    /// The request comes from a web page whose origin is not allowed.
    Origin,
    /// The publish key is missing.
    KeyMissing,
    /// The publish key is wrong.
    KeyWrong,
    /// The request publishes without a key, from another machine.
    PublishElsewhere,
    /// The request asks for the metrics without a key, from another machine.
    MetricsElsewhere,
}

impl Denied {
    /// The text of the answer. People read it, so it names the flag.
    fn reason(self) -> &'static str {
        match self {
            Denied::Host => {
                "Host not allowed: localhost, an IP address or a name in --allowed-hosts\n"
            }
            Denied::Origin => "Origin not allowed: see --allowed-origins\n",
            Denied::KeyMissing => "the publish key is missing: Authorization: Bearer KEY\n",
            Denied::KeyWrong => "this is not the publish key\n",
            Denied::PublishElsewhere => {
                "publishing from another machine, or through a proxy, takes a key: \
                 start with --publish-key\n"
            }
            Denied::MetricsElsewhere => {
                "metrics for another machine, or through a proxy, take the key: \
                 start with --publish-key\n"
            }
        }
    }

    /// The answer: 401 where credentials would help, 403 where not.
    pub(crate) fn response(self) -> Response {
        match self {
            Denied::KeyMissing | Denied::KeyWrong => {
                Response::text(401, self.reason()).header("WWW-Authenticate", "Bearer")
            }
            Denied::Host | Denied::Origin | Denied::PublishElsewhere | Denied::MetricsElsewhere => {
                Response::text(403, self.reason())
            }
        }
    }

    /// Returns the close code and reason that correspond to the answer.
    pub(crate) fn close(self) -> (CloseCode, &'static str) {
        let code = match self {
            Denied::KeyMissing | Denied::KeyWrong => CloseCode::UNAUTHORIZED,
            Denied::Host | Denied::Origin | Denied::PublishElsewhere | Denied::MetricsElsewhere => {
                CloseCode::FORBIDDEN
            }
        };
        (code, self.reason().trim_end())
    }
}

/// Returns true if a request was made on this machine and meant for it: it comes from loopback, no
/// proxy has forwarded it, and its Host names this machine (see [`check_host`]).
pub(crate) fn is_local(peer: IpAddr, request: &Request<'_>, allowed_hosts: &[String]) -> bool {
    is_loopback(peer) && !is_forwarded(request) && host_is_local(request.host(), allowed_hosts)
}

/// Checks that a request from loopback names this machine in Host. Without this check, any web page
/// could point its own host name to 127.0.0.1 (DNS rebinding) and so send requests from a browser
/// on this machine.
pub(crate) fn check_host(
    peer: IpAddr,
    request: &Request<'_>,
    allowed_hosts: &[String],
) -> Result<(), Denied> {
    let is_meant = !is_loopback(peer) || host_is_local(request.host(), allowed_hosts);
    if is_meant { Ok(()) } else { Err(Denied::Host) }
}

/// Returns true if an address is loopback, also if it is an IPv4 address mapped into IPv6.
pub(crate) fn is_loopback(address: IpAddr) -> bool {
    address.to_canonical().is_loopback()
}

/// Headers that a proxy adds to a request that it forwards. The first two are standards (RFC 7239,
/// RFC 9110 section 7.6.3), the others are in common use.
const FORWARDED: [&str; 6] =
    ["Forwarded", "Via", "X-Real-IP", "True-Client-IP", "X-Client-IP", "CF-Connecting-IP"];

/// How the other headers of proxies begin: `X-Forwarded-For`, `-Proto`, `-Host` and more.
const X_FORWARDED: &str = "X-Forwarded-";

fn is_forwarded(request: &Request<'_>) -> bool {
    request.headers().any(|(name, _)| {
        FORWARDED.iter().any(|forwarded| name.eq_ignore_ascii_case(forwarded))
            || name
                .get(..X_FORWARDED.len())
                .is_some_and(|start| start.eq_ignore_ascii_case(X_FORWARDED))
    })
}

#[cfg(test)]
mod tests {
    use crate::protocol::{CLOSE_REASON_BYTES_MAX, HeaderStorage};

    use super::*;

    const LOOPBACK: IpAddr = IpAddr::V4(std::net::Ipv4Addr::LOCALHOST);

    fn with_request<R>(headers: &str, look: impl FnOnce(&Request<'_>) -> R) -> R {
        let head = format!("POST /news HTTP/1.1\r\n{headers}\r\n");
        let mut storage = HeaderStorage::new();
        look(&Request::parse(head.as_bytes(), &mut storage).unwrap())
    }

    #[test]
    fn loopback_counts_as_elsewhere_when_a_proxy_or_a_foreign_name_is_in_between() {
        let local =
            |peer, headers: &str| with_request(headers, |request| is_local(peer, request, &[]));
        assert!(local(LOOPBACK, "Host: localhost:8080\r\n"));
        assert!(local("::1".parse().unwrap(), "Host: [::1]:8080\r\n"));
        assert!(local("::ffff:127.0.0.1".parse().unwrap(), "Host: 127.0.0.1\r\n"));
        assert!(!local("10.0.0.1".parse().unwrap(), "Host: localhost\r\n"));
        for header in
            FORWARDED.into_iter().chain(["X-Forwarded-For", "x-forwarded-proto", "x-real-ip"])
        {
            assert!(
                !local(LOOPBACK, &format!("Host: localhost\r\n{header}: 1.2.3.4\r\n")),
                "{header}"
            );
        }
        assert!(!local(LOOPBACK, "Host: evil.example\r\n"));
    }

    #[test]
    fn a_foreign_name_is_held_against_loopback_alone() {
        let check = |peer, headers: &str| {
            with_request(headers, |request| check_host(peer, request, &["dev.example".to_owned()]))
        };
        assert_eq!(check(LOOPBACK, "Host: localhost:8080\r\n"), Ok(()));
        assert_eq!(check(LOOPBACK, "Host: dev.example\r\n"), Ok(()));
        assert_eq!(check(LOOPBACK, "Host: evil.example\r\n"), Err(Denied::Host));
        assert_eq!(check("10.0.0.1".parse().unwrap(), "Host: evil.example\r\n"), Ok(()));
    }

    #[test]
    fn a_denial_is_401_where_a_key_would_help_and_403_where_not() {
        assert_eq!(Denied::KeyWrong.response().status(), 401);
        assert_eq!(Denied::Origin.response().status(), 403);
        assert_eq!(Denied::KeyMissing.close().0, CloseCode::UNAUTHORIZED);
        assert_eq!(Denied::PublishElsewhere.close().0, CloseCode::FORBIDDEN);
        for denied in [Denied::Host, Denied::Origin, Denied::KeyMissing, Denied::KeyWrong] {
            assert!(denied.close().1.len() <= CLOSE_REASON_BYTES_MAX, "{denied:?}");
        }
    }
}
