//! Which form of which channel. The module `form` says what a form is.

use super::channel_id::ChannelId;

/// How the messages of a form are encoded.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
pub enum FormKind {
    /// One frame for each message, with the payload as it was published.
    #[default]
    Plain,
    /// One frame for each message, with a deflated payload (RFC 7692), or a plain one where
    /// deflating is of no use.
    Deflated,
}

impl FormKind {
    /// How many kinds there are.
    pub(super) const COUNT: usize = 2;

    /// All kinds, in the order of `FormKind as usize`.
    pub(super) const ALL: [FormKind; FormKind::COUNT] = [FormKind::Plain, FormKind::Deflated];
}

/// One form of one channel.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct FormId {
    pub(super) channel: ChannelId,
    pub(super) kind: FormKind,
}

impl ChannelId {
    /// Returns the id of a form of this channel.
    pub(super) fn form(self, kind: FormKind) -> FormId {
        FormId { channel: self, kind }
    }
}
