//! The turn: wait, read, decode, tell the scenario, write. And the hooks that a scenario has.
use std::io;
use std::time::Duration;

use fanfare::protocol::{CloseCode, ProtocolError};
use fanfare::protocol::{DecoderLimits, Event, Message, Opcode, encode_masked_close, encode_masked_frame};
use mio::Events;

use crate::clock::Moment;
use crate::connection::{Part, Phase};
use crate::ends::End;
use crate::load::{Ended, Id, Load, READ_BYTES_MAX, REST_BYTES_MAX, TIMER, get_mut};
use crate::random::Random;
use crate::report::Report;

/// Readiness taken in one turn. What is due meanwhile is sent after it, so this bounds the delay of sending: some
/// 128 reads, a fraction of a millisecond.
const EVENTS_PER_TURN_MAX: usize = 128;
/// A signal that comes just before a wait is noticed after it.
const WAIT_MAX: Duration = Duration::from_millis(100);
/// What a server may send: more than any message that a scenario sends.
const LIMITS: DecoderLimits = DecoderLimits { message_bytes_max: 64 << 20, fragments_max: 1 << 16 };

/// What a scenario has to say about the next turn.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Turn {
    /// Call again at this moment at the latest.
    Until(Moment),
    Done,
}

/// A use of connections, told of everything that happens to them.
pub(crate) trait Scenario {
    /// A connection is open: its 101 has been read, nothing after it yet.
    fn on_open(&mut self, load: &mut Load, id: Id, part: Part, index: u32);

    /// A message has come, and was read at `at`.
    fn on_message(&mut self, peer: &mut Peer<'_>, message: Message<'_>, at: Moment);

    /// A connection has ended, or was not made.
    fn on_ended(&mut self, load: &mut Load, ended: &Ended);

    /// Called once a turn, when everything that was ready has been read.
    fn on_turn(&mut self, load: &mut Load, now: Moment) -> Turn;

    /// Says what was measured, after the last turn.
    fn report(&self, load: &Load, report: &mut Report);
}

/// The connection a message came on.
pub(crate) struct Peer<'a> {
    pub(crate) part: Part,
    pub(crate) index: u32,
    outbound: &'a mut Vec<u8>,
    random: &'a mut Random,
}

impl Peer<'_> {
    /// Replies. All replies to what one read has brought leave in one write.
    pub(crate) fn send_text(&mut self, payload: &[u8]) {
        encode_masked_frame(self.outbound, Opcode::Text, payload, self.random.mask());
    }
}

/// Runs a scenario to its end.
pub(crate) fn run<S: Scenario>(load: &mut Load, scenario: &mut S) -> io::Result<()> {
    let mut events = Events::with_capacity(EVENTS_PER_TURN_MAX);
    loop {
        let now = load.clock.now();
        load.expire(now);
        while let Some(ended) = load.ended.pop_front() {
            scenario.on_ended(load, &ended);
        }
        let until = match scenario.on_turn(load, now) {
            Turn::Until(until) => until,
            Turn::Done => return Ok(()),
        };
        load.flush();
        wait(load, &mut events, until)?;
        for (id, hung_up) in std::mem::take(&mut load.unfinished) {
            read(load, scenario, id, hung_up);
        }
        for event in &events {
            if event.token() == TIMER {
                continue;
            }
            let id = Id::of(event.token());
            if event.is_writable() || event.is_error() {
                if let Some(connection) = load.get_mut(id) {
                    connection.on_writable();
                }
                load.flush_one(id);
            }
            let hung_up = event.is_read_closed() || event.is_error();
            if event.is_readable() || hung_up {
                read(load, scenario, id, hung_up);
            }
        }
    }
}

fn wait(load: &mut Load, events: &mut Events, until: Moment) -> io::Result<()> {
    let now = load.clock.now();
    let until = load.next_deadline().map_or(until, |deadline| deadline.min(until));
    let busy = until <= now || !load.unfinished.is_empty() || !load.ended.is_empty();
    if !busy {
        load.timer.arm(until, now)?;
    }
    match load.poll.poll(events, Some(if busy { Duration::ZERO } else { WAIT_MAX })) {
        Err(error) if error.kind() == io::ErrorKind::Interrupted => {
            events.clear();
            Ok(())
        }
        other => other,
    }
}

/// One `recv`, and everything that it completes. A short one has emptied the socket, unless the peer has closed
/// behind it: that is told once, with the bytes.
fn read<S: Scenario>(load: &mut Load, scenario: &mut S, id: Id, hung_up: bool) {
    let Load { connections, buffer, .. } = load;
    let Some(connection) = get_mut(connections, id) else { return };
    if !connection.reading {
        return;
    }
    let held = connection.rest.len();
    debug_assert!(held <= REST_BYTES_MAX, "the head scanner and the decoder leave less");
    let taken = match connection.read(&mut buffer[held..held + READ_BYTES_MAX]) {
        Ok(0) => return load.end(id, End::NoCloseFrame, || "the stream ended without one".to_owned()),
        Ok(taken) => taken,
        Err(error) if error.kind() == io::ErrorKind::WouldBlock => return,
        Err(error) if error.kind() == io::ErrorKind::Interrupted => 0,
        Err(error) => return load.end(id, End::Reset, || error.to_string()),
    };
    let at = load.clock.now();
    buffer[..held].copy_from_slice(&connection.rest);
    connection.rest.clear();
    let filled = held + taken;
    match take(load, scenario, id, filled, at) {
        Ok(()) => load.flush_one(id),
        Err((end, text)) => return load.end(id, end, || text),
    }
    if hung_up || taken == READ_BYTES_MAX || taken == 0 {
        load.unfinished.push((id, hung_up));
    }
}

/// Takes the first `filled` bytes of the receive buffer: the rest of the opening handshake, then frames.
fn take<S: Scenario>(
    load: &mut Load,
    scenario: &mut S,
    id: Id,
    filled: usize,
    at: Moment,
) -> Result<(), (End, String)> {
    let mut start = 0;
    let Load { connections, buffer, .. } = load;
    let Some(connection) = get_mut(connections, id) else { return Ok(()) };
    if matches!(connection.phase, Phase::Closed) {
        // Nothing is decoded after a Close frame.
        return Ok(());
    }
    if matches!(connection.phase, Phase::Opening { .. }) {
        let Some(head_bytes) = connection.take_response(&buffer[..filled])? else {
            connection.rest.extend_from_slice(&buffer[..filled]);
            return Ok(());
        };
        start = head_bytes;
        let (part, index) = (connection.part, connection.index);
        load.note_opened(id, at);
        scenario.on_open(load, id, part, index);
    }
    let Load { connections, buffer, random, .. } = load;
    // A scenario may have reset it on opening.
    let Some(connection) = get_mut(connections, id) else { return Ok(()) };
    let mut closed = None;
    let (part, index) = (connection.part, connection.index);
    let is_closing = matches!(connection.phase, Phase::Closing);
    while closed.is_none() && start < filled {
        let (decoder, assembly, outbound) = connection.decoding();
        let decoded = decoder
            .decode(&LIMITS, &mut buffer[start..filled], assembly)
            .map_err(|error: ProtocolError| (End::Protocol, error.to_string()))?;
        start += decoded.consumed;
        match decoded.event {
            None => break,
            Some(Event::Message(message)) => {
                scenario.on_message(&mut Peer { part, index, outbound, random }, message, at);
            }
            Some(Event::Ping(payload)) => {
                encode_masked_frame(outbound, Opcode::Pong, payload, random.mask());
            }
            Some(Event::Pong(_)) => {}
            Some(Event::Close(frame)) => {
                let code = frame.as_ref().map_or(CloseCode::NO_STATUS, |frame| frame.code);
                let reason = frame.map_or(String::new(), |frame| frame.reason.to_owned());
                if !is_closing {
                    let answer = if code == CloseCode::NO_STATUS { CloseCode::NORMAL } else { code };
                    encode_masked_close(outbound, answer, "", random.mask());
                }
                closed = Some((code, reason));
            }
        }
    }
    if let Some((code, reason)) = closed {
        let end = if is_closing { End::ClosedByUs } else { End::ClosedByServer(code.as_u16()) };
        load.note_closed(id, end, reason);
    } else {
        connection.rest.extend_from_slice(&buffer[start..filled]);
    }
    Ok(())
}
