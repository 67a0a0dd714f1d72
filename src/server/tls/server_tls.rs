//! What the listeners of a server speak TLS by.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use rustls::ServerConfig;
use rustls::server::{NoServerSessionStorage, ProducesTickets};

use crate::TlsSettings;

use super::certificate::TlsCertificate;
use super::certificate_choice::CertificateChoice;
use super::client_authorities::ClientAuthorities;
use super::provider::TlsProvider;
use super::tls_error::TlsError;

/// The protocol that is agreed on by ALPN. A WebSocket is opened by a request of HTTP/1.1.
const PROTOCOL: &[u8] = b"http/1.1";

/// How many tickets a client is sent after its handshake. A client that comes back uses one, and is
/// sent another; each costs bytes and the work of a record.
const TICKETS: usize = 1;

/// Certificates, and who may connect by TLS.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct TlsOptions {
    /// The server's certificates; at least one. A client is shown one that is for the name which it
    /// asks for. One that asks for no name, or for an unknown one, is shown the first.
    pub certificates: Vec<TlsCertificate>,
    /// Who signs the certificates that clients must have; `None`: they need none.
    pub client_authorities: Option<ClientAuthorities>,
}

impl TlsOptions {
    /// Returns when the first of the certificates expires, in time since 1970-01-01 UTC.
    #[must_use]
    pub fn expires_at(&self) -> Option<Duration> {
        self.certificates.iter().map(TlsCertificate::not_after).min()
    }
}

/// What the listeners of a server speak TLS by, in a place where it can be replaced while the
/// server serves. A clone shares it.
///
/// ```no_run
/// use fanfare::{Server, ServerTls, TlsCertificate, TlsOptions};
///
/// let read = || TlsCertificate::read("cert.pem".as_ref(), "key.pem".as_ref());
/// let options = TlsOptions { certificates: vec![read()?], ..TlsOptions::default() };
/// let tls = ServerTls::new(&options)?;
/// let server = Server::builder().listen("tls:0.0.0.0:443").tls(tls.settings()).bind()?;
/// // At any time, and from any thread:
/// tls.replace(&TlsOptions { certificates: vec![read()?], ..TlsOptions::default() })?;
/// # server.run()?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone)]
pub struct ServerTls {
    settings: TlsSettings,
    /// Encrypts the tickets that are sent to clients, for all reactors.
    tickets: Arc<dyn ProducesTickets>,
}

impl ServerTls {
    /// Sets up TLS.
    ///
    /// # Errors
    ///
    /// [`TlsError::NoCertificate`] and [`TlsError::Setup`].
    pub fn new(options: &TlsOptions) -> Result<ServerTls, TlsError> {
        let tickets = ticket_keys()?;
        let settings = TlsSettings::new(server_config(options, &tickets)?);
        Ok(ServerTls { settings, tickets })
    }

    /// Returns what [`Builder::tls`](crate::Builder::tls) takes.
    #[must_use]
    pub fn settings(&self) -> &TlsSettings {
        &self.settings
    }

    /// Replaces certificates and authorities, for connections that are accepted from now on. A
    /// client can go on to resume sessions of before, unless it needs a certificate now.
    ///
    /// # Errors
    ///
    /// As [`new`](Self::new). Nothing has changed then.
    pub fn replace(&self, options: &TlsOptions) -> Result<(), TlsError> {
        self.settings.replace(server_config(options, &self.tickets)?);
        Ok(())
    }
}

impl fmt::Debug for ServerTls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("ServerTls").field(&self.settings).finish()
    }
}

fn ticket_keys() -> Result<Arc<dyn ProducesTickets>, TlsError> {
    TlsProvider::ticket_keys().map_err(|error| TlsError::Setup(error.to_string()))
}

/// Makes what sessions are made by: TLS 1.2 and 1.3, tickets alone to resume sessions, and no data
/// before the handshake is over.
fn server_config(
    options: &TlsOptions,
    tickets: &Arc<dyn ProducesTickets>,
) -> Result<Arc<ServerConfig>, TlsError> {
    if options.certificates.is_empty() {
        return Err(TlsError::NoCertificate);
    }
    let builder = ServerConfig::builder_with_provider(TlsProvider::shared())
        .with_safe_default_protocol_versions()
        .map_err(|error| TlsError::Setup(error.to_string()))?;
    let builder = match &options.client_authorities {
        Some(authorities) => {
            builder.with_client_cert_verifier(authorities.verifier().map_err(TlsError::Setup)?)
        }
        None => builder.with_no_client_auth(),
    };
    let choice = CertificateChoice::new(&options.certificates);
    let mut config = builder.with_cert_resolver(Arc::new(choice));
    config.alpn_protocols = vec![PROTOCOL.to_vec()];
    // A cache would be another one for each server, and would have to be locked by all reactors.
    config.session_storage = Arc::new(NoServerSessionStorage {});
    // Whoever resumes is not asked for a certificate again, and is sent another ticket: so who was
    // let in once would be let in after the certificate has expired.
    let resumes = options.client_authorities.is_none();
    config.send_tls13_tickets = if resumes { TICKETS } else { 0 };
    if resumes {
        config.ticketer = Arc::clone(tickets);
    }
    // A request that comes before the handshake is over can be sent again by whoever has seen it.
    config.max_early_data_size = 0;
    Ok(Arc::new(config))
}
