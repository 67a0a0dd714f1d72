//! Tests that one busy channel, one peer or one crowd does not hold up the others: it may take only
//! a bounded part of each turn. Times are counted in turns here. How long turns last is tested in
//! `latency`, with simulated costs.

use super::super::limits::CROWD_PER_TURN_MAX;
use super::super::{PublishError, RefusalReason};
use super::client::{Client, Heard};
use super::frames::Opcode;
use super::world::{Setting, World};
use crate::hub::{ReactorNumber, SlowPolicy};
use crate::protocol::MessageKind;
use crate::reactor::RingSizes;

/// At most this many turns may pass before a bystander is served.
const TURNS_MAX: usize = 10;

/// Runs turns of all reactors until `is_served`. Returns how many it took.
fn turns_until(world: &mut World, mut is_served: impl FnMut() -> bool) -> usize {
    for turns in 0..1000 {
        if is_served() {
            return turns;
        }
        world.turn();
    }
    panic!("not served within a thousand turns");
}

/// A server with this many readers of the channel "busy", whose log is small.
fn crowded(reactors: usize, readers: usize) -> (World, Vec<Client>) {
    let mut setting = Setting { reactors, rings: Some(RingSizes::MIN), ..Setting::default() };
    setting.hub.channel_buffer_bytes = 4 << 10;
    setting.limits.decoder.message_bytes_max = 1024;
    let mut world = World::still(setting);
    let clients = world.open_many(readers, "/busy");
    (world, clients)
}

/// A server with 600 readers and 4 publishers of the channel "busy". The publishers have sent many
/// times as much as the channel's log may keep, and no reactor has read it yet.
fn flooded(reactors: usize) -> (World, Vec<Client>) {
    let (world, mut clients) = crowded(reactors, 604);
    for publisher in &mut clients[600..] {
        (0..100).for_each(|number| publisher.binary(&[number; 900]));
    }
    (world, clients)
}

fn is_flood_over(clients: &mut [Client]) -> bool {
    let is_all = |client: &mut Client| client.messages().len() == 400;
    clients.iter_mut().all(is_all)
}

#[test]
#[ignore = "slow unless optimised"]
fn a_channel_that_is_full_holds_up_no_other() {
    for reactors in [1, 2] {
        let (mut world, mut clients) = flooded(reactors);
        let mut bystanders: Vec<_> = (0..4).map(|_| world.connect()).collect();
        bystanders.iter().for_each(|bystander| bystander.upgrade("/quiet"));
        let turns = turns_until(&mut world, || {
            bystanders
                .iter_mut()
                .all(|bystander| bystander.heard().is_empty() && bystander.is_open())
        });
        assert!(turns <= TURNS_MAX, "{reactors} reactors: the handshakes took {turns} turns");
        for _ in 0..10 {
            bystanders[0].text("hello");
            let turns = turns_until(&mut world, || bystanders[3].messages() == [b"hello".to_vec()]);
            assert!(turns <= TURNS_MAX, "{reactors} reactors: a message took {turns} turns");
            bystanders[1].say(Opcode::Ping, b"");
            let is_pong = |heard: &Heard| matches!(heard, Heard::Pong(_));
            let turns = turns_until(&mut world, || bystanders[1].heard().iter().any(is_pong));
            assert!(turns <= TURNS_MAX, "{reactors} reactors: a pong took {turns} turns");
            let mut visitor = world.connect();
            visitor.request("POST", "/quiet", &[], b"hello");
            let turns = turns_until(&mut world, || visitor.answered().is_some());
            assert!(turns <= TURNS_MAX, "{reactors} reactors: a POST took {turns} turns");
            bystanders.iter_mut().for_each(|bystander| drop(bystander.heard()));
        }
        assert!(!is_flood_over(&mut clients), "the flood has to last as long as this");
        world.rest();
        assert_eq!(world.accepted["busy"].len(), 400);
        assert_eq!(world.log.borrow().closed, []);
    }
}

#[test]
fn no_ring_stands_still_for_a_channel() {
    let (mut world, _clients) = flooded(2);
    let home = world.home_of("busy");
    for _ in 0..50 {
        world.turn_of(1 - home);
        world.turn_of(home);
        let inbox = &world.reactors[home].peers.core.exchange.inbox;
        assert!(inbox.has_no_request(ReactorNumber(1 - home as u16)), "the home takes them all");
    }
}

/// More clients publish at once than the log takes beyond its bound. The messages that it does not
/// take are refused, and a publish to another channel need not wait.
#[test]
#[ignore = "slow unless optimised"]
fn publishers_beyond_the_excess_of_a_channel_hold_up_no_other() {
    let mut setting = Setting::default();
    setting.hub.memory_bytes = 4 << 20;
    setting.hub.private_bytes_max = 0;
    setting.hub.channel_buffer_bytes = 4 << 10;
    setting.hub.message_bytes_max = 1024;
    let mut world = World::still(setting);
    let _readers = world.open_many(600, "/busy");
    let _listener = world.open_many(1, "/quiet");
    let mut posters: Vec<_> = (0..700).map(|_| world.connect()).collect();
    for poster in &posters {
        poster.request("POST", "/busy", &[], &[7; 1_000]);
    }
    (0..4).for_each(|_| world.turn());
    let mut visitor = world.connect();
    visitor.request("POST", "/quiet", &[], b"hello");
    let turns = turns_until(&mut world, || visitor.answered().is_some());
    assert!(turns <= TURNS_MAX, "a POST to a quiet channel took {turns} turns");
    world.rest();
    let statuses: Vec<_> = posters.iter_mut().filter_map(Client::answered).collect();
    let count = |status| statuses.iter().filter(|answered| answered.status == status).count();
    let (taken, refused) = (count(201), count(503));
    assert!(taken > 0 && refused > 0, "{taken} taken, {refused} refused");
    assert_eq!((taken + refused, world.accepted["busy"].len()), (700, taken));
}

/// If memory is short until the sweep has sent what is in the logs, a waiting publish is retried
/// right after that sweep, without waiting for a timeout.
#[test]
fn a_publish_that_waits_for_memory_follows_the_sweep() {
    let mut world = World::with(|limits, hub| {
        limits.decoder.message_bytes_max = 1024;
        hub.message_bytes_max = 1024;
        hub.private_bytes_max = 0;
        hub.memory_bytes = 20 << 10;
        hub.channel_buffer_bytes = 16 << 10;
    });
    let mut reader = world.open("/news");
    let mut posters: Vec<_> = (0..40).map(|_| world.connect()).collect();
    world.rest();
    posters.iter().for_each(|poster| poster.request("POST", "/news", &[], &[7; 1_000]));
    let mut has_waited = false;
    for _ in 0..100 {
        world.turn();
        let exchange = &world.reactor().peers.core.exchange;
        has_waited |= !exchange.inbox.has_no_request(exchange.own);
        if has_waited && !world.reactor().wait_timeout().is_zero() {
            break;
        }
    }
    assert!(has_waited, "there was memory for all of them at once");
    let is_taken =
        |poster: &mut Client| poster.answered().is_some_and(|answered| answered.status == 201);
    assert!(posters.iter_mut().all(is_taken));
    assert_eq!(reader.messages().len(), 40);
}

/// A home that takes no requests holds up the peers that publish much to it, and nobody else of
/// their reactor.
#[test]
fn who_floods_a_home_leaves_room_for_the_others() {
    let rings = Some(RingSizes { bytes: 128 << 10, beside: 16 });
    for (payload_bytes, messages) in [(900, 100), (60_000, 3)] {
        let mut world = World::still(Setting { reactors: 2, rings, ..Setting::default() });
        let [quiet, flooded] = [0, 1].map(|home| world.channel_at(home));
        let flooders = if payload_bytes > 1_000 { 7 } else { 20 };
        let mut flooders: Vec<_> =
            (0..flooders).map(|_| world.open_at(0, &format!("/{flooded}"))).collect();
        let mut bystander = world.open_at(0, &format!("/{quiet}"));
        for (publisher, flooder) in flooders.iter_mut().enumerate() {
            for number in 0..messages {
                flooder.binary(&[publisher as u8, number].repeat(payload_bytes / 2));
            }
        }
        // Reactor 1, the home of the flooded channel, does not run meanwhile.
        let turns_until = |world: &mut World, is_served: &mut dyn FnMut() -> bool| {
            let turns = (0..100).find(|_| {
                is_served() || {
                    world.turn_of(0);
                    false
                }
            });
            assert!(turns.is_some_and(|turns| turns <= TURNS_MAX), "{turns:?}");
        };
        (0..20).for_each(|_| world.turn_of(0));
        for _ in 0..10 {
            bystander.text("hello");
            turns_until(&mut world, &mut || bystander.messages() == [b"hello".to_vec()]);
            bystander.say(Opcode::Ping, b"");
            let is_pong = |heard: &Heard| matches!(heard, Heard::Pong(_));
            turns_until(&mut world, &mut || bystander.heard().iter().any(is_pong));
        }
        world.rest();
        let accepted = &world.accepted[&flooded];
        assert_eq!(accepted.len(), flooders.len() * usize::from(messages));
        for publisher in 0..flooders.len() as u8 {
            let numbers = accepted.iter().filter(|one| one[0] == publisher).map(|one| one[1]);
            assert!(numbers.eq(0..messages), "a publisher's messages keep their order");
        }
        assert_eq!(world.log.borrow().closed, []);
    }
}

/// Peers that publish much to a home wait for room in the ring to it. They do not wait until
/// another home has taken the large payloads that others have sent there.
#[test]
fn who_waits_for_one_home_does_not_wait_for_the_large_payloads_of_another() {
    let rings = Some(RingSizes { bytes: 128 << 10, beside: 16 });
    for is_one_large in [false, true] {
        let mut world = World::still(Setting { reactors: 3, rings, ..Setting::default() });
        let [busy, stopped] = [1, 2].map(|home| world.channel_at(home));
        let mut large: Vec<_> = (0..7).map(|_| world.open_at(0, &format!("/{stopped}"))).collect();
        let mut small: Vec<_> = (0..20).map(|_| world.open_at(0, &format!("/{busy}"))).collect();
        large.iter_mut().for_each(|flooder| (0..3).for_each(|_| flooder.binary(&[7; 60_000])));
        (0..5).for_each(|_| world.turn_of(0));
        if is_one_large {
            small[0].binary(&[7; 60_000]);
        }
        small.iter_mut().for_each(|flooder| (0..20).for_each(|_| flooder.binary(&[7; 900])));
        // Reactor 2, the home of the other channel, does not run meanwhile.
        for _ in 0..60 {
            (0..2).for_each(|reactor| world.turn_of(reactor));
        }
        let accepted = world.accepted.get(&busy).map_or(0, Vec::len);
        assert!(accepted >= 19 * 20, "{accepted} messages were accepted");
        world.rest();
        assert_eq!(world.accepted[&busy].len(), 20 * 20 + usize::from(is_one_large));
        assert_eq!(world.accepted[&stopped].len(), 7 * 3);
        assert_eq!(world.log.borrow().closed, []);
    }
}

/// Clients that POST keep the ring to a slow home, or the large payloads, more than half full. A
/// peer that waits until they are not goes on nevertheless.
#[test]
fn who_waits_for_a_ring_goes_on_although_others_keep_it_full() {
    let rings = Some(RingSizes { bytes: 4 << 10, beside: 16 });
    for payload_bytes in [300, 2_000] {
        let mut world = World::still(Setting { reactors: 2, rings, ..Setting::default() });
        let channel = world.channel_at(1);
        let path = format!("/{channel}");
        let mut publisher = world.open_at(0, &path);
        let mut posters = Vec::new();
        while posters.len() < 20 {
            let poster = world.connect();
            world.rest();
            if world.holder_of(&poster) == 0 {
                posters.push(poster);
            }
        }
        let post = |poster: &Client| poster.request("POST", &path, &[], &vec![200; payload_bytes]);
        posters.iter().for_each(post);
        world.turn_of(0);
        (0..100).for_each(|number| publisher.binary(&vec![number; payload_bytes]));
        let mut posts = 0;
        for _ in 0..2_000 {
            world.turn_of(0);
            // The home takes one record in the time of a turn of the other reactor.
            world.step_of(1);
            for poster in &mut posters {
                if poster.answered().is_some() {
                    posts += 1;
                    post(poster);
                }
            }
        }
        let accepted = &world.accepted[&channel];
        let published = accepted.iter().filter(|message| message[0] < 200).count();
        assert!(published >= posts / 25, "{published} were published, {posts} posted");
        world.rest();
        assert_eq!(world.accepted[&channel].len(), 100 + posts + posters.len());
    }
}

/// Peers that wait for the ring to a home stay in their list while another ring has no room at all.
/// If they went on, they would wait for that one in a queue with everybody else, and all at once
/// fill the ring to their own home.
#[test]
fn who_waits_for_a_ring_does_not_queue_before_others_while_another_is_full() {
    let rings = Some(RingSizes { bytes: 128 << 10, beside: 16 });
    let mut world = World::still(Setting { reactors: 3, rings, ..Setting::default() });
    let [quiet, flooded, full] = [0, 1, 2].map(|home| world.channel_at(home));
    let mut flooders: Vec<_> = (0..151).map(|_| world.open_at(0, &format!("/{flooded}"))).collect();
    let mut bystander = world.open_at(0, &format!("/{quiet}"));
    let mut posters = Vec::new();
    while posters.len() < 10 {
        let poster = world.connect();
        world.rest();
        if world.holder_of(&poster) == 0 {
            posters.push(poster);
        }
    }
    (0..70).for_each(|_| flooders[0].binary(&[7; 900]));
    (0..3).for_each(|_| world.turn_of(0));
    for flooder in &mut flooders[1..] {
        flooder.text("hello");
        (0..20).for_each(|_| flooder.binary(&[7; 900]));
    }
    (0..3).for_each(|_| world.turn_of(0));
    let path = format!("/{full}");
    posters.iter().for_each(|poster| poster.request("POST", &path, &[], &[7; 16_000]));
    (0..3).for_each(|_| world.turn_of(0));
    assert!(!world.reactors[0].peers.core.exchange.has_room());
    world.turn_of(1);
    (0..3).for_each(|_| world.turn_of(0));
    bystander.text("hello");
    world.turn_of(0);
    world.turn_of(2);
    // Reactor 1, the home of the flooded channel, does not run meanwhile.
    (0..TURNS_MAX).for_each(|_| world.turn_of(0));
    assert_eq!(bystander.messages(), [b"hello".to_vec()]);
    world.rest();
    assert_eq!(world.accepted[&flooded].len(), 70 + 150 * 21);
}

#[test]
#[ignore = "slow unless optimised"]
fn a_post_to_a_full_channel_is_answered_when_it_has_room() {
    let (mut world, clients) = flooded(1);
    world.turn();
    let mut visitor = world.connect();
    visitor.request("POST", "/busy", &[], b"one more");
    (0..3).for_each(|_| world.turn());
    assert_eq!(visitor.answered(), None, "it waits as the other publishers do");
    world.rest();
    assert_eq!(visitor.answered().map(|answered| answered.status), Some(201));
    drop(clients);
}

/// A thread that publishes to a full channel does not hold up the other threads of its reactor.
#[test]
#[ignore = "slow unless optimised"]
fn a_thread_waits_for_its_own_channel_alone() {
    for reactors in [1, 2] {
        let (mut world, _readers) = crowded(reactors, 600);
        let names = (0..).map(|number| format!("quiet-{number}"));
        let home = world.home_of("busy");
        let quiet = names.into_iter().find(|name| world.home_of(name) == home).unwrap();
        let mut listener = world.open(&format!("/{quiet}"));
        let [flooder, other] = [(); 2].map(|()| world.new_line());
        let mut sent = Vec::new();
        for number in 0..10 {
            loop {
                let payload = (sent.len() as u32).to_be_bytes().repeat(200);
                let published = world.publish_as(&flooder, "busy", MessageKind::Binary, &payload);
                if published == Err(PublishError::Busy) {
                    break;
                }
                assert_eq!(published, Ok(()));
                sent.push(payload);
            }
            let payload = [number; 8];
            let published = world.publish_as(&other, &quiet, MessageKind::Binary, &payload);
            assert_eq!(published, Ok(()), "{reactors} reactors");
            let turns = turns_until(&mut world, || listener.messages() == [payload.to_vec()]);
            assert!(turns <= TURNS_MAX, "{reactors} reactors: a message took {turns} turns");
        }
        assert!(
            world.accepted["busy"].len() < sent.len() - 800,
            "the flood has to last as long as this"
        );
        world.rest();
        assert_eq!(world.accepted["busy"], sent, "in order");
        assert_eq!(flooder.take_refused(), Some(Vec::new()));
        assert_eq!(world.log.borrow().closed, []);
    }
}

/// A server with little memory, 300 readers of the channel "busy", and one of "quiet". The log of
/// "busy" is small, and may exceed its bound by 128 KiB.
fn crowded_and_short_of_memory() -> (World, Vec<Client>, Client) {
    let mut setting = Setting::default();
    setting.hub.memory_bytes = 1 << 20;
    setting.hub.private_bytes_max = 0;
    setting.hub.channel_buffer_bytes = 4 << 10;
    setting.hub.message_bytes_max = 4 << 10;
    let mut world = World::still(setting);
    let readers = world.open_many(300, "/busy");
    let listener = world.open("/quiet");
    (world, readers, listener)
}

/// A clone of a publisher for each message is held back as one publisher is.
#[test]
#[ignore = "slow unless optimised"]
fn many_threads_of_one_message_each_wait_for_a_full_channel_and_hold_up_no_other() {
    let (mut world, _readers, mut listener) = crowded_and_short_of_memory();
    let sent: Vec<_> = (0..100).map(|number| vec![number; 3_000]).collect();
    let mut lines = Vec::new();
    for payload in &sent {
        let line = world.new_line();
        assert_eq!(world.publish_as(&line, "busy", MessageKind::Binary, payload), Ok(()));
        lines.push(line);
    }
    assert_eq!(world.publish("quiet", MessageKind::Binary, b"hello"), Ok(()));
    let turns = turns_until(&mut world, || listener.messages() == [b"hello".to_vec()]);
    assert!(turns <= TURNS_MAX, "a message to a quiet channel took {turns} turns");
    assert!(world.accepted["busy"].len() < 20, "the log has no room for the others");
    world.rest();
    assert_eq!(world.accepted["busy"], sent);
    assert!(lines.iter().all(|line| line.take_refused() == Some(Vec::new())));
    assert_eq!(world.log.borrow().closed, []);
}

/// When enough messages are put aside, the queue stops, and so do the threads.
#[test]
#[ignore = "slow unless optimised"]
fn threads_of_one_message_each_are_told_that_the_server_is_busy() {
    let (mut world, _readers, _listener) = crowded_and_short_of_memory();
    let (mut sent, mut lines) = (Vec::new(), Vec::new());
    let mut publish = |world: &World| {
        let (line, payload) = (world.new_line(), (sent.len() as u32).to_be_bytes().repeat(50));
        let published = world.publish_as(&line, "busy", MessageKind::Binary, &payload);
        if published.is_ok() {
            sent.push(payload);
            lines.push(line);
        }
        published
    };
    // In each turn they publish more than the channel takes.
    for turn in 0..30 {
        for _ in 0..80 {
            assert_eq!(publish(&world), Ok(()), "in turn {turn}");
        }
        world.turn();
    }
    let outcomes: Vec<_> = (0..1_000).map(|_| publish(&world)).collect();
    assert_eq!(outcomes.last(), Some(&Err(PublishError::Busy)), "nothing stops the threads");
    world.rest();
    assert_eq!(world.accepted["busy"], sent);
    assert!(lines.iter().all(|line| line.take_refused() == Some(Vec::new())));
    assert_eq!(world.log.borrow().closed, []);
}

/// Makes a server on which another thread has published more messages to the channel "busy" than it
/// has room for.
fn flooded_by_a_thread() -> (World, Vec<Client>, Vec<Vec<u8>>) {
    let (mut world, readers) = crowded(1, 600);
    let sent: Vec<_> = (0..40).map(|number| vec![number; 900]).collect();
    for payload in &sent {
        assert_eq!(world.publish("busy", MessageKind::Binary, payload), Ok(()));
    }
    world.turn();
    assert!(world.accepted["busy"].len() < sent.len() / 2, "most of them wait");
    (world, readers, sent)
}

#[test]
fn a_drain_waits_for_what_a_thread_has_published_to_a_full_channel() {
    let (mut world, mut readers, sent) = flooded_by_a_thread();
    world.drain();
    world.pass_secs(20);
    assert!(world.is_over());
    assert_eq!(world.line.take_refused(), Some(Vec::new()));
    let sent: Vec<_> = sent.into_iter().map(Heard::Message).collect();
    for reader in &mut readers {
        let heard = reader.heard();
        assert!(heard[..40] == sent[..] && matches!(heard[40], Heard::Close(1012, _)));
    }
}

#[test]
fn a_server_that_stops_gives_back_what_waits_for_a_full_channel() {
    let (mut world, _readers, sent) = flooded_by_a_thread();
    world.reactors.clear();
    let refused = world.line.take_refused().unwrap();
    assert!(refused.iter().all(|one| one.reason == RefusalReason::Stopped));
    let refused = refused.into_iter().map(|one| one.payload);
    let all: Vec<_> = world.accepted["busy"].iter().cloned().chain(refused).collect();
    assert_eq!(all, sent, "each is accepted or given back, in order");
}

/// A message that was put aside is refused if an earlier one of its publisher was.
#[test]
fn what_waits_for_a_full_channel_behind_a_refusal_is_refused() {
    let mut setting = Setting::default();
    setting.hub.channel_buffer_bytes = 4 << 10;
    setting.hub.channels_max = 1;
    let mut world = World::still(setting);
    let _readers = world.open_many(600, "/busy");
    let mut sent = 0..;
    let mut publish = |world: &World, channel| {
        let payload = [sent.next().unwrap(); 900];
        world.publish(channel, MessageKind::Binary, &payload).unwrap();
    };
    (0..20).for_each(|_| publish(&world, "busy"));
    publish(&world, "one too many");
    (0..20).for_each(|_| publish(&world, "busy"));
    world.rest();
    let payloads = |numbers: std::ops::Range<u8>| numbers.map(|number| vec![number; 900]);
    assert!(world.accepted["busy"].iter().cloned().eq(payloads(0..20)));
    let refused = world.line.take_refused().unwrap().into_iter().map(|one| one.payload);
    assert!(refused.eq(payloads(20..41)));
}

#[test]
#[ignore = "slow unless optimised"]
fn one_message_that_cuts_off_a_crowd_is_told_in_many_turns() {
    for slow_policy in [SlowPolicy::Disconnect, SlowPolicy::Skip] {
        let mut world = World::with(|_, hub| {
            hub.channel_buffer_bytes = 64 << 10;
            // Memory suffices to keep the unsent rest of every partly sent frame.
            hub.private_bytes_max = 64 << 20;
            hub.slow_policy = slow_policy;
        });
        let mut crowd = world.open_many(1000, "/news");
        let mut other = world.open("/echo");
        let visitor = world.connect();
        // Every socket accepts only a part of the first message.
        crowd.iter().for_each(Client::stall);
        visitor.request("POST", "/news", &[], &[1; 40_000]);
        world.rest();
        visitor.request("POST", "/news", &[], &[2; 40_000]);
        world.turn();
        let told = |world: &World| world.log.borrow().closed.len();
        assert!(told(&world) <= CROWD_PER_TURN_MAX);
        // A peer that reads again before its overrun is handled gets the rest of its partly sent
        // frame, and no other frame inside it.
        crowd[999].wake();
        crowd[999].say(Opcode::Ping, b"still here");
        other.text("hello");
        let turns = turns_until(&mut world, || other.messages() == [b"hello".to_vec()]);
        assert!(turns <= 2, "a bystander waits for the crowd");
        world.rest();
        if slow_policy == SlowPolicy::Disconnect {
            assert_eq!(told(&world), 1000);
        }
        crowd.iter().for_each(Client::wake);
        world.rest();
        for client in &mut crowd {
            let heard = client.heard();
            assert_eq!(heard[0], Heard::Message(vec![1; 40_000]), "the frame is finished");
            let is_told = matches!(heard.last(), Some(Heard::Close(4008, _)));
            assert_eq!(is_told, slow_policy == SlowPolicy::Disconnect, "{:?}", heard.last());
        }
    }
}

#[test]
fn a_flood_of_pings_is_answered_by_few_pongs_and_delays_nobody() {
    let mut world = World::new();
    let mut flooders = world.open_many(16, "/echo");
    let mut other = world.open("/echo");
    for flooder in &mut flooders {
        (0..5_000).for_each(|_| flooder.say(Opcode::Ping, b"?"));
        flooder.say(Opcode::Ping, b"the last one");
    }
    world.turn();
    other.text("hello");
    let turns = turns_until(&mut world, || other.messages() == [b"hello".to_vec()]);
    assert!(turns <= TURNS_MAX, "{turns} turns");
    world.rest();
    for flooder in &mut flooders {
        let heard = flooder.heard();
        let last = Heard::Pong(b"the last one".to_vec());
        assert_eq!(heard.last(), Some(&last), "the last ping is answered");
        assert!(heard.len() < 1000, "{} pongs", heard.len());
    }
}
