//! A reactor's door for other threads: publishing, draining, stopping.

use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};

use crate::hub::{ChannelName, ChannelNameError};
use crate::net::Wake;
use crate::protocol::{Message, MessageKind};

use super::commons::Commons;
use super::mail::{Bell, Origin};

/// Publishes that may wait for the reactor; one more is [`PublishError::Busy`].
const MAIL_MAX: usize = 1024;

/// A message on its way from another thread.
pub(super) struct Mail {
    pub(super) channel: Box<str>,
    pub(super) kind: MessageKind,
    pub(super) payload: Box<[u8]>,
}

impl Mail {
    /// Brings the message to its channel's home. There is room: that is looked at before mail is
    /// taken.
    pub(super) fn deliver(&self, commons: &mut Commons) {
        let Ok(channel) = ChannelName::parse(&self.channel) else { return };
        let submitted = commons.submit(
            Origin::Publisher,
            channel,
            Message::from_checked(self.kind, &self.payload),
        );
        debug_assert!(submitted.is_ok(), "mail was taken although there was no room for it");
    }
}

/// How far the end has come. Only ever grows.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(super) enum Ending {
    Not = 0,
    Drain = 1,
    Stop = 2,
}

/// The reactor's end.
pub(super) struct Door {
    mail: Receiver<Mail>,
    ending: Arc<AtomicU8>,
}

/// A handle to a reactor from any thread. Messages of one clone keep their order.
#[derive(Clone)]
pub struct Remote<W> {
    mail: SyncSender<Mail>,
    ending: Arc<AtomicU8>,
    bell: Bell<W>,
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

/// Both ends of a reactor's door.
pub(super) fn door<W: Wake>(bell: Bell<W>, message_bytes_max: usize) -> (Door, Remote<W>) {
    let (sender, receiver) = sync_channel(MAIL_MAX);
    let ending = Arc::new(AtomicU8::new(Ending::Not as u8));
    (
        Door { mail: receiver, ending: Arc::clone(&ending) },
        Remote { mail: sender, ending, bell, message_bytes_max },
    )
}

impl Door {
    pub(super) fn take(&self) -> Option<Mail> {
        self.mail.try_recv().ok()
    }

    pub(super) fn ending(&self) -> Ending {
        match self.ending.load(Ordering::SeqCst) {
            0 => Ending::Not,
            1 => Ending::Drain,
            _ => Ending::Stop,
        }
    }
}

impl<W: Wake> Remote<W> {
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
        let mail = Mail {
            channel: channel.as_str().into(),
            kind: message.kind(),
            payload: message.payload().into(),
        };
        self.mail.try_send(mail).map_err(|error| match error {
            TrySendError::Full(_) => PublishError::Busy,
            TrySendError::Disconnected(_) => PublishError::Stopped,
        })?;
        self.bell.ring();
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
        self.bell.ring();
    }
}
