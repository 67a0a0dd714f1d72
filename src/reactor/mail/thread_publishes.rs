//! What a home does with messages that other threads of the program publish: it publishes them, or
//! puts them aside while their channel is full.

use crate::hub::ChannelId;
use crate::reactor::counters::LiveCounters;
use crate::reactor::held_publishers::LineId;
use crate::reactor::remote_publish::RemotePublish;

use super::exchange::Exchange;
use super::record::PublishOrigin;
use super::waiting::Waiter;

impl Exchange {
    /// Publishes a message of another thread, or puts it aside: if its channel is full, if others
    /// wait for that channel already, or if an earlier message of its publisher is put aside.
    pub(crate) fn publish_from_thread(&mut self, publish: RemotePublish, counters: &LiveCounters) {
        let Some(line) = LineId::of(&publish) else { return };
        if self.held.holds(line) {
            return self.held.put_aside(line, publish);
        }
        match self.channel_to_wait_for(&publish) {
            Some(channel) => {
                self.held.put_aside(line, publish);
                self.waiting.add(channel, Waiter::Thread(line));
            }
            None => self.submit_from_thread(publish, counters),
        }
    }

    /// Publishes a message that was put aside, of the next publisher that may go on, unless it has
    /// to wait again. Returns false if there is no such publisher.
    pub(crate) fn go_on_with_released(&mut self, counters: &LiveCounters) -> bool {
        let Some(line) = self.held.next_released() else { return false };
        match self.held.oldest(line).and_then(|publish| self.channel_to_wait_for(publish)) {
            Some(channel) => self.waiting.add(channel, Waiter::Thread(line)),
            None => self.publish_oldest_of(line, counters),
        }
        true
    }

    /// The channel for which this publisher waited has room.
    pub(super) fn go_on_with_thread(&mut self, line: LineId, counters: &LiveCounters) {
        let channel = self.held.oldest(line).and_then(|publish| self.channel_of(publish));
        // It may be another channel, if the one that had room is forgotten by now.
        if channel.is_some_and(|channel| self.hub.is_full(channel)) {
            self.list_held(line);
        } else if !self.outbox.has_room_to(self.own) {
            self.held.release(line);
        } else {
            self.publish_oldest_of(line, counters);
        }
    }

    fn publish_oldest_of(&mut self, line: LineId, counters: &LiveCounters) {
        // If the queue from the other threads has stopped, it goes on in the next turn.
        self.can_let_go_on |= !self.held.has_room();
        let Some(publish) = self.held.take_oldest(line) else { return };
        self.submit_from_thread(publish, counters);
        self.list_held(line);
    }

    /// Lists a publisher, if messages of it are put aside, as waiting for the channel of the oldest
    /// of them or as one that may go on.
    fn list_held(&mut self, line: LineId) {
        let Some(publish) = self.held.oldest(line) else { return };
        match self.channel_to_wait_for(publish) {
            Some(channel) => self.waiting.add(channel, Waiter::Thread(line)),
            None => {
                self.held.release(line);
                self.can_let_go_on = true;
            }
        }
    }

    /// Returns a message's channel if it is full, or if others wait for it.
    fn channel_to_wait_for(&self, publish: &RemotePublish) -> Option<ChannelId> {
        if self.hub.full_channels() == 0 && self.waiting.is_empty() {
            return None;
        }
        let channel = self.channel_of(publish)?;
        let has_to_wait = self.hub.is_full(channel) || self.waiting.has_waiters(channel);
        has_to_wait.then_some(channel)
    }

    fn channel_of(&self, publish: &RemotePublish) -> Option<ChannelId> {
        let (name, _) = publish.parts()?;
        self.hub.find_channel(name)
    }

    /// Publishes a message of another thread. The ring to this reactor itself must have room.
    fn submit_from_thread(&mut self, publish: RemotePublish, counters: &LiveCounters) {
        let key = self.from_threads.add(publish);
        let Some(publish) = self.from_threads.lend(key) else { return };
        if let Some((channel, message)) = publish.parts() {
            let origin = PublishOrigin::Publisher(key);
            let submitted = self.submit(origin, channel, message, counters);
            debug_assert!(submitted.is_ok(), "the ring had room");
        }
        self.from_threads.give_back(key, publish);
    }
}
