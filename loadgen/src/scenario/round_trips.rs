//! Round trips: messages that a server echoes, or Pings that it answers. In the open loop they are
//! sent at a rate and timed from their intended moments. In the closed loop each connection has a
//! fixed number of unanswered messages, and each reply triggers the next message. The times are
//! then service times, which say nothing about latency at a rate.
use std::collections::VecDeque;
use std::time::Duration;

use derive_more::AddAssign;
use fanfare::protocol::{Message, Opcode};

use crate::check::payload::Sizes;
use crate::check::round_trip::{HEAD_BYTES, Reply, RoundTripMessages};
use crate::check::sequence::{Arrival, Sequences};
use crate::cli::common::{CommonArgs, RoundTripArgs, Verify};
use crate::cli::scenarios::{EchoArgs, PingArgs};
use crate::measure::latency::Latencies;
use crate::measure::process::Process;
use crate::measure::series::Recorder;
use crate::net::clock::Moment;
use crate::net::connection::Part;
use crate::net::slots::Id;
use crate::report::gather::Report;
use crate::report::value::Value;
use crate::run::load::{Ended, Load};
use crate::run::measurement::Measurement;
use crate::run::opening::{Batch, Opening, Pace};
use crate::run::scenario::{Peer, Progress, Scenario, Turn, Work, end_together};
use crate::run::schedule::Schedule;
use crate::run::threads::{LOOK_AGAIN, ThisThread};
use crate::run::timeline::{Phase, Timeline};

const CLIENT: Part = Part(0);

const ALL_OPEN: usize = 0;
const ALL_ARRIVED: usize = 1;

/// Open loop: at most this many messages are sent in a turn, so that a late thread still reads.
const SENDS_PER_TURN_MAX: u32 = 1_024;
/// How often a closed loop looks for overdue replies.
const GIVE_UP_EVERY: Duration = Duration::from_millis(100);

/// Messages of one connection that are remembered although their replies are overdue. A late reply
/// to a forgotten message is counted but not timed.
const LATE_MAX: usize = 1_024;

/// A message whose reply has not arrived yet.
#[derive(Clone, Copy)]
struct SentMessage {
    intended: Moment,
    sent: Moment,
}

#[derive(Default)]
struct RoundTripClient {
    id: Option<Id>,
    /// How many messages were sent, which is also the sequence number of the next one.
    sent: u32,
    /// The messages whose replies are awaited: the last `under_way.len()` of those sent.
    under_way: VecDeque<SentMessage>,
    /// Messages whose replies are no longer awaited, with their sequence numbers. The replies were
    /// overtaken or took too long, and may still arrive.
    late: VecDeque<(u32, SentMessage)>,
}

impl RoundTripClient {
    /// Returns the sequence number of the oldest message whose reply is awaited.
    fn first(&self) -> u32 {
        self.sent - self.under_way.len() as u32
    }

    /// Removes and returns message `sequence`, whose reply has come; `None` if it was forgotten.
    /// Older messages that still await a reply move to `late`.
    fn take(&mut self, sequence: u32) -> Option<SentMessage> {
        if sequence < self.first() {
            let at = self.late.iter().position(|(late, _)| *late == sequence)?;
            return self.late.remove(at).map(|(_, message)| message);
        }
        while self.first() < sequence {
            self.give_up_first();
        }
        self.under_way.pop_front()
    }

    /// Stops waiting for the reply to the oldest message in `under_way`.
    fn give_up_first(&mut self) {
        let sequence = self.first();
        let Some(message) = self.under_way.pop_front() else { return };
        if self.late.len() == LATE_MAX {
            self.late.pop_front();
        }
        self.late.push_back((sequence, message));
    }
}

#[derive(Clone, Copy, Default, AddAssign)]
struct RoundTripCounts {
    sent: u64,
    replied: u64,
    measured_sent: u64,
    /// Messages that were due within the measured span and also sent within it.
    sent_in_time: u64,
    measured_replied: u64,
    span_replied: u64,
    span_bytes: u64,
    corrupt: u64,
    unexpected: u64,
    ended: u64,
    /// Messages that were unanswered when their connection ended. They are not counted as lost,
    /// because the end of the connection is already reported.
    cut_off: u64,
    measured_cut_off: u64,
}

pub(crate) struct RoundTrips {
    /// True if Pings are sent and answered by Pongs, false if messages are echoed.
    is_ping: bool,
    opening: Option<Opening>,
    timeline: Timeline,
    measurement: Measurement,
    clients: Vec<RoundTripClient>,
    /// The number of this thread's first client, counted over all threads.
    first_client: u32,
    messages: RoundTripMessages,
    sequences: Sequences,
    rate: Option<u64>,
    schedule: Option<Schedule>,
    next_client: usize,
    inflight: usize,
    budget: Option<u64>,
    verify: Verify,
    patience: Duration,
    look_again: Moment,
    counts: RoundTripCounts,
    response: Recorder,
    service: Latencies,
    send_delay: Latencies,
}

impl RoundTrips {
    pub(crate) fn echo(
        args: &EchoArgs,
        server: Option<Process>,
        thread: &ThisThread,
    ) -> RoundTrips {
        RoundTrips::new(false, &args.round_trips, &args.common, args.size, server, thread)
    }

    pub(crate) fn ping(
        args: &PingArgs,
        server: Option<Process>,
        thread: &ThisThread,
    ) -> RoundTrips {
        let sizes = Sizes { least: HEAD_BYTES, most: HEAD_BYTES };
        RoundTrips::new(true, &args.round_trips, &args.common, sizes, server, thread)
    }

    fn new(
        is_ping: bool,
        args: &RoundTripArgs,
        common: &CommonArgs,
        sizes: Sizes,
        server: Option<Process>,
        thread: &ThisThread,
    ) -> RoundTrips {
        let share = thread.share(args.connections);
        let count = share.end - share.start;
        RoundTrips {
            is_ping,
            opening: Some(Opening::new(Pace::of(common), [Batch::new(CLIENT, count)])),
            timeline: Timeline::new(args.phases, common.drain),
            measurement: Measurement::new(server),
            clients: (0..count).map(|_| RoundTripClient::default()).collect(),
            first_client: share.start as u32,
            messages: RoundTripMessages::new(sizes),
            sequences: Sequences::new(count as usize, 1),
            rate: args.rate,
            schedule: None,
            next_client: 0,
            inflight: args.inflight as usize,
            budget: args.phases.messages.map(|messages| thread.share_count(messages)),
            verify: common.verify,
            patience: common.drain,
            look_again: Moment::default(),
            counts: RoundTripCounts::default(),
            response: Recorder::new(),
            service: Latencies::new(),
            send_delay: Latencies::new(),
        }
    }

    fn has_all_arrived(&self) -> bool {
        self.clients.iter().all(|client| client.under_way.is_empty())
    }

    /// Records and returns a client's next message, or `None` if no more may be sent.
    fn next_message(&mut self, client: usize, intended: Moment, sent: Moment) -> Option<&[u8]> {
        let is_measured = self.timeline.measures(intended);
        if is_measured && let Some(budget) = &mut self.budget {
            *budget = budget.checked_sub(1)?;
        }
        self.counts.sent += 1;
        if is_measured {
            self.counts.measured_sent += 1;
            self.counts.sent_in_time += u64::from(self.timeline.measures(sent));
            self.send_delay.record(sent.nanos_since(intended));
        }
        let state = &mut self.clients[client];
        let sequence = state.sent;
        state.sent += 1;
        state.under_way.push_back(SentMessage { intended, sent });
        Some(self.messages.write(self.first_client + client as u32, sequence))
    }

    fn send(&mut self, load: &mut Load, client: usize, intended: Moment) {
        let Some(id) = self.clients[client].id else { return };
        let opcode = if self.is_ping { Opcode::Ping } else { load.opcode() };
        let Some(message) = self.next_message(client, intended, load.clock.now()) else { return };
        load.send_frame(id, opcode, message);
    }

    /// Closed loop: gives up overdue replies, then sends until each connection awaits `inflight`.
    fn fill_up(&mut self, load: &mut Load, now: Moment) {
        self.look_again = now + GIVE_UP_EVERY;
        for client in 0..self.clients.len() {
            while let Some(oldest) = self.clients[client].under_way.front()
                && oldest.sent + self.patience <= now
            {
                self.clients[client].give_up_first();
            }
            for _ in self.clients[client].under_way.len()..self.inflight {
                self.send(load, client, now);
            }
        }
    }

    /// Open loop: sends what is due. Returns false if more is due than one turn may send.
    fn send_due(&mut self, load: &mut Load, now: Moment) -> bool {
        for _ in 0..SENDS_PER_TURN_MAX {
            let due = self.schedule.as_mut().and_then(|schedule| schedule.take_due(now));
            let Some(intended) = due else { return true };
            // If a connection has ended, the next connection sends the message instead.
            for _ in 0..self.clients.len() {
                let client = self.next_client;
                self.next_client = (self.next_client + 1) % self.clients.len();
                if self.clients[client].id.is_some() {
                    self.send(load, client, intended);
                    break;
                }
            }
        }
        false
    }

    fn on_reply(&mut self, peer: &mut Peer<'_>, payload: &[u8], is_kind_kept: bool, at: Moment) {
        let client = peer.index as usize;
        let due = self.sequences.next(client, 0);
        let reply = match self.verify {
            Verify::Full | Verify::Count if !is_kind_kept => Reply::Corrupt,
            Verify::Full | Verify::Count => {
                let (number, in_full) =
                    (self.first_client + peer.index, self.verify == Verify::Full);
                self.messages.judge(number, due, payload, in_full)
            }
            Verify::Off => Reply::ToTheNext,
        };
        match reply {
            Reply::Corrupt => {
                self.counts.corrupt += 1;
                // A corrupt reply is taken for the reply to the oldest unanswered message.
                self.clients[client].give_up_first();
            }
            Reply::To(sequence) => self.note(client, sequence, payload.len(), at),
            Reply::ToTheNext => self.note(client, due, payload.len(), at),
        }
        if self.rate.is_none() && self.timeline.is_sending() && self.clients[client].id.is_some() {
            for _ in self.clients[client].under_way.len()..self.inflight {
                let opcode = if self.is_ping { Opcode::Ping } else { peer.opcode };
                let Some(message) = self.next_message(client, at, at) else { break };
                peer.send(opcode, message);
            }
        }
    }

    fn note(&mut self, client: usize, sequence: u32, bytes: usize, at: Moment) {
        if sequence >= self.clients[client].sent {
            self.counts.unexpected += 1;
            return;
        }
        match self.sequences.note(client, 0, sequence) {
            Arrival::InOrder | Arrival::AfterGap { .. } | Arrival::Late => self.counts.replied += 1,
            Arrival::Duplicate => return,
        }
        if self.timeline.phase() == Phase::Measuring {
            self.counts.span_replied += 1;
            self.counts.span_bytes += bytes as u64;
        }
        let Some(message) = self.clients[client].take(sequence) else { return };
        let is_measured = self.timeline.measures(message.intended);
        self.counts.measured_replied += u64::from(is_measured);
        self.response.record(at, at.nanos_since(message.intended), is_measured);
        if is_measured && self.rate.is_some() {
            self.service.record(at.nanos_since(message.sent));
        }
    }
}

impl Scenario for RoundTrips {
    fn on_open(&mut self, _load: &mut Load, id: Id, _part: Part, index: u32) {
        self.clients[index as usize].id = Some(id);
    }

    fn on_message(&mut self, peer: &mut Peer<'_>, message: Message<'_>, at: Moment) {
        if self.is_ping {
            // Only Pongs matter in a run of Pings.
            return;
        }
        let is_kind_kept = message.kind().opcode() == peer.opcode;
        self.on_reply(peer, message.payload(), is_kind_kept, at);
    }

    fn on_pong(&mut self, peer: &mut Peer<'_>, payload: &[u8], at: Moment) {
        if self.is_ping {
            self.on_reply(peer, payload, true, at);
        }
    }

    fn on_ended(&mut self, _load: &mut Load, ended: &Ended) {
        if ended.was_open {
            let client = &mut self.clients[ended.index as usize];
            client.id = None;
            self.counts.ended += 1;
            self.counts.cut_off += client.under_way.len() as u64;
            let is_measured = |message: &&SentMessage| self.timeline.measures(message.intended);
            self.counts.measured_cut_off +=
                client.under_way.iter().filter(is_measured).count() as u64;
            client.under_way.clear();
        }
    }

    fn on_turn(&mut self, load: &mut Load, now: Moment) -> Turn {
        if let Some(opening) = &mut self.opening {
            if let Some(again) = opening.turn(load, now) {
                return Turn::Until(again);
            }
            let Some(at) = load.thread.wait_at(ALL_OPEN, now) else {
                return if load.is_stopping() { Turn::Done } else { Turn::Until(now + LOOK_AGAIN) };
            };
            self.opening = None;
            self.timeline.begin(at);
            load.thread.begin(at);
            self.schedule = self.rate.map(|rate| load.thread.schedule(at, rate));
        }
        if self.timeline.phase() == Phase::Over {
            return end_together(load, ALL_ARRIVED, now);
        }
        let has_open = load.counts(CLIENT).open > 0;
        loop {
            if self.timeline.is_sending() && has_open {
                // Messages due in this phase are sent before the next phase begins, even if late.
                if !self.send_due(load, now.min(self.timeline.until())) && !load.is_stopping() {
                    return Turn::Until(now);
                }
                if self.rate.is_none() && self.look_again <= now {
                    self.fill_up(load, now);
                }
            }
            let stop = load.is_stopping() || !has_open || self.budget == Some(0);
            let all_arrived = self.timeline.phase() == Phase::Draining && self.has_all_arrived();
            let Some(entered) = self.timeline.turn(now, all_arrived, stop) else { break };
            self.measurement.on_phase(entered, load);
        }
        if self.timeline.phase() == Phase::Over {
            return end_together(load, ALL_ARRIVED, now);
        }
        let next_due = self
            .schedule
            .as_ref()
            .map(Schedule::next)
            .or(self.rate.is_none().then_some(self.look_again));
        Turn::Until(
            self.timeline
                .next_turn(now, next_due.filter(|_| self.timeline.is_sending() && has_open)),
        )
    }

    fn progress(&self) -> Progress {
        let (sent, delivered) = (self.counts.sent, self.counts.replied);
        Progress { sent, delivered, p99_nanos: self.response.last_p99_nanos() }
    }

    fn absorb(&mut self, other: RoundTrips) {
        self.counts += other.counts;
        self.measurement.absorb(&other.measurement);
        self.sequences.absorb_counts(&other.sequences);
        self.response.absorb(other.response);
        self.service.merge(&other.service);
        self.send_delay.merge(&other.send_delay);
    }

    fn recorder(&self) -> Option<&Recorder> {
        Some(&self.response)
    }

    fn report(&mut self, load: &Load, report: &mut Report) {
        let counts = &self.counts;
        load.report(report, &[("connections", CLIENT)]);
        report
            .section("throughput")
            .optional("target_per_second", self.rate.map(Value::Count))
            .row("sent_per_second", self.measurement.rate(counts.measured_sent))
            .row("sent", Value::Count(counts.measured_sent))
            .row("expected", Value::Count(counts.measured_sent - counts.measured_cut_off))
            .row("delivered", Value::Count(counts.measured_replied))
            .row("delivered_in_span", Value::Count(counts.span_replied))
            .row("delivered_per_second", self.measurement.rate(counts.span_replied))
            .row("payload_bytes", Value::Bytes(counts.span_bytes))
            .row("payload_bytes_per_second", self.measurement.rate(counts.span_bytes));
        let latency = report.section("latency");
        if self.rate.is_some() {
            latency
                .row("response_ns", Value::from(self.response.total()))
                .row("service_ns", Value::from(&self.service))
                .row("send_delay_ns", Value::from(&self.send_delay));
        } else {
            latency.row("service_ns", Value::from(self.response.total()));
        }
        let sequence = self.sequences.counts();
        let lost = counts.sent.saturating_sub(counts.replied + counts.corrupt + counts.cut_off);
        report.check("lost", lost, "messages were not answered");
        report.check("duplicated", sequence.duplicated, "replies came twice");
        report.check("reordered", sequence.reordered, "replies came out of order");
        report.check("corrupt", counts.corrupt, "replies were not what was sent");
        report.check("unexpected", counts.unexpected, "messages came that were no replies");
        let ended = counts.ended;
        report.check("connections_ended", ended, "connections ended before the run did");
        report
            .section("check")
            .row("sent", Value::Count(counts.sent))
            .row("replied", Value::Count(counts.replied));
        self.measurement.report(load, report, Some(counts.span_replied));
        if counts.corrupt > counts.replied {
            report.note(
                "most of what came was somebody else's: does this path broadcast? `loadgen URL` \
                 tells"
                    .to_owned(),
            );
        }
        let clients = load.counts(CLIENT);
        let was_tried = counts.measured_sent > 0 || !load.is_stopping();
        if counts.measured_replied == 0 && was_tried && clients.opened > 0 {
            let why = match (self.is_ping, clients.open) {
                (_, 0) => "all connections had ended",
                (true, _) => "does this server answer a Ping?",
                (false, _) => "does this path echo?",
            };
            report.fail(format!("nothing was answered while measuring: {why}"));
        }
    }

    fn work(&self) -> Work {
        let counts = &self.counts;
        Work {
            usage: self.measurement.usage(),
            sent: counts.sent_in_time,
            expected: counts.measured_sent - counts.measured_cut_off,
            delivered: counts.span_replied,
        }
    }
}
