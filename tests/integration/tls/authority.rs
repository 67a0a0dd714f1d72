//! An authority, and the certificates that it signs.

use std::path::PathBuf;
use std::process::Command;
use std::time::{Duration, SystemTime};

use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DnType, ExtendedKeyUsagePurpose, IsCa,
    KeyPair, KeyUsagePurpose,
};
use tempfile::TempDir;

const DAY: Duration = Duration::from_secs(24 * 3600);

/// An authority, with a folder in which its files lie.
pub(super) struct Authority {
    folder: TempDir,
    issuer: CertifiedIssuer<'static, KeyPair>,
}

/// The files of a certificate.
#[derive(Clone, Debug)]
pub(super) struct Files {
    pub(super) certificate: PathBuf,
    pub(super) key: PathBuf,
}

/// From when until when a certificate is valid.
#[derive(Clone, Copy)]
pub(super) enum Validity {
    Now,
    Expired,
    Later,
}

impl Authority {
    pub(super) fn new() -> Authority {
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        params.distinguished_name.push(DnType::CommonName, "the authority of a test");
        let key = KeyPair::generate().unwrap();
        let issuer = CertifiedIssuer::self_signed(params, key).unwrap();
        let authority = Authority { folder: TempDir::new().unwrap(), issuer };
        std::fs::write(authority.path("ca.pem"), authority.issuer.pem()).unwrap();
        authority
    }

    /// Returns the path of a file in the folder.
    pub(super) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Returns the file with the certificate of the authority.
    pub(super) fn certificate(&self) -> PathBuf {
        self.path("ca.pem")
    }

    /// Makes a certificate of a server for these names, and writes its files.
    pub(super) fn server(&self, file: &str, names: &[&str]) -> Files {
        self.server_with(file, names, Validity::Now, &rcgen::PKCS_ECDSA_P256_SHA256)
    }

    pub(super) fn server_with(
        &self,
        file: &str,
        names: &[&str],
        validity: Validity,
        algorithm: &'static rcgen::SignatureAlgorithm,
    ) -> Files {
        let key = KeyPair::generate_for(algorithm).unwrap();
        let params = params(names, ExtendedKeyUsagePurpose::ServerAuth, validity);
        let signed = params.signed_by(&key, &self.issuer).unwrap();
        self.write(file, &signed.pem(), &key.serialize_pem())
    }

    /// Makes a certificate with an RSA key, which OpenSSL makes.
    pub(super) fn rsa_server(&self, file: &str, names: &[&str]) -> Files {
        let made = Command::new("openssl").args(["genrsa", "2048"]).output().unwrap();
        let pem = String::from_utf8(made.stdout).unwrap();
        let key = KeyPair::from_pem_and_sign_algo(&pem, &rcgen::PKCS_RSA_SHA256).unwrap();
        let params = params(names, ExtendedKeyUsagePurpose::ServerAuth, Validity::Now);
        let signed = params.signed_by(&key, &self.issuer).unwrap();
        self.write(file, &signed.pem(), &pem)
    }

    /// Makes a certificate of a client.
    pub(super) fn client(&self, file: &str) -> Files {
        let key = KeyPair::generate().unwrap();
        let params =
            params(&["client.example"], ExtendedKeyUsagePurpose::ClientAuth, Validity::Now);
        let signed = params.signed_by(&key, &self.issuer).unwrap();
        self.write(file, &signed.pem(), &key.serialize_pem())
    }

    /// Writes a good OCSP response beside a certificate.
    pub(super) fn make_ocsp_response(&self, files: &Files) {
        let text = |path: &PathBuf| path.to_str().unwrap().to_owned();
        let serial = Command::new("openssl")
            .args(["x509", "-noout", "-serial", "-in", &text(&files.certificate)])
            .output()
            .unwrap();
        let serial = String::from_utf8(serial.stdout).unwrap();
        let serial = serial.trim().trim_start_matches("serial=");
        let (index, key) = (self.path("index.txt"), self.path("ca.key"));
        std::fs::write(&index, format!("V\t301231235959Z\t\t{serial}\tunknown\t/CN=a\n")).unwrap();
        std::fs::write(&key, self.issuer.key().serialize_pem()).unwrap();
        let (ca, response) =
            (text(&self.certificate()), format!("{}.ocsp", text(&files.certificate)));
        let made = Command::new("openssl")
            .args(["ocsp", "-index", &text(&index), "-CA", &ca, "-rsigner", &ca])
            .args(["-rkey", &text(&key), "-issuer", &ca, "-cert", &text(&files.certificate)])
            .args(["-ndays", "1", "-respout", &response])
            .output()
            .unwrap();
        assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    }

    fn write(&self, file: &str, certificate: &str, key: &str) -> Files {
        let files = Files {
            certificate: self.path(&format!("{file}.pem")),
            key: self.path(&format!("{file}.key")),
        };
        // The chain is complete: servers send it up to the authority.
        std::fs::write(&files.certificate, format!("{certificate}{}", self.issuer.pem())).unwrap();
        std::fs::write(&files.key, key).unwrap();
        files
    }
}

impl Files {
    /// Returns the flags that give these files to a server.
    pub(super) fn flags(&self) -> [&str; 4] {
        let (certificate, key) = (self.certificate.to_str(), self.key.to_str());
        ["--tls-cert", certificate.unwrap(), "--tls-key", key.unwrap()]
    }
}

fn params(names: &[&str], usage: ExtendedKeyUsagePurpose, validity: Validity) -> CertificateParams {
    let names: Vec<_> = names.iter().map(|name| (*name).to_owned()).collect();
    let mut params = CertificateParams::new(names).unwrap();
    params.extended_key_usages = vec![usage];
    params.use_authority_key_identifier_extension = true;
    let now = SystemTime::now();
    let (from, until) = match validity {
        Validity::Now => (now - DAY, now + 30 * DAY),
        Validity::Expired => (now - 30 * DAY, now - DAY),
        Validity::Later => (now + DAY, now + 30 * DAY),
    };
    params.not_before = from.into();
    params.not_after = until.into();
    params
}
