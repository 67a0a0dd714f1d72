//! What each reactor of a server is given before its thread begins, so that the reactors can send
//! each other messages.

use std::sync::Arc;

use crate::hub::{Homes, HubLimits, ReactorNumber};
use crate::instant::Instant;
use crate::net::Wake;

use super::api::{FromThreads, Handle, handle};
use super::group::{ConnectionLimits, Liveness, Shared};
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

    /// Returns a handle that tells which reactors stand still.
    pub fn liveness(&self) -> Liveness {
        Liveness::new(&self.shared)
    }

    /// Returns the table of which reactor is the home of which channel.
    pub fn homes(&self) -> Arc<Homes> {
        Arc::clone(&self.shared.homes)
    }
}

/// Returns the least memory that each reactor needs, in bytes, so that the rings between several
/// reactors leave most of it to messages. A single reactor needs only one channel's buffer.
pub fn reactor_memory_min(reactors: usize, hub_limits: &HubLimits) -> usize {
    // The buffer of one channel has room for a message in each form only if it is so much larger.
    let buffer_bytes = hub_limits.channel_buffer_bytes.saturating_mul(hub_limits.forms_max());
    if reactors <= 1 {
        return buffer_bytes;
    }
    let needs = RingNeeds::of(reactors, RingSizes::MIN, hub_limits);
    // One share more, because sizes are rounded.
    needs.bytes().saturating_mul(RING_MEMORY_SHARE + 1).max(buffer_bytes.saturating_mul(2))
}

/// One part in this many of a reactor's memory is set aside for its rings, and for the log space
/// that is needed for what the rings contain, so that it can be appended even when the logs are
/// full.
const RING_MEMORY_SHARE: usize = 4;

/// The largest ring. Filling it takes at least as long as a turn under load, so more is no use.
const RING_BYTES_MAX: usize = 256 * 1024;
/// The rings of all reactors together take at most this much, however many reactors there are.
/// Together with the rings that each reactor has to itself, it is less than 64 MiB.
const ALL_RINGS_BYTES_MAX: usize = 60 << 20;
/// At most this many large payloads of requests are on their way from one reactor, and as many of
/// messages from homes. Each is in a buffer of its own, beside the ring.
const BESIDE_MAX: usize = 16;

/// The memory that one reactor needs for its rings.
struct RingNeeds {
    /// The capacity of the rings from other reactors, and the large payloads on their way from this
    /// one.
    rings: usize,
    /// The most that the rings to this reactor can hold in messages, in all forms in which they may
    /// be kept: this much log space is set aside for them.
    messages: usize,
}

impl RingNeeds {
    fn of(reactors: usize, sizes: RingSizes, hub_limits: &HubLimits) -> RingNeeds {
        let others = reactors - 1;
        let large = sizes.beside.saturating_mul(hub_limits.message_bytes_max);
        let in_ring = sizes.bytes.saturating_add(large);
        let in_rings =
            (2 * sizes.bytes + sizes.update_bytes() + sizes.answer_bytes()).saturating_mul(others);
        RingNeeds {
            rings: in_rings.saturating_add(large.saturating_mul(2)),
            messages: in_ring.saturating_mul(others).saturating_mul(hub_limits.forms_max()),
        }
    }

    fn bytes(&self) -> usize {
        self.rings.saturating_add(self.messages)
    }
}

/// Returns ring sizes that fit into the memory of one of `reactors` reactors. `memory_bytes` must
/// be at least [`reactor_memory_min`].
fn ring_sizes(reactors: usize, memory_bytes: usize, hub_limits: &HubLimits) -> RingSizes {
    // A single reactor has rings too: to itself.
    let reactors = reactors.max(2);
    let (others, message) = (reactors - 1, hub_limits.message_bytes_max.max(1));
    let least = RingNeeds::of(reactors, RingSizes::MIN, hub_limits);
    // Both needs get a share in proportion to the least that they require.
    let memory_bytes = memory_bytes / RING_MEMORY_SHARE;
    let part = least.messages as f64 / least.bytes() as f64;
    let of_messages = (memory_bytes as f64 * part) as usize;
    // What the rings hold may be appended in each form.
    let of_messages_once = of_messages / hub_limits.forms_max();
    let of_rings = (memory_bytes - of_messages).min(ALL_RINGS_BYTES_MAX / reactors);
    let beside = (of_rings / 8 / message).min(of_messages_once / 2 / others / message);
    let beside = beside.clamp(RingSizes::MIN.beside, BESIDE_MAX);
    let large = beside.saturating_mul(message);
    let in_rings = of_rings.saturating_sub(large.saturating_mul(2)) / others;
    let bytes = (in_rings.saturating_sub(RingSizes::MIN.bytes) / 2)
        .min(in_rings / 9 * 4)
        .min((of_messages_once / others).saturating_sub(large));
    RingSizes { bytes: bytes.clamp(RingSizes::MIN.bytes, RING_BYTES_MAX), beside }
}

/// Returns the setups of as many reactors as there are wakers. The limits apply to all reactors
/// together: memory is divided among them; connections, channels and rates are counted together.
/// Channels are compressed as `limits` says. If `rings` is `None`, the ring sizes are chosen to fit
/// into the memory.
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
    let hub_limits = HubLimits { compression: limits.compression, ..hub_limits };
    let memory_bytes = hub_limits.memory_bytes / reactors;
    // Unfinished messages and unsent bytes of connections have their own part of the memory, so
    // that peers with unfinished messages cannot take the memory of the channels' logs.
    let held_bytes_max = memory_bytes / HELD_MEMORY_SHARE;
    let sizes = rings.unwrap_or_else(|| ring_sizes(reactors, memory_bytes, &hub_limits));
    let ring_bytes = match reactors {
        1 => 0,
        _ => RingNeeds::of(reactors, sizes, &hub_limits).bytes(),
    };
    let hub_limits = HubLimits {
        memory_bytes: (memory_bytes - held_bytes_max).saturating_sub(ring_bytes),
        private_bytes_max: hub_limits.private_bytes_max / reactors,
        ..hub_limits
    };
    let shared = Arc::new(Shared::new(Arc::new(homes), ConnectionLimits::new(limits, now), now));
    let notifiers: Vec<_> = wakers.into_iter().map(Notifier::new).collect();
    boxes(&shared, sizes, message_bytes_max)
        .into_iter()
        .zip(&notifiers)
        .enumerate()
        .map(|(number, ((inbox, outbox), notifier))| {
            let own = ReactorNumber(number as u16);
            let (commands, handle) = handle(own, notifier.clone(), message_bytes_max);
            Setup {
                own,
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
    use crate::protocol::CompressionOptions;

    fn limits(message_bytes_max: usize, compression: Option<CompressionOptions>) -> HubLimits {
        let channel_buffer_bytes = 2 * message_bytes_max;
        HubLimits { message_bytes_max, channel_buffer_bytes, compression, ..HubLimits::default() }
    }

    #[test]
    fn rings_leave_three_quarters_of_the_memory_and_are_no_larger_than_is_useful() {
        for reactors in [1, 2, 4] {
            let plenty = ring_sizes(reactors, 1 << 30, &limits(64 << 10, None));
            assert_eq!((plenty.bytes, plenty.beside), (RING_BYTES_MAX, BESIDE_MAX));
        }
        for (reactors, message_bytes_max) in
            [(2, 1), (2, 64 << 10), (8, 64 << 10), (64, 64 << 10), (8, 16 << 20), (64, 16 << 20)]
        {
            for compression in [None, Some(CompressionOptions::default())] {
                let limits = limits(message_bytes_max, compression);
                let least = reactor_memory_min(reactors, &limits);
                for memory_bytes in [least, least + least / 3, 2 * least, 10 * least] {
                    let sizes = ring_sizes(reactors, memory_bytes, &limits);
                    let needs = RingNeeds::of(reactors, sizes, &limits).bytes();
                    assert!(
                        needs <= memory_bytes / RING_MEMORY_SHARE,
                        "{reactors} reactors, {limits:?}: {needs} of {memory_bytes}, {sizes:?}"
                    );
                }
            }
        }
    }

    #[test]
    fn the_rings_of_many_reactors_together_take_at_most_64_mib() {
        for reactors in [2, 8, 16, 64] {
            let sizes = ring_sizes(reactors, 1 << 30, &limits(64 << 10, None));
            let in_rings =
                reactors * (2 * sizes.bytes + sizes.update_bytes() + sizes.answer_bytes());
            let large = 2 * sizes.beside * (64 << 10);
            assert!(reactors * (in_rings + large) <= 64 << 20, "{reactors} reactors: {sizes:?}");
            assert!(sizes.bytes >= 4 << 10, "{reactors} reactors: {sizes:?}");
        }
    }
}
