//! The client's side of TLS over a simulated peer, and what the servers of these tests are
//! certified with.

use std::cell::{Cell, RefCell};
use std::io::{Read, Write};
use std::sync::{Arc, LazyLock};

use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use rustls::server::NoServerSessionStorage;
use rustls::{ClientConfig, ClientConnection, Error, RootCertStore, ServerConfig};

use crate::net::sim::SimPeer;
use crate::transport::TlsSettings;

/// A certificate whose signatures have one length, so that a seed gives the same run each time.
static CONFIGS: LazyLock<(Arc<ServerConfig>, Arc<ClientConfig>)> = LazyLock::new(|| {
    let key = rcgen::KeyPair::generate_for(&rcgen::PKCS_ED25519).unwrap();
    let params = rcgen::CertificateParams::new(["a.test".to_owned()]).unwrap();
    let certificate = params.self_signed(&key).unwrap().der().clone();
    let key = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(key.serialize_der()));
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let server = ServerConfig::builder_with_provider(Arc::clone(&provider));
    let mut server = server
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![certificate.clone()], key)
        .unwrap();
    server.session_storage = Arc::new(NoServerSessionStorage {});
    server.ticketer = rustls::crypto::ring::Ticketer::new().unwrap();
    server.send_tls13_tickets = 1;
    let mut roots = RootCertStore::empty();
    roots.add(certificate).unwrap();
    let client = ClientConfig::builder_with_provider(provider);
    let client = client.with_safe_default_protocol_versions().unwrap();
    let mut client = client.with_root_certificates(roots).with_no_client_auth();
    client.resumption = rustls::client::Resumption::disabled();
    (Arc::new(server), Arc::new(client))
});

pub(super) fn settings() -> TlsSettings {
    TlsSettings::new(Arc::clone(&CONFIGS.0))
}

pub(super) struct TlsClient {
    tls: RefCell<ClientConnection>,
    has_heard_goodbye: Cell<bool>,
    was_refused: Cell<bool>,
}

impl TlsClient {
    /// Begins a handshake, with full handshakes alone.
    pub(super) fn new() -> TlsClient {
        TlsClient::with(Arc::clone(&CONFIGS.1))
    }

    /// Begins a handshake. The connections that use one configuration share their tickets.
    pub(super) fn with(config: Arc<ClientConfig>) -> TlsClient {
        let name = "a.test".try_into().unwrap();
        let mut tls = ClientConnection::new(config, name).unwrap();
        tls.set_buffer_limit(None);
        TlsClient {
            tls: RefCell::new(tls),
            has_heard_goodbye: Cell::new(false),
            was_refused: Cell::new(false),
        }
    }

    /// Returns a configuration that resumes.
    pub(super) fn resuming() -> Arc<ClientConfig> {
        let mut config = ClientConfig::clone(&CONFIGS.1);
        config.resumption = rustls::client::Resumption::in_memory_sessions(16);
        Arc::new(config)
    }

    /// Returns the first message of the handshake instead of sending it.
    pub(super) fn hello(&self) -> Vec<u8> {
        let mut hello = Vec::new();
        self.tls.borrow_mut().write_tls(&mut hello).unwrap();
        hello
    }

    /// Returns what `send` would send.
    pub(super) fn sealed(&self, bytes: &[u8]) -> Vec<u8> {
        let (mut tls, mut ciphertext) = (self.tls.borrow_mut(), Vec::new());
        tls.writer().write_all(bytes).unwrap();
        tls.write_tls(&mut ciphertext).unwrap();
        ciphertext
    }

    /// Encrypts and sends. What is sent before the handshake is complete waits for that.
    pub(super) fn send(&self, peer: &SimPeer, bytes: &[u8]) {
        let mut tls = self.tls.borrow_mut();
        tls.writer().write_all(bytes).unwrap();
        flush(&mut tls, peer);
    }

    /// Returns what has arrived, decrypted.
    pub(super) fn take_received(&self, peer: &SimPeer) -> Vec<u8> {
        let mut tls = self.tls.borrow_mut();
        let ciphertext = peer.take_received();
        let (mut rest, mut plaintext) = (&ciphertext[..], Vec::new());
        while !rest.is_empty() {
            tls.read_tls(&mut rest).unwrap();
            let state = match tls.process_new_packets() {
                Ok(state) => state,
                Err(Error::AlertReceived(_)) => {
                    self.was_refused.set(true);
                    return plaintext;
                }
                Err(error) => panic!("what the server sends is valid TLS: {error}"),
            };
            self.has_heard_goodbye.set(state.peer_has_closed());
            let mut record = vec![0; state.plaintext_bytes_to_read()];
            tls.reader().read_exact(&mut record).unwrap();
            plaintext.extend(record);
        }
        flush(&mut tls, peer);
        plaintext
    }

    pub(super) fn is_handshaking(&self) -> bool {
        self.tls.borrow().is_handshaking()
    }

    /// Returns true if the server has said that nothing more comes.
    pub(super) fn has_heard_goodbye(&self) -> bool {
        self.has_heard_goodbye.get()
    }

    /// Returns true if the server has taken what the client sent for no valid TLS.
    pub(super) fn was_refused(&self) -> bool {
        self.was_refused.get()
    }

    /// Asks for new keys in both directions.
    pub(super) fn renew_keys(&self, peer: &SimPeer) {
        let mut tls = self.tls.borrow_mut();
        tls.refresh_traffic_keys().unwrap();
        flush(&mut tls, peer);
    }

    /// Says that nothing more comes.
    pub(super) fn say_goodbye(&self, peer: &SimPeer) {
        let mut tls = self.tls.borrow_mut();
        tls.send_close_notify();
        flush(&mut tls, peer);
    }
}

fn flush(tls: &mut ClientConnection, peer: &SimPeer) {
    let mut ciphertext = Vec::new();
    while tls.wants_write() {
        tls.write_tls(&mut ciphertext).unwrap();
    }
    if !ciphertext.is_empty() && !peer.has_closed_write() {
        peer.send(&ciphertext);
    }
}
