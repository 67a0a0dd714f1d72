//! The values of `--listen` and `--admin-listen`, and who can reach the server by them.

use std::net::ToSocketAddrs;
use std::os::unix::net::SocketAddr;

use super::config::Config;
use super::config_error::ConfigError;

/// The value that stands for the sockets which the service manager hands over.
pub(crate) const SYSTEMD: &str = "systemd";

/// Who can reach a server by an address.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Reach {
    /// This machine, over TCP.
    Loopback,
    /// Whoever may open a socket in the file system; mostly a proxy on this machine.
    File,
    /// Other machines, or whoever the service manager lets in.
    Everywhere,
}

/// Checks the addresses of a configuration. Returns who can reach those for channels.
pub(crate) fn check(config: &Config) -> Result<Vec<Reach>, ConfigError> {
    if let Some(address) = &config.admin_listen {
        if address.starts_with("proxy:") || address == SYSTEMD {
            let what = "health and metrics are served on an address, as in 127.0.0.1:9090";
            return Err(wrong("--admin-listen", address, what));
        }
        reach("--admin-listen", address, address)?;
    }
    config.listen.iter().map(|address| reach_public(address)).collect()
}

/// Checks that there are proxies where an address is for proxies.
pub(crate) fn check_proxies(config: &Config) -> Result<(), ConfigError> {
    let is_for_proxies = |address: &&String| {
        address.strip_prefix("proxy:").is_some_and(|rest| !rest.starts_with("unix:"))
    };
    match config.listen.iter().find(is_for_proxies) {
        Some(address) if config.trusted_proxies.is_empty() => {
            let what =
                "the PROXY protocol is taken from --trusted-proxies alone, and there are none";
            Err(wrong("--listen", address, what))
        }
        _ => Ok(()),
    }
}

fn reach_public(address: &str) -> Result<Reach, ConfigError> {
    match address {
        SYSTEMD => Ok(Reach::Everywhere),
        _ => reach("--listen", address, address.strip_prefix("proxy:").unwrap_or(address)),
    }
}

/// Returns who can reach an address. `whole`: the value of the flag.
fn reach(flag: &str, whole: &str, address: &str) -> Result<Reach, ConfigError> {
    let wrong = |what: &str| Err(wrong(flag, whole, what));
    if address.starts_with("tls:") || address.starts_with("proxy+tls:") {
        return wrong("this version speaks no TLS: write 127.0.0.1:8080");
    }
    if let Some(path) = address.strip_prefix("unix:") {
        return match path {
            "" => wrong("write a path behind it, as in unix:/run/fanfare/fanfare.sock"),
            _ if SocketAddr::from_pathname(path).is_err() => {
                wrong("the system takes no socket of this path; about a hundred bytes are possible")
            }
            _ => Ok(Reach::File),
        };
    }
    if address.starts_with(':') || address.bytes().all(|byte| byte.is_ascii_digit()) {
        return wrong("write 127.0.0.1:8080 for this machine only, or 0.0.0.0:8080 for everyone");
    }
    match address.to_socket_addrs() {
        Ok(mut all) => match all.all(|one| one.ip().to_canonical().is_loopback()) {
            true => Ok(Reach::Loopback),
            false => Ok(Reach::Everywhere),
        },
        Err(error) => wrong(&format!("{error}; write an address and a port, as in 127.0.0.1:8080")),
    }
}

fn wrong(flag: &str, address: &str, what: &str) -> ConfigError {
    ConfigError::Rule(format!("{flag} {address}: {what}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn checked(listen: &str, admin: Option<&str>, proxies: &[&str]) -> Result<Vec<Reach>, String> {
        let config = Config {
            listen: vec![listen.to_owned()],
            admin_listen: admin.map(str::to_owned),
            trusted_proxies: proxies.iter().map(|one| one.parse().unwrap()).collect(),
            ..Config::default()
        };
        let reaches = check(&config).and_then(|all| check_proxies(&config).map(|()| all));
        reaches.map_err(|error| error.to_string())
    }

    #[test]
    fn it_is_known_who_can_reach_an_address() {
        let proxies = &["10.0.0.0/8"];
        for (listen, reach) in [
            ("127.0.0.1:8080", Reach::Loopback),
            ("[::1]:8080", Reach::Loopback),
            ("[::ffff:127.0.0.1]:8080", Reach::Loopback),
            ("0.0.0.0:8080", Reach::Everywhere),
            ("proxy:127.0.0.1:8080", Reach::Loopback),
            ("proxy:0.0.0.0:8080", Reach::Everywhere),
            ("unix:/run/fanfare.sock", Reach::File),
            ("proxy:unix:/run/fanfare.sock", Reach::File),
            ("systemd", Reach::Everywhere),
        ] {
            assert_eq!(checked(listen, None, proxies), Ok(vec![reach]), "{listen}");
        }
    }

    #[test]
    fn an_address_that_cannot_be_is_explained() {
        for (listen, admin, text) in [
            ("proxy:127.0.0.1:8080", None, "--trusted-proxies"),
            ("proxy:8080", None, "127.0.0.1:8080"),
            ("unix:", None, "unix:/run/"),
            (&format!("unix:/run/{}.sock", "f".repeat(120)), None, "hundred bytes"),
            ("proxy+tls:127.0.0.1:8080", None, "no TLS"),
            ("127.0.0.1:1", Some("proxy:127.0.0.1:2"), "--admin-listen"),
            ("127.0.0.1:1", Some("systemd"), "--admin-listen"),
        ] {
            let error = checked(listen, admin, &[]).unwrap_err();
            assert!(error.contains(text), "{listen}: {error}");
        }
        assert!(checked("proxy:unix:/run/f.sock", None, &[]).is_ok(), "its mode says who may");
    }
}
