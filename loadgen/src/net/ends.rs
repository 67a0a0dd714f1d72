//! How connections ended, counted by class, with the first text of each class.
use std::collections::BTreeMap;
use std::fmt;

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(crate) enum End {
    /// No socket, no port, or no connection.
    NotConnected,
    /// Connected, but no 101 within the time for an opening handshake.
    HandshakeTimeout,
    /// The server answered the opening handshake with something other than 101.
    HandshakeRefused,
    /// What the server answered is not an opening handshake.
    HandshakeInvalid,
    /// The server broke RFC 6455 on an open connection.
    Protocol,
    /// The server sent a Close frame first.
    ClosedByServer(u16),
    /// A reset, or another error of the socket.
    Reset,
    /// The end of the stream without a Close frame.
    NoCloseFrame,
    /// A closing handshake, or the end of the stream after it, did not come in time.
    CloseTimeout,
    /// The closing handshake that we began has ended well. Not counted as an error.
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

    /// Class, count and first text.
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
