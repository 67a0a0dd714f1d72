//! What a report says about each second of a run.
use serde_json::{Value as Json, json};

use super::value::Value;

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum SecondPhase {
    Connect,
    Warmup,
    Measure,
    Drain,
}

impl SecondPhase {
    fn name(self) -> &'static str {
        match self {
            SecondPhase::Connect => "connect",
            SecondPhase::Warmup => "warmup",
            SecondPhase::Measure => "measure",
            SecondPhase::Drain => "drain",
        }
    }
}

/// What happened in one second of a run, measured or not.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Second {
    /// Seconds since the run began.
    pub(crate) second: u64,
    pub(crate) phase: SecondPhase,
    /// Connections that are open at the end of this second.
    pub(crate) open: u64,
    pub(crate) sent: u64,
    pub(crate) delivered: u64,
    /// Median response time, or service time in a closed loop. `None` if nothing was received.
    pub(crate) p50_ns: Option<u64>,
    pub(crate) p99_ns: Option<u64>,
    pub(crate) max_ns: Option<u64>,
    /// Processor share of loadgen's busiest thread.
    pub(crate) loadgen_share: f64,
    /// Processor share of the server's busiest thread, or of all the cores that the server may run
    /// on. `None` without `--server-pid`.
    pub(crate) server_share: Option<f64>,
}

impl Second {
    pub(super) fn to_json(self) -> Json {
        json!({
            "second": self.second,
            "phase": self.phase.name(),
            "open": self.open,
            "sent": self.sent,
            "delivered": self.delivered,
            "p50_ns": self.p50_ns,
            "p99_ns": self.p99_ns,
            "max_ns": self.max_ns,
            "loadgen_share": Value::Share(self.loadgen_share).to_json(),
            "server_share": self.server_share.map(|share| Value::Share(share).to_json()),
        })
    }
}
