//! Tests of `Stream` against a TLS server with blocking sockets on another thread. Our side uses
//! edge-triggered readiness, as in a run.
use std::io::{self, Read as _, Write as _};
use std::net::{Shutdown, SocketAddr, TcpListener};
use std::sync::Arc;
use std::time::{Duration, Instant};

use mio::{Events, Interest, Poll, Token};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ClientConfig, RootCertStore, ServerConfig, ServerConnection};
use socket2::SockRef;

use super::{Stream, is_tls_record};
use crate::net::socket::connect;
use crate::net::tls::{Tls, Trust};

const PATIENCE: Duration = Duration::from_secs(10);
/// Size of socket buffers: far less than is sent, so that the kernel refuses bytes, but not less
/// than a loopback segment (64 KiB), because TCP would then wait for its timers.
const SMALL_BUFFER_BYTES: usize = 64 * 1024;

struct Identity {
    certificate: CertificateDer<'static>,
    key: PrivateKeyDer<'static>,
}

fn identity() -> Identity {
    let made = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]).unwrap();
    let key = PrivateKeyDer::try_from(made.signing_key.serialize_der()).unwrap();
    Identity { certificate: made.cert.der().clone(), key }
}

fn trusting(certificate: CertificateDer<'static>) -> Arc<ClientConfig> {
    let mut roots = RootCertStore::empty();
    roots.add(certificate).unwrap();
    Tls::with_roots(roots).unwrap()
}

fn listen(on_stream: impl FnOnce(std::net::TcpStream) + Send + 'static) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || on_stream(listener.accept().unwrap().0));
    address
}

/// Starts a TLS server that echoes until the stream ends.
fn tls_echo(
    identity: Identity,
    versions: &[&'static rustls::SupportedProtocolVersion],
) -> SocketAddr {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ServerConfig::builder_with_provider(provider)
        .with_protocol_versions(versions)
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![identity.certificate], identity.key)
        .unwrap();
    listen(move |stream| {
        SockRef::from(&stream).set_send_buffer_size(SMALL_BUFFER_BYTES).unwrap();
        SockRef::from(&stream).set_recv_buffer_size(SMALL_BUFFER_BYTES).unwrap();
        let session = ServerConnection::new(Arc::new(config)).unwrap();
        let mut tls = rustls::StreamOwned::new(session, stream);
        let mut buffer = vec![0; 20_000];
        while let Ok(taken @ 1..) = tls.read(&mut buffer) {
            if tls.write_all(&buffer[..taken]).is_err() {
                return;
            }
        }
    })
}

struct Client {
    poll: Poll,
    stream: Stream,
}

impl Client {
    fn new(address: SocketAddr, open: impl FnOnce(mio::net::TcpStream) -> Stream) -> Client {
        let poll = Poll::new().unwrap();
        let mut tcp = connect(address, None, Some(SMALL_BUFFER_BYTES)).unwrap();
        SockRef::from(&tcp).set_send_buffer_size(SMALL_BUFFER_BYTES).unwrap();
        poll.registry()
            .register(&mut tcp, Token(0), Interest::READABLE | Interest::WRITABLE)
            .unwrap();
        Client { poll, stream: open(tcp) }
    }

    fn tls(address: SocketAddr, config: &Arc<ClientConfig>) -> Client {
        let name = Tls::server_name("localhost").unwrap();
        Client::new(address, |tcp| Stream::tls(tcp, config, name).unwrap())
    }

    /// Sends all of `bytes` and reads `read_bytes` bytes, driven by readiness events alone. A lost
    /// wake-up would block it for ever.
    fn exchange(&mut self, bytes: &[u8], read_bytes: usize) -> io::Result<Vec<u8>> {
        let (mut sent, mut read) = (0, Vec::new());
        let mut buffer = vec![0; read_bytes];
        let mut events = Events::with_capacity(4);
        let began = Instant::now();
        while read.len() < bytes.len() {
            self.poll.poll(&mut events, Some(PATIENCE)).unwrap();
            assert!(!events.is_empty(), "no readiness with {} read of {sent} sent", read.len());
            assert!(
                began.elapsed() < PATIENCE,
                "timed out with {} read of {sent} sent",
                read.len()
            );
            for event in &events {
                let mut may_write = event.is_writable();
                if event.is_readable() {
                    loop {
                        let was_handshaking = self.stream.is_handshaking();
                        let taken = self.stream.read(&mut buffer);
                        may_write |= was_handshaking && !self.stream.is_handshaking();
                        match taken {
                            Ok(0) => return Ok(read),
                            Ok(taken) => read.extend_from_slice(&buffer[..taken]),
                            Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
                            Err(error) => return Err(error),
                        }
                    }
                }
                while may_write && (sent < bytes.len() || self.stream.wants_write()) {
                    let written = match bytes.get(sent..) {
                        Some(rest @ [_, ..]) => self.stream.write(rest),
                        Some([]) | None => self.stream.flush().map(|()| 0),
                    };
                    match written {
                        Ok(taken) => sent += taken,
                        Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                            may_write = false;
                        }
                        Err(error) => return Err(error),
                    }
                }
            }
        }
        Ok(read)
    }
}

fn pattern(bytes: usize) -> Vec<u8> {
    (0..bytes).map(|at| (at * 7 / 3) as u8).collect()
}

#[test]
fn a_mebibyte_goes_both_ways_through_small_buffers() {
    let sent = pattern(1 << 20);
    for version in [&rustls::version::TLS12, &rustls::version::TLS13] {
        for read_bytes in [100, 5_000, 256 * 1024] {
            let identity = identity();
            let config = trusting(identity.certificate.clone());
            let mut client = Client::tls(tls_echo(identity, &[version]), &config);
            assert!(client.stream.is_handshaking() && !client.stream.drained_by_short_read());
            assert!(
                client.exchange(&sent, read_bytes).unwrap() == sent,
                "{version:?} {read_bytes}"
            );
        }
    }
}

#[test]
fn nothing_is_taken_before_the_handshake_is_over() {
    let identity = identity();
    let config = trusting(identity.certificate.clone());
    let mut client = Client::tls(tls_echo(identity, rustls::ALL_VERSIONS), &config);
    client.poll.poll(&mut Events::with_capacity(4), Some(PATIENCE)).unwrap();
    assert_eq!(client.stream.write(&[0; 1000]).unwrap_err().kind(), io::ErrorKind::WouldBlock);
}

#[test]
fn a_certificate_that_nobody_vouches_for_is_refused_unless_that_is_asked_for() {
    let versions = rustls::ALL_VERSIONS;
    let other = trusting(identity().certificate);
    let error = Client::tls(tls_echo(identity(), versions), &other).exchange(b"x", 10).unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::InvalidData);
    assert!(error.to_string().contains("certificate is not trusted"), "{error}");
    let insecure = Tls::config(Trust::Any).unwrap();
    assert_eq!(
        Client::tls(tls_echo(identity(), versions), &insecure).exchange(b"x", 10).unwrap(),
        b"x"
    );
}

#[test]
fn a_certificate_for_another_name_is_refused() {
    let identity = identity();
    let config = trusting(identity.certificate.clone());
    let address = tls_echo(identity, rustls::ALL_VERSIONS);
    let name = Tls::server_name("elsewhere.example").unwrap();
    let mut client = Client::new(address, |tcp| Stream::tls(tcp, &config, name).unwrap());
    let error = client.exchange(b"x", 10).unwrap_err();
    assert!(error.to_string().contains("certificate is not trusted"), "{error}");
}

#[test]
fn a_server_without_tls_is_named_at_once() {
    let config = Tls::config(Trust::Any).unwrap();
    let answers = listen(|mut stream| {
        let _ = stream.read(&mut [0; 100]);
        let _ = stream.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n");
        let _ = stream.read_to_end(&mut Vec::new());
    });
    let closes = listen(drop);
    for address in [answers, closes] {
        let began = Instant::now();
        let error = Client::tls(address, &config).exchange(b"x", 10).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::InvalidData);
        assert!(error.to_string().contains("does not speak TLS"), "{error}");
        assert!(began.elapsed() < Duration::from_secs(2));
    }
}

#[test]
fn plain_text_to_a_server_with_tls_is_answered_by_a_record() {
    let address = tls_echo(identity(), rustls::ALL_VERSIONS);
    let mut client = Client::new(address, Stream::Plain);
    assert!(client.stream.drained_by_short_read() && !client.stream.is_handshaking());
    let answer = client.exchange(b"GET / HTTP/1.1\r\n\r\n", 100).unwrap();
    assert!(is_tls_record(&answer), "{answer:?}");
    assert!(!is_tls_record(b"HTTP/1.1 101 Switching Protocols\r\n") && !is_tls_record(b""));
}

#[test]
fn the_end_of_the_stream_is_the_end_with_and_without_the_alert_that_tells_it() {
    for with_alert in [true, false] {
        let identity = identity();
        let config = trusting(identity.certificate.clone());
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let server = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![identity.certificate], identity.key)
            .unwrap();
        let address = listen(move |stream| {
            let mut tls =
                rustls::StreamOwned::new(ServerConnection::new(Arc::new(server)).unwrap(), stream);
            tls.write_all(b"last words").unwrap();
            if with_alert {
                tls.conn.send_close_notify();
            }
            tls.flush().unwrap();
            // Closing a socket with unread bytes would reset the connection.
            tls.sock.shutdown(Shutdown::Write).unwrap();
            let _ = tls.sock.read_to_end(&mut Vec::new());
        });
        let read = Client::tls(address, &config).exchange(&[0; 100], 4).unwrap();
        assert_eq!(read, b"last words", "{with_alert}");
    }
}
