//! What a certificate says of itself: its names, and when it is valid.

use std::time::Duration;

use x509_cert::Certificate;
use x509_cert::der::Decode as _;
use x509_cert::ext::pkix::SubjectAltName;
use x509_cert::ext::pkix::name::GeneralName;

/// What is read in a certificate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct CertificateFacts {
    /// The host names that it is for, in lower case; `*.example.com` stands for one label. Those in
    /// its subject do not count, as they do not for clients.
    pub(super) names: Vec<String>,
    /// When it becomes valid, in time since 1970-01-01 UTC.
    pub(super) not_before: Duration,
    /// Until when it is valid, in time since 1970-01-01 UTC.
    pub(super) not_after: Duration,
}

impl CertificateFacts {
    /// Reads a certificate (RFC 5280). The error says what is wrong with it.
    pub(super) fn read(der: &[u8]) -> Result<CertificateFacts, String> {
        let unreadable = |error| format!("this is no certificate: {error}");
        let certificate = Certificate::from_der(der).map_err(unreadable)?.tbs_certificate;
        let names = match certificate.get::<SubjectAltName>().map_err(unreadable)? {
            Some((_, SubjectAltName(names))) => names.iter().filter_map(host_name).collect(),
            None => Vec::new(),
        };
        Ok(CertificateFacts {
            names,
            not_before: certificate.validity.not_before.to_unix_duration(),
            not_after: certificate.validity.not_after.to_unix_duration(),
        })
    }
}

/// Returns a name by which a client can ask for the certificate. It asks by no address (RFC 6066
/// section 3).
fn host_name(name: &GeneralName) -> Option<String> {
    match name {
        GeneralName::DnsName(name) => Some(name.as_str().to_ascii_lowercase()),
        _ => None,
    }
}
