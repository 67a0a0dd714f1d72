//! Runs over TLS, against a tungstenite server over TLS on another thread.
use std::net::{SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;

use rustls::pki_types::PrivateKeyDer;
use rustls::{ServerConfig, ServerConnection, StreamOwned};

use crate::serve::Server;

/// Starts an echo server over TLS. Returns its address, and a file with its certificate.
fn tls_echo(file: &str) -> (SocketAddr, PathBuf) {
    let made = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]).unwrap();
    let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join(file);
    std::fs::write(&path, made.cert.pem()).unwrap();
    let key = PrivateKeyDer::try_from(made.signing_key.serialize_der()).unwrap();
    let config =
        ServerConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![made.cert.der().clone()], key)
            .unwrap();
    let config = Arc::new(config);
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let config = Arc::clone(&config);
            std::thread::spawn(move || {
                let session = ServerConnection::new(config).unwrap();
                let Ok(mut socket) =
                    tungstenite::accept(StreamOwned::new(session, stream.unwrap()))
                else {
                    return;
                };
                while let Ok(message) = socket.read() {
                    if message.is_text() && socket.send(message).is_err() {
                        return;
                    }
                }
            });
        }
    });
    (address, path)
}

/// Makes a short echo run that trusts the certificates in a file. Returns the exit code and
/// everything that was printed.
fn echo(url: &str, trusted: &Path, flags: &str) -> (i32, String) {
    let output = Command::new(env!("CARGO_BIN_EXE_loadgen"))
        .args(["echo", url])
        .args("-c 2 -W 50ms -d 200ms --drain 5s".split(' '))
        .args(flags.split_whitespace())
        .env("SSL_CERT_FILE", trusted)
        .output()
        .unwrap();
    let said = [output.stdout, output.stderr].concat();
    (output.status.code().unwrap(), String::from_utf8(said).unwrap())
}

#[test]
fn an_echo_over_tls_is_checked_like_any_other() {
    let (address, certificate) = tls_echo("trusted.pem");
    for flags in ["-s 40", "-s 100KiB --inflight 8"] {
        let (code, said) =
            echo(&format!("wss://localhost:{}/", address.port()), &certificate, flags);
        assert_eq!(code, 0, "{said}");
    }
}

#[test]
fn a_certificate_is_trusted_or_the_run_says_that_it_is_not() {
    let (address, ours) = tls_echo("ours.pem");
    let (_, other) = tls_echo("another.pem");
    let url = format!("wss://localhost:{}/", address.port());
    let (code, said) = echo(&url, &other, &format!("--cacert {}", ours.display()));
    assert_eq!(code, 0, "{said}");
    for (file, what) in [("/nowhere.pem", "No such file"), ("/dev/null", "no certificate in it")] {
        let (code, said) = echo(&url, &other, &format!("--cacert {file}"));
        assert!(code == 1 && said.contains(file) && said.contains(what), "{code} {said}");
    }
    let (code, said) = echo(&url, &other, "");
    assert!(code == 1 && said.contains("certificate is not trusted"), "{code} {said}");
    let (code, said) = echo(&url, &other, "--insecure");
    assert_eq!(code, 0, "{said}");
}

#[test]
fn the_wrong_scheme_is_said_in_words_and_at_once() {
    let (address, certificate) = tls_echo("scheme.pem");
    let (code, said) = echo(&format!("ws://localhost:{}/", address.port()), &certificate, "");
    assert!(code == 1 && said.contains("use wss://"), "{code} {said}");
    let plain = Server::start("--echo");
    let url = format!("wss://localhost:{}/", plain.address.port());
    let (code, said) = echo(&url, &certificate, "");
    assert!(code == 1 && said.contains("does not speak TLS"), "{code} {said}");
}
