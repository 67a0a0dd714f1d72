//! The message of a round trip: sequence and a checksum in 16 hexadecimal digits, then padding. A
//! reply is compared with the same message generated again, so nothing that was sent is kept.
use super::payload::{Sizes, hex, mix, pattern, read_hex};

/// `SSSSSSSSCCCCCCCC`: sequence, and a checksum of sequence and connection. A smaller message has
/// only the beginning of it, and a reply is compared with the message whose reply is due next.
pub(crate) const HEAD_BYTES: usize = 16;

/// The padding of a message starts at offset `sequence % PADDING_PHASES` of a fixed pattern, so
/// that padding of a different message is noticed.
const PADDING_PHASES: usize = 61;

/// What a reply turned out to be.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Reply {
    /// The reply to the message with this sequence.
    To(u32),
    /// A reply too short to contain a sequence. It equals the message whose reply is due next.
    ToTheNext,
    Corrupt,
}

pub(crate) struct RoundTripMessages {
    sizes: Sizes,
    pattern: Vec<u8>,
    /// The message generated last.
    message: Vec<u8>,
}

impl RoundTripMessages {
    pub(crate) fn new(sizes: Sizes) -> RoundTripMessages {
        let message = Vec::with_capacity(sizes.most.max(HEAD_BYTES));
        RoundTripMessages { sizes, pattern: pattern(sizes.most + PADDING_PHASES), message }
    }

    /// Returns the message that `connection` sends with this sequence.
    pub(crate) fn write(&mut self, connection: u32, sequence: u32) -> &[u8] {
        let size = self.sizes.of(sequence);
        self.message.clear();
        self.message.extend_from_slice(&hex::<8>(u64::from(sequence)));
        self.message.extend_from_slice(&hex::<8>(checksum(connection, sequence)));
        if size > HEAD_BYTES {
            let phase = sequence as usize % PADDING_PHASES;
            self.message.extend_from_slice(&self.pattern[phase..phase + size - HEAD_BYTES]);
        }
        self.message.truncate(size);
        &self.message
    }

    /// Checks a reply that arrived on `connection`. `due` is the sequence of the next reply in
    /// order. With `in_full` all contents are compared, not only sequence and checksum.
    pub(crate) fn judge(
        &mut self,
        connection: u32,
        due: u32,
        payload: &[u8],
        in_full: bool,
    ) -> Reply {
        let Some(head) = payload.first_chunk::<HEAD_BYTES>() else {
            let is_due = self.write(connection, due) == payload;
            return if is_due { Reply::ToTheNext } else { Reply::Corrupt };
        };
        let fields = read_hex(&head[..8]).zip(read_hex(&head[8..]));
        let Some((sequence, found)) = fields else { return Reply::Corrupt };
        let sequence = sequence as u32;
        if found != checksum(connection, sequence) & 0xffff_ffff {
            return Reply::Corrupt;
        }
        if in_full && self.write(connection, sequence) != payload {
            return Reply::Corrupt;
        }
        Reply::To(sequence)
    }
}

fn checksum(connection: u32, sequence: u32) -> u64 {
    mix(u64::from(connection) << 32 | u64::from(sequence))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn messages(size: usize) -> RoundTripMessages {
        RoundTripMessages::new(Sizes { least: size, most: size })
    }

    #[test]
    fn knows_its_own_messages_and_nobody_elses() {
        let mut messages = messages(64);
        let message = messages.write(7, 0x1f).to_vec();
        assert!(message.starts_with(b"0000001f") && message.len() == 64);
        assert_eq!(messages.judge(7, 3, &message, true), Reply::To(0x1f));
        assert_eq!(messages.judge(8, 3, &message, true), Reply::Corrupt);
    }

    #[test]
    fn notices_any_one_byte_changed() {
        let mut messages = messages(64);
        let good = messages.write(7, 1).to_vec();
        for at in 0..good.len() {
            let mut bad = good.clone();
            bad[at] ^= 1;
            assert_eq!(messages.judge(7, 1, &bad, true), Reply::Corrupt, "byte {at}");
            let expected = if at < HEAD_BYTES { Reply::Corrupt } else { Reply::To(1) };
            assert_eq!(messages.judge(7, 1, &bad, false), expected, "byte {at}, sequences alone");
        }
        assert_eq!(messages.judge(7, 1, &good[..63], true), Reply::Corrupt);
    }

    #[test]
    fn short_messages_are_held_against_the_one_that_is_due() {
        for size in [1, 8, 15] {
            let mut messages = messages(size);
            let message = messages.write(7, 3).to_vec();
            assert_eq!(message.len(), size);
            assert_eq!(messages.judge(7, 3, &message, true), Reply::ToTheNext);
            assert_eq!(messages.judge(7, 3, b"x", true), Reply::Corrupt);
        }
    }
}
