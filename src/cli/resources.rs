//! The open files and the memory that the machine grants this process.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// Assumed if the system sets no limit of open files, because memory limits them too.
const OPEN_FILES_UNLIMITED: u64 = 1 << 20;

/// The available memory assumed if the system does not report it; any server has that much.
const MEMORY_UNKNOWN: u64 = 1 << 30;

/// Raises the limit of open files to the most that the process may set. The low default (1024)
/// exists for programs that use `select`, which this program does not.
pub(crate) fn raise_open_files() {
    let limit = getrlimit(Resource::Nofile);
    // If it fails, the old limit stays, and with it the limit on connections.
    let _ = setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, maximum: limit.maximum });
}

/// Returns how many files the process may have open once the limit is [raised](raise_open_files).
pub(crate) fn open_files_max() -> u64 {
    getrlimit(Resource::Nofile).maximum.unwrap_or(OPEN_FILES_UNLIMITED)
}

/// Returns the default of `--max-connections`: the limit of open files without those that the
/// process and its reactors need themselves; at least half of the limit.
pub(crate) fn connections_max(open_files_max: u64, reactors: usize) -> usize {
    // 124 for the process; each reactor has a poll, its wake-up, and a listening socket or two.
    let own = 124 + 4 * reactors as u64;
    let connections = open_files_max.saturating_sub(own).max(open_files_max / 2).max(1);
    usize::try_from(connections).unwrap_or(usize::MAX)
}

/// Returns the memory that this process can still use: that of the machine, or of its control group
/// if that is less.
pub(crate) fn available_memory() -> usize {
    let available =
        [machine_memory(), group_memory()].into_iter().flatten().min().unwrap_or(MEMORY_UNKNOWN);
    usize::try_from(available).unwrap_or(usize::MAX)
}

#[cfg(target_os = "linux")]
fn machine_memory() -> Option<u64> {
    use procfs::Current as _;
    procfs::Meminfo::current().ok()?.mem_available
}

#[cfg(not(target_os = "linux"))]
fn machine_memory() -> Option<u64> {
    None
}

/// Returns the memory that the container's limit leaves, by control groups, version 2; `None` if
/// there is no limit.
fn group_memory() -> Option<u64> {
    let read = |file: &str| std::fs::read_to_string(format!("/sys/fs/cgroup/memory.{file}")).ok();
    let limit: u64 = read("max")?.trim().parse().ok()?;
    let used: u64 = read("current")?.trim().parse().ok()?;
    Some(limit.saturating_sub(used))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_default_of_connections_leaves_room_for_other_files() {
        assert_eq!(connections_max(1_048_576, 1), 1_048_448);
        assert_eq!(connections_max(1024, 1), 896);
        assert_eq!(connections_max(200, 1), 100);
        assert_eq!(connections_max(0, 1), 1);
    }

    #[test]
    fn there_is_memory() {
        assert!(available_memory() > 1 << 20);
    }
}
