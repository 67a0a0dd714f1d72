//! Publishers and receivers of one channel: what is sent when, and whether each receiver gets all of it once, in
//! order and intact. Used by every scenario that broadcasts.
//!
//! Receiver i below the number of publishers is publisher i, which receives too: the other publishers' messages,
//! and its own where the server sends those. Whether it does is found out by the first message, the probe.
mod report;
mod window;

use std::time::Duration;

use fanfare::protocol::{Message, MessageKind};

use crate::cli::Verify;
use crate::clock::{Moment, Schedule};
use crate::latency::Latencies;
use crate::load::{Id, Load};
use crate::payload::{Payloads, Stamp};
use crate::sequence::{Arrival, Sequences};
use window::Publisher;

/// The probe must reach every receiver in this time.
const PROBE_TIMEOUT: Duration = Duration::from_secs(5);
/// A publisher's own copy of the probe comes within this time after everybody else's, or the server sends none.
const OWN_COPY_WAIT: Duration = Duration::from_millis(250);

/// When publishers send.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Pacing {
    /// Closed loop: each has `inflight` messages under way until all receivers have them. In a burst all of them
    /// leave in one write when all receivers have all of the last ones.
    Closed { inflight: u32, burst: bool },
    /// Open loop: so many messages per second of all publishers together, whatever arrives.
    Open { per_second: u64 },
}

pub(crate) struct FanoutSettings {
    pub(crate) publishers: u32,
    /// Receivers that do not publish.
    pub(crate) subscribers: u32,
    pub(crate) size: usize,
    pub(crate) pacing: Pacing,
    pub(crate) verify: Verify,
}

enum Probe {
    NotSent,
    /// `complete_at`: when everybody else had it.
    UnderWay {
        sent_at: Moment,
        complete_at: Option<Moment>,
        own_copy: bool,
    },
    Answered {
        own_copies: bool,
    },
}

/// How the probe stands.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum ProbeState {
    /// Look again at this moment.
    UnderWay(Moment),
    Answered,
    Failed,
}

#[derive(Default)]
struct Counts {
    published: u64,
    /// Deliveries of everything published, to receivers that were there and stayed.
    expected: u64,
    delivered: u64,
    measured_expected: u64,
    measured_delivered: u64,
    /// Arrived within the measured span, whenever sent.
    span_delivered: u64,
    span_bytes: u64,
    span_published: u64,
    corrupt: u64,
    unexpected: u64,
    /// Receivers that were open and have ended before the end of the run.
    receivers_ended: u64,
}

pub(crate) struct Fanout {
    settings: FanoutSettings,
    publishers: Vec<Publisher>,
    /// Receivers that are open.
    open_count: u32,
    payloads: Payloads,
    scratch: Vec<u8>,
    sequences: Sequences,
    schedule: Option<Schedule>,
    /// Whose turn it is in the open loop.
    next_publisher: usize,
    probe: Probe,
    is_measuring: bool,
    counts: Counts,
    latency: Latencies,
    last_receiver: Latencies,
    send_delay: Latencies,
}

impl Fanout {
    pub(crate) fn new(settings: FanoutSettings) -> Fanout {
        let receivers = (settings.publishers + settings.subscribers) as usize;
        Fanout {
            publishers: (0..settings.publishers).map(|_| Publisher::default()).collect(),
            open_count: 0,
            payloads: Payloads::new(settings.size),
            scratch: Vec::new(),
            sequences: Sequences::new(receivers, settings.publishers as usize),
            schedule: None,
            next_publisher: 0,
            probe: Probe::NotSent,
            is_measuring: false,
            counts: Counts::default(),
            latency: Latencies::new(),
            last_receiver: Latencies::new(),
            send_delay: Latencies::new(),
            settings,
        }
    }

    /// Receiver `receiver` is open. All of them open before the first message.
    pub(crate) fn on_open(&mut self, receiver: u32, id: Id) {
        self.open_count += 1;
        if let Some(publisher) = self.publishers.get_mut(receiver as usize) {
            publisher.id = Some(id);
        }
    }

    /// Receiver `receiver`, which was open, has ended: what it has not had is no longer expected.
    pub(crate) fn on_ended(&mut self, receiver: u32) {
        let receiver = receiver as usize;
        self.open_count -= 1;
        self.counts.receivers_ended += 1;
        for (at, publisher) in self.publishers.iter_mut().enumerate() {
            if at == receiver {
                publisher.id = None;
                if !matches!(self.probe, Probe::Answered { own_copies: true }) {
                    continue;
                }
            }
            let (next, sent) = (self.sequences.next(receiver, at), publisher.sent());
            self.counts.expected -= u64::from(sent - next);
            let measured =
                publisher.measured.end.min(sent).saturating_sub(publisher.measured.start.max(next));
            self.counts.measured_expected -= u64::from(measured);
            publisher.settle(next..sent, |_| {});
        }
    }

    /// Whether there is nobody left to send, or nobody to receive.
    pub(crate) fn is_dead(&self) -> bool {
        self.open_count == 0 || self.publishers.iter().all(|publisher| publisher.id.is_none())
    }

    /// Sends the probe, and later says what became of it.
    pub(crate) fn probe(&mut self, load: &mut Load, now: Moment) -> ProbeState {
        match self.probe {
            Probe::NotSent => {
                let Some(at) = self.publishers.iter().position(|publisher| publisher.id.is_some()) else {
                    return ProbeState::Failed;
                };
                self.probe = Probe::UnderWay { sent_at: now, complete_at: None, own_copy: false };
                self.send(load, at, now);
                ProbeState::UnderWay(now)
            }
            Probe::UnderWay { sent_at, mut complete_at, own_copy } => {
                if complete_at.is_none() && self.has_all_arrived() {
                    complete_at = Some(now);
                    self.probe = Probe::UnderWay { sent_at, complete_at, own_copy };
                }
                let own_copy_until = complete_at.map(|at| at + OWN_COPY_WAIT);
                match own_copy_until {
                    Some(until) if own_copy || until <= now => {
                        self.probe = Probe::Answered { own_copies: own_copy };
                        ProbeState::Answered
                    }
                    None if sent_at + PROBE_TIMEOUT <= now || self.is_dead() => ProbeState::Failed,
                    _ => ProbeState::UnderWay(now + Duration::from_millis(10)),
                }
            }
            Probe::Answered { .. } => ProbeState::Answered,
        }
    }

    /// The open loop's first message is due now.
    pub(crate) fn begin(&mut self, now: Moment) {
        if let Pacing::Open { per_second } = self.settings.pacing {
            self.schedule = Some(Schedule::new(now, per_second));
        }
    }

    pub(crate) fn begin_measuring(&mut self) {
        self.is_measuring = true;
        for publisher in &mut self.publishers {
            publisher.measured = publisher.sent()..u32::MAX;
        }
    }

    pub(crate) fn end_measuring(&mut self) {
        self.is_measuring = false;
        for publisher in &mut self.publishers {
            publisher.measured.end = publisher.sent();
        }
    }

    /// Sends everything that is due. It leaves at the end of the turn.
    pub(crate) fn send_due(&mut self, load: &mut Load, now: Moment) {
        if self.is_dead() {
            return;
        }
        match self.settings.pacing {
            Pacing::Closed { inflight, burst } => {
                for at in 0..self.publishers.len() {
                    let under_way = self.publishers[at].under_way();
                    if burst && under_way > 0 {
                        continue;
                    }
                    for _ in under_way..inflight {
                        self.send(load, at, now);
                    }
                }
            }
            Pacing::Open { .. } => {
                while let Some(intended) = self.schedule.as_mut().and_then(|schedule| schedule.take_due(now))
                {
                    // A publisher that is gone leaves its turn to the next one.
                    while self.publishers[self.next_publisher].id.is_none() {
                        self.next_publisher = (self.next_publisher + 1) % self.publishers.len();
                    }
                    self.send(load, self.next_publisher, intended);
                    self.next_publisher = (self.next_publisher + 1) % self.publishers.len();
                }
            }
        }
    }

    /// When the next message is due, in the open loop.
    pub(crate) fn next_due(&self) -> Option<Moment> {
        self.schedule.as_ref().map(Schedule::next)
    }

    fn send(&mut self, load: &mut Load, at: usize, intended: Moment) {
        let publisher = &mut self.publishers[at];
        let Some(id) = publisher.id else { return };
        let missing = match self.probe {
            Probe::Answered { own_copies: true } => self.open_count,
            Probe::NotSent | Probe::UnderWay { .. } | Probe::Answered { own_copies: false } => {
                self.open_count - 1
            }
        };
        let sequence = publisher.sent();
        publisher.push(intended, missing);
        self.payloads.write(&mut self.scratch, Stamp { publisher: at as u16, sequence, intended });
        load.send_text(id, &self.scratch);
        self.counts.published += 1;
        self.counts.expected += u64::from(missing);
        if self.is_measuring {
            self.counts.span_published += 1;
            self.counts.measured_expected += u64::from(missing);
            self.send_delay.record(load.clock.now().nanos_since(intended));
        }
    }

    /// Receiver `receiver` has read a message at `at`.
    pub(crate) fn on_delivery(&mut self, receiver: u32, message: &Message<'_>, at: Moment) {
        let receiver = receiver as usize;
        let payload = message.payload();
        if self.is_measuring {
            self.counts.span_delivered += 1;
            self.counts.span_bytes += payload.len() as u64;
        }
        let stamp = match self.settings.verify {
            Verify::Full if message.kind() == MessageKind::Text => self.payloads.read(payload),
            Verify::Full => None,
            Verify::Count | Verify::Off => Payloads::read_head(payload),
        };
        let Some(stamp) = stamp else {
            self.counts.corrupt += 1;
            return;
        };
        let from = usize::from(stamp.publisher);
        let sequence = stamp.sequence;
        let was_sent = self.publishers.get(from).is_some_and(|publisher| sequence < publisher.sent());
        if !was_sent {
            self.counts.unexpected += 1;
            return;
        }
        let is_own = from == receiver;
        if is_own && !self.expects_own_copy() {
            return;
        }
        let sequences = match self.sequences.note(receiver, from, sequence) {
            Arrival::InOrder => sequence..sequence + 1,
            Arrival::AfterGap { missed } => sequence - missed..sequence + 1,
            Arrival::Late => 0..0,
            Arrival::Duplicate => return,
        };
        self.counts.delivered += 1;
        let publisher = &mut self.publishers[from];
        if publisher.measured.contains(&sequence) {
            self.counts.measured_delivered += 1;
            self.latency.record(at.nanos_since(stamp.intended));
        }
        if !(is_own && matches!(self.probe, Probe::UnderWay { .. })) {
            let last_receiver = &mut self.last_receiver;
            publisher.settle(sequences, |intended| last_receiver.record(at.nanos_since(intended)));
        }
    }

    /// A publisher's own message has come. The first one answers the probe.
    fn expects_own_copy(&mut self) -> bool {
        match &mut self.probe {
            Probe::UnderWay { own_copy, .. } => {
                if !*own_copy {
                    self.counts.expected += 1;
                }
                *own_copy = true;
                true
            }
            Probe::Answered { own_copies: true } => true,
            Probe::NotSent | Probe::Answered { own_copies: false } => {
                self.counts.unexpected += 1;
                false
            }
        }
    }

    /// Every receiver has had its turn with every message.
    pub(crate) fn has_all_arrived(&self) -> bool {
        self.publishers.iter().all(|publisher| publisher.under_way() == 0)
    }

    /// Messages that publisher `publisher` has sent.
    pub(crate) fn sent_by(&self, publisher: usize) -> u32 {
        self.publishers[publisher].sent()
    }

    /// Deliveries within the measured span.
    pub(crate) fn span_delivered(&self) -> u64 {
        self.counts.span_delivered
    }

    pub(crate) fn span_published(&self) -> u64 {
        self.counts.span_published
    }

    pub(crate) fn span_bytes(&self) -> u64 {
        self.counts.span_bytes
    }
}
