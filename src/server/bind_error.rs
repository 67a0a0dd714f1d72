//! Why a server could not be made.

use std::fmt;
use std::io;

/// Limits with which no server could work.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LimitsError {
    /// There is no reactor.
    NoReactor,
    /// There are more than 256 reactors.
    TooManyReactors,
    /// The largest message is zero bytes, or may have no fragment.
    NoMessage,
    /// The largest message is above 1 GiB.
    MessageTooLarge,
    /// The limit of connections, or that of connections from one address, is zero.
    NoConnection,
    /// The limit of channels is zero.
    NoChannel,
    /// The channel buffer does not hold two messages of the largest size: a subscriber that is in
    /// the middle of one message would be overrun by the next.
    BufferTooSmall,
    /// Each reactor's share of the memory limit is too small: one reactor needs one channel buffer,
    /// several need two each or more, depending on the rings between them (`reactor_memory_min`).
    MemoryTooSmall,
    /// The window or the level of compression is not one that there is.
    CompressionOutOfRange,
    /// The ping interval, or a timeout other than that of the drain, is zero.
    NoTime,
}

impl fmt::Display for LimitsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            LimitsError::NoReactor => "there must be at least one reactor",
            LimitsError::TooManyReactors => "there may be at most 256 reactors",
            LimitsError::NoMessage => "the largest message must have at least one byte",
            LimitsError::MessageTooLarge => "the largest message may have at most 1 GiB",
            LimitsError::NoConnection => "there must be room for at least one connection",
            LimitsError::NoChannel => "there must be room for at least one channel",
            LimitsError::BufferTooSmall => {
                "the channel buffer must hold at least two messages of the largest size"
            }
            LimitsError::MemoryTooSmall => {
                "the memory limit is too small: one reactor needs one channel buffer, several need \
                 two each or more, depending on their rings"
            }
            LimitsError::CompressionOutOfRange => {
                "compression has windows from 9 to 15 bits, and levels from 1 to 9"
            }
            LimitsError::NoTime => {
                "the ping interval and the timeouts for handshakes, pongs, idle connections, slow \
                 subscribers and messages must not be zero"
            }
        })
    }
}

impl std::error::Error for LimitsError {}

/// Why a server could not be made.
#[derive(Debug)]
pub enum BindError {
    /// [`Builder::listen`](super::Builder::listen) has not been called.
    NoAddress,
    /// A limit is invalid, or contradicts another one.
    Limits(LimitsError),
    /// An address cannot be resolved or listened on.
    Listen {
        /// The address as given to [`Builder::listen`](super::Builder::listen).
        address: String,
        /// The error of the system call.
        source: io::Error,
    },
    /// Two addresses are the same, or one includes the other.
    Twice {
        /// The one that was given first.
        one: String,
        /// The other.
        other: String,
    },
    /// TLS is to be spoken on an address, and there is no certificate: `Builder::tls` has not been
    /// called.
    NoCertificate {
        /// The address as given to [`Builder::listen`](super::Builder::listen).
        address: String,
    },
    /// A system call that sets up a reactor failed.
    System(io::Error),
}

impl fmt::Display for BindError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            BindError::NoAddress => f.write_str("no address to listen on"),
            BindError::Limits(error) => write!(f, "{error}"),
            BindError::Listen { address, source } => {
                write!(f, "cannot listen on {address}: {source}")
            }
            BindError::Twice { one, other } if one == other => {
                write!(f, "cannot listen on {one} twice")
            }
            BindError::Twice { one, other } => {
                write!(f, "cannot listen on both {one} and {other}: one is part of the other")
            }
            BindError::NoCertificate { address } => {
                write!(f, "cannot listen on {address}: TLS needs a certificate")
            }
            BindError::System(source) => write!(f, "cannot start: {source}"),
        }
    }
}

impl std::error::Error for BindError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            BindError::NoAddress | BindError::Twice { .. } | BindError::NoCertificate { .. } => {
                None
            }
            BindError::Limits(error) => Some(error),
            BindError::Listen { source, .. } | BindError::System(source) => Some(source),
        }
    }
}

/// Allows a program whose `main` returns [`io::Result`] to use `?`.
impl From<BindError> for io::Error {
    fn from(error: BindError) -> io::Error {
        let kind = match &error {
            BindError::NoAddress
            | BindError::Limits(_)
            | BindError::Twice { .. }
            | BindError::NoCertificate { .. } => io::ErrorKind::InvalidInput,
            BindError::Listen { source, .. } | BindError::System(source) => source.kind(),
        };
        io::Error::new(kind, error)
    }
}
