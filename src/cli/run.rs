//! The common part of the subcommands that serve: the first log line, and the end.

use std::io;
use std::net::SocketAddr;

use fanfare::{BindError, Handler, Server};
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

/// Returns what people can try with a server. `key`: the flag of curl for what a POST must bear.
pub(crate) fn example<H: Handler>(server: &Server<H>, key: &str) -> String {
    let is_plain = |shown: &String| shown.starts_with("http://");
    if server.listening().iter().any(is_plain)
        && let Some(address) = server.local_addresses().first()
    {
        let url = example_url(*address);
        return format!("open {url}/news in a browser, or try: curl {key}-d hello {url}/news");
    }
    let mut paths = server.listening().iter().filter_map(|shown| shown.strip_prefix("unix:"));
    match paths.next() {
        Some(path) => format!("try: curl --unix-socket {path} http://localhost/news"),
        None => "for proxies alone".to_owned(),
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
        BindError::Limits(_) | BindError::System(_) => "",
    };
    format!("{error}{hint}")
}
