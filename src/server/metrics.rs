//! `/-/metrics`: figures of all reactors and of the process, as OpenMetrics text. The name of a
//! channel is never a label: peers choose channel names, and could create any number of series.

use std::fmt;
use std::sync::atomic::Ordering;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{
    DescriptorEncoder, EncodeCounterValue, EncodeGaugeValue, NoLabelSet, text,
};
use prometheus_client::metrics::MetricType;
use prometheus_client::registry::Registry;

use crate::hub::{DropReason, Ledger};
use crate::protocol::{CloseCode, Request, Response};
use crate::reactor::{
    BUCKET_BOUNDS_NANOS, CLOSE_CODES, Counters, Histogram, Initiator, RejectReason, STATUSES,
    Source, Status, TlsHandshake, Visitor,
};

use super::options::BroadcastOptions;
use super::process::Process;
use super::prometheus_text;

/// The media type of OpenMetrics 1.0.
const CONTENT_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// Returns the answer to a request for the metrics.
pub(crate) fn page(
    visitor: &Visitor<'_>,
    request: &Request<'_>,
    options: &BroadcastOptions,
) -> Response {
    let mut registry = Registry::default();
    let snapshot = Snapshot::of(&visitor.status(), options);
    registry.register_collector(Box::new(snapshot));
    let mut body = String::new();
    // Writing to a string does not fail.
    let encoded = text::encode(&mut body, &registry);
    debug_assert!(encoded.is_ok(), "a metric has no text");
    let accept: Vec<&str> = request.header_lines("Accept").collect();
    let (content_type, body) = match prometheus_text::is_preferred(&accept) {
        true => (prometheus_text::CONTENT_TYPE, prometheus_text::from_openmetrics(&body)),
        false => (CONTENT_TYPE, body),
    };
    Response::new(200).header("Content-Type", content_type).header("Vary", "Accept").body(body)
}

/// All figures of one answer, read at the same moment so that they are consistent.
#[derive(Debug)]
struct Snapshot {
    counters: Counters,
    ledger: Ledger,
    pending: u64,
    connections: usize,
    channels: usize,
    subscriptions: usize,
    log_bytes: usize,
    messages_deflated: u64,
    mail: [u64; 2],
    is_draining: bool,
    memory_limit: Option<usize>,
    certificate_expires_at: Option<u64>,
    log_lines_dropped: u64,
    reloads: [u64; 2],
    /// When the configuration was last good, and whether it was at the last reload.
    last_reload: Option<(u64, bool)>,
    process: Process,
}

impl Snapshot {
    fn of(status: &Status, options: &BroadcastOptions) -> Snapshot {
        Snapshot {
            counters: status.counters().clone(),
            ledger: status.ledger(),
            pending: status.pending(),
            connections: status.connections(),
            channels: status.channels(),
            subscriptions: status.subscriptions(),
            log_bytes: status.log_bytes(),
            messages_deflated: status.messages_deflated(),
            mail: status.mail(),
            is_draining: status.is_draining(),
            memory_limit: options.memory_limit,
            certificate_expires_at: options.certificate_expires_at,
            log_lines_dropped: options.log_lines_dropped.load(Ordering::Relaxed),
            reloads: options.reloads.counts(),
            last_reload: options.reloads.last(),
            process: Process::measure(),
        }
    }

    /// Returns how many WebSocket connections the server has closed with this code.
    fn closed_by_server(&self, code: CloseCode) -> u64 {
        let codes = CLOSE_CODES.iter().zip(self.counters.closed);
        let of_code = codes.filter(|(one, _)| **one == code.as_u16());
        of_code.map(|(_, counts)| counts[Initiator::Server as usize]).sum()
    }

    /// Returns how many connections are WebSockets. The others speak HTTP or have sent nothing yet.
    fn websockets(&self) -> u64 {
        let closed: u64 = self.counters.closed.iter().flatten().sum();
        self.counters.opened.saturating_sub(closed)
    }
}

impl Collector for Snapshot {
    fn encode(&self, encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let mut page = Page(encoder);
        page.0
            .encode_descriptor("fanfare_build", "Which fanfare this is", None, MetricType::Info)?
            .encode_info(&[("version", env!("CARGO_PKG_VERSION"))])?;
        self.encode_connections(&mut page)?;
        self.encode_closes(&mut page)?;
        self.encode_tls(&mut page)?;
        self.encode_refusals(&mut page)?;
        self.encode_messages(&mut page)?;
        self.encode_traffic(&mut page)?;
        self.encode_times(&mut page)?;
        self.encode_control_frames(&mut page)?;
        let help = "1 while the server is about to end";
        page.gauge("fanfare_draining", help, u64::from(self.is_draining))?;
        let help = "Log lines that were dropped because nobody read the log";
        page.counter("fanfare_log_lines_dropped", help, self.log_lines_dropped)?;
        self.encode_reloads(&mut page)?;
        self.encode_process(&mut page)
    }
}

impl Snapshot {
    fn encode_connections(&self, page: &mut Page<'_>) -> fmt::Result {
        let websockets = self.websockets();
        let http = (self.connections as u64).saturating_sub(websockets);
        let by_transport = [("websocket", websockets), ("http", http)];
        page.gauges("fanfare_connections", "Connections now", "transport", by_transport)?;
        let help = "WebSocket connections that were opened";
        page.counter("fanfare_connections_opened", help, self.counters.opened)?;
        let help = "Callbacks that panicked; each ended its connection";
        page.counter("fanfare_handler_panics", help, self.counters.panics)
    }

    fn encode_tls(&self, page: &mut Page<'_>) -> fmt::Result {
        let help = "TLS handshakes by how they ended";
        let by_result = TlsHandshake::ALL.iter().zip(self.counters.tls_handshakes);
        let by_result = by_result.map(|(end, count)| (end.label(), count));
        page.counters("fanfare_tls_handshakes", help, "result", by_result)?;
        let Some(at) = self.certificate_expires_at else { return Ok(()) };
        let help = "When the first of the certificates expires, in seconds since 1970";
        page.gauge("fanfare_tls_certificate_expires_timestamp_seconds", help, at)
    }

    fn encode_refusals(&self, page: &mut Page<'_>) -> fmt::Result {
        let counters = &self.counters;
        let help = "Opening handshakes by the status of the answer";
        page.counters("fanfare_handshakes", help, "status", by_status(counters.handshakes))?;
        let help = "Answers to all other requests by their status";
        page.counters("fanfare_responses", help, "status", by_status(counters.responses))?;
        let help = "Requests, handshakes and connections that were refused";
        let by_reason = RejectReason::ALL.iter().zip(counters.rejects);
        let by_reason = by_reason.map(|(reason, count)| (reason.label(), count));
        page.counters("fanfare_rejects", help, "reason", by_reason)?;
        let help = "How often a limit was in the way; \
            of memory and of channels as publishes that were refused";
        let rejects = |reason: RejectReason| counters.rejects[reason as usize];
        let by_limit = [
            ("max_connections", rejects(RejectReason::ConnectionLimit)),
            ("max_connections_per_ip", rejects(RejectReason::AddressLimit)),
            ("open_files", counters.accept_shortages),
            ("message_rate", self.closed_by_server(CloseCode::RATE_LIMITED)),
            ("publishes_refused", counters.refused),
        ];
        page.counters("fanfare_limit_hits", help, "limit", by_limit)
    }

    fn encode_reloads(&self, page: &mut Page<'_>) -> fmt::Result {
        let help = "How often the configuration was read again";
        let by_result = ["success", "failure"].into_iter().zip(self.reloads);
        page.counters("fanfare_config_reloads", help, "result", by_result)?;
        let Some((at, is_good)) = self.last_reload else { return Ok(()) };
        let help = "1 if the configuration was good when it was last read";
        page.gauge("fanfare_config_last_reload_successful", help, u64::from(is_good))?;
        let help = "When a good configuration was last read, in seconds since 1970";
        page.gauge("fanfare_config_last_reload_success_timestamp_seconds", help, at)
    }

    fn encode_messages(&self, page: &mut Page<'_>) -> fmt::Result {
        page.gauge("fanfare_channels", "Channels now", self.channels as u64)?;
        page.gauge("fanfare_subscriptions", "Subscriptions now", self.subscriptions as u64)?;
        let help = "Memory in the logs of all channels";
        page.gauge("fanfare_channel_log_bytes", help, self.log_bytes as u64)?;
        if let Some(limit) = self.memory_limit {
            let help = "The limit of the memory for channels: --memory-limit";
            page.gauge("fanfare_memory_limit_bytes", help, limit as u64)?;
        }
        let by_source = Source::ALL.iter().zip(self.counters.published);
        let by_source = by_source.map(|(source, count)| (source.label(), count));
        let help = "Messages that were numbered";
        page.counters("fanfare_messages_published", help, "source", by_source)?;
        let help = "Copies of messages whose last byte went out";
        page.counter("fanfare_messages_delivered", help, self.ledger.delivered)?;
        let by_reason =
            DropReason::ALL.map(|reason| (reason.label(), self.ledger.dropped_for(reason)));
        let help = "Copies of messages that were given up";
        page.counters("fanfare_messages_dropped", help, "reason", by_reason)?;
        let help = "Messages that were deflated for subscribers that read them compressed";
        page.counter("fanfare_messages_deflated", help, self.messages_deflated)?;
        page.gauge("fanfare_messages_pending", "Copies of messages on their way", self.pending)
    }

    fn encode_traffic(&self, page: &mut Page<'_>) -> fmt::Result {
        let [put, taken] = self.mail;
        let counters = &self.counters;
        for (name, help, value) in [
            ("fanfare_mail_put", "Requests and deliveries sent from reactor to reactor", put),
            ("fanfare_mail_taken", "Those of them that were dealt with", taken),
            ("fanfare_received_bytes", "Bytes read from peers", counters.received_bytes),
            ("fanfare_sent_bytes", "Bytes written to peers", counters.sent_bytes),
            ("fanfare_sends", "System calls that wrote", counters.sends),
        ] {
            page.counter(name, help, value)?;
        }
        Ok(())
    }

    fn encode_times(&self, page: &mut Page<'_>) -> fmt::Result {
        let help = "How long turns of the reactors took, without the time that they waited";
        page.histogram("fanfare_turn_seconds", help, &self.counters.turn_times)?;
        let help = "How long it took until a message was written to the last subscriber that was \
            ready for it; of busy channels a sample";
        page.histogram("fanfare_delivery_seconds", help, &self.counters.delivery_times)
    }

    fn encode_closes(&self, page: &mut Page<'_>) -> fmt::Result {
        let help = "WebSocket connections that ended, by close code and by who closed";
        let name = "fanfare_connections_closed";
        let mut family = page.0.encode_descriptor(name, help, None, MetricType::Counter)?;
        let initiators = [
            ("server", Initiator::Server),
            ("client", Initiator::Client),
            ("none", Initiator::Nobody),
        ];
        for (code, by_initiator) in CLOSE_CODES.iter().zip(self.counters.closed) {
            for (label, initiator) in initiators {
                let count = by_initiator[initiator as usize];
                let labels = [("code", number_or_other(*code)), ("initiator", label.into())];
                family
                    .encode_family(&labels)?
                    .encode_counter::<NoLabelSet, _, u64>(&count, None)?;
            }
        }
        Ok(())
    }

    fn encode_control_frames(&self, page: &mut Page<'_>) -> fmt::Result {
        let help = "Ping and pong frames";
        let mut family =
            page.0.encode_descriptor("fanfare_control_frames", help, None, MetricType::Counter)?;
        let counters = &self.counters;
        for (opcode, direction, count) in [
            ("ping", "received", counters.pings_received),
            ("ping", "sent", counters.pings_sent),
            ("pong", "received", counters.pongs_received),
        ] {
            family
                .encode_family(&[("opcode", opcode), ("direction", direction)])?
                .encode_counter::<NoLabelSet, _, u64>(&count, None)?;
        }
        Ok(())
    }

    fn encode_process(&self, page: &mut Page<'_>) -> fmt::Result {
        let process = &self.process;
        if let Some(seconds) = process.cpu_seconds {
            page.counter("process_cpu_seconds", "Processor time, user and system", seconds)?;
        }
        for (name, help, value) in [
            ("process_resident_memory_bytes", "Resident memory", process.resident_bytes),
            ("process_virtual_memory_bytes", "Virtual memory", process.virtual_bytes),
            ("process_open_fds", "Open file descriptors", process.open_files),
            ("process_max_fds", "The limit of open file descriptors", process.open_files_max),
        ] {
            if let Some(value) = value {
                page.gauge(name, help, value)?;
            }
        }
        if let Some(seconds) = process.start_seconds {
            page.gauge("process_start_time_seconds", "When the process started", seconds)?;
        }
        Ok(())
    }
}

/// Returns the label for a close code or HTTP status. The reactor counts under 0 those that have no
/// counter of their own.
fn number_or_other(number: u16) -> String {
    if number == 0 { "other".to_owned() } else { number.to_string() }
}

/// Pairs counts with the statuses that they are of.
fn by_status(counts: [u64; STATUSES.len()]) -> impl Iterator<Item = (String, u64)> {
    STATUSES.iter().map(|status| number_or_other(*status)).zip(counts)
}

/// The encoder, with one method for each shape of metric.
struct Page<'e>(DescriptorEncoder<'e>);

impl Page<'_> {
    fn counter(
        &mut self,
        name: &str,
        help: &str,
        value: impl EncodeCounterValue + Copy,
    ) -> fmt::Result {
        self.0
            .encode_descriptor(name, help, None, MetricType::Counter)?
            .encode_counter::<NoLabelSet, _, u64>(&value, None)
    }

    fn gauge(
        &mut self,
        name: &str,
        help: &str,
        value: impl EncodeGaugeValue + Copy,
    ) -> fmt::Result {
        self.0.encode_descriptor(name, help, None, MetricType::Gauge)?.encode_gauge(&value)
    }

    fn histogram(&mut self, name: &str, help: &str, histogram: &Histogram) -> fmt::Result {
        let bounds =
            BUCKET_BOUNDS_NANOS.iter().map(|nanos| *nanos as f64 / 1e9).chain([f64::INFINITY]);
        let buckets: Vec<(f64, u64)> = bounds.zip(histogram.buckets).collect();
        let (sum, count) = (histogram.sum().as_secs_f64(), histogram.count());
        self.0
            .encode_descriptor(name, help, None, MetricType::Histogram)?
            .encode_histogram::<NoLabelSet>(sum, count, &buckets, None)
    }

    /// Encodes a family of counters that differ in one label.
    fn counters<L: Into<String>>(
        &mut self,
        name: &str,
        help: &str,
        label: &str,
        values: impl IntoIterator<Item = (L, u64)>,
    ) -> fmt::Result {
        let mut family = self.0.encode_descriptor(name, help, None, MetricType::Counter)?;
        for (value, count) in values {
            family
                .encode_family(&[(label, value.into())])?
                .encode_counter::<NoLabelSet, _, u64>(&count, None)?;
        }
        Ok(())
    }

    /// Encodes a family of gauges that differ in one label.
    fn gauges<const N: usize>(
        &mut self,
        name: &str,
        help: &str,
        label: &str,
        values: [(&str, u64); N],
    ) -> fmt::Result {
        let mut family = self.0.encode_descriptor(name, help, None, MetricType::Gauge)?;
        for (value, count) in values {
            family.encode_family(&[(label, value)])?.encode_gauge(&count)?;
        }
        Ok(())
    }
}
