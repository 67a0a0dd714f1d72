//! TLS of the clients: whom they trust, and what they say if they do not.

use std::io;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use fanfare::TlsProvider;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{
    AlertDescription, CertificateError, ClientConfig, ClientConnection, DigitallySignedStruct,
    Error, RootCertStore, SignatureScheme,
};

use super::text_file;
use super::tls_flags::TlsFlags;
use super::url::Url;

/// What the TLS sessions of a client are made by; nothing if its server is asked without TLS.
pub(crate) struct ClientTls(Option<Arc<ClientConfig>>);

impl ClientTls {
    /// Sets up TLS, if the URL is one of TLS. The error is a sentence for the user.
    pub(crate) fn new(url: &Url, flags: &TlsFlags) -> Result<ClientTls, String> {
        if !url.is_tls() {
            return Ok(ClientTls(None));
        }
        let builder = ClientConfig::builder_with_provider(TlsProvider::shared())
            .with_safe_default_protocol_versions()
            .map_err(|error| format!("cannot set up TLS: {error}"))?;
        let mut config = match (flags.insecure, &flags.cacert) {
            (true, _) => builder
                .dangerous()
                .with_custom_certificate_verifier(Arc::new(AnyCertificate(TlsProvider::shared())))
                .with_no_client_auth(),
            (false, Some(path)) => {
                builder.with_root_certificates(roots_of(path)?).with_no_client_auth()
            }
            (false, None) => {
                builder.with_root_certificates(roots_of_system()?).with_no_client_auth()
            }
        };
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        Ok(ClientTls(Some(Arc::new(config))))
    }

    /// Begins a session with a server; none if it is asked without TLS.
    pub(crate) fn session(&self, url: &Url) -> Result<Option<ClientConnection>, String> {
        let Some(config) = &self.0 else { return Ok(None) };
        let host = url.host();
        let name = ServerName::try_from(host.to_owned())
            .map_err(|_| format!("no certificate can be for {host}, so it cannot be checked"))?;
        let session = ClientConnection::new(Arc::clone(config), name);
        session.map(Some).map_err(|error| format!("cannot set up TLS: {error}"))
    }
}

/// Returns the certificates that this system trusts.
fn roots_of_system() -> Result<RootCertStore, String> {
    let found = rustls_native_certs::load_native_certs();
    let mut roots = RootCertStore::empty();
    // One that cannot be read is left out, as browsers do.
    roots.add_parsable_certificates(found.certs);
    if roots.is_empty() {
        let reason = found.errors.first().map_or(String::new(), |error| format!(" ({error})"));
        return Err(format!(
            "this system has no certificates of authorities{reason}: install them (Debian: \
             ca-certificates), or name a file with --cacert"
        ));
    }
    Ok(roots)
}

/// Returns the certificates of a PEM file.
fn roots_of(path: &Path) -> Result<RootCertStore, String> {
    let wrong = |what: &str| format!("--cacert {}: {what}", path.display());
    let text = text_file::read(path).map_err(|error| wrong(&error.to_string()))?;
    let mut roots = RootCertStore::empty();
    for certificate in CertificateDer::pem_slice_iter(text.as_bytes()) {
        let certificate = certificate.map_err(|_| wrong("this is no PEM with certificates"))?;
        let added = roots.add(certificate);
        added.map_err(|error| wrong(&format!("a certificate cannot be used: {error}")))?;
    }
    match roots.is_empty() {
        true => Err(wrong("there is no certificate in it: it must be PEM")),
        false => Ok(roots),
    }
}

/// Returns what is wrong with a session, and what the user can do, if that is what an error of the
/// stream is about.
pub(crate) fn explain(error: &io::Error) -> Option<String> {
    let error = error.get_ref()?.downcast_ref::<Error>()?;
    Some(match error {
        Error::InvalidCertificate(error) => format!(
            "its certificate is not good: {}; -k takes any certificate, for a try",
            of_certificate(error)
        ),
        Error::InvalidMessage(_) => {
            "it does not speak TLS there: write http:// or ws://".to_owned()
        }
        Error::AlertReceived(alert) => of_alert(*alert),
        error => format!("TLS failed: {error}"),
    })
}

/// Returns a name without what rustls writes around it to say what kind of name it is.
fn plain(name: &str) -> &str {
    name.split('"').nth(1).unwrap_or(name)
}

fn of_certificate(error: &CertificateError) -> String {
    match error {
        // The signature is bad if another authority has the same name.
        CertificateError::UnknownIssuer | CertificateError::BadSignature => {
            "nobody has signed it whom this client trusts; name the file of the authority, or of \
             the certificate itself, with --cacert"
                .to_owned()
        }
        CertificateError::NotValidForNameContext { expected, presented } => {
            let asked = expected.to_str();
            match &presented[..] {
                [] => format!("it is for no host, and so not for {asked}"),
                names => {
                    let names: Vec<_> = names.iter().map(|name| plain(name)).collect();
                    format!("it is for {}, and not for {asked}", names.join(", "))
                }
            }
        }
        CertificateError::ExpiredContext { not_after, .. } => {
            format!("it has expired on {}, and must be renewed", date(*not_after))
        }
        CertificateError::NotValidYetContext { not_before, .. } => {
            format!("it is not valid before {}; is the clock right?", date(*not_before))
        }
        // rustls has no kind of its own for this.
        error if error.to_string().contains("CaUsedAsEndEntity") => {
            "it is that of an authority (CA:TRUE), which no server can show; make it with CA:FALSE"
                .to_owned()
        }
        error => error.to_string(),
    }
}

/// Returns what a server means by an alert that ends a session.
fn of_alert(alert: AlertDescription) -> String {
    match alert {
        AlertDescription::CertificateRequired => {
            "it takes clients with a certificate alone (--tls-client-ca), and this one has none"
                .to_owned()
        }
        AlertDescription::ProtocolVersion => "it speaks no TLS 1.2 or 1.3".to_owned(),
        AlertDescription::NoApplicationProtocol => "it speaks no HTTP/1.1 there".to_owned(),
        alert => format!("it ended the TLS session: alert {alert:?}"),
    }
}

/// Returns a moment as people read it.
fn date(time: UnixTime) -> String {
    let time = SystemTime::UNIX_EPOCH + Duration::from_secs(time.as_secs());
    humantime::format_rfc3339_seconds(time).to_string()
}

/// `--insecure`: takes any certificate. Its signature is still checked, so that the peer at least
/// has the key of the certificate that it shows.
#[derive(Debug)]
struct AnyCertificate(Arc<CryptoProvider>);

impl ServerCertVerifier for AnyCertificate {
    fn verify_server_cert(
        &self,
        _end_entity: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let algorithms = &self.0.signature_verification_algorithms;
        verify_tls12_signature(message, certificate, signed, algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let algorithms = &self.0.signature_verification_algorithms;
        verify_tls13_signature(message, certificate, signed, algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}
