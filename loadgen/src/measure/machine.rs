//! What can be checked before the first connection: open files, ports and cores.
use crate::net::socket::raise_open_files;
use crate::net::target::Sources;

/// Open files that a run needs besides its connections: standard streams, poll, timer, `/proc`.
const OTHER_FILES: u64 = 32;

/// What this machine allows one process.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Machine {
    pub(crate) open_files: u64,
    /// Ports for connections from one address to one server. `None` if the number cannot be read.
    pub(crate) ports: Option<u64>,
    pub(crate) cores: u64,
}

impl Machine {
    /// Raises the limit on open files and reads all figures.
    pub(crate) fn prepare() -> Machine {
        Machine {
            open_files: raise_open_files(),
            ports: ports_per_address(),
            cores: std::thread::available_parallelism().map_or(1, |cores| cores.get() as u64),
        }
    }

    /// Returns what the machine lacks for this run, and how to change that.
    pub(crate) fn shortcomings(
        &self,
        connections: u64,
        sources: Option<Sources>,
        threads: u64,
    ) -> Vec<String> {
        let mut found = Vec::new();
        let Machine { open_files, ports, cores } = *self;
        if threads > cores {
            found.push(format!(
                "{threads} threads on {cores} cores: they will wait for each other; ask for \
                 {cores} --threads, or fewer where the server runs on the same machine"
            ));
        }
        if connections + OTHER_FILES > open_files {
            found.push(format!(
                "{connections} connections asked for, {open_files} open files allowed: the run \
                 goes on, but up to {} connections will not open; raise the limit (ulimit -Hn), or \
                 run several loadgens",
                connections + OTHER_FILES - open_files
            ));
        }
        let addresses = sources.map_or(1, |sources| u64::from(sources.count()));
        if let Some(ports) = ports
            && connections > ports.saturating_mul(addresses)
        {
            found.push(format!(
                "{connections} connections asked for, {ports} ports on each of {addresses} source \
                 addresses: the run goes on, but not all can open; give more addresses with \
                 --source-ip (-b 127.0.0.0/8 on loopback), or widen net.ipv4.ip_local_port_range"
            ));
        }
        found
    }
}

fn ports_per_address() -> Option<u64> {
    let text = std::fs::read_to_string("/proc/sys/net/ipv4/ip_local_port_range").ok()?;
    let mut ends = text.split_ascii_whitespace().map_while(|word| word.parse::<u64>().ok());
    let (first, last) = (ends.next()?, ends.next()?);
    Some(last.saturating_sub(first) + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    const SMALL: Machine = Machine { open_files: 1_024, ports: Some(100), cores: 2 };

    #[test]
    fn what_fits_is_not_mentioned() {
        assert!(SMALL.shortcomings(100, None, 2).is_empty());
        assert!(SMALL.shortcomings(900, Sources::parse("127.0.0.0/8").ok(), 1).is_empty());
    }

    #[test]
    fn what_does_not_fit_comes_with_its_cure() {
        let found = SMALL.shortcomings(2_000, None, 3);
        for (found, cure) in found.iter().zip(["--threads", "ulimit -Hn", "--source-ip"]) {
            assert!(found.contains(cure), "{found}");
        }
        assert_eq!(found.len(), 3);
    }
}
