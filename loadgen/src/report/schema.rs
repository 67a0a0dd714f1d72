//! The keys that every report has, and their order. `report.schema.json` describes them in full.

/// The version of the report's JSON format. Reports of another version are refused.
pub(super) const SCHEMA: u64 = 1;

/// Sections that every report has, in this order, with the rows that each section always has. A
/// scenario's own rows follow in their section; its own sections follow `memory`.
pub(super) const SECTIONS: [(&str, &[&str]); 6] = [
    (
        "run",
        &[
            "scenario",
            "url",
            "command",
            "label",
            "seed",
            "cores",
            "threads",
            "started_unix_ms",
            "loop",
            "settings",
        ],
    ),
    ("connect", &["wanted", "opened", "failed", "opened_per_second", "tcp_ns", "upgrade_ns"]),
    (
        "throughput",
        &[
            "target_per_second",
            "sent_per_second",
            "sent",
            "expected",
            "delivered",
            "delivered_per_second",
            "payload_bytes",
            "payload_bytes_per_second",
        ],
    ),
    ("latency", &["response_ns", "service_ns", "send_delay_ns", "last_receiver_ns"]),
    ("check", &["lost", "duplicated", "reordered", "corrupt", "unexpected"]),
    (
        "cpu",
        &[
            "measured_ns",
            "busiest_thread_share",
            "waiting_for_core_share",
            "loop_stall_p99_ns",
            "server_share",
            "server_ns_per_message",
            "loadgen_ns_per_message",
        ],
    ),
];

/// Names at the top level that no section may have.
pub(super) const NOT_SECTIONS: [&str; 9] = [
    "loadgen",
    "schema",
    "errors",
    "seconds",
    "verdict",
    "thresholds",
    "passed",
    "failures",
    "notes",
];
