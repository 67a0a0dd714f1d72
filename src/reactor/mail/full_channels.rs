//! What a home does with publishers of a full channel: it makes them wait, and resumes them when
//! the channel has room again.

use crate::hub::{Accepted, ChannelId, ReactorNumber};
use crate::reactor::counters::LiveCounters;
use crate::reactor::limits::FULL_CHANNELS_PER_TURN_MAX;

use super::exchange::{Exchange, Outcome};
use super::record::{AnswerRecord, PublishOrigin};
use super::waiting::Waiter;

impl Exchange {
    /// Makes the publisher of a message wait, because the message was accepted and its channel is
    /// full now.
    pub(super) fn let_wait(
        &mut self,
        channel: ChannelId,
        from: ReactorNumber,
        origin: PublishOrigin,
        accepted: Accepted,
    ) {
        let waiter = match origin {
            PublishOrigin::Request(ticket) => Waiter::Request(from, ticket, accepted),
            // Its next message waits, if the channel is still full then.
            PublishOrigin::Publisher(key) => return self.from_threads.conclude(key, Ok(())),
            PublishOrigin::Peer(token) if from == self.own => {
                self.outcomes.push_back(Outcome::Wait(token));
                Waiter::Peer(from, token)
            }
            PublishOrigin::Peer(token) => {
                if !self.waiting.is_new(channel, from, token) {
                    return;
                }
                self.outbox.answer(from, &AnswerRecord::Wait { token });
                Waiter::Peer(from, token)
            }
        };
        self.waiting.add(channel, waiter);
    }

    /// Checks which full channels have room again.
    pub(crate) fn look_at_full_channels(&mut self) {
        for _ in 0..self.hub.full_channels().min(FULL_CHANNELS_PER_TURN_MAX) {
            if let Some(channel) = self.hub.look_at_full() {
                self.waiting.has_room(channel);
                self.can_let_go_on = true;
            }
        }
    }

    /// Begins to resume publishers that have waited. Clears `can_let_go_on`: each of them is now
    /// resumed, or waits for an event that will wake this reactor.
    pub(crate) fn begin_to_let_go_on(&mut self) {
        self.can_let_go_on = false;
    }

    /// Leaves the remaining publishers to the next turn.
    pub(crate) fn leave_waiting(&mut self) {
        self.can_let_go_on = true;
    }

    /// Resumes the next publisher that has waited for a channel, if the channel still has room.
    /// Returns false if there is none.
    pub(crate) fn let_next_go_on(&mut self, counters: &LiveCounters) -> bool {
        for _ in 0..self.waiting.channels_with_room() {
            let hub = &self.hub;
            let Some((_, waiter)) = self.waiting.next(|channel| hub.is_full(channel)) else {
                return false;
            };
            match waiter {
                Waiter::Peer(from, _) | Waiter::Request(from, ..)
                    if from != self.own && !self.outbox.has_room_to_answer(from) =>
                {
                    self.waiting.put_off();
                    continue;
                }
                Waiter::Peer(from, token) if from == self.own => {
                    self.outcomes.push_back(Outcome::GoOn(token));
                }
                Waiter::Peer(from, token) => {
                    self.outbox.answer(from, &AnswerRecord::GoOn { token });
                }
                Waiter::Request(from, ticket, accepted) => {
                    let (origin, outcome) = (PublishOrigin::Request(ticket), Ok(accepted));
                    match from == self.own {
                        true => self.note_published(origin, outcome),
                        false => {
                            self.outbox.answer(from, &AnswerRecord::Published { origin, outcome });
                        }
                    }
                }
                Waiter::Thread(line) => {
                    self.waiting.take();
                    self.go_on_with_thread(line, counters);
                    return true;
                }
            }
            self.waiting.take();
            return true;
        }
        false
    }
}
