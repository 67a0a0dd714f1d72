//! The records in the rings between reactors, and their encoding. This program writes and reads
//! them, so a record that cannot be decoded is a bug, not an error of a peer.

use crate::hub::{
    Accepted, ChannelInfo, ChannelName, Joined, MembershipUpdate, MessageId, Numbered, Refused,
    Slot,
};
use crate::net::Token;
use crate::protocol::{Message, MessageKind};

use crate::reactor::ticket::Ticket;

/// Who has published a message.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum PublishOrigin {
    /// A WebSocket connection, which is closed with 1013 if the home refuses the message.
    Peer(Token),
    /// An HTTP request, which is answered with the outcome.
    Request(Ticket),
    /// Another thread of this process; with the key of the message in
    /// [`UnderWay`](crate::reactor::remote_publish::UnderWay).
    Publisher(u32),
}

/// A request to the home of a channel.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum HomeRequest<'a> {
    Publish { origin: PublishOrigin, channel: ChannelName<'a>, message: Message<'a> },
    Inspect { ticket: Ticket, channel: ChannelName<'a> },
}

/// What the home of a channel answers to a member or a publisher.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum AnswerRecord<'a> {
    Joined(Joined),
    NotJoined {
        slot: Slot,
        refused: Refused,
    },
    Published {
        origin: PublishOrigin,
        outcome: Result<Accepted, Refused>,
    },
    Inspected {
        ticket: Ticket,
        channel: ChannelName<'a>,
        info: Option<ChannelInfo>,
    },
    /// The channel to which this peer has published is full, so nothing more must be read from it.
    Wait {
        token: Token,
    },
    /// The channel has room again, so this peer may be read.
    GoOn {
        token: Token,
    },
}

/// The longest head of an answer that has no name in it: to an HTTP publish that was accepted.
pub(super) const ANSWER_HEAD_BYTES_MAX: usize = 48;

// The first byte of a head says what the record is. Messages and answers, which both come from a
// home, have numbers that differ; requests and updates each count from zero.
const PUBLISH_TEXT: u8 = 0;
const PUBLISH_BINARY: u8 = 1;
const INSPECT: u8 = 2;

const JOIN: u8 = 0;
const COUNT: u8 = 1;
const LEAVE: u8 = 2;

const MESSAGE_TEXT: u8 = 0;
const MESSAGE_BINARY: u8 = 1;
const JOINED: u8 = 2;
const NOT_JOINED: u8 = 3;
const PUBLISHED: u8 = 4;
const REFUSED: u8 = 5;
const INSPECTED: u8 = 6;
const WAIT: u8 = 7;
const GO_ON: u8 = 8;

impl<'a> HomeRequest<'a> {
    pub(super) fn payload(&self) -> &'a [u8] {
        match self {
            HomeRequest::Publish { message, .. } => message.payload(),
            HomeRequest::Inspect { .. } => &[],
        }
    }

    pub(super) fn encode(&self, head: &mut Vec<u8>) {
        match *self {
            HomeRequest::Publish { origin, channel, message } => {
                head.push(match message.kind() {
                    MessageKind::Text => PUBLISH_TEXT,
                    MessageKind::Binary => PUBLISH_BINARY,
                });
                put_origin(head, origin);
                put_name(head, channel);
            }
            HomeRequest::Inspect { ticket, channel } => {
                head.push(INSPECT);
                put_ticket(head, ticket);
                put_name(head, channel);
            }
        }
    }

    pub(super) fn decode(head: &'a [u8], payload: &'a [u8]) -> Option<HomeRequest<'a>> {
        let mut fields = Fields(head);
        let tag = fields.u8()?;
        Some(match tag {
            PUBLISH_TEXT | PUBLISH_BINARY => HomeRequest::Publish {
                origin: fields.origin()?,
                channel: fields.name()?,
                message: Message::from_checked(kind(tag == PUBLISH_BINARY), payload),
            },
            INSPECT => HomeRequest::Inspect { ticket: fields.ticket()?, channel: fields.name()? },
            _ => return None,
        })
    }
}

/// Encodes an update: what a reactor reports to a channel's home about its membership.
pub(super) fn encode_update(update: MembershipUpdate<'_>, head: &mut Vec<u8>) {
    match update {
        MembershipUpdate::Join { slot, channel, subscribers } => {
            head.push(JOIN);
            put_u32(head, slot.0);
            put_u32(head, subscribers);
            put_name(head, channel);
        }
        MembershipUpdate::Count { channel, subscribers, is_full } => {
            head.push(COUNT);
            put_u32(head, subscribers);
            head.push(u8::from(is_full));
            put_name(head, channel);
        }
        MembershipUpdate::Leave { channel } => {
            head.push(LEAVE);
            put_name(head, channel);
        }
    }
}

pub(super) fn decode_update(head: &[u8]) -> Option<MembershipUpdate<'_>> {
    let mut fields = Fields(head);
    Some(match fields.u8()? {
        JOIN => {
            let (slot, subscribers) = (Slot(fields.u32()?), fields.u32()?);
            MembershipUpdate::Join { slot, channel: fields.name()?, subscribers }
        }
        COUNT => {
            let (subscribers, is_full) = (fields.u32()?, fields.bool()?);
            MembershipUpdate::Count { channel: fields.name()?, subscribers, is_full }
        }
        LEAVE => MembershipUpdate::Leave { channel: fields.name()? },
        _ => return None,
    })
}

/// Encodes the head of a message that its home has numbered.
pub(super) fn encode_numbered(numbered: &Numbered<'_>, head: &mut Vec<u8>) {
    let Numbered { slot, epoch, number, message } = *numbered;
    head.push(match message.kind() {
        MessageKind::Text => MESSAGE_TEXT,
        MessageKind::Binary => MESSAGE_BINARY,
    });
    put_u32(head, slot.0);
    put_u64(head, epoch);
    put_u64(head, number);
}

pub(super) fn decode_numbered<'a>(head: &[u8], payload: &'a [u8]) -> Option<Numbered<'a>> {
    let mut fields = Fields(head);
    let is_binary = match fields.u8()? {
        MESSAGE_TEXT => false,
        MESSAGE_BINARY => true,
        _ => return None,
    };
    Some(Numbered {
        slot: Slot(fields.u32()?),
        epoch: fields.u64()?,
        number: fields.u64()?,
        message: Message::from_checked(kind(is_binary), payload),
    })
}

impl<'a> AnswerRecord<'a> {
    pub(super) fn encode(&self, head: &mut Vec<u8>) {
        match *self {
            AnswerRecord::Joined(Joined { slot, epoch, next }) => {
                head.push(JOINED);
                put_u32(head, slot.0);
                put_u64(head, epoch);
                put_u64(head, next);
            }
            AnswerRecord::NotJoined { slot, refused } => {
                head.push(NOT_JOINED);
                put_u32(head, slot.0);
                head.push(refused_number(refused));
            }
            AnswerRecord::Published { origin, outcome: Ok(accepted) } => {
                head.push(PUBLISHED);
                put_origin(head, origin);
                put_u64(head, accepted.id.epoch);
                put_u64(head, accepted.id.number);
                put_u64(head, accepted.subscribers);
            }
            AnswerRecord::Published { origin, outcome: Err(refused) } => {
                head.push(REFUSED);
                put_origin(head, origin);
                head.push(refused_number(refused));
            }
            AnswerRecord::Wait { token } => {
                head.push(WAIT);
                put_u64(head, token.0);
            }
            AnswerRecord::GoOn { token } => {
                head.push(GO_ON);
                put_u64(head, token.0);
            }
            AnswerRecord::Inspected { ticket, channel, info } => {
                head.push(INSPECTED);
                put_ticket(head, ticket);
                put_name(head, channel);
                head.push(u8::from(info.is_some()));
                if let Some(info) = info {
                    let ChannelInfo { subscribers, epoch, messages, first_number, last_number } =
                        info;
                    // Numbers start at 1, so zero can mean `None`.
                    let numbers = [first_number, last_number].map(Option::unwrap_or_default);
                    for number in [subscribers, epoch, messages].into_iter().chain(numbers) {
                        put_u64(head, number);
                    }
                }
            }
        }
    }

    pub(super) fn decode(head: &'a [u8]) -> Option<AnswerRecord<'a>> {
        let mut fields = Fields(head);
        Some(match fields.u8()? {
            JOINED => AnswerRecord::Joined(Joined {
                slot: Slot(fields.u32()?),
                epoch: fields.u64()?,
                next: fields.u64()?,
            }),
            NOT_JOINED => {
                AnswerRecord::NotJoined { slot: Slot(fields.u32()?), refused: fields.refused()? }
            }
            PUBLISHED => {
                let origin = fields.origin()?;
                let id = MessageId { epoch: fields.u64()?, number: fields.u64()? };
                AnswerRecord::Published {
                    origin,
                    outcome: Ok(Accepted { id, subscribers: fields.u64()? }),
                }
            }
            REFUSED => AnswerRecord::Published {
                origin: fields.origin()?,
                outcome: Err(fields.refused()?),
            },
            WAIT => AnswerRecord::Wait { token: Token(fields.u64()?) },
            GO_ON => AnswerRecord::GoOn { token: Token(fields.u64()?) },
            INSPECTED => AnswerRecord::Inspected {
                ticket: fields.ticket()?,
                channel: fields.name()?,
                info: if fields.bool()? { Some(fields.info()?) } else { None },
            },
            _ => return None,
        })
    }
}

fn kind(is_binary: bool) -> MessageKind {
    if is_binary { MessageKind::Binary } else { MessageKind::Text }
}

const REFUSALS: [Refused; 4] =
    [Refused::Busy, Refused::WayFull, Refused::MemoryFull, Refused::TooManyChannels];

fn refused_number(refused: Refused) -> u8 {
    match refused {
        Refused::Busy => 0,
        Refused::WayFull => 1,
        Refused::MemoryFull => 2,
        Refused::TooManyChannels => 3,
    }
}

fn put_u32(head: &mut Vec<u8>, number: u32) {
    head.extend_from_slice(&number.to_le_bytes());
}

fn put_u64(head: &mut Vec<u8>, number: u64) {
    head.extend_from_slice(&number.to_le_bytes());
}

fn put_ticket(head: &mut Vec<u8>, ticket: Ticket) {
    put_u64(head, ticket.token.0);
    put_u64(head, ticket.number);
}

fn put_origin(head: &mut Vec<u8>, origin: PublishOrigin) {
    match origin {
        PublishOrigin::Publisher(key) => {
            head.push(0);
            put_u32(head, key);
        }
        PublishOrigin::Peer(token) => {
            head.push(1);
            put_u64(head, token.0);
        }
        PublishOrigin::Request(ticket) => {
            head.push(2);
            put_ticket(head, ticket);
        }
    }
}

/// Writes a name after its length, which fits one byte: a name has at most 255.
fn put_name(head: &mut Vec<u8>, name: ChannelName<'_>) {
    head.push(name.as_str().len() as u8);
    head.extend_from_slice(name.as_str().as_bytes());
}

/// The part of a head that has not been read yet.
struct Fields<'a>(&'a [u8]);

impl<'a> Fields<'a> {
    fn bytes<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (bytes, rest) = self.0.split_first_chunk()?;
        self.0 = rest;
        Some(*bytes)
    }

    fn u8(&mut self) -> Option<u8> {
        self.bytes().map(|[byte]| byte)
    }

    /// Reads a flag, which is encoded as 0 or 1. Any other byte is an error.
    fn bool(&mut self) -> Option<bool> {
        match self.u8()? {
            0 => Some(false),
            1 => Some(true),
            _ => None,
        }
    }

    fn u32(&mut self) -> Option<u32> {
        self.bytes().map(u32::from_le_bytes)
    }

    fn u64(&mut self) -> Option<u64> {
        self.bytes().map(u64::from_le_bytes)
    }

    fn ticket(&mut self) -> Option<Ticket> {
        Some(Ticket { token: Token(self.u64()?), number: self.u64()? })
    }

    fn origin(&mut self) -> Option<PublishOrigin> {
        Some(match self.u8()? {
            0 => PublishOrigin::Publisher(self.u32()?),
            1 => PublishOrigin::Peer(Token(self.u64()?)),
            2 => PublishOrigin::Request(self.ticket()?),
            _ => return None,
        })
    }

    fn name(&mut self) -> Option<ChannelName<'a>> {
        let bytes = usize::from(self.u8()?);
        let (name, rest) = self.0.split_at_checked(bytes)?;
        self.0 = rest;
        ChannelName::parse(std::str::from_utf8(name).ok()?).ok()
    }

    fn refused(&mut self) -> Option<Refused> {
        REFUSALS.get(usize::from(self.u8()?)).copied()
    }

    fn info(&mut self) -> Option<ChannelInfo> {
        let number_or_none = |number: u64| (number > 0).then_some(number);
        Some(ChannelInfo {
            subscribers: self.u64()?,
            epoch: self.u64()?,
            messages: self.u64()?,
            first_number: number_or_none(self.u64()?),
            last_number: number_or_none(self.u64()?),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::super::ring::HEAD_BYTES_MAX;
    use super::*;

    const TICKET: Ticket = Ticket { token: Token(u64::MAX - 1), number: 9 };

    fn name(text: &str) -> ChannelName<'_> {
        ChannelName::parse(text).unwrap()
    }

    #[test]
    fn every_request_is_read_as_it_was_written() {
        let longest = "x".repeat(255);
        let channel = name(&longest);
        for request in [
            HomeRequest::Publish {
                origin: PublishOrigin::Publisher(7),
                channel,
                message: Message::text(""),
            },
            HomeRequest::Publish {
                origin: PublishOrigin::Peer(Token(7)),
                channel,
                message: Message::binary(b"\xff"),
            },
            HomeRequest::Publish {
                origin: PublishOrigin::Request(TICKET),
                channel,
                message: Message::text("hello"),
            },
            HomeRequest::Inspect { ticket: TICKET, channel },
        ] {
            let mut head = Vec::new();
            request.encode(&mut head);
            assert!(head.len() <= HEAD_BYTES_MAX);
            assert_eq!(HomeRequest::decode(&head, request.payload()), Some(request));
            for cut in 0..head.len() {
                assert_eq!(
                    HomeRequest::decode(&head[..cut], request.payload()),
                    None,
                    "cut at {cut}"
                );
            }
        }
    }

    #[test]
    fn every_membership_update_is_read_as_it_was_written() {
        let longest = "x".repeat(255);
        let channel = name(&longest);
        for update in [
            MembershipUpdate::Join { slot: Slot(u32::MAX - 1), channel, subscribers: 3 },
            MembershipUpdate::Count { channel, subscribers: 0, is_full: false },
            MembershipUpdate::Count { channel, subscribers: 1, is_full: true },
            MembershipUpdate::Leave { channel },
        ] {
            let mut head = Vec::new();
            encode_update(update, &mut head);
            assert!(head.len() <= HEAD_BYTES_MAX);
            assert_eq!(decode_update(&head), Some(update));
            for cut in 0..head.len() {
                assert_eq!(decode_update(&head[..cut]), None, "cut at {cut}");
            }
        }
    }

    #[test]
    fn every_answer_is_read_as_it_was_written() {
        let longest = "x".repeat(255);
        let channel = name(&longest);
        let slot = Slot(5);
        let id = MessageId { epoch: u64::MAX, number: 2 };
        let info = ChannelInfo {
            subscribers: 1,
            epoch: 2,
            messages: 3,
            first_number: None,
            last_number: Some(3),
        };
        for answer in [
            AnswerRecord::Joined(Joined { slot, epoch: 7, next: 1 }),
            AnswerRecord::NotJoined { slot, refused: Refused::TooManyChannels },
            AnswerRecord::Published {
                origin: PublishOrigin::Request(TICKET),
                outcome: Ok(Accepted { id, subscribers: 4 }),
            },
            AnswerRecord::Published {
                origin: PublishOrigin::Peer(Token(1)),
                outcome: Err(Refused::MemoryFull),
            },
            AnswerRecord::Inspected { ticket: TICKET, channel, info: Some(info) },
            AnswerRecord::Inspected { ticket: TICKET, channel, info: None },
            AnswerRecord::Wait { token: Token(u64::MAX) },
            AnswerRecord::GoOn { token: Token(1) },
        ] {
            let mut head = Vec::new();
            answer.encode(&mut head);
            let has_name = matches!(answer, AnswerRecord::Inspected { .. });
            assert!(head.len() <= if has_name { HEAD_BYTES_MAX } else { ANSWER_HEAD_BYTES_MAX });
            assert_eq!(AnswerRecord::decode(&head), Some(answer));
            for cut in 0..head.len() {
                assert_eq!(AnswerRecord::decode(&head[..cut]), None, "cut at {cut}");
            }
        }
    }

    #[test]
    fn every_message_is_read_as_it_was_written() {
        for message in [Message::text("hello"), Message::binary(b"")] {
            let numbered = Numbered { slot: Slot(5), epoch: 7, number: u64::MAX, message };
            let mut head = Vec::new();
            encode_numbered(&numbered, &mut head);
            assert!(head.len() <= HEAD_BYTES_MAX);
            assert_eq!(decode_numbered(&head, message.payload()), Some(numbered));
            assert_eq!(AnswerRecord::decode(&head), None, "a message is no answer");
            for cut in 0..head.len() {
                let cut = &head[..cut];
                assert_eq!(decode_numbered(cut, message.payload()), None, "cut to {cut:?}");
            }
        }
    }

    #[test]
    fn a_byte_that_is_no_bool_is_no_record() {
        let channel = name("news");
        let mut head = Vec::new();
        encode_update(
            MembershipUpdate::Count { channel, subscribers: 1, is_full: true },
            &mut head,
        );
        let flag = head.len() - 1 - 1 - channel.as_str().len();
        assert_eq!(std::mem::replace(&mut head[flag], 2), 1);
        assert_eq!(decode_update(&head), None);

        head.clear();
        AnswerRecord::Inspected { ticket: TICKET, channel, info: None }.encode(&mut head);
        assert_eq!(head.pop(), Some(0));
        head.push(2);
        assert_eq!(AnswerRecord::decode(&head), None);
    }

    #[test]
    fn every_refusal_has_a_number_of_its_own() {
        for refused in REFUSALS {
            assert_eq!(REFUSALS[usize::from(refused_number(refused))], refused);
        }
    }
}
