//! What the application has said about a handshake: a 2xx lets in, any other status is the answer
//! to the peer.

use std::io::Read;
use std::time::Duration;

use ::http::header::{
    CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE, HeaderMap, HeaderName, LOCATION, RETRY_AFTER,
    WWW_AUTHENTICATE,
};
use ureq::Body;

use crate::protocol::Response;
use crate::server::channel_pattern::ChannelPattern;

/// The most bytes of a body that are passed on to the peer.
const PASSED_BYTES_MAX: usize = 4 << 10;
/// The most bytes of a body that are read. If there are more, the answer does not count: such a
/// page is not meant for us.
const BODY_BYTES_MAX: u64 = 64 << 10;
/// The most patterns in one list, as in a token.
const PATTERNS_MAX: usize = 64;

/// The outcome of a question.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    LetIn(Grant),
    /// The answer to the peer.
    Refused(Response),
    None(NoVerdict),
}

/// What the application allows a peer.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Grant {
    /// The channels that it may subscribe to; `None`: the one that it has asked for.
    subscribe: Option<Vec<ChannelPattern>>,
    /// The channels that it may publish to.
    publish: Vec<ChannelPattern>,
    /// How long that holds. `None`: as long as it is connected.
    pub(crate) lasts: Option<Duration>,
}

impl Grant {
    pub(crate) fn may_subscribe(&self, channel: &str) -> bool {
        let covers = |all: &Vec<ChannelPattern>| all.iter().any(|one| one.matches(channel));
        self.subscribe.as_ref().is_none_or(covers)
    }

    pub(crate) fn may_publish(&self, channel: &str) -> bool {
        self.publish.iter().any(|pattern| pattern.matches(channel))
    }
}

/// Why the application has not decided.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum NoVerdict {
    /// No address of it takes connections, or its name is unknown.
    NotReached,
    /// It has not answered completely in time.
    TooSlow,
    /// It has closed the connection without an answer.
    Failed,
    /// Its answer is not HTTP, or says something that cannot be.
    NotUnderstood,
    /// Its answer is too large.
    TooLarge,
    /// More handshakes wait for it than may.
    TooMany,
}

impl NoVerdict {
    pub(crate) const ALL: [NoVerdict; 6] = [
        NoVerdict::NotReached,
        NoVerdict::TooSlow,
        NoVerdict::Failed,
        NoVerdict::NotUnderstood,
        NoVerdict::TooLarge,
        NoVerdict::TooMany,
    ];

    /// Returns a text for the peer and the log.
    pub(crate) const fn reason(self) -> &'static str {
        match self {
            NoVerdict::NotReached => "the application that decides on this cannot be reached",
            NoVerdict::TooSlow => "the application that decides on this has not answered in time",
            NoVerdict::Failed => {
                "the application that decides on this has closed the connection without an answer"
            }
            NoVerdict::NotUnderstood => {
                "the answer of the application that decides on this is not understood"
            }
            NoVerdict::TooLarge => {
                "the answer of the application that decides on this is too large"
            }
            NoVerdict::TooMany => "too many wait for the application that decides on this",
        }
    }
}

impl Verdict {
    /// Reads an answer of the application.
    pub(super) fn read(response: ::http::Response<Body>) -> Result<Verdict, ureq::Error> {
        let (parts, body) = response.into_parts();
        let Some(body) = read_body(&parts.headers, body)? else {
            return Ok(Verdict::None(NoVerdict::TooLarge));
        };
        Ok(match parts.status.as_u16() {
            200..=299 => match grant(&parts.headers) {
                Ok(grant) => Verdict::LetIn(grant),
                Err(Invalid) => Verdict::None(NoVerdict::NotUnderstood),
            },
            status @ 300..=599 => Verdict::Refused(refusal(status, &parts.headers, body)),
            _ => Verdict::None(NoVerdict::NotUnderstood),
        })
    }
}

/// Reads a body to its end, so that the connection can be used again. `None`: it is too large.
fn read_body(headers: &HeaderMap, body: Body) -> Result<Option<Vec<u8>>, ureq::Error> {
    let length = headers.get(CONTENT_LENGTH).and_then(|value| value.to_str().ok()?.parse().ok());
    if length.is_some_and(|length: u64| length > BODY_BYTES_MAX) {
        return Ok(None);
    }
    let mut bytes = Vec::new();
    let read = body.into_reader().take(BODY_BYTES_MAX + 1).read_to_end(&mut bytes)? as u64;
    Ok((read <= BODY_BYTES_MAX).then_some(bytes))
}

/// A header of an answer is not valid.
struct Invalid;

/// Returns what the headers of a 2xx allow.
fn grant(headers: &HeaderMap) -> Result<Grant, Invalid> {
    Ok(Grant {
        subscribe: patterns(headers, "fanfare-subscribe")?,
        publish: patterns(headers, "fanfare-publish")?.unwrap_or_default(),
        lasts: seconds(headers, "fanfare-expires")?,
    })
}

/// Reads a number of seconds; `None` if the header is absent.
fn seconds(headers: &HeaderMap, name: &str) -> Result<Option<Duration>, Invalid> {
    let mut all = headers.get_all(name).iter();
    match (all.next().map(|value| value.to_str()), all.next()) {
        (None, _) => Ok(None),
        (Some(Ok(text)), None) if text.bytes().all(|byte| byte.is_ascii_digit()) => {
            Ok(Some(Duration::from_secs(text.parse().map_err(|_| Invalid)?)))
        }
        _ => Err(Invalid),
    }
}

/// Reads a list of patterns, in one line or several; `None` if the header is absent.
fn patterns(headers: &HeaderMap, name: &str) -> Result<Option<Vec<ChannelPattern>>, Invalid> {
    let mut all = None;
    for line in headers.get_all(name) {
        let all = all.get_or_insert_with(Vec::new);
        // Names of channels are UTF-8.
        let line = std::str::from_utf8(line.as_bytes()).map_err(|_| Invalid)?;
        for text in line.split(',').map(str::trim).filter(|text| !text.is_empty()) {
            if all.len() == PATTERNS_MAX {
                return Err(Invalid);
            }
            all.push(text.parse().map_err(|_| Invalid)?);
        }
    }
    Ok(all)
}

/// The headers of a refusal that are passed on.
const PASSED: [(HeaderName, &str); 3] =
    [(WWW_AUTHENTICATE, "WWW-Authenticate"), (RETRY_AFTER, "Retry-After"), (LOCATION, "Location")];

/// Makes the answer to the peer. Of the headers, those are passed on that say what to do next.
fn refusal(status: u16, headers: &HeaderMap, body: Vec<u8>) -> Response {
    let mut response = Response::new(status);
    for (name, shown) in PASSED {
        for value in headers.get_all(name).iter().filter_map(|value| value.to_str().ok()) {
            response = response.header(shown, value.to_owned());
        }
    }
    if status == 401 && !headers.contains_key(WWW_AUTHENTICATE) {
        // A 401 must have one (RFC 9110 section 15.5.2).
        response = response.header("WWW-Authenticate", "Bearer");
    }
    let is_encoded = headers.contains_key(CONTENT_ENCODING);
    let text = String::from_utf8(body).ok();
    let passed = 1..=PASSED_BYTES_MAX;
    match text.filter(|text| !is_encoded && passed.contains(&text.len())) {
        Some(text) => {
            let kind = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok());
            let kind = kind.unwrap_or("text/plain; charset=utf-8").to_owned();
            response.header("Content-Type", kind).body(text)
        }
        None => response
            .header("Content-Type", "text/plain; charset=utf-8")
            .body("the application does not let this peer in\n"),
    }
}
