//! Messages that other threads of the program publish, and what each publisher is told of those
//! that are refused.
//!
//! A [`PublisherLine`] counts the messages of one publisher that are under way. Once one of them is
//! refused, all that follow are refused too, until nothing is under way and the publisher has been
//! given back everything that was refused. So what was accepted of a publisher in a channel is a
//! prefix without a gap up to what it has been told.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use slab::Slab;

use crate::hub::{ChannelName, ReactorNumber, Refused};
use crate::protocol::{Message, MessageKind};

/// Messages that one publisher may have under way to one reactor: those that wait until the reactor
/// comes to them, or until their channel has room.
pub(crate) const UNDER_WAY_MAX: usize = 1024;

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
    /// The server has ended before it came to the message.
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

/// What one publisher and the reactors share.
pub struct PublisherLine {
    /// By reactor: messages that it has neither accepted nor refused yet.
    under_way: Box<[AtomicUsize]>,
    /// Messages are refused, because one was.
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

    /// Counts one more message as under way to a reactor. Returns false if there are enough.
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

    /// Returns true if an earlier message was refused and the publisher has not been told.
    pub(crate) fn is_refusing(&self) -> bool {
        self.is_refusing.load(Ordering::SeqCst)
    }

    /// Returns what was refused, in the order of each channel, and accepts messages again. Returns
    /// `None` while messages are under way, because more of them may be refused.
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
    /// Whose message it is; `None` once the outcome is known.
    line: Option<Arc<PublisherLine>>,
}

impl RemotePublish {
    /// Makes one without a message.
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

    /// Returns whose message it is; `None` once the outcome is known.
    pub(crate) fn line(&self) -> Option<&Arc<PublisherLine>> {
        self.line.as_ref()
    }

    pub(crate) fn payload_capacity(&self) -> usize {
        self.payload.capacity()
    }

    /// The message has been accepted, or was never sent.
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
        // After it is on the list: a publisher that sees nothing under way sees the whole list.
        line.leave(self.home);
    }
}

/// Whatever becomes of a message, its publisher is told.
impl Drop for RemotePublish {
    fn drop(&mut self) {
        self.refuse(RefusalReason::Stopped);
    }
}

/// The messages from other threads that a reactor has taken up and whose outcome is not settled, by
/// keys that travel with them.
#[derive(Default)]
pub(crate) struct UnderWay {
    publishes: Slab<TakenUp>,
    /// Outcomes that have not been settled: while a message is being published, it is lent out.
    outcomes: VecDeque<(u32, Result<(), RefusalReason>)>,
}

struct TakenUp {
    line: Option<Arc<PublisherLine>>,
    /// `None` while it is lent out.
    publish: Option<RemotePublish>,
}

impl UnderWay {
    pub(crate) fn add(&mut self, publish: RemotePublish) -> u32 {
        let line = publish.line.clone();
        self.publishes.insert(TakenUp { line, publish: Some(publish) }) as u32
    }

    /// Takes a message out, to be published, until [`give_back`](Self::give_back).
    pub(crate) fn lend(&mut self, key: u32) -> Option<RemotePublish> {
        self.publishes.get_mut(key as usize)?.publish.take()
    }

    pub(crate) fn give_back(&mut self, key: u32, publish: RemotePublish) {
        if let Some(taken) = self.publishes.get_mut(key as usize) {
            taken.publish = Some(publish);
        }
    }

    /// Returns whose message it is.
    pub(crate) fn line_of(&self, key: u32) -> Option<&Arc<PublisherLine>> {
        self.publishes.get(key as usize)?.line.as_ref()
    }

    /// Returns true if a message must be refused, because an earlier one of its publisher was.
    pub(crate) fn is_behind_a_refusal(&self, key: u32) -> bool {
        self.line_of(key).is_some_and(|line| line.is_refusing())
    }

    /// Notes the outcome of a message. If it is refused, so is everything behind it from now on.
    pub(crate) fn conclude(&mut self, key: u32, outcome: Result<(), RefusalReason>) {
        if outcome.is_err()
            && let Some(line) = self.line_of(key)
        {
            line.is_refusing.store(true, Ordering::SeqCst);
        }
        self.outcomes.push_back((key, outcome));
    }

    /// Tells the publishers the outcomes that are known, and returns the next message whose buffers
    /// can be used again.
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
