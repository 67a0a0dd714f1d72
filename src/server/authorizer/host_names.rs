//! The addresses of the application's host. The system may take long to look up a name and cannot
//! be interrupted, so a thread of its own does it, and at most one for each name.

use std::collections::HashMap;
use std::net::{IpAddr, SocketAddr, ToSocketAddrs};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use ::http::Uri;
use ureq::config::Config;
use ureq::unversioned::resolver::{ResolvedSocketAddrs, Resolver};
use ureq::unversioned::transport::NextTimeout;
use ureq::{Error, Timeout};

/// How long what was found counts. Then it is looked up anew, and used until that has an outcome.
const FRESH: Duration = Duration::from_secs(5);
/// How long it counts that nothing was found.
const FRESH_FAILURE: Duration = Duration::from_secs(1);
/// How long what was found is still used if it cannot be looked up anew: a name server that fails
/// for a moment must not stop an application that is well.
const KEPT: Duration = Duration::from_secs(60);
/// The most names that are remembered: only a reload brings another one.
const NAMES_MAX: usize = 8;
/// The most addresses of a name, as many as `ResolvedSocketAddrs` holds.
const ADDRESSES_MAX: usize = 16;

#[derive(Debug, Default)]
pub(super) struct HostNames(Arc<HostTable>);

#[derive(Debug, Default)]
struct HostTable {
    by_name: Mutex<HashMap<(String, u16), HostEntry>>,
    /// A name has been looked up.
    news: Condvar,
}

#[derive(Debug, Default)]
struct HostEntry {
    /// What was found last; empty if nothing was.
    addresses: Vec<SocketAddr>,
    /// When it was looked up last, with whatever outcome.
    looked_up_at: Option<Instant>,
    /// When something was found last.
    found_at: Option<Instant>,
    is_being_looked_up: bool,
}

impl HostEntry {
    fn is_fresh(&self) -> bool {
        let has_failed = self.found_at != self.looked_up_at;
        let period = if has_failed { FRESH_FAILURE } else { FRESH };
        self.looked_up_at.is_some_and(|at| at.elapsed() < period)
    }

    /// Notes what a look-up has found; nothing if it has failed.
    fn note(&mut self, found: Vec<SocketAddr>) {
        let now = Instant::now();
        self.is_being_looked_up = false;
        self.looked_up_at = Some(now);
        if !found.is_empty() {
            self.found_at = Some(now);
            self.addresses = found;
        } else if self.found_at.is_none_or(|at| at.elapsed() >= KEPT) {
            self.addresses.clear();
        }
    }
}

impl Resolver for HostNames {
    fn resolve(
        &self,
        uri: &Uri,
        _: &Config,
        timeout: NextTimeout,
    ) -> Result<ResolvedSocketAddrs, Error> {
        let host = uri.host().ok_or(Error::HostNotFound)?;
        let port = uri.port_u16().unwrap_or(80);
        let literal = host.trim_start_matches('[').trim_end_matches(']');
        let found = match literal.parse::<IpAddr>() {
            Ok(ip) => vec![SocketAddr::new(ip, port)],
            Err(_) => self.0.addresses(host, port, *timeout.after)?,
        };
        let mut all = self.empty();
        found.into_iter().take(ADDRESSES_MAX).for_each(|address| all.push(address));
        if all.is_empty() { Err(Error::HostNotFound) } else { Ok(all) }
    }
}

impl HostTable {
    /// Returns the addresses of a name, none if it has none. Waits this long at most.
    fn addresses(
        self: &Arc<HostTable>,
        host: &str,
        port: u16,
        timeout: Duration,
    ) -> Result<Vec<SocketAddr>, Error> {
        let name = (host.to_owned(), port);
        let mut by_name = self.by_name.lock().unwrap_or_else(PoisonError::into_inner);
        if by_name.len() >= NAMES_MAX && !by_name.contains_key(&name) {
            by_name.clear();
        }
        let entry = by_name.entry(name.clone()).or_default();
        if !entry.is_fresh() && !entry.is_being_looked_up {
            let (known, name) = (Arc::clone(self), name.clone());
            let thread = thread::Builder::new().name("authorizer-names".to_owned());
            thread.spawn(move || known.look_up(name))?;
            entry.is_being_looked_up = true;
        }
        let waits = |by_name: &mut HashMap<_, HostEntry>| {
            by_name.get(&name).is_some_and(|entry| {
                entry.is_being_looked_up && entry.addresses.is_empty() && !entry.is_fresh()
            })
        };
        let waited = self.news.wait_timeout_while(by_name, timeout, waits);
        let (by_name, waited) = waited.unwrap_or_else(PoisonError::into_inner);
        if waited.timed_out() {
            return Err(Error::Timeout(Timeout::Resolve));
        }
        Ok(by_name.get(&name).map(|entry| entry.addresses.clone()).unwrap_or_default())
    }

    fn look_up(&self, name: (String, u16)) {
        let found = (name.0.as_str(), name.1).to_socket_addrs().ok();
        let mut by_name = self.by_name.lock().unwrap_or_else(PoisonError::into_inner);
        let found = found.map(|all| all.take(ADDRESSES_MAX).collect()).unwrap_or_default();
        by_name.entry(name).or_default().note(found);
        drop(by_name);
        self.news.notify_all();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LONG: Duration = Duration::from_secs(60);

    fn known(addresses: Vec<SocketAddr>, age: Option<Duration>, is_busy: bool) -> Arc<HostTable> {
        let looked_up_at = age.and_then(|age| Instant::now().checked_sub(age));
        let found_at = looked_up_at.filter(|_| !addresses.is_empty());
        let entry = HostEntry { addresses, looked_up_at, found_at, is_being_looked_up: is_busy };
        let by_name = Mutex::new(HashMap::from([(("app".to_owned(), 1), entry)]));
        Arc::new(HostTable { by_name, news: Condvar::new() })
    }

    #[test]
    fn the_name_of_this_machine_is_found() {
        let names = HostNames::default();
        let found = names.0.addresses("localhost", 8000, LONG).unwrap();
        assert!(found.iter().all(|one| one.ip().is_loopback() && one.port() == 8000));
        assert!(!found.is_empty());
    }

    #[test]
    fn what_was_found_is_used_while_it_is_looked_up_anew() {
        let address: SocketAddr = "10.0.0.1:1".parse().unwrap();
        let old = known(vec![address], Some(LONG), true);
        assert_eq!(old.addresses("app", 1, LONG).unwrap(), [address]);
    }

    #[test]
    fn a_look_up_that_takes_too_long_is_waited_for_only_as_long_as_there_is_time() {
        let busy = known(Vec::new(), None, true);
        let waited = busy.addresses("app", 1, Duration::from_millis(1));
        assert!(matches!(waited, Err(Error::Timeout(_))), "{waited:?}");
    }

    #[test]
    fn that_nothing_was_found_counts_for_a_while() {
        let known = known(Vec::new(), Some(Duration::ZERO), false);
        assert_eq!(known.addresses("app", 1, LONG).unwrap(), []);
    }

    #[test]
    fn what_was_found_is_kept_for_a_minute_if_it_cannot_be_looked_up_anew() {
        let address: SocketAddr = "10.0.0.1:1".parse().unwrap();
        let mut entry = HostEntry::default();
        entry.note(vec![address]);
        entry.note(Vec::new());
        assert_eq!(entry.addresses, [address]);
        entry.found_at = Instant::now().checked_sub(KEPT);
        entry.note(Vec::new());
        assert_eq!(entry.addresses, []);
    }

    #[test]
    fn few_names_are_remembered() {
        let names = HostNames::default();
        for port in 1..100 {
            names.0.addresses("localhost", port, LONG).unwrap();
        }
        assert!(names.0.by_name.lock().unwrap().len() <= NAMES_MAX);
    }
}
