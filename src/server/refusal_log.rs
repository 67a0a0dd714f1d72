//! Log lines about refusals for lack of rights or by a limit, so that an operator finds the reason.
//! The lines are limited in number, so that a peer which is refused often cannot fill the disk: a
//! line says how many refusals of its kind before it were not logged.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use tracing::warn;

use crate::instant::Instant;
use crate::protocol::Request;
use crate::reactor::{RejectReason, TlsHandshake};

use super::authorizer::NoVerdict;
use super::event_log::cut;
use super::rate::TokenBucket;

/// The most lines per second about each kind of missing rights: enough that somebody who sets up a
/// client by hand sees every attempt.
const LINES_PER_SECOND: u32 = 10;

/// The least time between two lines about the same limit. When a limit is reached, everybody is
/// refused for the same reason, so one line is enough.
const LIMIT_PERIOD: Duration = Duration::from_secs(60);

/// What one reactor has logged about refusals.
#[derive(Default)]
pub(crate) struct RefusalLog {
    by_reason: [Recent; RejectReason::ALL.len()],
    message_rate: Recent,
    websocket_publish: Recent,
    accept_failures: Recent,
    no_verdict: [Recent; NoVerdict::ALL.len()],
    tls: [Recent; TlsHandshake::ALL.len()],
}

/// The text about a peer that sends too many messages, in the log and in its Close frame.
pub(crate) const TOO_FAST: &str =
    "more messages a second than --message-rate, or the rule of the channel, allows";

/// The state of the log lines about one reason.
#[derive(Clone, Copy, Default)]
struct Recent {
    bucket: TokenBucket,
    /// When the next line about a limit may be written.
    next_at: Instant,
    /// Refusals since the last line.
    left_out: u64,
}

/// How often a reason is logged.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Pace {
    /// Each refusal is logged, up to `LINES_PER_SECOND`: for missing rights.
    EachTime,
    /// At most one refusal in each `LIMIT_PERIOD` is logged: for limits.
    FirstOfMany,
}

impl Recent {
    /// If a line may be written now, returns how many refusals were not logged since the last line.
    fn take(&mut self, pace: Pace, now: Instant) -> Option<u64> {
        let may_write = match pace {
            Pace::EachTime => self.bucket.take(LINES_PER_SECOND, now),
            Pace::FirstOfMany => self.next_at <= now,
        };
        if !may_write {
            self.left_out += 1;
            return None;
        }
        self.next_at = now + LIMIT_PERIOD;
        Some(std::mem::take(&mut self.left_out))
    }
}

/// Returns how often refusals for a reason are logged, and the text of the line. `None` if the
/// reason concerns neither rights nor limits.
fn line(reason: RejectReason) -> Option<(Pace, &'static str)> {
    let limit = |text| Some((Pace::FirstOfMany, text));
    let rights = |text| Some((Pace::EachTime, text));
    match reason {
        RejectReason::MissingCredentials => rights("the publish key is missing"),
        RejectReason::BadCredentials => rights("this is not the publish key"),
        RejectReason::Expired => rights("the token has expired"),
        RejectReason::ForbiddenChannel => rights("the token does not cover this channel"),
        RejectReason::ForbiddenOrigin => rights("Origin not allowed: see --allowed-origins"),
        RejectReason::ForbiddenHost => rights("Host not allowed: see --allowed-hosts"),
        RejectReason::ForbiddenPublish => {
            rights("publishing from another machine or through a proxy takes a --publish-key")
        }
        RejectReason::ForbiddenMetrics => {
            rights("metrics for another machine or through a proxy take a --publish-key")
        }
        RejectReason::Authorizer => rights("the application does not let this peer in"),
        RejectReason::TooLarge => {
            limit("a message over --max-message-size, or the head of a request too large")
        }
        RejectReason::AddressLimit => limit("over --max-connections-per-ip"),
        RejectReason::CredentialLimit => limit("over --credential-failures-per-ip"),
        RejectReason::OpeningLimit => limit("over --openings-per-ip"),
        RejectReason::UntrustedProxy => {
            limit("the PROXY protocol is for --trusted-proxies, and this peer is none of them")
        }
        RejectReason::ProxyHeader => {
            limit("no header of the PROXY protocol, version 2: does the proxy send one?")
        }
        RejectReason::ConnectionLimit => limit("over --max-connections"),
        RejectReason::ChannelLimit => limit("over --max-channels"),
        RejectReason::Memory => limit("over --memory-limit"),
        RejectReason::Malformed
        | RejectReason::SlowRequest
        | RejectReason::TlsHandshake
        | RejectReason::NotFound
        | RejectReason::Method
        | RejectReason::Declined
        | RejectReason::Draining => None,
    }
}

/// Returns what a TLS handshake that has ended so has failed for, if it has.
fn tls_fault(end: TlsHandshake) -> Option<&'static str> {
    Some(match end {
        TlsHandshake::Full | TlsHandshake::Resumed | TlsHandshake::Closed => return None,
        TlsHandshake::NotTls => {
            "the peer speaks something else; its URL should begin with https:// or wss://, and a \
             proxy that sends its protocol's header needs proxy+tls: in --listen"
        }
        TlsHandshake::Incompatible => {
            "no version (TLS 1.2 and 1.3), cipher suite or protocol (http/1.1) in common"
        }
        TlsHandshake::ClientCertificate => {
            "the peer has no certificate that --tls-client-ca would take"
        }
        TlsHandshake::RefusedByClient => {
            "the peer has ended it, mostly because it does not trust the server's certificate"
        }
        TlsHandshake::Malformed => "the peer has sent what is no valid TLS",
        TlsHandshake::TimedOut => "it took longer than --handshake-timeout",
    })
}

impl RefusalLog {
    /// Logs a refusal, if its kind is logged and a line may be written now. Returns true if a line
    /// was written. It contains no credentials: of the request it shows the path without the query,
    /// Host and Origin.
    pub(crate) fn note(
        &mut self,
        reason: RejectReason,
        address: Option<SocketAddr>,
        request: Option<&Request<'_>>,
        now: Instant,
    ) -> bool {
        let Some((_, text)) = line(reason) else { return false };
        self.note_as(reason, text, address, request, now)
    }

    /// Logs a refusal with a text of its own: for want of a token, by what is in one, or by the
    /// application.
    pub(crate) fn note_own(
        &mut self,
        reason: RejectReason,
        text: &str,
        address: SocketAddr,
        request: &Request<'_>,
        now: Instant,
    ) -> bool {
        self.note_as(reason, text, Some(address), Some(request), now)
    }

    /// Logs that the application has not decided on a handshake: each cause once in a while.
    pub(crate) fn note_no_verdict(
        &mut self,
        cause: NoVerdict,
        address: SocketAddr,
        request: &Request<'_>,
        now: Instant,
    ) -> bool {
        let recent = &mut self.no_verdict[cause as usize];
        let Some(left_out) = recent.take(Pace::FirstOfMany, now) else { return false };
        let text = format!("{}; see --authorize-url and --authorize-timeout", cause.reason());
        let reason = RejectReason::Authorizer.label();
        write(reason, &text, Some(address), Some(request), left_out);
        true
    }

    /// Logs that a TLS handshake has failed: each cause once in a while.
    pub(crate) fn note_tls(
        &mut self,
        end: TlsHandshake,
        address: SocketAddr,
        now: Instant,
    ) -> bool {
        let Some(text) = tls_fault(end) else { return false };
        let recent = &mut self.tls[end as usize];
        let Some(left_out) = recent.take(Pace::FirstOfMany, now) else { return false };
        let text = format!("the TLS handshake failed ({}): {text}", end.label());
        write(RejectReason::TlsHandshake.label(), &text, Some(address), None, left_out);
        true
    }

    fn note_as(
        &mut self,
        reason: RejectReason,
        text: &str,
        address: Option<SocketAddr>,
        request: Option<&Request<'_>>,
        now: Instant,
    ) -> bool {
        let Some((pace, _)) = line(reason) else { return false };
        let Some(left_out) = self.by_reason[reason as usize].take(pace, now) else { return false };
        write(reason.label(), text, address, request, left_out);
        true
    }

    /// Logs that a peer was closed for sending too many messages.
    pub(crate) fn note_message_rate(&mut self, address: SocketAddr, now: Instant) {
        if let Some(left_out) = self.message_rate.take(Pace::FirstOfMany, now) {
            write("rate", TOO_FAST, Some(address), None, left_out);
        }
    }

    /// Logs that a peer was closed because it may not publish.
    pub(crate) fn note_websocket_publish(
        &mut self,
        reason: RejectReason,
        text: &'static str,
        address: SocketAddr,
        now: Instant,
    ) {
        if let Some(left_out) = self.websocket_publish.take(Pace::EachTime, now) {
            write(reason.label(), text, Some(address), None, left_out);
        }
    }

    /// Logs that connections cannot be accepted, and wait.
    pub(crate) fn note_accept_failure(&mut self, error: &io::Error, now: Instant) {
        if let Some(left_out) = self.accept_failures.take(Pace::FirstOfMany, now) {
            let left_out = (left_out > 0).then_some(left_out);
            warn!(
                target: "fanfare::refusals",
                left_out,
                "cannot accept connections: {error}; they wait (raise the limit of open files, or \
                 lower --max-connections)"
            );
        }
    }
}

fn write(
    reason: &str,
    text: &str,
    address: Option<SocketAddr>,
    request: Option<&Request<'_>>,
    left_out: u64,
) {
    let address = address.map(tracing::field::display);
    let method = request.map(|request| cut(request.method()));
    let path = request.map(|request| cut(request.path()));
    let host = request.and_then(Request::host).map(cut);
    let origin = request.and_then(|request| request.header("Origin")).map(cut);
    let left_out = (left_out > 0).then_some(left_out);
    warn!(
        target: "fanfare::refusals",
        reason, address, method, path, host, origin, left_out, "refused: {text}"
    );
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_refusal_by_a_limit_is_logged_and_then_one_a_minute() {
        let (mut recent, start) = (Recent::default(), Instant::ZERO);
        assert_eq!(recent.take(Pace::FirstOfMany, start), Some(0));
        for second in 1..60 {
            let now = start + Duration::from_secs(second);
            assert_eq!(recent.take(Pace::FirstOfMany, now), None);
        }
        assert_eq!(recent.take(Pace::FirstOfMany, start + LIMIT_PERIOD), Some(59));
    }

    #[test]
    fn missing_rights_are_logged_each_time_up_to_ten_lines_a_second() {
        let (mut recent, start) = (Recent::default(), Instant::ZERO);
        let mut lines = |now| (0..20).filter_map(|_| recent.take(Pace::EachTime, now)).count();
        assert_eq!(lines(start), 10);
        assert_eq!(lines(start + Duration::from_secs(1)), 10);
        assert_eq!(recent.left_out, 20 - 10);
    }

    #[test]
    fn every_status_that_says_no_for_want_of_rights_is_logged_each_time() {
        let logged = RejectReason::ALL.into_iter().filter_map(|reason| {
            line(reason).filter(|(pace, _)| *pace == Pace::EachTime).map(|_| reason.label())
        });
        assert_eq!(
            logged.collect::<Vec<_>>(),
            [
                "missing_credentials",
                "bad_credentials",
                "expired",
                "forbidden_origin",
                "forbidden_host",
                "forbidden_channel",
                "forbidden_publish",
                "forbidden_metrics",
                "authorizer"
            ]
        );
    }
}
