//! What `/proc` reports of a process and of all sockets together.
use std::io;

use procfs::{CurrentSI as _, KernelStats, ProcError, ProcResult};

const KIB: u64 = 1024;

#[derive(Clone, Copy, Debug)]
pub(crate) struct Process {
    pid: u32,
}

/// The processor time of one thread since it began.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct ThreadTimes {
    pub(crate) id: u32,
    /// User and system time.
    pub(crate) running_nanos: u64,
    /// Time during which the thread could have run but had no core.
    pub(crate) waiting_nanos: u64,
}

/// User memory of a process, in bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Memory {
    /// VmRSS: all resident pages.
    pub(crate) resident_bytes: u64,
    /// Pss: resident pages, where a page shared by n processes counts as 1/n.
    pub(crate) proportional_bytes: u64,
    /// Pages that belong to no file: heap and stacks.
    pub(crate) anonymous_bytes: u64,
}

impl Process {
    pub(crate) fn own() -> Process {
        Process { pid: std::process::id() }
    }

    /// Returns the process with this id. Fails if it does not exist or may not be inspected.
    pub(crate) fn find(pid: u32) -> ProcResult<Process> {
        let server = Process { pid };
        server.threads()?;
        server.memory()?;
        Ok(server)
    }

    /// Returns the processor time of each living thread, without those that have ended.
    pub(crate) fn threads(self) -> ProcResult<Vec<ThreadTimes>> {
        let times = |task: ProcResult<procfs::process::Task>| {
            // `schedstat` counts nanoseconds, `stat` only hundredths of a second. A thread that has
            // just ended is skipped.
            let task = task.ok()?;
            let times = task.schedstat().ok()?;
            Some(ThreadTimes {
                id: task.tid as u32,
                running_nanos: times.sum_exec_runtime,
                waiting_nanos: times.run_delay,
            })
        };
        Ok(self.open()?.tasks()?.filter_map(times).collect())
    }

    /// Returns how many cores the process may run on: those in its affinity mask that exist.
    pub(crate) fn cores(self) -> ProcResult<u32> {
        let mask = self.open()?.status()?.cpus_allowed.ok_or(ProcError::Incomplete(None))?;
        let allowed: u32 = mask.into_iter().map(u32::count_ones).sum();
        let machine = KernelStats::current()?.cpu_time.len() as u32;
        Ok(allowed.clamp(1, machine.max(1)))
    }

    pub(crate) fn memory(self) -> ProcResult<Memory> {
        let process = self.open()?;
        let resident = process.status()?.vmrss.ok_or(ProcError::Incomplete(None))?;
        let rollup = process.smaps_rollup()?.memory_map_rollup;
        let bytes = |name: &str| {
            let found = rollup.iter().find_map(|map| map.extension.map.get(name).copied());
            found.ok_or(ProcError::Incomplete(None))
        };
        Ok(Memory {
            resident_bytes: resident * KIB,
            proportional_bytes: bytes("Pss")?,
            anonymous_bytes: bytes("Anonymous")?,
        })
    }

    pub(crate) fn open_files(self) -> ProcResult<u64> {
        Ok(self.open()?.fd_count()? as u64)
    }

    fn open(self) -> ProcResult<procfs::process::Process> {
        procfs::process::Process::new(i32::try_from(self.pid).unwrap_or(i32::MAX))
    }
}

/// Returns the memory in the buffers of all TCP sockets of this network namespace.
pub(crate) fn tcp_memory_bytes() -> io::Result<u64> {
    let text = std::fs::read_to_string("/proc/net/sockstat")?;
    let pages = tcp_pages(&text).ok_or(io::ErrorKind::InvalidData)?;
    Ok(pages * procfs::page_size())
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
        let server = Process::find(std::process::id()).unwrap();
        let memory = server.memory().unwrap();
        assert!(memory.resident_bytes >= memory.proportional_bytes);
        assert!(memory.anonymous_bytes > 0);
        assert!(server.open_files().unwrap() >= 3);
        assert!(server.cores().unwrap() >= 1);
        assert!(tcp_memory_bytes().is_ok());
        assert!(server.threads().unwrap().iter().any(|thread| thread.running_nanos > 0));
    }

    #[test]
    fn a_process_that_is_not_there_is_an_error() {
        assert!(Process::find(u32::MAX).is_err());
    }

    #[test]
    fn reads_the_memory_of_tcp_as_the_kernel_writes_it() {
        assert_eq!(
            tcp_pages("sockets: used 18\nTCP: inuse 1 orphan 0 tw 0 alloc 1 mem 7\n"),
            Some(7)
        );
        assert_eq!(tcp_pages("UDP: inuse 0 mem 3\n"), None);
    }
}
