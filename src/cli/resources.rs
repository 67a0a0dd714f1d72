//! The open files and the memory that the machine grants this process.

use std::path::{Path, PathBuf};

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

/// Returns the memory that control groups (version 2) leave to this process: that of its own group,
/// or of one around it if that is less. A container sees its own group at the root; a service of
/// systemd sees all of them. `None` if there is no limit.
fn group_memory() -> Option<u64> {
    let groups = std::fs::read_to_string("/proc/self/cgroup").unwrap_or_default();
    let left_in = |group: &Path| {
        let read = |file: &str| std::fs::read_to_string(group.join(file)).ok();
        let limit: u64 = read("memory.max")?.trim().parse().ok()?;
        let used: u64 = read("memory.current")?.trim().parse().ok()?;
        Some(limit.saturating_sub(used))
    };
    let root = Path::new("/sys/fs/cgroup");
    own_group(root, &groups)
        .ancestors()
        .take_while(|group| group.starts_with(root))
        .filter_map(left_in)
        .min()
}

/// Returns the folder of this process's control group. `groups` is the text of `/proc/self/cgroup`,
/// in which version 2 has the line `0::PATH`.
fn own_group(root: &Path, groups: &str) -> PathBuf {
    let path = groups.lines().find_map(|line| line.strip_prefix("0::/")).unwrap_or_default();
    // A group that lies outside of the container's view begins with `..`.
    if path.split('/').any(|part| part == "..") { root.to_owned() } else { root.join(path) }
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
    fn the_control_group_is_that_of_the_process() {
        let group = |groups: &str| own_group(Path::new("/g"), groups);
        let service = "1:cpu:/x\n0::/system.slice/fanfare.service\n";
        assert_eq!(group(service), Path::new("/g/system.slice/fanfare.service"));
        for root in ["0::/\n", "", "4:memory:/x\n", "0::/../../other\n"] {
            assert_eq!(group(root), Path::new("/g"), "{root:?}");
        }
    }

    #[test]
    fn there_is_memory() {
        assert!(available_memory() > 1 << 20);
    }
}
