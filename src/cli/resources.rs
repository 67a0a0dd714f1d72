//! What the machine grants this process: open files, memory and cores.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// Where the system sets no limit of open files, there is still one of memory.
const OPEN_FILES_UNLIMITED: u64 = 1 << 20;

/// Where the system does not tell: small enough for any machine that runs servers.
const MEMORY_UNKNOWN: u64 = 1 << 30;

/// As many as a server may have.
const REACTORS_MAX: usize = 256;

/// Raises the limit of open files as far as the process may. The low default (1024) exists for programs that
/// use `select`; this one does not.
pub(crate) fn raise_open_files() {
    let limit = getrlimit(Resource::Nofile);
    // Where it fails the old limit stays, and the default of --max-connections goes by it.
    let _ = setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, maximum: limit.maximum });
}

/// How many files the process may have open once [raised](raise_open_files).
pub(crate) fn open_files_max() -> u64 {
    getrlimit(Resource::Nofile).maximum.unwrap_or(OPEN_FILES_UNLIMITED)
}

/// Connections at once, if nothing else is said: what the limit of open files leaves beside the process's own.
pub(crate) fn connections_max(open_files_max: u64) -> usize {
    let connections = open_files_max.saturating_sub(128).max(open_files_max / 2).max(1);
    usize::try_from(connections).unwrap_or(usize::MAX)
}

/// Reactors, if nothing else is said: one for each core, as far as each has room for a channel's buffer in its part
/// of the memory.
pub(crate) fn reactors(cores: usize, memory_bytes: usize, channel_buffer_bytes: usize) -> usize {
    cores.min(memory_bytes / channel_buffer_bytes.max(1)).clamp(1, REACTORS_MAX)
}

/// The cores that this process may use: of the machine, and of its control group if that has fewer.
pub(crate) fn cores() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from)
}

/// Memory that this process could still take: of the machine, and of its control group if that has less.
pub(crate) fn available_memory() -> usize {
    let available = [machine_memory(), group_memory()].into_iter().flatten().min().unwrap_or(MEMORY_UNKNOWN);
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

/// What a container leaves (control groups, version 2; elsewhere the files are not there).
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
        assert_eq!(connections_max(1_048_576), 1_048_448);
        assert_eq!(connections_max(1024), 896);
        assert_eq!(connections_max(200), 100);
        assert_eq!(connections_max(0), 1);
    }

    #[test]
    fn the_default_of_reactors_is_the_number_of_cores_as_far_as_memory_goes_round() {
        assert_eq!(reactors(1, 1 << 30, 1 << 20), 1);
        assert_eq!(reactors(8, 1 << 30, 1 << 20), 8);
        assert_eq!(reactors(8, 3 << 20, 1 << 20), 3);
        assert_eq!(reactors(8, 1000, 1 << 20), 1);
        assert_eq!(reactors(8, 0, 0), 1);
        assert_eq!(reactors(1000, 1 << 40, 1 << 20), 256);
    }

    #[test]
    fn there_are_memory_and_cores() {
        assert!(available_memory() > 1 << 20);
        assert!(cores() > 0);
    }
}
