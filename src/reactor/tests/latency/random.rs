//! Random scenes: several crowds at once, drawn from a seed.

use std::time::Duration;

use super::super::client::Client;
use super::super::dice::Dice;
use super::super::frames::{Opcode, request};
use super::super::timed::Actor;
use super::bystander::{CROWDED, Kind};
use super::crowd::{Flood, Once, Publishers, readers};
use super::scene::{Report, Scene};

/// How much simulated time a random scene takes.
const DURATION: Duration = Duration::from_millis(500);

fn between(dice: &mut Dice, least: usize, most: usize) -> usize {
    least + dice.below(most - least + 1)
}

/// What a crowd of a random scene does.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Deed {
    /// Peers flood a channel of many readers.
    Flood,
    /// Peers flood pings.
    Ping,
    /// Peers post without end.
    Post,
    /// Subscribers of one channel stall, and are cut off together.
    Cut,
    /// Peers stall on channels of their own.
    Stall,
    /// Readers reset their connections together.
    Reset,
    /// Readers end their side together.
    Leave,
    /// Newcomers subscribe to one channel together.
    Come,
    /// Newcomers subscribe to channels of their own together.
    Spread,
}

impl Deed {
    const ALL: [Deed; 9] = [
        Deed::Flood,
        Deed::Ping,
        Deed::Post,
        Deed::Cut,
        Deed::Stall,
        Deed::Reset,
        Deed::Leave,
        Deed::Come,
        Deed::Spread,
    ];

    /// Returns true if new connections must wait in the kernel's accept queue behind this crowd's
    /// handshakes.
    fn fills_the_queue(self) -> bool {
        matches!(self, Deed::Come | Deed::Spread)
    }
}

/// Runs the scene of a seed.
pub(super) fn run(seed: u64) -> Report {
    let dice = &mut Dice::new(seed);
    let reactors = dice.pick(&[1, 1, 2, 4]);
    let mut deeds: Vec<_> = (0..between(dice, 1, 4)).map(|_| dice.pick(&Deed::ALL)).collect();
    deeds.dedup();
    let name = format!("{deeds:?}");
    let mut scene = Scene::with(&name, reactors, seed, |setting| {
        setting.sim.send_buffer_bytes = dice.pick(&[1_024, 16 << 10]);
        setting.hub.channel_buffer_bytes = dice.pick(&[64 << 10, 256 << 10, 1 << 20]);
    });
    let kinds = Kind::ALL.into_iter();
    let is_bystander = |kind: &Kind| {
        let comes = matches!(kind, Kind::Handshake | Kind::Join | Kind::Enter);
        !comes || !deeds.iter().any(|deed| deed.fills_the_queue())
    };
    scene.invite(&kinds.filter(is_bystander).collect::<Vec<_>>());
    let mut actors: Vec<Box<dyn Actor>> = Vec::new();
    for (place, deed) in deeds.iter().enumerate() {
        actors.extend(crowd(*deed, place, &mut scene, dice));
    }
    scene.run(DURATION, &mut actors[..])
}

fn crowd(deed: Deed, place: usize, scene: &mut Scene, dice: &mut Dice) -> Vec<Box<dyn Actor>> {
    let server = &mut scene.server;
    let hall = format!("/{CROWDED}-{place}");
    let start = DURATION * between(dice, 0, 50) as u32 / 100;
    let size = dice.pick(&[16, 256, 2_000, 60_000]);
    match deed {
        Deed::Flood => {
            let count = between(dice, 100, 3_000);
            let readers = readers(server, count, &format!("/{CROWDED}"));
            let count = between(dice, 1, 8);
            let publishers = server.open_many(count, |_| format!("/{CROWDED}"));
            let flood = Flood::of(server, publishers, Opcode::Binary, &vec![7; size]);
            vec![Box::new(flood.beside(readers))]
        }
        Deed::Ping => {
            let count = between(dice, 20, 150);
            let peers = server.open_many(count, |_| "/echo".to_owned());
            vec![Box::new(Flood::of(server, peers, Opcode::Ping, b"ping"))]
        }
        Deed::Post => {
            let count = between(dice, 20, 150);
            let peers = (0..count).map(|_| server.connect()).collect();
            let post = request("POST", &hall, &[], &vec![7; size]);
            let readers = readers(server, 100, &hall);
            vec![Box::new(Flood::of_bytes(server, peers, &post).beside(readers))]
        }
        Deed::Cut => {
            let count = between(dice, 500, 4_000);
            let stalled = server.open_many(count, |_| hall.clone());
            stalled.iter().for_each(Client::stall);
            let publisher = server.open_many(1, |_| hall.clone());
            let pace = (1_000, Duration::from_micros(500));
            let publisher = Publishers::new(server, publisher, 1_000, pace);
            vec![Box::new(publisher), Box::new(Flood::of_bytes(server, stalled, b""))]
        }
        Deed::Stall => {
            let count = between(dice, 20, 200);
            let strangers = server.open_many(count, |number| format!("{hall}/{number}"));
            strangers.iter().for_each(Client::stall);
            let pace = (60, Duration::from_millis(5));
            vec![Box::new(Publishers::new(server, strangers, 8 << 10, pace))]
        }
        Deed::Reset | Deed::Leave => {
            let count = between(dice, 500, 5_000);
            let readers = readers(server, count, &hall);
            let leave = move |reader: &Client| match deed {
                Deed::Reset => reader.peer.reset(),
                _ => reader.peer.close_write(),
            };
            let at = server.now() + start;
            vec![Box::new(Once::at(at, move |_| readers.iter().for_each(leave)))]
        }
        Deed::Come | Deed::Spread => {
            let count = between(dice, 500, 5_000);
            let mut come = Vec::new();
            let at = server.now() + start;
            vec![Box::new(Once::at(at, move |server| {
                come.extend((0..count).map(|number| {
                    let client = server.connect();
                    client.peer.set_discarding(true);
                    client.upgrade(&match deed {
                        Deed::Come => hall.clone(),
                        _ => format!("{hall}/{number}"),
                    });
                    client
                }));
            }))]
        }
    }
}
