//! Benchmarks of the channel log without sockets: appending, and the visits of a fan-out
//! (`next_due`, `unsent`, `advance`).
//!
//! Run `cargo bench --bench log`. A `send` on loopback costs 6 to 9 µs in the kernel; the costs
//! measured here come on top.

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use fanfare::hub::{
    ChannelName, DropReason, FormKind, Homes, Hub, HubLimits, Owner, ReactorNumber, SlowPolicy,
    SubscriptionId,
};
use fanfare::protocol::Message;
use std::hint::black_box;
use std::sync::Arc;
use std::time::{Duration, Instant};

fn name() -> ChannelName<'static> {
    ChannelName::parse("news").expect("a channel name")
}

fn hub(subscribers: usize) -> (Hub, Vec<SubscriptionId>) {
    let limits = HubLimits { slow_policy: SlowPolicy::Latest, ..HubLimits::default() };
    let mut hub = Hub::new(limits, Arc::new(Homes::new([1; 16], 1)), ReactorNumber(0), 1);
    let subscribe = |owner| {
        hub.subscribe(name(), FormKind::Plain, Owner(owner as u64)).expect("room for a subscriber")
    };
    let subscriptions = (0..subscribers).map(subscribe).collect();
    (hub, subscriptions)
}

/// Visits every due subscriber, as the reactor does, with streams that accept all bytes.
fn sweep(hub: &mut Hub) -> u64 {
    let mut delivered = 0;
    while let Some(due) = hub.next_due() {
        let bytes = black_box(hub.unsent(due.subscription)).bytes();
        delivered += hub.advance(due.subscription, bytes).delivered;
    }
    delivered
}

/// Lets all subscribers read to the end, and checks the ledger.
fn finish(mut hub: Hub, subscriptions: &[SubscriptionId]) {
    for subscription in subscriptions {
        hub.unblock(*subscription);
    }
    sweep(&mut hub);
    let ledger = hub.ledger();
    assert_eq!(ledger.owed, ledger.delivered + ledger.dropped_for(DropReason::Skipped));
    assert_eq!((hub.pending(), hub.log_bytes()), (0, 0));
}

/// Publishes by the channel's name, for one subscriber who reads after every 256 KiB.
fn append(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("log/append");
    for payload_bytes in [64, 1 << 10, 16 << 10] {
        group.throughput(Throughput::Bytes(payload_bytes as u64));
        group.bench_function(BenchmarkId::from_parameter(payload_bytes), |bencher| {
            let (mut hub, subscriptions) = hub(1);
            let payload = vec![b'x'; payload_bytes];
            let (mut number, mut unread_bytes) = (0, 0);
            bencher.iter(|| {
                let accepted = hub
                    .publish(name(), Message::binary(&payload), &mut ())
                    .expect("room for a message");
                number += 1;
                assert_eq!(accepted.accepted.id.number, number);
                unread_bytes += payload_bytes;
                if unread_bytes >= 256 << 10 {
                    sweep(&mut hub);
                    unread_bytes = 0;
                }
            });
            finish(hub, &subscriptions);
        });
    }
    group.finish();
}

/// Publishes messages for this many subscribers. They read 1,000 messages at a time, which is not
/// timed. The time must not depend on the number of subscribers.
fn append_for_a_crowd(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("log/append-64-for");
    for subscribers in [1, 1_000, 100_000] {
        group.throughput(Throughput::Elements(1));
        group.bench_function(BenchmarkId::from_parameter(subscribers), |bencher| {
            let (mut hub, subscriptions) = hub(subscribers);
            let payload = [b'x'; 64];
            bencher.iter_custom(|messages| {
                let (mut left, mut elapsed) = (messages, Duration::ZERO);
                while left > 0 {
                    let burst = left.min(1_000);
                    let start = Instant::now();
                    for _ in 0..burst {
                        let accepted = hub
                            .publish_to(subscriptions[0], Message::binary(&payload), &mut ())
                            .expect("room");
                        assert_eq!(accepted.accepted.subscribers, subscribers as u64);
                    }
                    elapsed += start.elapsed();
                    left -= burst;
                    assert_eq!(sweep(&mut hub), burst * subscribers as u64);
                }
                elapsed
            });
            finish(hub, &subscriptions);
        });
    }
    group.finish();
}

/// Publishes one message, which is sent to every subscriber.
fn walk(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("log/walk");
    for subscribers in [1_000, 100_000] {
        group.throughput(Throughput::Elements(subscribers as u64));
        group.bench_function(BenchmarkId::from_parameter(subscribers), |bencher| {
            let (mut hub, subscriptions) = hub(subscribers);
            let payload = [b'x'; 64];
            bencher.iter(|| {
                hub.publish_to(subscriptions[0], Message::binary(&payload), &mut ())
                    .expect("room for a message");
                assert_eq!(sweep(&mut hub), subscribers as u64);
            });
            finish(hub, &subscriptions);
        });
    }
    group.finish();
}

/// Publishes one message to 100 subscribers, beside blocked ones that are overrun again and again.
fn walk_beside_stalled(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("log/walk-100-beside-stalled");
    for stalled in [0, 10_000] {
        group.throughput(Throughput::Elements(100));
        group.bench_function(BenchmarkId::from_parameter(stalled), |bencher| {
            let (mut hub, subscriptions) = hub(stalled + 100);
            for subscription in &subscriptions[..stalled] {
                hub.block(*subscription);
            }
            let payload = [b'x'; 64];
            bencher.iter(|| {
                hub.publish_to(subscriptions[0], Message::binary(&payload), &mut ())
                    .expect("room for a message");
                assert_eq!(sweep(&mut hub), 100);
                while let Some(overrun) = hub.next_overrun() {
                    assert!(overrun.lives_on);
                }
            });
            finish(hub, &subscriptions);
        });
    }
    group.finish();
}

/// Unblocks one of many blocked subscribers, sends it everything, and blocks it again. The time
/// must not depend on the number of blocked subscribers.
fn wake_one(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("log/wake-one-of");
    for subscribers in [1_000, 100_000] {
        group.throughput(Throughput::Elements(1));
        group.bench_function(BenchmarkId::from_parameter(subscribers), |bencher| {
            let (mut hub, subscriptions) = hub(subscribers);
            let mut awake = 0;
            bencher.iter(|| {
                if awake == 0 {
                    for subscription in &subscriptions {
                        hub.block(*subscription);
                    }
                    hub.publish_to(subscriptions[0], Message::text("x"), &mut ())
                        .expect("room for a message");
                }
                hub.unblock(subscriptions[awake]);
                let due = hub.next_due().expect("one is due");
                assert_eq!(due.subscription, subscriptions[awake]);
                let bytes = hub.unsent(due.subscription).bytes();
                assert_eq!(hub.advance(due.subscription, bytes).delivered, 1);
                awake = (awake + 1) % subscribers;
            });
            finish(hub, &subscriptions);
        });
    }
    group.finish();
}

criterion_group!(benches, append, append_for_a_crowd, walk, walk_beside_stalled, wake_one);
criterion_main!(benches);
