//! Compares the hub with a naive implementation ([`world`]): random operations run on both, and
//! after each one both must agree.

mod world;

use super::segment_pool;
use super::{FormKind, HubLimits, SlowPolicy};
use crate::protocol::CompressionOptions;
use proptest::prelude::*;
use world::World;

pub(super) const CHANNELS: [&str; 3] = ["news", "weather", "sports"];

/// How many connections the subscribers belong to.
pub(super) const CONNECTIONS: usize = 4;

#[derive(Clone, Copy, Debug)]
pub(super) enum Op {
    Subscribe {
        channel: usize,
        form: FormKind,
    },
    /// The subscription ends, but its connection stays open.
    Unsubscribe {
        who: usize,
    },
    /// The subscription ends because its connection is gone.
    Remove {
        who: usize,
    },
    Publish {
        channel: usize,
        payload_bytes: usize,
    },
    PublishTo {
        who: usize,
        payload_bytes: usize,
    },
    /// The hub picks one due subscriber, which is sent at most `bytes_max` bytes. If that is not
    /// everything, and `block` is set, its connection becomes blocked. If the connection is blocked
    /// already, nothing is sent and the subscriber is marked as blocked.
    Visit {
        bytes_max: usize,
        block: bool,
    },
    /// Every due subscriber is visited once, and its socket accepts all bytes.
    Sweep,
    Block {
        who: usize,
    },
    Unblock {
        who: usize,
    },
    /// The socket of a connection accepts no more bytes. The hub is told when it visits one of the
    /// connection's subscribers.
    BlockConnection {
        which: usize,
    },
    /// The socket accepts bytes again: the subscribers that were blocked because of it are
    /// unblocked.
    UnblockConnection {
        which: usize,
    },
    /// Some bytes are sent of a private rest: the unsent part of a frame, copied when its
    /// subscription ended.
    SendRest {
        which: usize,
        bytes_max: usize,
    },
    AbandonRest {
        which: usize,
    },
    ForgetIdle {
        seconds: u64,
    },
}

fn payload_bytes() -> impl Strategy<Value = usize> {
    prop_oneof![
        8 => 0..300_usize,
        4 => 1_000..5_000_usize,
        2 => prop::sample::select(vec![125, 126, 4_092, 4_093, 65_526, 65_535, 65_536]),
        1 => 0..3 * segment_pool::LARGE_SEGMENT_BYTES,
    ]
}

/// How many bytes a socket accepts: mostly all, or so few that they end inside a frame header.
fn bytes_max() -> impl Strategy<Value = usize> {
    prop_oneof![3 => Just(usize::MAX), 3 => 0..20_usize, 2 => 0..6_000_usize, 1 => 0..140_000_usize]
}

fn form() -> impl Strategy<Value = FormKind> {
    prop::sample::select(vec![FormKind::Plain, FormKind::Deflated])
}

fn compression() -> impl Strategy<Value = Option<CompressionOptions>> {
    prop::sample::select(vec![
        None,
        Some(CompressionOptions { level: 1, window_bits: 9, message_bytes_min: 0 }),
        Some(CompressionOptions { level: 1, window_bits: 15, message_bytes_min: 100 }),
    ])
}

fn op() -> impl Strategy<Value = Op> {
    let channel = || 0..CHANNELS.len();
    let who = 0..64_usize;
    prop_oneof![
        4 => (channel(), form()).prop_map(|(channel, form)| Op::Subscribe { channel, form }),
        1 => who.clone().prop_map(|who| Op::Unsubscribe { who }),
        1 => who.clone().prop_map(|who| Op::Remove { who }),
        12 => (channel(), payload_bytes())
            .prop_map(|(channel, payload_bytes)| Op::Publish { channel, payload_bytes }),
        2 => (who.clone(), payload_bytes())
            .prop_map(|(who, payload_bytes)| Op::PublishTo { who, payload_bytes }),
        12 => (bytes_max(), any::<bool>())
            .prop_map(|(bytes_max, block)| Op::Visit { bytes_max, block }),
        1 => Just(Op::Sweep),
        3 => who.clone().prop_map(|who| Op::Block { who }),
        3 => who.prop_map(|who| Op::Unblock { who }),
        2 => (0..CONNECTIONS).prop_map(|which| Op::BlockConnection { which }),
        5 => (0..CONNECTIONS).prop_map(|which| Op::UnblockConnection { which }),
        2 => (0..8_usize, bytes_max())
            .prop_map(|(which, bytes_max)| Op::SendRest { which, bytes_max }),
        1 => (0..8_usize).prop_map(|which| Op::AbandonRest { which }),
        1 => (0..100_u64).prop_map(|seconds| Op::ForgetIdle { seconds }),
    ]
}

fn limits() -> impl Strategy<Value = HubLimits> {
    (
        prop::sample::select(POLICIES.to_vec()),
        prop::sample::select(vec![0, 300, 5_000, 100_000, 400_000]),
        prop::sample::select(vec![6_000, 80_000, 300_000, usize::MAX]),
        prop::sample::select(vec![0, 100, 5_000, 1 << 20]),
        1..=CHANNELS.len(),
        compression(),
    )
        .prop_map(
            |(slow_policy, channel_buffer, memory, private, channels_max, compression)| HubLimits {
                slow_policy,
                channel_buffer_bytes: channel_buffer,
                memory_bytes: memory,
                private_bytes_max: private,
                channels_max,
                compression,
                ..HubLimits::default()
            },
        )
}

const POLICIES: [SlowPolicy; 3] = [SlowPolicy::Disconnect, SlowPolicy::Skip, SlowPolicy::Latest];

/// The policy of each channel that has one of its own.
fn own_policies() -> impl Strategy<Value = [Option<SlowPolicy>; CHANNELS.len()]> {
    let own = || prop::option::of(prop::sample::select(POLICIES.to_vec()));
    [own(), own(), own()]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 128, ..ProptestConfig::default() })]

    #[test]
    fn the_hub_does_what_a_queue_for_every_subscriber_would_do(
        limits in limits(),
        own_policies in own_policies(),
        ops in prop::collection::vec(op(), 1..200),
    ) {
        let mut world = World::new(limits, own_policies);
        for op in ops {
            world.run(op);
        }
        world.finish();
    }
}
