//! Commands from other threads to a reactor: publish, reload, drain, stop.

use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::sync::{Arc, Mutex};

use crate::hub::{ChannelName, ChannelNameError, ReactorNumber};
use crate::net::Wake;
use crate::protocol::Message;
use crate::reactor::limits::ReactorLimits;
use crate::reactor::mail::Notifier;
use crate::reactor::remote_publish::{PUBLISHES_MAX, PublisherLine, RefusedMessage, RemotePublish};

use super::reload::ReloadRequests;

/// Processed publishes that are kept, so that later ones reuse their buffers and allocate nothing.
const SPARES_MAX: usize = 256;
/// Larger buffers are freed, so that the buffers kept take at most about 1 MiB for each reactor.
const SPARE_BYTES_MAX: usize = 4 * 1024;

/// Whether the reactor is to end, and how. A later request can only raise the value: a stop cuts a
/// drain short.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(crate) enum Ending {
    Not = 0,
    Drain = 1,
    Stop = 2,
}

/// The receiving side of a [`Handle`], held by the reactor.
pub(crate) struct FromThreads {
    publishes: Receiver<RemotePublish>,
    used: SyncSender<RemotePublish>,
    ending: Arc<AtomicU8>,
    reloads: Arc<ReloadRequests>,
    /// The number of the last request to reload that the reactor has heard.
    reload_heard: u32,
}

/// A handle to a reactor that any thread may use.
#[derive(Clone)]
pub struct Handle<W> {
    reactor: ReactorNumber,
    publishes: SyncSender<RemotePublish>,
    /// Processed publishes that the reactor has returned. The next publish reuses their buffers.
    spares: Arc<Mutex<Receiver<RemotePublish>>>,
    used: SyncSender<RemotePublish>,
    ending: Arc<AtomicU8>,
    reloads: Arc<ReloadRequests>,
    notifier: Notifier<W>,
    message_bytes_max: usize,
}

/// Why a message was not taken. It has been sent to no subscriber.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum PublishError {
    /// Try again later. Too many messages wait for the channel's home reactor: of this publisher
    /// (perhaps because one of its channels is full) or of all publishers together. Or one of this
    /// publisher's messages has been refused, and the outcome of the others is not known yet.
    Busy,
    /// Earlier messages of this publisher were refused: these. The message of this call was not
    /// taken either. The next message is taken again, because this error has told the publisher of
    /// the refusal.
    Refused(Vec<RefusedMessage>),
    /// The name is not a valid channel name.
    Name(ChannelNameError),
    /// The message is larger than the limit.
    TooBig,
    /// The reactor has ended.
    Stopped,
}

impl std::fmt::Display for PublishError {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            PublishError::Busy => formatter.write_str("the server has fallen behind: try again"),
            PublishError::Refused(messages) => {
                let (count, first) = (messages.len(), messages.first());
                write!(formatter, "{count} earlier messages were refused")?;
                first.map_or(Ok(()), |first| write!(formatter, ": {}", first.reason))
            }
            PublishError::Name(error) => error.fmt(formatter),
            PublishError::TooBig => {
                formatter.write_str("the message is larger than a message may be")
            }
            PublishError::Stopped => formatter.write_str("the server has ended"),
        }
    }
}

impl std::error::Error for PublishError {}

/// Creates a handle and its receiving side, which the reactor holds.
pub(crate) fn handle<W: Wake>(
    reactor: ReactorNumber,
    notifier: Notifier<W>,
    message_bytes_max: usize,
) -> (FromThreads, Handle<W>) {
    let (sender, publishes) = sync_channel(PUBLISHES_MAX);
    let (used, spares) = sync_channel(SPARES_MAX);
    let ending = Arc::new(AtomicU8::new(Ending::Not as u8));
    let reloads = Arc::new(ReloadRequests::default());
    let commands = FromThreads {
        publishes,
        used: used.clone(),
        ending: Arc::clone(&ending),
        reloads: Arc::clone(&reloads),
        reload_heard: 0,
    };
    let handle = Handle {
        reactor,
        publishes: sender,
        spares: Arc::new(Mutex::new(spares)),
        used,
        ending,
        reloads,
        notifier,
        message_bytes_max,
    };
    (commands, handle)
}

impl FromThreads {
    pub(crate) fn take(&self) -> Option<RemotePublish> {
        self.publishes.try_recv().ok()
    }

    /// Keeps the buffers of a processed publish for reuse.
    pub(crate) fn give_back(&self, publish: RemotePublish) {
        give_back(&self.used, publish);
    }

    pub(crate) fn ending(&self) -> Ending {
        match self.ending.load(Ordering::SeqCst) {
            0 => Ending::Not,
            1 => Ending::Drain,
            _ => Ending::Stop,
        }
    }

    /// Returns true if a reload was requested since the last call.
    pub(crate) fn is_to_reload(&mut self) -> bool {
        self.reloads.is_newer(&mut self.reload_heard)
    }

    /// Returns the limits that a reload has brought, if any.
    pub(crate) fn take_limits(&self) -> Option<ReactorLimits> {
        self.reloads.take_limits()
    }
}

impl<W: Wake> Handle<W> {
    /// Queues a message for the subscribers of a channel whose home is this reactor. Does not
    /// block. `line` is shared by all messages of one publisher, and records their outcomes.
    ///
    /// # Errors
    ///
    /// [`PublishError`]; the message is then sent to no subscriber.
    pub fn try_publish(
        &self,
        line: &Arc<PublisherLine>,
        channel: ChannelName<'_>,
        message: Message<'_>,
    ) -> Result<(), PublishError> {
        if message.payload().len() > self.message_bytes_max {
            return Err(PublishError::TooBig);
        }
        if line.is_refusing() {
            let refused = line.take_refused().ok_or(PublishError::Busy)?;
            if !refused.is_empty() {
                return Err(PublishError::Refused(refused));
            }
        }
        if !line.enter(self.reactor) {
            return Err(PublishError::Busy);
        }
        // If another thread holds the lock, a new buffer is allocated instead of waiting.
        let spare = self.spares.try_lock().ok().and_then(|spares| spares.try_recv().ok());
        let mut publish = spare.unwrap_or_else(RemotePublish::empty);
        publish.fill(line, self.reactor, channel, message);
        self.publishes.try_send(publish).map_err(|error| match error {
            TrySendError::Full(mut publish) => {
                publish.settle();
                give_back(&self.used, publish);
                PublishError::Busy
            }
            TrySendError::Disconnected(mut publish) => {
                publish.settle();
                PublishError::Stopped
            }
        })?;
        self.notifier.notify();
        Ok(())
    }

    /// Makes the reactor call [`Handler::on_reload`](super::Handler::on_reload), in its next turn.
    /// Of `limits`, if there are any, those come into force then that can change while it serves.
    pub fn reload(&self, limits: Option<&ReactorLimits>) {
        self.reloads.request(limits.cloned());
        self.notifier.notify();
    }

    /// Makes the server accept no new connections, send what is pending, close every connection
    /// with 1012, and end.
    pub fn drain(&self) {
        self.end(Ending::Drain);
    }

    /// Ends the server now; connections are cut.
    pub fn stop(&self) {
        self.end(Ending::Stop);
    }

    fn end(&self, ending: Ending) {
        self.ending.fetch_max(ending as u8, Ordering::SeqCst);
        self.notifier.notify();
    }
}

/// Keeps the buffers of a publish for reuse, unless they are too large or enough are kept already.
fn give_back(used: &SyncSender<RemotePublish>, publish: RemotePublish) {
    if publish.payload_capacity() <= SPARE_BYTES_MAX {
        let _ = used.try_send(publish);
    }
}
