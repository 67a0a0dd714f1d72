//! Tests of the hub's rules, one by one (`slow`: those for slow subscribers; `room`: what is freed
//! when there is no room; `forms`: channels of two forms); `model` tests all of them together
//! against a naive implementation.

mod forms;
mod room;
mod slow;

use super::form::Form;
use super::hub::{NAMES_BYTES_MIN, NAMES_SHARE};
use super::*;
use crate::protocol::{Message, Opcode, encode_frame};
use std::sync::Arc;

const NEWS: &str = "news";

pub(super) fn name(text: &str) -> ChannelName<'_> {
    ChannelName::parse(text).expect("a channel name")
}

pub(super) fn hub(limits: HubLimits) -> Hub {
    Hub::new(limits, Arc::new(Homes::new([1; 16], 1)), ReactorNumber(0), 1)
}

/// Returns a hub whose logs hold `channel_buffer_bytes`, and this many subscribers of `NEWS`.
fn news(
    slow_policy: SlowPolicy,
    channel_buffer_bytes: usize,
    subscribers: usize,
) -> (Hub, Vec<SubscriptionId>) {
    let mut hub = hub(HubLimits { slow_policy, channel_buffer_bytes, ..HubLimits::default() });
    let subscriptions = (0..subscribers)
        .map(|owner| hub.subscribe(name(NEWS), FormKind::Plain, Owner(owner as u64)).unwrap())
        .collect();
    (hub, subscriptions)
}

fn publish(hub: &mut Hub, payload: &[u8]) -> Result<Accepted, Refused> {
    let accepted = hub.publish(name(NEWS), Message::binary(payload), &mut ());
    hub.check_invariants();
    accepted.map(|appended| appended.accepted)
}

fn frame(payload: &[u8]) -> Vec<u8> {
    let mut frame = Vec::new();
    encode_frame(&mut frame, Opcode::Binary, payload);
    frame
}

/// Sends one subscriber everything that it is owed. Returns the bytes.
fn send_all(hub: &mut Hub, subscription: SubscriptionId) -> Vec<u8> {
    let unsent = hub.unsent(subscription);
    let bytes = [unsent.first, unsent.second].concat();
    hub.advance(subscription, bytes.len());
    hub.check_invariants();
    bytes
}

/// Sends every due subscriber what it is owed. Returns their owners in the order of the visits.
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
    let accepted = hub.publish(name(NEWS), Message::text("hello"), &mut ()).unwrap().accepted;
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
    assert_eq!(
        hub.advance(subscriptions[0], expected.len()),
        Advanced { delivered: 3, under_way: false }
    );
}

#[test]
fn who_joins_gets_the_messages_after_and_none_before() {
    let (mut hub, subscriptions) = news(SlowPolicy::Disconnect, 1 << 20, 1);
    publish(&mut hub, b"before").unwrap();
    let late = hub.subscribe(name(NEWS), FormKind::Plain, Owner(9)).unwrap();
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
        hub.subscribe(name(NEWS), FormKind::Plain, Owner(owner)).unwrap();
        let Some(due) = hub.next_due() else { break };
        send_all(&mut hub, due.subscription);
        visited.push(due.owner.0);
    }
    assert_eq!(visited, (0..10).collect::<Vec<_>>());
}

#[test]
fn who_leaves_in_the_middle_of_a_round_makes_it_skip_nobody_and_visit_nobody_twice() {
    // The subscriber that leaves has been visited, or is the next, or is still to be visited.
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
        let expected: Vec<_> =
            (0..10).filter(|owner| *owner < 5 || *owner != leaving as u64).collect();
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
    // The three blocked subscribers leave gaps in the order of visits. If these were filled from
    // the back only, those not yet visited would now count as visited.
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
    hub.subscribe(name("room"), FormKind::Plain, Owner(5_000)).unwrap();
    publish(&mut hub, b"x").unwrap();
    hub.publish(name("room"), Message::text("x"), &mut ()).unwrap();
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
fn who_wakes_when_nobody_else_is_due_is_next_without_a_scan_of_the_crowd() {
    let (mut hub, subscriptions) = news(SlowPolicy::Disconnect, 1 << 20, 100);
    hub.block(subscriptions[40]);
    publish(&mut hub, b"x").unwrap();
    for _ in 0..10 {
        let due = hub.next_due().unwrap();
        send_all(&mut hub, due.subscription);
    }
    // This round of visits begins and ends far from the blocked subscriber.
    publish(&mut hub, b"y").unwrap();
    assert_eq!(sweep(&mut hub).len(), 99);
    hub.unblock(subscriptions[40]);
    let (id, index) = hub.place_of(subscriptions[40]).unwrap();
    assert_eq!(hub.channels[id].subscribers.next_to_look_at(), index);
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
fn a_channel_tells_what_it_has() {
    let (mut hub, subscriptions) = news(SlowPolicy::Disconnect, 1 << 20, 1);
    let info = hub.inspect(name(NEWS)).unwrap();
    assert_eq!(
        (info.subscribers, info.messages, info.first_number, info.last_number),
        (1, 0, None, None)
    );
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
    /// Recounts every figure that the hub keeps up to date, and compares.
    pub(crate) fn check_invariants(&self) {
        let (mut segment_bytes, mut living, mut followed) = (0, 0, 0);
        for (id, channel) in self.channels.iter() {
            for (kind, Form { log, subscribers }) in channel.forms() {
                subscribers.check_invariants(id.form(kind), &self.subscriptions);
                log.check_invariants(&subscribers.cursors().collect::<Vec<_>>());
                assert_eq!(log.end().number, channel.next_number(), "forms with other numbers");
                let is_needed = !subscribers.is_empty() || log.is_queued;
                assert!(kind == FormKind::Plain || is_needed, "a form that nobody reads");
                assert!(
                    log.due() == 0 || log.is_queued,
                    "a subscriber is due and will not be visited"
                );
                let is_followed = log.followed.is_some();
                assert!(!is_followed || log.is_queued, "a delivery that would never end");
                followed += usize::from(is_followed);
                segment_bytes += log.segment_bytes();
                living += subscribers.len();
            }
        }
        assert_eq!(self.pool.in_use_bytes(), segment_bytes, "segments that no log has");
        assert_eq!(self.delivery_times.len(), followed, "deliveries that no channel has");
        // A message that its home, another reactor, has accepted cannot be refused here, even above
        // the memory limit.
        let can_refuse =
            self.channels.iter().all(|(_, channel)| channel.membership == Membership::Home);
        let bytes_max = self.limits.memory_bytes.max(self.limits.private_bytes_max);
        let names_bytes = self.channels.bytes();
        assert!(
            self.memory_bytes() - names_bytes <= bytes_max || !can_refuse,
            "over the limit of memory"
        );
        let names_bytes_max = (self.limits.memory_bytes / NAMES_SHARE).max(NAMES_BYTES_MIN);
        assert!(names_bytes <= names_bytes_max, "too much memory for names");
        self.channels.check_invariants();
        assert_eq!(self.ledger.outstanding(), self.pending(), "the ledger does not balance");
        assert_eq!(
            self.subscriptions.len(),
            living + self.overrun.ended(),
            "subscriptions without a subscriber"
        );
    }
}
