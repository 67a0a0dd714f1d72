//! The memory and files held by the server's process and the kernel.
use crate::measure::process::{Memory, Process, tcp_memory_bytes};

/// Memory and open files at one moment. A figure that cannot be read is zero.
#[derive(Clone, Copy, Default)]
pub(super) struct Held {
    pub(super) memory: Memory,
    pub(super) tcp_bytes: u64,
    pub(super) open_files: u64,
}

impl Held {
    pub(super) fn now(server: Option<Process>) -> Held {
        Held {
            memory: server.and_then(|server| server.memory().ok()).unwrap_or_default(),
            tcp_bytes: tcp_memory_bytes().unwrap_or(0),
            open_files: 0,
        }
    }

    /// Reads the figures of `now` and counts open files, which takes long if there are many.
    pub(super) fn with_files(server: Option<Process>) -> Held {
        let open_files = server.and_then(|server| server.open_files().ok()).unwrap_or(0);
        Held { open_files, ..Held::now(server) }
    }

    pub(super) fn raise_to(&mut self, other: Held) {
        let (memory, seen) = (&mut self.memory, other.memory);
        memory.resident_bytes = memory.resident_bytes.max(seen.resident_bytes);
        memory.anonymous_bytes = memory.anonymous_bytes.max(seen.anonymous_bytes);
        self.tcp_bytes = self.tcp_bytes.max(other.tcp_bytes);
    }
}
