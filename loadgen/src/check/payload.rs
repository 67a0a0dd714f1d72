//! The contents of a published message: publisher, sequence, intended time and a checksum. It is
//! ASCII, so that a server may wrap it in other text, and each receiver can check it without
//! knowing what was sent.
//!
//! ```text
//! mPPPP.SSSSSSSS.TTTTTTTTTTTDDDDD.CCCCCCCC padding…
//! (hexadecimal digits in lower case; D is the delay with which it was sent)
//! ```
use std::time::Duration;

use crate::net::clock::Moment;

/// Length of everything before the padding. No message is smaller.
pub(crate) const HEAD_BYTES: usize = 40;

/// The padding of a message starts at offset `sequence % PADDING_PHASES` of a fixed pattern, so
/// that padding of a different message is noticed.
const PADDING_PHASES: usize = 61;

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Stamp {
    pub(crate) publisher: u16,
    pub(crate) sequence: u32,
    /// When the message should have been sent. In a closed loop, when it was sent.
    pub(crate) intended: Moment,
    /// How long after the intended time the message was sent, at most [`DELAY_MICROS_MAX`].
    pub(crate) delay_micros: u32,
}

/// The largest value of five hexadecimal digits, about a second. A longer delay is written as this.
const DELAY_MICROS_MAX: u32 = 0xf_ffff;
const DELAY_BITS: u32 = 20;

impl Stamp {
    /// Returns time and delay in one word. Of the time it has the lower 44 bits, which repeat
    /// after nearly five hours: see [`Stamp::received_at`].
    fn times(&self) -> u64 {
        self.intended.as_nanos() << DELAY_BITS | u64::from(self.delay_micros.min(DELAY_MICROS_MAX))
    }

    /// Returns the stamp, as it was read from a message, with the intended time in full. `at` is
    /// when the message was received: no message is under way for five hours.
    pub(crate) fn received_at(self, at: Moment) -> Stamp {
        const PERIOD: u64 = 1 << (u64::BITS - DELAY_BITS);
        let ago = at.as_nanos().wrapping_sub(self.intended.as_nanos()) % PERIOD;
        let intended = at.as_nanos().checked_sub(ago).map_or(self.intended, Moment::from_nanos);
        Stamp { intended, ..self }
    }

    /// Returns when the message was sent, or `None` if the delay was too long to be written.
    pub(crate) fn sent(&self) -> Option<Moment> {
        let delay = Duration::from_micros(u64::from(self.delay_micros));
        (self.delay_micros < DELAY_MICROS_MAX).then(|| self.intended + delay)
    }

    /// Converts nanoseconds to a value for `delay_micros`, at most [`DELAY_MICROS_MAX`].
    pub(crate) fn delay_micros(nanos: u64) -> u32 {
        u32::try_from(nanos / 1_000).unwrap_or(u32::MAX).min(DELAY_MICROS_MAX)
    }
}

/// The range of message sizes, both ends included. A message's sequence determines its size.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Sizes {
    pub(crate) least: usize,
    pub(crate) most: usize,
}

impl Sizes {
    /// Returns the size of message number `sequence`. Every receiver can compute it.
    pub(crate) fn of(self, sequence: u32) -> usize {
        if self.least == self.most {
            return self.least;
        }
        self.least + mix(u64::from(sequence)) as usize % (self.most - self.least + 1)
    }
}

/// Writes and checks messages.
pub(crate) struct Payloads {
    sizes: Sizes,
    /// The padding pattern, long enough for the largest message at any offset.
    pattern: Vec<u8>,
}

impl Payloads {
    /// Both ends of `sizes` must be at least [`HEAD_BYTES`].
    pub(crate) fn new(sizes: Sizes) -> Payloads {
        debug_assert!(sizes.least >= HEAD_BYTES, "the command line refuses smaller messages");
        Payloads { sizes, pattern: pattern(sizes.most - HEAD_BYTES + PADDING_PHASES) }
    }

    /// Replaces the contents of `out` with the message that `stamp` describes.
    pub(crate) fn write(&self, out: &mut Vec<u8>, stamp: Stamp) {
        out.clear();
        out.push(b'm');
        out.extend_from_slice(&hex::<4>(u64::from(stamp.publisher)));
        out.push(b'.');
        out.extend_from_slice(&hex::<8>(u64::from(stamp.sequence)));
        out.push(b'.');
        out.extend_from_slice(&hex::<16>(stamp.times()));
        out.push(b'.');
        out.extend_from_slice(&hex::<8>(u64::from(checksum(stamp))));
        out.extend_from_slice(self.padding(stamp.sequence));
    }

    /// Reads the head, and compares the rest with the padding that [`Payloads::write`] generates.
    /// Returns `None` if the head is invalid or the padding differs.
    pub(crate) fn read(&self, payload: &[u8]) -> Option<Stamp> {
        let stamp = Self::read_head(payload)?;
        (payload[HEAD_BYTES..] == *self.padding(stamp.sequence)).then_some(stamp)
    }

    /// Reads the first valid head anywhere in a payload, for a server that wraps messages in text.
    pub(crate) fn find_head(payload: &[u8]) -> Option<Stamp> {
        let begins = payload.iter().enumerate().filter(|(_, byte)| **byte == b'm');
        begins.map(|(at, _)| &payload[at..]).find_map(Self::read_head)
    }

    /// Reads the head. Returns `None` if its form or its checksum is wrong.
    pub(crate) fn read_head(payload: &[u8]) -> Option<Stamp> {
        let head: &[u8; HEAD_BYTES] = payload.first_chunk()?;
        if [head[0], head[5], head[14], head[31]] != *b"m..." {
            return None;
        }
        let times = read_hex(&head[15..31])?;
        let stamp = Stamp {
            publisher: u16::try_from(read_hex(&head[1..5])?).ok()?,
            sequence: u32::try_from(read_hex(&head[6..14])?).ok()?,
            intended: Moment::from_nanos(times >> DELAY_BITS),
            delay_micros: times as u32 & DELAY_MICROS_MAX,
        };
        (read_hex(&head[32..40])? == u64::from(checksum(stamp))).then_some(stamp)
    }

    fn padding(&self, sequence: u32) -> &[u8] {
        let phase = sequence as usize % PADDING_PHASES;
        &self.pattern[phase..phase + self.sizes.of(sequence) - HEAD_BYTES]
    }
}

/// Returns `bytes` lower-case letters that do not repeat after a short period.
pub(crate) fn pattern(bytes: usize) -> Vec<u8> {
    (0..bytes).map(|at| b'a' + (at * at / 7 + at) as u8 % 26).collect()
}

/// Computes the checksum, which covers every field.
fn checksum(stamp: Stamp) -> u32 {
    let word = stamp.times() ^ u64::from(stamp.sequence) << 16 ^ u64::from(stamp.publisher) << 48;
    (mix(word) >> 32) as u32
}

/// Mixes the bits: each bit of the result depends on each bit of `word` (as in MurmurHash3).
pub(crate) fn mix(mut word: u64) -> u64 {
    word = (word ^ (word >> 33)).wrapping_mul(0xff51_afd7_ed55_8ccd);
    word = (word ^ (word >> 33)).wrapping_mul(0xc4ce_b9fe_1a85_ec53);
    word ^ (word >> 33)
}

/// Returns the last `N` hexadecimal digits of `value`.
pub(crate) fn hex<const N: usize>(mut value: u64) -> [u8; N] {
    let mut digits = [b'0'; N];
    for digit in digits.iter_mut().rev() {
        *digit = b"0123456789abcdef"[value as usize & 15];
        value >>= 4;
    }
    digits
}

const NOT_A_DIGIT: u8 = 0xff;

/// For each byte its value as a hexadecimal digit. Upper case is refused: it is never written.
const DIGITS: [u8; 256] = {
    let mut table = [NOT_A_DIGIT; 256];
    let mut value = 0;
    while value < 16 {
        table[b"0123456789abcdef"[value as usize] as usize] = value;
        value += 1;
    }
    table
};

/// Parses at most 16 hexadecimal digits. Returns `None` if another character is among them.
pub(crate) fn read_hex(digits: &[u8]) -> Option<u64> {
    let (mut value, mut seen) = (0, 0);
    for digit in digits {
        let digit = DIGITS[usize::from(*digit)];
        seen |= digit;
        value = value << 4 | u64::from(digit & 15);
    }
    (seen != NOT_A_DIGIT).then_some(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    const STAMP: Stamp = Stamp {
        publisher: 3,
        sequence: 0xa1f,
        intended: Moment::from_nanos(0x893_ab3c_1d2f),
        delay_micros: 0x1b,
    };

    fn payloads(size: usize) -> Payloads {
        Payloads::new(Sizes { least: size, most: size })
    }

    fn message(size: usize) -> Vec<u8> {
        let mut out = b"what was there before".to_vec();
        payloads(size).write(&mut out, STAMP);
        out
    }

    #[test]
    fn reads_what_it_has_written() {
        for size in [HEAD_BYTES, 64, 1024] {
            assert_eq!(message(size).len(), size);
            assert_eq!(payloads(size).read(&message(size)), Some(STAMP));
        }
        assert!(message(64).starts_with(b"m0003.00000a1f.893ab3c1d2f0001b."));
    }

    #[test]
    fn the_intended_time_is_whole_again_however_long_the_run_is() {
        let hour = Duration::from_secs(3_600);
        for hours in [0, 1, 4, 5, 23, 47] {
            let intended = Moment::from_nanos(77) + hours * hour;
            let mut message = Vec::new();
            payloads(64).write(&mut message, Stamp { intended, ..STAMP });
            let read = payloads(64).read(&message).unwrap();
            for later in [Duration::ZERO, Duration::from_millis(3), hour] {
                assert_eq!(read.received_at(intended + later).intended, intended, "{hours} h");
            }
        }
    }

    #[test]
    fn sizes_of_a_range_reach_both_ends_and_are_held_to() {
        let sizes = Sizes { least: 40, most: 47 };
        let seen: std::collections::BTreeSet<_> =
            (0..1_000).map(|sequence| sizes.of(sequence)).collect();
        assert!(seen.into_iter().eq(40..=47));
        let (payloads, mut out) = (Payloads::new(sizes), Vec::new());
        for sequence in 0..50 {
            payloads.write(&mut out, Stamp { sequence, ..STAMP });
            assert_eq!(out.len(), sizes.of(sequence));
            assert!(payloads.read(&out).is_some());
            out.push(b'a');
            assert_eq!(payloads.read(&out), None);
        }
    }

    #[test]
    fn notices_any_one_byte_changed() {
        let (payloads, good) = (payloads(64), message(64));
        for at in 0..good.len() {
            for flip in [1, 0x20, 0x80] {
                let mut bad = good.clone();
                bad[at] ^= flip;
                assert_eq!(payloads.read(&bad), None, "byte {at} flipped by {flip}");
            }
        }
    }

    #[test]
    fn notices_a_missing_and_an_added_byte() {
        let (payloads, mut message) = (payloads(64), message(64));
        assert_eq!(payloads.read(&message[..63]), None);
        assert_eq!(payloads.read(&message[..10]), None);
        message.push(b'a');
        assert_eq!(payloads.read(&message), None);
    }

    #[test]
    fn notices_the_padding_of_another_message() {
        let payloads = payloads(256);
        let (mut one, mut next) = (Vec::new(), Vec::new());
        payloads.write(&mut one, STAMP);
        payloads.write(&mut next, Stamp { sequence: STAMP.sequence + 1, ..STAMP });
        one[HEAD_BYTES..].copy_from_slice(&next[HEAD_BYTES..]);
        assert_eq!(payloads.read(&one), None);
        assert_eq!(Payloads::read_head(&one), Some(STAMP));
        one.splice(0..0, b"{\"message\":\"".iter().copied());
        assert_eq!(Payloads::read_head(&one), None);
        assert_eq!(Payloads::find_head(&one), Some(STAMP));
    }
}
