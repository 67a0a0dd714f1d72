//! `--tls-self-signed`: makes a certificate for a first try.

use std::net::IpAddr;
use std::time::{Duration, SystemTime};

use fanfare::TlsCertificate;
use rcgen::{CertificateParams, DnType, ExtendedKeyUsagePurpose, KeyPair};

/// How long it is valid, from a day ago, because clocks differ. A server that runs longer needs a
/// certificate that others trust.
const VALID: Duration = Duration::from_secs(90 * 24 * 3600);
const DAY: Duration = Duration::from_secs(24 * 3600);

/// Makes a key, and a certificate for these hosts and for this machine that it signs itself.
pub(crate) fn certificate<'h>(
    hosts: impl Iterator<Item = &'h str>,
) -> Result<TlsCertificate, String> {
    let failed = |error: rcgen::Error| format!("cannot make a certificate: {error}");
    let key = KeyPair::generate().map_err(failed)?;
    let mut params = CertificateParams::new(names(hosts)).map_err(failed)?;
    params.distinguished_name.push(DnType::CommonName, "fanfare --tls-self-signed");
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    params.not_before = (SystemTime::now() - DAY).into();
    params.not_after = (SystemTime::now() + VALID).into();
    let made = params.self_signed(&key).map_err(failed)?;
    let place = "--tls-self-signed";
    TlsCertificate::from_pem(place, &made.pem(), &key.serialize_pem())
        .map_err(|error| error.to_string())
}

/// Returns the names and addresses that the certificate is for, each once.
fn names<'h>(hosts: impl Iterator<Item = &'h str>) -> Vec<String> {
    let system = rustix::system::uname();
    let machine = system.nodename().to_str().unwrap_or_default();
    // An address that stands for all is none that a client connects to.
    let is_all = |host: &str| host.parse::<IpAddr>().is_ok_and(|address| address.is_unspecified());
    let mut names = Vec::new();
    let mut add = |host: &str| {
        let name = host.to_ascii_lowercase();
        if !name.is_empty() && name.is_ascii() && !is_all(host) && !names.contains(&name) {
            names.push(name);
        }
    };
    ["localhost", "127.0.0.1", "::1", machine].into_iter().for_each(&mut add);
    hosts.for_each(add);
    names
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_for_this_machine_and_for_the_hosts_that_are_named() {
        let hosts = ["0.0.0.0", "::", "LOCALHOST", "192.0.2.7", "dev.example"];
        let names = names(hosts.into_iter());
        for name in ["localhost", "127.0.0.1", "::1", "192.0.2.7", "dev.example"] {
            assert_eq!(names.iter().filter(|one| *one == name).count(), 1, "{name}: {names:?}");
        }
        assert!(!names.iter().any(|name| name == "0.0.0.0" || name == "::"), "{names:?}");
    }

    #[test]
    fn it_is_valid_now_and_has_the_names() {
        let made = certificate(["dev.example"].into_iter()).unwrap();
        let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap();
        assert!(made.not_before() < now && now < made.not_after());
        assert!(made.names().contains(&"dev.example".to_owned()));
        assert_eq!(made.fingerprint().len(), 32 * 3 - 1);
    }
}
