//! What a seed determines before its random run starts.

use std::time::Duration;

use super::super::dice::Dice;
use crate::hub::{HubLimits, SlowPolicy};
use crate::net::sim::{SimFaults, SimLimits};
use crate::protocol::{CompressionOptions, DecoderLimits};
use crate::reactor::{ReactorLimits, RingSizes};

/// The faults, limits and probabilities of one run.
pub(super) struct Plan {
    pub(super) faults: SimFaults,
    pub(super) sim: SimLimits,
    pub(super) limits: ReactorLimits,
    pub(super) hub: HubLimits,
    /// The channel that has a slow policy of its own, if any.
    pub(super) own_policy: Option<(&'static str, SlowPolicy)>,
    /// Whether the application is told of what was served.
    pub(super) wants_served: bool,
    /// Every second client speaks TLS.
    pub(super) speaks_tls: bool,
    pub(super) reactors: usize,
    pub(super) rings: RingSizes,
    /// The number of a reactor that gets fewer turns than the others, if any.
    pub(super) lazy: Option<usize>,
    /// After one in this many steps of a turn, on average, another reactor runs instead.
    pub(super) interruptions: usize,
    pub(super) steps: usize,
    /// Each payload is at most as large as one of these sizes, chosen at random.
    pub(super) sizes: &'static [usize],
    /// A client sends at most this many messages at once. If it is large, channels are often full,
    /// and peers that read nothing are often blocked.
    pub(super) burst: usize,
    /// How many clients are connected at a time. With few, channels lose their last subscriber and
    /// are created again.
    pub(super) crowd: usize,
    /// How many of every fourteen actions make a client leave.
    pub(super) leaves: usize,
    /// One in this many actions, on average, pauses a reactor.
    pub(super) pauses: usize,
    /// One in this many actions, on average, is misbehaviour of a client.
    pub(super) malice: usize,
}

/// In every third seed one channel has a policy of its own. The dice are not asked, so that seeds
/// which are known for something stay as they were in everything else.
fn own_policy(seed: u64) -> Option<(&'static str, SlowPolicy)> {
    let policy = match seed / 3 % 3 {
        0 => SlowPolicy::Disconnect,
        1 => SlowPolicy::Skip,
        _ => SlowPolicy::Latest,
    };
    let channel = if (seed / 9).is_multiple_of(2) { "news" } else { "two-b" };
    seed.is_multiple_of(3).then_some((channel, policy))
}

/// In every other group of four seeds, messages are compressed for half of the clients. The dice
/// are not asked here either.
fn compression(seed: u64) -> Option<CompressionOptions> {
    let options = match seed / 8 % 3 {
        0 => CompressionOptions { level: 1, window_bits: 15, message_bytes_min: 0 },
        1 => CompressionOptions { level: 1, window_bits: 9, message_bytes_min: 100 },
        _ => CompressionOptions::default(),
    };
    (seed / 4 % 2 == 1).then_some(options)
}

impl Plan {
    pub(super) fn draw(seed: u64, dice: &mut Dice) -> Plan {
        // Every fourth seed has no faults, so that the strictest promises can be checked.
        let faults =
            if seed.is_multiple_of(4) { SimFaults::NONE } else { SimFaults::from_seed(seed) };
        let latency = if seed.is_multiple_of(4) { 0 } else { dice.pick(&[0, 0, 1, 50]) };
        // With one byte at a time and a latency of up to 50 ms, hardly anything would ever arrive.
        let bytes_min = if latency > 0 { 4_096 } else { 1 };
        let seconds = |choices: &[u64], dice: &mut Dice| Duration::from_secs(dice.pick(choices));
        let memory_is_short = dice.one_in(4);
        let message_bytes_max = dice.pick(&[300, 5_000, 20_000, 70_000]);
        let is_large = dice.one_in(2);
        let sizes: [&[usize]; 3] = match is_large {
            true => [&[20, 200, 2_000], &[100, 4_000, 9_000], &[100, 1_000, 70_000]],
            false => [&[0, 1, 20, 100], &[20, 200], &[20, 200, 2_000]],
        };
        let bytes_min = if is_large { 4_096 } else { bytes_min };
        let reactors = dice.pick(&[1, 2, 2, 3, 4]);
        let rings = dice.pick(&[
            RingSizes::MIN,
            RingSizes { bytes: 4 << 10, beside: 2 },
            RingSizes { bytes: 64 << 10, beside: 4 },
        ]);
        let lazy = dice.one_in(3).then(|| dice.below(reactors));
        // Rings between reactors count as memory, so a short limit includes what they may take.
        // What is in them may have to be kept in two forms.
        let shares = 4 + usize::from(compression(seed).is_some());
        let ring_bytes = shares * (reactors - 1) * (rings.bytes + rings.beside * message_bytes_max);
        let short = |bytes: usize| reactors * (bytes + ring_bytes * 4 / 3);
        Plan {
            faults,
            sim: SimLimits {
                send_buffer_bytes: dice.pick(&[1, 100, 4_096, 16_384]).max(bytes_min),
                receive_buffer_bytes: dice.pick(&[200, 5_000, 131_072]).max(bytes_min),
                peer_window_bytes: dice.pick(&[100, 4_096, 65_536]).max(bytes_min),
                events_per_wait_max: dice.pick(&[1, 3, 1024]),
                streams_max: dice.pick(&[6, 1_000, 1_000]),
                latency_max: Duration::from_millis(latency),
                call_duration: Duration::from_micros(dice.pick(&[0, 0, 10])),
            },
            limits: ReactorLimits {
                connections_max: dice.pick(&[4, 1_000, 1_000]),
                connections_per_address_max: dice.pick(&[None, None, Some(6)]),
                trusted_proxies: std::sync::Arc::default(),
                accepts_per_second_max: dice.pick(&[None, None, Some(5)]),
                decoder: DecoderLimits { message_bytes_max, fragments_max: 20 },
                compression: compression(seed),
                http: crate::protocol::HttpLimits {
                    body_bytes_max: message_bytes_max,
                    ..Default::default()
                },
                handshake_timeout: seconds(&[5, 20], dice),
                idle_timeout: seconds(&[5, 60], dice),
                ping_interval: seconds(&[8, 25], dice),
                pong_timeout: seconds(&[6, 10], dice),
                slow_timeout: seconds(&[5, 10, 60], dice),
                message_timeout: dice.pick(&[None, Some(Duration::from_secs(15))]),
                drain_timeout: seconds(&[20, 60], dice),
            },
            hub: HubLimits {
                channel_buffer_bytes: dice.pick(&[0, 500, 10_000, 50_000, 1 << 20]),
                memory_bytes: if memory_is_short {
                    short(dice.pick(&[30_000, 200_000]))
                } else {
                    1 << 30
                },
                private_bytes_max: dice.pick(&[0, 1_000, 8 << 20]),
                channels_max: dice.pick(&[3, 1_000_000, 1_000_000, 1_000_000]),
                linger: seconds(&[0, 2, 60], dice),
                slow_policy: dice.pick(&[
                    SlowPolicy::Disconnect,
                    SlowPolicy::Skip,
                    SlowPolicy::Latest,
                ]),
                message_bytes_max,
                compression: None,
                forget_after: seconds(&[0, 1, 5, 1_000_000], dice),
            },
            own_policy: own_policy(seed),
            wants_served: seed % 4 == 3,
            speaks_tls: seed % 3 == 1,
            reactors,
            rings,
            lazy,
            steps: dice.pick(&[30, 100, 200]),
            sizes: dice.pick(&sizes),
            burst: dice.pick(&[4, 4, 30]),
            crowd: dice.pick(&[3, 8, 40]),
            leaves: dice.pick(&[1, 1, 5]),
            pauses: if reactors > 1 { dice.pick(&[20, 100, usize::MAX]) } else { usize::MAX },
            malice: dice.pick(&[3, 10, usize::MAX]),
            interruptions: match reactors {
                1 => usize::MAX,
                _ => dice.pick(&[usize::MAX, 40, 8, 2]),
            },
        }
    }

    /// Returns true if a peer that reads everything immediately is never found blocked.
    pub(super) fn writes_are_never_refused(&self) -> bool {
        let faults = &self.faults;
        let refused = faults.short_writes + faults.refused_writes + faults.write_shortage;
        refused == 0.0 && self.sim.latency_max.is_zero()
    }

    /// Returns true if a peer that reads may be sent nothing for seconds. This happens when ten
    /// writes in a row fail for want of kernel memory; each is retried after half a second.
    pub(super) fn often_starves(&self) -> bool {
        self.faults.write_shortage > 0.1
    }

    /// Returns true if a publish or a subscription may be refused.
    pub(super) fn may_refuse(&self) -> bool {
        self.hub.memory_bytes < 1 << 30 || self.hub.channels_max < 1_000
    }

    /// Returns true if no limit makes a client wait until another one leaves.
    pub(super) fn lets_everybody_in(&self) -> bool {
        self.sim.streams_max.min(self.limits.connections_max) >= 1_000
            && self.limits.connections_per_address_max.is_none()
    }

    /// Returns true if a subscriber of the channel that is overrun goes on with a gap.
    pub(super) fn skips(&self, channel: &str) -> bool {
        let own = self.own_policy.filter(|(own, _)| *own == channel).map(|(_, policy)| policy);
        own.unwrap_or(self.hub.slow_policy) != SlowPolicy::Disconnect
    }
}
