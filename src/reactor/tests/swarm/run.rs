//! One random run of a server and its clients, determined by a seed.

use std::collections::{HashMap, HashSet};
use std::time::Duration;

use super::super::super::limits::LAST_CALL_MAX;
use super::super::app::FAREWELL;
use super::super::client::Client;
use super::super::dice::Dice;
use super::super::frames::Opcode;
use super::super::tls_client::TlsClient;
use super::super::world::{PORT, Setting, TLS_PORT, World};
use super::actor::{Actor, Role};
use super::plan::Plan;
use crate::hub::{DropReason, OUT_OF_MEMORY};
use crate::instant::Instant;
use crate::net::sim::{SimCrash, SimFaults};
use crate::protocol::MessageKind;

const CHANNELS: [&str; 3] = ["news", "sport", "two-b"];

/// The channel to which only the test itself publishes, as another thread would.
const MAIL: &str = "mail";

/// The publisher number in the messages that the test itself publishes.
const MAILER: u32 = u32::MAX;

/// The most clients of a run. Those that have ended are kept too, and checked at the end.
const ACTORS_MAX: usize = 80;

/// The most turns until nothing is pending. A run that needs more will never come to rest.
const TURNS_TO_REST_MAX: usize = 40_000;

/// For this long after the faults have ended, a client may still read that it was closed for being
/// slow: the Close frame was sent during the faults. A later one is an error of the server.
const LATE_NEWS: Duration = Duration::from_secs(3);

/// After this many turns a drain continues without faults: if spurious wake-ups are among them,
/// hardly any simulated time passes.
const FAULTY_TURNS_MAX: usize = 100_000;

/// The most turns of a drain. If it takes more, some reactor never sleeps, so no time passes.
const DRAIN_TURNS_MAX: usize = 1_000_000;

pub(super) struct Run {
    world: World,
    plan: Plan,
    dice: Dice,
    actors: Vec<Actor>,
    /// How many publishers there were so far. Each message contains the number of its publisher.
    publishers: u32,
    mailed: u32,
    /// Turns are run step by step, by `steps`, even if they are not interrupted.
    is_stepwise: bool,
    /// The moment when all faults and pauses had ended and all clients had begun to read. `None`
    /// until then.
    resting_since: Option<Instant>,
    /// A client has sent random bytes. They may happen to form a frame or the rest of one, and so a
    /// message that the run did not make.
    has_garbage: bool,
}

/// The result of a run.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Outcome {
    /// A hash of all calls to the simulated network.
    pub(super) hash: u64,
    /// How often a channel was forgotten and created again, with a new epoch.
    pub(super) rollovers: u64,
}

/// Returns a payload of `bytes` bytes. Its first eight are the number and the publisher, which
/// determine all others.
fn payload(publisher: u32, number: u32, bytes: usize) -> Vec<u8> {
    let mut payload = Vec::with_capacity(bytes.max(8));
    payload.extend_from_slice(&number.to_le_bytes());
    payload.extend_from_slice(&publisher.to_le_bytes());
    let mut state = u64::from(publisher) << 32 | u64::from(number);
    while payload.len() < bytes {
        // Every other message can be compressed.
        if number.is_multiple_of(2) {
            state = state.wrapping_mul(0x5851_f42d_4c95_7f2d).wrapping_add(1);
        }
        payload.extend_from_slice(&state.to_be_bytes());
    }
    payload.truncate(bytes);
    payload
}

/// Returns the publisher and the number in a payload, or `None` if `payload` did not make it.
fn author(published: &[u8]) -> Option<(u32, u32)> {
    let [number, publisher] = [0..4, 4..8].map(|place| {
        let bytes = published.get(place)?;
        Some(u32::from_le_bytes(bytes.try_into().ok()?))
    });
    let author = (publisher?, number?);
    (payload(author.0, author.1, published.len()) == published).then_some(author)
}

impl Run {
    pub(super) fn new(seed: u64) -> Run {
        let mut dice = Dice::new(seed);
        let plan = Plan::draw(seed, &mut dice);
        let world = World::from(Setting {
            seed,
            faults: plan.faults,
            sim: plan.sim,
            limits: plan.limits.clone(),
            hub: plan.hub,
            reactors: plan.reactors,
            rings: Some(plan.rings),
            own_policy: plan.own_policy,
            wants_served: plan.wants_served,
            speaks_tls: plan.speaks_tls,
        });
        Run {
            world,
            plan,
            dice,
            actors: Vec::new(),
            publishers: 0,
            mailed: 0,
            is_stepwise: false,
            resting_since: None,
            has_garbage: false,
        }
    }

    /// Makes a run in which no reactor is interrupted in the middle of a turn. Turns are run by
    /// `Reactor::turn`, or by `steps` if `is_stepwise`.
    pub(super) fn uninterrupted(seed: u64, is_stepwise: bool) -> Run {
        let mut run = Run::new(seed);
        run.plan.interruptions = usize::MAX;
        run.is_stepwise = is_stepwise;
        run
    }

    /// Runs to the end, and checks everything. Returns the outcome.
    pub(super) fn finish(mut self) -> Outcome {
        for _ in 0..self.plan.steps {
            for _ in 0..=self.dice.below(3) {
                self.act();
            }
            self.turn();
        }
        // One run in four is drained while clients are still busy.
        let rests = !self.dice.one_in(4);
        if rests {
            self.come_to_rest();
            self.check_nothing_is_missing();
        }
        self.end(rests);
        self.check_publishers();
        self.check_order();
        self.check_epochs();
        self.check_served();
        Outcome { hash: self.world.sim.trace_hash(), rollovers: self.rollovers() }
    }

    /// Lets a random reactor that is not paused run for a turn, or for a part of one.
    fn turn(&mut self) {
        let mut number = self.dice.below(self.plan.reactors);
        if Some(number) == self.plan.lazy && !self.dice.one_in(20) {
            number = (number + 1) % self.plan.reactors;
        }
        while (0..self.plan.reactors).all(|reactor| self.world.sim.is_paused(reactor)) {
            self.world.hold_clock();
            assert!(self.world.sim.go_on(), "every pause must end");
        }
        while self.world.sim.is_paused(number) {
            number = (number + 1) % self.plan.reactors;
        }
        self.run_reactor(number);
        self.hear_all();
    }

    /// Runs a reactor to the end of its turn, or until it is interrupted.
    fn run_reactor(&mut self, number: usize) {
        if self.plan.interruptions == usize::MAX && !self.is_stepwise {
            return self.world.turn_of(number);
        }
        while self.world.step_of(number) {
            let interruptions = self.plan.interruptions;
            if interruptions < usize::MAX && self.dice.one_in(interruptions) {
                return self.world.interrupt(number);
            }
        }
    }

    /// Pauses a reactor for a while, as if the system gave its core to another process.
    fn pause_somebody(&mut self) {
        let reactor = self.dice.below(self.plan.reactors);
        let millis = self.dice.pick(&[1, 100, 1_000, 3_000, 15_000]);
        self.world.sim.pause(reactor, Duration::from_millis(millis));
    }

    fn hear_all(&mut self) {
        for place in 0..self.actors.len() {
            self.hear(place);
        }
    }

    fn hear(&mut self, place: usize) {
        let actor = &mut self.actors[place];
        let was_open = actor.client.is_open();
        let could_answer = actor.can_send();
        let refused = actor.hear();
        if could_answer
            && let Some(code) = actor.closed
            && self.resting_since.is_some_and(|since| self.world.sim.now() > since + LATE_NEWS)
        {
            let is_late = code == 4408 || actor.reason.contains("took nothing");
            assert!(!is_late, "closed with {code} although it reads and answers: {}", actor.reason);
        }
        if !was_open && actor.client.is_open() {
            let accepted = &self.world.accepted;
            let so_far = |channel: &&str| accepted.get(*channel).map_or(0, Vec::len);
            actor.joined = actor.role.channels().iter().map(so_far).collect();
        }
        assert!(!actor.is_healthy || !actor.client.was_refused_by_tls(), "its TLS was valid");
        for status in refused {
            let expected = [400, 408, 413, 429, 431, 501, 503].contains(&status);
            assert!(expected, "status {status}");
            assert!(
                !actor.is_healthy || [408, 429, 503].contains(&status),
                "a healthy client got {status}"
            );
        }
        if let Some(code) = actor.closed
            && actor.is_healthy
        {
            let is_publisher = actor.published > 0;
            let never_slow = self.plan.writes_are_never_refused();
            match code {
                1000 | 1012 => {}
                1008 => assert!(actor.has_paused, "its message was not sent slowly"),
                // 1013: its message was refused, or there was no memory for an unfinished message.
                1013 => {
                    let is_subscriber = !actor.role.channels().is_empty();
                    let is_refused = is_publisher && self.plan.may_refuse();
                    let is_short = actor.has_paused && self.plan.hub.memory_bytes < 1 << 30;
                    assert!(
                        is_refused
                            || is_short && actor.reason == OUT_OF_MEMORY
                            || is_subscriber && self.plan.hub.channels_max < 1_000,
                        "{:?} was refused: {}",
                        actor.role,
                        actor.reason
                    );
                }
                4008 => {
                    assert!(!never_slow, "a healthy subscriber was closed as slow");
                    let took_nothing = actor.reason.contains("took nothing");
                    assert!(
                        !took_nothing || self.plan.often_starves(),
                        "it was closed although it was not written to"
                    );
                }
                code => panic!("a healthy client was closed with {code}"),
            }
        }
    }

    // Actions.

    fn act(&mut self) {
        if self.dice.one_in(self.plan.pauses) {
            self.pause_somebody();
        }
        let willing: Vec<usize> =
            (0..self.actors.len()).filter(|place| self.actors[*place].can_send()).collect();
        let has_place = willing.len() < self.plan.crowd && self.actors.len() < ACTORS_MAX;
        if willing.is_empty() || (has_place && self.dice.one_in(5)) {
            return self.come();
        }
        let place = self.dice.pick(&willing);
        if self.dice.one_in(self.plan.malice) {
            return self.misbehave(place);
        }
        if self.dice.below(14) < self.plan.leaves {
            return self.leave(place);
        }
        match self.dice.below(13) {
            0 => {
                let frame = self.actors[place].client.frame(Opcode::Ping, b"ping");
                self.say(place, &frame);
            }
            1 => self.mail(),
            _ => self.talk(place),
        }
    }

    fn come(&mut self) {
        let address = std::net::IpAddr::from([127, 0, 0, 1 + self.dice.below(3) as u8]);
        // Not by the dice, so that the runs without TLS stay as they were.
        let is_encrypted = self.plan.speaks_tls && self.actors.len() % 2 == 1;
        let mut client = match is_encrypted {
            true => {
                let peer = self.world.sim.connect_from(address, TLS_PORT);
                Client::over_tls(peer, TlsClient::new())
            }
            false => Client::new(self.world.sim.connect_from(address, PORT)),
        };
        let role = match self.dice.below(8) {
            0 => Role::Echo,
            1 => Role::Visitor,
            2 => self.dice.pick(&[Role::Member(MAIL), Role::Mourned]),
            3 => Role::Both,
            _ => Role::Member(self.dice.pick(&CHANNELS)),
        };
        let path = match role {
            Role::Echo => Some("/echo".to_owned()),
            // One in ten publishes once, and the server closes it in the same callback.
            Role::Member(channel) if self.dice.one_in(10) => Some(format!("/leave/{channel}")),
            Role::Member(channel) => Some(format!("/{channel}")),
            Role::Both => Some("/two".to_owned()),
            Role::Mourned => Some("/bye/news".to_owned()),
            Role::Visitor => None,
        };
        match path {
            Some(path) if self.actors.len() / 2 % 2 == 1 => client.upgrade_with_compression(&path),
            Some(path) => client.upgrade(&path),
            None => {}
        }
        self.actors.push(Actor::new(client, role));
    }

    /// Sends a frame to the server, and sometimes keeps back the rest of it for later.
    fn say(&mut self, place: usize, frame: &[u8]) {
        let actor = &mut self.actors[place];
        // Nothing may be sent before the 101.
        if !actor.client.is_open() {
            return;
        }
        let cut = match self.dice.one_in(4) {
            true => self.dice.below(frame.len()),
            false => frame.len(),
        };
        actor.send(&frame[..cut]);
        actor.unsaid = frame[cut..].to_vec();
        actor.has_paused |= cut < frame.len();
    }

    fn draw_payload(&mut self, publisher: u32, number: u32) -> Vec<u8> {
        let size = self.dice.pick(self.plan.sizes).min(self.plan.limits.decoder.message_bytes_max);
        let size = self.dice.below(size + 1);
        // The first eight bytes identify a message.
        payload(publisher, number, size.max(8))
    }

    fn talk(&mut self, place: usize) {
        let role = self.actors[place].role;
        match role {
            Role::Visitor => self.ask(place),
            Role::Member(MAIL) => {}
            _ if !self.actors[place].client.is_open() => {}
            Role::Member(_) | Role::Both | Role::Mourned | Role::Echo => {
                for _ in 0..=self.dice.below(self.plan.burst) {
                    if self.actors[place].published == 0 {
                        self.publishers += 1;
                        self.actors[place].published = self.publishers << 16;
                    }
                    self.actors[place].published += 1;
                    let number = self.actors[place].published;
                    let payload = self.draw_payload(number >> 16, number & 0xffff);
                    let frames = self.frames(place, &payload);
                    if role == Role::Echo {
                        self.actors[place].echoes.push_back(payload);
                    }
                    self.say(place, &frames);
                }
            }
        }
    }

    /// Returns the bytes of one message, as one frame or as a few fragments.
    fn frames(&mut self, place: usize, payload: &[u8]) -> Vec<u8> {
        if !self.dice.one_in(4) {
            return self.actors[place].client.frame(Opcode::Binary, payload);
        }
        let mut frames = Vec::new();
        let (mut rest, mut opcode) = (payload, Opcode::Binary);
        for left in (0..=self.dice.below(3)).rev() {
            let size = if left == 0 { rest.len() } else { self.dice.below(rest.len() + 1) };
            let client = &mut self.actors[place].client;
            frames.extend(client.fragment(left == 0, opcode, &rest[..size]));
            (rest, opcode) = (&rest[size..], Opcode::Continuation);
        }
        frames
    }

    fn ask(&mut self, place: usize) {
        self.publishers += 1;
        let payload = self.draw_payload(self.publishers, 1);
        let channel = self.dice.pick(&CHANNELS);
        let actor = &mut self.actors[place];
        actor.answers += 1;
        match self.dice.one_in(3) {
            true => actor.client.request("GET", "/", &[], b""),
            false => actor.client.request("POST", &format!("/{channel}"), &[], &payload),
        }
    }

    fn mail(&mut self) {
        let count = self.dice.pick(&[1, 5, 20, 300]);
        for _ in 0..count {
            let payload = payload(MAILER, self.mailed, 8 + self.dice.below(100));
            self.mailed +=
                u32::from(self.world.publish(MAIL, MessageKind::Binary, &payload).is_ok());
        }
    }

    fn leave(&mut self, place: usize) {
        let actor = &mut self.actors[place];
        if !actor.client.is_open() {
            return;
        }
        actor.is_done = true;
        actor.finish_frame();
        match self.dice.below(3) {
            0 => actor.client.close(1000, "bye"),
            1 => actor.client.peer.close_write(),
            _ => drop(self.actors.swap_remove(place)),
        }
    }

    fn misbehave(&mut self, place: usize) {
        let actor = &mut self.actors[place];
        actor.is_healthy = false;
        match self.dice.below(9) {
            8 => {
                let how = self.dice.pick(&[SimCrash::Close, SimCrash::Reset, SimCrash::Silence]);
                let bytes = self.dice.below(3_000) as u64;
                match self.dice.one_in(2) {
                    true => actor.client.peer.crash_after_sent(bytes, how),
                    false => actor.client.peer.crash_after_received(bytes, how),
                }
            }
            0 | 1 => {
                actor.is_stalled = true;
                actor.client.peer.set_reading(false);
            }
            2 | 3 => {
                actor.is_stalled = false;
                actor.client.wake();
                actor.finish_frame();
            }
            4 => {
                let bytes = self.dice.below(3_000);
                actor.client.sip(bytes);
            }
            5 => {
                actor.is_done = true;
                actor.client.peer.reset();
            }
            6 => {
                actor.is_done = true;
                // The garbage must not complete a message that would be echoed.
                if actor.role == Role::Echo {
                    actor.finish_frame();
                    actor.client.peer.send(&[0xff]);
                }
                self.has_garbage = true;
                let garbage: Vec<u8> =
                    (0..self.dice.below(200)).map(|_| self.dice.below(256) as u8).collect();
                actor.client.peer.send(&garbage);
            }
            _ => {
                let frame = actor.client.frame(Opcode::Ping, &[1; 100]);
                if actor.client.is_open() {
                    (0..50).for_each(|_| actor.send(&frame));
                }
            }
        }
    }

    // The end of a run.

    /// Ends all faults, and runs until every client has read everything and has sent the rest of
    /// its frames.
    fn come_to_rest(&mut self) {
        self.world.sim.set_faults(SimFaults::NONE);
        self.plan.lazy = None;
        self.plan.interruptions = usize::MAX;
        for place in 0..self.actors.len() {
            let actor = &mut self.actors[place];
            actor.is_stalled = false;
            actor.client.wake();
            if actor.can_send() {
                actor.finish_frame();
            }
        }
        let mut turns = 0;
        while self.is_pending() {
            let is_paused = |number| self.world.sim.is_paused(number);
            if self.resting_since.is_none() || (0..self.plan.reactors).any(is_paused) {
                self.resting_since = Some(self.world.sim.now());
            }
            self.turn();
            turns += 1;
            if turns == TURNS_TO_REST_MAX {
                self.world.dump();
                panic!("something stays pending");
            }
        }
        self.world.check_counts();
        self.hear_all();
    }

    /// Returns true if anything is still to be sent, read or processed.
    fn is_pending(&mut self) -> bool {
        let is_waiting = |actor: &Actor| {
            let peer = &actor.client.peer;
            let is_outside = actor.role != Role::Visitor && !actor.client.is_open();
            if is_outside && actor.is_healthy && actor.can_send() && self.plan.lets_everybody_in() {
                return true;
            }
            let unheard = peer.unread_bytes() > 0 || !actor.echoes.is_empty();
            if actor.was_answered && actor.answers > 0 && actor.can_send() {
                return true;
            }
            // A connection that was not accepted may never be read, so unread bytes do not count.
            actor.can_send() && (peer.bytes_under_way() > 0 || Run::is_in(actor) && unheard)
        };
        (0..self.plan.reactors).any(|number| self.world.is_in_turn(number))
            || self.world.is_mail_under_way()
            || self.world.is_anybody_blocked()
            || self.world.is_anybody_unfinished()
            || self.world.ledger().outstanding() > 0
            || self.actors.iter().any(is_waiting)
    }

    /// Returns true if the client is connected, so that everything owed to it must arrive.
    fn is_in(actor: &Actor) -> bool {
        actor.client.is_open() && actor.can_send()
    }

    /// Returns the messages of one channel that a client has received. If it has several channels,
    /// a message belongs to the one among whose `accepted` messages it is.
    fn received_of<'a>(actor: &'a Actor, accepted: &[Vec<u8>]) -> Vec<&'a Vec<u8>> {
        let is_only_one = actor.role.channels().len() == 1;
        let accepted: HashSet<&Vec<u8>> = accepted.iter().collect();
        actor.received.iter().filter(|payload| is_only_one || accepted.contains(payload)).collect()
    }

    fn accepted(&self, channel: &str) -> &[Vec<u8>] {
        self.world.accepted.get(channel).map_or(&[], Vec::as_slice)
    }

    /// Checks that the accepted messages of each publisher are in order and without a gap or a
    /// copy: once one is refused, all its later ones are. Only other threads may leave gaps, as
    /// they are not notified of a refusal.
    fn check_publishers(&self) {
        for (channel, accepted) in &self.world.accepted {
            let mut latest = HashMap::new();
            for payload in accepted.iter().filter(|payload| *payload != FAREWELL) {
                let is_known = |(publisher, _): &(u32, u32)| {
                    *publisher <= self.publishers || *publisher == MAILER
                };
                let Some((publisher, number)) = author(payload).filter(is_known) else {
                    let bytes = payload.len();
                    assert!(
                        self.has_garbage,
                        "{channel}: {bytes} bytes that no actor has published"
                    );
                    continue;
                };
                let before = latest.insert(publisher, number);
                let is_next = match publisher {
                    MAILER => before.is_none_or(|before| before < number),
                    _ => number == before.map_or(1, |before| before + 1),
                };
                assert!(is_next, "{channel}: {number} of {publisher} after {before:?}");
            }
        }
    }

    /// Checks that clients received only accepted messages, in that order, each once, and, unless
    /// messages may be skipped, without gaps.
    fn check_order(&self) {
        for actor in &self.actors {
            let mut received_of_all = 0;
            for channel in actor.role.channels() {
                let accepted = self.accepted(channel);
                let received = Run::received_of(actor, accepted);
                received_of_all += received.len();
                let mut candidates = accepted.iter();
                for payload in &received {
                    let known = candidates.any(|candidate| candidate == *payload);
                    assert!(
                        known,
                        "{} bytes of {channel} that no actor published, or that are out of order",
                        payload.len()
                    );
                }
                let mut runs = accepted.windows(received.len().max(1));
                let is_run =
                    received.is_empty() || runs.any(|run| run.iter().eq(received.iter().copied()));
                assert!(is_run || self.plan.skips(channel), "a message of {channel} was skipped");
            }
            assert_eq!(received_of_all, actor.received.len(), "a message of none of its channels");
        }
    }

    /// Checks that the application, if it wants to be, was told once of every connection that has
    /// ended, with the code and reason that `on_close` was given.
    fn check_served(&self) {
        let log = self.world.log.borrow();
        if !log.wants_served {
            return assert_eq!(log.served, []);
        }
        let ended = log.served.iter().filter_map(|one| one.close.clone());
        let closed = log.closed.iter().map(|(_, code, reason)| (*code, reason.clone()));
        assert_eq!(ended.collect::<Vec<_>>(), closed.collect::<Vec<_>>());
    }

    /// Checks that a channel is not forgotten while it has a subscription: all that one client has
    /// received of a channel belongs to one epoch. (Payloads that were published several times
    /// prove nothing.)
    fn check_epochs(&self) {
        for (channel, epochs) in self.world.epochs.iter().filter(|(_, epochs)| epochs.len() > 1) {
            let mut epoch_of = HashMap::new();
            for (place, payload) in self.accepted(channel).iter().enumerate() {
                let epoch = epochs.partition_point(|(_, first)| *first <= place);
                epoch_of
                    .entry(payload)
                    .and_modify(|known: &mut Option<usize>| *known = None)
                    .or_insert(Some(epoch));
            }
            let actors =
                self.actors.iter().filter(|actor| actor.role.channels().contains(&&**channel));
            for actor in actors {
                let known = actor.received.iter().filter_map(|payload| epoch_of.get(payload));
                let found: HashSet<usize> = known.copied().flatten().collect();
                assert!(found.len() <= 1, "{channel}: one subscription, epochs {found:?}");
            }
        }
    }

    /// Returns how often a channel was forgotten and created again.
    fn rollovers(&self) -> u64 {
        self.world.epochs.values().map(|epochs| epochs.len() as u64 - 1).sum()
    }

    /// Checks that every connected client has received everything accepted since it read its 101,
    /// and that everything it published was accepted: otherwise it would have been closed.
    fn check_nothing_is_missing(&self) {
        let mut gaps = 0;
        for actor in self.actors.iter().filter(|actor| Run::is_in(actor)) {
            if let Some(channel) = actor.role.channels().first().filter(|_| actor.is_healthy) {
                let publisher = (actor.published >> 16).to_le_bytes();
                let is_own = |payload: &&Vec<u8>| payload.get(4..8) == Some(&publisher);
                let accepted = self.accepted(channel).iter().filter(is_own).count();
                assert_eq!(
                    accepted,
                    (actor.published & 0xffff) as usize,
                    "published to {channel}, and accepted"
                );
            }
            assert!(actor.echoes.is_empty(), "echoes are missing");
            for (channel, joined) in actor.role.channels().iter().zip(&actor.joined) {
                let accepted = self.accepted(channel);
                let received = Run::received_of(actor, accepted);
                // Only the latest messages are compared: a client may be subscribed, and receive
                // messages, before it reads its 101.
                let last = &accepted[accepted.len() - received.len().min(accepted.len())..];
                let has_all = last.iter().eq(received.iter().copied());
                let missing = (accepted.len() - joined).saturating_sub(received.len());
                assert!(
                    has_all && missing == 0 || self.plan.skips(channel),
                    "{missing} messages of {channel} are missing"
                );
                gaps += missing as u64;
            }
        }
        let skipped = self.world.ledger().dropped_for(DropReason::Skipped);
        assert!(gaps <= skipped, "{gaps} gaps, {skipped} counted");
    }

    /// Drains the server, and checks that every client gets a Close frame and nothing is left.
    fn end(&mut self, has_rested: bool) {
        let accepted_before = self.world.accepted.clone();
        let timeout = self.plan.limits.drain_timeout;
        // From this moment on, peers are closed although messages are pending for them.
        let last_call = self.world.sim.now() + (timeout - LAST_CALL_MAX.min(timeout / 8));
        self.world.drain();
        if self.plan.reactors > 1 {
            // A fault may pause all reactors in any turn of any reactor. A reactor with few turns
            // might then never get one, so such pauses are switched off.
            let faults = if has_rested { SimFaults::NONE } else { self.plan.faults };
            self.world.sim.set_faults(SimFaults { pauses: 0.0, ..faults });
        }
        // The whole process may pause before the first turn of the drain and before the last one,
        // and in addition a single reactor may pause.
        let deadline = self.world.sim.now() + timeout + Duration::from_secs(57);
        let mut turns = 0;
        while !self.world.is_over() {
            turns += 1;
            if turns == FAULTY_TURNS_MAX {
                self.plan.interruptions = usize::MAX;
                self.world.sim.set_faults(SimFaults::NONE);
            }
            if self.world.sim.now() > deadline || turns > DRAIN_TURNS_MAX {
                self.world.dump();
                panic!("the drain does not end");
            }
            self.turn();
            if self.world.sim.now() < last_call {
                self.check_nothing_was_cut_off(&accepted_before);
            }
            // Clients that received a Close frame disconnect, and HTTP clients send no more
            // requests.
            for actor in &mut self.actors {
                if actor.closed.is_some() || actor.role == Role::Visitor {
                    actor.hang_up();
                }
            }
        }
        self.world.check_empty();
        // Lets everything that is still on its way arrive.
        self.world.sim.advance(Duration::from_secs(60));
        self.hear_all();
        let is_untold = |actor: &Actor| Run::is_in(actor) && actor.is_healthy;
        assert!(!self.actors.iter().any(is_untold), "a client received no Close frame");
    }

    /// Checks that every client that the drain has closed since the last turn has received
    /// everything accepted before.
    fn check_nothing_was_cut_off(&self, accepted_before: &HashMap<String, Vec<Vec<u8>>>) {
        let are_told = |actor: &&Actor| actor.closed == Some(1012) && !actor.is_done;
        for actor in self.actors.iter().filter(are_told) {
            for (channel, joined) in actor.role.channels().iter().zip(&actor.joined) {
                if self.plan.skips(channel) {
                    continue;
                }
                let before = accepted_before.get(*channel).map_or(&[][..], Vec::as_slice);
                if let Some(last) = before.get(*joined..).and_then(<[_]>::last) {
                    assert!(
                        actor.received.contains(last),
                        "closed before a message of {channel} was received"
                    );
                }
            }
        }
    }
}
