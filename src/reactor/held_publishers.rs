//! Publishers on other threads that wait because a channel to which they have published is full.
//! Their messages that were under way are put aside until the channel has room, and are then
//! published in order. Other publishers do not wait.
//!
//! A publisher can have as many messages put aside as it may have under way
//! ([`UNDER_WAY_MAX`](super::remote_publish::UNDER_WAY_MAX)).

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

use super::remote_publish::{PublisherLine, RemotePublish};

/// Empty lists of messages that are kept for reuse; each may take some 70 KiB.
const SPARES_MAX: usize = 8;

/// Identifies a publisher that waits: the address of its line, which a [`HeldPublisher`] keeps
/// alive.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(crate) struct LineId(usize);

impl LineId {
    fn of(line: &Arc<PublisherLine>) -> LineId {
        LineId(Arc::as_ptr(line) as usize)
    }
}

/// The publishers whose messages this home puts aside.
#[derive(Default)]
pub(crate) struct HeldPublishers {
    by_line: HashMap<LineId, HeldPublisher>,
    /// The publishers that may continue, one message of each at a time.
    released: VecDeque<LineId>,
    /// How many messages are put aside.
    put_aside: usize,
    spares: Vec<VecDeque<RemotePublish>>,
}

struct HeldPublisher {
    line: Arc<PublisherLine>,
    /// For how many channels the publisher waits. A channel counts once for each message that found
    /// it full.
    waits: u32,
    put_aside: VecDeque<RemotePublish>,
    /// The publisher is in `HeldPublishers::released`.
    is_released: bool,
}

impl HeldPublishers {
    /// Makes a publisher wait, because a channel to which it has published is full: its further
    /// messages are put aside until [`let_go_on`](Self::let_go_on).
    pub(crate) fn hold(&mut self, line: &Arc<PublisherLine>) -> LineId {
        let id = LineId::of(line);
        let spares = &mut self.spares;
        let held = self.by_line.entry(id).or_insert_with(|| HeldPublisher {
            line: Arc::clone(line),
            waits: 0,
            put_aside: spares.pop().unwrap_or_default(),
            is_released: false,
        });
        held.waits += 1;
        id
    }

    /// Called when a channel for which a publisher was held has room again.
    pub(crate) fn let_go_on(&mut self, id: LineId) {
        let Some(held) = self.by_line.get_mut(&id) else { return };
        held.waits -= 1;
        if held.waits > 0 {
            return;
        }
        if held.put_aside.is_empty() {
            self.forget(id);
        } else if !std::mem::replace(&mut held.is_released, true) {
            self.released.push_back(id);
        }
    }

    /// Puts a message aside if its publisher waits, or has earlier messages put aside. Otherwise
    /// returns the message.
    pub(crate) fn put_aside(&mut self, publish: RemotePublish) -> Option<RemotePublish> {
        if self.by_line.is_empty() {
            return Some(publish);
        }
        let held = publish.line().and_then(|line| self.by_line.get_mut(&LineId::of(line)));
        let Some(held) = held else { return Some(publish) };
        held.put_aside.push_back(publish);
        self.put_aside += 1;
        None
    }

    /// Returns the next message of a publisher that may continue.
    pub(crate) fn next_released(&mut self) -> Option<RemotePublish> {
        while let Some(id) = self.released.pop_front() {
            let Some(held) = self.by_line.get_mut(&id) else { continue };
            // The publisher may have to wait again, for another channel, since it was released.
            held.is_released = held.waits == 0;
            if !held.is_released {
                continue;
            }
            let publish = held.put_aside.pop_front();
            if held.put_aside.is_empty() {
                self.forget(id);
            } else {
                self.released.push_back(id);
            }
            self.put_aside -= usize::from(publish.is_some());
            return publish;
        }
        None
    }

    /// Returns true if a publisher may continue, or was released and waits again.
    pub(crate) fn has_released(&self) -> bool {
        !self.released.is_empty()
    }

    /// Returns true if messages are put aside.
    pub(crate) fn has_messages(&self) -> bool {
        self.put_aside > 0
    }

    /// Removes a publisher that does not wait any more and has no messages put aside.
    fn forget(&mut self, id: LineId) {
        if let Some(held) = self.by_line.remove(&id)
            && self.spares.len() < SPARES_MAX
        {
            debug_assert!(LineId::of(&held.line) == id && held.put_aside.is_empty());
            self.spares.push(held.put_aside);
        }
    }
}
