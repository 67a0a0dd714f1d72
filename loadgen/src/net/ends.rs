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
    /// The server took too long to answer our Close frame, or then to end the stream.
    CloseTimeout,
    /// We began the closing handshake and it ended well. Not counted as an error.
    ClosedByUs,
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
    }
}
