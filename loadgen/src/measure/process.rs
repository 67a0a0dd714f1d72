//! What the kernel says of a process and of all sockets together, read from `/proc`.
use std::io;
use std::path::PathBuf;
use std::str::FromStr;

const KIB: u64 = 1024;

#[derive(Clone, Copy, Debug)]
pub(crate) struct Process {
    pid: u32,
}

/// What one thread has had of the processors since it began.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct ThreadTimes {
    pub(crate) id: u32,
    /// User and system time.
    pub(crate) running_nanos: u64,
    /// It could have run, and had no core.
    pub(crate) waiting_nanos: u64,
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

impl Process {
    /// This process.
    pub(crate) fn own() -> Process {
        Process { pid: std::process::id() }
    }

    /// Fails when the process is not there or may not be looked at.
    pub(crate) fn find(pid: u32) -> io::Result<Process> {
        let server = Process { pid };
        server.threads()?;
        server.memory()?;
        Ok(server)
    }

    /// What each thread that is alive has had of the processors. A thread that ends takes its time
    /// with it.
    pub(crate) fn threads(self) -> io::Result<Vec<ThreadTimes>> {
        let mut threads = Vec::new();
        for task in std::fs::read_dir(self.file("task"))? {
            let path = task?.path();
            // Nanoseconds, where `stat` has hundredths of a second. A thread that has just ended is
            // passed over.
            let Ok(text) = std::fs::read_to_string(path.join("schedstat")) else { continue };
            let mut numbers = text.split_ascii_whitespace().map_while(|word| word.parse().ok());
            let id =
                path.file_name().and_then(|name| name.to_str()).and_then(|name| name.parse().ok());
            if let (Some(id), Some(running), Some(waiting)) = (id, numbers.next(), numbers.next()) {
                threads.push(ThreadTimes { id, running_nanos: running, waiting_nanos: waiting });
            }
        }
        Ok(threads)
    }

    /// How many cores it may run on: those of its mask that the machine has.
    pub(crate) fn cores(self) -> io::Result<u32> {
        let status = std::fs::read_to_string(self.file("status"))?;
        let machine = online_cores(&std::fs::read_to_string("/proc/stat")?);
        allowed_cores(&status)
            .map(|cores| cores.clamp(1, machine))
            .ok_or_else(|| io::ErrorKind::InvalidData.into())
    }

    pub(crate) fn memory(self) -> io::Result<Memory> {
        let status = std::fs::read_to_string(self.file("status"))?;
        let rollup = std::fs::read_to_string(self.file("smaps_rollup"))?;
        let kib = |text: &str, name| {
            field(text, name).map(|kib: u64| kib * KIB).ok_or(io::ErrorKind::InvalidData)
        };
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

/// Memory that the kernel holds for the buffers of all TCP sockets of this machine (network
/// namespace).
pub(crate) fn tcp_memory_bytes() -> io::Result<u64> {
    let text = std::fs::read_to_string("/proc/net/sockstat")?;
    let pages: u64 = tcp_pages(&text).ok_or(io::ErrorKind::InvalidData)?;
    Ok(pages * rustix::param::page_size() as u64)
}

/// The bits that are set in a mask such as `ffffffff,00000003`.
fn allowed_cores(status: &str) -> Option<u32> {
    let mask = status.lines().find_map(|line| line.strip_prefix("Cpus_allowed:"))?.trim();
    mask.split(',').map(|word| u32::from_str_radix(word, 16).ok().map(u32::count_ones)).sum()
}

/// One line for each, after that of all together.
fn online_cores(stat: &str) -> u32 {
    let is_core = |line: &&str| {
        line.strip_prefix("cpu").is_some_and(|rest| rest.starts_with(|c: char| c.is_ascii_digit()))
    };
    (stat.lines().filter(is_core).count() as u32).max(1)
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
    fn reads_fields_as_the_kernel_writes_them() {
        assert_eq!(field::<u64>("Name:\tx\nVmRSS:\t   2120 kB\n", "VmRSS:"), Some(2120));
        assert_eq!(field::<u64>("Pss_Anon:  1 kB\nPss:   653 kB\n", "Pss:"), Some(653));
        assert_eq!(online_cores("cpu  1 2\ncpu0 1 2\ncpu1 1 2\nintr 5\n"), 2);
        assert_eq!(allowed_cores("Name:\tx\nCpus_allowed:\tffffffff,00000003\n"), Some(34));
        assert_eq!(
            tcp_pages("sockets: used 18\nTCP: inuse 1 orphan 0 tw 0 alloc 1 mem 7\n"),
            Some(7)
        );
        assert_eq!(tcp_pages("UDP: inuse 0 mem 3\n"), None);
    }
}
