//! What can be wrong with certificates and their keys.

use std::fmt;
use std::io;
use std::path::PathBuf;

/// Why TLS cannot be spoken with these certificates and keys. The text names the files and says
/// what to do; it never quotes a key.
#[derive(Debug)]
pub enum TlsError {
    /// A file cannot be read.
    Read {
        /// The file.
        path: PathBuf,
        /// The error of the system.
        source: io::Error,
    },
    /// A file is not what it should be.
    Content {
        /// The file, or what else the text came from.
        place: String,
        /// What is wrong with it, and what to do.
        what: String,
    },
    /// A private key belongs to another certificate.
    OtherKey {
        /// The file of the certificate.
        certificate: String,
        /// The file of the key.
        key: String,
        /// The key belongs to a later certificate in the file.
        is_of_later: bool,
    },
    /// There is no certificate.
    NoCertificate,
    /// The system has no random numbers, or a certificate of an authority is not usable.
    Setup(String),
}

impl fmt::Display for TlsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            TlsError::Read { path, source } => {
                write!(f, "cannot read {}: {source}", path.display())?;
                match source.kind() {
                    io::ErrorKind::PermissionDenied => {
                        f.write_str("; the user that the server runs as must be able to read it")
                    }
                    _ => Ok(()),
                }
            }
            TlsError::Content { place, what } => write!(f, "{place}: {what}"),
            TlsError::OtherKey { certificate, key, is_of_later: true } => write!(
                f,
                "{certificate}: the certificate that {key} belongs to must be the first in the \
                 file, and those that have signed it follow"
            ),
            TlsError::OtherKey { certificate, key, is_of_later: false } => write!(
                f,
                "the key in {key} does not belong to the certificate in {certificate}: give both \
                 files of one pair, in the same order"
            ),
            TlsError::NoCertificate => f.write_str("TLS needs a certificate"),
            TlsError::Setup(what) => write!(f, "cannot set up TLS: {what}"),
        }
    }
}

impl std::error::Error for TlsError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            TlsError::Read { source, .. } => Some(source),
            TlsError::Content { .. }
            | TlsError::OtherKey { .. }
            | TlsError::NoCertificate
            | TlsError::Setup(_) => None,
        }
    }
}
