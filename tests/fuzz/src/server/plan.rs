//! What the first bytes of an input decide.

use std::time::Duration;

use fanfare::hub::{HubLimits, SlowPolicy};
use fanfare::net::sim::{SimFaults, SimLimits};
use fanfare::protocol::{DecoderLimits, HttpLimits};
use fanfare::reactor::{ReactorLimits, RingSizes};

use crate::input::Input;

pub struct Plan {
    pub seed: u64,
    pub reactors: usize,
    pub rings: RingSizes,
    pub faults: SimFaults,
    pub sim: SimLimits,
    pub limits: ReactorLimits,
    pub hub: HubLimits,
    /// Time passes only where the program says so.
    pub is_clock_held: bool,
    /// Payloads are no longer than this.
    pub payload_bytes_max: usize,
}

/// Takes one choice by the lowest bits of a byte, and shifts them out.
fn pick<T: Copy>(byte: &mut u8, choices: &[T]) -> T {
    let index = usize::from(*byte) % choices.len();
    *byte /= choices.len() as u8;
    choices[index]
}

impl Plan {
    pub fn draw(input: &mut Input<'_>) -> Plan {
        let byte = &mut input.byte();
        let reactors = pick(byte, &[1, 2, 3, 4]);
        let rings = pick(byte, &[RingSizes::MIN, RingSizes { bytes: 4096, beside: 2 }]);
        let slow_policy =
            pick(byte, &[SlowPolicy::Disconnect, SlowPolicy::Skip, SlowPolicy::Latest]);
        let is_clock_held = pick(byte, &[true, false]);
        let latency_max = pick(byte, &[Duration::ZERO, Duration::from_millis(20)]);

        let byte = &mut input.byte();
        let channel_buffer_bytes = pick(byte, &[1 << 20, 0, 400, 3_000]);
        let memory_bytes_each = pick(byte, &[None, Some(2_000), Some(20_000), Some(100_000)]);
        let private_bytes_max = pick(byte, &[8 << 20, 0, 500]);
        let linger = pick(byte, &[Duration::ZERO, Duration::from_secs(1)]);

        let byte = &mut input.byte();
        // In small steps a large message would take thousands of turns, and with a while for each
        // step all of the time.
        let is_large = pick(byte, &[true, false]);
        let [send, receive, window]: [&[usize]; 3] = match is_large {
            true => [&[16_384, 2_000], &[131_072, 2_000], &[65_536, 1_000]],
            false => [&[16_384, 16], &[131_072, 16], &[65_536, 100]],
        };
        let sim = SimLimits {
            send_buffer_bytes: pick(byte, send),
            receive_buffer_bytes: pick(byte, receive),
            peer_window_bytes: pick(byte, window),
            events_per_wait_max: pick(byte, &[1024, 1, 3]),
            streams_max: pick(byte, &[1_000, 3]),
            latency_max: if is_large { latency_max } else { Duration::ZERO },
            call_duration: Duration::ZERO,
        };

        let byte = &mut input.byte();
        let connections_max = pick(byte, &[1_000, 3]);
        let connections_per_address_max = pick(byte, &[None, Some(2)]);
        let accepts_per_second_max = pick(byte, &[None, Some(4)]);
        let channels_max = pick(byte, &[1_000, 1, 2]);
        let message_bytes_max = pick(byte, &[9_000, 300, 2_000]);
        let is_hasty = pick(byte, &[false, true]);
        let seconds = |usual, hasty| Duration::from_secs(if is_hasty { hasty } else { usual });

        let faults = input.byte();
        let payload_bytes_max = if is_large { 9_000 } else { 300 };
        let ring_bytes = 4 * (reactors - 1) * (rings.bytes + rings.beside * message_bytes_max);
        Plan {
            seed: u64::from(faults),
            reactors,
            rings,
            // An even number: nothing goes wrong that the program does not say.
            faults: if faults.is_multiple_of(2) {
                SimFaults::NONE
            } else {
                SimFaults::from_seed(u64::from(faults))
            },
            sim,
            limits: ReactorLimits {
                connections_max,
                connections_per_address_max,
                accepts_per_second_max,
                decoder: DecoderLimits { message_bytes_max, fragments_max: 6 },
                http: HttpLimits { head_bytes_max: 1_024, body_bytes_max: message_bytes_max },
                handshake_timeout: seconds(3, 2),
                idle_timeout: seconds(5, 2),
                ping_interval: seconds(20, 4),
                pong_timeout: seconds(3, 2),
                slow_timeout: seconds(3, 2),
                message_timeout: if is_hasty { Some(Duration::from_secs(3)) } else { None },
                drain_timeout: seconds(2, 1),
            },
            hub: HubLimits {
                channels_max,
                channel_buffer_bytes,
                memory_bytes: match memory_bytes_each {
                    // What the rings may take comes on top.
                    Some(bytes) => reactors * (bytes + ring_bytes * 4 / 3),
                    None => 1 << 30,
                },
                message_bytes_max,
                private_bytes_max,
                slow_policy,
                forget_after: seconds(5, 0),
                linger,
            },
            is_clock_held,
            payload_bytes_max,
        }
    }

    /// Whether memory may be spent.
    pub fn is_short_of_memory(&self) -> bool {
        self.hub.memory_bytes < 1 << 30
    }

    /// Whether a message may be refused, or a subscription.
    pub fn may_refuse(&self) -> bool {
        self.is_short_of_memory() || self.hub.channels_max < 100
    }

    /// Whether nobody has to wait for somebody else to leave, or is sent away for there are too
    /// many.
    pub fn lets_everybody_in(&self) -> bool {
        self.sim.streams_max.min(self.limits.connections_max) >= 1_000
            && self.limits.connections_per_address_max.is_none()
    }

    /// Whether a subscriber may be passed over and go on.
    pub fn skips(&self) -> bool {
        self.hub.slow_policy != SlowPolicy::Disconnect
    }
}
