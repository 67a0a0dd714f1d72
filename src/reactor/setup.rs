//! What each reactor of a server is given before its thread begins, so that they reach each other.

use std::sync::Arc;

use crate::hub::{Homes, HubLimits, ReactorNumber};
use crate::instant::Instant;
use crate::net::Wake;

use super::api::{FromThreads, Handle, handle};
use super::group::{ConnectionLimits, Shared};
use super::limits::{HELD_MEMORY_SHARE, ReactorLimits};
use super::mail::{Inbox, Notifier, Outbox, RingSizes, boxes};

/// One reactor's part of its server.
pub struct Setup<W> {
    pub(super) own: ReactorNumber,
    pub(super) shared: Arc<Shared>,
    pub(super) inbox: Inbox,
    pub(super) outbox: Outbox,
    pub(super) commands: FromThreads,
    pub(super) handle: Handle<W>,
    /// Of all reactors, by their numbers.
    pub(super) notifiers: Vec<Notifier<W>>,
    pub(super) limits: ReactorLimits,
    pub(super) hub_limits: HubLimits,
    pub(super) held_bytes_max: usize,
}

impl<W: Clone> Setup<W> {
    /// A handle to the reactor, for other threads.
    pub fn handle(&self) -> Handle<W> {
        self.handle.clone()
    }

    /// Where the channels of the server live.
    pub fn homes(&self) -> Arc<Homes> {
        Arc::clone(&self.shared.homes)
    }
}

/// What each of several reactors' memory has to be at least, so that the rings between them leave
/// most of it to messages; one alone needs no more than one channel's buffer.
pub fn reactor_memory_min(
    reactors: usize,
    message_bytes_max: usize,
    channel_buffer_bytes: usize,
) -> usize {
    if reactors <= 1 {
        return channel_buffer_bytes;
    }
    let rings = ring_bytes(reactors, RingSizes::MIN, message_bytes_max);
    // And a little, for sizes are rounded.
    rings.saturating_mul(2 * RING_MEMORY_SHARE + 1).max(channel_buffer_bytes.saturating_mul(2))
}

/// So much of the memory of a reactor is set aside for its rings: a quarter. It is counted twice,
/// as what the rings hold, and as what comes out of them when the logs are full already; so the
/// rings themselves get half of it.
const RING_MEMORY_SHARE: usize = 4;

/// Takes no less time to fill than a reactor needs for a turn under load.
const RING_BYTES_MAX: usize = 256 * 1024;
const BESIDE_MAX: usize = 16;

/// What the rings that lead to one of so many reactors may hold.
fn ring_bytes(reactors: usize, sizes: RingSizes, message_bytes_max: usize) -> usize {
    let beside = sizes.beside.saturating_mul(message_bytes_max);
    // Requests and deliveries of each other reactor, and its updates.
    (2 * (sizes.bytes.saturating_add(beside)) + sizes.update_bytes()).saturating_mul(reactors - 1)
}

/// Sizes of rings that fit into the memory of one of so many reactors, if it is enough.
fn ring_sizes(reactors: usize, memory_bytes: usize, message_bytes_max: usize) -> RingSizes {
    let of_one_other = memory_bytes / RING_MEMORY_SHARE / 2 / (reactors - 1).max(1);
    // About half of it for what travels beside two rings, the rest for their bytes and the ring of
    // updates.
    let beside = of_one_other / 4 / message_bytes_max.max(1);
    let beside = beside.clamp(RingSizes::MIN.beside, BESIDE_MAX);
    let rest = of_one_other.saturating_sub(2 * beside * message_bytes_max);
    let bytes = (rest.saturating_sub(RingSizes::MIN.bytes) / 2).min(rest / 17 * 8);
    RingSizes { bytes: bytes.clamp(RingSizes::MIN.bytes, RING_BYTES_MAX), beside }
}

/// The set-ups of as many reactors as there are wakers. The limits are those of all together:
/// memory is divided among them; connections, channels and rates are counted together. Without
/// sizes of their own the rings have such that they fit into the memory.
pub fn setups<W: Wake + Clone>(
    wakers: Vec<W>,
    homes: Homes,
    now: Instant,
    limits: &ReactorLimits,
    hub_limits: HubLimits,
    rings: Option<RingSizes>,
) -> Vec<Setup<W>> {
    let reactors = homes.reactors();
    debug_assert_eq!(wakers.len(), reactors, "a waker for each");
    let message_bytes_max = limits.decoder.message_bytes_max;
    let memory_bytes = hub_limits.memory_bytes / reactors;
    // What connections hold has its own part of the memory: peers that leave their messages
    // unfinished cannot take the room of the channels' logs.
    let held_bytes_max = memory_bytes / HELD_MEMORY_SHARE;
    let sizes = rings.unwrap_or_else(|| ring_sizes(reactors, memory_bytes, message_bytes_max));
    let ring_bytes = ring_bytes(reactors, sizes, message_bytes_max);
    let hub_limits = HubLimits {
        memory_bytes: (memory_bytes - held_bytes_max).saturating_sub(2 * ring_bytes),
        private_bytes_max: hub_limits.private_bytes_max / reactors,
        ..hub_limits
    };
    let shared = Arc::new(Shared::new(Arc::new(homes), ConnectionLimits::new(limits, now)));
    let notifiers: Vec<_> = wakers.into_iter().map(Notifier::new).collect();
    boxes(&shared, sizes, message_bytes_max)
        .into_iter()
        .zip(&notifiers)
        .enumerate()
        .map(|(number, ((inbox, outbox), notifier))| {
            let (commands, handle) = handle(notifier.clone(), message_bytes_max);
            Setup {
                own: ReactorNumber(number as u16),
                shared: Arc::clone(&shared),
                inbox,
                outbox,
                commands,
                handle,
                notifiers: notifiers.clone(),
                limits: limits.clone(),
                hub_limits,
                held_bytes_max,
            }
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rings_leave_half_of_the_least_memory_to_the_logs_and_are_no_larger_than_is_useful() {
        let plenty = ring_sizes(2, 1 << 30, 64 << 10);
        assert_eq!((plenty.bytes, plenty.beside), (RING_BYTES_MAX, BESIDE_MAX));
        for (reactors, message_bytes_max) in
            [(2, 1), (2, 64 << 10), (8, 64 << 10), (64, 64 << 10), (8, 16 << 20)]
        {
            let least = reactor_memory_min(reactors, message_bytes_max, 2 * message_bytes_max);
            for memory_bytes in [least, 2 * least, 10 * least] {
                let sizes = ring_sizes(reactors, memory_bytes, message_bytes_max);
                let rings = ring_bytes(reactors, sizes, message_bytes_max);
                assert!(
                    2 * rings <= memory_bytes / 4,
                    "{reactors} reactors, {message_bytes_max}: {rings} of {memory_bytes}, {sizes:?}"
                );
            }
        }
    }
}
