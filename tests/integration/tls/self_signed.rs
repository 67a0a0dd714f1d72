//! `--tls-self-signed`: one flag for a first try.

use std::process::Command;

use super::run;
use crate::support::{Program, fanfare};

#[test]
fn one_flag_is_enough_for_a_first_try_and_its_fingerprint_is_that_of_the_certificate() {
    let mut command = fanfare(&["--tls-self-signed", "--listen", "tls:localhost:0"]);
    command.args(["--allowed-hosts", "dev.example"]);
    let (server, log) = Program::run(command);
    log.read_in_background();
    let (line, first) = (&server.printed_before, &server.first_line);
    let fingerprint = line.split_once("fingerprint is ").unwrap().1.split(';').next().unwrap();
    let (_, url) = line.trim_end().split_once("fanfare sub -k wss://").unwrap();
    let authority = url.strip_suffix("/news").unwrap();
    assert!(first.contains(&format!("curl -k -d hello https://{authority}/news")), "{first}");
    let (_, shown) = run(Command::new("sh").args([
        "-c",
        &format!(
            "openssl s_client -connect {authority} </dev/null 2>/dev/null |
             openssl x509 -noout -fingerprint -sha256 -ext subjectAltName"
        ),
    ]));
    assert!(shown.contains(&format!("sha256 Fingerprint={fingerprint}")), "{shown}");
    for name in ["DNS:localhost", "IP Address:127.0.0.1", "DNS:dev.example"] {
        assert!(shown.contains(name), "{name}: {shown}");
    }
    let url = format!("https://{authority}");
    for verb in [&["healthcheck"][..], &["pub", "news", "hello"], &["top", "--once"]] {
        let (code, said) = run(&mut fanfare(&[verb, &["-k", "--url", &url]].concat()));
        assert_eq!(code, Some(0), "{verb:?}: {said}");
        let (code, said) = run(&mut fanfare(&[verb, &["--url", &url]].concat()));
        assert!(code == Some(1) && said.contains("-k takes any"), "{verb:?}: {said}");
    }
}

#[test]
fn healthcheck_and_top_find_the_server_that_speaks_tls_alone() {
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let listen = format!("tls:127.0.0.1:{port}");
    let (_server, log) = Program::run(fanfare(&["--tls-self-signed", "--listen", &listen]));
    log.read_in_background();
    for verb in [&["healthcheck"][..], &["top", "--once"]] {
        let flags = ["--tls-self-signed", "--listen", &listen];
        let (code, said) = run(&mut fanfare(&[verb, &flags].concat()));
        assert_eq!(code, Some(0), "{verb:?}: {said}");
    }
}
