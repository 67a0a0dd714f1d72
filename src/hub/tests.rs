//! The rules of the hub, one by one; `model` holds all of them together against a naive twin.

use super::*;
use crate::protocol::Opcode;
use crate::protocol::encode_frame;

const NEWS: &str = "news";

pub(super) fn name(text: &str) -> ChannelName<'_> {
    ChannelName::parse(text).expect("a channel name")
}

pub(super) fn hub(limits: HubLimits) -> Hub {
    Hub::new(limits, RandomState::new(), 1)
}

/// A hub with a log of `channel_buffer_bytes`, and so many subscribers of `NEWS`.
fn news(
    slow_policy: SlowPolicy,
    channel_buffer_bytes: usize,
    subscribers: usize,
) -> (Hub, Vec<SubscriptionId>) {
    let mut hub = hub(HubLimits { slow_policy, channel_buffer_bytes, ..HubLimits::default() });
    let subscriptions =
        (0..subscribers).map(|owner| hub.subscribe(name(NEWS), Owner(owner as u64)).unwrap()).collect();
    (hub, subscriptions)
}

fn publish(hub: &mut Hub, payload: &[u8]) -> Result<Accepted, Refused> {
    let accepted = hub.publish(name(NEWS), Message::binary(payload));
    hub.check_invariants();
    accepted
}

fn frame(payload: &[u8]) -> Vec<u8> {
    let mut frame = Vec::new();
    encode_frame(&mut frame, Opcode::Binary, payload);
    frame
}

/// Sends all that is offered to one subscriber.
fn send_all(hub: &mut Hub, subscription: SubscriptionId) -> Vec<u8> {
    let unsent = hub.unsent(subscription);
    let bytes = [unsent.first, unsent.second].concat();
    hub.advance(subscription, bytes.len());
    hub.check_invariants();
    bytes
}

/// Visits everybody due, and returns the owners in the order of the visits.
fn sweep(hub: &mut Hub) -> Vec<u64> {
    let mut owners = Vec::new();
    while let Some(due) = hub.next_due() {
        send_all(hub, due.subscription);
        owners.push(due.owner.0);
    }
    owners
}

#[test]
fn a_message_reaches_every_subscriber_as_one_frame() {
    let (mut hub, subscriptions) = news(SlowPolicy::Disconnect, 1 << 20, 3);
    let accepted = hub.publish(name(NEWS), Message::text("hello")).unwrap();
    assert_eq!((accepted.id.number, accepted.subscribers), (1, 3));
    for subscription in subscriptions {
        assert_eq!(send_all(&mut hub, subscription), b"\x81\x05hello");
    }
    assert_eq!(hub.ledger(), Ledger { owed: 3, delivered: 3, ..Ledger::default() });
    assert_eq!(hub.log_bytes(), 0, "with nobody behind, the log holds no segment");
}

#[test]
fn a_burst_is_one_piece_of_bytes() {
    let (mut hub, subscriptions) = news(SlowPolicy::Disconnect, 1 << 20, 1);
    for payload in [b"one".as_slice(), b"two", b"three"] {
        publish(&mut hub, payload).unwrap();
    }
    let expected = [frame(b"one"), frame(b"two"), frame(b"three")].concat();
    assert_eq!(hub.unsent(subscriptions[0]).first, expected);
    assert_eq!(hub.advance(subscriptions[0], expected.len()), Advanced { delivered: 3, under_way: false });
}

#[test]
fn who_joins_gets_the_messages_after_and_none_before() {
    let (mut hub, subscriptions) = news(SlowPolicy::Disconnect, 1 << 20, 1);
    publish(&mut hub, b"before").unwrap();
    let late = hub.subscribe(name(NEWS), Owner(9)).unwrap();
    assert!(hub.unsent(late).is_empty());
    assert_eq!(publish(&mut hub, b"after").unwrap().subscribers, 2);
    assert_eq!(send_all(&mut hub, late), frame(b"after"));
    assert_eq!(send_all(&mut hub, subscriptions[0]), [frame(b"before"), frame(b"after")].concat());
}

#[test]
fn who_joins_in_the_middle_of_a_round_makes_it_skip_nobody() {
    let (mut hub, _) = news(SlowPolicy::Disconnect, 1 << 20, 10);
    publish(&mut hub, b"x").unwrap();
    let mut visited = Vec::new();
    for owner in 100..120 {
        hub.subscribe(name(NEWS), Owner(owner)).unwrap();
        let Some(due) = hub.next_due() else { break };
        send_all(&mut hub, due.subscription);
        visited.push(due.owner.0);
    }
    assert_eq!(visited, (0..10).collect::<Vec<_>>());
}

#[test]
fn who_leaves_in_the_middle_of_a_round_makes_it_skip_nobody_and_visit_nobody_twice() {
    // Behind the sweep, right at it, and before it.
    for leaving in 0..10 {
        let (mut hub, subscriptions) = news(SlowPolicy::Disconnect, 1 << 20, 10);
        publish(&mut hub, b"x").unwrap();
        let mut visited = Vec::new();
        for _ in 0..5 {
            let due = hub.next_due().unwrap();
            send_all(&mut hub, due.subscription);
            visited.push(due.owner.0);
        }
        hub.remove(subscriptions[leaving], DropReason::Closed);
        hub.check_invariants();
        visited.extend(sweep(&mut hub));
        visited.sort_unstable();
        let expected: Vec<_> = (0..10).filter(|owner| *owner < 5 || *owner != leaving as u64).collect();
        assert_eq!(visited, expected);
    }
}

#[test]
fn who_blocks_in_the_middle_of_a_round_does_not_send_another_to_its_end() {
    let (mut hub, _) = news(SlowPolicy::Disconnect, 1 << 20, 6);
    publish(&mut hub, b"x").unwrap();
    for _ in 0..3 {
        let due = hub.next_due().unwrap();
        hub.block(due.subscription);
        hub.check_invariants();
    }
    // Were the gaps filled from the back only, those three would now stand behind the sweep.
    publish(&mut hub, b"y").unwrap();
    let rest = sweep(&mut hub);
    assert_eq!(rest.len(), 3);
    assert!(hub.next_due().is_none());
}

#[test]
fn a_sweep_goes_on_where_the_last_one_ended() {
    let (mut hub, _) = news(SlowPolicy::Disconnect, 1 << 20, 4);
    publish(&mut hub, b"x").unwrap();
    for expected in [0, 1] {
        let due = hub.next_due().unwrap();
        assert_eq!(due.owner, Owner(expected));
        send_all(&mut hub, due.subscription);
    }
    publish(&mut hub, b"y").unwrap();
    assert_eq!(sweep(&mut hub), [2, 3, 0, 1]);
}

#[test]
fn a_large_channel_does_not_keep_a_small_one_waiting() {
    let (mut hub, _) = news(SlowPolicy::Disconnect, 1 << 20, 1_000);
    hub.subscribe(name("room"), Owner(5_000)).unwrap();
    publish(&mut hub, b"x").unwrap();
    hub.publish(name("room"), Message::text("x")).unwrap();
    let mut visits = 0;
    while let Some(due) = hub.next_due() {
        let bytes = hub.unsent(due.subscription).bytes();
        hub.advance(due.subscription, bytes);
        visits += 1;
        if due.owner == Owner(5_000) {
            break;
        }
    }
    assert!(visits <= 65, "{visits} visits");
    assert_eq!(sweep(&mut hub).len(), 1_001 - visits);
}

#[test]
fn a_blocked_subscriber_is_not_due_until_it_is_unblocked() {
    let (mut hub, subscriptions) = news(SlowPolicy::Disconnect, 1 << 20, 2);
    hub.block(subscriptions[0]);
    hub.block(subscriptions[0]);
    publish(&mut hub, b"x").unwrap();
    assert_eq!(sweep(&mut hub), [1]);
    assert!(hub.next_due().is_none());
    hub.unblock(subscriptions[0]);
    hub.unblock(subscriptions[0]);
    assert_eq!(sweep(&mut hub), [0]);
}

#[test]
fn a_short_write_goes_on_in_the_middle_of_the_frame() {
    let (mut hub, subscriptions) = news(SlowPolicy::Disconnect, 1 << 20, 1);
    publish(&mut hub, b"abc").unwrap();
    publish(&mut hub, b"def").unwrap();
    assert_eq!(hub.advance(subscriptions[0], 6), Advanced { delivered: 1, under_way: true });
    let unsent = hub.unsent(subscriptions[0]);
    assert_eq!((unsent.first, unsent.under_way_bytes), (&frame(b"def")[1..], 4));
    assert_eq!(hub.advance(subscriptions[0], 3), Advanced { delivered: 0, under_way: true });
    assert_eq!(hub.advance(subscriptions[0], 1), Advanced { delivered: 1, under_way: false });
}

#[test]
fn a_log_smaller_than_one_round_cuts_off_no_healthy_subscriber() {
    for slow_policy in [SlowPolicy::Disconnect, SlowPolicy::Skip, SlowPolicy::Latest] {
        let (mut hub, _) = news(slow_policy, 100, 100);
        let (mut accepted, mut busy) = (0, 0);
        // One message after each visit: far more than the log takes in one round.
        while accepted < 50 {
            match publish(&mut hub, &[0; 40]) {
                Ok(_) => accepted += 1,
                Err(refused) => {
                    assert_eq!(refused, Refused::Busy);
                    busy += 1;
                }
            }
            if let Some(due) = hub.next_due() {
                let bytes = hub.unsent(due.subscription).bytes();
                hub.advance(due.subscription, bytes);
            }
        }
        sweep(&mut hub);
        assert!(busy > 0, "the log was large enough");
        assert!(hub.next_fallen().is_none());
        assert_eq!(hub.ledger(), Ledger { owed: 5_000, delivered: 5_000, ..Ledger::default() });
    }
}

#[test]
fn a_refused_message_changes_nothing() {
    let (mut hub, subscriptions) = news(SlowPolicy::Disconnect, 5_000, 2);
    hub.block(subscriptions[0]);
    publish(&mut hub, &[1; 4_000]).unwrap();
    send_all(&mut hub, subscriptions[1]);
    publish(&mut hub, &[2; 900]).unwrap();
    // The first segment could be cut off, but the second is still to be read by somebody who is not slow.
    let before = (hub.ledger(), hub.inspect(name(NEWS)), hub.log_bytes());
    assert_eq!(publish(&mut hub, &[3; 4_900]), Err(Refused::Busy));
    assert_eq!((hub.ledger(), hub.inspect(name(NEWS)), hub.log_bytes()), before);
    assert!(hub.next_fallen().is_none());
    sweep(&mut hub);
    assert_eq!(publish(&mut hub, &[3; 4_900]).unwrap().id.number, 3);
    assert_eq!(hub.next_fallen().map(|fallen| fallen.subscription), Some(subscriptions[0]));
}

#[test]
fn a_cursor_below_the_start_of_the_log_is_noticed_before_it_is_read_from() {
    let (mut hub, subscriptions) = news(SlowPolicy::Disconnect, 5_000, 2);
    hub.block(subscriptions[0]);
    for number in 1..=10 {
        publish(&mut hub, &[number; 3_000]).unwrap();
        send_all(&mut hub, subscriptions[1]);
    }
    // It fell off at the third message. It is owed nothing, and no byte of a later one is offered to it.
    assert!(hub.unsent(subscriptions[0]).is_empty());
    assert_eq!(hub.advance(subscriptions[0], 0), Advanced::default());
    hub.unblock(subscriptions[0]);
    assert!(hub.next_due().is_none());
    let fallen = hub.next_fallen().unwrap();
    assert_eq!((fallen.subscription, fallen.owner, fallen.lives_on), (subscriptions[0], Owner(0), false));
    assert_eq!(fallen.rest, Ok([].as_slice()));
    assert!(hub.next_fallen().is_none());
    assert_eq!(hub.ledger().outstanding(), 0);
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
    assert!(hub.next_fallen().unwrap().lives_on);
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
fn the_rest_of_a_frame_under_way_survives_the_fall_and_is_pending_until_it_is_sent() {
    for slow_policy in [SlowPolicy::Disconnect, SlowPolicy::Skip, SlowPolicy::Latest] {
        let (mut hub, subscriptions) = news(slow_policy, 5_000, 1);
        publish(&mut hub, &[1; 3_000]).unwrap();
        hub.advance(subscriptions[0], 1_000);
        hub.block(subscriptions[0]);
        publish(&mut hub, &[2; 4_000]).unwrap();
        let fallen = hub.next_fallen().unwrap();
        assert_eq!(fallen.rest, Ok(&frame(&[1; 3_000])[1_000..]));
        assert_eq!(fallen.lives_on, slow_policy != SlowPolicy::Disconnect);
        let owed_by_log = u64::from(fallen.lives_on);
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
        let subscriptions = [1, 2].map(|owner| hub.subscribe(name(NEWS), Owner(owner)).unwrap());
        publish(&mut hub, &[1; 3_000]).unwrap();
        for subscription in subscriptions {
            hub.advance(subscription, 1_000);
            hub.block(subscription);
        }
        publish(&mut hub, &[2; 4_000]).unwrap();
        let outcomes = [(); 2].map(|()| {
            let fallen = hub.next_fallen().unwrap();
            (fallen.lives_on, fallen.rest.map(<[u8]>::len))
        });
        let lives_on = slow_policy != SlowPolicy::Disconnect;
        assert_eq!(outcomes, [(lives_on, Ok(2_004)), (false, Err(PrivateBudgetSpent))]);
        hub.private_abandoned(2_004, DropReason::NoProgress);
        hub.check_invariants();
        assert_eq!(hub.ledger().dropped_for(DropReason::SlowConsumer), 1);
    }
}

#[test]
fn unsubscribing_hands_out_the_rest_of_the_frame_and_drops_what_follows() {
    let (mut hub, subscriptions) = news(SlowPolicy::Disconnect, 1 << 20, 1);
    publish(&mut hub, b"abc").unwrap();
    publish(&mut hub, b"def").unwrap();
    hub.advance(subscriptions[0], 1);
    let mut rest = b"before ".to_vec();
    assert_eq!(hub.unsubscribe(subscriptions[0], DropReason::Closed, &mut rest), Ok(true));
    assert_eq!(rest, b"before \x03abc");
    hub.check_invariants();
    assert_eq!((hub.ledger().dropped_for(DropReason::Closed), hub.ledger().outstanding()), (1, 1));
    hub.private_sent(4, true);
    assert_eq!(hub.ledger(), Ledger { owed: 2, delivered: 1, dropped: [0, 0, 0, 1] });
    assert_eq!((hub.subscriptions(), hub.log_bytes()), (0, 0));
}

#[test]
fn one_who_has_fallen_off_can_be_ended_before_its_event_is_fetched() {
    let (mut hub, subscriptions) = news(SlowPolicy::Disconnect, 5_000, 1);
    publish(&mut hub, &[1; 3_000]).unwrap();
    hub.advance(subscriptions[0], 1);
    hub.block(subscriptions[0]);
    // The publisher may be the very connection: it falls, publishes on, and leaves, all in one callback.
    hub.publish_to(subscriptions[0], Message::binary(&[2; 4_000])).unwrap();
    assert_eq!(hub.publish_to(subscriptions[0], Message::binary(&[3; 9])).unwrap().subscribers, 0);
    assert_eq!(hub.unsubscribe(subscriptions[0], DropReason::Closed, &mut Vec::new()), Ok(false));
    hub.remove(subscriptions[0], DropReason::Closed);
    hub.check_invariants();
    assert_eq!(hub.next_fallen().unwrap().rest.unwrap().len(), 3_003);
    hub.private_abandoned(3_003, DropReason::Closed);
    assert_eq!((hub.ledger().outstanding(), hub.subscriptions()), (0, 0));
}

#[test]
fn memory_that_is_full_of_other_channels_refuses_and_that_of_slow_subscribers_is_taken() {
    let limits = HubLimits { memory_bytes: 64 << 10, private_bytes_max: 0, ..HubLimits::default() };
    let mut hub = hub(limits);
    let other = hub.subscribe(name("other"), Owner(1)).unwrap();
    let slow = hub.subscribe(name(NEWS), Owner(2)).unwrap();
    hub.block(other);
    hub.block(slow);
    hub.publish(name("other"), Message::binary(&[0; 30_000])).unwrap();
    assert_eq!(publish(&mut hub, &[0; 10]), Err(Refused::MemoryFull));
    assert_eq!(hub.inspect(name(NEWS)).unwrap().messages, 0, "refused before it was numbered");
    hub.remove(other, DropReason::Closed);
    for _ in 0..100 {
        publish(&mut hub, &[0; 1_000]).unwrap();
        assert!(hub.memory_bytes() <= limits.memory_bytes);
    }
    assert!(hub.next_fallen().is_some());
}

#[test]
fn a_hub_without_any_memory_refuses_and_does_nothing_else() {
    let mut hub = hub(HubLimits { memory_bytes: 0, channel_buffer_bytes: 0, ..HubLimits::default() });
    assert_eq!(publish(&mut hub, b"nobody is there").unwrap().subscribers, 0);
    hub.subscribe(name(NEWS), Owner(1)).unwrap();
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
fn a_channel_tells_what_it_has() {
    let (mut hub, subscriptions) = news(SlowPolicy::Disconnect, 1 << 20, 1);
    let info = hub.inspect(name(NEWS)).unwrap();
    assert_eq!((info.subscribers, info.messages, info.first_number, info.last_number), (1, 0, None, None));
    publish(&mut hub, b"1").unwrap();
    send_all(&mut hub, subscriptions[0]);
    publish(&mut hub, b"2").unwrap();
    let info = hub.inspect(name(NEWS)).unwrap();
    assert_eq!((info.messages, info.first_number, info.last_number), (2, Some(2), Some(2)));
    assert_eq!(hub.inspect(name("else")), None);
}

#[test]
fn a_message_for_nobody_is_numbered_and_not_kept() {
    let mut hub = hub(HubLimits::default());
    assert_eq!(publish(&mut hub, b"1").unwrap().id.number, 1);
    assert_eq!(publish(&mut hub, b"2").unwrap().id.number, 2);
    assert_eq!((hub.log_bytes(), hub.ledger().owed), (0, 0));
}

impl Hub {
    /// Recounts everything that is maintained.
    pub(crate) fn check_invariants(&self) {
        let (mut segment_bytes, mut living) = (0, 0);
        for (id, channel) in self.channels.iter() {
            channel.subscribers.check_invariants(id, &self.subscriptions);
            channel.log.check_invariants(&channel.subscribers.cursors().collect::<Vec<_>>());
            assert!(channel.log.due() == 0 || channel.is_queued, "somebody is due and will not be visited");
            segment_bytes += channel.log.segment_bytes();
            living += channel.subscribers.len();
        }
        assert_eq!(self.pool.in_use_bytes(), segment_bytes, "segments that nobody has");
        assert!(self.memory_bytes() <= self.limits.memory_bytes.max(self.limits.private_bytes_max));
        assert_eq!(self.ledger.outstanding(), self.pending(), "the ledger does not balance");
        assert_eq!(self.subscriptions.len(), living + self.fallen.ended(), "subscriptions that nobody has");
    }
}
