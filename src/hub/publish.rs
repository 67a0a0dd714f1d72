//! Publishing: the channel's home numbers a message, encodes it once into the log as the frame that
//! goes on the wire, and delivers it to the other reactors that have subscribers.

use super::channel::{Accepted, MessageId};
use super::channel_id::ChannelId;
use super::form_id::FormKind;
use super::frames::Frame;
use super::full::Appended;
use super::hub::Hub;
use super::limits::Refused;
use super::members::{Numbered, Outlet};
use super::name::ChannelName;
use super::room::Room;
use super::subscriptions::SubscriptionId;
use crate::protocol::Message;

impl Hub {
    /// Numbers a message, appends it to its channel's log, and delivers it to all members. This
    /// reactor must be the channel's home; the channel is made if it does not exist. A refused
    /// message changes nothing, and no subscriber receives it. Call
    /// [`next_overrun`](Self::next_overrun) afterwards: slow subscribers may have been cut off.
    pub fn publish(
        &mut self,
        name: ChannelName<'_>,
        message: Message<'_>,
        outlet: &mut impl Outlet,
    ) -> Result<Appended, Refused> {
        let id = self.home_channel(name)?;
        self.publish_on(id, message, outlet)
    }

    /// Like [`publish`](Self::publish), to the channel of a subscription, without looking it up by
    /// name.
    pub fn publish_to(
        &mut self,
        subscription: SubscriptionId,
        message: Message<'_>,
        outlet: &mut impl Outlet,
    ) -> Result<Appended, Refused> {
        self.publish_on(self.subscriptions.channel_of(subscription), message, outlet)
    }

    fn publish_on(
        &mut self,
        id: ChannelId,
        message: Message<'_>,
        outlet: &mut impl Outlet,
    ) -> Result<Appended, Refused> {
        let channel = &mut self.channels[id];
        let frame_bytes = Frame::plain(message).bytes();
        if u32::try_from(frame_bytes).is_err() {
            return Err(Refused::MemoryFull); // The unsent rest of a frame is counted in 32 bits.
        }
        self.members.check_room(channel.members, message.payload().len(), outlet)?;
        if channel.subscribers() > 0 {
            let room = self.make_room(id, frame_bytes)?;
            self.take_room(id, room);
        }
        let (number, mut subscribers) = self.append_for_all(id, message);
        let channel = &self.channels[id];
        let epoch = channel.epoch;
        for member in self.members.of(channel.members) {
            subscribers += u64::from(member.subscribers);
            outlet.deliver(member.reactor, Numbered { slot: member.slot, epoch, number, message });
        }
        if channel.is_unused() {
            self.channels.used_without_subscribers(id);
        }
        #[cfg(test)]
        self.numbered.push((
            self.channels[id].name.to_string(),
            MessageId { epoch, number },
            message.payload().to_vec(),
        ));
        let full = self.channels[id].is_full.then_some(id);
        Ok(Appended { accepted: Accepted { id: MessageId { epoch, number }, subscribers }, full })
    }

    /// Makes room in a channel: cuts off what `Channel::make_room` has determined, and notes
    /// whether the channel is full.
    pub(super) fn take_room(&mut self, id: ChannelId, room: Room) {
        for kind in FormKind::ALL {
            let Some(form) = self.channels[id].form(kind) else { continue };
            // The message to come is the newest.
            let newest = form.log.end();
            self.cut_off(id.form(kind), room.kept_from[kind as usize], newest);
        }
        if room.is_full {
            self.note_full(id);
        }
    }

    /// Appends a message, for which there must be room, to all forms that have subscribers on this
    /// reactor. Returns the message's number and the number of these subscribers.
    pub(super) fn append_for_all(&mut self, id: ChannelId, message: Message<'_>) -> (u64, u64) {
        let channel = &mut self.channels[id];
        let number = channel.next_number();
        let mut subscribers = 0;
        for kind in FormKind::ALL {
            let Some(form) = channel.form_mut(kind) else { continue };
            if form.subscribers.is_empty() {
                form.log.skip_number();
                continue;
            }
            let id = id.form(kind);
            let visits_made = self.sweep.visits_made(id);
            let frame = match (kind, &mut self.deflater) {
                (FormKind::Deflated, Some(deflater)) => deflater.frame(message),
                _ => Frame::plain(message),
            };
            subscribers +=
                form.append(frame, visits_made, &mut self.pool, &mut self.delivery_times);
            self.sweep.add(id, form);
        }
        self.ledger.owed += subscribers;
        (number, subscribers)
    }
}
