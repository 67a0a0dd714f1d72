//! The values of `--listen` and `--admin-listen`, and who can reach the server by them.

use std::net::ToSocketAddrs;
use std::os::unix::net::SocketAddr;

use super::config::Config;
use super::config_error::ConfigError;

/// The value that stands for the sockets which the service manager hands over.
pub(crate) const SYSTEMD: &str = "systemd";

/// A value of `--listen`, taken apart.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct ListenText<'t> {
    /// Each connection begins with a header of the PROXY protocol.
    pub(crate) is_for_proxies: bool,
    /// TLS is spoken, behind that header.
    pub(crate) is_tls: bool,
    /// A host and a port, `unix:` and a path, or [`SYSTEMD`].
    pub(crate) address: &'t str,
}

impl ListenText<'_> {
    pub(crate) fn read(text: &str) -> ListenText<'_> {
        let kinds = [("proxy+tls:", true, true), ("proxy:", true, false), ("tls:", false, true)];
        for (start, is_for_proxies, is_tls) in kinds {
            if let Some(address) = text.strip_prefix(start) {
                return ListenText { is_for_proxies, is_tls, address };
            }
        }
        ListenText { is_for_proxies: false, is_tls: false, address: text }
    }
}

impl<'t> ListenText<'t> {
    /// Returns the host, without brackets; `None` for a socket in the file system.
    pub(crate) fn host(&self) -> Option<&'t str> {
        if self.address.starts_with("unix:") {
            return None;
        }
        let (host, _) = self.address.rsplit_once(':')?;
        Some(host.trim_start_matches('[').trim_end_matches(']'))
    }
}

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
        let ListenText { is_for_proxies, is_tls, .. } = ListenText::read(address);
        if is_for_proxies || is_tls || address == SYSTEMD {
            let what =
                "health and metrics are served on an address, without TLS, as in 127.0.0.1:9090";
            return Err(wrong("--admin-listen", address, what));
        }
        reach("--admin-listen", address, address)?;
    }
    config.listen.iter().map(|address| reach_public(address)).collect()
}

/// Checks that there are proxies where an address is for proxies.
pub(crate) fn check_proxies(config: &Config) -> Result<(), ConfigError> {
    let is_for_proxies = |address: &&String| {
        let listen = ListenText::read(address);
        listen.is_for_proxies && !listen.address.starts_with("unix:")
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

fn reach_public(whole: &str) -> Result<Reach, ConfigError> {
    match ListenText::read(whole).address {
        SYSTEMD if whole == SYSTEMD => Ok(Reach::Everywhere),
        SYSTEMD => {
            let what = "on sockets that are handed over, no TLS and no PROXY protocol is spoken; \
                        listen on an address of your own";
            Err(wrong("--listen", whole, what))
        }
        address => reach("--listen", whole, address),
    }
}

/// Returns who can reach an address. `whole`: the value of the flag.
fn reach(flag: &str, whole: &str, address: &str) -> Result<Reach, ConfigError> {
    let wrong = |what: &str| Err(wrong(flag, whole, what));
    let start = whole.strip_suffix(address).unwrap_or_default();
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
        return wrong(&format!(
            "write {start}127.0.0.1:8080 for this machine only, or {start}0.0.0.0:8080 for everyone"
        ));
    }
    match address.to_socket_addrs() {
        Ok(mut all) => match all.all(|one| one.ip().to_canonical().is_loopback()) {
            true => Ok(Reach::Loopback),
            false => Ok(Reach::Everywhere),
        },
        Err(error) => {
            wrong(&format!("{error}; write an address and a port, as in {start}127.0.0.1:8080"))
        }
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
            ("tls:127.0.0.1:8443", Reach::Loopback),
            ("tls:0.0.0.0:443", Reach::Everywhere),
            ("proxy+tls:[::]:443", Reach::Everywhere),
            ("tls:unix:/run/fanfare.sock", Reach::File),
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
            ("proxy+tls:127.0.0.1:8080", None, "--trusted-proxies"),
            ("tls:8443", None, "write tls:127.0.0.1:8080"),
            ("tls:localhost", None, "as in tls:127.0.0.1:8080"),
            ("tls:systemd", None, "no TLS"),
            ("tls:unix:", None, "unix:/run/"),
            ("127.0.0.1:1", Some("tls:127.0.0.1:2"), "without TLS"),
            ("127.0.0.1:1", Some("proxy:127.0.0.1:2"), "--admin-listen"),
            ("127.0.0.1:1", Some("systemd"), "--admin-listen"),
        ] {
            let error = checked(listen, admin, &[]).unwrap_err();
            assert!(error.contains(text), "{listen}: {error}");
        }
        assert!(checked("proxy:unix:/run/f.sock", None, &[]).is_ok(), "its mode says who may");
    }
}
