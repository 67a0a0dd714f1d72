//! Who does the cryptography of TLS. It is named here and, of the program, nowhere else.

use std::sync::Arc;

use rustls::Error;
use rustls::crypto::{CryptoProvider, ring};
use rustls::server::ProducesTickets;

/// The implementation of all cryptography of TLS, of servers and of the command's clients.
#[doc(hidden)]
pub struct TlsProvider;

impl TlsProvider {
    /// Returns the implementation. Its suites are those of rustls by default: all of them keep
    /// past sessions secret if a key is lost later, and authenticate what they encrypt.
    #[must_use]
    pub fn shared() -> Arc<CryptoProvider> {
        Arc::new(ring::default_provider())
    }

    /// Makes the keys of tickets, which change every six hours. A ticket is good as long as its key
    /// is the current one or the one before it.
    pub(super) fn ticket_keys() -> Result<Arc<dyn ProducesTickets>, Error> {
        ring::Ticketer::new()
    }
}
