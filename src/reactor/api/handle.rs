//! What other threads ask of a reactor: publishing, draining, stopping.

use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};

use crate::hub::{ChannelName, ChannelNameError};
use crate::net::Wake;
use crate::protocol::{Message, MessageKind};
use crate::reactor::mail::Notifier;

/// Publishes that may wait for the reactor; one more is [`PublishError::Busy`].
const PUBLISHES_MAX: usize = 1024;

/// A message on its way from another thread.
pub(crate) struct RemotePublish {
    channel: Box<str>,
    kind: MessageKind,
    payload: Box<[u8]>,
}

impl RemotePublish {
    /// The channel and the message, which were checked when they were sent.
    pub(crate) fn parts(&self) -> Option<(ChannelName<'_>, Message<'_>)> {
        let channel = ChannelName::parse(&self.channel).ok()?;
        Some((channel, Message::from_checked(self.kind, &self.payload)))
    }
}

/// How far the end has come. Only ever grows.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(crate) enum Ending {
    Not = 0,
    Drain = 1,
    Stop = 2,
}

/// The reactor's end: what its handles have asked.
pub(crate) struct Commands {
    publishes: Receiver<RemotePublish>,
    ending: Arc<AtomicU8>,
}

/// A handle to a reactor from any thread. Messages of one clone keep their order.
#[derive(Clone)]
pub struct Handle<W> {
    publishes: SyncSender<RemotePublish>,
    ending: Arc<AtomicU8>,
    notifier: Notifier<W>,
    message_bytes_max: usize,
}

/// Why a message was not taken. It has reached nobody.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum PublishError {
    /// The reactor has fallen behind: try again in a while.
    Busy,
    /// Not a channel's name.
    Name(ChannelNameError),
    /// Larger than a message may be.
    TooBig,
    /// The reactor has ended.
    Stopped,
}

impl std::fmt::Display for PublishError {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            PublishError::Busy => formatter.write_str("the server has fallen behind: try again"),
            PublishError::Name(error) => error.fmt(formatter),
            PublishError::TooBig => {
                formatter.write_str("the message is larger than a message may be")
            }
            PublishError::Stopped => formatter.write_str("the server has ended"),
        }
    }
}

impl std::error::Error for PublishError {}

/// Both ends.
pub(crate) fn handle<W: Wake>(
    notifier: Notifier<W>,
    message_bytes_max: usize,
) -> (Commands, Handle<W>) {
    let (sender, publishes) = sync_channel(PUBLISHES_MAX);
    let ending = Arc::new(AtomicU8::new(Ending::Not as u8));
    let commands = Commands { publishes, ending: Arc::clone(&ending) };
    (commands, Handle { publishes: sender, ending, notifier, message_bytes_max })
}

impl Commands {
    pub(crate) fn take(&self) -> Option<RemotePublish> {
        self.publishes.try_recv().ok()
    }

    pub(crate) fn ending(&self) -> Ending {
        match self.ending.load(Ordering::SeqCst) {
            0 => Ending::Not,
            1 => Ending::Drain,
            _ => Ending::Stop,
        }
    }
}

impl<W: Wake> Handle<W> {
    /// Puts a message on its way to the subscribers of a channel whose home this reactor is. Does
    /// not block.
    ///
    /// # Errors
    ///
    /// [`PublishError`]; then the message reaches nobody.
    pub fn try_publish(
        &self,
        channel: ChannelName<'_>,
        message: Message<'_>,
    ) -> Result<(), PublishError> {
        if message.payload().len() > self.message_bytes_max {
            return Err(PublishError::TooBig);
        }
        let publish = RemotePublish {
            channel: channel.as_str().into(),
            kind: message.kind(),
            payload: message.payload().into(),
        };
        self.publishes.try_send(publish).map_err(|error| match error {
            TrySendError::Full(_) => PublishError::Busy,
            TrySendError::Disconnected(_) => PublishError::Stopped,
        })?;
        self.notifier.notify();
        Ok(())
    }

    /// Takes no new connections, sends what is pending, closes every connection with 1012, and
    /// ends.
    pub fn drain(&self) {
        self.end(Ending::Drain);
    }

    /// Ends now; connections are cut.
    pub fn stop(&self) {
        self.end(Ending::Stop);
    }

    fn end(&self, ending: Ending) {
        self.ending.fetch_max(ending as u8, Ordering::SeqCst);
        self.notifier.notify();
    }
}
