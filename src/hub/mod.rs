//! The hub: channels, their logs, and a cursor for every subscriber. It knows no socket, no clock
//! and no thread.
//!
//! A message is encoded once, as the frame that goes on the wire, and appended to its channel's
//! log. A subscriber is a cursor in that log. The reactor asks which subscriber has unsent bytes
//! ([`Hub::next_due`]), offers the bytes between cursor and end to that subscriber's stream
//! ([`Hub::unsent`]), and reports how many were accepted ([`Hub::advance`]). A channel may have two
//! such logs, with its subscribers: one for each form in which its messages are read.
//!
//! ```text
//! name ──► channels ──► channel ── form ┬ log ── segments ── pool      publish: append, O(1)
//!                                       └ subscribers (dense cursors)  sweep: one scan, one send
//!                                                                             each
//! subscription id ──► subscriptions ──┘
//! ```
//!
//! Nothing here blocks the thread. A limit that is reached is reported as an error ([`Refused`]). A
//! subscriber is overrun ([`Hub::next_overrun`]) only if its socket is blocked and the memory of
//! what it has not read is needed. The [`Ledger`] counts what became of each copy, and balances at
//! every moment.
//!
//! | file | holds |
//! |---|---|
//! | `hub` | the struct [`Hub`]: subscribing, forgetting, figures |
//! | `publish` | a message is numbered, appended and delivered |
//! | `leave`, `cut_off` | the ends of subscriptions; slow subscribers are cut off |
//! | `sweep` | which subscriber is sent what next, and how far it has come |
//! | `full` | channels whose publishers must wait for the sweep |
//! | `serve_members`, `members` | channels whose home is here: reactors that have subscribers |
//! | `as_member`, `membership` | channels whose home is another reactor |
//! | `channels`, `channel`, `channel_id` | all channels; one of them |
//! | `channel_lists` | what is freed first when channels or memory run short |
//! | `form`, `form_id`, `room` | one encoding of a channel's messages; room in all of them |
//! | `name`, `homes` | the name of a channel; which reactor is its home |
//! | `frames`, `frame_deflater` | the encoders of the forms |
//! | `log`, `segment_pool`, `free_list` | the log of one form, and its memory |
//! | `cursor`, `unsent` | a position in a log; the bytes to be sent from there |
//! | `subscribers`, `subscriptions`, `sweep_order` | cursors of one form, of all; their order |
//! | `figures` | figures of one channel after the other |
//! | `delivery_times` | how long it takes until a message has reached everybody |
//! | `overrun_queue`, `private` | subscribers cut off; frames that must be finished |
//! | `ledger`, `limits` | what became of each copy; limits and refusals |
//! | `slow_policies` | channels that treat slow subscribers in a way of their own |

mod as_member;
mod channel;
mod channel_id;
mod channel_lists;
mod channels;
mod cursor;
mod cut_off;
mod delivery_times;
mod figures;
mod form;
mod form_id;
mod frame_deflater;
mod frames;
mod free_list;
mod full;
mod homes;
#[allow(clippy::module_inception, reason = "the struct that the folder is about")]
mod hub;
mod leave;
mod ledger;
mod limits;
mod log;
mod members;
mod membership;
#[cfg(test)]
mod model;
mod name;
mod overrun_queue;
mod private;
mod publish;
mod room;
mod segment_pool;
mod serve_members;
mod slow_policies;
mod subscribers;
mod subscriptions;
mod sweep;
mod sweep_order;
#[cfg(test)]
mod tests;
mod unsent;
#[cfg(test)]
pub(crate) mod views;

pub use channel::{Accepted, ChannelInfo, MessageId};
pub use channel_id::ChannelId;
pub use figures::ChannelFigures;
pub use form_id::FormKind;
pub use full::Appended;
pub use homes::{Homes, ReactorNumber};
pub use hub::Hub;
pub use ledger::{DropReason, Ledger};
pub(crate) use limits::OUT_OF_MEMORY;
pub use limits::{HubLimits, Refused, SlowPolicy};
pub use members::{Joined, Numbered, Outlet, Slot};
#[cfg(test)]
pub(crate) use membership::Membership;
pub use membership::{JoinOutcome, MembershipUpdate};
pub use name::{CHANNEL_NAME_BYTES_MAX, ChannelName, ChannelNameError};
pub use overrun_queue::Overrun;
pub use private::PrivateBudgetSpent;
pub use slow_policies::SlowPolicies;
pub use subscriptions::{Owner, SubscriptionId};
pub use sweep_order::Due;
pub use unsent::{Advanced, Unsent};
