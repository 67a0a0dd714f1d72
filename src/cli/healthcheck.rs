//! `fanfare healthcheck`: asks a server whether it is healthy, for containers.

use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};

use super::client::Client;
use super::config::Config;
use super::listen_flag::SYSTEMD;
use super::url::Url;

/// Ask a server whether it is healthy: exit with 0 if it is, with 1 if not. The configuration is
/// read as `serve` reads it
#[derive(clap::Args)]
pub(crate) struct Healthcheck {
    /// URL of the server [default: the address on which the configuration says that it listens]
    #[arg(long, env = "FANFARE_URL")]
    url: Option<Url>,
}

impl Healthcheck {
    pub(crate) fn run(&self, config: &Config) -> Result<(), String> {
        let url = match &self.url {
            Some(url) => url.clone(),
            None => url_of(config)?,
        };
        let answer = Client::connect(&url)?.request("GET", &url.page("/-/healthz"), &[], &[])?;
        match answer.status {
            200 => Ok(()),
            status => Err(format!("{url} answers {status}: {}", answer.body.trim_end())),
        }
    }
}

/// Returns where a server with this configuration answers health probes.
pub(crate) fn url_of(config: &Config) -> Result<Url, String> {
    // Elsewhere one would have to be a trusted proxy, or the address is not in the configuration.
    let is_for_all = |address: &&String| !address.starts_with("proxy:") && *address != SYSTEMD;
    let address = config.admin_listen.as_ref().or(config.listen.iter().find(is_for_all));
    let address = address.ok_or(
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
        Ok(_) | Err(_) => address.clone(),
    };
    reachable.parse()
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
        ] {
            assert_eq!(asked(listen, admin_listen).as_deref(), Ok(url));
        }
        assert!(asked(&["127.0.0.1:0"], None).unwrap_err().contains("--url"));
        for none in [&[][..], &["systemd"], &["proxy:127.0.0.1:1"]] {
            assert!(asked(none, None).unwrap_err().contains("--url"));
        }
    }
}
