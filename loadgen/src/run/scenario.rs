//! The trait of a scenario: its hooks, what they are given, and what they return.
use fanfare::protocol::{Message, Opcode, encode_masked_frame};

use super::load::{Ended, Load};
use super::threads::LOOK_AGAIN;
use crate::measure::series::Recorder;
use crate::measure::usage::Usage;
use crate::net::clock::Moment;
use crate::net::connection::Part;
use crate::net::random::Random;
use crate::net::slots::Id;
use crate::report::gather::Report;

/// What a thread should do after a scenario's `on_turn`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Turn {
    /// Call again at this moment at the latest.
    Until(Moment),
    Done,
}

/// Ends a scenario on all threads together, so that no thread closes its connections while another
/// is still receiving. Returns `Done` once all have reached this barrier, or the run is stopping.
pub(crate) fn end_together(load: &mut Load, barrier: usize, now: Moment) -> Turn {
    match load.thread.wait_at(barrier, now) {
        Some(_) => Turn::Done,
        None if load.is_stopping() => Turn::Done,
        None => Turn::Until(now + LOOK_AGAIN),
    }
}

/// A scenario: its hooks are called for everything that happens to its connections.
pub(crate) trait Scenario {
    /// A connection has opened: its 101 has been read, but nothing after it.
    fn on_open(&mut self, _load: &mut Load, _id: Id, _part: Part, _index: u32) {}

    /// A message was read at `at`.
    fn on_message(&mut self, _peer: &mut Peer<'_>, _message: Message<'_>, _at: Moment) {}

    /// A Pong was read.
    fn on_pong(&mut self, _peer: &mut Peer<'_>, _payload: &[u8], _at: Moment) {}

    /// A publish by POST was answered.
    fn on_answer(&mut self, _index: u32, _status: u16) {}

    /// A connection has ended, or could not be made.
    fn on_ended(&mut self, load: &mut Load, ended: &Ended);

    /// Called once a turn, a pass of the event loop, after all ready sockets have been read.
    fn on_turn(&mut self, load: &mut Load, now: Moment) -> Turn;

    /// Progress for the watcher.
    fn progress(&self) -> Progress {
        Progress::default()
    }

    /// Adds what another thread's instance has recorded. Called after the last turn.
    fn absorb(&mut self, other: Self);

    /// Returns the recorder of latencies, if the scenario has one.
    fn recorder(&self) -> Option<&Recorder> {
        None
    }

    /// Writes the scenario's figures into the report. Called after the last turn.
    fn report(&mut self, load: &Load, report: &mut Report);

    /// Returns the counts that decide if the result can be trusted. Called after `report`.
    fn work(&self) -> Work {
        Work::default()
    }
}

#[derive(Clone, Copy, Default, Debug)]
pub(crate) struct Progress {
    pub(crate) sent: u64,
    pub(crate) delivered: u64,
    /// The 99th percentile of the latencies in the last full second.
    pub(crate) p99_nanos: u64,
}

/// What was done in the measured span. It decides if the result can be trusted (the verdict).
#[derive(Clone, Copy, Default, Debug)]
pub(crate) struct Work {
    pub(crate) usage: Option<Usage>,
    /// Messages that were due in the span and also sent in it.
    pub(crate) sent: u64,
    /// Deliveries that the messages due in the span should have caused.
    pub(crate) expected: u64,
    /// Deliveries received within the span.
    pub(crate) delivered: u64,
}

/// The connection on which a message was received.
pub(crate) struct Peer<'a> {
    pub(crate) part: Part,
    pub(crate) index: u32,
    pub(super) outbound: &'a mut Vec<u8>,
    pub(super) random: &'a mut Random,
    /// Opcode of the messages that this run sends: Text or Binary.
    pub(crate) opcode: Opcode,
}

impl Peer<'_> {
    /// Queues a reply. All replies to the messages of one read leave in one write.
    pub(crate) fn send(&mut self, opcode: Opcode, payload: &[u8]) {
        encode_masked_frame(self.outbound, opcode, payload, self.random.mask());
    }
}
