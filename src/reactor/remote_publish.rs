//! Messages that other threads of the program publish, and how each publisher learns which of its
//! messages were refused.
//!
//! A [`PublisherLine`] counts the messages of one publisher that have no outcome yet. Once one of
//! them is refused, all later ones are refused too, until none is without an outcome and the
//! publisher has been given back all refused messages. So of the messages that a publisher sent to
//! a channel up to that point, the accepted ones are a gap-free prefix.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use slab::Slab;

use crate::hub::{ChannelName, ReactorNumber, Refused};
use crate::protocol::{Message, MessageKind};

/// How many messages one publisher may have under way to one reactor: they wait until the reactor
/// processes them, or until their channel has room.
pub(crate) const UNDER_WAY_MAX: usize = 1024;

/// How many messages of all publishers together may be queued to one reactor; beyond that,
/// publishing fails with `PublishError::Busy`. The reactor may put aside as many again because
/// their channel is full. The limit is higher than that of one publisher, so that a single
/// publisher leaves room for others.
pub(crate) const PUBLISHES_MAX: usize = UNDER_WAY_MAX + 256;

/// A message that the server had taken from a [`Publisher`](crate::Publisher) and then refused. No
/// subscriber has received it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct RefusedMessage {
    /// The channel to which it was published.
    pub channel: String,
    /// Whether it is text or binary.
    pub kind: MessageKind,
    /// Its payload.
    pub payload: Vec<u8>,
    /// Why it was refused.
    pub reason: RefusalReason,
}

impl RefusedMessage {
    /// Returns the message, to be published again.
    #[must_use]
    pub fn message(&self) -> Message<'_> {
        Message::from_checked(self.kind, &self.payload)
    }
}

/// Why a message of a publisher was refused.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum RefusalReason {
    /// The channel has refused it: there is no memory, or there are too many channels.
    Channel(Refused),
    /// An earlier message of the same publisher was refused.
    Behind,
    /// The server ended before it processed the message.
    Stopped,
}

impl std::fmt::Display for RefusalReason {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            RefusalReason::Channel(refused) => refused.fmt(formatter),
            RefusalReason::Behind => formatter.write_str("an earlier message was refused"),
            RefusalReason::Stopped => formatter.write_str("the server has ended"),
        }
    }
}

/// What one publisher shares with the reactors: how many of its messages have no outcome, and which
/// were refused.
pub struct PublisherLine {
    /// By reactor: how many messages it has neither accepted nor refused yet.
    under_way: Box<[AtomicUsize]>,
    /// An earlier message was refused, so all further ones are refused too.
    is_refusing: AtomicBool,
    refused: Mutex<Vec<RefusedMessage>>,
}

impl PublisherLine {
    /// Makes the line of a publisher that has published nothing yet.
    #[must_use]
    pub fn new(reactors: usize) -> PublisherLine {
        PublisherLine {
            under_way: (0..reactors).map(|_| AtomicUsize::new(0)).collect(),
            is_refusing: AtomicBool::new(false),
            refused: Mutex::default(),
        }
    }

    /// Counts one more message as under way to a reactor. Returns false, and does not count it, if
    /// `UNDER_WAY_MAX` are under way already.
    pub(crate) fn enter(&self, home: ReactorNumber) -> bool {
        let is_in = self.under_way[home.index()].fetch_add(1, Ordering::SeqCst) < UNDER_WAY_MAX;
        if !is_in {
            self.leave(home);
        }
        is_in
    }

    fn leave(&self, home: ReactorNumber) {
        self.under_way[home.index()].fetch_sub(1, Ordering::SeqCst);
    }

    /// Returns true if an earlier message was refused and the publisher has not been given it back.
    pub(crate) fn is_refusing(&self) -> bool {
        self.is_refusing.load(Ordering::SeqCst)
    }

    /// Returns the refused messages, those of each channel in order, and lets further messages be
    /// accepted again. Returns `None` while other messages have no outcome yet, because they may be
    /// refused too.
    pub(crate) fn take_refused(&self) -> Option<Vec<RefusedMessage>> {
        let mut refused = self.refused.lock().unwrap_or_else(PoisonError::into_inner);
        if self.under_way.iter().any(|messages| messages.load(Ordering::SeqCst) > 0) {
            return None;
        }
        self.is_refusing.store(false, Ordering::SeqCst);
        Some(std::mem::take(&mut *refused))
    }

    fn refuse(&self, message: RefusedMessage) {
        let mut refused = self.refused.lock().unwrap_or_else(PoisonError::into_inner);
        refused.push(message);
        self.is_refusing.store(true, Ordering::SeqCst);
    }
}

/// A message from another thread to the reactor that is the home of its channel.
pub(crate) struct RemotePublish {
    home: ReactorNumber,
    channel: String,
    kind: MessageKind,
    payload: Vec<u8>,
    /// The line of the message's publisher; `None` once the outcome is known.
    line: Option<Arc<PublisherLine>>,
}

impl RemotePublish {
    /// Makes a publish without a message, to be filled.
    pub(crate) fn empty() -> RemotePublish {
        RemotePublish {
            home: ReactorNumber(0),
            channel: String::new(),
            kind: MessageKind::Binary,
            payload: Vec::new(),
            line: None,
        }
    }

    /// Fills in a message that its publisher's line has counted as under way.
    pub(crate) fn fill(
        &mut self,
        line: &Arc<PublisherLine>,
        home: ReactorNumber,
        channel: ChannelName<'_>,
        message: Message<'_>,
    ) {
        self.home = home;
        self.channel.clear();
        self.channel.push_str(channel.as_str());
        self.kind = message.kind();
        self.payload.clear();
        // Reserves exactly this much, because a buffer that grows by doubling could be too large to
        // be kept.
        self.payload.reserve_exact(message.payload().len());
        self.payload.extend_from_slice(message.payload());
        self.line = Some(Arc::clone(line));
    }

    /// Returns the channel and the message, which were validated when they were sent.
    pub(crate) fn parts(&self) -> Option<(ChannelName<'_>, Message<'_>)> {
        let channel = ChannelName::parse(&self.channel).ok()?;
        Some((channel, Message::from_checked(self.kind, &self.payload)))
    }

    /// Returns the line of the message's publisher; `None` once the outcome is known.
    pub(crate) fn line(&self) -> Option<&Arc<PublisherLine>> {
        self.line.as_ref()
    }

    pub(crate) fn payload_capacity(&self) -> usize {
        self.payload.capacity()
    }

    /// To be called when the message has been accepted or was never sent: stops counting it as
    /// under way.
    pub(crate) fn settle(&mut self) {
        if let Some(line) = self.line.take() {
            line.leave(self.home);
        }
    }

    fn refuse(&mut self, reason: RefusalReason) {
        let Some(line) = self.line.take() else { return };
        line.refuse(RefusedMessage {
            channel: std::mem::take(&mut self.channel),
            kind: self.kind,
            payload: std::mem::take(&mut self.payload),
            reason,
        });
        // The count is lowered only after the message is on the list, so that a publisher that
        // reads zero finds all its refused messages there.
        line.leave(self.home);
    }
}

/// A message that is dropped without an outcome was not published, so its publisher gets it back as
/// refused.
impl Drop for RemotePublish {
    fn drop(&mut self) {
        self.refuse(RefusalReason::Stopped);
    }
}

/// The messages from other threads that this reactor has taken from its queue and whose publishers
/// have not been told the outcome, by the keys that travel with the messages.
#[derive(Default)]
pub(crate) struct UnderWay {
    publishes: Slab<TakenUp>,
    /// Outcomes that are known and not yet recorded with the publishers. They are kept here because
    /// the message itself is lent out while it is being published.
    outcomes: VecDeque<(u32, Result<(), RefusalReason>)>,
}

struct TakenUp {
    line: Option<Arc<PublisherLine>>,
    /// `None` while the message is lent out.
    publish: Option<RemotePublish>,
}

impl UnderWay {
    pub(crate) fn add(&mut self, publish: RemotePublish) -> u32 {
        let line = publish.line.clone();
        self.publishes.insert(TakenUp { line, publish: Some(publish) }) as u32
    }

    /// Lends a message to be published, until [`give_back`](Self::give_back).
    pub(crate) fn lend(&mut self, key: u32) -> Option<RemotePublish> {
        self.publishes.get_mut(key as usize)?.publish.take()
    }

    pub(crate) fn give_back(&mut self, key: u32, publish: RemotePublish) {
        if let Some(taken) = self.publishes.get_mut(key as usize) {
            taken.publish = Some(publish);
        }
    }

    /// Returns the line of the publisher of the message with this key.
    fn line_of(&self, key: u32) -> Option<&Arc<PublisherLine>> {
        self.publishes.get(key as usize)?.line.as_ref()
    }

    /// Returns true if a message must be refused, because an earlier one of its publisher was.
    pub(crate) fn is_behind_a_refusal(&self, key: u32) -> bool {
        self.line_of(key).is_some_and(|line| line.is_refusing())
    }

    /// Notes the outcome of a message. After a refusal, all later messages of the publisher are
    /// refused.
    pub(crate) fn conclude(&mut self, key: u32, outcome: Result<(), RefusalReason>) {
        if outcome.is_err()
            && let Some(line) = self.line_of(key)
        {
            line.is_refusing.store(true, Ordering::SeqCst);
        }
        self.outcomes.push_back((key, outcome));
    }

    /// Records the next known outcome with its publisher. Returns the message, whose buffers can be
    /// reused.
    pub(crate) fn settle_next(&mut self) -> Option<RemotePublish> {
        let (key, outcome) = self.outcomes.pop_front()?;
        let mut publish = self.publishes.try_remove(key as usize)?.publish?;
        match outcome {
            Ok(()) => publish.settle(),
            Err(reason) => publish.refuse(reason),
        }
        Some(publish)
    }
}
