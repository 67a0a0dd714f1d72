//! A reactor's door for other threads: publishing, draining, stopping.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU8, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};

use crate::hub::{ChannelName, ChannelNameError};
use crate::net::Wake;
use crate::protocol::{Message, MessageKind};

use super::commons::Commons;
use super::requests::Origin;

/// Publishes that may wait for the reactor; one more is [`PublishError::Busy`].
const MAIL_MAX: usize = 1024;

/// A message on its way from another thread.
pub(super) struct Mail {
    pub(super) channel: Box<str>,
    pub(super) kind: MessageKind,
    pub(super) payload: Box<[u8]>,
}

impl Mail {
    /// Brings the message to its channel's home. There is room: that is looked at before mail is taken.
    pub(super) fn deliver(&self, commons: &mut Commons) {
        let Ok(channel) = ChannelName::parse(&self.channel) else { return };
        let submitted =
            commons.submit(Origin::Publisher, channel, Message::from_checked(self.kind, &self.payload));
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

#[derive(Default)]
struct Shared {
    ending: AtomicU8,
    /// A wake-up is on its way: whoever finds it set need not send another. The reactor clears it before it
    /// looks into the mail, so what is put in after that look is woken for again.
    pending: AtomicBool,
}

/// The reactor's end.
pub(super) struct Door {
    mail: Receiver<Mail>,
    shared: Arc<Shared>,
}

/// A handle to a reactor from any thread. Messages of one clone keep their order.
#[derive(Clone)]
pub struct Remote<W> {
    mail: SyncSender<Mail>,
    shared: Arc<Shared>,
    waker: W,
    message_bytes_max: usize,
}

/// Why a message was not taken. It has reached nobody.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum PublishError {
    /// The reactor has fallen behind: try again in a while.
    Busy,
    /// Not a channel's name.
    Name(ChannelNameError),
    /// A text message must be UTF-8 (RFC 6455 section 5.6).
    InvalidUtf8,
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
            PublishError::InvalidUtf8 => formatter.write_str("a text message must be UTF-8"),
            PublishError::TooBig => formatter.write_str("the message is larger than a message may be"),
            PublishError::Stopped => formatter.write_str("the server has ended"),
        }
    }
}

impl std::error::Error for PublishError {}

/// Both ends of a reactor's door.
pub(super) fn door<W: Wake>(waker: W, message_bytes_max: usize) -> (Door, Remote<W>) {
    let (sender, receiver) = sync_channel(MAIL_MAX);
    let shared = Arc::new(Shared::default());
    (
        Door { mail: receiver, shared: shared.clone() },
        Remote { mail: sender, shared, waker, message_bytes_max },
    )
}

impl Door {
    /// Before the mail is looked at: from here on, whoever puts something in wakes the reactor again.
    pub(super) fn open(&self) {
        self.shared.pending.store(false, Ordering::SeqCst);
    }

    pub(super) fn take(&self) -> Option<Mail> {
        self.mail.try_recv().ok()
    }

    pub(super) fn ending(&self) -> Ending {
        match self.shared.ending.load(Ordering::SeqCst) {
            0 => Ending::Not,
            1 => Ending::Drain,
            _ => Ending::Stop,
        }
    }
}

impl<W: Wake> Remote<W> {
    /// Puts a message on its way to the channel's subscribers; a payload of [`MessageKind::Text`] must be
    /// UTF-8. Does not block.
    ///
    /// # Errors
    ///
    /// [`PublishError`]; then the message reaches nobody.
    pub fn try_publish(&self, channel: &str, kind: MessageKind, payload: &[u8]) -> Result<(), PublishError> {
        ChannelName::parse(channel).map_err(PublishError::Name)?;
        if Message::new(kind, payload).is_none() {
            return Err(PublishError::InvalidUtf8);
        }
        if payload.len() > self.message_bytes_max {
            return Err(PublishError::TooBig);
        }
        let mail = Mail { channel: channel.into(), kind, payload: payload.into() };
        self.mail.try_send(mail).map_err(|error| match error {
            TrySendError::Full(_) => PublishError::Busy,
            TrySendError::Disconnected(_) => PublishError::Stopped,
        })?;
        self.wake();
        Ok(())
    }

    /// Takes no new connections, sends what is pending, closes every connection with 1012, and ends.
    pub fn drain(&self) {
        self.end(Ending::Drain);
    }

    /// Ends now; connections are cut.
    pub fn stop(&self) {
        self.end(Ending::Stop);
    }

    fn end(&self, ending: Ending) {
        self.shared.ending.fetch_max(ending as u8, Ordering::SeqCst);
        self.wake();
    }

    /// Push, then wake unless a wake-up is on its way already.
    pub(super) fn wake(&self) {
        if !self.shared.pending.swap(true, Ordering::SeqCst) {
            self.waker.wake();
        }
    }
}
