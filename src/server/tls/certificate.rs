//! A certificate with the chain that proves it, its private key and, perhaps, an OCSP response.

use std::ffi::OsString;
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use rustls::pki_types::pem::{self, PemObject};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::sign::CertifiedKey;
use rustls::{Error, InconsistentKeys};
use sha2::{Digest, Sha256};

use super::certificate_facts::CertificateFacts;
use super::pem_file;
use super::provider::TlsProvider;
use super::tls_error::TlsError;

/// A certificate and its private key, for listeners that speak TLS.
#[derive(Clone)]
pub struct TlsCertificate {
    /// The file of the certificate, or what else tells it apart, for people.
    place: String,
    key: Arc<CertifiedKey>,
    facts: CertificateFacts,
}

impl TlsCertificate {
    /// Reads a certificate and its private key from PEM files. The file of the certificate begins
    /// with the server's own one; those that have signed it follow, up to an authority that clients
    /// know. The key may be in the forms PKCS#8, PKCS#1 and SEC1.
    ///
    /// If there is a file with the name of the certificate's and `.ocsp` behind it, it is an OCSP
    /// response in DER, which clients are shown with the certificate.
    ///
    /// # Errors
    ///
    /// [`TlsError`].
    pub fn read(certificate: &Path, key: &Path) -> Result<TlsCertificate, TlsError> {
        let (place, key_place) = (certificate.display(), key.display());
        let read = TlsCertificate::parse(
            &pem_file::read(certificate)?,
            &pem_file::read(key)?,
            &place.to_string(),
            &key_place.to_string(),
        )?;
        let ocsp = ocsp_path(certificate);
        match pem_file::read_if_there(&ocsp)? {
            Some(response) => read.with_ocsp(response, &ocsp),
            None => Ok(read),
        }
    }

    /// Takes a certificate and its private key from PEM texts. `place` says in errors and warnings
    /// where they come from.
    ///
    /// # Errors
    ///
    /// [`TlsError`].
    pub fn from_pem(place: &str, certificate: &str, key: &str) -> Result<TlsCertificate, TlsError> {
        TlsCertificate::parse(certificate.as_bytes(), key.as_bytes(), place, place)
    }

    fn parse(
        certificate: &[u8],
        key: &[u8],
        place: &str,
        key_place: &str,
    ) -> Result<TlsCertificate, TlsError> {
        let chain = chain(certificate, place)?;
        let facts = CertificateFacts::read(&chain[0])
            .map_err(|what| TlsError::Content { place: place.to_owned(), what })?;
        let key = private_key(key, key_place)?;
        let provider = TlsProvider::shared();
        let certified = |chain, key| CertifiedKey::from_der(chain, key, &provider);
        match certified(chain.clone(), key.clone_key()) {
            Ok(key) => Ok(TlsCertificate { place: place.to_owned(), key: Arc::new(key), facts }),
            Err(Error::InconsistentKeys(InconsistentKeys::KeyMismatch)) => {
                let is_of =
                    |one: &CertificateDer<'static>| certified(vec![one.clone()], key.clone_key());
                Err(TlsError::OtherKey {
                    certificate: place.to_owned(),
                    key: key_place.to_owned(),
                    is_of_later: chain[1..].iter().any(|one| is_of(one).is_ok()),
                })
            }
            Err(Error::InvalidCertificate(error)) => Err(TlsError::Content {
                place: place.to_owned(),
                what: format!("this certificate cannot be used: {error}"),
            }),
            Err(_) => Err(TlsError::Content {
                place: key_place.to_owned(),
                what: "this kind of private key cannot be used: make one of ECDSA (P-256 or \
                       P-384), Ed25519 or RSA (2048 bits or more)"
                    .to_owned(),
            }),
        }
    }

    fn with_ocsp(self, response: Vec<u8>, path: &Path) -> Result<TlsCertificate, TlsError> {
        // An OCSPResponse is a SEQUENCE (RFC 6960 section 4.2.1).
        if response.first() != Some(&0x30) {
            return Err(TlsError::Content {
                place: path.display().to_string(),
                what: "this is no OCSP response in DER: make it with `openssl ocsp -respout`, or \
                       remove the file"
                    .to_owned(),
            });
        }
        let key = CertifiedKey { ocsp: Some(response), ..(*self.key).clone() };
        Ok(TlsCertificate { key: Arc::new(key), ..self })
    }

    /// Returns the file of the certificate, or what else it came from.
    #[must_use]
    pub fn place(&self) -> &str {
        &self.place
    }

    /// Returns the host names that it is for, in lower case. `*.example.com` stands for one label.
    #[must_use]
    pub fn names(&self) -> &[String] {
        &self.facts.names
    }

    /// Returns when it becomes valid, in time since 1970-01-01 UTC.
    #[must_use]
    pub fn not_before(&self) -> Duration {
        self.facts.not_before
    }

    /// Returns until when it is valid, in time since 1970-01-01 UTC.
    #[must_use]
    pub fn not_after(&self) -> Duration {
        self.facts.not_after
    }

    /// Returns the SHA-256 fingerprint of the certificate, as browsers and `openssl x509
    /// -fingerprint` show it: hexadecimal pairs with colons between them.
    #[must_use]
    pub fn fingerprint(&self) -> String {
        let pairs: Vec<_> =
            Sha256::digest(&self.key.cert[0]).iter().map(|byte| format!("{byte:02X}")).collect();
        pairs.join(":")
    }

    /// Returns what a session signs with and shows.
    pub(super) fn certified_key(&self) -> &Arc<CertifiedKey> {
        &self.key
    }
}

/// Two are equal if clients are shown the same.
impl PartialEq for TlsCertificate {
    fn eq(&self, other: &TlsCertificate) -> bool {
        // The key need not be compared, because it belongs to the certificate.
        (&self.place, &self.key.cert, &self.key.ocsp)
            == (&other.place, &other.key.cert, &other.key.ocsp)
    }
}

impl fmt::Debug for TlsCertificate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TlsCertificate").field("place", &self.place).finish_non_exhaustive()
    }
}

/// Returns where the OCSP response of a certificate is looked for.
fn ocsp_path(certificate: &Path) -> PathBuf {
    let mut path = OsString::from(certificate);
    path.push(".ocsp");
    path.into()
}

/// Returns the certificates of a PEM text, at least one.
fn chain(text: &[u8], place: &str) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let wrong = |what: String| TlsError::Content { place: place.to_owned(), what };
    let chain: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(text).collect();
    let chain = chain.map_err(|error| wrong(format!("this is no PEM: {}", fault_of(&error))))?;
    if chain.is_empty() {
        let what =
            "there is no certificate in it: it must be PEM, with -----BEGIN CERTIFICATE-----";
        return Err(wrong(what.to_owned()));
    }
    Ok(chain)
}

/// Returns the private key of a PEM text.
fn private_key(text: &[u8], place: &str) -> Result<PrivateKeyDer<'static>, TlsError> {
    let wrong = |what: String| TlsError::Content { place: place.to_owned(), what };
    PrivateKeyDer::from_pem_slice(text).map_err(|error| match error {
        pem::Error::NoItemsFound if is_encrypted(text) => wrong(
            "the key is encrypted with a passphrase, which nobody can type here: decrypt it with \
             `openssl pkey -in FILE -out FILE`, and let only the server's user read it"
                .to_owned(),
        ),
        pem::Error::NoItemsFound => wrong(
            "there is no private key in it: it must be PEM, with -----BEGIN PRIVATE KEY-----"
                .to_owned(),
        ),
        error => wrong(format!("this is no PEM: {}", fault_of(&error))),
    })
}

/// Returns what is wrong with a PEM text, without a part of it, which may belong to a key.
fn fault_of(error: &pem::Error) -> &'static str {
    match error {
        pem::Error::MissingSectionEnd { .. } => "an -----END line is missing",
        pem::Error::IllegalSectionStart { .. } => "a -----BEGIN line is malformed",
        pem::Error::Base64Decode(_) => "what stands between BEGIN and END is not Base64",
        _ => "it cannot be read",
    }
}

/// Returns true if there is a key that only a passphrase opens: in PKCS#8, or in the older form.
fn is_encrypted(text: &[u8]) -> bool {
    let text = String::from_utf8_lossy(text);
    text.contains("BEGIN ENCRYPTED PRIVATE KEY") || text.contains("Proc-Type: 4,ENCRYPTED")
}
