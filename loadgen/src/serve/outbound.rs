//! The bytes waiting to be written to one connection.
//!
//! A copy is a message for one receiver. The ledger of the server counts a copy, and the fault
//! caused in it, as soon as the copy is queued. A connection may end before the kernel has taken
//! everything. What is left was never sent, so its copies and faults are subtracted again.
use std::collections::VecDeque;
use std::io::{self, Write};

use fanfare::protocol::{FrameHeader, Opcode};

use super::faults::{Fault, Ledger};

/// Frames that were sent in full are removed from the front of the buffer once they are at least
/// this many bytes, and more than the unsent ones. Each byte is then moved rarely.
const COMPACT_BYTES_MIN: usize = 1 << 20;
/// A buffer that has grown larger than this is shrunk when it is empty.
const KEPT_BYTES_MAX: usize = 4 << 20;

/// A buffer of unmasked frames, one after the other. HTTP responses may precede them.
#[derive(Default)]
pub(crate) struct Outbound {
    bytes: Vec<u8>,
    /// How many of `bytes` the kernel has taken.
    sent: usize,
    /// An offset in `bytes`: copies are counted from here on. A frame begins here, or `bytes` ends.
    /// Before it are HTTP responses, and frames that the kernel has taken in full. Only when it is
    /// needed, it is moved on to the last frame that begins at or before `sent`. A response has no
    /// frames to step over, so it is skipped when it is appended. Until the kernel has taken it,
    /// this offset lies beyond `sent`.
    settled: usize,
    /// The faults of copies in `bytes`, each with the position in the stream where its copy ends.
    /// A fault has happened once the kernel has taken the stream up to there.
    faults: VecDeque<(u64, Fault)>,
    /// The position of `bytes[0]` in the stream of all bytes that were ever in this buffer.
    base: u64,
}

impl Outbound {
    pub(crate) fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }

    pub(crate) fn unsent_bytes(&self) -> usize {
        self.bytes.len() - self.sent
    }

    /// Returns the buffer, for appending whole frames that are not copies of a message. After an
    /// HTTP response is appended, [`Outbound::end_answer`] must follow.
    pub(crate) fn frames(&mut self) -> &mut Vec<u8> {
        &mut self.bytes
    }

    pub(crate) fn end_answer(&mut self) {
        self.settled = self.bytes.len();
    }

    /// Appends and counts a frame that is a copy of a message. Returns the frame in the buffer.
    pub(crate) fn push_copy(&mut self, frame: &[u8], ledger: &mut Ledger) -> &mut [u8] {
        ledger.copies += 1;
        let start = self.bytes.len();
        self.bytes.extend_from_slice(frame);
        &mut self.bytes[start..]
    }

    /// Records a fault of the copy that was appended just before, or of one that is not sent.
    pub(crate) fn note_fault(&mut self, fault: Fault, ledger: &mut Ledger) {
        *ledger.faults(fault) += 1;
        self.faults.push_back((self.base + self.bytes.len() as u64, fault));
    }

    /// Offers the waiting bytes to the kernel once. Returns how many it took.
    pub(crate) fn write_to(&mut self, stream: &mut impl Write) -> io::Result<usize> {
        let taken = stream.write(&self.bytes[self.sent..])?;
        self.note_taken(taken);
        Ok(taken)
    }

    /// Writes frames without appending them first. No bytes may be waiting, and the ledger must
    /// have counted the frames. They are appended only if the kernel does not take them all.
    pub(crate) fn write_through(
        &mut self,
        frames: &[u8],
        stream: &mut impl Write,
    ) -> io::Result<usize> {
        debug_assert!(self.is_empty(), "waiting bytes must be written first");
        let written = stream.write(frames);
        let taken = *written.as_ref().unwrap_or(&0);
        if taken < frames.len() {
            self.bytes.extend_from_slice(frames);
            self.note_taken(taken);
        }
        written
    }

    fn note_taken(&mut self, taken: usize) {
        self.sent += taken;
        debug_assert!(self.sent <= self.bytes.len(), "the kernel took more than we offered");
        if self.sent == self.bytes.len() {
            self.base += self.sent as u64;
            self.bytes.clear();
            self.bytes.shrink_to(KEPT_BYTES_MAX);
            (self.sent, self.settled) = (0, 0);
            self.faults.clear();
        } else if self.sent >= COMPACT_BYTES_MIN && self.sent > self.unsent_bytes() {
            self.settle();
            let gone = self.settled.min(self.sent);
            self.bytes.drain(..gone);
            self.base += gone as u64;
            self.sent -= gone;
            self.settled -= gone;
        }
    }

    /// Subtracts the copies that the kernel has not fully taken, and their faults, from `ledger`:
    /// when the connection ends, or from a snapshot of the ledger to print.
    pub(crate) fn take_back(&mut self, ledger: &mut Ledger) {
        self.settle();
        let taken = self.base + self.sent as u64;
        ledger.copies -= self.copies_from(self.settled);
        for (_, fault) in self.faults.iter().filter(|(end, _)| *end > taken) {
            *ledger.faults(*fault) -= 1;
        }
    }

    /// Discards all frames after the one being written, and subtracts their copies from `ledger`.
    pub(crate) fn cut(&mut self, ledger: &mut Ledger) {
        self.settle();
        let kept =
            if self.settled < self.sent { self.frame_end(self.settled) } else { self.settled };
        ledger.copies -= self.copies_from(kept);
        let end = self.base + kept as u64;
        while let Some((_, fault)) = self.faults.pop_back_if(|(at, _)| *at > end) {
            *ledger.faults(fault) -= 1;
        }
        self.bytes.truncate(kept);
    }

    fn settle(&mut self) {
        while self.settled < self.sent {
            let end = self.frame_end(self.settled);
            if end > self.sent {
                break;
            }
            self.settled = end;
        }
    }

    fn copies_from(&self, mut at: usize) -> u64 {
        let mut copies = 0;
        while at < self.bytes.len() {
            copies += u64::from(is_data(&self.bytes[at..]));
            at = self.frame_end(at);
        }
        copies
    }

    /// Returns where the frame that begins at `at` ends.
    fn frame_end(&self, at: usize) -> usize {
        let end = match FrameHeader::parse(&self.bytes[at..]) {
            Ok(Some((header, header_bytes))) => at + header_bytes + header.payload_bytes as usize,
            Ok(None) | Err(_) => self.bytes.len(),
        };
        debug_assert!(end <= self.bytes.len(), "only whole frames are appended");
        end
    }
}

fn is_data(frame: &[u8]) -> bool {
    let Ok(Some((header, _))) = FrameHeader::parse(frame) else { return false };
    match header.opcode {
        Opcode::Text | Opcode::Binary => true,
        Opcode::Continuation | Opcode::Close | Opcode::Ping | Opcode::Pong => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use fanfare::protocol::encode_frame;

    /// A socket for tests that takes `room` bytes in all and then refuses more.
    struct Kernel {
        taken: Vec<u8>,
        room: usize,
    }

    impl Write for Kernel {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            let taken = bytes.len().min(self.room);
            if taken == 0 {
                return Err(io::ErrorKind::WouldBlock.into());
            }
            self.room -= taken;
            self.taken.extend_from_slice(&bytes[..taken]);
            Ok(taken)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    fn kernel(room: usize) -> Kernel {
        Kernel { taken: Vec::new(), room }
    }

    fn frame(payload: &[u8]) -> Vec<u8> {
        let mut frame = Vec::new();
        encode_frame(&mut frame, Opcode::Text, payload);
        frame
    }

    /// Returns a 10-byte answer, then copies of 12 bytes: a whole one, a duplicate (two), a dropped
    /// one, and a Pong.
    fn filled(ledger: &mut Ledger) -> Outbound {
        let mut outbound = Outbound::default();
        outbound.frames().extend_from_slice(b"HTTP/1.1 \n");
        outbound.end_answer();
        let frame = frame(b"0123456789");
        outbound.push_copy(&frame, ledger);
        outbound.push_copy(&frame, ledger);
        outbound.push_copy(&frame, ledger);
        outbound.note_fault(Fault::Duplicate, ledger);
        outbound.note_fault(Fault::Drop, ledger);
        encode_frame(outbound.frames(), Opcode::Pong, b"");
        outbound
    }

    #[test]
    fn only_what_was_taken_in_full_stays_in_the_ledger() {
        for (room, copies, faults) in [
            (1, 0, 0),
            (10, 0, 0),
            (21, 0, 0),
            (22, 1, 0),
            (45, 2, 0),
            (46, 3, 1),
            (47, 3, 1),
            (48, 3, 1),
        ] {
            let mut ledger = Ledger::default();
            let mut outbound = filled(&mut ledger);
            outbound.write_to(&mut kernel(room)).unwrap();
            outbound.take_back(&mut ledger);
            assert_eq!(
                (ledger.copies, ledger.duplicated, ledger.dropped),
                (copies, faults, faults),
                "{room}"
            );
        }
    }

    #[test]
    fn a_cut_keeps_the_frame_under_way_whole() {
        for (room, kept_bytes, copies) in [(4, 10, 0), (22, 22, 1), (23, 34, 2)] {
            let mut ledger = Ledger::default();
            let mut outbound = filled(&mut ledger);
            outbound.write_to(&mut kernel(room)).unwrap();
            outbound.cut(&mut ledger);
            assert_eq!(
                (outbound.unsent_bytes(), ledger.copies),
                (kept_bytes - room, copies),
                "{room}"
            );
            assert_eq!((ledger.duplicated, ledger.dropped), (0, 0));
            outbound.take_back(&mut ledger);
            assert_eq!(ledger.copies, if room == 23 { 1 } else { copies });
        }
    }

    #[test]
    fn what_is_written_through_is_kept_from_where_the_kernel_refused_it() {
        let (mut outbound, mut ledger) =
            (Outbound::default(), Ledger { copies: 2, ..Ledger::default() });
        let frames = [frame(b"one"), frame(b"two")].concat();
        let mut kernel = kernel(7);
        assert_eq!(outbound.write_through(&frames, &mut kernel).unwrap(), 7);
        let mut copy = ledger;
        outbound.take_back(&mut copy);
        assert_eq!(copy.copies, 1);
        assert!(outbound.write_to(&mut kernel).is_err());
        kernel.room = 100;
        outbound.write_to(&mut kernel).unwrap();
        assert!(outbound.is_empty() && kernel.taken == frames);
        outbound.take_back(&mut ledger);
        assert_eq!(ledger.copies, 2);
    }

    #[test]
    fn a_receiver_that_never_catches_up_does_not_grow_the_buffer_for_ever() {
        let (mut outbound, mut ledger) = (Outbound::default(), Ledger::default());
        let frame = frame(&[b'x'; 1000]);
        let mut taken = 0;
        for _ in 0..20_000 {
            outbound.push_copy(&frame, &mut ledger);
            taken += outbound.write_to(&mut kernel(frame.len() - usize::from(taken == 0))).unwrap();
            assert!(outbound.bytes.len() < 2 * COMPACT_BYTES_MIN);
        }
        assert!(
            outbound.unsent_bytes() == 1 && taken as u64 == outbound.base + outbound.sent as u64
        );
        outbound.take_back(&mut ledger);
        assert_eq!(ledger.copies, 19_999);
    }
}
