//! TLS that is broken after a good handshake, as only somebody who means harm sends it.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::sync::Arc;

use rustls::crypto::cipher::{AeadKey, Iv, MessageEncrypter, OutboundChunks, OutboundPlainMessage};
use rustls::version::{TLS12, TLS13};
use rustls::{ConnectionTrafficSecrets, ContentType, ProtocolVersion, SupportedProtocolVersion};

use super::TlsServer;
use super::authority::Authority;
use super::tls_client::{TlsClient, config};
use crate::support::{Scraper, request};

/// All connections, that of the scraper included.
const CONNECTIONS: &str = "fanfare_connections";

/// A client after its handshake, which encrypts whatever the test wants.
struct Forger {
    socket: TcpStream,
    encrypter: Box<dyn MessageEncrypter>,
    version: ProtocolVersion,
    sequence: u64,
}

impl Forger {
    fn connect(server: &TlsServer, version: &'static SupportedProtocolVersion) -> Forger {
        let mut config = Arc::unwrap_or_clone(config(&[version], None));
        config.enable_secret_extraction = true;
        let client = TlsClient::connect(server.tls, "localhost", &Arc::new(config), b"").unwrap();
        let suite = client.stream.conn.negotiated_cipher_suite().unwrap();
        let (session, socket) = client.stream.into_parts();
        let secrets = session.dangerous_extract_secrets().unwrap();
        let (sequence, ConnectionTrafficSecrets::Aes256Gcm { key, iv }) = secrets.tx else {
            panic!("the suite that is preferred is another one");
        };
        let encrypter = match suite {
            rustls::SupportedCipherSuite::Tls13(suite) => suite.aead_alg.encrypter(key, iv),
            rustls::SupportedCipherSuite::Tls12(suite) => tls12(suite, key, &iv),
        };
        Forger { socket, encrypter, version: version.version, sequence }
    }

    fn record(&mut self, typ: ContentType, payload: &[u8]) -> Vec<u8> {
        let payload = OutboundChunks::Single(payload);
        let version = ProtocolVersion::TLSv1_2;
        let plain = OutboundPlainMessage { typ, version, payload };
        let record = self.encrypter.encrypt(plain, self.sequence).unwrap();
        self.sequence += 1;
        record.encode()
    }

    /// Sends bytes, and reads until the server ends the connection. Returns how many have come.
    fn send_and_read(mut self, bytes: &[u8]) -> usize {
        // The server may have ended it already.
        let _ = self.socket.write_all(bytes);
        let mut answer = Vec::new();
        let _ = self.socket.read_to_end(&mut answer);
        answer.len()
    }
}

fn tls12(suite: &rustls::Tls12CipherSuite, key: AeadKey, iv: &Iv) -> Box<dyn MessageEncrypter> {
    // The first four bytes are those of the key block, the others are sent with each record.
    suite.aead_alg.encrypter(key, &iv.as_ref()[..4], &iv.as_ref()[4..])
}

#[test]
fn a_handshake_message_in_pieces_after_the_handshake_ends_that_connection_alone() {
    let authority = Authority::new();
    let server = TlsServer::start(&authority.server("a", &["localhost"]).flags());
    for version in [&TLS12, &TLS13] {
        // A KeyUpdate, or the hello with which an old client begins a renegotiation.
        for begin in [&[24][..], &[1, 0, 2, 0, 3, 3]] {
            let mut forger = Forger::connect(&server, version);
            assert!(matches!(forger.version, ProtocolVersion::TLSv1_2 | ProtocolVersion::TLSv1_3));
            let mut bytes =
                forger.record(ContentType::ApplicationData, &request("GET", "/-/healthz", "", ""));
            bytes.extend(forger.record(ContentType::Handshake, begin));
            bytes.extend(
                forger.record(ContentType::ApplicationData, &request("GET", "/-/readyz", "", "")),
            );
            forger.send_and_read(&bytes);
        }
        // Alone, so that the server has nothing to say but for its alert.
        let mut forger = Forger::connect(&server, version);
        let bytes = forger.record(ContentType::Handshake, &[24]);
        forger.send_and_read(&bytes);
    }
    let mut scraper = Scraper::connect(server.program.address);
    let metrics = scraper.until("the end of all others", |page| page.sum(CONNECTIONS) == 1);
    // What comes together with the end of the handshake may make it fail.
    assert_eq!(metrics.sum("fanfare_tls_handshakes_total"), 6);
}

#[test]
fn a_record_that_was_changed_on_its_way_ends_that_connection_alone() {
    let authority = Authority::new();
    let server = TlsServer::start(&authority.server("a", &["localhost"]).flags());
    for version in [&TLS12, &TLS13] {
        let mut forger = Forger::connect(&server, version);
        let mut bytes =
            forger.record(ContentType::ApplicationData, &request("GET", "/news", "", ""));
        *bytes.last_mut().unwrap() ^= 1;
        forger.send_and_read(&bytes);
        let forger = Forger::connect(&server, version);
        // Longer than a record may be (RFC 8446 section 5.2).
        forger.send_and_read(&[23, 3, 3, 0xff, 0xff, 0]);
    }
    let mut scraper = Scraper::connect(server.program.address);
    scraper.until("the end of all others", |page| page.sum(CONNECTIONS) == 1);
}
