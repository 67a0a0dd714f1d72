//! The authorities that sign the certificates of clients.

use std::fmt;
use std::path::Path;
use std::sync::Arc;

use rustls::RootCertStore;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;
use rustls::server::WebPkiClientVerifier;
use rustls::server::danger::ClientCertVerifier;

use super::pem_file;
use super::provider::TlsProvider;
use super::tls_error::TlsError;

/// The authorities that sign the certificates of clients. With them, a client without a certificate
/// of one of them is refused in the TLS handshake.
#[derive(Clone, PartialEq, Eq)]
pub struct ClientAuthorities {
    certificates: Vec<CertificateDer<'static>>,
}

impl ClientAuthorities {
    /// Reads the certificates of the authorities from a PEM file.
    ///
    /// # Errors
    ///
    /// [`TlsError`].
    pub fn read(path: &Path) -> Result<ClientAuthorities, TlsError> {
        let wrong = |what: String| TlsError::Content { place: path.display().to_string(), what };
        let text = pem_file::read(path)?;
        let certificates: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&text).collect();
        let certificates =
            certificates.map_err(|_| wrong("this is no PEM with certificates".to_owned()))?;
        if certificates.is_empty() {
            let what = "there is no certificate in it: it must be PEM, with -----BEGIN \
                        CERTIFICATE-----";
            return Err(wrong(what.to_owned()));
        }
        let read = ClientAuthorities { certificates };
        read.roots().map_err(|what| wrong(format!("this is no certificate: {what}")))?;
        Ok(read)
    }

    fn roots(&self) -> Result<RootCertStore, String> {
        let mut roots = RootCertStore::empty();
        for certificate in &self.certificates {
            roots.add(certificate.clone()).map_err(|error| error.to_string())?;
        }
        Ok(roots)
    }

    /// Returns what checks the certificates of clients.
    pub(super) fn verifier(&self) -> Result<Arc<dyn ClientCertVerifier>, String> {
        let roots = Arc::new(self.roots()?);
        let builder = WebPkiClientVerifier::builder_with_provider(roots, TlsProvider::shared());
        builder.build().map_err(|error| error.to_string())
    }
}

impl fmt::Debug for ClientAuthorities {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ClientAuthorities({})", self.certificates.len())
    }
}
