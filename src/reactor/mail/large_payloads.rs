//! The large payloads that one reactor has on their way to others. Each is copied once, into a
//! buffer that all receiving reactors share. The number of buffers is limited over all rings
//! together, so that their memory does not grow with the square of the number of reactors.

use std::sync::{Arc, Weak};

use super::flags::Starved;

/// A buffer larger than this is freed after use. It is twice the default message limit.
const KEPT_BYTES_MAX: usize = 128 * 1024;

/// Identifies the message that a payload belongs to, so that all members of its channel are given
/// the same buffer.
pub(super) type MessageKey = (u64, u64);

/// The buffers of one reactor, for its requests or for the messages that it has numbered.
pub(super) struct LargePayloads {
    places: Vec<PayloadPlace>,
    places_max: usize,
    /// How many payloads were put into the places so far.
    sent: u64,
    /// True if no buffer was free: the reactor that next frees one must wake this reactor.
    starved: Arc<Starved>,
}

struct PayloadPlace {
    buffer: SharedBuffer,
    /// Payloads are numbered in the order in which they are sent, from 1 on.
    number: u64,
    /// The message whose payload is in the buffer.
    key: Option<MessageKey>,
}

enum SharedBuffer {
    Kept(Arc<Vec<u8>>),
    /// A buffer that is too large to be kept. It is freed by the last reactor that uses it.
    Huge(Weak<Vec<u8>>),
}

impl SharedBuffer {
    fn is_free(&self) -> bool {
        match self {
            SharedBuffer::Kept(payload) => Arc::strong_count(payload) == 1,
            SharedBuffer::Huge(payload) => payload.strong_count() == 0,
        }
    }
}

impl LargePayloads {
    pub(super) fn new(places_max: usize) -> LargePayloads {
        LargePayloads { places: Vec::new(), places_max, sent: 0, starved: Arc::new(Starved::new()) }
    }

    /// Returns the flag that a reader must check after it has dropped a payload.
    pub(super) fn starved(&self) -> &Arc<Starved> {
        &self.starved
    }

    /// Returns true if there is a buffer for one more payload. If not, this reactor is woken once
    /// there is.
    pub(super) fn has_room(&self) -> bool {
        if self.has_free_place() {
            return true;
        }
        self.starved.declare();
        self.has_free_place()
    }

    /// Returns true if half of the places are free. If false, this reactor is woken once a payload
    /// has been used up.
    pub(super) fn has_half(&self) -> bool {
        if self.has_half_free() {
            return true;
        }
        self.starved.declare();
        self.has_half_free()
    }

    /// Returns how many payloads were sent so far.
    pub(super) fn sent_so_far(&self) -> u64 {
        self.sent
    }

    /// Returns true if the first so many payloads that were sent have been used up.
    pub(super) fn are_used_up_to(&self, sent: u64) -> bool {
        self.places.iter().all(|place| place.number > sent || place.buffer.is_free())
    }

    fn has_half_free(&self) -> bool {
        let half = self.places_max / 2;
        self.places.len() <= half
            || self.places.iter().filter(|place| !place.buffer.is_free()).count() <= half
    }

    fn has_free_place(&self) -> bool {
        self.places.len() < self.places_max
            || self.places.iter().any(|place| place.buffer.is_free())
    }

    /// Returns a buffer with this payload. Consecutive calls with one key get the same buffer.
    /// `None` if there is no free buffer.
    pub(super) fn share(
        &mut self,
        payload: &[u8],
        key: Option<MessageKey>,
    ) -> Option<Arc<Vec<u8>>> {
        if let Some(shared) = key.and_then(|key| self.find(key)) {
            return Some(shared);
        }
        let is_huge = payload.len() > KEPT_BYTES_MAX;
        for place in self.places.iter_mut().filter(|place| place.buffer.is_free()) {
            if !is_huge
                && let SharedBuffer::Kept(kept) = &mut place.buffer
                && let Some(bytes) = Arc::get_mut(kept)
            {
                bytes.clear();
                bytes.extend_from_slice(payload);
                self.sent += 1;
                (place.number, place.key) = (self.sent, key);
                return Some(Arc::clone(kept));
            }
        }
        let at = match self.places.iter().position(|place| place.buffer.is_free()) {
            Some(at) if is_huge || self.places.len() == self.places_max => Some(at),
            Some(_) | None if self.places.len() < self.places_max => None,
            Some(_) | None => return None,
        };
        let payload = Arc::new(payload.to_vec());
        let buffer = match is_huge {
            true => SharedBuffer::Huge(Arc::downgrade(&payload)),
            false => SharedBuffer::Kept(Arc::clone(&payload)),
        };
        self.sent += 1;
        let place = PayloadPlace { buffer, number: self.sent, key };
        match at {
            Some(at) => self.places[at] = place,
            None => self.places.push(place),
        }
        Some(payload)
    }

    fn find(&self, key: MessageKey) -> Option<Arc<Vec<u8>>> {
        let place = self.places.iter().find(|place| place.key == Some(key))?;
        match &place.buffer {
            SharedBuffer::Kept(payload) => Some(Arc::clone(payload)),
            SharedBuffer::Huge(payload) => payload.upgrade(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_members_of_a_channel_are_given_one_buffer_and_the_next_message_another() {
        let mut payloads = LargePayloads::new(2);
        let first = payloads.share(b"first", Some((7, 1))).unwrap();
        let again = payloads.share(b"first", Some((7, 1))).unwrap();
        assert!(Arc::ptr_eq(&first, &again));
        let second = payloads.share(b"second", Some((7, 2))).unwrap();
        assert_eq!((first.as_slice(), second.as_slice()), (&b"first"[..], &b"second"[..]));
        assert!(!payloads.has_room() && payloads.share(b"third", Some((7, 3))).is_none());
        drop((first, again));
        assert!(payloads.has_room());
        assert_eq!(payloads.share(b"third", Some((7, 3))).unwrap().as_slice(), b"third");
        assert_eq!(second.as_slice(), b"second");
    }

    #[test]
    fn a_buffer_is_used_again_and_a_huge_one_is_freed() {
        let mut payloads = LargePayloads::new(2);
        let mut addresses = Vec::new();
        for bytes in [600, 500 * 1024, 600, 600] {
            let payload = payloads.share(&vec![3; bytes], None).unwrap();
            assert_eq!(payload.len(), bytes);
            addresses.push(payload.as_ptr());
            let weak = Arc::downgrade(&payload);
            drop(payload);
            assert_eq!(weak.upgrade().is_none(), bytes > KEPT_BYTES_MAX);
        }
        assert_eq!(addresses[2], addresses[3], "the same buffer");
    }

    #[test]
    fn huge_and_small_ones_take_each_others_places() {
        let mut payloads = LargePayloads::new(1);
        for bytes in [10, 500 * 1024, 10, 500 * 1024] {
            let payload = payloads.share(&vec![1; bytes], None).unwrap();
            assert_eq!(payload.len(), bytes);
            assert!(!payloads.has_room());
            drop(payload);
            assert!(payloads.has_room());
        }
    }
}
