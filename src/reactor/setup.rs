//! What each reactor of a server is given before its thread begins, so that the reactors can send
//! each other messages.

use std::sync::Arc;

use crate::hub::{Homes, HubLimits, ReactorNumber};
use crate::instant::Instant;
use crate::net::Wake;

use super::api::{FromThreads, Handle, handle};
use super::group::{ConnectionLimits, Shared};
use super::limits::{HELD_MEMORY_SHARE, ReactorLimits};
use super::mail::{Inbox, Notifier, Outbox, RingSizes, boxes};

/// What one reactor is created from: its rings to the other reactors, shared state and limits.
pub struct Setup<W> {
    pub(super) own: ReactorNumber,
    pub(super) shared: Arc<Shared>,
    pub(super) inbox: Inbox,
    pub(super) outbox: Outbox,
    pub(super) commands: FromThreads,
    pub(super) handle: Handle<W>,
    /// The notifiers of all reactors, by reactor number.
    pub(super) notifiers: Vec<Notifier<W>>,
    pub(super) limits: ReactorLimits,
    pub(super) hub_limits: HubLimits,
    pub(super) held_bytes_max: usize,
}

impl<W: Clone> Setup<W> {
    /// Returns a handle by which other threads publish, drain the server or stop it.
    pub fn handle(&self) -> Handle<W> {
        self.handle.clone()
    }

    /// Returns the table of which reactor is the home of which channel.
    pub fn homes(&self) -> Arc<Homes> {
        Arc::clone(&self.shared.homes)
    }
}

/// Returns how many bytes of memory each reactor needs at least, so that the rings between several
/// reactors leave most of it to messages. A single reactor needs only one channel's buffer.
pub fn reactor_memory_min(
    reactors: usize,
    message_bytes_max: usize,
    channel_buffer_bytes: usize,
) -> usize {
    if reactors <= 1 {
        return channel_buffer_bytes;
    }
    let rings = ring_bytes(reactors, RingSizes::MIN, message_bytes_max);
    // One share more, because sizes are rounded.
    rings.saturating_mul(2 * RING_MEMORY_SHARE + 1).max(channel_buffer_bytes.saturating_mul(2))
}

/// One part in this many of a reactor's memory is set aside for its rings. The rings themselves get
/// half of that; the other half is log space for what they contain, so that it can be appended even
/// when the logs are full.
const RING_MEMORY_SHARE: usize = 4;

/// The largest ring. Filling it takes at least as long as a turn under load, so more is no use.
const RING_BYTES_MAX: usize = 256 * 1024;
/// At most this many large payloads travel beside one ring, each in a buffer of its own.
const BESIDE_MAX: usize = 16;

/// Returns how many bytes the rings that lead to one of `reactors` reactors may hold.
fn ring_bytes(reactors: usize, sizes: RingSizes, message_bytes_max: usize) -> usize {
    let beside = sizes.beside.saturating_mul(message_bytes_max);
    // From each other reactor: requests, deliveries and membership updates.
    (2 * (sizes.bytes.saturating_add(beside)) + sizes.update_bytes()).saturating_mul(reactors - 1)
}

/// Returns ring sizes that fit into the memory of one of `reactors` reactors. `memory_bytes` must
/// be at least [`reactor_memory_min`].
fn ring_sizes(reactors: usize, memory_bytes: usize, message_bytes_max: usize) -> RingSizes {
    let of_one_other = memory_bytes / RING_MEMORY_SHARE / 2 / (reactors - 1).max(1);
    // About half is for the large payloads that travel beside two of the three rings, the rest for
    // the bytes in the rings and for the ring of updates.
    let beside = of_one_other / 4 / message_bytes_max.max(1);
    let beside = beside.clamp(RingSizes::MIN.beside, BESIDE_MAX);
    let rest = of_one_other.saturating_sub(2 * beside * message_bytes_max);
    let bytes = (rest.saturating_sub(RingSizes::MIN.bytes) / 2).min(rest / 17 * 8);
    RingSizes { bytes: bytes.clamp(RingSizes::MIN.bytes, RING_BYTES_MAX), beside }
}

/// Returns the setups of as many reactors as there are wakers. The limits apply to all reactors
/// together: memory is divided among them; connections, channels and rates are counted together. If
/// `rings` is `None`, the ring sizes are chosen to fit into the memory.
pub fn setups<W: Wake + Clone>(
    wakers: Vec<W>,
    homes: Homes,
    now: Instant,
    limits: &ReactorLimits,
    hub_limits: HubLimits,
    rings: Option<RingSizes>,
) -> Vec<Setup<W>> {
    let reactors = homes.reactors();
    debug_assert_eq!(wakers.len(), reactors, "one waker for each reactor");
    let message_bytes_max = limits.decoder.message_bytes_max;
    let memory_bytes = hub_limits.memory_bytes / reactors;
    // Unfinished messages and unsent bytes of connections have their own part of the memory, so
    // that peers with unfinished messages cannot take the memory of the channels' logs.
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
