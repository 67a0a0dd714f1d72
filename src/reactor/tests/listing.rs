//! Lists of channels: what every reactor knows is in them, and they take no reactor's time.

use std::time::Duration;

use super::super::ReactorLimits;
use super::client::Client;
use super::timed::TimedWorld;
use super::world::{Setting, World};
use crate::hub::{ChannelName, HubLimits};
use crate::protocol::Message;

/// Asks for a list. Returns its lines, without the figure in bytes; the last one is `all` or
/// `more`.
fn list(world: &mut World, asker: &mut Client, query: &str) -> Vec<String> {
    asker.request("GET", &format!("/list/{query}"), &[], b"");
    for _ in 0..50 {
        world.rest();
        if let Some(answered) = asker.answered() {
            assert_eq!(answered.status, 200, "{}", answered.body);
            let line = |line: &str| line.rsplit_once(' ').map_or(line, |(line, _)| line).to_owned();
            return answered.body.lines().map(line).collect();
        }
        world.pass(Duration::from_millis(100));
    }
    panic!("no answer in five seconds");
}

/// Sends this many messages, one after the other.
fn publish(world: &mut World, client: &mut Client, messages: usize) {
    for _ in 0..messages {
        client.text("hello");
        world.rest();
    }
}

#[test]
fn a_list_has_the_subscribers_of_all_reactors_and_the_messages_since_the_last_one() {
    for reactors in 1..=3 {
        let mut world = World::of(reactors, |_, _| {});
        let mut one = world.open_many(7, "/one");
        let mut duo = world.open_many(20, "/duo");
        let _three = world.open_many(3, "/three");
        let mut asker = world.connect();
        publish(&mut world, &mut one[0], 5);
        assert_eq!(
            list(&mut world, &mut asker, "subscribers/10/"),
            ["duo 20 0 0 0", "one 7 5 0 0", "three 3 0 0 0", "all"],
            "{reactors} reactors; the messages came before the rates were measured"
        );
        publish(&mut world, &mut one[0], 6);
        publish(&mut world, &mut duo[0], 3);
        world.pass(Duration::from_secs(3));
        let lines = list(&mut world, &mut asker, "rate/2/");
        let rate = |line: &str| {
            let fields: Vec<&str> = line.split(' ').collect();
            (fields[0].to_owned(), fields[3].parse::<f64>().unwrap())
        };
        let rates = [rate(&lines[0]), rate(&lines[1])];
        assert_eq!([&rates[0].0, &rates[1].0], ["one", "duo"]);
        assert!((1.5..=2.0).contains(&rates[0].1), "6 messages in 3 s and a little: {rates:?}");
        assert!((rates[0].1 - 2.0 * rates[1].1).abs() < 0.001, "twice as many: {rates:?}");
        assert_eq!(lines[2], "more");
        assert_eq!(list(&mut world, &mut asker, "subscribers/1/e").len(), 2);
        assert_eq!(list(&mut world, &mut asker, "subscribers/10/hr")[1..], ["all"]);
        assert_eq!(list(&mut world, &mut asker, "subscribers/10/nothing"), ["all"]);
    }
}

#[test]
fn a_channel_with_a_slow_subscriber_is_the_first_by_lag_wherever_the_subscriber_is() {
    for seed in 1..5 {
        let mut world = World::still(Setting { seed, reactors: 3, ..Setting::default() });
        let _healthy = world.open_many(9, "/healthy");
        let slow = world.open("/slow");
        let mut publisher = world.open("/slow");
        let mut asker = world.connect();
        slow.stall();
        for _ in 0..150 {
            publisher.binary(&[0; 1_000]);
            world.rest();
        }
        let lines = list(&mut world, &mut asker, "lag/10/");
        let lag: u64 = lines[0].strip_prefix("slow 2 150 0 ").unwrap().parse().unwrap();
        // What the slow one's socket has taken is not in the log any more, up to a segment.
        assert!((50..=150).contains(&lag), "{lines:?}");
        assert_eq!(lines[1..], ["healthy 9 0 0 0", "all"]);
        slow.wake();
        world.rest();
        assert_eq!(list(&mut world, &mut asker, "lag/1/")[1], "more");
        assert_eq!(list(&mut world, &mut asker, "lag/10/slow"), ["slow 2 150 0 0", "all"]);
    }
}

#[test]
fn when_a_reactor_stands_still_the_answer_is_503_after_ten_seconds() {
    let mut world = World::of(2, |_, _| {});
    let mut askers: Vec<_> = (0..20).map(|_| world.connect()).collect();
    world.rest();
    for asker in &askers {
        asker.request("GET", "/list/subscribers/10/", &[], b"");
    }
    for _ in 0..30 {
        world.turn_of(0);
        world.sim.advance(Duration::from_millis(500));
    }
    world.turn_of(0);
    let answers: Vec<_> =
        askers.iter_mut().filter_map(Client::answered).map(|answered| answered.body).collect();
    // There are at most eight at once, and none of those on the other reactor has an answer.
    assert_eq!(answers.iter().filter(|body| *body == "a reactor is missing").count(), 8);
    assert!(answers.iter().filter(|body| *body == "busy\n").count() > 0);
    world.rest();
    assert_eq!(list(&mut world, &mut askers[0], "subscribers/10/"), ["all"]);
}

#[test]
fn a_hundred_thousand_channels_make_no_long_turn() {
    for reactors in [1, 2] {
        let mut server = TimedWorld::new(Setting {
            reactors,
            limits: ReactorLimits::default(),
            hub: HubLimits { memory_bytes: 1 << 30, ..HubLimits::default() },
            ..Setting::default()
        });
        for reactor in 0..reactors {
            for name in server.channels_at(reactor, 100_000 / reactors) {
                let hub = &mut server.reactors[reactor].peers.core.exchange.hub;
                let name = ChannelName::parse(&name).unwrap();
                hub.publish(name, Message::text("hello"), &mut ()).unwrap();
                hub.numbered.clear();
            }
        }
        server.run_for(Duration::from_secs(1), &mut ());
        server.forget_turns();
        let mut asker = server.connect();
        asker.request("GET", "/list/rate/1000/", &[], b"");
        server.run_for(Duration::from_secs(2), &mut ());
        let answered = asker.answered().expect("two walks and a second between them");
        assert_eq!((answered.status, answered.body.lines().count()), (200, 1_001));
        let longest = server.longest_turn();
        assert!(longest.duration < Duration::from_millis(1), "{longest}");
    }
}
