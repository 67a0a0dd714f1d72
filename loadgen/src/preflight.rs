//! What can be known before the first connection: open files, ports and cores.
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use crate::target::Sources;

/// Files beside the sockets: standard streams, poll, timer, what `/proc` is read through.
const OTHER_FILES: u64 = 32;

/// Raises the limit on open files as far as it goes, and says what does not fit and how to make it fit.
pub(crate) fn prepare(connections: u64, sources: Option<Sources>, threads: u64) -> Vec<String> {
    let mut warnings = Vec::new();
    let cores = std::thread::available_parallelism().map_or(1, |cores| cores.get() as u64);
    if threads > cores {
        warnings.push(format!(
            "{threads} threads on {cores} cores: they will wait for each other; ask for {cores} --threads, or fewer \
             where the server runs on the same machine"
        ));
    }
    let limit = getrlimit(Resource::Nofile);
    // If it cannot be raised, the limit as it is decides below.
    let _ = setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, maximum: limit.maximum });
    let files = getrlimit(Resource::Nofile).current.unwrap_or(u64::MAX);
    if connections + OTHER_FILES > files {
        warnings.push(format!(
            "{connections} connections asked for, {files} open files allowed: raise the limit (ulimit -Hn), or run \
             several loadgens"
        ));
    }
    let addresses = sources.map_or(1, |sources| u64::from(sources.count()));
    if let Some(ports) = ports_per_address()
        && connections > ports.saturating_mul(addresses)
    {
        warnings.push(format!(
            "{connections} connections asked for, {ports} ports on each of {addresses} source addresses: give more \
             addresses with --source-ip (-b 127.0.0.0/8 on loopback), or widen net.ipv4.ip_local_port_range"
        ));
    }
    warnings
}

fn ports_per_address() -> Option<u64> {
    let text = std::fs::read_to_string("/proc/sys/net/ipv4/ip_local_port_range").ok()?;
    let mut ends = text.split_ascii_whitespace().map_while(|word| word.parse::<u64>().ok());
    let (first, last) = (ends.next()?, ends.next()?);
    Some(last.saturating_sub(first) + 1)
}
