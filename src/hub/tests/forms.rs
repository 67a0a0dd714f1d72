//! The two forms of a channel: who reads which, when the second one comes and goes, and what both
//! together may keep.

use super::*;
use crate::protocol::{CompressionOptions, FrameHeader, Inflater};

/// Returns a hub whose subscribers can read messages deflated.
fn deflating(limits: HubLimits) -> Hub {
    let options = CompressionOptions { message_bytes_min: 100, ..Default::default() };
    hub(HubLimits { compression: Some(options), ..limits })
}

fn subscribe(hub: &mut Hub, form: FormKind, owner: u64) -> SubscriptionId {
    hub.subscribe(name(NEWS), form, Owner(owner)).unwrap()
}

/// Returns the payloads of all that is unsent, inflated where it is compressed, and how many frames
/// are compressed. Nothing is sent.
fn read(hub: &Hub, subscription: SubscriptionId) -> (Vec<Vec<u8>>, usize) {
    let unsent = hub.unsent(subscription);
    let bytes = [unsent.first, unsent.second].concat();
    let (mut payloads, mut compressed, mut at) = (Vec::new(), 0, 0);
    while at < bytes.len() {
        let (header, header_bytes) = FrameHeader::parse_with(&bytes[at..], true).unwrap().unwrap();
        let start = at + header_bytes;
        at = start + header.payload_bytes as usize;
        let mut payload = bytes[start..at].to_vec();
        if header.compressed {
            let deflated = std::mem::take(&mut payload);
            Inflater::new().inflate(&deflated, 1 << 20, &mut payload).unwrap();
            compressed += 1;
        }
        payloads.push(payload);
    }
    (payloads, compressed)
}

#[test]
fn every_form_has_the_same_messages_and_each_is_deflated_once() {
    let mut hub = deflating(HubLimits::default());
    let plain = [1, 2].map(|owner| subscribe(&mut hub, FormKind::Plain, owner));
    let deflated = [3, 4, 5].map(|owner| subscribe(&mut hub, FormKind::Deflated, owner));
    let messages = [b"a".repeat(1_000), b"short".to_vec(), b"b".repeat(70_000)];
    for message in &messages {
        assert_eq!(publish(&mut hub, message).unwrap().subscribers, 5);
    }
    for subscription in plain {
        assert_eq!(read(&hub, subscription), (messages.to_vec(), 0));
    }
    for subscription in deflated {
        assert_eq!(read(&hub, subscription), (messages.to_vec(), 2));
    }
    assert_eq!(hub.messages_deflated(), 2);
    hub.check_invariants();
    for subscription in plain.into_iter().chain(deflated) {
        while !hub.is_caught_up(subscription) {
            send_all(&mut hub, subscription);
        }
    }
    assert_eq!((hub.ledger().delivered, hub.pending(), hub.log_bytes()), (15, 0, 0));
}

#[test]
fn the_deflated_form_goes_with_its_last_reader_and_comes_back_with_the_same_numbers() {
    let mut hub = deflating(HubLimits::default());
    let plain = subscribe(&mut hub, FormKind::Plain, 1);
    publish(&mut hub, &[b'x'; 200]).unwrap();
    assert_eq!(hub.messages_deflated(), 0, "nobody reads it");
    let deflated = subscribe(&mut hub, FormKind::Deflated, 2);
    publish(&mut hub, &[b'y'; 200]).unwrap();
    assert_eq!(read(&hub, deflated), (vec![vec![b'y'; 200]], 1), "no message from before");
    let log_bytes = hub.log_bytes();
    hub.remove(deflated, DropReason::Closed);
    assert!(hub.log_bytes() < log_bytes);
    while hub.next_due().is_some_and(|due| due.subscription == plain) {
        send_all(&mut hub, plain);
    }
    let id = hub.find_channel(name(NEWS)).unwrap();
    assert!(hub.channels[id].form(FormKind::Deflated).is_none());
    publish(&mut hub, &[b'z'; 200]).unwrap();
    assert_eq!(hub.messages_deflated(), 1);
    let deflated = subscribe(&mut hub, FormKind::Deflated, 3);
    assert_eq!(publish(&mut hub, &[b'!'; 200]).unwrap().id.number, 4);
    assert_eq!(read(&hub, deflated), (vec![vec![b'!'; 200]], 1));
    hub.check_invariants();
}

#[test]
fn a_channel_that_is_read_only_deflated_keeps_no_plain_frames() {
    let mut hub = deflating(HubLimits::default());
    let deflated = subscribe(&mut hub, FormKind::Deflated, 1);
    publish(&mut hub, &[b'x'; 60_000]).unwrap();
    let (_, figures) = hub.figures_of(name(NEWS)).unwrap();
    assert!(figures.kept_bytes < 1_000, "{figures:?}");
    assert_eq!((figures.lag, figures.subscribers), (1, 1));
    send_all(&mut hub, deflated);
    assert_eq!(hub.log_bytes(), 0);
}

#[test]
fn a_slow_reader_of_one_form_is_overrun_by_what_both_forms_keep() {
    for slow in [FormKind::Plain, FormKind::Deflated] {
        let mut hub = deflating(HubLimits { channel_buffer_bytes: 10_000, ..HubLimits::default() });
        let slow = subscribe(&mut hub, slow, 1);
        let quick = [FormKind::Plain, FormKind::Deflated].map(|form| subscribe(&mut hub, form, 2));
        publish(&mut hub, &[b'x'; 2_000]).unwrap();
        assert!(hub.block(slow));
        let mut number = 0_u64;
        while !hub.has_overrun() && number < 1_000 {
            for subscription in quick {
                send_all(&mut hub, subscription);
            }
            // These cannot be deflated.
            let mut dice = crate::split_mix::SplitMix64(number);
            let payload: Vec<u8> = (0..2_000).map(|_| dice.next() as u8).collect();
            publish(&mut hub, &payload).unwrap();
            let (_, figures) = hub.figures_of(name(NEWS)).unwrap();
            assert!(figures.kept_bytes <= 10_000, "{figures:?}");
            number += 1;
            hub.check_invariants();
        }
        assert!(hub.next_overrun().is_some_and(|overrun| overrun.subscription == slow));
        assert!(hub.next_overrun().is_none(), "whoever is quick is not cut off");
        assert!(number < 5);
    }
}

#[test]
fn where_nothing_is_deflated_everybody_reads_the_plain_form() {
    let mut hub = hub(HubLimits::default());
    let subscription = subscribe(&mut hub, FormKind::Deflated, 1);
    publish(&mut hub, &[b'x'; 1_000]).unwrap();
    assert_eq!(read(&hub, subscription), (vec![vec![b'x'; 1_000]], 0));
    assert_eq!(hub.messages_deflated(), 0);
}

#[test]
fn what_was_accepted_has_room_in_both_forms_even_if_it_cannot_be_deflated() {
    // Two segments of the largest message: with less, it would be refused.
    let frame_bytes = 4 + 20_000;
    for (memory_bytes, is_accepted) in [(2 * (32 << 10), true), (2 * (32 << 10) - 1, false)] {
        let limits = HubLimits { private_bytes_max: 0, ..HubLimits::default() };
        let names = HubLimits { channel_buffer_bytes: 1 << 20, ..limits };
        let mut hub = deflating(HubLimits { memory_bytes: 1 << 20, ..names });
        subscribe(&mut hub, FormKind::Plain, 1);
        subscribe(&mut hub, FormKind::Deflated, 2);
        let names_bytes = hub.memory_bytes();
        let mut hub = deflating(HubLimits { memory_bytes: memory_bytes + names_bytes, ..names });
        subscribe(&mut hub, FormKind::Plain, 1);
        subscribe(&mut hub, FormKind::Deflated, 2);
        let mut dice = crate::split_mix::SplitMix64(7);
        let payload: Vec<u8> = (0..20_000).map(|_| dice.next() as u8).collect();
        assert_eq!(publish(&mut hub, &payload).is_ok(), is_accepted, "{frame_bytes} in each form");
        hub.check_invariants();
    }
}
