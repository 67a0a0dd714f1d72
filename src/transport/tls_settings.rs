//! The TLS configuration of a server, which can be replaced while it runs.

use std::sync::{Arc, Mutex, PoisonError};

use rustls::ServerConfig;

/// What a server's listeners for TLS take new connections with: certificates, versions, tickets.
/// Clones are the same settings: what one [replaces](Self::replace), all take from then on.
///
/// ```no_run
/// # fn config() -> std::sync::Arc<rustls::ServerConfig> { unimplemented!() }
/// let settings = fanfare::TlsSettings::new(config());
/// // Later, with new certificates. Connections that stand go on with the old ones.
/// settings.replace(config());
/// ```
#[derive(Clone, Debug)]
pub struct TlsSettings(Arc<Mutex<Arc<ServerConfig>>>);

impl TlsSettings {
    /// Takes a configuration. Its `max_early_data_size` must be zero, because what arrives before
    /// the handshake is complete could be sent again by anybody (RFC 8446 section 8).
    pub fn new(config: Arc<ServerConfig>) -> TlsSettings {
        TlsSettings(Arc::new(Mutex::new(config)))
    }

    /// Takes new connections with another configuration from now on.
    pub fn replace(&self, config: Arc<ServerConfig>) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = config;
    }

    /// Returns the configuration for a new connection.
    pub(crate) fn current(&self) -> Arc<ServerConfig> {
        Arc::clone(&self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}
