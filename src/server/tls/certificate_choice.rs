//! Which certificate a client is shown: one for the name that it asks for (RFC 6066 section 3).

use std::collections::HashMap;
use std::sync::Arc;

use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;

use super::certificate::TlsCertificate;

/// The certificates of a server, by name.
#[derive(Debug)]
pub(super) struct CertificateChoice {
    /// In the order in which they were given; at least one.
    all: Vec<Arc<CertifiedKey>>,
    /// Places in `all` by name. The name `*.example.com` is kept as it is written.
    by_name: HashMap<String, Vec<usize>>,
}

impl CertificateChoice {
    pub(super) fn new(certificates: &[TlsCertificate]) -> CertificateChoice {
        let mut by_name: HashMap<String, Vec<usize>> = HashMap::new();
        for (place, certificate) in certificates.iter().enumerate() {
            for name in certificate.names() {
                by_name.entry(name.clone()).or_default().push(place);
            }
        }
        let all = certificates.iter().map(|one| Arc::clone(one.certified_key())).collect();
        CertificateChoice { all, by_name }
    }

    /// Returns a certificate of this name that is usable, or else the first usable one of all; the
    /// first if none is. A name of its own goes before one with a wildcard, and of several the
    /// first that is usable.
    fn choose(
        &self,
        name: Option<&str>,
        is_usable: impl Fn(&CertifiedKey) -> bool,
    ) -> Option<&Arc<CertifiedKey>> {
        let name = name.map(str::to_ascii_lowercase);
        let wildcard = name.as_deref().and_then(|name| name.split_once('.'));
        let wildcard = wildcard.map(|(_, domain)| format!("*.{domain}"));
        let of_name = |name: Option<String>| {
            let places = name.and_then(|name| self.by_name.get(&name));
            places.into_iter().flatten().map(|place| &self.all[*place])
        };
        let by_preference = of_name(name).chain(of_name(wildcard)).chain(&self.all);
        by_preference.into_iter().find(|key| is_usable(key)).or(self.all.first())
    }
}

impl ResolvesServerCert for CertificateChoice {
    /// Usable is a certificate whose key can make a signature that the client understands. If none
    /// is, the handshake fails, and rustls tells the client why better than if there were none.
    fn resolve(&self, client: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        let is_usable =
            |key: &CertifiedKey| key.key.choose_scheme(client.signature_schemes()).is_some();
        self.choose(client.server_name(), is_usable).map(Arc::clone)
    }
}

#[cfg(test)]
mod tests {
    use rustls::SignatureAlgorithm;

    use super::*;

    fn certificate(names: &[&str]) -> TlsCertificate {
        let names: Vec<_> = names.iter().map(|name| (*name).to_owned()).collect();
        let made = rcgen::generate_simple_self_signed(names).unwrap();
        TlsCertificate::from_pem("a test", &made.cert.pem(), &made.signing_key.serialize_pem())
            .unwrap()
    }

    #[test]
    fn a_client_is_shown_the_certificate_of_the_name_that_it_asks_for() {
        let all = [
            certificate(&["first.example"]),
            certificate(&["*.wild.example", "wild.example"]),
            certificate(&["own.wild.example"]),
        ];
        let choice = CertificateChoice::new(&all);
        for (name, expected) in [
            (Some("first.example"), 0),
            (Some("FIRST.example"), 0),
            (Some("a.wild.example"), 1),
            (Some("wild.example"), 1),
            (Some("own.wild.example"), 2),
            (Some("a.b.wild.example"), 0),
            (Some("xwild.example"), 0),
            (Some("*.wild.example"), 1),
            (Some("unknown.example"), 0),
            (Some(""), 0),
            (None, 0),
        ] {
            let chosen = choice.choose(name, |_| true).unwrap();
            assert!(Arc::ptr_eq(chosen, all[expected].certified_key()), "{name:?}");
        }
    }

    #[test]
    fn of_several_certificates_of_a_name_one_is_chosen_that_the_client_can_use() {
        let ours = |key: &rcgen::KeyPair| {
            let cert = rcgen::CertificateParams::new(vec!["a.example".to_owned()]).unwrap();
            let cert = cert.self_signed(key).unwrap();
            TlsCertificate::from_pem("a test", &cert.pem(), &key.serialize_pem()).unwrap()
        };
        let ed25519 = rcgen::KeyPair::generate_for(&rcgen::PKCS_ED25519).unwrap();
        let all = [ours(&ed25519), ours(&rcgen::KeyPair::generate().unwrap())];
        let choice = CertificateChoice::new(&all);
        for (algorithm, expected) in [
            (SignatureAlgorithm::ED25519, Some(0)),
            (SignatureAlgorithm::ECDSA, Some(1)),
            (SignatureAlgorithm::RSA, Some(0)),
        ] {
            let chosen = choice.choose(Some("a.example"), |key| key.key.algorithm() == algorithm);
            let place = chosen.and_then(|one| choice.all.iter().position(|k| Arc::ptr_eq(k, one)));
            assert_eq!(place, expected, "{algorithm:?}");
        }
    }
}
