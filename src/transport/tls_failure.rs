//! Why a TLS connection has failed.

use std::io;

use rustls::{AlertDescription, Error};

/// Why a TLS connection has failed.
#[derive(Debug)]
pub(crate) enum TlsFailure {
    /// The peer does not speak TLS.
    NotTls,
    /// Peer and server have no version, cipher suite or protocol in common.
    Incompatible,
    /// The peer has no certificate, or none that is valid, where one is needed.
    Certificate,
    /// The peer has refused the handshake, mostly because it does not trust the server's
    /// certificate.
    Refused,
    /// What the peer has sent is no valid TLS; or there was no answer to it, which is hardly
    /// possible.
    Malformed,
    /// The connection under it is lost.
    Lost,
}

impl TlsFailure {
    pub(super) fn of(error: &Error) -> TlsFailure {
        match error {
            Error::PeerIncompatible(_) | Error::NoApplicationProtocol => TlsFailure::Incompatible,
            // A client that knows none of our versions says so by an alert.
            Error::AlertReceived(AlertDescription::ProtocolVersion) => TlsFailure::Incompatible,
            Error::AlertReceived(_) => TlsFailure::Refused,
            Error::NoCertificatesPresented | Error::InvalidCertificate(_) => {
                TlsFailure::Certificate
            }
            _ => TlsFailure::Malformed,
        }
    }
}

impl From<io::Error> for TlsFailure {
    fn from(_: io::Error) -> TlsFailure {
        TlsFailure::Lost
    }
}
