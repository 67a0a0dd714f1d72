//! The certificates of a server: `--tls-cert`, `--tls-key`, `--tls-client-ca`, `--tls-self-signed`.

use std::path::PathBuf;
use std::time::{Duration, SystemTime};

use fanfare::{ClientAuthorities, TlsCertificate, TlsError, TlsOptions};

use super::config::Config;
use super::config_error::ConfigError;
use super::listen_flag::ListenText;
use super::self_signed;

/// What the flags say about certificates.
pub(crate) struct CertificateFlags<'f> {
    pub(crate) listen: &'f [String],
    pub(crate) certificates: &'f [PathBuf],
    pub(crate) keys: &'f [PathBuf],
    pub(crate) client_authorities: Option<&'f PathBuf>,
    pub(crate) is_self_signed: bool,
    /// The names that `--tls-self-signed` takes beside those of the addresses.
    pub(crate) names: &'f [String],
}

impl CertificateFlags<'_> {
    pub(crate) fn of(config: &Config) -> CertificateFlags<'_> {
        CertificateFlags {
            listen: &config.listen,
            certificates: &config.tls_cert,
            keys: &config.tls_key,
            client_authorities: config.tls_client_ca.as_ref(),
            is_self_signed: config.tls_self_signed,
            names: &config.allowed_hosts,
        }
    }

    /// Reads the files; `None` if there is no TLS. A certificate that was signed by itself before
    /// (`made`) is kept.
    pub(crate) fn read(
        &self,
        made: Option<&TlsCertificate>,
    ) -> Result<Option<TlsOptions>, ConfigError> {
        self.check()?;
        if !self.has_certificate() {
            return Ok(None);
        }
        let certificates = match (self.is_self_signed, made) {
            (true, Some(made)) => vec![made.clone()],
            (true, None) => vec![self.self_signed()?],
            (false, _) => {
                let pairs = self.certificates.iter().zip(self.keys);
                let read = pairs.map(|(certificate, key)| TlsCertificate::read(certificate, key));
                read.collect::<Result<_, _>>().map_err(|error| of_files(&error))?
            }
        };
        let client_authorities = self.client_authorities.map(|path| ClientAuthorities::read(path));
        let client_authorities = client_authorities
            .transpose()
            .map_err(|error| ConfigError::Rule(format!("--tls-client-ca: {error}")))?;
        Ok(Some(TlsOptions { certificates, client_authorities }))
    }

    /// Checks that the flags go together.
    fn check(&self) -> Result<(), ConfigError> {
        let wrong = |text: String| Err(ConfigError::Rule(text));
        let (certificates, keys) = (self.certificates.len(), self.keys.len());
        if certificates != keys {
            return wrong(format!(
                "--tls-cert is given {} and --tls-key {}: each certificate needs its key, in the \
                 same order",
                times(certificates),
                times(keys)
            ));
        }
        if self.is_self_signed && certificates > 0 {
            let text = "--tls-self-signed and --tls-cert are both given: choose one";
            return wrong(text.to_owned());
        }
        let listener = self.listen.iter().find(|address| ListenText::read(address).is_tls);
        match (listener, self.has_certificate()) {
            (Some(address), false) => wrong(format!(
                "--listen {address}: TLS needs a certificate: give --tls-cert FILE and --tls-key \
                 FILE or, for a first try, --tls-self-signed"
            )),
            // Whoever gives a certificate believes that what is sent is encrypted.
            (None, true) => wrong(format!(
                "{} is given, but no address speaks TLS: write --listen tls:0.0.0.0:443, for \
                 example",
                if self.is_self_signed { "--tls-self-signed" } else { "--tls-cert" }
            )),
            (None, false) if self.client_authorities.is_some() => wrong(
                "--tls-client-ca is given, but no address speaks TLS: write --listen \
                 tls:0.0.0.0:443 with --tls-cert and --tls-key, for example"
                    .to_owned(),
            ),
            _ => Ok(()),
        }
    }

    fn has_certificate(&self) -> bool {
        self.is_self_signed || !self.certificates.is_empty()
    }

    fn self_signed(&self) -> Result<TlsCertificate, ConfigError> {
        let hosts = self.listen.iter().map(|text| ListenText::read(text)).filter(|one| one.is_tls);
        let hosts = hosts.filter_map(|one| one.host()).chain(self.names.iter().map(String::as_str));
        self_signed::certificate(hosts)
            .map_err(|text| ConfigError::Rule(format!("--tls-self-signed: {text}")))
    }
}

fn times(count: usize) -> String {
    match count {
        0 => "not at all".to_owned(),
        1 => "once".to_owned(),
        count => format!("{count} times"),
    }
}

fn of_files(error: &TlsError) -> ConfigError {
    let flag = match error {
        TlsError::OtherKey { .. } => "--tls-cert and --tls-key",
        _ => "--tls-cert or --tls-key",
    };
    ConfigError::Rule(format!("{flag}: {error}"))
}

/// Returns warnings about certificates that clients will not take.
pub(crate) fn warnings(options: &TlsOptions) -> Vec<String> {
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    let mut warnings = Vec::new();
    for certificate in &options.certificates {
        let place = certificate.place();
        if certificate.not_after() < now {
            let date = date(certificate.not_after());
            warnings.push(format!(
                "the certificate in {place} has expired on {date}: clients refuse it; renew it, \
                 and send SIGHUP"
            ));
        }
        if certificate.not_before() > now {
            let date = date(certificate.not_before());
            warnings.push(format!(
                "the certificate in {place} is not valid before {date}: clients refuse it until \
                 then; is the clock right?"
            ));
        }
        if certificate.names().is_empty() {
            warnings.push(format!(
                "the certificate in {place} names no host (subjectAltName): clients that ask for a \
                 host name refuse it"
            ));
        }
    }
    warnings
}

/// Returns a moment as people read it.
fn date(since_1970: Duration) -> String {
    humantime::format_rfc3339_seconds(SystemTime::UNIX_EPOCH + since_1970).to_string()
}
