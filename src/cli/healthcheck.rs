//! `fanfare healthcheck`: asks a server whether it is healthy, for containers.

use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};

use super::client::Client;
use super::client_tls::ClientTls;
use super::config::Config;
use super::listen_flag::{ListenText, SYSTEMD};
use super::tls_flags::TlsFlags;
use super::url::Url;

/// Ask a server whether it is healthy: exit with 0 if it is, with 1 if not. The configuration is
/// read as `serve` reads it
#[derive(clap::Args)]
pub(crate) struct Healthcheck {
    /// URL of the server [default: the address on which the configuration says that it listens]
    #[arg(long, env = "FANFARE_URL")]
    url: Option<Url>,
    #[command(flatten)]
    tls: TlsFlags,
}

impl Healthcheck {
    pub(crate) fn run(&self, config: &Config) -> Result<(), String> {
        let (url, flags) = match &self.url {
            Some(url) => (url.clone(), &self.tls),
            None => (url_of(config)?, flags_for_this_machine(&self.tls)),
        };
        let mut client = Client::connect(&url, &ClientTls::new(&url, flags)?)?;
        let answer = client.request("GET", &url.page("/-/healthz"), &[], &[])?;
        match answer.status {
            200 => Ok(()),
            status => Err(format!("{url} answers {status}: {}", answer.body.trim_end())),
        }
    }
}

/// Returns how a server is trusted that is asked where the configuration says that it listens. Its
/// certificate is for the name by which others reach it, and hardly for an address of loopback: so
/// any is taken, unless the user has named one.
pub(crate) fn flags_for_this_machine(given: &TlsFlags) -> &TlsFlags {
    if given.cacert.is_some() { given } else { &TlsFlags::INSECURE }
}

/// Returns where a server with this configuration answers health probes: without TLS, if it does so
/// anywhere.
pub(crate) fn url_of(config: &Config) -> Result<Url, String> {
    let public = config.listen.iter().filter(|address| *address != SYSTEMD);
    let all = config.admin_listen.iter().chain(public).map(|address| ListenText::read(address));
    // Elsewhere one would have to be a trusted proxy, or the address is not in the configuration.
    let mut all: Vec<_> = all.filter(|one| !one.is_for_proxies).collect();
    all.retain(|one| !(one.is_tls && one.address.starts_with("unix:")));
    all.sort_by_key(|one| one.is_tls);
    let ListenText { address, is_tls, .. } = all.first().ok_or(
        "the configuration has no address at which this machine can ask: say with --url where the \
         server is, or set admin-listen",
    )?;
    if address.starts_with("unix:") {
        return address.parse();
    }
    if address.ends_with(":0") {
        return Err(format!(
            "the system chooses the port of {address}: say with --url where the server is"
        ));
    }
    let reachable = match address.parse::<SocketAddr>() {
        Ok(SocketAddr::V4(one)) if one.ip().is_unspecified() => {
            SocketAddr::new(Ipv4Addr::LOCALHOST.into(), one.port()).to_string()
        }
        Ok(SocketAddr::V6(one)) if one.ip().is_unspecified() => {
            SocketAddr::new(Ipv6Addr::LOCALHOST.into(), one.port()).to_string()
        }
        Ok(_) | Err(_) => (*address).to_owned(),
    };
    match is_tls {
        true => format!("https://{reachable}").parse(),
        false => reachable.parse(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(listen: &[&str], admin_listen: Option<&str>) -> Result<String, String> {
        let config = Config {
            listen: listen.iter().map(|address| (*address).to_owned()).collect(),
            admin_listen: admin_listen.map(str::to_owned),
            ..Config::default()
        };
        url_of(&config).map(|url| url.to_string())
    }

    #[test]
    fn the_server_is_asked_where_it_listens() {
        for (listen, admin_listen, url) in [
            (&["127.0.0.1:8080"][..], None, "http://127.0.0.1:8080"),
            (&["10.0.0.7:9000", "127.0.0.1:1"], None, "http://10.0.0.7:9000"),
            (&["0.0.0.0:9000"], None, "http://127.0.0.1:9000"),
            (&["[::]:9000"], None, "http://[::1]:9000"),
            (&["localhost:9000"], None, "http://localhost:9000"),
            (&["0.0.0.0:9000"], Some("0.0.0.0:9001"), "http://127.0.0.1:9001"),
            (&["unix:/run/f.sock"], None, "unix:/run/f.sock"),
            (&["proxy:10.0.0.7:1", "unix:/run/f.sock"], None, "unix:/run/f.sock"),
            (&["systemd", "127.0.0.1:2"], None, "http://127.0.0.1:2"),
            (&["systemd"], Some("unix:/run/a.sock"), "unix:/run/a.sock"),
            (&["tls:0.0.0.0:443"], None, "https://127.0.0.1:443"),
            (&["tls:0.0.0.0:443", "127.0.0.1:80"], None, "http://127.0.0.1:80"),
            (&["tls:0.0.0.0:443"], Some("127.0.0.1:9000"), "http://127.0.0.1:9000"),
        ] {
            assert_eq!(asked(listen, admin_listen).as_deref(), Ok(url));
        }
        assert!(asked(&["127.0.0.1:0"], None).unwrap_err().contains("--url"));
        for none in [&[][..], &["systemd"], &["proxy+tls:127.0.0.1:1"], &["tls:unix:/a"]] {
            assert!(asked(none, None).unwrap_err().contains("--url"));
        }
    }
}
