//! The connections of one thread and what a scenario may do with them. They share one poll, one
//! slab and one receive buffer. `turn.rs` drives them.
mod connecting;

use std::collections::VecDeque;
use std::io;
use std::sync::atomic::Ordering;
use std::time::Duration;

use derive_more::AddAssign;
use fanfare::protocol::{CloseCode, Opcode, encode_masked_close, encode_masked_frame};
use mio::{Poll, Token};

use super::threads::ThisThread;
use crate::measure::latency::Latencies;
use crate::net::clock::{Clock, Moment, Timer};
use crate::net::connection::{Connection, ConnectionPhase, PARTS_MAX, Part};
use crate::net::ends::{End, Ends, NOT_BEGUN, NOT_FINISHED};
use crate::net::post::Posts;
use crate::net::random::Random;
use crate::net::request::{Header, Upgrades};
use crate::net::slots::{Id, Slots};
use crate::net::socket::receive_buffer;
use crate::net::target::{Sources, Target};
use crate::report::gather::Report;
use crate::report::value::Value;

/// Time limit of each opening and of each closing handshake. Both have the same limit, so that one
/// queue holds all deadlines in order.
const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(10);

/// The timer's token. It lies in the upper half of all tokens, which no connection uses.
pub(crate) const TIMER: Token = Token(usize::MAX);

/// A connection that has ended, or that could not be made.
#[derive(Clone, Debug)]
pub(crate) struct Ended {
    pub(crate) part: Part,
    pub(crate) index: u32,
    /// True if the connection was open at some time.
    pub(crate) was_open: bool,
    pub(crate) end: End,
}

/// How many connections of one part (such as the subscribers) were asked for and what became of
/// them.
#[derive(Clone, Copy, Debug, Default, AddAssign)]
pub(crate) struct PartCounts {
    pub(crate) wanted: u64,
    pub(crate) opened: u64,
    pub(crate) failed: u64,
    pub(crate) open: u64,
    /// Connections that were wanted, but the run was ended before their opening began.
    pub(crate) not_begun: u64,
}

/// Settings that all connections of a run share.
#[derive(Clone)]
pub(crate) struct LoadSettings {
    pub(crate) target: Target,
    /// Where publishers send their POST requests, if they publish by POST.
    pub(crate) publish: Option<Target>,
    pub(crate) sources: Option<Sources>,
    /// Headers of every request. They take the place of the generator's own.
    pub(crate) headers: Vec<Header>,
    /// The subprotocols offered in each opening handshake.
    pub(crate) subprotocols: Vec<String>,
    /// Opcode of the messages that this run sends: Text or Binary.
    pub(crate) opcode: Opcode,
    pub(crate) seed: u64,
}

pub(crate) struct Load {
    pub(crate) thread: ThisThread,
    pub(crate) poll: Poll,
    pub(crate) timer: Timer,
    pub(crate) clock: Clock,
    pub(crate) random: Random,
    pub(crate) connections: Slots<Connection>,
    pub(crate) buffer: Vec<u8>,
    /// Connections that the next turn reads even without new readiness, because more bytes may be
    /// waiting. The flag is true if the peer may have closed the connection.
    pub(crate) unfinished: Vec<(Id, bool)>,
    /// Ended connections that have not been reported to the scenario yet, in order.
    pub(crate) ended: VecDeque<Ended>,
    pub(crate) ends: Ends,
    /// Time from `connect` until TCP was connected, and (`upgrade`) from then until the 101.
    tcp: Latencies,
    upgrade: Latencies,
    /// When the first opening began, and when the latest connection opened.
    opening_span: Option<(Moment, Moment)>,
    /// How long each turn kept this thread away from its sockets, recorded while measuring.
    pub(crate) stalls: Latencies,
    pub(crate) is_measuring: bool,
    counts: [PartCounts; PARTS_MAX],
    /// Receive buffer size by part. `None`: the kernel's default.
    receive_buffers: [Option<usize>; PARTS_MAX],
    /// The end that connections of a part are meant to have. It is not counted as an error.
    intended_ends: [Option<End>; PARTS_MAX],
    unflushed: Vec<Id>,
    deadlines: VecDeque<(Moment, Id)>,
    openings_under_way: u64,
    /// Number of the next connection in the whole run. It chooses the source address and channel.
    ordinal: u32,
    /// Writes the opening handshakes.
    upgrades: Upgrades,
    /// Writes the requests of publishers that use POST. `None` if no publisher does.
    posts: Option<Posts>,
    settings: LoadSettings,
}

impl Load {
    pub(crate) fn new(settings: LoadSettings, thread: ThisThread) -> io::Result<Load> {
        let poll = Poll::new()?;
        let timer = Timer::new(poll.registry(), TIMER)?;
        Ok(Load {
            poll,
            timer,
            clock: thread.clock(),
            // Each thread has its own generator. Seeds that differ by the golden ratio give
            // sequences with different beginnings.
            random: Random::new(
                settings.seed ^ u64::from(thread.number()).wrapping_mul(0x9e37_79b9_7f4a_7c15),
            ),
            connections: Slots::new(),
            buffer: receive_buffer(),
            unfinished: Vec::new(),
            ended: VecDeque::new(),
            ends: Ends::default(),
            tcp: Latencies::new(),
            upgrade: Latencies::new(),
            opening_span: None,
            stalls: Latencies::new(),
            is_measuring: false,
            counts: [PartCounts::default(); PARTS_MAX],
            receive_buffers: [None; PARTS_MAX],
            intended_ends: [None; PARTS_MAX],
            unflushed: Vec::new(),
            deadlines: VecDeque::new(),
            openings_under_way: 0,
            ordinal: thread.number(),
            upgrades: Upgrades::new(
                &settings.target.host,
                &settings.subprotocols,
                &settings.headers,
            ),
            posts: settings.publish.as_ref().map(|target| {
                let is_text = settings.opcode == Opcode::Text;
                Posts::new(&target.host, &target.path_of(0), &settings.headers, is_text)
            }),
            settings,
            thread,
        })
    }

    /// Returns true if Ctrl-C was pressed or the run cannot go on.
    pub(crate) fn is_stopping(&self) -> bool {
        self.thread.is_stopping()
    }

    /// Returns the opcode of the messages that this run sends: Text or Binary.
    pub(crate) fn opcode(&self) -> Opcode {
        self.settings.opcode
    }

    pub(crate) fn counts(&self, part: Part) -> PartCounts {
        self.counts[usize::from(part.0)]
    }

    /// Returns the counts of all parts together.
    pub(crate) fn all_counts(&self) -> PartCounts {
        let mut sum = PartCounts::default();
        for counts in self.counts {
            sum += counts;
        }
        sum
    }

    /// Sets the receive buffer size for sockets of this part that are opened later.
    pub(crate) fn set_receive_buffer(&mut self, part: Part, bytes: usize) {
        self.receive_buffers[usize::from(part.0)] = Some(bytes);
    }

    /// Sets the end that connections of this part are meant to have.
    pub(crate) fn set_intended_end(&mut self, part: Part, end: End) {
        self.intended_ends[usize::from(part.0)] = Some(end);
    }

    /// Records that the run was ended before the openings of this many connections could begin.
    pub(crate) fn note_not_begun(&mut self, part: Part, count: u64) {
        let counts = &mut self.counts[usize::from(part.0)];
        counts.wanted += count;
        counts.not_begun += count;
    }

    pub(crate) fn openings_under_way(&self) -> u64 {
        self.openings_under_way
    }

    pub(crate) fn is_open(&mut self, id: Id) -> bool {
        self.get_mut(id).is_some_and(|connection| matches!(connection.phase, ConnectionPhase::Open))
    }

    pub(crate) fn get_mut(&mut self, id: Id) -> Option<&mut Connection> {
        self.connections.get_mut(id)
    }

    /// Queues a message. It is sent at the end of the turn, in one write with everything else
    /// queued for the connection.
    pub(crate) fn send(&mut self, id: Id, payload: &[u8]) {
        self.send_frame(id, self.settings.opcode, payload);
    }

    pub(crate) fn send_frame(&mut self, id: Id, opcode: Opcode, payload: &[u8]) {
        let Load { connections, unflushed, random, .. } = self;
        if let Some(outbound) = queue(connections, unflushed, id) {
            encode_masked_frame(outbound, opcode, payload, random.mask());
        }
    }

    /// Queues a request that publishes this message by POST.
    pub(crate) fn post(&mut self, id: Id, payload: &[u8]) {
        let Load { connections, unflushed, posts, .. } = self;
        if let (Some(posts), Some(outbound)) = (posts, queue(connections, unflushed, id)) {
            posts.write(outbound, payload);
        }
    }

    /// Begins the closing handshake.
    pub(crate) fn close(&mut self, id: Id) {
        let Some(connection) = self.connections.get_mut(id) else { return };
        if !matches!(connection.phase, ConnectionPhase::Open) {
            return;
        }
        connection.phase = ConnectionPhase::Closing;
        let mask = self.random.mask();
        encode_masked_close(&mut connection.outbound, CloseCode::NORMAL, "", mask);
        self.unflushed.push(id);
        self.expect_end(id);
    }

    /// Records that both sides have sent Close. The server must end the TCP stream in time.
    pub(crate) fn note_closed(&mut self, id: Id, end: End, text: String) {
        let Some(connection) = self.connections.get_mut(id) else { return };
        connection.phase = ConnectionPhase::Closed;
        let (part, index) = (connection.part, connection.index);
        self.counts[usize::from(part.0)].open -= 1;
        self.note_end(part, index, true, end, || text);
        self.expect_end(id);
    }

    fn expect_end(&mut self, id: Id) {
        self.deadlines.push_back((self.clock.now() + HANDSHAKE_TIMEOUT, id));
    }

    /// Resets the connection. `on_ended` is not called, because the scenario asked for the reset.
    pub(crate) fn reset(&mut self, id: Id) {
        if let Some(connection) = self.remove(id) {
            connection.reset();
        }
    }

    /// Turns reading on or off. When it is turned on, the bytes waiting in the socket are read.
    pub(crate) fn set_reading(&mut self, id: Id, reading: bool) {
        let Some(connection) = self.get_mut(id) else { return };
        connection.reading = reading;
        if reading {
            self.unfinished.push((id, true));
        }
    }

    /// Removes a connection that has ended or must end, and records why.
    pub(crate) fn end(&mut self, id: Id, end: End, text: impl FnOnce() -> String) {
        let Some(connection) = self.remove(id) else { return };
        let (part, index) = (connection.part, connection.index);
        if connection.is_connecting() {
            return match self.next_attempt(connection.attempt, &text()) {
                Ok(next) => self.try_addresses(part, index, next),
                Err(text) => self.note_end(part, index, false, end, || text),
            };
        }
        match connection.phase {
            ConnectionPhase::Opening { .. } | ConnectionPhase::Connecting { .. } => {
                self.note_end(part, index, false, end, text);
            }
            ConnectionPhase::Http(_) | ConnectionPhase::Open | ConnectionPhase::Closing => {
                self.note_end(part, index, true, end, text);
            }
            ConnectionPhase::Closed if end == End::CloseTimeout => self.ends.note(end, text),
            // Once both Close frames were sent, it does not matter how the socket ends.
            ConnectionPhase::Closed => {}
        }
    }

    /// Writes everything that was queued in this turn.
    pub(crate) fn flush(&mut self) {
        let mut unflushed = std::mem::take(&mut self.unflushed);
        for id in unflushed.drain(..) {
            self.flush_one(id);
        }
        self.unflushed = unflushed;
    }

    pub(crate) fn flush_one(&mut self, id: Id) {
        let Some(connection) = self.get_mut(id) else { return };
        let Err(error) = connection.flush() else { return };
        if connection.is_connecting() {
            self.end(id, End::NotConnected, || error.to_string());
        } else if connection.reading {
            // The server may have said why it reads no more, so what it has sent is read first.
            connection.stop_writing(error.to_string());
            self.unfinished.push((id, true));
        } else {
            self.end(id, End::Reset, || error.to_string());
        }
    }

    /// Ends connections whose opening or closing handshake has exceeded its time limit.
    pub(crate) fn expire(&mut self, now: Moment) {
        while let Some((_, id)) = self.deadlines.pop_front_if(|(deadline, _)| *deadline <= now) {
            let Some(connection) = self.get_mut(id) else { continue };
            let end = match connection.phase {
                ConnectionPhase::Connecting { .. }
                | ConnectionPhase::Opening { connected: None, .. } => End::NotConnected,
                ConnectionPhase::Opening { .. } => End::HandshakeTimeout,
                ConnectionPhase::Http(_) | ConnectionPhase::Open => continue,
                ConnectionPhase::Closing | ConnectionPhase::Closed => End::CloseTimeout,
            };
            self.end(id, end, || format!("not within {} s", HANDSHAKE_TIMEOUT.as_secs()));
        }
    }

    pub(crate) fn next_deadline(&self) -> Option<Moment> {
        self.deadlines.front().map(|(deadline, _)| *deadline)
    }

    /// Adds what another thread has recorded.
    pub(crate) fn absorb(&mut self, other: &Load) {
        for (counts, others) in self.counts.iter_mut().zip(other.counts) {
            *counts += others;
        }
        self.ends.absorb(&other.ends);
        self.tcp.merge(&other.tcp);
        self.upgrade.merge(&other.upgrade);
        self.stalls.merge(&other.stalls);
        self.opening_span = match (self.opening_span, other.opening_span) {
            (Some((first, last)), Some((also_first, also_last))) => {
                Some((first.min(also_first), last.max(also_last)))
            }
            (one, another) => one.or(another),
        };
    }

    /// Reports the openings of these parts (groups of connections) by name, and all errors.
    pub(crate) fn report(&self, report: &mut Report, parts: &[(&str, Part)]) {
        let sum = |of: fn(PartCounts) -> u64| {
            parts.iter().map(|(_, part)| of(self.counts(*part))).sum::<u64>()
        };
        let opened = sum(|counts| counts.opened);
        let span = self.opening_span.map_or(0, |(first, last)| last.nanos_since(first));
        let per_second = (span > 0).then(|| Value::PerSecond(opened as f64 * 1e9 / span as f64));
        let section = report.section("connect");
        section
            .row("wanted", Value::Count(sum(|counts| counts.wanted)))
            .row("opened", Value::Count(opened))
            .row("failed", Value::Count(sum(|counts| counts.failed)))
            .optional("opened_per_second", per_second)
            .row("tcp_ns", Value::from(&self.tcp))
            .row("upgrade_ns", Value::from(&self.upgrade));
        if parts.len() > 1 {
            for (name, part) in parts {
                section.row(format!("{name}_opened"), Value::Count(self.counts(*part).opened));
            }
        }
        for (name, part) in parts {
            let counts = self.counts(*part);
            let missing = counts.wanted - counts.opened;
            let name = if missing == 1 { name.trim_end_matches('s') } else { name };
            report.fail_if_any(missing, &format!("{name} did not open"));
        }
        let not_begun = sum(|counts| counts.not_begun);
        let under_way = sum(|counts| counts.wanted - counts.opened - counts.failed) - not_begun;
        if under_way > 0 {
            report.error(NOT_FINISHED, under_way, "was still opening when the run ended");
        }
        if not_begun > 0 {
            report.error(NOT_BEGUN, not_begun, "the run was ended before they began to open");
        }
        for (end, count, text) in self.ends.iter() {
            report.error(end.to_string(), count, text.to_owned());
        }
    }

    /// Stores this thread's counts for the watcher, which shows the progress of the run.
    pub(crate) fn publish_figures(&self) {
        let figures = self.thread.figures();
        let sum = |of: fn(&PartCounts) -> u64| self.counts.iter().map(of).sum::<u64>();
        figures.opened.store(sum(|counts| counts.opened), Ordering::Relaxed);
        figures.failed.store(sum(|counts| counts.failed), Ordering::Relaxed);
        figures.open.store(sum(|counts| counts.open), Ordering::Relaxed);
    }

    fn remove(&mut self, id: Id) -> Option<Connection> {
        let connection = self.connections.remove(id)?;
        if matches!(
            connection.phase,
            ConnectionPhase::Http(_) | ConnectionPhase::Open | ConnectionPhase::Closing
        ) {
            self.counts[usize::from(connection.part.0)].open -= 1;
        }
        Some(connection)
    }

    fn note_end(
        &mut self,
        part: Part,
        index: u32,
        was_open: bool,
        end: End,
        text: impl FnOnce() -> String,
    ) {
        if !was_open {
            self.openings_under_way -= 1;
            self.counts[usize::from(part.0)].failed += 1;
        }
        if self.intended_ends[usize::from(part.0)] != Some(end) {
            self.ends.note(end, text);
        }
        self.ended.push_back(Ended { part, index, was_open, end });
    }
}

/// Marks a connection to be written at the end of the turn. Returns its outbound buffer, or `None`
/// if the connection has ended.
fn queue<'a>(
    connections: &'a mut Slots<Connection>,
    unflushed: &mut Vec<Id>,
    id: Id,
) -> Option<&'a mut Vec<u8>> {
    let connection = connections.get_mut(id)?;
    if !connection.has_outbound() {
        unflushed.push(id);
    }
    Some(&mut connection.outbound)
}
