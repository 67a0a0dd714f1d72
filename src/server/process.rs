//! Figures of this process from the operating system, for the usual `process_*` metrics.

/// Figures of this process; each is absent where the system does not report it.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Process {
    pub(crate) cpu_seconds: Option<f64>,
    pub(crate) resident_bytes: Option<u64>,
    pub(crate) virtual_bytes: Option<u64>,
    pub(crate) open_files: Option<u64>,
    pub(crate) open_files_max: Option<u64>,
    /// When the process started, in seconds since 1970-01-01 UTC.
    pub(crate) start_seconds: Option<f64>,
}

#[cfg(target_os = "linux")]
impl Process {
    pub(crate) fn measure() -> Process {
        use procfs::{CurrentSI as _, WithCurrentSystemInfo as _};

        let process = procfs::process::Process::myself();
        let stat = process.as_ref().ok().and_then(|process| process.stat().ok());
        let ticks_per_second = procfs::ticks_per_second() as f64;
        let boot_seconds = procfs::KernelStats::current().ok().map(|stats| stats.btime as f64);
        Process {
            cpu_seconds: stat
                .as_ref()
                .map(|stat| (stat.utime + stat.stime) as f64 / ticks_per_second),
            resident_bytes: stat.as_ref().map(|stat| stat.rss_bytes().get()),
            virtual_bytes: stat.as_ref().map(|stat| stat.vsize),
            open_files: process
                .ok()
                .and_then(|process| process.fd_count().ok())
                .map(|count| count as u64),
            open_files_max: rustix::process::getrlimit(rustix::process::Resource::Nofile).current,
            start_seconds: stat.zip(boot_seconds).map(|(stat, boot_seconds)| {
                boot_seconds + stat.starttime as f64 / ticks_per_second
            }),
        }
    }
}

#[cfg(not(target_os = "linux"))]
impl Process {
    pub(crate) fn measure() -> Process {
        Process::default()
    }
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;

    #[test]
    fn a_process_knows_itself() {
        let process = Process::measure();
        assert!(process.resident_bytes.is_some_and(|bytes| bytes > 0));
        assert!(process.open_files.is_some_and(|files| files >= 3));
        assert!(process.start_seconds.is_some_and(|seconds| seconds > 1e9));
        assert!(process.cpu_seconds.is_some());
    }
}
