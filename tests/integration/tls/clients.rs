//! The clients of the command over TLS: against a server of these tests, whose certificate they
//! trust or not.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpListener};
use std::path::Path;
use std::sync::Arc;

use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ServerConfig, ServerConnection, StreamOwned};

use super::authority::{Authority, Files, Validity};
use super::run;
use crate::support::{Program, fanfare};

/// What the server of these tests answers.
const ANSWER: &[u8] = b"HTTP/1.1 202 Accepted\r\nContent-Length: 3\r\n\r\n{}\n";

/// Serves over TLS on a thread of its own: each connection is answered once.
fn serve(files: &Files, client_authority: Option<&Authority>) -> SocketAddr {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = ServerConfig::builder_with_provider(Arc::clone(&provider))
        .with_safe_default_protocol_versions()
        .unwrap();
    let builder = match client_authority {
        None => builder.with_no_client_auth(),
        Some(authority) => {
            let mut roots = rustls::RootCertStore::empty();
            roots.add(CertificateDer::from_pem_file(authority.certificate()).unwrap()).unwrap();
            let verifier = rustls::server::WebPkiClientVerifier::builder_with_provider(
                Arc::new(roots),
                provider,
            );
            builder.with_client_cert_verifier(verifier.build().unwrap())
        }
    };
    let chain: Result<Vec<_>, _> =
        CertificateDer::pem_file_iter(&files.certificate).unwrap().collect();
    let key = PrivateKeyDer::from_pem_file(&files.key).unwrap();
    let config = Arc::new(builder.with_single_cert(chain.unwrap(), key).unwrap());
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        for socket in listener.incoming() {
            let session = ServerConnection::new(Arc::clone(&config)).unwrap();
            let mut stream = StreamOwned::new(session, socket.unwrap());
            // A client that does not trust this server ends the handshake.
            if stream.read(&mut [0; 4096]).is_ok() {
                let _ = stream.write_all(ANSWER).and_then(|()| stream.flush());
                stream.conn.send_close_notify();
                let _ = stream.flush();
            }
        }
    });
    address
}

fn publish(url: &str, flags: &[&str]) -> (Option<i32>, String) {
    run(&mut fanfare(&[&["pub", url, "hello"], flags].concat()))
}

#[test]
fn a_client_trusts_an_authority_that_is_named_and_says_so_if_it_does_not() {
    let (ours, another) = (Authority::new(), Authority::new());
    let good = serve(&ours.server("good", &["localhost", "127.0.0.1"]), None);
    let url = format!("https://localhost:{}/news", good.port());
    let trust = |authority: &Authority| authority.certificate().to_str().unwrap().to_owned();
    let ca = trust(&ours);
    for (url, flags) in [
        (&*url, &["--cacert", &*ca][..]),
        (&*url, &["-k"]),
        (&*url, &["--insecure"]),
        (&*format!("wss://127.0.0.1:{}/news", good.port()), &["--cacert", &*ca]),
    ] {
        assert_eq!(publish(url, flags), (Some(0), "{}\n".to_owned()), "{url} {flags:?}");
    }
    for (flags, texts) in [
        (&[][..], &["nobody has signed it", "--cacert", "-k"][..]),
        (&["--cacert", &*trust(&another)], &["nobody has signed it"]),
        (&["--cacert", "/nowhere/ca.pem"], &["--cacert /nowhere/ca.pem", "No such file"]),
        (&["--cacert", "/dev/null"], &["no certificate in it"]),
    ] {
        let (code, said) = publish(&url, flags);
        assert!(code == Some(1) && texts.iter().all(|text| said.contains(text)), "{said}");
    }
}

#[test]
fn what_is_wrong_with_a_certificate_is_said_in_words() {
    let authority = Authority::new();
    let ca = authority.certificate();
    let ca = ["--cacert", ca.to_str().unwrap()];
    let ecdsa = &rcgen::PKCS_ECDSA_P256_SHA256;
    for (file, names, validity, texts) in [
        ("name", &["a.example", "b.example"][..], Validity::Now, &["a.example", "localhost"][..]),
        ("expired", &["localhost"], Validity::Expired, &["has expired on 20", "renewed"]),
        ("later", &["localhost"], Validity::Later, &["not valid before 20", "clock"]),
    ] {
        let address = serve(&authority.server_with(file, names, validity, ecdsa), None);
        let url = format!("wss://localhost:{}/news", address.port());
        let (code, said) = publish(&url, &ca);
        assert!(code == Some(1) && texts.iter().all(|text| said.contains(text)), "{said}");
        assert_eq!(publish(&url, &["-k"]).0, Some(0), "{file}");
    }
    let strict = serve(&authority.server("strict", &["localhost"]), Some(&authority));
    let (code, said) = publish(&format!("wss://localhost:{}/news", strict.port()), &ca);
    assert!(code == Some(1) && said.contains("--tls-client-ca"), "{said}");
}

#[test]
fn the_wrong_scheme_is_said_in_words() {
    let authority = Authority::new();
    let tls = serve(&authority.server("a", &["localhost"]), None);
    let (code, said) = publish(&format!("http://localhost:{}/news", tls.port()), &[]);
    assert!(code == Some(1) && said.contains("write https:// or wss://"), "{said}");
    let plain = Program::start(&[]);
    for verb in [&["sub", "news"][..], &["pub", "news", "x"], &["healthcheck"], &["top", "--once"]]
    {
        let url = format!("https://localhost:{}", plain.address.port());
        let (code, said) = run(&mut fanfare(&[verb, &["-k", "--url", &url]].concat()));
        assert!(code == Some(1) && said.contains("http://"), "{verb:?}: {said}");
    }
}

#[test]
fn a_certificate_that_signs_itself_is_taken_if_its_file_is_named() {
    let authority = Authority::new();
    let made = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]).unwrap();
    let files = Files { certificate: authority.path("self.pem"), key: authority.path("self.key") };
    std::fs::write(&files.certificate, made.cert.pem()).unwrap();
    std::fs::write(&files.key, made.signing_key.serialize_pem()).unwrap();
    let address = serve(&files, None);
    let trust = |path: &Path| ["--cacert".to_owned(), path.to_str().unwrap().to_owned()];
    let flags = trust(&files.certificate);
    let flags: Vec<_> = flags.iter().map(String::as_str).collect();
    let url = format!("https://localhost:{}/news", address.port());
    assert_eq!(publish(&url, &flags), (Some(0), "{}\n".to_owned()));
}
