//! TLS over a socket with edge-triggered readiness. Each call decrypts what it receives, and offers
//! pending ciphertext to the kernel. So no further readiness event is needed for bytes that this
//! code already holds.
use std::cell::RefCell;
use std::io::{self, Read as _, Write as _};
use std::path::Path;
use std::sync::Arc;

use mio::net::TcpStream;
use rustls::client::Resumption;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, ring};
use rustls::pki_types::pem::{self, PemObject as _};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{
    ClientConfig, ClientConnection, DigitallySignedStruct, Error, RootCertStore, SignatureScheme,
};

/// Ciphertext bytes read by one `recv`. rustls on its own would read 4 KiB at a time.
const RECEIVE_BYTES: usize = 64 * 1024;

thread_local! {
    /// All connections of a thread share this buffer, because it is used only within one call of
    /// `read`. With a buffer each, 10,000 idle connections would need 640 MB.
    static CIPHERTEXT: RefCell<Vec<u8>> = RefCell::new(vec![0; RECEIVE_BYTES]);
}

/// Whose certificates are trusted.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Trust<'p> {
    /// Those of the authorities that this system trusts.
    System,
    /// Those of the authorities in a PEM file, and those in it.
    File(&'p Path),
    /// Any.
    Any,
}

/// Builds the configuration of a TLS client.
pub(crate) struct Tls;

impl Tls {
    /// Returns a configuration that trusts these certificates. The error is a readable text.
    pub(crate) fn config(trust: Trust<'_>) -> Result<Arc<ClientConfig>, String> {
        match trust {
            Trust::System => Tls::of_system(),
            Trust::File(path) => Tls::with_roots(roots_of(path)?),
            Trust::Any => {
                let verifier = Arc::new(AcceptsAny(Arc::new(ring::default_provider())));
                configure(|builder| {
                    let builder = builder.dangerous().with_custom_certificate_verifier(verifier);
                    builder.with_no_client_auth()
                })
            }
        }
    }

    fn of_system() -> Result<Arc<ClientConfig>, String> {
        let found = rustls_native_certs::load_native_certs();
        let mut roots = RootCertStore::empty();
        // Certificates that cannot be parsed are left out, as browsers do.
        roots.add_parsable_certificates(found.certs);
        if roots.is_empty() {
            let reason = found.errors.first().map_or(String::new(), |error| format!(" ({error})"));
            return Err(format!(
                "this system has no root certificates{reason}: install them, or use --cacert FILE"
            ));
        }
        Tls::with_roots(roots)
    }

    pub(super) fn with_roots(roots: RootCertStore) -> Result<Arc<ClientConfig>, String> {
        configure(|builder| builder.with_root_certificates(roots).with_no_client_auth())
    }

    /// Returns the name that the certificate must be valid for. `host` has no port and no brackets.
    pub(crate) fn server_name(host: &str) -> Result<ServerName<'static>, String> {
        ServerName::try_from(host.to_owned())
            .map_err(|_| format!("{host} cannot be the name in a certificate"))
    }
}

/// Returns the certificates of a PEM file.
fn roots_of(path: &Path) -> Result<RootCertStore, String> {
    let wrong = |what: String| format!("--cacert {}: {what}", path.display());
    let certificates = CertificateDer::pem_file_iter(path).map_err(|error| match error {
        pem::Error::Io(error) => wrong(error.to_string()),
        error => wrong(format!("this is no PEM: {error}")),
    })?;
    let mut roots = RootCertStore::empty();
    for certificate in certificates {
        let certificate = certificate.map_err(|error| wrong(format!("this is no PEM: {error}")))?;
        roots.add(certificate).map_err(|error| wrong(error.to_string()))?;
    }
    match roots.is_empty() {
        true => Err(wrong("there is no certificate in it".to_owned())),
        false => Ok(roots),
    }
}

type Builder = rustls::ConfigBuilder<ClientConfig, rustls::WantsVerifier>;

fn configure(finish: impl FnOnce(Builder) -> ClientConfig) -> Result<Arc<ClientConfig>, String> {
    let builder = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(|error| error.to_string())?;
    let mut config = finish(builder);
    // Each connection stands for a separate client, so each does a full handshake.
    config.resumption = Resumption::disabled();
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(Arc::new(config))
}

pub(crate) struct TlsStream {
    tcp: TcpStream,
    session: ClientConnection,
    /// Received ciphertext that is not decrypted yet, because the caller's buffer was full.
    kept: Vec<u8>,
    /// A TLS error. `read` returns it once all plaintext before it has been read.
    failed: Option<String>,
    /// True once the peer has ended the stream with a `close_notify` alert.
    ended: bool,
}

impl TlsStream {
    pub(super) fn new(
        tcp: TcpStream,
        config: &Arc<ClientConfig>,
        server_name: ServerName<'static>,
    ) -> io::Result<TlsStream> {
        let session =
            ClientConnection::new(Arc::clone(config), server_name).map_err(io::Error::other)?;
        Ok(TlsStream { tcp, session, kept: Vec::new(), failed: None, ended: false })
    }

    pub(super) fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let mut filled = 0;
        let mut kept = std::mem::take(&mut self.kept);
        let used = self.decrypt(&kept, buffer, &mut filled);
        if used < kept.len() {
            kept.drain(..used);
            self.kept = kept;
        }
        CIPHERTEXT.with_borrow_mut(|ciphertext| {
            // Read until there is plaintext. A record may need several reads, or contain none.
            while filled == 0 && self.failed.is_none() && !self.ended && !buffer.is_empty() {
                match self.tcp.read(ciphertext) {
                    Ok(0) => break,
                    Ok(taken) => {
                        let used = self.decrypt(&ciphertext[..taken], buffer, &mut filled);
                        self.kept.extend_from_slice(&ciphertext[used..taken]);
                        // If this fails, the bytes stay in the session, and the next read returns
                        // the error.
                        let _ = self.flush();
                    }
                    Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                    Err(error)
                        if self.session.is_handshaking()
                            && error.kind() != io::ErrorKind::WouldBlock =>
                    {
                        return Err(cut(&error.kind().to_string()));
                    }
                    Err(error) => return Err(error),
                }
            }
            match &self.failed {
                Some(text) if filled == 0 => Err(failure(text.as_str())),
                None if filled == 0 && self.session.is_handshaking() => {
                    Err(cut("it closed the connection"))
                }
                Some(_) | None => Ok(filled),
            }
        })
    }

    /// Decrypts until `buffer` is full. Returns how many bytes of `ciphertext` were processed.
    fn decrypt(&mut self, ciphertext: &[u8], buffer: &mut [u8], filled: &mut usize) -> usize {
        let mut rest = ciphertext;
        loop {
            match self.session.reader().read(&mut buffer[*filled..]) {
                Ok(0) if *filled < buffer.len() => self.ended = true,
                Ok(taken) => *filled += taken,
                // No plaintext is available yet.
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(error) => self.fail(format!("TLS failed: {error}")),
            }
            if rest.is_empty() || *filled == buffer.len() || self.failed.is_some() {
                return ciphertext.len() - rest.len();
            }
            match self.session.read_tls(&mut rest) {
                // These bytes lie after the end of the stream.
                Ok(0) => return ciphertext.len(),
                Ok(_) => {
                    if let Err(error) = self.session.process_new_packets() {
                        let during_handshake = self.session.is_handshaking();
                        self.fail(text_of(&error, during_handshake));
                    }
                }
                Err(error) => self.fail(format!("TLS failed: {error}")),
            }
        }
    }

    fn fail(&mut self, text: String) {
        self.failed.get_or_insert(text);
    }

    /// Accepts bytes only once the kernel has taken all earlier ones, so few are ever buffered.
    pub(super) fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.flush()?;
        if self.session.is_handshaking() {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        // The session accepts at most 64 KiB.
        let taken = self.session.writer().write(bytes)?;
        match self.flush() {
            Err(error) if error.kind() != io::ErrorKind::WouldBlock => Err(error),
            Ok(()) | Err(_) => Ok(taken),
        }
    }

    pub(super) fn flush(&mut self) -> io::Result<()> {
        while self.session.wants_write() {
            match self.session.write_tls(&mut self.tcp) {
                Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
                Ok(_) => {}
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    pub(super) fn wants_write(&self) -> bool {
        self.session.wants_write()
    }

    pub(super) fn is_handshaking(&self) -> bool {
        self.session.is_handshaking()
    }

    pub(super) fn tcp_mut(&mut self) -> &mut TcpStream {
        &mut self.tcp
    }
}

/// Returns a readable text that explains why TLS has failed.
fn text_of(error: &Error, during_handshake: bool) -> String {
    match error {
        Error::InvalidMessage(_) if during_handshake => {
            "the server does not speak TLS: it answered with something else (try ws://)".to_owned()
        }
        Error::AlertReceived(alert) => {
            format!("the server refuses to speak TLS with us: alert {alert:?}")
        }
        Error::InvalidCertificate(reason) => {
            format!(
                "the server's certificate is not trusted: {reason} (--cacert FILE names whom to \
                 trust, --insecure trusts any)"
            )
        }
        other => format!("TLS failed: {other}"),
    }
}

fn failure(text: impl Into<String>) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, text.into())
}

/// Returns the error for a stream that ended during the handshake.
fn cut(how: &str) -> io::Error {
    failure(format!("the server does not speak TLS, or not with us: {how} in the handshake"))
}

/// `--insecure`: accepts every certificate. Signatures are not checked either, because a malformed
/// certificate has no key to check them with.
#[derive(Debug)]
struct AcceptsAny(Arc<CryptoProvider>);

impl ServerCertVerifier for AcceptsAny {
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
        _message: &[u8],
        _certificate: &CertificateDer<'_>,
        _signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn verify_tls13_signature(
        &self,
        _message: &[u8],
        _certificate: &CertificateDer<'_>,
        _signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}
