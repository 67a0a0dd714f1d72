//! One channel: its name, its numbering and its forms.

use super::channel_lists::ChannelList;
use super::form::Form;
use super::form_id::FormKind;
use super::log::FIRST_NUMBER;
use super::members::NO_MEMBERS;
use super::membership::Membership;
use super::name::ChannelName;
use std::fmt;

/// The id of a message: its number, within an epoch of its channel.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct MessageId {
    /// One lifetime of the numbering: a channel that was forgotten and made again has another
    /// epoch, and starts at 1. Numbers from different epochs cannot be compared.
    pub epoch: u64,
    /// The number: 1, 2, 3 … within the epoch.
    pub number: u64,
}

/// `EPOCH-NUMBER`, the epoch in lower-case hexadecimal digits.
impl fmt::Display for MessageId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:x}-{}", self.epoch, self.number)
    }
}

/// The result of publishing a message that was numbered.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Accepted {
    /// The message's id.
    pub id: MessageId,
    /// The number of subscribers, on all reactors, for which it was appended.
    pub subscribers: u64,
}

/// Figures of a channel.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct ChannelInfo {
    /// The number of subscribers on all reactors, as last reported to the home.
    pub subscribers: u64,
    /// The epoch of the message numbers.
    pub epoch: u64,
    /// The number of messages in this epoch.
    pub messages: u64,
    /// The number of the oldest message kept; `None` if no message is kept.
    pub first_number: Option<u64>,
    /// The number of the last message; `None` before the first message.
    pub last_number: Option<u64>,
}

/// A channel. When idle it owns its name and nothing else: a log has memory only while a subscriber
/// has unsent messages.
#[derive(Debug)]
pub(super) struct Channel {
    pub(super) name: Box<str>,
    pub(super) epoch: u64,
    pub(super) plain: Form,
    /// Present while it has subscribers, and then until the sweep has taken it out of its queue.
    pub(super) deflated: Option<Box<Form>>,
    /// The channel's publishers must wait: this channel is beyond its bound, here or on a member
    /// (see the module `full`).
    pub(super) is_full: bool,
    /// The list that the channel is in (`ChannelLists`).
    pub(super) list: Option<ChannelList>,
    pub(super) membership: Membership,
    /// True while the channel is in the queue of updates for its home (`MembershipQueue`).
    pub(super) is_listed_for_home: bool,
    /// The key of the channel's `Members` if this is the home and there are any; otherwise
    /// `NO_MEMBERS`.
    pub(super) members: u32,
}

const _: () =
    assert!(size_of::<Channel>() <= 136, "a million idle channels take a million times this size");

impl Channel {
    pub(super) fn new(name: &str, epoch: u64, membership: Membership) -> Channel {
        Channel {
            name: name.into(),
            epoch,
            plain: Form::new(FIRST_NUMBER),
            deflated: None,
            is_full: false,
            list: None,
            membership,
            is_listed_for_home: false,
            members: NO_MEMBERS,
        }
    }

    pub(super) fn is_at_home(&self) -> bool {
        self.membership == Membership::Home
    }

    /// Returns true if the channel's home has not yet answered this reactor's join.
    pub(super) fn is_joining(&self) -> bool {
        matches!(self.membership, Membership::Unannounced | Membership::Joining)
    }

    /// Returns true if the channel has no subscribers, here or on other reactors, and no publisher
    /// waits for it.
    pub(super) fn is_unused(&self) -> bool {
        self.subscribers() == 0 && self.members == NO_MEMBERS && !self.is_full
    }

    // Forms.

    /// Returns the forms that there are.
    pub(super) fn forms(&self) -> impl Iterator<Item = (FormKind, &Form)> {
        let deflated = self.deflated.as_deref().map(|form| (FormKind::Deflated, form));
        [(FormKind::Plain, &self.plain)].into_iter().chain(deflated)
    }

    /// Returns a form; `None` if it has not been made, or has gone.
    pub(super) fn form(&self, kind: FormKind) -> Option<&Form> {
        match kind {
            FormKind::Plain => Some(&self.plain),
            FormKind::Deflated => self.deflated.as_deref(),
        }
    }

    /// Like [`form`](Self::form), to change it.
    pub(super) fn form_mut(&mut self, kind: FormKind) -> Option<&mut Form> {
        match kind {
            FormKind::Plain => Some(&mut self.plain),
            FormKind::Deflated => self.deflated.as_deref_mut(),
        }
    }

    /// Returns a form, which is made if there is none.
    pub(super) fn form_or_new(&mut self, kind: FormKind) -> &mut Form {
        let next = self.next_number();
        match kind {
            FormKind::Plain => &mut self.plain,
            FormKind::Deflated => self.deflated.get_or_insert_with(|| Box::new(Form::new(next))),
        }
    }

    /// Drops the form that nobody reads any more, unless it is in the queue of the sweep.
    pub(super) fn drop_unread_form(&mut self) {
        self.deflated.take_if(|form| form.subscribers.is_empty() && !form.log.is_queued);
    }

    /// Returns how many forms have subscribers.
    pub(super) fn forms_read(&self) -> usize {
        self.forms().filter(|(_, form)| !form.subscribers.is_empty()).count()
    }

    /// Returns true if a form is in the queue of the sweep.
    pub(super) fn is_queued(&self) -> bool {
        self.forms().any(|(_, form)| form.log.is_queued)
    }

    /// Returns true if a subscriber is blocked.
    pub(super) fn has_blocked(&self) -> bool {
        self.forms().any(|(_, form)| !form.subscribers.blocked().is_empty())
    }

    /// Returns the number of subscribers on this reactor.
    pub(super) fn subscribers(&self) -> usize {
        self.forms().map(|(_, form)| form.subscribers.len()).sum()
    }

    /// Returns the number of the next message.
    pub(super) fn next_number(&self) -> u64 {
        self.plain.log.end().number
    }

    /// Returns the bytes of the frames that are kept, in all forms.
    pub(super) fn kept_bytes(&self) -> usize {
        self.forms().map(|(_, form)| form.kept_bytes()).sum()
    }

    /// Returns the number of the oldest message kept in any form.
    pub(super) fn first_number(&self) -> Option<u64> {
        self.forms().filter_map(|(_, form)| form.log.first_number()).min()
    }

    /// Cancels leaving the channel: a subscriber joined before the home was asked to send no
    /// more.
    pub(super) fn come_back(&mut self) {
        if self.membership == Membership::Leaving {
            self.membership = Membership::Live;
        }
    }

    pub(super) fn name(&self) -> ChannelName<'_> {
        ChannelName::from_checked(&self.name)
    }

    /// Returns the number of message copies not yet completely sent, summed over the channel's
    /// subscribers.
    pub(super) fn pending(&self) -> u64 {
        self.forms().map(|(_, form)| form.pending()).sum()
    }

    pub(super) fn info(&self) -> ChannelInfo {
        let messages = self.next_number() - FIRST_NUMBER;
        ChannelInfo {
            subscribers: self.subscribers() as u64,
            epoch: self.epoch,
            messages,
            first_number: self.first_number(),
            last_number: (messages > 0).then_some(messages),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_is_the_epoch_in_hexadecimal_and_the_number() {
        assert_eq!(MessageId { epoch: 0x00ab_cdef, number: 42 }.to_string(), "abcdef-42");
    }
}
