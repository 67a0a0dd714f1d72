//! What a fan-out says of itself: latency, and the checks that it passed or did not.
use super::{Fanout, Pacing, Probe};
use crate::report::{Report, Value};

impl Fanout {
    /// The sections on latency and on checks.
    pub(crate) fn report(&self, report: &mut Report) {
        let counts = &self.counts;
        let (delivery, last_receiver) = match self.settings.pacing {
            Pacing::Closed { .. } => ("delivery_service_time_ns", "last_receiver_service_time_ns"),
            Pacing::Open { .. } => ("delivery_ns", "last_receiver_ns"),
        };
        let latency = report.section("latency");
        latency.row(delivery, Value::from(&self.latency));
        latency.row(last_receiver, Value::from(&self.last_receiver));
        if matches!(self.settings.pacing, Pacing::Open { .. }) {
            latency.row("send_delay_ns", Value::from(&self.send_delay));
        }
        let sequence = self.sequences.counts();
        let lost = counts.expected.saturating_sub(counts.delivered);
        let own_copies = match self.probe {
            Probe::Answered { own_copies: true } => "yes",
            Probe::Answered { own_copies: false } => "no",
            Probe::NotSent | Probe::UnderWay { .. } => "unknown",
        };
        report
            .section("check")
            .row("own_copies", Value::Text(own_copies.to_owned()))
            .row("published", Value::Count(counts.published))
            .row("delivered", Value::Count(counts.delivered))
            .row("expected", Value::Count(counts.expected))
            .row("measured_delivered", Value::Count(counts.measured_delivered))
            .row("measured_expected", Value::Count(counts.measured_expected))
            .row("lost", Value::Count(lost))
            .row("duplicated", Value::Count(sequence.duplicated))
            .row("reordered", Value::Count(sequence.reordered))
            .row("corrupt", Value::Count(counts.corrupt))
            .row("unexpected", Value::Count(counts.unexpected))
            .row("receivers_ended", Value::Count(counts.receivers_ended));
        report.fail_if_any(lost, "deliveries were lost");
        report.fail_if_any(sequence.duplicated, "deliveries were duplicated");
        report.fail_if_any(sequence.reordered, "deliveries were reordered");
        report.fail_if_any(counts.corrupt, "messages were corrupt, or not loadgen's");
        report.fail_if_any(counts.unexpected, "messages came that nobody had sent, or to the wrong receiver");
        report.fail_if_any(counts.receivers_ended, "receivers ended before the run did");
        if counts.measured_delivered == 0 {
            report.fail("nothing was delivered while measuring".to_owned());
        }
    }
}
