//! What is freed when there is no room for another channel, or no memory for another message.

use super::*;
use crate::instant::Instant;
use std::time::Duration;

fn post(hub: &mut Hub, channel: &str, payload: &[u8]) -> Result<Accepted, Refused> {
    let appended = hub.publish(name(channel), Message::binary(payload), &mut ());
    hub.check_invariants();
    appended.map(|appended| appended.accepted)
}

fn epoch(hub: &Hub, channel: &str) -> Option<u64> {
    hub.inspect(name(channel)).map(|info| info.epoch)
}

#[test]
fn junk_names_never_take_the_place_of_a_real_channel() {
    let mut hub = hub(HubLimits { channels_max: 10, ..HubLimits::default() });
    hub.subscribe(name(NEWS), FormKind::Plain, Owner(0)).unwrap();
    for number in 0..1_000 {
        post(&mut hub, &format!("junk/{number}"), b"x").unwrap();
        assert!(hub.channels() <= 10);
    }
    for number in 0..9 {
        let real = format!("real/{number}");
        hub.subscribe(name(&real), FormKind::Plain, Owner(number)).unwrap();
        assert_eq!(post(&mut hub, &real, b"hello").unwrap().subscribers, 1);
    }
    assert_eq!(post(&mut hub, NEWS, b"hello").unwrap().subscribers, 1, "it was in use throughout");
    assert_eq!(post(&mut hub, "junk/0", b"x"), Err(Refused::TooManyChannels), "all are in use");
}

#[test]
fn the_name_that_has_been_at_rest_for_longest_goes_first() {
    let mut hub = hub(HubLimits { channels_max: 3, ..HubLimits::default() });
    let epochs = ["a", "b", "c"].map(|channel| post(&mut hub, channel, b"x").unwrap().id.epoch);
    // `a` is published to again, and `b` has had a subscriber since.
    assert_eq!(post(&mut hub, "a", b"x").unwrap().id, MessageId { epoch: epochs[0], number: 2 });
    let visitor = hub.subscribe(name("b"), FormKind::Plain, Owner(1)).unwrap();
    hub.remove(visitor, DropReason::Closed);
    post(&mut hub, "d", b"x").unwrap();
    assert_eq!(epoch(&hub, "c"), None);
    post(&mut hub, "e", b"x").unwrap();
    assert_eq!(epoch(&hub, "a"), None);
    assert_eq!(epoch(&hub, "b"), Some(epochs[1]));
    let back = post(&mut hub, "a", b"x").unwrap().id;
    assert!(back.number == 1 && back.epoch != epochs[0], "it begins anew");
}

#[test]
fn a_name_at_rest_on_one_reactor_gives_its_place_to_a_channel_of_another() {
    let homes = Arc::new(Homes::new([1; 16], 2));
    let limits = HubLimits { channels_max: 20, ..HubLimits::default() };
    let [mut first, mut second] =
        [0, 1].map(|own| Hub::new(limits, Arc::clone(&homes), ReactorNumber(own), own.into()));
    let names_at = |home| {
        let names = (0..).map(|number| format!("channel/{number}"));
        let names = names.filter(|text| homes.home_of(name(text)) == ReactorNumber(home));
        names.take(20).collect::<Vec<_>>()
    };
    for junk in names_at(0) {
        post(&mut first, &junk, b"x").unwrap();
    }
    for real in names_at(1) {
        second.subscribe(name(&real), FormKind::Plain, Owner(1)).unwrap();
    }
    while first.forget_idle(Instant::ZERO) {}
    assert_eq!((first.channels(), second.channels()), (0, 20));
    assert_eq!(post(&mut first, &names_at(0)[0], b"x"), Err(Refused::TooManyChannels));
}

#[test]
fn a_channel_is_not_forgotten_while_the_end_of_its_last_subscriber_has_not_been_fetched() {
    let mut hub =
        hub(HubLimits { channels_max: 1, channel_buffer_bytes: 100, ..HubLimits::default() });
    let slow = hub.subscribe(name(NEWS), FormKind::Plain, Owner(1)).unwrap();
    hub.block(slow);
    for _ in 0..2 {
        post(&mut hub, NEWS, &[0; 4_000]).unwrap();
    }
    assert!(hub.has_overrun());
    post(&mut hub, "other", b"x").unwrap();
    assert!(hub.publish_to(slow, Message::text("to its channel"), &mut ()).is_ok());
    assert!(hub.next_overrun().is_some());
    hub.forget_idle(Instant::ZERO);
    assert_eq!(hub.channels(), 1);
}

#[test]
fn names_and_channels_are_counted_as_memory_and_take_half_of_it_at_most() {
    let mut hub =
        hub(HubLimits { memory_bytes: 1 << 20, private_bytes_max: 0, ..HubLimits::default() });
    let long = "x".repeat(200);
    for number in 0..10_000 {
        let channel = format!("{long}{number}");
        hub.publish(name(&channel), Message::binary(b"x"), &mut ()).unwrap();
    }
    hub.check_invariants();
    assert!(hub.memory_bytes() > (1 << 19) - 1_000 && hub.memory_bytes() <= 1 << 19);
    // Channels in use are never dropped: a new one is refused when they have half of the memory.
    let mut in_use = 0u64;
    let refused = loop {
        match hub.subscribe(name(&format!("{long}/{in_use}")), FormKind::Plain, Owner(in_use)) {
            Ok(_) => in_use += 1,
            Err(refused) => break refused,
        }
    };
    hub.check_invariants();
    assert_eq!(refused, Refused::MemoryFull);
    assert_eq!(hub.channels() as u64, in_use, "every name at rest has given its memory");
    hub.forget_idle(Instant::ZERO + Duration::from_secs(1));
    assert_eq!(hub.channels() as u64, in_use);
}

/// Fills the memory: on each of many channels, subscribes a peer that never reads, and publishes.
fn strangers(hub: &mut Hub, channels: u64) {
    for number in 0..channels {
        let channel = format!("stranger/{number}");
        let stranger =
            hub.subscribe(name(&channel), FormKind::Plain, Owner(1_000 + number)).unwrap();
        hub.block(stranger);
        let _ = post(hub, &channel, &[0; 3_000]);
        while hub.next_overrun().is_some() {}
    }
}

#[test]
fn strangers_who_stall_on_channels_of_their_own_have_no_message_of_others_refused() {
    for slow_policy in [SlowPolicy::Disconnect, SlowPolicy::Skip, SlowPolicy::Latest] {
        let mut hub = hub(HubLimits {
            slow_policy,
            memory_bytes: 1 << 20,
            private_bytes_max: 0,
            ..HubLimits::default()
        });
        hub.subscribe(name(NEWS), FormKind::Plain, Owner(1)).unwrap();
        strangers(&mut hub, 1_000);
        assert!(hub.ledger().outstanding() < 900, "memory was never short");
        for bytes in [10, 60_000, 3_000, 60_000] {
            for _ in 0..20 {
                assert_eq!(publish(&mut hub, &vec![1; bytes]).map(|of| of.subscribers), Ok(1));
                while hub.next_overrun().is_some() {}
                assert_eq!(sweep(&mut hub), [1]);
            }
        }
    }
}

#[test]
fn where_all_memory_is_needed_for_who_is_not_slow_the_search_for_more_ends() {
    let mut hub =
        hub(HubLimits { memory_bytes: 200_000, private_bytes_max: 0, ..HubLimits::default() });
    for number in 0..30 {
        let channel = format!("busy/{number}");
        let slow = hub.subscribe(name(&channel), FormKind::Plain, Owner(2 * number)).unwrap();
        hub.subscribe(name(&channel), FormKind::Plain, Owner(2 * number + 1)).unwrap();
        hub.block(slow);
    }
    let mut refused = 0;
    for number in 0..100 {
        refused +=
            u32::from(post(&mut hub, &format!("busy/{}", number % 30), &[0; 4_000]).is_err());
    }
    assert!(refused > 0 && hub.next_overrun().is_none(), "nobody is cut off in vain");
    // Once the sweep has sent everything to the other subscribers, the slow ones can be cut off.
    sweep(&mut hub);
    assert!(post(&mut hub, "busy/0", &[0; 60_000]).is_ok());
    assert!(hub.next_overrun().is_some());
}
