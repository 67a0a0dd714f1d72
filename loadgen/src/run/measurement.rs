//! The measured span: its length, and how busy load generator and server were during it.
use std::ops::Range;
use std::time::Duration;

use super::load::Load;
use super::timeline::Phase;
use crate::measure::process::Process;
use crate::measure::usage::{Sample, Usage};
use crate::net::clock::Moment;
use crate::report::gather::Report;
use crate::report::value::Value;

pub(crate) struct Measurement {
    server: Option<Process>,
    /// The measured span of this thread; after `absorb`, of all threads together.
    span: Option<Range<Moment>>,
    /// Processor times when measuring began, and (`ended`) when it ended. Only the first thread
    /// reads them, for the whole process.
    began: Option<Sample>,
    ended: Option<Sample>,
}

impl Measurement {
    pub(crate) fn new(server: Option<Process>) -> Measurement {
        Measurement { server, span: None, began: None, ended: None }
    }

    /// Must be called on entering each phase. Reads processor times when measuring begins and ends.
    pub(crate) fn on_phase(&mut self, entered: Phase, load: &mut Load) {
        let now = load.clock.now();
        let sample = || load.thread.is_first().then(|| Sample::now(now, self.server));
        match entered {
            Phase::Measuring => {
                self.span = Some(now..now);
                self.began = sample();
            }
            Phase::Draining => {
                if let Some(span) = &mut self.span {
                    span.end = now;
                    self.ended = sample();
                    load.thread.end_measuring(now);
                }
            }
            Phase::Opening | Phase::WarmUp | Phase::Over => {}
        }
        load.is_measuring = entered == Phase::Measuring;
    }

    pub(crate) fn usage(&self) -> Option<Usage> {
        Some(Usage::between(self.began.as_ref()?, self.ended.as_ref()?))
    }

    /// Extends the span so that it also covers the span of another thread.
    pub(crate) fn absorb(&mut self, other: &Measurement) {
        self.span = match (self.span.take(), other.span.clone()) {
            (Some(one), Some(other)) => Some(one.start.min(other.start)..one.end.max(other.end)),
            (one, other) => one.or(other),
        };
    }

    /// Returns the length of the measured span.
    fn elapsed(&self) -> Option<Duration> {
        self.span.as_ref().map(|span| Duration::from_nanos(span.end.nanos_since(span.start)))
    }

    /// Returns `count` events in the measured span as a rate, or `Absent` without a span.
    pub(crate) fn rate(&self, count: u64) -> Value {
        self.elapsed()
            .filter(|elapsed| !elapsed.is_zero())
            .map_or(Value::Absent, |elapsed| Value::PerSecond(count as f64 / elapsed.as_secs_f64()))
    }

    /// Writes the section on processor time. `messages` were received in the measured span; with
    /// `None` no cost per message is reported, because there was other work too.
    pub(crate) fn report(&self, load: &Load, report: &mut Report, messages: Option<u64>) {
        let Some(usage) = self.usage() else {
            return report.note("the run ended before measuring did".to_owned());
        };
        let each = |nanos: u64| {
            messages.filter(|count| *count > 0).map(|count| Value::Nanos(nanos / count))
        };
        let stalls = load.stalls.quantile(0.99).map(Value::Nanos);
        report
            .section("cpu")
            .row("measured_ns", Value::Nanos(usage.elapsed_nanos))
            .row("busiest_thread_share", Value::Share(usage.busiest_share))
            .row("waiting_for_core_share", Value::Share(usage.waiting_share))
            .optional("loop_stall_p99_ns", stalls)
            .optional("server_share", usage.server.map(|server| Value::Share(server.share)))
            .optional("server_ns_per_message", usage.server.and_then(|server| each(server.nanos)))
            .optional("loadgen_ns_per_message", each(usage.own_nanos));
    }
}
