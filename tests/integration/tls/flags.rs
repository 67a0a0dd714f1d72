//! What is wrong with certificates and their flags is said before the server listens, with the file
//! and the way out.

use std::path::Path;
use std::process::Command;

use super::authority::{Authority, Validity};
use super::run;
use crate::support::fanfare;

/// Checks a configuration. Returns whether it is good, and what is said.
fn check(flags: &[&str]) -> (bool, String) {
    let (code, said) = run(&mut fanfare(&[&["check"], flags].concat()));
    (code == Some(0), said)
}

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

#[test]
fn a_certificate_and_a_listener_need_each_other() {
    let authority = Authority::new();
    let files = authority.server("a", &["a.example"]);
    let [.., key_flag, key] = files.flags();
    let cert = &files.flags()[..2];
    let ca = authority.certificate();
    for (flags, texts) in [
        (&["--listen", "tls:127.0.0.1:0"][..], &["--tls-cert FILE", "--tls-self-signed"][..]),
        (&["--listen", "127.0.0.1:0", "--tls-self-signed"], &["tls:0.0.0.0:443", "no address"]),
        (
            &["--listen", "127.0.0.1:0", cert[0], cert[1], key_flag, key],
            &["--tls-cert is given", "tls:"],
        ),
        (cert, &["once", "not at all", "same order"]),
        (&[key_flag, key], &["not at all", "once"]),
        (&[cert[0], cert[1], key_flag, key, "--tls-self-signed"], &["choose one"]),
        (&["--tls-client-ca", text(&ca)], &["--tls-client-ca", "no address speaks TLS"]),
        (&["--listen", "tls:8443", "--tls-self-signed"], &["tls:127.0.0.1:8080"]),
        (&["--listen", "proxy+tls:127.0.0.1:0", "--tls-self-signed"], &["--trusted-proxies"]),
        (&["--admin-listen", "tls:127.0.0.1:0", "--tls-self-signed"], &["--admin-listen"]),
    ] {
        let (is_good, said) = check(flags);
        assert!(!is_good && texts.iter().all(|text| said.contains(text)), "{flags:?}: {said}");
    }
    for flags in [
        &["--tls-self-signed"][..],
        &[cert[0], cert[1], key_flag, key],
        &["--listen", "tls:127.0.0.1:0", "--listen", "127.0.0.1:0", "--tls-self-signed"],
        &["--tls-self-signed", "--tls-client-ca", text(&ca)],
        &["--listen=proxy+tls:127.0.0.1:0", "--trusted-proxies=10.0.0.1", "--tls-self-signed"],
    ] {
        assert_eq!(check(flags), (true, "the configuration is valid\n".to_owned()), "{flags:?}");
    }
}

#[test]
fn a_file_that_cannot_be_used_is_named_with_what_is_wrong_and_what_to_do() {
    let authority = Authority::new();
    let (one, other) =
        (authority.server("a", &["a.example"]), authority.server("b", &["b.example"]));
    let write = |name: &str, text: &str| {
        let path = authority.path(name);
        std::fs::write(&path, text).unwrap();
        path
    };
    let chain = std::fs::read_to_string(&one.certificate).unwrap();
    let key = std::fs::read_to_string(&one.key).unwrap();
    let (own, ca) = chain.split_at(chain.find("-----END").unwrap() + 26);
    let reversed = write("reversed.pem", &format!("{ca}{own}"));
    let cut = write("cut.pem", &chain[..200]);
    let garbage = write("garbage.pem", &chain.replacen("MII", "M!!", 1));
    let empty = write("empty.pem", "");
    let no_der =
        write("no-der.pem", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n");
    let cut_key = write("cut.key", &key[..key.len() - 40]);
    let missing = authority.path("nowhere.pem");
    for (certificate, key, texts) in [
        (&one.certificate, &other.key, &["b.key", "a.pem", "does not belong"][..]),
        (&reversed, &one.key, &["reversed.pem", "a.key", "must be the first"]),
        (&missing, &one.key, &["nowhere.pem", "No such file"]),
        (&one.certificate, &missing, &["nowhere.pem", "No such file"]),
        (&cut, &one.key, &["cut.pem", "-----END"]),
        (&garbage, &one.key, &["garbage.pem", "Base64"]),
        (&empty, &one.key, &["empty.pem", "BEGIN CERTIFICATE"]),
        (&no_der, &one.key, &["no-der.pem", "no certificate"]),
        (&one.key, &one.key, &["a.key", "BEGIN CERTIFICATE"]),
        (&one.certificate, &one.certificate, &["a.pem", "BEGIN PRIVATE KEY"]),
        (&one.certificate, &cut_key, &["cut.key", "-----END"]),
    ] {
        let (is_good, said) = check(&["--tls-cert", text(certificate), "--tls-key", text(key)]);
        assert!(!is_good && texts.iter().all(|text| said.contains(text)), "{texts:?}: {said}");
        assert!(said.contains("--tls-cert"), "the flag is named: {said}");
        assert!(!said.contains("MII") && !said.contains("MIG"), "no part of a file: {said}");
    }
    let staple = write("a.pem.ocsp", "-----BEGIN");
    let (is_good, said) = check(&one.flags());
    assert!(!is_good && said.contains("a.pem.ocsp") && said.contains("DER"), "{said}");
    std::fs::remove_file(staple).unwrap();
    let (is_good, said) = check(&[&one.flags()[..], &["--tls-client-ca", text(&one.key)]].concat());
    assert!(!is_good && said.contains("--tls-client-ca") && said.contains("a.key"), "{said}");
}

/// Makes a file with OpenSSL, or says that there is none.
fn openssl(arguments: &[&str]) {
    let (code, said) = run(Command::new("openssl").args(arguments));
    assert_eq!(code, Some(0), "{said}");
}

#[test]
fn keys_are_taken_in_every_usual_form() {
    let authority = Authority::new();
    let ecdsa = authority.server("ecdsa", &["a.example"]);
    let rsa = authority.rsa_server("rsa", &["a.example"]);
    let other = |name: &str| authority.path(name);
    let (sec1, pkcs1, locked) = (other("sec1.key"), other("pkcs1.key"), other("locked.key"));
    openssl(&["ec", "-in", text(&ecdsa.key), "-out", text(&sec1)]);
    openssl(&["rsa", "-traditional", "-in", text(&rsa.key), "-out", text(&pkcs1)]);
    openssl(&[
        "pkey",
        "-in",
        text(&rsa.key),
        "-aes128",
        "-passout",
        "pass:x",
        "-out",
        text(&locked),
    ]);
    for (certificate, key, begins) in [
        (&ecdsa.certificate, &ecdsa.key, "BEGIN PRIVATE KEY"),
        (&ecdsa.certificate, &sec1, "BEGIN EC PRIVATE KEY"),
        (&rsa.certificate, &rsa.key, "BEGIN PRIVATE KEY"),
        (&rsa.certificate, &pkcs1, "BEGIN RSA PRIVATE KEY"),
    ] {
        assert!(std::fs::read_to_string(key).unwrap().contains(begins), "{begins}");
        let (is_good, said) = check(&["--tls-cert", text(certificate), "--tls-key", text(key)]);
        assert!(is_good, "{begins}: {said}");
    }
    let (is_good, said) =
        check(&["--tls-cert", text(&rsa.certificate), "--tls-key", text(&locked)]);
    assert!(!is_good && said.contains("passphrase") && said.contains("openssl pkey"), "{said}");
    let both = [&ecdsa.flags()[..], &rsa.flags()].concat();
    assert!(check(&both).0, "two certificates for one name");
}

#[test]
fn a_certificate_that_clients_will_refuse_is_warned_of_and_taken() {
    let authority = Authority::new();
    let ecdsa = &rcgen::PKCS_ECDSA_P256_SHA256;
    for (file, names, validity, warning) in [
        ("expired", &["a.example"][..], Validity::Expired, Some("has expired on")),
        ("later", &["a.example"], Validity::Later, Some("is not valid before")),
        ("nameless", &["127.0.0.1"], Validity::Now, Some("names no host")),
        ("good", &["a.example", "127.0.0.1"], Validity::Now, None),
    ] {
        let files = authority.server_with(file, names, validity, ecdsa);
        let (is_good, said) = check(&files.flags());
        assert!(is_good, "{said}");
        match warning {
            Some(warning) => assert!(said.contains(warning) && said.contains(file), "{said}"),
            None => assert!(!said.contains("warning"), "{said}"),
        }
    }
}
