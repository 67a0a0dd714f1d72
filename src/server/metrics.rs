//! `/-/metrics`: the figures of the reactor and of the process as OpenMetrics text. The name of a
//! channel is never a label: whoever may name a channel could make as many series as he likes.

use std::fmt;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{
    DescriptorEncoder, EncodeCounterValue, EncodeGaugeValue, NoLabelSet, text,
};
use prometheus_client::metrics::MetricType;
use prometheus_client::registry::Registry;

use crate::hub::{DropReason, Ledger};
use crate::protocol::Response;
use crate::reactor::{
    CLOSE_CODES, Counters, Initiator, RejectReason, STATUSES, Source, Status, Visitor,
};

use super::process::Process;

/// The media type of OpenMetrics 1.0.
const CONTENT_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// The answer to a scrape.
pub(crate) fn page(visitor: &Visitor<'_>) -> Response {
    let mut registry = Registry::default();
    registry.register_collector(Box::new(Snapshot::of(&visitor.status())));
    let mut body = String::new();
    // Writing to a string does not fail.
    let encoded = text::encode(&mut body, &registry);
    debug_assert!(encoded.is_ok(), "a metric has no text");
    Response::new(200).header("Content-Type", CONTENT_TYPE).body(body)
}

/// Everything at one moment, so that the figures of one scrape go together.
#[derive(Debug)]
struct Snapshot {
    counters: Counters,
    ledger: Ledger,
    pending: u64,
    connections: usize,
    channels: usize,
    subscriptions: usize,
    log_bytes: usize,
    mail: [u64; 2],
    is_draining: bool,
    process: Process,
}

impl Snapshot {
    fn of(status: &Status) -> Snapshot {
        Snapshot {
            counters: status.counters().clone(),
            ledger: status.ledger(),
            pending: status.pending(),
            connections: status.connections(),
            channels: status.channels(),
            subscriptions: status.subscriptions(),
            log_bytes: status.log_bytes(),
            mail: status.mail(),
            is_draining: status.is_draining(),
            process: Process::measure(),
        }
    }

    /// Connections that are WebSockets now; the rest speaks HTTP, or is about to.
    fn websockets(&self) -> u64 {
        let closed: u64 = self.counters.closed.iter().flatten().sum();
        self.counters.opened.saturating_sub(closed)
    }
}

impl Collector for Snapshot {
    fn encode(&self, encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let mut page = Page(encoder);
        let counters = &self.counters;
        page.0
            .encode_descriptor("fanfare_build", "Which fanfare this is", None, MetricType::Info)?
            .encode_info(&[("version", env!("CARGO_PKG_VERSION"))])?;

        let websockets = self.websockets();
        let http = (self.connections as u64).saturating_sub(websockets);
        page.gauges(
            "fanfare_connections",
            "Connections now",
            "transport",
            [("websocket", websockets), ("http", http)],
        )?;
        page.counter(
            "fanfare_connections_opened",
            "WebSocket connections that were opened",
            counters.opened,
        )?;
        self.encode_closes(&mut page)?;
        page.counters(
            "fanfare_handshakes",
            "Opening handshakes by the status of the answer",
            "status",
            STATUSES
                .iter()
                .zip(counters.handshakes)
                .filter(|(_, count)| *count > 0)
                .map(|(status, count)| (number_or_other(*status), count)),
        )?;
        page.counters(
            "fanfare_rejects",
            "Peers that were not let in, or answered without the application",
            "reason",
            RejectReason::ALL
                .iter()
                .zip(counters.rejects)
                .map(|(reason, count)| (reason.label(), count)),
        )?;
        page.counters(
            "fanfare_limit_hits",
            "How often a limit was in the way; of memory and of channels as publishes that were refused",
            "limit",
            [
                ("max_connections", counters.rejects[RejectReason::TooManyConnections as usize]),
                ("max_connections_per_ip", counters.rejects[RejectReason::TooManyFromAddress as usize]),
                ("open_files", counters.accept_shortages),
                ("publishes_refused", counters.refused),
            ],
        )?;

        page.gauge("fanfare_channels", "Channels now", self.channels as u64)?;
        page.gauge("fanfare_subscriptions", "Subscriptions now", self.subscriptions as u64)?;
        page.gauge(
            "fanfare_channel_log_bytes",
            "Memory in the logs of all channels",
            self.log_bytes as u64,
        )?;
        page.counters(
            "fanfare_messages_published",
            "Messages that were numbered",
            "source",
            Source::ALL
                .iter()
                .zip(counters.published)
                .map(|(source, count)| (source.label(), count)),
        )?;
        page.counter(
            "fanfare_messages_delivered",
            "Copies of messages whose last byte went out",
            self.ledger.delivered,
        )?;
        page.counters(
            "fanfare_messages_dropped",
            "Copies of messages that were given up",
            "reason",
            DropReason::ALL.iter().map(|reason| (reason.label(), self.ledger.dropped_for(*reason))),
        )?;
        page.gauge("fanfare_messages_pending", "Copies of messages on their way", self.pending)?;

        page.counter(
            "fanfare_mail_put",
            "Requests and deliveries sent from reactor to reactor",
            self.mail[0],
        )?;
        page.counter("fanfare_mail_taken", "Those of them that were dealt with", self.mail[1])?;
        page.counter("fanfare_received_bytes", "Bytes read from peers", counters.received_bytes)?;
        page.counter("fanfare_sent_bytes", "Bytes written to peers", counters.sent_bytes)?;
        page.counter("fanfare_sends", "System calls that wrote", counters.sends)?;
        self.encode_control_frames(&mut page)?;
        page.gauge(
            "fanfare_draining",
            "1 while the server is about to end",
            u64::from(self.is_draining),
        )?;
        self.encode_process(&mut page)
    }
}

impl Snapshot {
    fn encode_closes(&self, page: &mut Page<'_>) -> fmt::Result {
        let help = "WebSocket connections that ended, by close code and by who closed";
        let mut family = page.0.encode_descriptor(
            "fanfare_connections_closed",
            help,
            None,
            MetricType::Counter,
        )?;
        for (code, by_initiator) in CLOSE_CODES.iter().zip(self.counters.closed) {
            for (initiator, count) in [
                ("server", Initiator::Server),
                ("client", Initiator::Client),
                ("none", Initiator::Nobody),
            ]
            .map(|(label, initiator)| (label, by_initiator[initiator as usize]))
            {
                if count > 0 {
                    family
                        .encode_family(&[
                            ("code", number_or_other(*code)),
                            ("initiator", initiator.into()),
                        ])?
                        .encode_counter::<NoLabelSet, _, u64>(&count, None)?;
                }
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
        let Process {
            cpu_seconds,
            resident_bytes,
            virtual_bytes,
            open_files,
            open_files_max,
            start_seconds,
        } = self.process;
        if let Some(seconds) = cpu_seconds {
            page.counter("process_cpu_seconds", "Processor time, user and system", seconds)?;
        }
        if let Some(bytes) = resident_bytes {
            page.gauge("process_resident_memory_bytes", "Resident memory", bytes)?;
        }
        if let Some(bytes) = virtual_bytes {
            page.gauge("process_virtual_memory_bytes", "Virtual memory", bytes)?;
        }
        if let Some(files) = open_files {
            page.gauge("process_open_fds", "Open file descriptors", files)?;
        }
        if let Some(files) = open_files_max {
            page.gauge("process_max_fds", "The limit of open file descriptors", files)?;
        }
        if let Some(seconds) = start_seconds {
            page.gauge("process_start_time_seconds", "When the process started", seconds)?;
        }
        Ok(())
    }
}

/// A figure's value of a label, where the tables of the reactor keep 0 for all others.
fn number_or_other(number: u16) -> String {
    if number == 0 { "other".to_owned() } else { number.to_string() }
}

/// The encoder, with one call for each shape of metric that there is here.
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

    /// Counters told apart by one label.
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

    /// Gauges told apart by one label.
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
