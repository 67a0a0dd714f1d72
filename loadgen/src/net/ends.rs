//! Counts how connections ended, by class, and keeps the first error text of each class.
use std::collections::BTreeMap;
use std::fmt;

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(crate) enum End {
    /// No TCP connection: a file descriptor or a port was missing, or connecting failed.
    NotConnected,
    /// TCP was connected, but no 101 arrived before the handshake timeout.
    HandshakeTimeout,
    /// The server answered the opening handshake with a status other than 101.
    HandshakeRefused,
    /// The server's answer is not a valid opening handshake.
    HandshakeInvalid,
    /// The server broke RFC 6455 on an open connection.
    Protocol,
    /// The server began the closing handshake, with this close code.
    ClosedByServer(u16),
    /// The connection was reset, or the socket had another error.
    Reset,
    /// The stream ended without a Close frame.
    NoCloseFrame,
    /// The server ended a connection that published by POST.
    HttpClosed,
    /// The server took too long to answer our Close frame, or then to end the stream.
    CloseTimeout,
    /// We began the closing handshake and it ended well. Not counted as an error.
    ClosedByUs,
}

/// The classes of errors that a report may have, except `closed_CODE`. The last two are connections
/// that had not opened when the run ended.
pub(crate) const CLASSES: [&str; 11] = [
    "not_connected",
    "handshake_timeout",
    "handshake_refused",
    "handshake_invalid",
    "protocol",
    "reset",
    "no_close_frame",
    "http_closed",
    "close_timeout",
    NOT_FINISHED,
    NOT_BEGUN,
];
pub(crate) const NOT_FINISHED: &str = "not_finished";
pub(crate) const NOT_BEGUN: &str = "not_begun";

/// Returns true if there may be errors of this class in a report.
pub(crate) fn is_class(name: &str) -> bool {
    let code = name.strip_prefix("closed_").and_then(|code| code.parse::<u16>().ok());
    CLASSES.contains(&name) || code.is_some_and(|code| (1_000..5_000).contains(&code))
}

impl fmt::Display for End {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            End::NotConnected => "not_connected",
            End::HandshakeTimeout => "handshake_timeout",
            End::HandshakeRefused => "handshake_refused",
            End::HandshakeInvalid => "handshake_invalid",
            End::Protocol => "protocol",
            End::ClosedByServer(code) => return write!(f, "closed_{code}"),
            End::Reset => "reset",
            End::NoCloseFrame => "no_close_frame",
            End::HttpClosed => "http_closed",
            End::CloseTimeout => "close_timeout",
            End::ClosedByUs => "closed_by_us",
        })
    }
}

#[derive(Default)]
pub(crate) struct Ends(BTreeMap<End, (u64, String)>);

impl Ends {
    pub(crate) fn note(&mut self, end: End, text: impl FnOnce() -> String) {
        if end != End::ClosedByUs {
            self.0.entry(end).or_insert_with(|| (0, text())).0 += 1;
        }
    }

    pub(crate) fn absorb(&mut self, other: &Ends) {
        for (end, (count, text)) in &other.0 {
            self.0.entry(*end).or_insert_with(|| (0, text.clone())).0 += count;
        }
    }

    /// Returns the first error text of a class; empty if there was none.
    pub(crate) fn text(&self, end: End) -> &str {
        self.0.get(&end).map_or("", |(_, text)| text.as_str())
    }

    /// Returns the most frequent class with its first error text, if there were errors.
    pub(crate) fn most_frequent(&self) -> Option<String> {
        let (end, (_, text)) = self.0.iter().max_by_key(|(_, (count, _))| *count)?;
        Some(if text.is_empty() { end.to_string() } else { format!("{end}: {text}") })
    }

    /// Returns each class that occurred, with its count and its first error text.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (End, u64, &str)> {
        self.0.iter().map(|(end, (count, text))| (*end, *count, text.as_str()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_by_class_and_keeps_the_first_text() {
        let mut ends = Ends::default();
        ends.note(End::Reset, || "first".to_owned());
        ends.note(End::Reset, || "second".to_owned());
        ends.note(End::ClosedByServer(4008), || "slow".to_owned());
        ends.note(End::ClosedByUs, String::new);
        let seen: Vec<_> =
            ends.iter().map(|(end, count, text)| (end.to_string(), count, text)).collect();
        assert_eq!(seen, [("closed_4008".to_owned(), 1, "slow"), ("reset".to_owned(), 2, "first")]);
        assert_eq!(ends.most_frequent().as_deref(), Some("reset: first"));
    }

    #[test]
    fn every_end_that_is_an_error_has_a_known_class() {
        let all = [
            End::NotConnected,
            End::HandshakeTimeout,
            End::HandshakeRefused,
            End::HandshakeInvalid,
            End::Protocol,
            End::ClosedByServer(4008),
            End::Reset,
            End::NoCloseFrame,
            End::HttpClosed,
            End::CloseTimeout,
        ];
        assert!(all.iter().all(|end| is_class(&end.to_string())));
        for name in ["refused", "closed_by_us", "closed_999", "closed_5000", "closed_", ""] {
            assert!(!is_class(name), "{name}");
        }
    }
}
