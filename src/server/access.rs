//! Access rules for requests over the network: which requests count as local, and the answers to
//! requests that are denied.

use std::net::IpAddr;

use crate::protocol::{CloseCode, Request, Response};
use crate::reactor::{RejectReason, Via};

use super::host::{ip_address, is_loopback_name, is_same_name, split_port};
use super::origin::OriginPattern;

/// Why a request is denied.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Denied {
    /// The Host header has a name under which this server is not known.
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
    /// The token is missing.
    TokenMissing,
    /// The token is not good, for the reason in the text.
    TokenWrong(&'static str),
    /// The token was good once.
    TokenExpired,
    /// The token does not let its bearer read this channel.
    ChannelNotInToken,
    /// The token does not let its bearer publish to this channel.
    PublishNotInToken,
    /// Nobody publishes by a token.
    PublishOff,
    /// Too many wrong credentials have come from the address.
    TooManyFailures {
        /// After how many seconds credentials are looked at again.
        retry_after: u64,
    },
    /// The address has opened too many WebSockets.
    TooManyOpenings {
        /// After how many seconds it may open others.
        retry_after: u64,
    },
    /// The request publishes without the publish key, where an application decides on handshakes.
    PostWithoutKey,
    /// The request reads a channel without the publish key, where an application decides on
    /// handshakes.
    ReadWithoutKey,
    /// The application does not let the peer subscribe to this channel.
    ChannelNotGranted,
    /// The application does not let the peer publish to this channel.
    PublishNotGranted,
}

impl Denied {
    /// Returns the text of the answer. People read it, so it names the flag that would allow the
    /// request. It never shows a key or a token.
    pub(crate) fn reason(self) -> &'static str {
        match self {
            Denied::Host => {
                "Host not allowed: use localhost or an IP address, or start with \
                 --allowed-hosts and the name"
            }
            Denied::Origin => "Origin not allowed: see --allowed-origins",
            Denied::KeyMissing => "the publish key is missing: Authorization: Bearer KEY",
            Denied::KeyWrong => "this is not the publish key",
            Denied::PublishElsewhere => {
                "publishing from another machine, or through a proxy, takes a key: \
                 start with --publish-key"
            }
            Denied::MetricsElsewhere => {
                "metrics for another machine, or through a proxy, take the key: \
                 start with --publish-key"
            }
            Denied::TokenMissing => {
                "a token is missing: Authorization: Bearer TOKEN, or the subprotocols bearer, TOKEN"
            }
            Denied::TokenWrong(reason) => reason,
            Denied::TokenExpired => "the token has expired",
            Denied::ChannelNotInToken => "the token does not cover this channel: see subscribe",
            Denied::PublishNotInToken => {
                "the token does not allow to publish to this channel: see publish"
            }
            Denied::PublishOff => {
                "publishing takes the publish key: see --publish and the rule of the channel"
            }
            Denied::TooManyFailures { .. } => {
                "too many wrong credentials from this address: try again later"
            }
            Denied::TooManyOpenings { .. } => {
                "too many WebSockets were opened from this address: try again later"
            }
            Denied::PostWithoutKey => {
                "publishing by POST takes a key: the application is asked about WebSockets only; \
                 start with --publish-key"
            }
            Denied::ReadWithoutKey => {
                "reading by GET takes a key: the application is asked about WebSockets only; \
                 start with --publish-key"
            }
            Denied::ChannelNotGranted => {
                "the application does not let this peer subscribe to this channel: see \
                 Fanfare-Subscribe"
            }
            Denied::PublishNotGranted => {
                "the application does not let this peer publish to this channel: see \
                 Fanfare-Publish"
            }
        }
    }

    /// Returns the answer: 401 if credentials would help, 403 if not; 429 if it is too early to
    /// say.
    pub(crate) fn response(self) -> Response {
        let text = format!("{}\n", self.reason());
        if let Some(retry_after) = self.retry_after() {
            return Response::text(429, text).header("Retry-After", retry_after.to_string());
        }
        match self.challenge() {
            Some(challenge) => Response::text(401, text).header("WWW-Authenticate", challenge),
            None => Response::text(403, text),
        }
    }

    /// Returns the value of `WWW-Authenticate` if credentials would help: with an error code only
    /// if there are some already (RFC 6750 section 3.1).
    fn challenge(self) -> Option<&'static str> {
        match self {
            Denied::KeyMissing | Denied::TokenMissing => Some("Bearer"),
            Denied::KeyWrong | Denied::TokenWrong(_) | Denied::TokenExpired => {
                Some("Bearer error=\"invalid_token\"")
            }
            Denied::Host
            | Denied::Origin
            | Denied::PublishElsewhere
            | Denied::MetricsElsewhere
            | Denied::ChannelNotInToken
            | Denied::PublishNotInToken
            | Denied::PublishOff
            | Denied::TooManyFailures { .. }
            | Denied::TooManyOpenings { .. }
            | Denied::PostWithoutKey
            | Denied::ReadWithoutKey
            | Denied::ChannelNotGranted
            | Denied::PublishNotGranted => None,
        }
    }

    /// Returns after how many seconds the same request may be served, if it is too early.
    fn retry_after(self) -> Option<u64> {
        let (Denied::TooManyFailures { retry_after } | Denied::TooManyOpenings { retry_after }) =
            self
        else {
            return None;
        };
        Some(retry_after)
    }

    /// Returns true if the log must have this reason's own text, because others are counted with
    /// it: for a token, or by what the application has said.
    pub(crate) fn has_own_text(self) -> bool {
        match self {
            Denied::TokenMissing
            | Denied::TokenWrong(_)
            | Denied::TokenExpired
            | Denied::ChannelNotInToken
            | Denied::PublishNotInToken
            | Denied::PublishOff
            | Denied::PostWithoutKey
            | Denied::ReadWithoutKey
            | Denied::ChannelNotGranted
            | Denied::PublishNotGranted => true,
            Denied::Host
            | Denied::Origin
            | Denied::KeyMissing
            | Denied::KeyWrong
            | Denied::PublishElsewhere
            | Denied::MetricsElsewhere
            | Denied::TooManyFailures { .. }
            | Denied::TooManyOpenings { .. } => false,
        }
    }

    /// Returns the reason under which the denial is counted.
    pub(crate) fn reject_reason(self) -> RejectReason {
        match self {
            Denied::Host => RejectReason::ForbiddenHost,
            Denied::Origin => RejectReason::ForbiddenOrigin,
            Denied::KeyMissing | Denied::TokenMissing => RejectReason::MissingCredentials,
            Denied::KeyWrong | Denied::TokenWrong(_) => RejectReason::BadCredentials,
            Denied::TokenExpired => RejectReason::Expired,
            Denied::ChannelNotInToken | Denied::ChannelNotGranted | Denied::ReadWithoutKey => {
                RejectReason::ForbiddenChannel
            }
            Denied::PublishElsewhere
            | Denied::PublishNotInToken
            | Denied::PublishOff
            | Denied::PostWithoutKey
            | Denied::PublishNotGranted => RejectReason::ForbiddenPublish,
            Denied::MetricsElsewhere => RejectReason::ForbiddenMetrics,
            Denied::TooManyFailures { .. } => RejectReason::CredentialLimit,
            Denied::TooManyOpenings { .. } => RejectReason::OpeningLimit,
        }
    }

    /// Returns the close code and reason that correspond to the answer.
    pub(crate) fn close(self) -> (CloseCode, &'static str) {
        let code = match self.challenge() {
            _ if self.retry_after().is_some() => CloseCode::RATE_LIMITED,
            Some(_) => CloseCode::UNAUTHORIZED,
            None => CloseCode::FORBIDDEN,
        };
        (code, self.reason())
    }
}

/// Returns the credentials of `Authorization: Bearer …` (RFC 6750 section 2.1).
pub(crate) fn bearer<'r>(request: &Request<'r>) -> Option<&'r str> {
    let (scheme, credentials) = request.header("Authorization")?.split_once(' ')?;
    scheme.eq_ignore_ascii_case("Bearer").then_some(credentials.trim())
}

/// Returns true if a request was made on this machine and meant for it: its client is at loopback,
/// no proxy has forwarded it but trusted ones on this machine, and its Host names this machine.
/// Where a trusted proxy does not tell whose request it passes on, that can be anybody's.
///
/// A page at `evil.example` can point its own name to 127.0.0.1 (DNS rebinding), and so send
/// requests from a browser on this machine; but they carry the page's name in Host.
pub(crate) fn is_local(client: IpAddr, via: Via, request: &Request<'_>, host: Known) -> bool {
    let is_unbroken = match via {
        Via::Peer { .. } => !is_forwarded(request),
        Via::Proxy { on_this_machine, .. } => on_this_machine,
    };
    is_loopback(client) && host == Known::ByName && is_unbroken
}

/// Whether, and how, a server is known by the name in a request's Host header.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Known {
    /// By an IP address, a name of loopback or a name in `allowed_hosts`; or there is no Host.
    ByName,
    /// By the host of an allowed origin.
    ByOrigin,
    Not,
}

/// Which names in Host, and which origins, a server accepts.
pub(crate) struct HostRules<'a> {
    pub(crate) allowed_hosts: &'a [String],
    pub(crate) allowed_origins: &'a [OriginPattern],
    /// There is no publish key, so requests from loopback may do more than others.
    pub(crate) trusts_loopback: bool,
}

/// Checks that the server is known by the name in Host, if the request could come from a web page
/// that has pointed a name of its own to this server (DNS rebinding).
///
/// For the browser, and so for the same-origin rule, a page at `evil.example` that points that name
/// to this server has the same origin as the server. A page sends its Origin when it opens a
/// WebSocket or publishes, but not when it reads. So for a request under a name that the server
/// does not know:
///
/// - if it comes from loopback, and loopback is trusted, it is refused;
/// - if it reads, it is refused, because any page could have sent it;
/// - otherwise, if there is a list of origins, that list decides later;
/// - without a list, it is served if it comes from another machine and has no Origin, because then
///   no page has sent it.
pub(crate) fn check_host(
    rules: &HostRules<'_>,
    peer: IpAddr,
    request: &Request<'_>,
) -> Result<Known, Denied> {
    let known = known(request.host(), rules.allowed_hosts, rules.allowed_origins);
    if known != Known::Not {
        return Ok(known);
    }
    let is_trusted = rules.trusts_loopback && is_loopback(peer);
    let reads = matches!(request.method(), "GET" | "HEAD") && !request.wants_websocket();
    let has_list = !rules.allowed_origins.is_empty();
    let may_be_page = request.header("Origin").is_some() || is_loopback(peer);
    if is_trusted || reads || (!has_list && may_be_page) { Err(Denied::Host) } else { Ok(known) }
}

/// Returns whether, and how, the server is known by the name in Host. Browsers always send Host, so
/// a request without one (HTTP/1.0) cannot come from a page, and passes.
fn known(host: Option<&str>, hosts: &[String], origins: &[OriginPattern]) -> Known {
    let Some(host) = host else { return Known::ByName };
    let Some((name, _)) = split_port(host) else { return Known::Not };
    let is_by_name = ip_address(name).is_some()
        || is_loopback_name(name)
        || hosts.iter().any(|allowed| is_same_name(allowed, name));
    if is_by_name {
        Known::ByName
    } else if origins.iter().any(|allowed| allowed.covers_host(name)) {
        Known::ByOrigin
    } else {
        Known::Not
    }
}

/// Returns true if an address is loopback, also if it is an IPv4 address mapped into IPv6.
pub(crate) fn is_loopback(address: IpAddr) -> bool {
    address.to_canonical().is_loopback()
}

/// Returns true if a proxy has forwarded a request.
pub(crate) fn is_forwarded(request: &Request<'_>) -> bool {
    request.headers().any(|(name, _)| is_of_proxy(name))
}

/// How most of the headers of proxies begin: `X-Forwarded-For`, `-Proto`, `-Host` and more.
const X_FORWARDED: &str = "X-Forwarded-";

/// Returns true if proxies add a header of this name to a request that they forward. `Forwarded`
/// and `Via` are standards (RFC 7239, RFC 9110 section 7.6.3), the others are in common use. Most
/// names are told apart by their length.
#[inline]
pub(crate) fn is_of_proxy(name: &str) -> bool {
    let is = |other: &str| name.eq_ignore_ascii_case(other);
    let is_whole = match name.len() {
        3 => is("Via"),
        9 => is("Forwarded") || is("X-Real-IP"),
        11 => is("X-Client-IP"),
        14 => is("True-Client-IP"),
        16 => is("CF-Connecting-IP"),
        _ => false,
    };
    let begins = |start: &str| {
        let found = name.get(..start.len());
        found.is_some_and(|found| found.eq_ignore_ascii_case(start))
    };
    is_whole || (matches!(name.as_bytes(), [b'X' | b'x', ..]) && begins(X_FORWARDED))
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
        let local = |peer, headers: &str| {
            with_request(headers, |request| {
                is_local(peer, Via::PLAIN, request, known(request.host(), &[], &[]))
            })
        };
        assert!(local(LOOPBACK, "Host: localhost:8080\r\n"));
        assert!(local("::1".parse().unwrap(), "Host: [::1]:8080\r\n"));
        assert!(local("::ffff:127.0.0.1".parse().unwrap(), "Host: 127.0.0.1\r\n"));
        assert!(!local("10.0.0.1".parse().unwrap(), "Host: localhost\r\n"));
        for header in [
            "Forwarded",
            "Via",
            "X-Real-IP",
            "True-Client-IP",
            "X-Client-IP",
            "CF-Connecting-IP",
            "X-Forwarded-For",
            "x-forwarded-proto",
            "X-Forwarded-",
            "x-real-ip",
            "VIA",
        ] {
            assert!(
                !local(LOOPBACK, &format!("Host: localhost\r\n{header}: 1.2.3.4\r\n")),
                "{header}"
            );
        }
        assert!(!local(LOOPBACK, "Host: evil.example\r\n"));
    }

    #[test]
    fn behind_a_trusted_proxy_a_client_is_local_if_all_are_on_this_machine() {
        let local = |client: &str, on_this_machine, headers: &str| {
            let via = Via::Proxy { on_this_machine, scheme: None };
            with_request(headers, |request| {
                let host = known(request.host(), &[], &[]);
                is_local(client.parse().unwrap(), via, request, host)
            })
        };
        let headers = "Host: localhost\r\nX-Forwarded-For: 127.0.0.1\r\n";
        assert!(local("127.0.0.1", true, headers));
        assert!(!local("127.0.0.1", false, headers), "the loopback of another machine");
        assert!(!local("127.0.0.1", false, "Host: localhost\r\n"), "nothing is told");
        assert!(!local("127.0.0.1", true, "Host: evil.example\r\n"));
        assert!(!local("203.0.113.9", true, headers));
    }

    #[test]
    fn a_server_is_known_by_addresses_by_loopback_names_and_by_what_is_listed() {
        let origins = ["https://chat.example".parse().unwrap()];
        let hosts = ["dev.example".to_owned()];
        for host in [
            "localhost",
            "LOCALHOST:8080",
            "localhost.:8080",
            "app.localhost:8080",
            "127.0.0.1:80",
            "192.168.1.5",
            "[::1]:8080",
            "dev.example:1",
            "Dev.Example.",
            "chat.example:8443",
        ] {
            let expected = match host.starts_with("chat") {
                true => Known::ByOrigin,
                false => Known::ByName,
            };
            assert_eq!(known(Some(host), &hosts, &origins), expected, "{host}");
        }
        for host in [
            "evil.example",
            "localhost.evil.example",
            "127.0.0.1.evil.example",
            "",
            "[::1",
            "localhost:x",
        ] {
            assert_eq!(known(Some(host), &hosts, &origins), Known::Not, "{host}");
        }
    }

    /// Returns whether a request under the name `name.example` is denied: one that reads, one from
    /// a program that publishes or connects, and one from a page with that name as its origin.
    fn denied(peer: &str, trusts_loopback: bool, origins: &[&str]) -> [bool; 3] {
        let origins: Vec<OriginPattern> = origins.iter().map(|one| one.parse().unwrap()).collect();
        let rules = HostRules { allowed_hosts: &[], allowed_origins: &origins, trusts_loopback };
        [("GET", ""), ("POST", ""), ("POST", "Origin: http://name.example\r\n")].map(
            |(method, origin)| {
                let head = format!("{method} / HTTP/1.1\r\nHost: name.example\r\n{origin}\r\n");
                let mut storage = HeaderStorage::new();
                let request = Request::parse(head.as_bytes(), &mut storage).unwrap();
                check_host(&rules, peer.parse().unwrap(), &request).is_err()
            },
        )
    }

    #[test]
    fn a_foreign_name_is_denied_wherever_a_page_under_it_could_ask() {
        for (trusts_loopback, origins, at_loopback, elsewhere) in [
            (true, &[][..], [true; 3], [true, false, true]),
            (false, &[], [true; 3], [true, false, true]),
            (true, &["https://other.example"], [true; 3], [true, false, false]),
            (false, &["https://other.example"], [true, false, false], [true, false, false]),
            (true, &["http://name.example"], [false; 3], [false; 3]),
            (false, &["*"], [false; 3], [false; 3]),
        ] {
            let case = format!("{trusts_loopback} {origins:?}");
            assert_eq!(denied("127.0.0.1", trusts_loopback, origins), at_loopback, "{case}");
            assert_eq!(denied("10.0.0.1", trusts_loopback, origins), elsewhere, "{case}");
        }
    }

    #[test]
    fn a_denial_is_401_where_a_key_would_help_and_403_where_not() {
        assert_eq!(Denied::KeyWrong.response().status(), 401);
        assert_eq!(Denied::Origin.response().status(), 403);
        assert_eq!(Denied::KeyMissing.close().0, CloseCode::UNAUTHORIZED);
        assert_eq!(Denied::PublishElsewhere.close().0, CloseCode::FORBIDDEN);
        assert_eq!(Denied::TokenExpired.close().0, CloseCode::UNAUTHORIZED);
        assert_eq!(Denied::ChannelNotInToken.close().0, CloseCode::FORBIDDEN);
        for denied in [
            Denied::Host,
            Denied::Origin,
            Denied::KeyMissing,
            Denied::KeyWrong,
            Denied::PublishElsewhere,
            Denied::MetricsElsewhere,
            Denied::TokenMissing,
            Denied::ChannelNotInToken,
            Denied::PublishNotInToken,
            Denied::PublishOff,
            Denied::PostWithoutKey,
            Denied::ReadWithoutKey,
            Denied::ChannelNotGranted,
            Denied::PublishNotGranted,
        ] {
            assert!(denied.close().1.len() <= CLOSE_REASON_BYTES_MAX, "{denied:?}");
        }
    }
}
