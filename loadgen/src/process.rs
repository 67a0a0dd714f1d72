//! What the kernel says of the server's process and of all sockets together, read from `/proc`; and the processor
//! time of this process.
use std::io;
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use rustix::time::{ClockId, clock_gettime};

const KIB: u64 = 1024;

#[derive(Clone, Copy, Debug)]
pub(crate) struct ServerProcess {
    pid: u32,
}

/// User memory of a process, in bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Memory {
    /// VmRSS: all pages that are resident.
    pub(crate) resident_bytes: u64,
    /// Pss: resident pages, shared ones divided by those who share them.
    pub(crate) proportional_bytes: u64,
    /// Pages of no file: heap and stacks.
    pub(crate) anonymous_bytes: u64,
}

impl ServerProcess {
    /// Fails when the process is not there or may not be looked at.
    pub(crate) fn find(pid: u32) -> io::Result<ServerProcess> {
        let server = ServerProcess { pid };
        server.cpu()?;
        server.memory()?;
        Ok(server)
    }

    /// Processor time, user and system, of all threads that are alive. A thread that ends takes its time with it.
    pub(crate) fn cpu(self) -> io::Result<Duration> {
        let mut nanos = 0;
        for task in std::fs::read_dir(self.file("task"))? {
            // Nanoseconds, where `stat` has hundredths of a second. A thread that has just ended is passed over.
            if let Ok(text) = std::fs::read_to_string(task?.path().join("schedstat")) {
                nanos += first_number::<u64>(&text).unwrap_or(0);
            }
        }
        Ok(Duration::from_nanos(nanos))
    }

    pub(crate) fn memory(self) -> io::Result<Memory> {
        let status = std::fs::read_to_string(self.file("status"))?;
        let rollup = std::fs::read_to_string(self.file("smaps_rollup"))?;
        let kib =
            |text: &str, name| field(text, name).map(|kib: u64| kib * KIB).ok_or(io::ErrorKind::InvalidData);
        Ok(Memory {
            resident_bytes: kib(&status, "VmRSS:")?,
            proportional_bytes: kib(&rollup, "Pss:")?,
            anonymous_bytes: kib(&rollup, "Anonymous:")?,
        })
    }

    pub(crate) fn open_files(self) -> io::Result<u64> {
        Ok(std::fs::read_dir(self.file("fd"))?.count() as u64)
    }

    fn file(self, name: &str) -> PathBuf {
        PathBuf::from(format!("/proc/{}/{name}", self.pid))
    }
}

/// Memory that the kernel holds for the buffers of all TCP sockets of this machine (network namespace).
pub(crate) fn tcp_memory_bytes() -> io::Result<u64> {
    let text = std::fs::read_to_string("/proc/net/sockstat")?;
    let pages: u64 = tcp_pages(&text).ok_or(io::ErrorKind::InvalidData)?;
    Ok(pages * rustix::param::page_size() as u64)
}

/// Processor time of this process, user and system.
pub(crate) fn own_cpu() -> Duration {
    let time = clock_gettime(ClockId::ProcessCPUTime);
    let nanos = time.tv_sec.saturating_mul(1_000_000_000).saturating_add(time.tv_nsec);
    Duration::from_nanos(u64::try_from(nanos).unwrap_or(0))
}

fn first_number<N: FromStr>(text: &str) -> Option<N> {
    text.split_ascii_whitespace().next()?.parse().ok()
}

/// The number after `name` at the beginning of a line.
fn field<N: FromStr>(text: &str, name: &str) -> Option<N> {
    text.lines().find_map(|line| first_number(line.strip_prefix(name)?))
}

fn tcp_pages(sockstat: &str) -> Option<u64> {
    let line = sockstat.lines().find_map(|line| line.strip_prefix("TCP:"))?;
    let mut words = line.split_ascii_whitespace().skip_while(|word| *word != "mem");
    words.nth(1)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_this_process() {
        let server = ServerProcess::find(std::process::id()).unwrap();
        let memory = server.memory().unwrap();
        assert!(memory.resident_bytes >= memory.proportional_bytes);
        assert!(memory.anonymous_bytes > 0);
        assert!(server.open_files().unwrap() >= 3);
        assert!(tcp_memory_bytes().is_ok());
        assert!(own_cpu() > Duration::ZERO);
    }

    #[test]
    fn a_process_that_is_not_there_is_an_error() {
        assert!(ServerProcess::find(u32::MAX).is_err());
    }

    #[test]
    fn reads_fields_as_the_kernel_writes_them() {
        assert_eq!(field::<u64>("Name:\tx\nVmRSS:\t   2120 kB\n", "VmRSS:"), Some(2120));
        assert_eq!(field::<u64>("Pss_Anon:  1 kB\nPss:   653 kB\n", "Pss:"), Some(653));
        assert_eq!(tcp_pages("sockets: used 18\nTCP: inuse 1 orphan 0 tw 0 alloc 1 mem 7\n"), Some(7));
        assert_eq!(tcp_pages("UDP: inuse 0 mem 3\n"), None);
    }
}
