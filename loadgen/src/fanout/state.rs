//! What one thread knows of the publishers and receivers of one channel.
use std::ops::Range;

use derive_more::AddAssign;

use super::board::Board;
use super::board::OwnCopies;
use super::last_receiver::LastReceiver;
use super::settings::FanoutSettings;
use super::window::Window;
use crate::check::order::Orders;
use crate::check::payload::Payloads;
use crate::check::sequence::Sequences;
use crate::measure::latency::Latencies;
use crate::measure::series::Recorder;
use crate::net::slots::Id;
use crate::run::schedule::Schedule;
use crate::run::threads::ThisThread;

/// What this thread knows of one publisher.
#[derive(Default)]
pub(super) struct Publisher {
    /// The publisher's connection. `None` if it is not open or belongs to another thread.
    pub(super) id: Option<Id>,
    /// Messages sent. Counted only on the thread that owns the publisher's connection.
    pub(super) sent: u32,
    /// Sequence numbers of the sent messages that were due within the measured span.
    pub(super) measured: Range<u32>,
    pub(super) window: Window,
}

#[derive(Clone, Copy, Default, AddAssign)]
pub(super) struct FanoutCounts {
    pub(super) published: u64,
    /// Deliveries that should have happened: each message once for every receiver that was open
    /// when it was sent. Known when all threads have stopped sending.
    pub(super) expected: u64,
    pub(super) measured_expected: u64,
    pub(super) delivered: u64,
    pub(super) measured_published: u64,
    /// Messages that were due within the measured span and also sent within it.
    pub(super) published_in_time: u64,
    pub(super) measured_delivered: u64,
    /// Messages that arrived within the measured span, whenever they were sent.
    pub(super) span_delivered: u64,
    pub(super) span_bytes: u64,
    pub(super) corrupt: u64,
    pub(super) unexpected: u64,
    /// Receivers whose connection ended before the end of the run.
    pub(super) receivers_ended: u64,
    /// Messages that a closed loop gave up waiting for.
    pub(super) given_up: u64,
    pub(super) refused_posts: u64,
    pub(super) answered_posts: u64,
}

pub(crate) struct Fanout {
    pub(super) settings: FanoutSettings,
    pub(super) board: Board,
    /// Index range of the publishers whose connections belong to this thread.
    pub(super) own: Range<usize>,
    pub(super) publishers: Vec<Publisher>,
    /// For each receiver of this thread, true while it is open. Publishers come before subscribers.
    pub(super) receivers: Vec<bool>,
    /// How many of the receivers are open.
    pub(super) open_count: u32,
    pub(super) payloads: Payloads,
    pub(super) scratch: Vec<u8>,
    pub(super) sequences: Sequences,
    pub(super) orders: Orders,
    pub(super) schedule: Option<Schedule>,
    /// The publisher that sends the next message of the open loop.
    pub(super) next_publisher: usize,
    /// How many measured messages may still be sent. `None` for no limit.
    pub(super) budget: Option<u64>,
    pub(super) is_measuring: bool,
    /// True once [`Fanout::close`] has counted the expected deliveries.
    pub(super) is_closed: bool,
    pub(super) counts: FanoutCounts,
    /// The status of the first refused publish by POST.
    pub(super) first_refusal: Option<u16>,
    pub(super) response: Recorder,
    pub(super) service: Latencies,
    pub(super) last_receiver: LastReceiver,
    pub(super) send_delay: Latencies,
}

impl Fanout {
    pub(super) fn new(settings: FanoutSettings, board: Board, thread: &ThisThread) -> Fanout {
        let (own, subscribers) = settings.shares(thread);
        let receivers = subscribers.len() + if settings.by_post { 0 } else { own.len() };
        // Every publisher sends the same number of messages, give or take one.
        let budget = settings.messages.map(|messages| {
            let bound =
                |publishers: u32| messages * u64::from(publishers) / u64::from(settings.publishers);
            bound(own.end) - bound(own.start)
        });
        Fanout {
            board,
            own: own.start as usize..own.end as usize,
            publishers: (0..settings.publishers).map(|_| Publisher::default()).collect(),
            receivers: vec![false; receivers],
            open_count: 0,
            payloads: Payloads::new(settings.sizes),
            scratch: Vec::new(),
            sequences: Sequences::new(receivers, settings.publishers as usize),
            orders: Orders::new(receivers),
            schedule: None,
            next_publisher: own.start as usize,
            budget,
            is_measuring: false,
            is_closed: false,
            counts: FanoutCounts::default(),
            first_refusal: None,
            response: Recorder::new(),
            service: Latencies::new(),
            last_receiver: LastReceiver::new(thread.count(), settings.publishers as usize),
            send_delay: Latencies::new(),
            settings,
        }
    }

    /// Returns the receiver number of this thread's publisher `index`; `None` if it uses POST.
    pub(super) fn publisher_receiver(&self, index: u32) -> Option<usize> {
        (!self.settings.by_post).then_some(index as usize)
    }

    /// Returns the receiver number of this thread's subscriber number `index`.
    pub(super) fn subscriber_receiver(&self, index: u32) -> usize {
        index as usize + if self.settings.by_post { 0 } else { self.own.len() }
    }

    /// Records that this thread's publisher number `index` is open.
    pub(super) fn on_publisher_open(&mut self, index: u32, id: Id) {
        let at = self.own.start + index as usize;
        self.publishers[at].id = Some(id);
        if let Some(receiver) = self.publisher_receiver(index) {
            self.on_receiver_open(receiver);
        }
    }

    /// Records that a receiver is open. All receivers open before the first message.
    pub(super) fn on_receiver_open(&mut self, receiver: usize) {
        self.receivers[receiver] = true;
        self.open_count += 1;
    }

    pub(super) fn on_publisher_ended(&mut self, index: u32) {
        let at = self.own.start + index as usize;
        self.publishers[at].id = None;
        if let Some(receiver) = self.publisher_receiver(index) {
            self.on_receiver_ended(receiver);
        }
    }

    /// Records that an open receiver has ended. It is no longer expected to receive later messages.
    pub(super) fn on_receiver_ended(&mut self, receiver: usize) {
        self.receivers[receiver] = false;
        self.open_count -= 1;
        self.counts.receivers_ended += 1;
        for at in 0..self.publishers.len() {
            if self.expects(receiver, at) {
                let next = self.sequences.next(receiver, at);
                let window = &mut self.publishers[at].window;
                window.settle(next..window.end());
            }
        }
    }

    /// Returns true if a receiver should get what this publisher sends. A publisher should get its
    /// own messages only if the probe has shown that the server sends them.
    pub(super) fn expects(&self, receiver: usize, publisher: usize) -> bool {
        !self.is_own(receiver, publisher) || self.board.own_copies() == OwnCopies::Yes
    }

    pub(super) fn is_own(&self, receiver: usize, publisher: usize) -> bool {
        !self.settings.by_post
            && receiver < self.own.len()
            && self.own.start + receiver == publisher
    }

    /// Returns true if all publishers of this thread have ended, or all its receivers.
    pub(super) fn is_dead(&self) -> bool {
        let has_publisher =
            self.publishers[self.own.clone()].iter().any(|publisher| publisher.id.is_some());
        (!self.own.is_empty() && !has_publisher)
            || (!self.receivers.is_empty() && self.open_count == 0)
    }

    /// Returns true if this thread has the publisher that sends the probe, the first message.
    pub(super) fn is_prober(&self) -> bool {
        self.own.start == 0 && !self.own.is_empty()
    }

    /// Returns true if the probe has reached every open receiver of this thread except its
    /// publisher.
    pub(super) fn has_probe_arrived(&self) -> bool {
        (0..self.receivers.len()).all(|receiver| {
            !self.receivers[receiver]
                || self.is_own(receiver, 0)
                || self.sequences.next(receiver, 0) > 0
        })
    }

    /// Returns true if the probe has also come back to the publisher that sent it.
    pub(super) fn has_own_copy_arrived(&self) -> bool {
        !self.settings.by_post && self.sequences.next(0, 0) > 0
    }

    /// Ends publishing. Tells the other threads how many messages each publisher has sent.
    pub(super) fn end(&mut self) {
        for at in self.own.clone() {
            let publisher = &self.publishers[at];
            self.board.set_total(at, publisher.sent, &publisher.measured);
        }
    }

    /// Returns how many receivers of this thread should get a message of this publisher. The
    /// publisher itself is counted only once the probe has shown that it receives its own messages.
    pub(super) fn missing(&self, publisher: usize) -> u32 {
        let sends_own = self.board.own_copies() == OwnCopies::Yes;
        let own_receiver = !self.settings.by_post
            && self.own.contains(&publisher)
            && self.receivers[publisher - self.own.start];
        self.open_count - u32::from(own_receiver && !sends_own)
    }

    /// Returns true if every receiver of this thread has received or missed every message, and
    /// every POST has been answered.
    pub(super) fn has_all_arrived(&self) -> bool {
        let has_all = |publisher: usize| {
            let Some(total) = self.board.total(publisher) else { return false };
            let window = &self.publishers[publisher].window;
            window.under_way() == 0 && (self.missing(publisher) == 0 || window.end() == total)
        };
        let has_answers =
            !self.settings.by_post || self.counts.answered_posts == self.counts.published;
        has_answers && (0..self.publishers.len()).all(has_all)
    }

    /// Returns how many messages the first publisher has sent; `None` until it has stopped.
    pub(crate) fn total_of_the_first(&self) -> Option<u32> {
        self.board.total(0)
    }

    pub(super) fn recorder(&self) -> &Recorder {
        &self.response
    }
}
