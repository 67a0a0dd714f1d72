//! Round trips in a closed loop: each connection has so many messages under way, and a reply brings the next one
//! out. So times are service times, never latency at a rate.
use std::collections::VecDeque;

use fanfare::protocol::{Message, MessageKind};

use crate::cli::{EchoArgs, Verify};
use crate::clock::Moment;
use crate::connection::Part;
use crate::latency::Latencies;
use crate::load::{Ended, Id, Load};
use crate::opening::{Batch, Opening, Pace};
use crate::payload::{hex, pattern};
use crate::process::ServerProcess;
use crate::report::{Report, Value};
use crate::run::{Peer, Scenario, Turn};
use crate::timeline::{Measurement, Phase, Timeline};

const CLIENT: Part = Part(0);

/// `eSSSSSSSS.CCCCCCCC.`: sequence and connection, in hexadecimal; a smaller message is its beginning.
const HEAD_BYTES: usize = 19;

#[derive(Default)]
struct Client {
    id: Option<Id>,
    sent: u32,
    replied: u32,
    /// When each message that is under way was sent.
    sent_at: VecDeque<Moment>,
}

#[derive(Default)]
struct Counts {
    sent: u64,
    replied: u64,
    span_replied: u64,
    wrong: u64,
    unexpected: u64,
    ended: u64,
    /// Under way on connections that ended: not counted as lost, the end is told instead.
    cut_off: u64,
}

pub(crate) struct Echo {
    opening: Opening,
    timeline: Timeline,
    measurement: Measurement,
    clients: Vec<Client>,
    messages: Messages,
    inflight: u64,
    verify: Verify,
    /// Messages sent from this moment on are measured.
    measured_from: Option<Moment>,
    counts: Counts,
    service_time: Latencies,
}

impl Echo {
    pub(crate) fn new(args: &EchoArgs, server: Option<ServerProcess>) -> Echo {
        let batch = Batch { part: CLIENT, first: 0, count: args.connections };
        Echo {
            opening: Opening::new(Pace::of(&args.common), [batch]),
            timeline: Timeline::new(args.phases, args.common.drain),
            measurement: Measurement::new(server),
            clients: (0..args.connections).map(|_| Client::default()).collect(),
            messages: Messages::new(args.size),
            inflight: args.inflight,
            verify: args.common.verify,
            measured_from: None,
            counts: Counts::default(),
            service_time: Latencies::new(),
        }
    }

    fn has_all_arrived(&self) -> bool {
        self.counts.sent == self.counts.replied + self.counts.cut_off
    }

    fn send_first(&mut self, load: &mut Load, now: Moment) {
        for (index, client) in self.clients.iter_mut().enumerate() {
            let Some(id) = client.id else { continue };
            for _ in 0..self.inflight {
                load.send_text(id, self.messages.write(index as u32, client.sent));
                client.sent += 1;
                client.sent_at.push_back(now);
                self.counts.sent += 1;
            }
        }
    }
}

impl Scenario for Echo {
    fn on_open(&mut self, _load: &mut Load, id: Id, _part: Part, index: u32) {
        self.clients[index as usize].id = Some(id);
    }

    fn on_message(&mut self, peer: &mut Peer<'_>, message: Message<'_>, at: Moment) {
        let client = &mut self.clients[peer.index as usize];
        let Some(sent_at) = client.sent_at.pop_front() else {
            self.counts.unexpected += 1;
            return;
        };
        let is_right = match self.verify {
            Verify::Full => {
                message.kind() == MessageKind::Text
                    && message.payload() == self.messages.write(peer.index, client.replied)
            }
            Verify::Count => message.payload().len() == self.messages.size,
            Verify::Off => true,
        };
        client.replied += 1;
        self.counts.replied += 1;
        self.counts.wrong += u64::from(!is_right);
        let phase = self.timeline.phase();
        self.counts.span_replied += u64::from(phase == Phase::Measuring);
        if self.measured_from.is_some_and(|from| from <= sent_at) && is_right {
            self.service_time.record(at.nanos_since(sent_at));
        }
        if self.timeline.is_sending() {
            peer.send_text(self.messages.write(peer.index, client.sent));
            client.sent += 1;
            client.sent_at.push_back(at);
            self.counts.sent += 1;
        }
    }

    fn on_ended(&mut self, _load: &mut Load, ended: &Ended) {
        if ended.was_open {
            let client = &mut self.clients[ended.index as usize];
            client.id = None;
            self.counts.ended += 1;
            self.counts.cut_off += client.sent_at.len() as u64;
            client.sent_at.clear();
        }
    }

    fn on_turn(&mut self, load: &mut Load, now: Moment) -> Turn {
        if self.timeline.phase() == Phase::Opening {
            if let Some(again) = self.opening.turn(load, now) {
                return Turn::Until(again);
            }
            self.timeline.begin(now);
            self.send_first(load, now);
        }
        let stop = load.is_stopping() || load.counts(CLIENT).open == 0;
        while let Some(entered) = self.timeline.turn(now, self.has_all_arrived(), stop) {
            self.measurement.on_phase(entered, load);
            if entered == Phase::Measuring {
                self.measured_from = Some(now);
            }
        }
        match self.timeline.phase() {
            Phase::Over => Turn::Done,
            Phase::Opening | Phase::WarmUp | Phase::Measuring | Phase::Draining => {
                Turn::Until(self.timeline.next_turn(now, None))
            }
        }
    }

    fn report(&self, load: &Load, report: &mut Report) {
        let counts = &self.counts;
        load.report(report, &[("connections", CLIENT)]);
        report
            .section("throughput")
            .row("replies_per_second", self.measurement.rate(counts.span_replied))
            .row("replied_in_span", Value::Count(counts.span_replied));
        report.section("latency").row("service_time_ns", Value::from(&self.service_time));
        let lost = counts.sent.saturating_sub(counts.replied + counts.cut_off);
        report
            .section("check")
            .row("sent", Value::Count(counts.sent))
            .row("replied", Value::Count(counts.replied))
            .row("lost", Value::Count(lost))
            .row("wrong", Value::Count(counts.wrong))
            .row("unexpected", Value::Count(counts.unexpected))
            .row("connections_ended", Value::Count(counts.ended));
        self.measurement.report(report, "message", counts.span_replied);
        report.fail_if_any(lost, "messages were not answered");
        report.fail_if_any(counts.wrong, "replies were not what was sent, in order");
        report.fail_if_any(counts.unexpected, "messages came that were no replies");
        report.fail_if_any(counts.ended, "connections ended before the run did");
        if counts.span_replied == 0 {
            report.fail("nothing was answered while measuring".to_owned());
        }
    }
}

/// What is sent. The same bytes can be made again to compare a reply with, so nothing that was sent is kept.
struct Messages {
    size: usize,
    /// The head of the last message made, and the pattern that all share; at least a head long.
    message: Vec<u8>,
}

impl Messages {
    fn new(size: usize) -> Messages {
        Messages { size, message: pattern(size.max(HEAD_BYTES)) }
    }

    /// The message of this connection and sequence.
    fn write(&mut self, connection: u32, sequence: u32) -> &[u8] {
        self.message[0] = b'e';
        self.message[1..9].copy_from_slice(&hex::<8>(u64::from(sequence)));
        self.message[9] = b'.';
        self.message[10..18].copy_from_slice(&hex::<8>(u64::from(connection)));
        self.message[18] = b'.';
        &self.message[..self.size]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_of_any_size_are_told_apart_as_far_as_they_reach() {
        let mut messages = Messages::new(32);
        let first = messages.write(7, 0x1f).to_vec();
        assert!(first.starts_with(b"e0000001f.00000007.") && first.len() == 32);
        assert_ne!(messages.write(7, 0x20), first);
        assert_ne!(messages.write(8, 0x1f), first);
        assert_eq!(messages.write(7, 0x1f), first);
        assert_eq!(Messages::new(1).write(7, 1), b"e");
        assert_eq!(Messages::new(4096).write(7, 1).len(), 4096);
    }
}
