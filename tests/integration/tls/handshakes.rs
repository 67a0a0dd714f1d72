//! What a server agrees on with a client: certificate, version, suite, protocol; and sessions that
//! are resumed.

use std::process::{Command, Stdio};
use std::sync::Arc;

use rustls::HandshakeKind;
use rustls::version::{TLS12, TLS13};

use super::authority::{Authority, Files};
use super::tls_client::{TlsClient, certificate_of, config};
use super::{TlsServer, run};
use crate::support::{Peer, Scraper, ask_once, request};

const BOTH: [&rustls::SupportedProtocolVersion; 2] = [&TLS12, &TLS13];

#[test]
fn a_client_is_shown_the_certificate_of_the_name_it_asks_for_or_else_the_first() {
    let authority = Authority::new();
    let first = authority.server("first", &["first.example"]);
    let wild = authority.server("wild", &["*.wild.example"]);
    let own = authority.server("own", &["own.wild.example"]);
    let flags = [first.flags(), wild.flags(), own.flags()].concat();
    let server = TlsServer::start(&flags);
    for version in BOTH {
        let config = config(&[version], None);
        for (name, expected) in [
            ("first.example", &first),
            ("FIRST.example", &first),
            ("a.wild.example", &wild),
            ("own.wild.example", &own),
            ("a.b.wild.example", &first),
            ("unknown.example", &first),
            // Then the client asks for no name.
            ("127.0.0.1", &first),
        ] {
            let client = TlsClient::connect(server.tls, name, &config, b"").unwrap();
            assert_eq!(client.certificate(), certificate_of(expected), "{name} {version:?}");
        }
    }
}

/// Runs `openssl s_client` with these arguments, and sends it this text. Returns what it prints.
fn s_client(server: &TlsServer, arguments: &[&str], text: &str) -> (Option<i32>, String) {
    let mut command = Command::new("openssl");
    command.args(["s_client", "-connect", &server.tls.to_string()]).args(arguments);
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    {
        use std::io::Write as _;
        // Dropped here, so that it ends.
        child.stdin.take().unwrap().write_all(text.as_bytes()).unwrap();
    }
    let output = child.wait_with_output().unwrap();
    let printed = [output.stdout, output.stderr].concat();
    (output.status.code(), String::from_utf8_lossy(&printed).into_owned())
}

/// Returns the suites that a server takes, of all that OpenSSL knows.
fn suites(server: &TlsServer, version: &str) -> Vec<String> {
    let known =
        run(Command::new("openssl").args(["ciphers", "ALL:eNULL:!PSK:!SRP:!aNULL:@SECLEVEL=0"])).1;
    let (all, flag): (Vec<&str>, _) = match version {
        "-tls1_3" => (
            vec![
                "TLS_AES_256_GCM_SHA384",
                "TLS_AES_128_GCM_SHA256",
                "TLS_CHACHA20_POLY1305_SHA256",
                "TLS_AES_128_CCM_SHA256",
                "TLS_AES_128_CCM_8_SHA256",
            ],
            "-ciphersuites",
        ),
        _ => {
            (known.trim().split(':').filter(|name| !name.starts_with("TLS_")).collect(), "-cipher")
        }
    };
    let is_taken = |suite: &&str| {
        let cipher = match flag {
            "-cipher" => format!("{suite}:@SECLEVEL=0"),
            _ => (*suite).to_owned(),
        };
        s_client(server, &[version, flag, &cipher], "").1.contains(&format!("Cipher is {suite}"))
    };
    let mut taken: Vec<_> = all.into_iter().filter(is_taken).map(str::to_owned).collect();
    taken.sort_unstable();
    taken
}

#[test]
fn only_versions_1_2_and_1_3_are_spoken_and_only_suites_that_authenticate_what_they_encrypt() {
    let authority = Authority::new();
    let (ecdsa, rsa) =
        (authority.server("a", &["a.example"]), authority.rsa_server("b", &["a.example"]));
    let flags = [ecdsa.flags(), rsa.flags()].concat();
    let server = TlsServer::start(&flags);
    for version in ["-tls1", "-tls1_1"] {
        let old = [version, "-cipher", "ALL:@SECLEVEL=0"];
        let (code, said) = s_client(&server, &old, "");
        assert!(code == Some(1) && said.contains("SSL alert number"), "{version}: {said}");
        assert!(said.contains("Cipher is (NONE)"), "{version}: {said}");
    }
    assert_eq!(
        suites(&server, "-tls1_2"),
        [
            "ECDHE-ECDSA-AES128-GCM-SHA256",
            "ECDHE-ECDSA-AES256-GCM-SHA384",
            "ECDHE-ECDSA-CHACHA20-POLY1305",
            "ECDHE-RSA-AES128-GCM-SHA256",
            "ECDHE-RSA-AES256-GCM-SHA384",
            "ECDHE-RSA-CHACHA20-POLY1305",
        ]
    );
    assert_eq!(
        suites(&server, "-tls1_3"),
        ["TLS_AES_128_GCM_SHA256", "TLS_AES_256_GCM_SHA384", "TLS_CHACHA20_POLY1305_SHA256"]
    );
    let metrics = Scraper::connect(server.program.address).scrape();
    let count =
        |end: &str| metrics.value(&format!("fanfare_tls_handshakes_total{{result=\"{end}\"}}"));
    assert_eq!(count("full"), 9, "{metrics:?}");
    // OpenSSL itself gives up some, by an alert in place of its hello.
    let others = count("incompatible") + count("not_tls");
    assert_eq!(count("full") + others, metrics.sum("fanfare_tls_handshakes_total"));
    assert!(count("incompatible") > 20, "{metrics:?}");
}

#[test]
fn a_session_is_resumed_whichever_reactor_takes_the_next_connection() {
    let authority = Authority::new();
    let files = authority.server("a", &["a.example"]);
    for version in BOTH {
        let server = TlsServer::start(&[&files.flags()[..], &["--reactors", "4"]].concat());
        let config = config(&[version], None);
        for number in 0..20 {
            let mut client = TlsClient::connect(server.tls, "a.example", &config, b"").unwrap();
            let expected = match number {
                0 => HandshakeKind::Full,
                _ => HandshakeKind::Resumed,
            };
            // With TLS 1.3 the ticket for the next connection comes with the answer.
            assert_eq!(client.get("/-/healthz", "").unwrap().0, 200);
            assert_eq!(client.stream.conn.handshake_kind(), Some(expected), "{number} {version:?}");
        }
        let metrics = Scraper::connect(server.program.address).scrape();
        assert_eq!(metrics.value("fanfare_tls_handshakes_total{result=\"full\"}"), 1);
        assert_eq!(metrics.value("fanfare_tls_handshakes_total{result=\"resumed\"}"), 19);
    }
}

#[test]
fn http_1_1_is_agreed_on_and_a_client_that_speaks_only_something_else_is_told_so() {
    let authority = Authority::new();
    let server = TlsServer::start(&authority.server("a", &["a.example"]).flags());
    for (offered, agreed) in [
        (&[&b"http/1.1"[..]][..], Some(&b"http/1.1"[..])),
        (&[b"h2", b"http/1.1"], Some(b"http/1.1")),
        (&[], None),
    ] {
        let mut config = Arc::unwrap_or_clone(config(&BOTH, None));
        config.alpn_protocols = offered.iter().map(|name| name.to_vec()).collect();
        let client = TlsClient::connect(server.tls, "a.example", &Arc::new(config), b"").unwrap();
        assert_eq!(client.stream.conn.alpn_protocol(), agreed);
    }
    for version in ["-tls1_2", "-tls1_3"] {
        let (code, said) = s_client(&server, &[version, "-alpn", "h2"], "");
        assert!(code == Some(1) && said.contains("no application protocol"), "{said}");
    }
}

#[test]
fn a_client_must_have_a_certificate_of_the_authority_that_is_asked_for() {
    let (ours, another) = (Authority::new(), Authority::new());
    let ca = ours.certificate();
    let files = ours.server("a", &["localhost"]);
    let server = TlsServer::start(
        &[&files.flags()[..], &["--tls-client-ca", ca.to_str().unwrap()]].concat(),
    );
    let ask = |own: Option<&Files>, version| {
        let client = TlsClient::connect(server.tls, "localhost", &config(&[version], own), b"");
        client.and_then(|mut client| client.get("/-/healthz", "")).map(|(status, _)| status)
    };
    for version in BOTH {
        assert_eq!(ask(Some(&ours.client("client")), version).unwrap(), 200);
        let error = ask(None, version).unwrap_err().to_string();
        assert!(error.contains("CertificateRequired"), "{version:?}: {error}");
        assert!(ask(Some(&another.client("foreign")), version).is_err(), "{version:?}");
    }
    let client = ours.client("curl");
    let url = format!("https://localhost:{}/-/healthz", server.tls.port());
    let (code, said) = run(Command::new("curl")
        .args(["-s", "--cacert", ca.to_str().unwrap(), &url, "--cert"])
        .arg(&client.certificate)
        .arg("--key")
        .arg(&client.key));
    assert_eq!((code, &*said), (Some(0), "ok\n"));
    let metrics = Scraper::connect(server.program.address).scrape();
    assert_eq!(metrics.value("fanfare_tls_handshakes_total{result=\"client_certificate\"}"), 4);
    assert_eq!(metrics.value("fanfare_tls_handshakes_total{result=\"full\"}"), 3);
}

#[test]
fn an_ocsp_response_beside_the_certificate_is_stapled() {
    let authority = Authority::new();
    let files = authority.server("a", &["a.example"]);
    let without = TlsServer::start(&files.flags());
    assert!(s_client(&without, &["-status"], "").1.contains("no response sent"));
    authority.make_ocsp_response(&files);
    let server = TlsServer::start(&files.flags());
    for version in ["-tls1_2", "-tls1_3"] {
        let (_, said) = s_client(&server, &[version, "-status"], "");
        assert!(said.contains("OCSP Response Status: successful"), "{said}");
        assert!(said.contains("Cert Status: good"), "{said}");
        let (_, said) = s_client(&server, &[version], "");
        assert!(!said.contains("OCSP Response Data"), "not asked for: {said}");
    }
}

#[test]
fn whoever_speaks_the_wrong_protocol_gets_a_clear_end() {
    let authority = Authority::new();
    let server = TlsServer::start(&authority.server("a", &["localhost"]).flags());
    let answer = ask_once(server.tls, "GET /news", &[], "");
    assert!(answer.status == 400 && answer.body.contains("https://"), "{answer:?}");
    let mut peer = Peer::connect(server.tls);
    peer.send(b"\x00\x01\x02\x03 something else");
    let mut rest = Vec::new();
    std::io::Read::read_to_end(&mut peer.stream, &mut rest).unwrap();
    let config = config(&BOTH, None);
    let error = TlsClient::connect(server.program.address, "localhost", &config, b"").err();
    assert!(error.is_some(), "TLS where plain HTTP is spoken");
    assert_eq!(ask_once(server.program.address, "GET /-/healthz", &[], "").status, 200);
    let metrics = Scraper::connect(server.program.address).scrape();
    assert_eq!(metrics.value("fanfare_tls_handshakes_total{result=\"not_tls\"}"), 2);
    assert_eq!(metrics.value("fanfare_rejects_total{reason=\"tls_handshake\"}"), 2);
}

#[test]
fn a_renegotiation_is_refused() {
    let authority = Authority::new();
    let server = TlsServer::start(&authority.server("a", &["localhost"]).flags());
    // The line `R` has OpenSSL ask for one.
    let request = String::from_utf8(request("GET", "/-/healthz", "", "")).unwrap();
    let (_, said) = s_client(&server, &["-tls1_2"], &format!("R\n{request}"));
    assert!(said.contains("RENEGOTIATING"), "it was asked for: {said}");
    assert!(!said.contains("200 OK"), "{said}");
    assert!(s_client(&server, &["-tls1_2"], "").1.contains("Compression: NONE"));
}

#[test]
fn a_page_of_the_same_host_without_tls_is_foreign() {
    let authority = Authority::new();
    let server = TlsServer::start(&authority.server("a", &["localhost"]).flags());
    let host = format!("localhost:{}", server.tls.port());
    let upgrade = "Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n\
                   Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n";
    for (scheme, status) in [("https", 101), ("http", 403)] {
        let mut client =
            TlsClient::connect(server.tls, "localhost", &config(&BOTH, None), b"").unwrap();
        let headers = format!("Host: {host}\r\nOrigin: {scheme}://{host}\r\n");
        let (found, answer) = client.get("/news", &headers).unwrap();
        let allowed = format!("Access-Control-Allow-Origin: {scheme}://{host}\r\n");
        assert_eq!(found, 200, "anybody may read, but the page is not shown it: {answer}");
        assert_eq!(answer.contains(&allowed), status == 101, "{answer}");
        let mut client =
            TlsClient::connect(server.tls, "localhost", &config(&BOTH, None), b"").unwrap();
        let (found, answer) = client.get("/news", &format!("{headers}{upgrade}")).unwrap();
        assert_eq!(found, status, "{answer}");
    }
}

#[test]
fn the_proxy_protocol_comes_in_front_of_tls() {
    let authority = Authority::new();
    let files = authority.server("a", &["localhost"]);
    let flags =
        ["--listen", "proxy+tls:127.0.0.1:0", "--trusted-proxies", "127.0.0.1", "--log-access"];
    let mut server = TlsServer::start_with(&[&files.flags()[..], &flags].concat(), "proxy+tls:");
    // PROXY, from 203.0.113.9:4660 to 127.0.0.1:443 over TCP.
    let mut header = b"\r\n\r\n\x00\r\nQUIT\n\x21\x11\x00\x0c".to_vec();
    header.extend([203, 0, 113, 9, 127, 0, 0, 1, 0x12, 0x34, 0x01, 0xbb]);
    let config = config(&BOTH, None);
    let mut client = TlsClient::connect(server.tls, "localhost", &config, &header).unwrap();
    assert_eq!(client.get("/news", "").unwrap().0, 200);
    let line = server.log.wait_for("/news");
    assert!(line.contains("203.0.113.9"), "{line}");
    assert!(TlsClient::connect(server.tls, "localhost", &config, b"").is_err(), "no header");
}
