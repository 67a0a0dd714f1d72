//! The connections of one thread and what a scenario may do with them. They share one poll, one
//! slab and one receive buffer. `turn.rs` drives them.
use std::collections::VecDeque;
use std::io;
use std::sync::atomic::Ordering;
use std::time::Duration;

use derive_more::AddAssign;
use fanfare::protocol::{
    ClientHandshake, CloseCode, HeadScanner, Opcode, encode_masked_close, encode_masked_frame,
};
use mio::{Interest, Poll, Token};

use super::threads::ThisThread;
use crate::measure::latency::Latencies;
use crate::net::clock::{Clock, Moment, Timer};
use crate::net::connection::{Connection, ConnectionPhase, PARTS_MAX, Part};
use crate::net::ends::{End, Ends};
use crate::net::post::{Posts, Responses};
use crate::net::random::Random;
use crate::net::slots::{Id, Slots};
use crate::net::socket::{connect, receive_buffer};
use crate::net::stream::Stream;
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
}

/// Settings that all connections of a run share.
#[derive(Clone)]
pub(crate) struct LoadSettings {
    pub(crate) target: Target,
    /// Where publishers send their POST requests, if they publish by POST.
    pub(crate) publish: Option<Target>,
    pub(crate) sources: Option<Sources>,
    pub(crate) headers: Vec<(String, String)>,
    /// The subprotocols offered in each opening handshake.
    pub(crate) subprotocols: &'static [&'static str],
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
    unflushed: Vec<Id>,
    deadlines: VecDeque<(Moment, Id)>,
    openings_under_way: u64,
    /// Number of the next connection in the whole run. It chooses the source address and channel.
    ordinal: u32,
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
            unflushed: Vec::new(),
            deadlines: VecDeque::new(),
            openings_under_way: 0,
            ordinal: thread.number(),
            posts: settings.publish.as_ref().map(|target| {
                let is_text = settings.opcode == Opcode::Text;
                Posts::new(&target.host, &target.path, &settings.headers, is_text)
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

    /// Sets the receive buffer size for sockets of this part that are opened later.
    pub(crate) fn set_receive_buffer(&mut self, part: Part, bytes: usize) {
        self.receive_buffers[usize::from(part.0)] = Some(bytes);
    }

    pub(crate) fn openings_under_way(&self) -> u64 {
        self.openings_under_way
    }

    /// Begins to open a WebSocket. The scenario's `on_open` or `on_ended` reports the outcome.
    pub(crate) fn open(&mut self, part: Part, index: u32) {
        self.begin(part, index, false);
    }

    /// Begins to open a connection for publishing by POST. It is open once TCP is connected.
    pub(crate) fn open_http(&mut self, part: Part, index: u32) {
        self.begin(part, index, true);
    }

    fn begin(&mut self, part: Part, index: u32, is_http: bool) {
        self.counts[usize::from(part.0)].wanted += 1;
        self.openings_under_way += 1;
        let ordinal = self.ordinal;
        self.ordinal = self.ordinal.wrapping_add(self.thread.count());
        if let Err(error) = self.begin_opening(part, index, ordinal, is_http) {
            self.note_end(part, index, false, End::NotConnected, || error.to_string());
        }
    }

    fn begin_opening(
        &mut self,
        part: Part,
        index: u32,
        ordinal: u32,
        is_http: bool,
    ) -> io::Result<()> {
        let began = self.clock.now();
        self.opening_span.get_or_insert((began, began));
        let settings = &self.settings;
        let source = settings.sources.map(|sources| sources.address_of(ordinal));
        let target = settings.publish.as_ref().filter(|_| is_http).unwrap_or(&settings.target);
        let tcp = connect(target.address, source, self.receive_buffers[usize::from(part.0)])?;
        let mut stream = match &target.tls {
            Some(tls) => Stream::tls(tcp, &tls.config, tls.server_name.clone())?,
            None => Stream::Plain(tcp),
        };
        let mut request = Vec::new();
        let phase = if is_http {
            ConnectionPhase::Connecting { began }
        } else {
            let handshake =
                ClientHandshake::new(self.random.nonce()).offering(settings.subprotocols);
            let headers: Vec<_> = settings
                .headers
                .iter()
                .map(|(name, value)| (name.as_str(), value.as_str()))
                .collect();
            handshake.write_request(&mut request, &target.host, &target.path_of(ordinal), &headers);
            ConnectionPhase::Opening {
                handshake,
                scanner: HeadScanner::default(),
                began,
                connected: None,
            }
        };
        let id = self.connections.next_id();
        let interest = Interest::READABLE | Interest::WRITABLE;
        self.poll.registry().register(stream.tcp_mut(), id.token(), interest)?;
        self.connections.insert(Connection::new(stream, part, index, phase, request));
        self.deadlines.push_back((began + HANDSHAKE_TIMEOUT, id));
        Ok(())
    }

    /// Handles a writable socket. The first event without an error means that TCP is connected; an
    /// error is returned by the next write. Returns true if a connection for POST has opened.
    pub(crate) fn on_writable(&mut self, id: Id, has_error: bool) -> bool {
        let Some(connection) = self.connections.get_mut(id) else { return false };
        connection.writable = true;
        if has_error {
            return false;
        }
        match &mut connection.phase {
            ConnectionPhase::Opening { began, connected: connected @ None, .. } => {
                let now = self.clock.now();
                *connected = Some(now);
                self.tcp.record(now.nanos_since(*began));
                false
            }
            ConnectionPhase::Connecting { began } => {
                let now = self.clock.now();
                self.tcp.record(now.nanos_since(*began));
                connection.phase = ConnectionPhase::Http(Responses::default());
                self.count_opened(id, now);
                true
            }
            ConnectionPhase::Opening { .. }
            | ConnectionPhase::Http(_)
            | ConnectionPhase::Open
            | ConnectionPhase::Closing
            | ConnectionPhase::Closed => false,
        }
    }

    pub(crate) fn is_open(&mut self, id: Id) -> bool {
        self.get_mut(id).is_some_and(|connection| matches!(connection.phase, ConnectionPhase::Open))
    }

    pub(crate) fn get_mut(&mut self, id: Id) -> Option<&mut Connection> {
        self.connections.get_mut(id)
    }

    /// Records that the 101 has been read.
    pub(crate) fn note_opened(&mut self, id: Id, at: Moment) {
        let Some(connection) = self.connections.get_mut(id) else { return };
        let ConnectionPhase::Opening { began, connected, .. } = connection.phase else { return };
        connection.phase = ConnectionPhase::Open;
        self.upgrade.record(at.nanos_since(connected.unwrap_or(began)));
        self.count_opened(id, at);
    }

    fn count_opened(&mut self, id: Id, at: Moment) {
        let Some(connection) = self.connections.get_mut(id) else { return };
        self.openings_under_way -= 1;
        let counts = &mut self.counts[usize::from(connection.part.0)];
        counts.opened += 1;
        counts.open += 1;
        if let Some((_, last)) = &mut self.opening_span {
            *last = at;
        }
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
        if let Err(error) = connection.flush() {
            let is_opening = matches!(
                connection.phase,
                ConnectionPhase::Opening { .. } | ConnectionPhase::Connecting { .. }
            );
            let end = if is_opening { End::NotConnected } else { End::Reset };
            self.end(id, end, || error.to_string());
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
            report.fail_if_any(counts.wanted - counts.opened, &format!("{name} did not open"));
        }
        let under_way = sum(|counts| counts.wanted - counts.opened - counts.failed);
        if under_way > 0 {
            report.error("not_finished", under_way, "was still opening when the run ended");
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
        self.ends.note(end, text);
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
