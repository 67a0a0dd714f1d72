//! Buffers that connections borrow while they need one, so that an idle connection owns none.

use super::tls_scratch::TlsScratch;

/// A byte buffer of a [`BufferPool`]. Consumed bytes stay at its front and are skipped. They are
/// removed only where the buffer would have to grow otherwise, so that the rest is seldom moved.
///
/// It is one pointer wide, because a connection has several fields for buffers, and they take their
/// place in it even while it owns no buffer.
#[derive(Debug, Default)]
pub(crate) struct Buffer(Box<Contents>);

#[derive(Debug, Default)]
struct Contents {
    bytes: Vec<u8>,
    /// Everything before this has been consumed. Invariant: `start <= bytes.len()`.
    start: usize,
    /// The capacity that the pool counts for this buffer.
    counted: usize,
}

impl Buffer {
    /// Returns the bytes that have not been consumed.
    pub(crate) fn unread(&self) -> &[u8] {
        &self.0.bytes[self.0.start..]
    }

    /// Returns the bytes as a vector, for a decoder to append to. None of them may have been
    /// consumed.
    pub(crate) fn assembly(&mut self) -> &mut Vec<u8> {
        debug_assert!(self.0.start == 0, "an assembly is consumed all at once");
        &mut self.0.bytes
    }

    /// Appends bytes at the end.
    pub(crate) fn append(&mut self, bytes: &[u8]) {
        if self.0.start > 0 && self.0.bytes.len() + bytes.len() > self.0.bytes.capacity() {
            self.0.bytes.drain(..self.0.start);
            self.0.start = 0;
        }
        self.0.bytes.extend_from_slice(bytes);
    }

    /// Inserts `bytes` before everything unread.
    pub(crate) fn prepend(&mut self, bytes: &[u8]) {
        self.0.bytes.splice(..self.0.start, bytes.iter().copied());
        self.0.start = 0;
    }

    /// Returns the memory that the pool counts for this buffer.
    pub(super) fn counted_bytes(&self) -> usize {
        self.0.counted
    }

    /// Skips the first `count` unread bytes.
    pub(crate) fn use_up(&mut self, count: usize) {
        self.0.start += count;
        debug_assert!(self.0.start <= self.0.bytes.len(), "consumed more than was unread");
    }
}

/// A buffer that has grown past this is freed instead of pooled, so that one huge message does not
/// cost memory for ever. Twice the default largest message, as buffers grow by doubling.
const POOLED_BYTES_MAX: usize = 128 * 1024;
/// The most free buffers that are kept.
const POOLED_BUFFERS_MAX: usize = 4096;
/// The most memory that all free buffers together may keep.
const POOLED_BYTES_TOTAL_MAX: usize = 32 * 1024 * 1024;

/// When less than one part in this many of the memory for connections is left, a connection may
/// hold only little. So those that hold much are ended before the memory is used up.
const LAST_PART: usize = 8;

/// The free buffers of one reactor, and a count of the memory that connections hold in buffers.
/// And the buffers through which it encrypts and decrypts.
#[derive(Debug, Default)]
pub(crate) struct BufferPool {
    free: Vec<Buffer>,
    free_bytes: usize,
    held_bytes: usize,
    /// While `held_bytes` is above this, no connection may hold anything.
    held_bytes_max: usize,
    pub(super) tls: TlsScratch,
}

impl BufferPool {
    pub(crate) fn new(held_bytes_max: usize) -> BufferPool {
        BufferPool { held_bytes_max, ..BufferPool::default() }
    }

    /// Returns an empty buffer.
    #[inline]
    pub(crate) fn take(&mut self) -> Buffer {
        let buffer = self.free.pop().unwrap_or_default();
        self.free_bytes -= buffer.0.bytes.capacity();
        buffer
    }

    /// Updates the count after a buffer that a connection keeps has grown.
    pub(crate) fn count(&mut self, buffer: &mut Buffer) {
        self.held_bytes -= buffer.0.counted;
        buffer.0.counted = buffer.0.bytes.capacity();
        self.held_bytes += buffer.0.counted;
    }

    /// Moves the bytes of a buffer into one of exactly their size, and returns the old one to the
    /// pool.
    pub(crate) fn shrink(&mut self, buffer: &mut Buffer) {
        let mut exact = Buffer::default();
        exact.append(buffer.unread());
        self.count(&mut exact);
        self.put(std::mem::replace(buffer, exact));
    }

    /// Takes a buffer back.
    #[inline]
    pub(crate) fn put(&mut self, mut buffer: Buffer) {
        self.held_bytes -= buffer.0.counted;
        let capacity = buffer.0.bytes.capacity();
        if capacity <= POOLED_BYTES_MAX
            && self.free.len() < POOLED_BUFFERS_MAX
            && self.free_bytes + capacity <= POOLED_BYTES_TOTAL_MAX
        {
            buffer.0.bytes.clear();
            buffer.0.start = 0;
            buffer.0.counted = 0;
            self.free_bytes += capacity;
            self.free.push(buffer);
        }
    }

    /// Returns the memory that connections hold besides the channel logs.
    #[cfg(test)]
    pub(crate) fn held_bytes(&self) -> usize {
        self.held_bytes
    }

    /// Returns true if connections hold more than half of what they may.
    pub(crate) fn is_half_used(&self) -> bool {
        self.held_bytes > self.held_bytes_max / 2
    }

    /// Returns the most memory that one connection may hold: `None` while there is enough for all,
    /// `harmless` if all connections together hold almost as much as they may, and zero if they
    /// hold more.
    pub(crate) fn bytes_of_one_max(&self, harmless: usize) -> Option<usize> {
        if self.held_bytes <= self.held_bytes_max - self.held_bytes_max / LAST_PART {
            None
        } else {
            Some(if self.held_bytes <= self.held_bytes_max { harmless } else { 0 })
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_used_up_is_skipped_and_what_is_prepended_comes_first() {
        let mut buffer = Buffer::default();
        buffer.append(b"hello, world");
        buffer.use_up(7);
        assert_eq!(buffer.unread(), b"world");
        buffer.prepend(b"brave new ");
        assert_eq!(buffer.unread(), b"brave new world");
        buffer.append(b"!");
        assert_eq!(buffer.unread(), b"brave new world!");
    }

    #[test]
    fn held_bytes_are_those_of_the_buffers_that_are_out() {
        let mut pool = BufferPool::default();
        let mut buffer = pool.take();
        buffer.append(&[0; 1000]);
        pool.count(&mut buffer);
        pool.count(&mut buffer);
        assert!(pool.held_bytes >= 1000);
        pool.put(buffer);
        assert_eq!(pool.held_bytes, 0);
        assert!(pool.take().unread().is_empty(), "a pooled buffer comes back empty");
    }

    #[test]
    fn the_less_memory_is_left_the_less_may_one_connection_hold() {
        let mut pool = BufferPool::new(8_000);
        for (bytes, allowed) in [(0, None), (7_000, None), (7_001, Some(10)), (8_001, Some(0))] {
            pool.held_bytes = bytes;
            assert_eq!(pool.bytes_of_one_max(10), allowed, "{bytes}");
        }
    }

    #[test]
    fn a_shrunk_buffer_holds_the_same_in_less() {
        let mut pool = BufferPool::default();
        let mut buffer = pool.take();
        buffer.append(&[7; 10_000]);
        buffer.use_up(9_900);
        pool.count(&mut buffer);
        pool.shrink(&mut buffer);
        assert_eq!((buffer.unread(), pool.held_bytes), (&[7; 100][..], 100));
        pool.put(buffer);
        assert_eq!((pool.held_bytes, pool.free.len()), (0, 2));
    }

    #[test]
    fn a_buffer_that_grew_huge_is_not_kept() {
        let mut pool = BufferPool::default();
        let mut buffer = pool.take();
        buffer.append(&vec![0; POOLED_BYTES_MAX + 1]);
        pool.count(&mut buffer);
        pool.put(buffer);
        assert_eq!((pool.free.len(), pool.held_bytes), (0, 0));
    }
}
