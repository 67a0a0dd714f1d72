//! The common part of the subcommands that serve: the first log line, and the end.

use std::io;
use std::net::SocketAddr;

use fanfare::{BindError, Handler, Server, TlsCertificate, TlsOptions};
use tracing::info;

use super::signals::{OnReload, Signals};
use super::systemd;

/// Serves until a signal ends the process.
pub(crate) fn serve<H: Handler>(
    server: Server<H>,
    signals: Signals,
    reload: Option<OnReload>,
    what: &str,
) -> Result<(), String> {
    signals.heed(server.stopper(), reload)?;
    let addresses = server.listening();
    let reactors = match server.reactors() {
        1 => " with one reactor,".to_owned(),
        several => format!(" with {several} reactors,"),
    };
    let version = env!("CARGO_PKG_VERSION");
    let text = format!("fanfare {version}{reactors} listening on {}; {what}", addresses.join(", "));
    info!("{text}");
    systemd::tell_ready(&format!("listening on {}", addresses.join(", ")));
    systemd::keep_watchdog(server.health())?;
    server.run().map_err(|error| format!("the server had to end: {error}"))?;
    info!("ended");
    Ok(())
}

/// Returns what people can try with a server. `key`: the flag of curl for what a POST must bear;
/// `tls`: what its certificates are for.
pub(crate) fn example<H: Handler>(server: &Server<H>, key: &str, tls: Option<&TlsNames>) -> String {
    let (url, flag) = match (shown_with(server, "http://"), shown_with(server, "https://"), tls) {
        (Some(address), _, _) => (example_url(address), ""),
        (None, Some(address), Some(names)) => (names.url(address), names.flag_of_curl()),
        _ => {
            let mut paths =
                server.listening().iter().filter_map(|shown| shown.strip_prefix("unix:"));
            return match paths.next() {
                Some(path) => format!("try: curl --unix-socket {path} http://localhost/news"),
                None => "for proxies alone".to_owned(),
            };
        }
    };
    format!("open {url}/news in a browser, or try: curl {flag}{key}-d hello {url}/news")
}

/// Returns the first address at which the server listens with this scheme.
fn shown_with<H: Handler>(server: &Server<H>, scheme: &str) -> Option<SocketAddr> {
    server.listening().iter().find_map(|shown| shown.strip_prefix(scheme)?.parse().ok())
}

/// What the certificates of a server are for, for the first log lines.
pub(crate) enum TlsNames {
    /// Clients must be told to take it.
    SelfSigned { fingerprint: String },
    /// A name of the first one under which the server answers, if there is any.
    Named(Option<String>),
}

impl TlsNames {
    /// `hosts`: the names under which the server answers.
    pub(crate) fn of(options: &TlsOptions, is_self_signed: bool, hosts: &[String]) -> TlsNames {
        let first = options.certificates.first();
        if is_self_signed {
            let fingerprint = first.map(TlsCertificate::fingerprint).unwrap_or_default();
            return TlsNames::SelfSigned { fingerprint };
        }
        let mut names = first.into_iter().flat_map(TlsCertificate::names);
        let answers = |name: &&String| *name == "localhost" || hosts.contains(name);
        TlsNames::Named(names.find(answers).cloned())
    }

    /// Returns what users of a certificate must know that is trusted by nobody.
    pub(crate) fn announcement<H: Handler>(&self, server: &Server<H>) -> Option<String> {
        let TlsNames::SelfSigned { fingerprint } = self else { return None };
        let url = shown_with(server, "https://").map(|address| self.url(address));
        let wss = url.map(|url| url.replacen("https:", "wss:", 1));
        let url = wss.as_deref().unwrap_or("wss://HOST");
        Some(format!(
            "the certificate is self-signed, and made anew at each start; its SHA-256 fingerprint \
             is {fingerprint}; clients must be told to take it: fanfare sub -k {url}/news"
        ))
    }

    fn url(&self, address: SocketAddr) -> String {
        match self {
            TlsNames::Named(Some(name)) if address.port() == 443 => format!("https://{name}"),
            TlsNames::Named(Some(name)) => format!("https://{name}:{}", address.port()),
            TlsNames::Named(None) | TlsNames::SelfSigned { .. } => {
                example_url(address).replacen("http:", "https:", 1)
            }
        }
    }

    /// Returns the flag of curl with which it takes the certificate.
    fn flag_of_curl(&self) -> &'static str {
        match self {
            // By its address the certificate cannot be checked.
            TlsNames::SelfSigned { .. } | TlsNames::Named(None) => "-k ",
            TlsNames::Named(Some(_)) => "",
        }
    }
}

/// Returns a URL for people to try; it names localhost if the server listens on all addresses.
pub(crate) fn example_url(address: SocketAddr) -> String {
    if address.ip().is_unspecified() {
        format!("http://localhost:{}", address.port())
    } else {
        format!("http://{address}")
    }
}

/// Returns a text that says why the server could not start, and what to do.
pub(crate) fn explain(error: &BindError) -> String {
    let hint = match error {
        BindError::Listen { address, source } => match source.kind() {
            io::ErrorKind::AddrInUse if address.contains("unix:") => {
                "; another program listens there, or the file is not a socket"
            }
            io::ErrorKind::NotFound if address.contains("unix:") => "; make its folder first",
            io::ErrorKind::PermissionDenied if address.contains("unix:") => {
                "; the server must be allowed to write to its folder"
            }
            io::ErrorKind::AddrInUse => {
                "; another program listens there: end it, or choose another port with --listen"
            }
            io::ErrorKind::PermissionDenied => {
                "; ports below 1024 take rights: choose a higher one with --listen"
            }
            io::ErrorKind::AddrNotAvailable => "; this machine does not have that address",
            _ => "",
        },
        BindError::Twice { .. } => "; give each address once, in --listen or in --admin-listen",
        BindError::NoAddress => ": give one with --listen, as in --listen 127.0.0.1:8080",
        BindError::NoCertificate { .. } => {
            ": give --tls-cert and --tls-key or, for a first try, --tls-self-signed"
        }
        BindError::Limits(_) | BindError::System(_) => "",
    };
    format!("{error}{hint}")
}
