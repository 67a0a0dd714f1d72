//! Tests of several reactors as one server: all subscribers see one order, the 101 waits for the
//! channel's home, and publishers are held back.

use std::time::Duration;

use super::super::core::Core;
use super::super::mail::{AnswerRecord, PublishOrigin, Taken};
use super::super::peers::Peers;
use super::client::{Client, Heard};
use super::frames::Opcode;
use super::world::{Setting, World};
use crate::hub::{
    FormKind, HubLimits, Membership, Numbered, OUT_OF_MEMORY, Outlet, ReactorNumber, Slot,
};
use crate::protocol::{Message, MessageKind};
use crate::reactor::{ReactorLimits, RingSizes};

/// Returns a reactor's membership in a channel, or `None` if it does not know the channel.
fn membership(world: &World, reactor: usize, channel: &str) -> Option<Membership> {
    let views = world.reactors[reactor].peers.core.exchange.hub.views();
    views.iter().find(|view| view.name == channel).map(|view| view.membership)
}

/// Connects a client to this reactor, and sends nothing.
fn connect_at(world: &mut World, reactor: usize) -> Client {
    loop {
        let client = world.connect();
        world.rest();
        if world.holder_of(&client) == reactor {
            return client;
        }
        drop(client);
        world.rest();
    }
}

/// Connects a client to this reactor and sends its handshake. Only this reactor gets turns, so it
/// has read the handshake, and the channel's home has not acted on it.
fn knock(world: &mut World, reactor: usize, path: &str) -> Client {
    let client = connect_at(world, reactor);
    client.upgrade(path);
    for _ in 0..5 {
        world.turn_of(reactor);
    }
    client
}

#[test]
fn everybody_sees_one_order_whoever_publishes_where() {
    let mut world = World::of(3, |_, _| {});
    let mut readers: Vec<_> =
        (0..3).flat_map(|_| 0..3).map(|at| world.open_at(at, "/news")).collect();
    let mut publishers: Vec<_> = (0..3).map(|at| world.open_at(at, "/news")).collect();
    for number in 0..200u32 {
        for (place, publisher) in publishers.iter_mut().enumerate() {
            publisher.binary(&[&number.to_be_bytes()[..], &[place as u8]].concat());
        }
        world.turn_of(number as usize % 3);
    }
    world.rest();
    let first = readers[0].messages();
    assert_eq!(first, world.accepted["news"]);
    assert_eq!(first.len(), 600);
    for reader in readers.iter_mut().skip(1).chain(&mut publishers) {
        assert_eq!(reader.messages(), first, "every subscriber receives the same order");
    }
}

#[test]
fn the_101_waits_until_the_home_knows_and_nothing_accepted_after_it_is_missed() {
    let mut world = World::of(2, |_, _| {});
    let channel = world.channel_at(0);
    let mut client = knock(&mut world, 1, &format!("/{channel}"));
    assert_eq!(client.answered(), None, "the home has not had a turn");
    assert_eq!(membership(&world, 1, &channel), Some(Membership::Joining));
    world.turn_of(0);
    assert_eq!(client.answered(), None, "the home's answer has not been taken");
    // The home has granted the join: the client must receive every message from here on.
    let publisher = world.open_at(0, "/echo");
    drop(publisher);
    world.publish(&channel, MessageKind::Text, b"after the home knew").unwrap();
    world.turn_of(0);
    world.turn_of(1);
    assert_eq!(client.answered().map(|answered| answered.status), Some(101));
    world.rest();
    assert_eq!(client.messages(), [b"after the home knew"]);
}

#[test]
fn a_message_behind_the_answer_to_a_join_is_taken_behind_it() {
    let mut world = World::of(2, |_, _| {});
    let channel = world.channel_at(0);
    let mut client = knock(&mut world, 1, &format!("/{channel}"));
    world.turn_of(0);
    world.publish(&channel, MessageKind::Text, b"the first").unwrap();
    world.turn_of(0);
    // As if reactor 1 had looked for answers just before the home wrote both.
    let exchange = &mut world.reactors[1].peers.core.exchange;
    while exchange.take_message(ReactorNumber(0)) == Taken::One {}
    world.reactors[1].peers.dispatch_events();
    world.rest();
    assert_eq!(client.answered().map(|answered| answered.status), Some(101));
    assert_eq!(client.messages(), [b"the first"]);
}

/// A subscriber of two channels gets nothing before the homes of both have answered. So it is not
/// slow, though the log of the one that has answered leaves it behind.
#[test]
fn who_waits_for_its_101_is_not_slow() {
    let worlds = (1..).map(|seed| {
        let mut setting = Setting { seed, reactors: 2, ..Setting::default() };
        setting.hub.channel_buffer_bytes = 4 << 10;
        World::still(setting)
    });
    let has_two_homes = |world: &World| world.home_of("two-a") != world.home_of("two-b");
    let mut world = worlds.into_iter().find(has_two_homes).unwrap();
    let reactor = world.home_of("two-a");
    let mut client = knock(&mut world, reactor, "/two");
    for number in 0..20u8 {
        world.publish("two-a", MessageKind::Binary, &[number; 1000]).unwrap();
        world.turn_of(reactor);
    }
    assert_eq!(client.answered(), None, "the home of the other channel has had no turn");
    world.rest();
    assert_eq!(client.answered().map(|answered| answered.status), Some(101));
    world.publish("two-a", MessageKind::Text, b"the next").unwrap();
    world.rest();
    assert_eq!(client.messages().pop(), Some(b"the next".to_vec()));
    assert_eq!(world.log.borrow().closed, []);
}

#[test]
fn who_comes_second_need_not_ask_the_home() {
    let mut world = World::of(2, |_, _| {});
    let channel = world.channel_at(0);
    let _first = world.open_at(1, &format!("/{channel}"));
    let mut second = knock(&mut world, 1, &format!("/{channel}"));
    assert_eq!(
        second.answered().map(|answered| answered.status),
        Some(101),
        "without a turn of the home"
    );
}

#[test]
fn what_is_said_behind_the_101_waits_with_it_and_a_ping_is_answered_afterwards() {
    let mut world = World::of(2, |_, _| {});
    let (here, there) = (world.channel_at(1), world.channel_at(0));
    // On the path `/join` a client subscribes to the channel that its message names.
    let mut client = world.open_at(1, "/join");
    client.text(&here);
    world.rest();
    client.text(&there);
    client.say(Opcode::Ping, b"still there?");
    for _ in 0..5 {
        world.turn_of(1);
    }
    world.publish(&here, MessageKind::Text, b"of the other channel").unwrap();
    for _ in 0..5 {
        world.turn_of(1);
    }
    assert_eq!(
        client.heard(),
        [Heard::Message(b"of the other channel".to_vec())],
        "the other channel is not held"
    );
    world.rest();
    assert_eq!(client.heard(), [Heard::Pong(b"still there?".to_vec())]);
}

#[test]
fn a_channel_that_is_one_too_many_at_its_home_closes_with_1013() {
    let mut world = World::of(2, |_, hub| hub.channels_max = 1);
    let (here, there) = (world.channel_at(0), world.channel_at(1));
    let _first = world.open_at(0, &format!("/{here}"));
    let mut client = knock(&mut world, 0, &format!("/{there}"));
    assert_eq!(client.answered(), None);
    world.rest();
    assert_eq!(client.answered().map(|answered| answered.status), Some(101));
    assert_eq!(client.close_code(), Some(1013));
    drop(client);
    world.pass_secs(5);
    assert_eq!(membership(&world, 0, &there), None, "the channel is gone");
}

#[test]
fn junk_names_from_whichever_reactor_do_not_keep_a_real_channel_out() {
    let mut world = World::of(2, |_, hub| hub.channels_max = 20);
    for number in 0..200 {
        drop(world.open_at(number % 2, &format!("/junk-{number}")));
        world.rest();
    }
    let mut real: Vec<_> =
        (0..10).map(|number| world.open_at(number % 2, &format!("/real-{number}"))).collect();
    for (number, client) in real.iter_mut().enumerate() {
        world.publish(&format!("real-{number}"), MessageKind::Text, b"hello").unwrap();
        world.rest();
        assert_eq!(client.messages(), [b"hello".to_vec()]);
    }
    assert!(world.log.borrow().closed.iter().all(|(_, code, _)| *code != 1013));
}

#[test]
fn who_leaves_before_the_home_has_answered_leaves_nothing_behind() {
    let mut world = World::of(2, |_, _| {});
    let channel = world.channel_at(0);
    let client = knock(&mut world, 1, &format!("/{channel}"));
    drop(client);
    world.turn_of(1);
    world.rest();
    assert_eq!(membership(&world, 1, &channel), Some(Membership::Live), "the channel lingers");
    world.pass_secs(5);
    assert_eq!(membership(&world, 1, &channel), None);
    let home = world.reactors[0].peers.core.exchange.hub.views();
    assert!(home.iter().all(|view| view.members.is_empty()), "{home:?}");
}

#[test]
fn who_comes_back_while_the_leave_is_on_its_way_misses_nothing() {
    let mut world = World::of(2, |_, _| {});
    let channel = world.channel_at(0);
    drop(world.open_at(1, &format!("/{channel}")));
    world.rest();
    // Only the member's reactor runs. It leaves the channel, which has had no subscriber for long.
    while membership(&world, 1, &channel).is_some() {
        world.sim.advance(Duration::from_millis(500));
        world.turn_of(1);
    }
    let mut client = knock(&mut world, 1, &format!("/{channel}"));
    // One message is published before the home takes the leave and the new join, and one after it.
    world.publish(&channel, MessageKind::Text, b"before").unwrap();
    world.turn_of(0);
    world.publish(&channel, MessageKind::Text, b"after").unwrap();
    world.rest();
    assert_eq!(client.answered().map(|answered| answered.status), Some(101));
    assert!(client.messages().ends_with(&[b"after".to_vec()]));
}

#[test]
fn a_post_counts_everybody_whose_101_was_read_before_on_whichever_reactor() {
    let mut world = World::of(3, |_, _| {});
    let mut subscribers = Vec::new();
    for at in [0, 1, 2, 2, 1, 0, 1] {
        subscribers.push(world.open_at(at, "/news"));
        let mut publisher = world.connect();
        publisher.request("POST", "/news", &[], b"how many?");
        world.rest();
        let status = publisher.answered().map(|answered| answered.status);
        assert_eq!(status, Some(201));
        publisher.request("GET", "/about/news", &[], b"");
        world.rest();
        let about = publisher.answered().unwrap().body;
        let count = subscribers.len();
        assert_eq!(about, format!("news Some(({count}, {count}))"));
        assert_eq!(
            world.ledger().owed,
            (1..=count as u64).sum::<u64>(),
            "one copy for each subscriber"
        );
    }
}

#[test]
fn a_publish_is_all_or_none_and_waits_for_the_reactor_that_has_no_room() {
    let mut world = World::still(Setting {
        reactors: 3,
        rings: Some(RingSizes { bytes: 4 << 10, beside: 1 }),
        ..Setting::default()
    });
    let channel = world.channel_at(0);
    let path = format!("/{channel}");
    let mut readers: Vec<_> = (0..3).map(|at| world.open_at(at, &path)).collect();
    let mut publisher = world.open_at(0, &path);
    // Reactor 2 gets no turn: the ring to it fills up, and no message is accepted that it has no
    // room for.
    for number in 0..100u8 {
        publisher.binary(&[number; 400]);
        world.turn_of(0);
        world.turn_of(1);
    }
    let accepted = world.accepted[&channel].len();
    assert!((5..50).contains(&accepted), "{accepted} fit into the ring");
    for _ in 0..20 {
        world.turn_of(1);
        world.turn_of(0);
    }
    assert_eq!(readers[1].messages().len(), accepted, "every reactor delivers the same number");
    assert_eq!(readers[0].messages().len(), accepted);
    world.rest();
    assert_eq!(readers[2].messages().len(), 100, "nothing was dropped");
    assert_eq!(readers[0].messages().len() + accepted, 100);
    assert_eq!(world.log.borrow().closed, [], "no connection was closed");
}

#[test]
fn a_publisher_whose_home_does_not_come_is_not_read_and_loses_nothing() {
    let mut world =
        World::still(Setting { reactors: 2, rings: Some(RingSizes::MIN), ..Setting::default() });
    let channel = world.channel_at(0);
    let path = format!("/{channel}");
    let mut reader = world.open_at(1, &path);
    let mut publisher = world.open_at(1, &path);
    for number in 0..200u8 {
        publisher.binary(&[number; 100]);
    }
    for _ in 0..50 {
        world.turn_of(1);
    }
    let Peers { connections, core } = &world.reactors[1].peers;
    let waits_for_home = connections.iter().any(|connection| connection.waits_to_publish > 0);
    assert!(
        publisher.peer.unread_bytes() > 0 || waits_for_home || !core.waiting_for_room.is_empty()
    );
    world.rest();
    let expected: Vec<_> = (0..200u8).map(|number| vec![number; 100]).collect();
    assert_eq!(reader.messages(), expected);
    assert_eq!(publisher.messages(), expected);
}

#[test]
fn large_messages_travel_beside_the_rings() {
    let mut world = World::of(2, |_, _| {});
    let mut readers = [world.open_at(0, "/news"), world.open_at(1, "/news")];
    let mut publishers = [world.open_at(0, "/news"), world.open_at(1, "/news")];
    let sizes = [1, 20_000, 60_000, 3, 16_384, 16_385, 65_000];
    for (number, bytes) in sizes.into_iter().enumerate() {
        publishers[number % 2].binary(&vec![number as u8; bytes]);
        world.rest();
    }
    let expected: Vec<_> =
        sizes.iter().enumerate().map(|(number, bytes)| vec![number as u8; *bytes]).collect();
    for reader in &mut readers {
        assert_eq!(reader.messages(), expected);
    }
}

/// Makes this many channels whose home is the last reactor, each with a stalled subscriber, until
/// memory is short. Returns the channels with their subscribers.
fn short_of_memory(world: &mut World, channels: usize) -> Vec<(String, Client)> {
    let last = world.reactors.len() - 1;
    let names = (0..).map(|number| format!("full-{number}"));
    let names = names.filter(|name| world.home_of(name) == last);
    let names: Vec<String> = names.take(channels).collect();
    let mut stalled = Vec::new();
    for name in names {
        let client = world.open_at(last, &format!("/{name}"));
        client.stall();
        let _ = world.publish(&name, MessageKind::Binary, &[0; 60_000]);
        world.rest();
        stalled.push((name, client));
    }
    stalled
}

fn little_memory(_: &mut ReactorLimits, hub: &mut HubLimits) {
    hub.memory_bytes = 8 << 20;
    hub.private_bytes_max = 64 << 10;
}

#[test]
fn where_a_reactor_is_short_of_memory_slow_subscribers_pay_and_no_publisher() {
    for reactors in [1, 2] {
        slow_subscribers_pay_and_no_publisher(reactors);
    }
}

fn slow_subscribers_pay_and_no_publisher(reactors: usize) {
    let mut world = World::of(reactors, |_, hub| {
        little_memory(&mut ReactorLimits::default(), hub);
        hub.memory_bytes = (4 << 20) * reactors;
    });
    let channel = world.channel_at(0);
    let mut readers = [0, reactors - 1].map(|at| world.open_at(at, &format!("/{channel}")));
    let stalled = short_of_memory(&mut world, 100);
    let mut publisher = world.connect();
    for _ in 0..20 {
        publisher.request("POST", &format!("/{channel}"), &[], &[1; 60_000]);
        world.rest();
        assert_eq!(publisher.answered().map(|answered| answered.status), Some(201));
    }
    for reader in &mut readers {
        assert_eq!(reader.messages().len(), 20);
    }
    let closed: Vec<u16> = world.log.borrow().closed.iter().map(|(_, code, _)| *code).collect();
    assert!(closed.len() > 10 && closed.iter().all(|code| *code == 4008), "{closed:?}");
    drop(stalled);
    assert!(world.reactors[reactors - 1].peers.core.exchange.hub.memory_bytes() <= 4 << 20);
}

#[test]
fn a_reactor_whose_memory_nobody_slow_holds_makes_the_home_refuse() {
    let mut world = World::of(2, little_memory);
    let channel = world.channel_at(0);
    let mut healthy = world.open_at(0, &format!("/{channel}"));
    let _member = world.open_at(1, &format!("/{channel}"));
    let mut publisher = connect_at(&mut world, 0);
    world.reactors[1].peers.core.exchange.shared.set_memory_full(ReactorNumber(1), true);
    publisher.request("POST", &format!("/{channel}"), &[], b"refused");
    // Reactor 1 gets no turn now, because it would clear the flag at the end of it.
    for _ in 0..5 {
        world.turn_of(0);
    }
    assert_eq!(publisher.answered().map(|answered| answered.status), Some(503));
    world.rest();
    publisher.request("POST", &format!("/{channel}"), &[], b"accepted");
    world.rest();
    assert_eq!(publisher.answered().map(|answered| answered.status), Some(201));
    assert_eq!(
        healthy.messages(),
        [b"accepted"],
        "the message that was answered 503 was not delivered"
    );
}

/// In one turn, a member may find more messages in its ring than its memory is meant for.
#[test]
fn a_member_takes_what_its_home_has_accepted_though_it_has_no_memory_left() {
    let mut setting = Setting {
        reactors: 2,
        rings: Some(RingSizes { bytes: 256 << 10, beside: 1 }),
        ..Setting::default()
    };
    setting.limits.decoder.message_bytes_max = 1024;
    setting.hub.message_bytes_max = 1024;
    setting.hub.channel_buffer_bytes = 16 << 10;
    setting.hub.private_bytes_max = 0;
    setting.hub.memory_bytes = 2_500_000;
    let mut world = World::still(setting);
    let channel = world.channel_at(0);
    let mut reader = world.open_at(1, &format!("/{channel}"));
    for _ in 0..200 {
        world.publish(&channel, MessageKind::Binary, &[7; 1000]).unwrap();
    }
    world.turn_of(0);
    let memory_bytes = world.reactors[1].peers.core.exchange.hub.limits().memory_bytes;
    let accepted = world.accepted[&channel].len();
    assert!(accepted * 1000 > memory_bytes, "{accepted} fit into {memory_bytes} bytes");
    world.rest();
    assert_eq!(reader.messages(), world.accepted[&channel]);
    assert_eq!(world.accepted[&channel].len(), 200);
}

#[test]
fn what_was_sent_behind_a_refused_message_is_refused_as_well() {
    let mut world = World::of(2, |_, _| {});
    let channel = world.channel_at(0);
    let path = format!("/{channel}");
    let mut reader = world.open_at(0, &path);
    let [mut refused, mut other] = [(); 2].map(|()| world.open_at(1, &path));
    refused.binary(b"refused");
    refused.binary(b"behind it");
    other.binary(b"from somebody else");
    world.turn_of(1);
    // The memory of reactor 1 counts as full while the first request is served, and only then.
    let Core { exchange: home, turn, .. } = &mut world.reactors[0].peers.core;
    home.take_note_of_requests();
    home.shared.set_memory_full(ReactorNumber(1), true);
    assert_eq!(home.serve_request(ReactorNumber(1), &turn.counters), Taken::One);
    home.shared.set_memory_full(ReactorNumber(1), false);
    world.turn_of(0);
    // The publisher sends more before it receives its Close frame.
    refused.binary(b"even later");
    world.rest();
    assert_eq!(reader.messages(), [b"from somebody else"]);
    assert_eq!(refused.heard().pop(), Some(Heard::Close(1013, OUT_OF_MEMORY.to_owned())));
    assert_eq!((world.counters().refused, world.ledger().owed), (2, 2));
    world.turn();
    assert!(
        world.reactors[0].peers.core.exchange.refused.is_empty(),
        "the closed publisher is no longer remembered"
    );
}

#[test]
fn at_the_home_itself_it_is_too() {
    let mut world = World::with(|_, hub| {
        hub.memory_bytes = 80 << 10;
        hub.private_bytes_max = 4 << 10;
        hub.channel_buffer_bytes = 1 << 20;
    });
    let mut reader = world.open("/news");
    let mut publisher = world.open("/news");
    let frames = [
        publisher.frame(Opcode::Binary, &[1; 60_000]),
        publisher.frame(Opcode::Binary, b"behind it"),
    ];
    publisher.peer.send(&frames.concat());
    world.rest();
    assert_eq!(publisher.close_code(), Some(1013));
    assert_eq!(reader.heard(), []);
    let mut other = world.open("/news");
    other.binary(b"from somebody else");
    world.rest();
    assert_eq!(reader.messages(), [b"from somebody else"]);
}

#[test]
fn where_memory_ends_behind_a_post_nothing_is_said_of_its_outcome() {
    let mut world = World::of(2, |_, hub| {
        hub.memory_bytes = 8 << 20;
        hub.private_bytes_max = 256 << 10;
    });
    let channel = world.channel_at(0);
    let mut reader = world.open_at(0, &format!("/{channel}"));
    let mut poster = connect_at(&mut world, 1);
    // Unfinished messages fill the memory that the connections of reactor 1 may hold.
    let mut hoarders = world.open_many(100, "/echo");
    hoarders.retain(|client| world.holder_of(client) == 1);
    for hoarder in &mut hoarders {
        let whole = hoarder.frame(Opcode::Binary, &[7; 60_000]);
        hoarder.peer.send(&whole[..59_000]);
    }
    world.rest();
    assert!(hoarders.iter_mut().any(|hoarder| hoarder.close_code() == Some(1013)));
    poster.request("POST", &format!("/{channel}"), &[], b"on its way");
    // The next request must wait for the answer to the first.
    poster.request("POST", &format!("/{channel}"), &[], &[7; 50_000]);
    world.rest();
    assert_eq!(reader.messages(), [b"on its way"]);
    assert_eq!(poster.answered(), None, "a 503 would mean that the message was not delivered");
    assert!(poster.is_gone());
}

#[test]
fn limits_on_connections_hold_for_all_reactors_together() {
    let mut world = World::of(3, |limits: &mut ReactorLimits, _| limits.connections_max = 4);
    let mut clients: Vec<_> = (0..10).map(|_| world.connect()).collect();
    clients.iter().for_each(|client| client.upgrade("/echo"));
    world.rest();
    let statuses: Vec<_> =
        clients.iter_mut().filter_map(Client::answered).map(|answered| answered.status).collect();
    assert_eq!(statuses.iter().filter(|status| **status == 101).count(), 4, "{statuses:?}");
}

#[test]
fn a_drain_ends_all_reactors_together_and_what_was_accepted_goes_out_first() {
    let mut world = World::of(3, |_, _| {});
    let channel = world.channel_at(0);
    let mut clients: Vec<_> = (0..3).map(|at| world.open_at(at, &format!("/{channel}"))).collect();
    for _ in 0..50 {
        world.publish(&channel, MessageKind::Text, b"one of fifty").unwrap();
    }
    // When the drain begins, only the home has had a turn: it has accepted all fifty messages, and
    // no other reactor has received one.
    world.turn_of(0);
    world.drain();
    world.pass_secs(4);
    for client in &mut clients {
        let heard = client.heard();
        assert_eq!(heard.len(), 51, "{heard:?}");
        assert!(matches!(heard.last(), Some(Heard::Close(1012, _))));
    }
    assert!(world.is_over());
    world.check_empty();
}

/// Runs turns of reactor 0 until it would sleep.
fn turn_until_it_would_sleep(world: &mut World) {
    loop {
        world.turn_of(0);
        if !world.reactors[0].wait_timeout().is_zero() {
            break;
        }
    }
}

#[test]
fn a_publish_that_waits_for_the_sweep_does_not_wait_for_the_clock() {
    let mut world = World::of(1, |limits, hub| {
        limits.decoder.message_bytes_max = 1024;
        hub.channel_buffer_bytes = 4 << 10;
    });
    let mut reader = world.open("/news");
    let mut publisher = world.open("/news");
    for number in 0..40u8 {
        publisher.binary(&[number; 1000]);
    }
    turn_until_it_would_sleep(&mut world);
    assert_eq!(reader.messages().len(), 40);
}

#[test]
fn one_of_another_thread_does_not_either() {
    let mut world = World::of(1, |limits, hub| {
        limits.decoder.message_bytes_max = 1024;
        hub.channel_buffer_bytes = 4 << 10;
    });
    let mut reader = world.open("/news");
    for number in 0..40u8 {
        world.publish("news", MessageKind::Binary, &[number; 1000]).unwrap();
    }
    turn_until_it_would_sleep(&mut world);
    assert_eq!(reader.messages().len(), 40);
}

#[test]
fn a_request_is_answered_though_others_publish_all_the_time() {
    let mut world =
        World::still(Setting { reactors: 2, rings: Some(RingSizes::MIN), ..Setting::default() });
    let channel = world.channel_at(0);
    let path = format!("/{channel}");
    let mut publishers: Vec<_> = (0..30).map(|_| world.open_at(1, &path)).collect();
    let mut probe = connect_at(&mut world, 1);
    let mut answered_after = None;
    for round in 0..1000 {
        publishers.iter_mut().for_each(|publisher| publisher.binary(&[7; 200]));
        if round == 3 {
            probe.request("GET", "/healthz", &[], b"");
        }
        world.turn_of(1);
        world.turn_of(0);
        publishers.iter_mut().for_each(|publisher| drop(publisher.messages()));
        if probe.answered().is_some() {
            answered_after = Some(round);
            break;
        }
    }
    assert_eq!(answered_after.map(|rounds| rounds < 100), Some(true), "{answered_after:?}");
}

#[test]
fn an_answer_does_not_queue_behind_the_messages_of_a_busy_channel() {
    let mut world = World::still(Setting { reactors: 2, ..Setting::default() });
    let path = format!("/{}", world.channel_at(0));
    let mut probe = connect_at(&mut world, 1);
    // The ring of messages from reactor 0 to reactor 1 is full.
    let outbox = &mut world.reactors[0].peers.core.exchange.outbox;
    let mut messages = 0;
    while outbox.has_room(ReactorNumber(1), 16) {
        let message = Message::binary(&[7; 16]);
        let nobodys = Numbered { slot: Slot(u32::MAX), epoch: 0, number: 0, message };
        outbox.deliver(ReactorNumber(1), nobodys);
        messages += 1;
    }
    probe.request("POST", &path, &[], b"hello");
    for reactor in [1, 0, 1] {
        assert!(probe.answered().is_none());
        world.turn_of(reactor);
    }
    let taken = world.reactors[1].peers.core.exchange.inbox.taken_so_far(ReactorNumber(0));
    assert!(taken[2] < messages, "the messages were not all taken yet: {taken:?}");
    assert_eq!(probe.answered().map(|answered| answered.status), Some(202));
    while world.is_mail_under_way() {
        world.turn_of(1);
    }
}

#[test]
fn messages_do_not_starve_behind_answers() {
    let mut world = World::still(Setting { reactors: 2, ..Setting::default() });
    let channel = world.channel_at(0);
    let mut subscriber = world.open_at(1, &format!("/{channel}"));
    world.publish(&channel, MessageKind::Text, b"hello").unwrap();
    world.turn_of(0);
    for _ in 0..3 {
        // The ring of answers from reactor 0 to reactor 1 is filled.
        let outbox = &mut world.reactors[0].peers.core.exchange.outbox;
        while outbox.has_room_to_answer(ReactorNumber(1)) {
            let token = crate::net::Token(u64::MAX - 6);
            outbox.answer(ReactorNumber(1), &AnswerRecord::GoOn { token });
        }
        world.turn_of(1);
    }
    assert!(world.reactors[1].peers.core.exchange.inbox.answer(ReactorNumber(0)).is_some());
    assert_eq!(subscriber.messages(), [b"hello"]);
    while world.is_mail_under_way() {
        world.turn_of(1);
    }
}

#[test]
fn no_request_overtakes_a_membership_update_that_has_to_wait() {
    let mut world =
        World::still(Setting { reactors: 2, rings: Some(RingSizes::MIN), ..Setting::default() });
    let wanted = world.channel_at(0);
    // The ring of answers from reactor 0 to reactor 1 has no room.
    let outbox = &mut world.reactors[0].peers.core.exchange.outbox;
    while outbox.has_room_to_answer(ReactorNumber(1)) {
        let token = crate::net::Token(u64::MAX - 6);
        outbox.answer(ReactorNumber(1), &AnswerRecord::GoOn { token });
    }
    // Reactor 1 subscribes to a channel of reactor 0, and then publishes to it.
    {
        let Core { exchange, turn, .. } = &mut world.reactors[1].peers.core;
        let name = crate::hub::ChannelName::parse(&wanted).unwrap();
        let owner = crate::hub::Owner(u64::MAX - 5);
        let _subscription = exchange.subscribe(name, FormKind::Plain, owner).unwrap();
        let origin = PublishOrigin::Peer(crate::net::Token(u64::MAX - 5));
        let mine = Message::binary(b"mine");
        exchange.submit(origin, name, mine, &turn.counters).unwrap();
    }
    // Reactor 0 takes the updates from its ring. Then reactor 1, as if on another core, empties its
    // own ring. Then reactor 0 serves the requests.
    world.reactors[0].peers.core.exchange.take_note_of_requests();
    while world.reactors[1].peers.core.exchange.take_answer_from(ReactorNumber(0)) == Taken::One {}
    let Core { exchange, turn, .. } = &mut world.reactors[0].peers.core;
    let served = exchange.serve_request(ReactorNumber(1), &turn.counters);
    let members = world.reactors[0]
        .peers
        .core
        .exchange
        .hub
        .views()
        .into_iter()
        .find(|view| view.name == wanted);
    assert!(
        members.as_ref().is_some_and(|view| !view.members.is_empty()) || served != Taken::One,
        "numbered {served:?} although its join, sent before it, has not been taken: {members:?}"
    );
}
