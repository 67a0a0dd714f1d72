//! The plan of a run, which the first bytes of an input determine.

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
    /// Time passes only when the program says so.
    pub is_clock_held: bool,
    /// The longest payload that clients send.
    pub payload_bytes_max: usize,
}

/// Uses the lowest part of a byte to choose, and removes that part from the byte.
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
        // With small buffers a large message would take thousands of turns, and with a latency for
        // each part of it far too much simulated time.
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
            // An even number means no faults but those that the program asks for.
            faults: if faults.is_multiple_of(2) {
                SimFaults::NONE
            } else {
                SimFaults::from_seed(u64::from(faults))
            },
            sim,
            limits: ReactorLimits {
                connections_max,
                connections_per_address_max,
                trusted_proxies: std::sync::Arc::default(),
                accepts_per_second_max,
                decoder: DecoderLimits { message_bytes_max, fragments_max: 6 },
                compression: None,
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
                    // The memory of the rings is added, because it counts towards the limit.
                    Some(bytes) => reactors * (bytes + ring_bytes * 4 / 3),
                    None => 1 << 30,
                },
                message_bytes_max,
                private_bytes_max,
                slow_policy,
                compression: None,
                forget_after: seconds(5, 0),
                linger,
            },
            is_clock_held,
            payload_bytes_max,
        }
    }

    /// Returns true if the memory may not be enough.
    pub fn is_short_of_memory(&self) -> bool {
        self.hub.memory_bytes < 1 << 30
    }

    /// Returns true if a message or a subscription may be refused.
    pub fn may_refuse(&self) -> bool {
        self.is_short_of_memory() || self.hub.channels_max < 100
    }

    /// Returns true if no limit refuses a client, or makes it wait until another one leaves.
    pub fn lets_everybody_in(&self) -> bool {
        self.sim.streams_max.min(self.limits.connections_max) >= 1_000
            && self.limits.connections_per_address_max.is_none()
    }

    /// Returns true if a slow subscriber may miss messages and go on.
    pub fn skips(&self) -> bool {
        self.hub.slow_policy != SlowPolicy::Disconnect
    }
}
