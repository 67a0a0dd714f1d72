//! Messages from other threads that are put aside because their channel is full. They are published
//! when it has room; messages of other publishers to other channels do not wait for them. While a
//! message of a publisher is put aside, its later messages are put aside too, so that its messages
//! stay in order.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

use slab::Slab;

use super::remote_publish::{PUBLISHES_MAX, RemotePublish};

/// Identifies a publisher: the address of its line, which its messages keep alive.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(crate) struct LineId(usize);

impl LineId {
    /// Returns the publisher of a message; `None` once the outcome is known.
    pub(crate) fn of(publish: &RemotePublish) -> Option<LineId> {
        publish.line().map(|line| LineId(Arc::as_ptr(line) as usize))
    }
}

/// The publishers whose messages this home has put aside. Each of them either is listed as waiting
/// for a channel, or is released.
#[derive(Default)]
pub(crate) struct HeldPublishers {
    by_line: HashMap<LineId, HeldPublisher>,
    /// All messages that are put aside: at most [`PUBLISHES_MAX`].
    messages: Slab<PutAside>,
    /// The publishers that may continue, one message of each at a time.
    released: VecDeque<LineId>,
}

/// A publisher's oldest and newest message that is put aside, by their keys.
struct HeldPublisher {
    oldest: usize,
    newest: usize,
}

struct PutAside {
    publish: RemotePublish,
    /// The key of the next message of the same publisher.
    next: Option<usize>,
}

impl HeldPublishers {
    /// Returns true if messages of this publisher are put aside.
    pub(crate) fn holds(&self, line: LineId) -> bool {
        !self.by_line.is_empty() && self.by_line.contains_key(&line)
    }

    /// Puts a message of this publisher aside, behind its earlier ones.
    pub(crate) fn put_aside(&mut self, line: LineId, publish: RemotePublish) {
        let key = self.messages.insert(PutAside { publish, next: None });
        let held = self.by_line.entry(line).or_insert(HeldPublisher { oldest: key, newest: key });
        if held.newest != key {
            self.messages[held.newest].next = Some(key);
            held.newest = key;
        }
    }

    /// Returns the oldest message of this publisher that is put aside.
    pub(crate) fn oldest(&self, line: LineId) -> Option<&RemotePublish> {
        self.by_line.get(&line).map(|held| &self.messages[held.oldest].publish)
    }

    /// Takes the message that `oldest` returns.
    pub(crate) fn take_oldest(&mut self, line: LineId) -> Option<RemotePublish> {
        let held = self.by_line.get_mut(&line)?;
        let oldest = self.messages.remove(held.oldest);
        match oldest.next {
            Some(next) => held.oldest = next,
            None => drop(self.by_line.remove(&line)),
        }
        Some(oldest.publish)
    }

    /// Lets a publisher whose messages are put aside continue.
    pub(crate) fn release(&mut self, line: LineId) {
        self.released.push_back(line);
    }

    /// Returns the next publisher that may continue.
    pub(crate) fn next_released(&mut self) -> Option<LineId> {
        self.released.pop_front()
    }

    pub(crate) fn has_released(&self) -> bool {
        !self.released.is_empty()
    }

    /// Returns true if messages are put aside.
    pub(crate) fn has_messages(&self) -> bool {
        !self.messages.is_empty()
    }

    /// Returns true if one more message can be put aside.
    pub(crate) fn has_room(&self) -> bool {
        self.messages.len() < PUBLISHES_MAX
    }
}
