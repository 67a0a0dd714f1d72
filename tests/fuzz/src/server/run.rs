//! Runs the program of an input: what clients do, which reactor has a turn, when time passes. Then
//! waits until nothing is pending, drains the server and checks everything.

use std::cell::RefCell;
use std::collections::HashSet;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use fanfare::hub::{ChannelName, Homes};
use fanfare::net::Net;
use fanfare::net::sim::{SimFaults, SimNet, SimWorld};
use fanfare::protocol::Message;
use fanfare::reactor::{ListenerKind, PublishError, PublisherLine, Reactor, Status, setups};

use super::app::App;
use super::book::{Book, MAIL, NEWS, Outcome};
use super::client::{Client, PATHS, Phase};
use super::order;
use super::plan::Plan;
use crate::input::Input;

const PORT: u16 = 80;

const CLIENTS_MAX: usize = 12;
const STEPS_MAX: usize = 300;

/// The most rounds (a turn of every reactor) until nothing is pending. If something still is, it
/// will be for ever.
const ROUNDS_TO_REST_MAX: usize = 6_000;
/// Nothing must be pending for this long. A system call that has failed for lack of memory is tried
/// again within a second and a half, and until then nothing may seem to be pending.
const REST: Duration = Duration::from_secs(2);

const ROUNDS_TO_DRAIN_MAX: usize = 6_000;

/// How far the clock is moved when all reactors sleep: less than any timeout.
const STEP: Duration = Duration::from_millis(100);

/// Runs one input to its end. Panics if any check fails.
pub fn run(data: &[u8]) {
    let mut input = Input::new(data);
    let plan = Plan::draw(&mut input);
    let mut run = Run::new(plan, Book::new(data));
    for _ in 0..STEPS_MAX {
        if input.is_empty() {
            break;
        }
        run.step(&mut input);
    }
    run.finish();
}

struct Run {
    world: SimWorld,
    plan: Plan,
    reactors: Vec<Reactor<SimNet, App>>,
    homes: std::sync::Arc<Homes>,
    /// By reactor: true once its last turn has ended.
    over: Vec<bool>,
    book: Rc<RefCell<Book>>,
    clients: Vec<Client>,
    /// The numbers of the messages that other threads have published.
    mailed: Vec<u32>,
    /// The publisher numbers of the two other threads, one for each channel to which they publish.
    threads: [usize; 2],
    line: Arc<PublisherLine>,
    is_draining: bool,
}

impl Run {
    fn new(plan: Plan, mut book: Book) -> Run {
        let world = SimWorld::new(plan.seed, plan.faults);
        world.set_limits(plan.sim);
        world.hold_clock(plan.is_clock_held);
        let nets: Vec<SimNet> = (0..plan.reactors).map(|_| world.reactor()).collect();
        let wakers = nets.iter().map(SimNet::waker).collect();
        let homes = Homes::new([plan.seed as u8; 16], plan.reactors as u16);
        let setups = setups(wakers, homes, world.now(), &plan.limits, plan.hub, Some(plan.rings));
        let homes = setups[0].homes();
        let threads = [book.new_publisher(), book.new_publisher()];
        let book = Rc::new(RefCell::new(book));
        let reactors = nets.into_iter().zip(setups).map(|(net, setup)| {
            let app = App::new(Rc::clone(&book));
            let listeners = vec![(world.listener(PORT), ListenerKind::Public, None)];
            Reactor::new(net, listeners, app, setup).expect("a listener is registered")
        });
        let reactors: Vec<_> = reactors.collect();
        let over = vec![false; reactors.len()];
        let line = Arc::new(PublisherLine::new(reactors.len()));
        Run {
            world,
            plan,
            reactors,
            homes,
            over,
            book,
            clients: Vec::new(),
            mailed: Vec::new(),
            threads,
            line,
            is_draining: false,
        }
    }

    fn step(&mut self, input: &mut Input<'_>) {
        let operation = input.byte();
        let (what, who) = (operation & 15, usize::from(operation >> 4));
        let bytes_max = self.plan.payload_bytes_max;
        let book = Rc::clone(&self.book);
        match what {
            0 => self.connect(None),
            1 => self.connect(Some(PATHS[who % PATHS.len()])),
            2 => self.turn_of(who),
            3 => (0..=who % 4).for_each(|_| self.round()),
            14 => match who {
                0..8 => self
                    .pass(Duration::from_millis([1, 20, 100, 500, 500, 1_000, 2_000, 5_000][who])),
                8..15 => {
                    let millis = [5, 300, 3_000][who % 3];
                    self.world.pause(who % self.plan.reactors, Duration::from_millis(millis));
                }
                _ => self.drain(),
            },
            15 => {
                let how = input.byte();
                for _ in 0..[1, 3, 30][usize::from(how) % 3] {
                    self.mail(who, how);
                }
            }
            _ => {
                let count = self.clients.len();
                let Some(client) = (count > 0).then(|| &mut self.clients[who % count]) else {
                    return;
                };
                let how = input.byte();
                let book = &mut book.borrow_mut();
                match what {
                    4 | 5 => client.message(book, how, how >> 6, bytes_max),
                    6 => client.ask(book, how, input.byte() & 3, bytes_max),
                    7 => client.raw(input.bytes(usize::from(how % 32))),
                    8 => match how % 4 {
                        0 => client.stall(),
                        1 | 2 => client.sip(usize::from(how) * 8),
                        _ => client.wake(),
                    },
                    9 => match how % 8 {
                        0 | 1 => client.close(how % 2),
                        2 => client.hang_up(),
                        3 => client.peer.reset(),
                        _ => client.crash(how / 8, usize::from(input.byte()) * 4),
                    },
                    10 => client.ping(how % 16),
                    11 => client.finish(),
                    12 => client.upgrade(PATHS[usize::from(how) % PATHS.len()], how >> 6),
                    // Sends many small messages at once.
                    _ => (0..how % 32)
                        .for_each(|number| client.message(book, number & 1, 0, bytes_max)),
                }
            }
        }
    }

    fn connect(&mut self, path: Option<&'static str>) {
        if self.clients.len() == CLIENTS_MAX {
            return;
        }
        let publisher = self.book.borrow_mut().new_publisher();
        let mut client = Client::new(self.world.connect(PORT), publisher);
        if let Some(path) = path {
            client.upgrade(path, 0);
        }
        self.clients.push(client);
    }

    /// Publishes as another thread of the program does, through the channel's home.
    fn mail(&mut self, who: usize, how: u8) {
        let (channel, thread) =
            if who.is_multiple_of(4) { (NEWS, self.threads[0]) } else { (MAIL, self.threads[1]) };
        let name = ChannelName::parse(channel).expect("these are names");
        let bytes =
            [12, 130, 600, 3_000][usize::from(how >> 3 & 3)].min(self.plan.payload_bytes_max);
        let number = self.book.borrow().next();
        let payload = self.book.borrow_mut().write(channel, thread, bytes);
        let remote = self.reactors[self.homes.home_of(name).index()].handle();
        match remote.try_publish(&self.line, name, Message::binary(&payload)) {
            Ok(()) => self.mailed.push(number),
            Err(PublishError::Busy | PublishError::TooBig | PublishError::Refused(_)) => {
                self.book.borrow_mut().published[number as usize].outcome = Outcome::Refused;
            }
            Err(error) => panic!("{error}"),
        }
    }

    fn drain(&mut self) {
        self.is_draining = true;
        self.reactors.iter().for_each(|reactor| reactor.handle().drain());
    }

    // Turns.

    fn turn_of(&mut self, number: usize) {
        let number = number % self.reactors.len();
        if self.over[number] || self.world.is_paused(number) {
            return;
        }
        self.over[number] = !self.reactors[number].turn().expect("a simulated wait does not fail");
        let book = &mut self.book.borrow_mut();
        self.clients.iter_mut().for_each(|client| client.hear(book));
    }

    fn round(&mut self) {
        (0..self.reactors.len()).for_each(|number| self.turn_of(number));
    }

    fn is_over(&self) -> bool {
        self.over.iter().all(|over| *over)
    }

    /// Returns true if no reactor has anything to do now.
    fn all_sleep(&self) -> bool {
        (0..self.over.len()).all(|number| self.over[number] || self.world.sleeps(number))
    }

    fn pass(&mut self, duration: Duration) {
        self.world.advance(duration);
    }

    // The end.

    fn finish(mut self) {
        self.world.set_faults(SimFaults::NONE);
        for client in &mut self.clients {
            client.wake();
            client.finish();
        }
        let mut let_in = HashSet::new();
        if !self.is_draining {
            self.come_to_rest();
            self.check_nothing_is_missing();
            let will_hear =
                |place: &usize| self.clients[*place].is_in() && !self.clients[*place].is_doomed;
            let_in = (0..self.clients.len()).filter(will_hear).collect();
        }
        self.end();
        let was_told = |place: &usize| matches!(self.clients[*place].phase, Phase::Closed(_));
        let untold: Vec<_> = let_in.into_iter().filter(|place| !was_told(place)).collect();
        // The clients that are closed publish last messages, which can be too many for a channel's
        // log. A subscriber that is overrun by them in the middle of a frame is reset if there is
        // no memory for the rest of that frame.
        let resets = self.status().counters().impatient_resets as usize;
        let is_excused = untold.len() <= resets
            && untold.iter().all(|place| self.clients[*place].peer.is_reset());
        assert!(is_excused, "{untold:?} were not told of the end: {}", self.describe());
        order::check(&self.book.borrow(), &self.clients);
    }

    fn status(&self) -> Status {
        self.reactors[0].status()
    }

    fn come_to_rest(&mut self) {
        let mut since = None;
        for _ in 0..ROUNDS_TO_REST_MAX {
            self.round();
            if !self.is_pending() {
                // When all reactors sleep, time passes: by itself, or by a step if the clock is
                // held. Only pings and pongs are due then.
                let now = self.world.now();
                if now > *since.get_or_insert(now) + REST {
                    return;
                }
            }
            if self.all_sleep() {
                self.pass(STEP);
            }
        }
        panic!("something is pending for ever: {}", self.describe());
    }

    fn is_pending(&self) -> bool {
        let all_are_let_in = self.plan.lets_everybody_in();
        if self.clients.iter().any(|client| client.is_pending(all_are_let_in))
            || (0..self.reactors.len()).any(|number| self.world.is_paused(number))
        {
            return true;
        }
        let status = self.status();
        let [put, taken] = status.mail();
        put != taken || status.ledger().outstanding() > 0
    }

    fn describe(&self) -> String {
        let clients: Vec<_> = self
            .clients
            .iter()
            .map(|client| {
                let peer = &client.peer;
                let waits = client.is_pending(self.plan.lets_everybody_in());
                (client.phase, waits, peer.unread_bytes(), peer.bytes_under_way(), client.asked)
            })
            .collect();
        let status = self.status();
        let calls = self.world.latest_calls();
        for call in calls.iter().rev().take(20).rev() {
            eprintln!("{call:?}");
        }
        let paused: Vec<_> =
            (0..self.reactors.len()).map(|number| self.world.is_paused(number)).collect();
        format!(
            "over {:?}, paused {paused:?}, {:?}, mail {:?}, clients {clients:?}",
            self.over,
            status.ledger(),
            status.mail()
        )
    }

    fn check_nothing_is_missing(&self) {
        let book = &self.book.borrow();
        let is_numbered =
            |number: &u32| matches!(book.published[*number as usize].outcome, Outcome::Numbered(_));
        let mut certain: HashSet<u32> = (0..book.next()).filter(is_numbered).collect();
        if !self.plan.may_refuse() {
            certain.extend(&self.mailed);
            // Everything that these clients have sent has been read, and no message is refused.
            let speakers = self.clients.iter().filter(|client| client.is_clean && client.is_in());
            certain.extend(speakers.flat_map(|client| &client.said));
        }
        order::check_nothing_is_missing(book, &self.clients, &certain, &self.plan);
    }

    /// Checks that the drain ends whatever the clients do, and that nothing is left.
    fn end(&mut self) {
        if !self.is_draining {
            self.drain();
        }
        // The program may have paused a reactor, so that its part of the drain begins late.
        let deadline = self.world.now() + Duration::from_secs(3) + self.plan.limits.drain_timeout;
        let deadline = deadline + Duration::from_secs(1);
        for _ in 0..ROUNDS_TO_DRAIN_MAX {
            if self.is_over() {
                break;
            }
            self.round();
            if self.all_sleep() {
                self.pass(STEP);
            }
            for client in &mut self.clients {
                // Clients that have received a Close frame disconnect, and HTTP clients send no
                // more requests.
                if matches!(client.phase, Phase::Closed(_) | Phase::Asking) {
                    client.hang_up();
                }
            }
            assert!(self.world.now() <= deadline, "the drain takes too long: {}", self.describe());
        }
        assert!(self.is_over(), "the drain does not end: {}", self.describe());
        assert_eq!(self.world.open_streams(), 0, "streams are left");
        for reactor in &self.reactors {
            let status = reactor.status();
            assert_eq!(status.ledger().outstanding(), 0, "the ledger does not balance");
            assert_eq!(
                (status.connections(), status.subscriptions(), status.log_bytes()),
                (0, 0, 0)
            );
        }
        assert_eq!(self.book.borrow().open, 0, "on_close for every on_open");
        // Lets everything that is still on its way arrive.
        self.world.advance(Duration::from_secs(60));
        let book = &mut self.book.borrow_mut();
        self.clients.iter_mut().for_each(|client| client.hear(book));
    }
}
