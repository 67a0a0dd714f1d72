//! The connections of a run and what a scenario may do with them. One thread, one poll, one slab, one receive
//! buffer. How they are driven stands in `run.rs`.
use std::collections::VecDeque;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use fanfare::protocol::{ClientHandshake, CloseCode, HeadScanner, encode_masked_close};
use mio::{Interest, Poll, Token};
use slab::Slab;

use crate::clock::{Clock, Moment, Timer};
use crate::connection::{Connection, PARTS_MAX, Part, Phase, connect};
use crate::ends::{End, Ends};
use crate::latency::Latencies;
use crate::random::Random;
use crate::report::{Report, Value};
use crate::target::{Sources, Target};

/// Read per socket and turn, and so per `recv`: a burst of 4,000 small frames in one system call.
pub(crate) const READ_BYTES_MAX: usize = 256 * 1024;
/// Room in the receive buffer for what stood undecoded before a read: at most one head of the opening handshake.
pub(crate) const REST_BYTES_MAX: usize = 16 * 1024;
/// An opening or a closing handshake that takes longer has failed. One number for both, so that deadlines lie in
/// the order of their beginnings and one queue holds them.
const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(10);

/// The timer's token; no connection has it, for slabs do not grow that far.
pub(crate) const TIMER: Token = Token(usize::MAX);

/// A connection: its place in the slab, and the generation that tells it from earlier ones in that place.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Id {
    key: u32,
    generation: u32,
}

impl Id {
    fn token(self) -> Token {
        Token((self.generation as usize) << 32 | self.key as usize)
    }

    pub(crate) fn of(token: Token) -> Id {
        Id { key: token.0 as u32, generation: (token.0 >> 32) as u32 }
    }
}

/// A connection is gone, or could not be made.
#[derive(Clone, Debug)]
pub(crate) struct Ended {
    pub(crate) part: Part,
    pub(crate) index: u32,
    /// Whether it ever was open.
    pub(crate) was_open: bool,
    pub(crate) end: End,
}

/// Openings of one part.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct PartCounts {
    pub(crate) wanted: u64,
    pub(crate) opened: u64,
    pub(crate) failed: u64,
    pub(crate) open: u64,
}

impl PartCounts {
    /// Neither open yet nor failed.
    pub(crate) fn under_way(self) -> u64 {
        self.wanted - self.opened - self.failed
    }
}

pub(crate) struct Load {
    pub(crate) poll: Poll,
    pub(crate) timer: Timer,
    pub(crate) clock: Clock,
    pub(crate) random: Random,
    pub(crate) connections: Slab<(u32, Connection)>,
    pub(crate) buffer: Vec<u8>,
    /// To be read again without a new edge: a budget was spent, or the peer has closed behind its last bytes.
    pub(crate) unfinished: Vec<(Id, bool)>,
    /// Told to the scenario at one place, in the order they happened.
    pub(crate) ended: VecDeque<Ended>,
    pub(crate) ends: Ends,
    /// From the beginning of the connect to the 101.
    pub(crate) opening: Latencies,
    counts: [PartCounts; PARTS_MAX],
    /// Where a part's sockets do not have the kernel's receive buffer.
    receive_buffers: [Option<usize>; PARTS_MAX],
    unflushed: Vec<Id>,
    deadlines: VecDeque<(Moment, Id)>,
    openings_under_way: u64,
    /// Connections opened so far: chooses source address and channel.
    ordinal: u32,
    generation: u32,
    target: Target,
    sources: Option<Sources>,
    headers: Vec<(String, String)>,
    stop: Arc<AtomicBool>,
}

impl Load {
    /// `stop` ends the run early.
    pub(crate) fn new(
        target: Target,
        sources: Option<Sources>,
        headers: Vec<(String, String)>,
        seed: u64,
        stop: Arc<AtomicBool>,
    ) -> io::Result<Load> {
        let poll = Poll::new()?;
        let timer = Timer::new(poll.registry(), TIMER)?;
        Ok(Load {
            poll,
            timer,
            clock: Clock::start(),
            random: Random::new(seed),
            connections: Slab::new(),
            buffer: vec![0; REST_BYTES_MAX + READ_BYTES_MAX],
            unfinished: Vec::new(),
            ended: VecDeque::new(),
            ends: Ends::default(),
            opening: Latencies::new(),
            counts: [PartCounts::default(); PARTS_MAX],
            receive_buffers: [None; PARTS_MAX],
            unflushed: Vec::new(),
            deadlines: VecDeque::new(),
            openings_under_way: 0,
            ordinal: 0,
            generation: 0,
            target,
            sources,
            headers,
            stop,
        })
    }

    /// Ctrl-C was pressed.
    pub(crate) fn is_stopping(&self) -> bool {
        self.stop.load(Ordering::Relaxed)
    }

    pub(crate) fn counts(&self, part: Part) -> PartCounts {
        self.counts[usize::from(part.0)]
    }

    /// The sockets of a part that are opened from now on have a receive buffer of so many bytes.
    pub(crate) fn set_receive_buffer(&mut self, part: Part, bytes: usize) {
        self.receive_buffers[usize::from(part.0)] = Some(bytes);
    }

    pub(crate) fn openings_under_way(&self) -> u64 {
        self.openings_under_way
    }

    /// Begins to open a connection. `on_open` or `on_ended` will tell what became of it.
    pub(crate) fn open(&mut self, part: Part, index: u32) {
        self.counts[usize::from(part.0)].wanted += 1;
        self.openings_under_way += 1;
        let ordinal = self.ordinal;
        self.ordinal = self.ordinal.wrapping_add(1);
        if let Err(error) = self.begin_opening(part, index, ordinal) {
            self.note_end(part, index, false, End::NotConnected, || error.to_string());
        }
    }

    fn begin_opening(&mut self, part: Part, index: u32, ordinal: u32) -> io::Result<()> {
        let began = self.clock.now();
        let source = self.sources.map(|sources| sources.address_of(ordinal));
        let mut stream = connect(self.target.address, source, self.receive_buffers[usize::from(part.0)])?;
        let handshake = ClientHandshake::new(self.random.nonce());
        let mut request = Vec::new();
        let headers: Vec<_> =
            self.headers.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        handshake.write_request(&mut request, &self.target.host, &self.target.path_of(ordinal), &headers);
        let entry = self.connections.vacant_entry();
        let id = Id { key: u32::try_from(entry.key()).unwrap_or(u32::MAX), generation: self.generation };
        self.generation = self.generation.wrapping_add(1);
        self.poll.registry().register(&mut stream, id.token(), Interest::READABLE | Interest::WRITABLE)?;
        let phase = Phase::Opening { handshake, scanner: HeadScanner::default(), began };
        entry.insert((id.generation, Connection::new(stream, part, index, phase, request)));
        self.deadlines.push_back((began + HANDSHAKE_TIMEOUT, id));
        Ok(())
    }

    pub(crate) fn get_mut(&mut self, id: Id) -> Option<&mut Connection> {
        get_mut(&mut self.connections, id)
    }

    /// The 101 has been read.
    pub(crate) fn note_opened(&mut self, id: Id, at: Moment) {
        let Some(connection) = get_mut(&mut self.connections, id) else { return };
        let Phase::Opening { began, .. } = connection.phase else { return };
        connection.phase = Phase::Open;
        self.opening.record(at.nanos_since(began));
        self.openings_under_way -= 1;
        let counts = &mut self.counts[usize::from(connection.part.0)];
        counts.opened += 1;
        counts.open += 1;
    }

    /// Sends a message at the end of the turn, in one write with whatever else is sent in it.
    pub(crate) fn send_text(&mut self, id: Id, payload: &[u8]) {
        let Some(connection) = get_mut(&mut self.connections, id) else { return };
        if !connection.has_outbound() {
            self.unflushed.push(id);
        }
        connection.send_text(payload, &mut self.random);
    }

    /// Begins the closing handshake.
    pub(crate) fn close(&mut self, id: Id) {
        let Some(connection) = get_mut(&mut self.connections, id) else { return };
        if !matches!(connection.phase, Phase::Open) {
            return;
        }
        connection.phase = Phase::Closing;
        let mask = self.random.mask();
        encode_masked_close(connection.outbound(), CloseCode::NORMAL, "", mask);
        self.unflushed.push(id);
        self.expect_end(id);
    }

    /// A Close frame has come, and is answered or was the answer. The stream must end in time.
    pub(crate) fn note_closed(&mut self, id: Id, end: End, text: String) {
        let Some(connection) = get_mut(&mut self.connections, id) else { return };
        connection.phase = Phase::Closed;
        let (part, index) = (connection.part, connection.index);
        self.counts[usize::from(part.0)].open -= 1;
        self.note_end(part, index, true, end, || text);
        self.expect_end(id);
    }

    fn expect_end(&mut self, id: Id) {
        self.deadlines.push_back((self.clock.now() + HANDSHAKE_TIMEOUT, id));
    }

    /// Ends the connection by a reset, at once. There is no `on_ended`: who calls this knows.
    pub(crate) fn reset(&mut self, id: Id) {
        if let Some(connection) = self.remove(id) {
            connection.reset();
        }
    }

    /// Whether to read from a connection. What waits is read when this is turned on.
    pub(crate) fn set_reading(&mut self, id: Id, reading: bool) {
        let Some(connection) = self.get_mut(id) else { return };
        connection.reading = reading;
        if reading {
            self.unfinished.push((id, true));
        }
    }

    /// The socket has ended, or has to.
    pub(crate) fn end(&mut self, id: Id, end: End, text: impl FnOnce() -> String) {
        let Some(connection) = self.remove(id) else { return };
        let (part, index) = (connection.part, connection.index);
        match connection.phase {
            Phase::Opening { .. } => self.note_end(part, index, false, end, text),
            Phase::Open | Phase::Closing => self.note_end(part, index, true, end, text),
            Phase::Closed if end == End::CloseTimeout => self.ends.note(end, text),
            // However the socket ends after the Close frames.
            Phase::Closed => {}
        }
    }

    /// Writes what this turn has left.
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
            let is_opening = matches!(connection.phase, Phase::Opening { .. });
            let end = if is_opening { End::NotConnected } else { End::Reset };
            self.end(id, end, || error.to_string());
        }
    }

    /// Ends the handshakes whose time is over.
    pub(crate) fn expire(&mut self, now: Moment) {
        while let Some((_, id)) = self.deadlines.pop_front_if(|(deadline, _)| *deadline <= now) {
            let Some(connection) = self.get_mut(id) else { continue };
            let end = match connection.phase {
                Phase::Opening { .. } if connection.has_outbound() => End::NotConnected,
                Phase::Opening { .. } => End::HandshakeTimeout,
                Phase::Open => continue,
                Phase::Closing | Phase::Closed => End::CloseTimeout,
            };
            self.end(id, end, || format!("not within {} s", HANDSHAKE_TIMEOUT.as_secs()));
        }
    }

    pub(crate) fn next_deadline(&self) -> Option<Moment> {
        self.deadlines.front().map(|(deadline, _)| *deadline)
    }

    /// The sections on opening and on errors. `parts` are those of the scenario, with their names.
    pub(crate) fn report(&self, report: &mut Report, parts: &[(&str, Part)]) {
        for (name, part) in parts {
            let counts = self.counts(*part);
            report
                .section("connect")
                .row(format!("{name}_wanted"), Value::Count(counts.wanted))
                .row(format!("{name}_opened"), Value::Count(counts.opened))
                .row(format!("{name}_failed"), Value::Count(counts.failed));
            report.fail_if_any(counts.wanted - counts.opened, &format!("{name} did not open"));
        }
        report.section("connect").row("opening_ns", Value::from(&self.opening));
        for (end, count, text) in self.ends.iter() {
            report
                .section("errors")
                .row(end.to_string(), Value::Count(count))
                .row(format!("{end}_first"), Value::Text(text.to_owned()));
        }
    }

    /// Connections that ever were open.
    pub(crate) fn opened(&self) -> u64 {
        self.counts.iter().map(|counts| counts.opened).sum()
    }

    fn remove(&mut self, id: Id) -> Option<Connection> {
        self.get_mut(id)?;
        let (_, connection) = self.connections.remove(id.key as usize);
        if matches!(connection.phase, Phase::Open | Phase::Closing) {
            self.counts[usize::from(connection.part.0)].open -= 1;
        }
        Some(connection)
    }

    fn note_end(&mut self, part: Part, index: u32, was_open: bool, end: End, text: impl FnOnce() -> String) {
        if !was_open {
            self.openings_under_way -= 1;
            self.counts[usize::from(part.0)].failed += 1;
        }
        self.ends.note(end, text);
        self.ended.push_back(Ended { part, index, was_open, end });
    }
}

/// A connection that is still the one that `id` meant.
pub(crate) fn get_mut(connections: &mut Slab<(u32, Connection)>, id: Id) -> Option<&mut Connection> {
    let (generation, connection) = connections.get_mut(id.key as usize)?;
    (*generation == id.generation).then_some(connection)
}
