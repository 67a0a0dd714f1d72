//! Which subscribers are slow, what happens to them, and that others are not affected.

use super::*;
use crate::work::{self, Work};

#[test]
fn a_log_smaller_than_one_round_cuts_off_no_healthy_subscriber() {
    for slow_policy in [SlowPolicy::Disconnect, SlowPolicy::Skip, SlowPolicy::Latest] {
        let (mut hub, _) = news(slow_policy, 100, 100);
        let (mut accepted, mut waits) = (0, 0);
        // One message is published per visited subscriber, unless the publisher has to wait: far
        // more per round than the log holds.
        while accepted < 50 {
            if hub.full_channels() == 0 || hub.look_at_full().is_some() {
                publish(&mut hub, &[0; 40]).unwrap();
                accepted += 1;
            } else {
                waits += 1;
            }
            if let Some(due) = hub.next_due() {
                let bytes = hub.unsent(due.subscription).bytes();
                hub.advance(due.subscription, bytes);
            }
        }
        sweep(&mut hub);
        assert!(waits > 0, "the log was large enough");
        assert!(hub.next_overrun().is_none());
        assert_eq!(hub.ledger(), Ledger { owed: 5_000, delivered: 5_000, ..Ledger::default() });
    }
}

#[test]
fn publishers_wait_while_a_log_is_full_and_go_on_when_it_has_room() {
    let (mut hub, subscriptions) = news(SlowPolicy::Disconnect, 8_000, 2);
    let publish = |hub: &mut Hub| {
        hub.publish(name(NEWS), Message::binary(&[1; 1_000]), &mut ()).unwrap().full.is_some()
    };
    let waits: Vec<_> = (0..10).map(|_| publish(&mut hub)).collect();
    assert_eq!(waits.iter().filter(|waits| **waits).count(), 3, "beyond 7,028 bytes");
    assert!(waits[7..].iter().all(|waits| *waits), "but everybody's message is taken");
    assert_eq!(hub.look_at_full(), None, "nothing was sent yet");
    send_all(&mut hub, subscriptions[0]);
    assert_eq!(hub.look_at_full(), None, "one subscriber still needs all of it");
    hub.advance(subscriptions[1], 1_004);
    assert_eq!(hub.look_at_full(), None, "this is not a quarter of the bound");
    sweep(&mut hub);
    let full = hub.look_at_full().expect("it has room again");
    assert!(!hub.is_full(full) && hub.full_channels() == 0);
    assert!(!publish(&mut hub));
}

#[test]
fn a_log_that_only_slow_subscribers_fill_is_not_full() {
    let (mut hub, subscriptions) = news(SlowPolicy::Disconnect, 8_000, 2);
    for _ in 0..7 {
        publish(&mut hub, &[1; 1_000]).unwrap();
    }
    hub.block(subscriptions[0]);
    for _ in 0..2 {
        publish(&mut hub, &[1; 1_000]).unwrap();
    }
    assert_eq!(hub.full_channels(), 1, "the other one is not slow");
    hub.block(subscriptions[1]);
    assert!(hub.look_at_full().is_some());
}

#[test]
fn a_refused_message_changes_nothing() {
    // A log may exceed its bound by an eighth of the memory, or by 16 messages if those are more.
    let (memory_bytes, private_bytes_max, channel_buffer_bytes) = (70_000, 0, 5_000);
    let limits = HubLimits { memory_bytes, private_bytes_max, ..HubLimits::default() };
    let mut hub = hub(HubLimits { channel_buffer_bytes, message_bytes_max: 500, ..limits });
    let subscriptions =
        [1, 2].map(|owner| hub.subscribe(name(NEWS), FormKind::Plain, Owner(owner)).unwrap());
    hub.block(subscriptions[0]);
    publish(&mut hub, &[1; 4_000]).unwrap();
    send_all(&mut hub, subscriptions[1]);
    publish(&mut hub, &[2; 900]).unwrap();
    // To make room, the log's first two segments would have to go. The second cannot be cut off
    // yet, because a subscriber that is not slow has yet to read it.
    let before = (hub.ledger(), hub.inspect(name(NEWS)), hub.log_bytes());
    assert_eq!(publish(&mut hub, &[3; 14_000]), Err(Refused::MemoryFull));
    assert_eq!((hub.ledger(), hub.inspect(name(NEWS)), hub.log_bytes()), before);
    assert!(hub.next_overrun().is_none());
    sweep(&mut hub);
    assert_eq!(publish(&mut hub, &[3; 14_000]).unwrap().id.number, 3);
    assert_eq!(hub.next_overrun().map(|overrun| overrun.subscription), Some(subscriptions[0]));
}

#[test]
fn a_cursor_below_the_start_of_the_log_is_noticed_before_it_is_read_from() {
    let (mut hub, subscriptions) = news(SlowPolicy::Disconnect, 5_000, 2);
    hub.block(subscriptions[0]);
    for number in 1..=10 {
        publish(&mut hub, &[number; 3_000]).unwrap();
        send_all(&mut hub, subscriptions[1]);
    }
    // The third message overran the subscriber. It is owed nothing now, and is offered no byte of a
    // later message.
    assert!(hub.unsent(subscriptions[0]).is_empty());
    assert_eq!(hub.advance(subscriptions[0], 0), Advanced::default());
    hub.unblock(subscriptions[0]);
    assert!(hub.next_due().is_none());
    let overrun = hub.next_overrun().unwrap();
    assert_eq!(
        (overrun.subscription, overrun.owner, overrun.lives_on),
        (subscriptions[0], Owner(0), false)
    );
    assert_eq!(overrun.rest, Ok([].as_slice()));
    assert!(hub.next_overrun().is_none());
    assert_eq!(hub.ledger().outstanding(), 0);
}

#[test]
fn a_cut_looks_for_the_slowest_only() {
    let (mut hub, subscriptions) = news(SlowPolicy::Disconnect, 64_000, 1_000);
    let (slowest, slow) = subscriptions.split_at(3);
    for one in slowest {
        hub.block(*one);
    }
    for _ in 0..20 {
        publish(&mut hub, &[1; 1_000]).unwrap();
    }
    sweep(&mut hub);
    // These subscribers have received everything, so their cursors are not in the first segments of
    // the log.
    for one in slow {
        hub.block(*one);
    }
    let mut looked_at = 0;
    while !hub.has_overrun() {
        work::take();
        hub.publish(name(NEWS), Message::binary(&[2; 1_000]), &mut ()).unwrap();
        looked_at = work::take()[Work::Subscriber as usize];
    }
    assert!((3..50).contains(&looked_at), "{looked_at} of a thousand were looked at");
    let overrun: Vec<_> =
        std::iter::from_fn(|| hub.next_overrun().map(|overrun| overrun.subscription)).collect();
    assert!(slowest.iter().all(|one| overrun.contains(one)) && overrun.len() == slowest.len());
}

#[test]
fn who_falls_off_under_skip_goes_on_at_the_oldest_message_kept() {
    let (mut hub, subscriptions) = news(SlowPolicy::Skip, 10_000, 1);
    hub.block(subscriptions[0]);
    for number in 1..=10 {
        publish(&mut hub, &[number; 3_000]).unwrap();
    }
    let first = hub.inspect(name(NEWS)).unwrap().first_number.unwrap();
    assert!(first > 1);
    assert!(hub.next_overrun().unwrap().lives_on);
    assert!(hub.unsent(subscriptions[0]).first.starts_with(&frame(&[first as u8; 3_000])));
    assert_eq!(hub.ledger().dropped_for(DropReason::Skipped), first - 1);
}

#[test]
fn who_falls_off_under_latest_goes_on_at_the_newest_message() {
    let (mut hub, subscriptions) = news(SlowPolicy::Latest, 5_000, 1);
    hub.block(subscriptions[0]);
    publish(&mut hub, &[1; 3_000]).unwrap();
    publish(&mut hub, &[2; 1_500]).unwrap();
    publish(&mut hub, &[3; 3_000]).unwrap();
    assert_eq!(hub.unsent(subscriptions[0]).first, frame(&[3; 3_000]));
    assert_eq!(hub.ledger().dropped_for(DropReason::Skipped), 2);
}

#[test]
fn who_falls_off_under_latest_when_a_full_log_has_room_again_receives_the_newest_message() {
    let (mut hub, subscriptions) = news(SlowPolicy::Latest, 5_000, 2);
    hub.block(subscriptions[0]);
    for number in 1..=4 {
        publish(&mut hub, &[number; 3_000]).unwrap();
    }
    assert_eq!(hub.full_channels(), 1, "the other one is not slow");
    sweep(&mut hub);
    assert!(hub.look_at_full().is_some());
    assert!(hub.next_overrun().unwrap().lives_on);
    assert_eq!(hub.unsent(subscriptions[0]).first, frame(&[4; 3_000]));
    assert_eq!(hub.ledger().dropped_for(DropReason::Skipped), 3);
    hub.check_invariants();
}

#[test]
fn the_last_message_is_kept_for_the_slow_however_small_the_bound() {
    for slow_policy in [SlowPolicy::Skip, SlowPolicy::Latest] {
        let (mut hub, subscriptions) = news(slow_policy, 0, 2);
        hub.block(subscriptions[0]);
        // Both are in one segment, which is larger than the bound.
        publish(&mut hub, b"one").unwrap();
        publish(&mut hub, b"two").unwrap();
        sweep(&mut hub);
        assert!(hub.look_at_full().is_some());
        assert!(hub.unsent(subscriptions[0]).first.ends_with(&frame(b"two")), "{slow_policy:?}");
    }
}

#[test]
fn the_rest_of_a_frame_under_way_survives_the_fall_and_is_pending_until_it_is_sent() {
    for slow_policy in [SlowPolicy::Disconnect, SlowPolicy::Skip, SlowPolicy::Latest] {
        let (mut hub, subscriptions) = news(slow_policy, 5_000, 1);
        publish(&mut hub, &[1; 3_000]).unwrap();
        hub.advance(subscriptions[0], 1_000);
        hub.block(subscriptions[0]);
        publish(&mut hub, &[2; 4_000]).unwrap();
        let overrun = hub.next_overrun().unwrap();
        assert_eq!(overrun.rest, Ok(&frame(&[1; 3_000])[1_000..]));
        assert_eq!(overrun.lives_on, slow_policy != SlowPolicy::Disconnect);
        let owed_by_log = u64::from(overrun.lives_on);
        assert_eq!(hub.ledger().outstanding(), 1 + owed_by_log);
        hub.private_sent(2_000, false);
        hub.check_invariants();
        hub.private_sent(4, true);
        hub.check_invariants();
        assert_eq!((hub.ledger().delivered, hub.ledger().outstanding()), (1, owed_by_log));
    }
}

#[test]
fn past_the_private_budget_a_subscription_ends_under_every_policy() {
    for slow_policy in [SlowPolicy::Disconnect, SlowPolicy::Skip, SlowPolicy::Latest] {
        let limits = HubLimits {
            slow_policy,
            channel_buffer_bytes: 5_000,
            private_bytes_max: 2_500,
            ..HubLimits::default()
        };
        let mut hub = hub(limits);
        let subscriptions =
            [1, 2].map(|owner| hub.subscribe(name(NEWS), FormKind::Plain, Owner(owner)).unwrap());
        publish(&mut hub, &[1; 3_000]).unwrap();
        for subscription in subscriptions {
            hub.advance(subscription, 1_000);
            hub.block(subscription);
        }
        publish(&mut hub, &[2; 4_000]).unwrap();
        let outcomes = [(); 2].map(|()| {
            let overrun = hub.next_overrun().unwrap();
            (overrun.lives_on, overrun.rest.map(<[u8]>::len))
        });
        let lives_on = slow_policy != SlowPolicy::Disconnect;
        assert_eq!(outcomes, [(lives_on, Ok(2_004)), (false, Err(PrivateBudgetSpent))]);
        hub.private_abandoned(2_004, DropReason::NoProgress);
        hub.check_invariants();
        assert_eq!(hub.ledger().dropped_for(DropReason::SlowConsumer), 1);
    }
}

#[test]
fn one_that_was_overrun_can_be_ended_before_its_event_is_fetched() {
    let (mut hub, subscriptions) = news(SlowPolicy::Disconnect, 5_000, 1);
    publish(&mut hub, &[1; 3_000]).unwrap();
    hub.advance(subscriptions[0], 1);
    hub.block(subscriptions[0]);
    // The overrun subscriber may itself be the publisher: in one callback it publishes, is overrun
    // by that, publishes again, and leaves.
    hub.publish_to(subscriptions[0], Message::binary(&[2; 4_000]), &mut ()).unwrap();
    assert_eq!(
        hub.publish_to(subscriptions[0], Message::binary(&[3; 9]), &mut ())
            .unwrap()
            .accepted
            .subscribers,
        0
    );
    let mut rest = Vec::new();
    assert_eq!(hub.unsubscribe(subscriptions[0], DropReason::Closed, &mut rest), Ok(true));
    hub.remove(subscriptions[0], DropReason::Closed);
    hub.check_invariants();
    assert_eq!(rest.len(), 3_003, "it has to be sent before whatever is said at the leave");
    assert_eq!(hub.next_overrun().unwrap().rest.unwrap().len(), 0, "and it is handed out once");
    hub.private_abandoned(3_003, DropReason::Closed);
    assert_eq!((hub.ledger().outstanding(), hub.subscriptions()), (0, 0));
}

#[test]
fn memory_that_others_need_refuses_and_that_of_slow_subscribers_is_taken() {
    let limits = HubLimits { memory_bytes: 68_000, private_bytes_max: 0, ..HubLimits::default() };
    let mut hub = hub(limits);
    let other = hub.subscribe(name("other"), FormKind::Plain, Owner(1)).unwrap();
    let slow = hub.subscribe(name(NEWS), FormKind::Plain, Owner(2)).unwrap();
    hub.block(slow);
    // The subscriber of the other channel is not slow: it has not been visited yet.
    hub.publish(name("other"), Message::binary(&[0; 60_000]), &mut ()).unwrap();
    assert_eq!(publish(&mut hub, &[0; 10]), Err(Refused::MemoryFull));
    assert_eq!(hub.inspect(name(NEWS)).unwrap().messages, 0, "refused before it was numbered");
    hub.remove(other, DropReason::Closed);
    for _ in 0..100 {
        publish(&mut hub, &[0; 1_000]).unwrap();
        assert!(hub.memory_bytes() <= limits.memory_bytes);
    }
    assert!(hub.next_overrun().is_some());
}

#[test]
fn a_hub_without_any_memory_refuses_and_does_nothing_else() {
    let mut hub =
        hub(HubLimits { memory_bytes: 0, channel_buffer_bytes: 0, ..HubLimits::default() });
    assert_eq!(publish(&mut hub, b"nobody is there").unwrap().subscribers, 0);
    hub.subscribe(name(NEWS), FormKind::Plain, Owner(1)).unwrap();
    assert_eq!(publish(&mut hub, b""), Err(Refused::MemoryFull));
}

#[test]
fn without_any_buffer_the_last_message_still_fits() {
    let (mut hub, subscriptions) = news(SlowPolicy::Latest, 0, 1);
    hub.block(subscriptions[0]);
    for number in 0..5 {
        publish(&mut hub, &[number; 100_000]).unwrap();
    }
    assert_eq!(hub.unsent(subscriptions[0]).first, frame(&[4; 100_000]));
}

#[test]
fn one_who_lives_on_can_be_ended_before_its_event_is_fetched() {
    let (mut hub, subscriptions) = news(SlowPolicy::Skip, 5_000, 1);
    publish(&mut hub, &[1; 3_000]).unwrap();
    hub.advance(subscriptions[0], 1);
    hub.block(subscriptions[0]);
    publish(&mut hub, &[2; 4_000]).unwrap();
    let mut rest = Vec::new();
    assert_eq!(hub.unsubscribe(subscriptions[0], DropReason::Closed, &mut rest), Ok(true));
    assert_eq!(rest, frame(&[1; 3_000])[1..]);
    assert!(hub.next_overrun().is_none());
    hub.private_sent(rest.len(), true);
    assert_eq!(hub.ledger(), Ledger { owed: 2, delivered: 1, dropped: [0, 0, 0, 1] });
    hub.check_invariants();
}

#[test]
fn the_overrun_of_one_who_has_left_is_not_told_of_another_with_the_same_id() {
    let (mut hub, subscriptions) = news(SlowPolicy::Skip, 5_000, 1);
    let overrun = |hub: &mut Hub, subscription| {
        hub.block(subscription);
        publish(hub, &[1; 3_000]).unwrap();
        publish(hub, &[2; 4_000]).unwrap();
    };
    overrun(&mut hub, subscriptions[0]);
    assert!(hub.has_overrun_of(Owner(0)));
    hub.remove(subscriptions[0], DropReason::Closed);
    assert!(!hub.has_overrun_of(Owner(0)) && !hub.has_overrun());
    // Ids begin again after some hundred.
    let same_id = loop {
        let subscription = hub.subscribe(name(NEWS), FormKind::Plain, Owner(9)).unwrap();
        if subscription == subscriptions[0] {
            break subscription;
        }
        hub.remove(subscription, DropReason::Closed);
    };
    overrun(&mut hub, same_id);
    assert_eq!(hub.next_overrun().map(|overrun| overrun.owner), Some(Owner(9)));
    assert!(hub.next_overrun().is_none());
    hub.check_invariants();
}

#[test]
fn the_rest_of_one_who_lives_on_is_dropped_if_its_connection_ends_before_its_event_is_fetched() {
    let (mut hub, subscriptions) = news(SlowPolicy::Skip, 5_000, 1);
    publish(&mut hub, &[1; 3_000]).unwrap();
    hub.advance(subscriptions[0], 1);
    hub.block(subscriptions[0]);
    publish(&mut hub, &[2; 4_000]).unwrap();
    hub.remove(subscriptions[0], DropReason::Closed);
    assert!(hub.next_overrun().is_none());
    assert_eq!((hub.ledger().outstanding(), hub.private.bytes()), (0, 0));
    hub.check_invariants();
}

#[test]
fn a_channel_may_have_a_policy_of_its_own() {
    let limits = HubLimits { channel_buffer_bytes: 8_000, ..HubLimits::default() };
    let mut hub = hub(limits);
    let of = |channel: ChannelName<'_>| match channel.as_str() {
        "skip" | "skip-2" => Some(SlowPolicy::Skip),
        "latest" => Some(SlowPolicy::Latest),
        _ => None,
    };
    hub.set_slow_policies(Some(SlowPolicies::new(of)));
    // Publishes until a subscriber is overrun. Returns how many bytes it is then still owed, if its
    // subscription goes on.
    let overrun = |hub: &mut Hub, channel: &str| {
        let subscription = hub.subscribe(name(channel), FormKind::Plain, Owner(1)).unwrap();
        hub.block(subscription);
        while !hub.has_overrun() {
            hub.publish(name(channel), Message::binary(&[1; 1_000]), &mut ()).unwrap();
        }
        hub.check_invariants();
        let lives_on = hub.next_overrun().unwrap().lives_on;
        lives_on.then(|| hub.unsent(subscription).bytes())
    };
    let frame_bytes = frame(&[1; 1_000]).len();
    assert_eq!(overrun(&mut hub, NEWS), None, "that of the limits");
    assert!(overrun(&mut hub, "skip").is_some_and(|bytes| bytes > frame_bytes));
    assert_eq!(overrun(&mut hub, "latest"), Some(frame_bytes));
    // Other policies count at once.
    hub.set_slow_policies(None);
    assert_eq!(overrun(&mut hub, "skip-2"), None);
}
