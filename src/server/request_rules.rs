//! Which requests and handshakes are served. The decision needs the head alone, so the body of a
//! request that is denied is never read.

use std::time::Duration;

use crate::hub::ChannelName;
use crate::protocol::Request;
use crate::reactor::{Via, Visitor};

use super::access::{self, Denied, HostRules, Known};
use super::bearer_subprotocol::brings_credentials;
use super::channel_access::{self, Access, Publishing};
use super::channel_rules::MessageRate;
use super::cors;
use super::credentials::token_of;
use super::options::BroadcastOptions;
use super::origin;
use super::publish_key::check_key;
use super::rejection::Rejection;
use super::route::Route;
use super::sign_in::SignIn;

const ALLOW_READ: &str = "GET, HEAD, OPTIONS";
const ALLOW_CHANNEL: &str = "GET, HEAD, POST, OPTIONS";

/// What a request that may be served asks for.
pub(crate) enum Admitted<'n> {
    /// The page or the channel that the path names.
    Route(Route<'n>),
    /// OPTIONS: the methods that the path takes (RFC 9110 section 9.3.7).
    Methods(&'static str),
    /// OPTIONS from a browser, which asks whether a page may send one of these methods.
    Preflight(&'static str),
}

/// Decides on a plain request. Returns what it asks for if it may be served. Wrong credentials
/// count towards the limit of the address.
pub(crate) fn admit<'n>(
    options: &BroadcastOptions,
    decoded: &'n mut Vec<u8>,
    visitor: &mut Visitor<'_>,
    request: &'n Request<'_>,
) -> Result<Admitted<'n>, Rejection> {
    let decided = decide(options, decoded, visitor, request);
    note_failure(options, visitor, request, decided.as_ref().err());
    decided
}

fn decide<'n>(
    options: &BroadcastOptions,
    decoded: &'n mut Vec<u8>,
    visitor: &mut Visitor<'_>,
    request: &'n Request<'_>,
) -> Result<Admitted<'n>, Rejection> {
    let route = Route::parse(request.path(), decoded)?;
    let is_operators = is_operators(&route);
    // The console is on both: on the admin listener it shows the figures, on the others channels.
    let is_on_both = matches!(route, Route::Console);
    if visitor.has_admin_listener() && !is_on_both && visitor.is_admin() != is_operators {
        return Err(Rejection::NotFound);
    }
    let allow = match route {
        Route::Channel(_) => ALLOW_CHANNEL,
        Route::Console
        | Route::Healthz
        | Route::Readyz
        | Route::Metrics
        | Route::Channels
        | Route::Echo => ALLOW_READ,
        Route::Reserved => return Err(Rejection::NotFound),
    };
    // Probes are never asked who they are, and an admin listener has no limits.
    let is_health = matches!(route, Route::Healthz | Route::Readyz);
    if !is_health && !visitor.is_admin() {
        check_failures(options, visitor, request)?;
    }
    let publishes = matches!((&route, request.method()), (Route::Channel(_), "POST"));
    if publishes {
        check_origin(options, visitor.via, request)?;
    }
    // Orchestrators send health probes under any name, and the answer is not secret. On an admin
    // listener, every client that can reach it is trusted.
    let is_for_any_name = visitor.is_admin() || is_health;
    let host = match is_for_any_name {
        true => Known::Not,
        false => check_host(options, visitor, request, &mut SignIn::default())?,
    };
    let is_local = access::is_local(visitor.address().ip(), visitor.via, request, host);
    match (&route, request.method()) {
        (Route::Channel(name), "POST") => {
            channel_access::check_post(options, visitor, request, *name, is_local)?;
        }
        (Route::Metrics | Route::Channels, "GET" | "HEAD") => match &options.publish_key {
            _ if visitor.is_admin() || is_local => {}
            Some(key) => check_key(key, request)?,
            None => return Err(Denied::MetricsElsewhere.into()),
        },
        (Route::Echo, _) if !options.echo => return Err(Rejection::NotFound),
        (Route::Channel(_), "GET") if accepts(request, "text/event-stream") => {
            return Err(Rejection::EventStream);
        }
        // The console page shows nothing of the channel; it needs a token itself to connect.
        (Route::Channel(name), "GET" | "HEAD") if !accepts(request, "text/html") => {
            channel_access::check_read(options, visitor, request, *name)?;
        }
        (_, "GET" | "HEAD") => {}
        (Route::Channel(_), "OPTIONS") if cors::is_preflight(request) => {
            check_origin(options, visitor.via, request)?;
            return Ok(Admitted::Preflight(allow));
        }
        (_, "OPTIONS") => return Ok(Admitted::Methods(allow)),
        (_, _) => return Err(Rejection::Method { allow }),
    }
    Ok(Admitted::Route(route))
}

/// What a WebSocket peer is connected to.
pub(crate) enum Entry<'n> {
    Channel {
        name: ChannelName<'n>,
        publishing: Publishing,
        rate: Option<MessageRate>,
    },
    Echo,
    /// Nothing yet: the application must be asked first.
    AskApplication,
}

/// Checks an opening handshake against the server's rules. Returns what the peer gets, the channel
/// or the echo service, or the rejection; and in `sign_in` how it has signed in. A peer with a
/// token is closed when the token ends. After a reload the same is asked about a peer that is
/// connected. Wrong credentials count towards the limit of the address.
pub(crate) fn admit_peer<'n>(
    options: &BroadcastOptions,
    route: &Route<'n>,
    visitor: &mut Visitor<'_>,
    request: &Request<'_>,
    sign_in: &mut SignIn,
) -> Result<Entry<'n>, Rejection> {
    if visitor.is_admin() {
        return Err(Rejection::NotFound);
    }
    // The credentials of a peer that the application has let in were good.
    let is_new = !sign_in.is_kept() && sign_in.granted().is_none();
    if is_new {
        check_openings(options, visitor)?;
        check_failures(options, visitor, request)?;
    }
    let decided = decide_on_peer(options, route, visitor, request, sign_in);
    if is_new {
        note_failure(options, visitor, request, decided.as_ref().err());
    }
    decided
}

fn decide_on_peer<'n>(
    options: &BroadcastOptions,
    route: &Route<'n>,
    visitor: &mut Visitor<'_>,
    request: &Request<'_>,
    sign_in: &mut SignIn,
) -> Result<Entry<'n>, Rejection> {
    let via = sign_in.via(visitor);
    check_origin(options, via, request)?;
    let host = check_host(options, visitor, request, sign_in)?;
    match *route {
        Route::Channel(name) => {
            let is_local = access::is_local(visitor.address().ip(), via, request, host);
            let access =
                channel_access::check_entry(options, visitor, request, name, is_local, sign_in)?;
            Ok(match access {
                Access::Decided(publishing, rate) => Entry::Channel { name, publishing, rate },
                Access::AskApplication => Entry::AskApplication,
            })
        }
        Route::Echo if options.echo && options.authorizer.is_some() => {
            Ok(sign_in.granted().map_or(Entry::AskApplication, |_| Entry::Echo))
        }
        Route::Echo if options.echo && options.takes_tokens() => {
            let token = sign_in.check_token(options, visitor, request, None)?;
            visitor.expire_at(token.expires);
            Ok(Entry::Echo)
        }
        Route::Echo if options.echo => Ok(Entry::Echo),
        Route::Console
        | Route::Healthz
        | Route::Readyz
        | Route::Metrics
        | Route::Channels
        | Route::Echo
        | Route::Reserved => Err(Rejection::NoWebSocket),
    }
}

/// Refuses credentials of an address that has presented too many wrong ones, before they are looked
/// at. A request without any is none of a guesser's.
#[inline]
pub(crate) fn check_failures(
    options: &BroadcastOptions,
    visitor: &Visitor<'_>,
    request: &Request<'_>,
) -> Result<(), Denied> {
    match options.credential_failures_per_ip {
        Some(max) => check_failures_below(max, options, visitor, request),
        None => Ok(()),
    }
}

fn check_failures_below(
    max: u32,
    options: &BroadcastOptions,
    visitor: &Visitor<'_>,
    request: &Request<'_>,
) -> Result<(), Denied> {
    let (failures, address) = (&options.credential_failures, visitor.address().ip());
    let has_credentials = || {
        let scheme = visitor.via.scheme();
        access::bearer(request).is_some()
            || options.takes_tokens() && token_of(options, request, scheme).is_some()
            || options.authorizer.is_some() && brings_credentials(request)
    };
    if failures.is_empty() || !has_credentials() {
        return Ok(());
    }
    let Some(wait) = failures.wait_of(address, max, visitor.now()) else { return Ok(()) };
    Err(Denied::TooManyFailures { retry_after: whole_seconds(wait) })
}

/// Counts a handshake towards the limit of its address. What it brings is not looked at if the
/// address is over its limit.
#[inline]
fn check_openings(options: &BroadcastOptions, visitor: &Visitor<'_>) -> Result<(), Denied> {
    match options.openings_per_ip {
        Some(max) => check_openings_below(max, options, visitor),
        None => Ok(()),
    }
}

fn check_openings_below(
    max: u32,
    options: &BroadcastOptions,
    visitor: &Visitor<'_>,
) -> Result<(), Denied> {
    let taken = options.openings.take(visitor.address().ip(), max, visitor.now());
    taken.map_err(|wait| Denied::TooManyOpenings { retry_after: whole_seconds(wait) })
}

/// Returns a time in seconds, rounded up: after it, it is not too early any more.
fn whole_seconds(wait: Duration) -> u64 {
    wait.as_secs() + u64::from(wait.subsec_nanos() > 0)
}

/// Counts a rejection towards the limit of its address if the credentials were wrong. Those that
/// have expired were good once, and do not count.
#[inline]
fn note_failure(
    options: &BroadcastOptions,
    visitor: &Visitor<'_>,
    request: &Request<'_>,
    rejection: Option<&Rejection>,
) {
    if let Some(Rejection::Denied(denied)) = rejection {
        note_denied(options, visitor, request, *denied);
    }
}

fn note_denied(
    options: &BroadcastOptions,
    visitor: &Visitor<'_>,
    request: &Request<'_>,
    denied: Denied,
) {
    let is_wrong = match denied {
        Denied::KeyWrong | Denied::TokenWrong(_) => true,
        // The key would have helped, so this too says that it is not the key.
        Denied::Host => bears_wrong_key(options, request),
        _ => false,
    };
    if is_wrong {
        note_wrong_credentials(options, visitor);
    }
}

/// Counts wrong credentials towards the limit of their address.
pub(crate) fn note_wrong_credentials(options: &BroadcastOptions, visitor: &Visitor<'_>) {
    if options.credential_failures_per_ip.is_some() {
        options.credential_failures.note(visitor.address().ip(), visitor.now());
    }
}

/// Returns true if a request bears something that can only be meant as the publish key, and is not.
/// A token has three parts (RFC 7515 section 7.1); whether it is good is not looked at here.
fn bears_wrong_key(options: &BroadcastOptions, request: &Request<'_>) -> bool {
    let Some(presented) = access::bearer(request) else { return false };
    let may_be_token = options.takes_tokens() && presented.split('.').count() == 3
        || options.authorizer.is_some() && request.wants_websocket();
    options.publish_key.is_some() && !may_be_token && !bears_key(options, request)
}

/// Returns true if a request is served even over a limit of connections: health probes, metrics,
/// and requests that bear the publish key.
pub(crate) fn is_exempt(
    options: &BroadcastOptions,
    decoded: &mut Vec<u8>,
    visitor: &Visitor<'_>,
    request: &Request<'_>,
) -> bool {
    let route = Route::parse(request.path(), decoded);
    if route.is_ok_and(|route| is_operators(&route)) {
        return true;
    }
    if check_failures(options, visitor, request).is_err() {
        return false;
    }
    let is_wrong = bears_wrong_key(options, request);
    if is_wrong {
        note_wrong_credentials(options, visitor);
    }
    !is_wrong && bears_key(options, request)
}

/// Returns true for the pages that are for whoever runs the server.
fn is_operators(route: &Route<'_>) -> bool {
    matches!(route, Route::Healthz | Route::Readyz | Route::Metrics | Route::Channels)
}

/// Returns true if there is a publish key, and the request bears it.
fn bears_key(options: &BroadcastOptions, request: &Request<'_>) -> bool {
    options.publish_key.as_ref().is_some_and(|key| check_key(key, request).is_ok())
}

/// Checks that the server is known by the name in Host. A request that bears the publish key may
/// have any name there, because no web page under a foreign name has the key.
fn check_host(
    options: &BroadcastOptions,
    visitor: &Visitor<'_>,
    request: &Request<'_>,
    sign_in: &mut SignIn,
) -> Result<Known, Denied> {
    let rules = HostRules {
        allowed_hosts: &options.allowed_hosts,
        allowed_origins: &options.allowed_origins,
        trusts_loopback: options.publish_key.is_none() && !options.takes_credentials(),
    };
    match access::check_host(&rules, visitor.address().ip(), request) {
        Err(_) if bears_key(options, request) => {
            sign_in.note_key(options);
            Ok(Known::Not)
        }
        Err(_) if sign_in.keeps_key(options) => Ok(Known::Not),
        checked => checked,
    }
}

fn check_origin(options: &BroadcastOptions, via: Via, request: &Request<'_>) -> Result<(), Denied> {
    let is_allowed = origin::origin_is_allowed(
        &options.allowed_origins,
        request.header("Origin"),
        request.host(),
        via.scheme(),
    );
    if is_allowed { Ok(()) } else { Err(Denied::Origin) }
}

/// Returns true if the request names this media type in Accept. Ranges such as `*/*` do not count,
/// because programs that accept anything send them.
pub(crate) fn accepts(request: &Request<'_>, wanted: &str) -> bool {
    request
        .header("Accept")
        .is_some_and(|list| list.split(',').any(|one| media_type(one).eq_ignore_ascii_case(wanted)))
}

/// Returns a media type without its parameters (RFC 9110 section 8.3.1).
pub(crate) fn media_type(value: &str) -> &str {
    value.split(';').next().unwrap_or_default().trim()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_media_type_ends_at_its_parameters() {
        assert_eq!(media_type(" text/html;q=0.9"), "text/html");
        assert_eq!(media_type("text/html"), "text/html");
        assert_eq!(media_type(""), "");
    }
}
