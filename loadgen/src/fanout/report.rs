//! The report of a fan-out: counts over all threads, latency, and checks.
use super::board::OwnCopies;
use super::settings::Pacing;
use super::state::Fanout;
use crate::report::gather::Report;
use crate::report::value::Value;
use crate::run::measurement::Measurement;

impl Fanout {
    /// Counts what this thread's receivers should have received. Called after all threads have
    /// stopped sending; only the first call counts.
    fn close(&mut self) {
        if std::mem::replace(&mut self.is_closed, true) {
            return;
        }
        for receiver in 0..self.receivers.len() {
            let expects_all =
                (0..self.publishers.len()).all(|publisher| self.expects(receiver, publisher));
            if self.receivers[receiver] && expects_all {
                self.orders.close(receiver);
            }
        }
        for publisher in 0..self.publishers.len() {
            let total = self.board.total(publisher).unwrap_or(0);
            let measured = self.board.measured(publisher);
            for receiver in 0..self.receivers.len() {
                if !self.expects(receiver, publisher) {
                    continue;
                }
                let next = self.sequences.next(receiver, publisher);
                self.counts.unexpected += u64::from(next.saturating_sub(total));
                let end = if self.receivers[receiver] { total } else { next.min(total) };
                self.counts.expected += u64::from(end);
                self.counts.measured_expected +=
                    u64::from(measured.end.min(end).saturating_sub(measured.start));
            }
        }
    }

    /// Adds what another thread has recorded.
    pub(crate) fn absorb(&mut self, mut other: Fanout) {
        self.close();
        other.close();
        let had_receivers = self.counts.expected > 0;
        self.counts += other.counts;
        self.first_refusal = self.first_refusal.or(other.first_refusal);
        self.sequences.absorb_counts(&other.sequences);
        self.orders.absorb(other.orders);
        self.response.absorb(other.response);
        self.service.merge(&other.service);
        self.send_delay.merge(&other.send_delay);
        // A thread without receivers has no record of which receiver was last.
        match (had_receivers, other.counts.expected > 0) {
            (true, true) => self.last_receiver.absorb(other.last_receiver),
            (false, true) => self.last_receiver = other.last_receiver,
            (true | false, false) => {}
        }
    }

    /// Writes the sections on throughput, latency and checks.
    pub(crate) fn report(
        &mut self,
        measurement: &Measurement,
        report: &mut Report,
        was_stopped: bool,
    ) {
        self.close();
        let counts = &self.counts;
        let target = match self.settings.pacing {
            Pacing::Open { per_second } => Some(Value::Count(per_second)),
            Pacing::Closed { .. } => None,
        };
        report
            .section("throughput")
            .optional("target_per_second", target)
            .row("sent_per_second", measurement.rate(counts.measured_published))
            .row("sent", Value::Count(counts.measured_published))
            .row("expected", Value::Count(counts.measured_expected))
            .row("delivered", Value::Count(counts.measured_delivered))
            .row("delivered_in_span", Value::Count(counts.span_delivered))
            .row("delivered_per_second", measurement.rate(counts.span_delivered))
            .row("payload_bytes", Value::Bytes(counts.span_bytes))
            .row("payload_bytes_per_second", measurement.rate(counts.span_bytes));
        let latency = report.section("latency");
        match self.settings.pacing {
            Pacing::Open { .. } => latency
                .row("response_ns", Value::from(self.response.total()))
                .row("service_ns", Value::from(&self.service))
                .row("send_delay_ns", Value::from(&self.send_delay)),
            Pacing::Closed { .. } => latency.row("service_ns", Value::from(self.response.total())),
        };
        latency.row("last_receiver_ns", Value::from(&self.last_receiver.latencies()));
        self.report_check(report);
        if counts.measured_delivered == 0 && (counts.measured_published > 0 || !was_stopped) {
            report.fail("nothing was delivered while measuring".to_owned());
        }
    }

    fn report_check(&self, report: &mut Report) {
        let (counts, sequence) = (&self.counts, self.sequences.counts());
        // A corrupt message did arrive, so it is not lost.
        let lost = counts.expected.saturating_sub(counts.delivered + counts.corrupt);
        let own_copies = match self.board.own_copies() {
            OwnCopies::Yes => "yes",
            OwnCopies::No => "no",
            OwnCopies::Unknown => "unknown",
        };
        // The receivers' orders of messages can be compared only if all received the same messages.
        let is_comparable =
            self.publishers.len() > 1 && lost + counts.corrupt + sequence.duplicated == 0;
        let unanswered = counts.published.saturating_sub(counts.answered_posts);
        if self.settings.by_post {
            if let Some(status) = self.first_refusal {
                let refused = format!("publishes by POST were refused, the first with {status}");
                report.fail_if_any(counts.refused_posts, &refused);
            }
            report.fail_if_any(unanswered, "publishes by POST were not answered");
        }
        report.check("lost", lost, "deliveries were lost");
        report.check("duplicated", sequence.duplicated, "deliveries were duplicated");
        report.check("reordered", sequence.reordered, "deliveries were reordered");
        report.check("corrupt", counts.corrupt, "messages were corrupt, or not loadgen's");
        let foreign = "messages came that nobody had sent, or to the wrong receiver";
        report.check("unexpected", counts.unexpected, foreign);
        let other_order = is_comparable.then(|| Value::Count(self.orders.others()));
        report.section("check").optional("other_order", other_order);
        let ended = counts.receivers_ended;
        report.check("receivers_ended", ended, "receivers ended before the run did");
        let section = report.section("check");
        section
            .row("published", Value::Count(counts.published))
            .row("delivered", Value::Count(counts.delivered))
            .row("expected", Value::Count(counts.expected))
            .row("own_copies", Value::Text(own_copies.to_owned()));
        if self.settings.by_post {
            section
                .row("posts_refused", Value::Count(counts.refused_posts))
                .row("posts_unanswered", Value::Count(unanswered));
        }
        if counts.given_up > 0 {
            report.note(format!(
                "{} messages did not reach all receivers within --drain, and the closed loop went \
                 on without: what it sent is mostly waiting",
                counts.given_up
            ));
        }
    }
}
