//! The event loop of one thread. One pass is a turn: wait, read, decode, call the scenario, write.
use std::io;
use std::ops::Range;
use std::sync::atomic::Ordering;
use std::time::Duration;

use fanfare::protocol::{CloseCode, ProtocolError};
use fanfare::protocol::{DecoderLimits, Event, Opcode, encode_masked_close, encode_masked_frame};
use mio::Events;

use super::load::{Load, TIMER};
use super::scenario::{Peer, Progress, Scenario, Turn};
use crate::net::clock::Moment;
use crate::net::connection::{Connection, ConnectionPhase};
use crate::net::ends::End;
use crate::net::slots::Id;
use crate::net::socket::{READ_BYTES_MAX, REST_BYTES_MAX};

/// At most this many readiness events are processed in one turn. Messages that become due meanwhile
/// are late by about as many reads, a fraction of a millisecond.
const EVENTS_PER_TURN_MAX: usize = 128;
/// The longest wait for readiness. Ctrl-C just before a wait is noticed only when the wait ends.
const WAIT_MAX: Duration = Duration::from_millis(100);
/// Limits of what a server may send: the largest message of a scenario, with room for data that the
/// server wraps around it.
const LIMITS: DecoderLimits = DecoderLimits { message_bytes_max: 17 << 20, fragments_max: 1 << 16 };
/// A Ping is not answered while more bytes than this wait to be written.
const PONGS_BYTES_MAX: usize = 1 << 20;

/// Runs one thread's share of a scenario to its end.
pub(crate) fn run<S: Scenario>(load: &mut Load, scenario: &mut S) -> io::Result<()> {
    let mut events = Events::with_capacity(EVENTS_PER_TURN_MAX);
    let mut unfinished = Vec::new();
    let mut woke = load.clock.now();
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
        publish_figures(load, scenario.progress());
        woke = wait(load, &mut events, until, woke)?;
        std::mem::swap(&mut load.unfinished, &mut unfinished);
        for (id, hung_up) in unfinished.drain(..) {
            read(load, scenario, id, hung_up);
        }
        for event in &events {
            if event.token() == TIMER {
                continue;
            }
            let id = Id::of(event.token());
            if event.is_writable() || event.is_error() {
                if load.on_writable(id, event.is_error())
                    && let Some(connection) = load.get_mut(id)
                {
                    let (part, index) = (connection.part, connection.index);
                    scenario.on_open(load, id, part, index);
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

fn publish_figures(load: &Load, progress: Progress) {
    load.publish_figures();
    let figures = load.thread.figures();
    figures.sent.store(progress.sent, Ordering::Relaxed);
    figures.delivered.store(progress.delivered, Ordering::Relaxed);
    figures.p99_nanos.store(progress.p99_nanos, Ordering::Relaxed);
}

/// Waits for readiness, at most until `until`. `woke` is when the last wait ended. Returns when
/// this wait ended.
fn wait(load: &mut Load, events: &mut Events, until: Moment, woke: Moment) -> io::Result<Moment> {
    let now = load.clock.now();
    let until = load.next_deadline().map_or(until, |deadline| deadline.min(until));
    let busy = until <= now || !load.unfinished.is_empty() || !load.ended.is_empty();
    if !busy {
        load.timer.arm(until, now)?;
    }
    match load.poll.poll(events, Some(if busy { Duration::ZERO } else { WAIT_MAX })) {
        Err(error) if error.kind() == io::ErrorKind::Interrupted => events.clear(),
        other => other?,
    }
    let awake = load.clock.now();
    if load.is_measuring {
        // A stall is time away from the sockets: the work between two waits, or the wait for a core
        // after the timer has fired. Stalls are weighted by their length, so that many short turns
        // do not hide a long one.
        let (at_work, late) =
            (now.nanos_since(woke), if busy { 0 } else { awake.nanos_since(until) });
        load.stalls.record_by_time(at_work, at_work);
        load.stalls.record_by_time(late, late);
        load.stalls.record_by_time(0, awake.nanos_since(now).saturating_sub(late));
    }
    Ok(awake)
}

/// Does one `recv` and handles what it received. After a short read a plain socket is empty and is
/// not read again before the next readiness event. If the peer has closed (`hung_up`) it is read
/// again, because no further event will report the close.
fn read<S: Scenario>(load: &mut Load, scenario: &mut S, id: Id, hung_up: bool) {
    let Load { connections, buffer, .. } = load;
    let Some(connection) = connections.get_mut(id) else { return };
    if !connection.reading {
        return;
    }
    let held = connection.rest.len();
    debug_assert!(held <= REST_BYTES_MAX, "too many bytes are left undecoded");
    let taken = match connection.read(&mut buffer[held..held + READ_BYTES_MAX]) {
        Ok(0) => {
            let (end, text) = connection.end_of_stream();
            return load.end(id, end, || text);
        }
        Ok(taken) => taken,
        Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
            if let Some(error) = connection.write_error.take() {
                load.end(id, End::Reset, || error);
            }
            return;
        }
        Err(error) if error.kind() == io::ErrorKind::Interrupted => 0,
        Err(error) => {
            let is_tls = error.kind() == io::ErrorKind::InvalidData;
            let end = match connection.phase {
                ConnectionPhase::Connecting { .. }
                | ConnectionPhase::Opening { connected: None, .. } => End::NotConnected,
                ConnectionPhase::Opening { .. } if is_tls => End::NotConnected,
                ConnectionPhase::Opening { .. }
                | ConnectionPhase::Http(_)
                | ConnectionPhase::Open
                | ConnectionPhase::Closing
                | ConnectionPhase::Closed => End::Reset,
            };
            return load.end(id, end, || error.to_string());
        }
    };
    let at = load.clock.now();
    buffer[..held].copy_from_slice(&connection.rest);
    connection.rest.clear();
    let filled = held + taken;
    match take(load, scenario, id, filled, at) {
        Ok(()) => load.flush_one(id),
        Err((end, text)) => return load.end(id, end, || text),
    }
    let Some(connection) = load.get_mut(id) else { return };
    if hung_up
        || taken == READ_BYTES_MAX
        || taken == 0
        || !connection.stream.drained_by_short_read()
    {
        load.unfinished.push((id, hung_up));
    }
}

/// Handles the first `filled` bytes of the receive buffer: the opening handshake, then frames. The
/// error says why the connection must end.
fn take<S: Scenario>(
    load: &mut Load,
    scenario: &mut S,
    id: Id,
    filled: usize,
    at: Moment,
) -> Result<(), (End, String)> {
    let mut start = 0;
    let Load { connections, buffer, .. } = load;
    let Some(connection) = connections.get_mut(id) else { return Ok(()) };
    if matches!(connection.phase, ConnectionPhase::Closed) {
        // Nothing is decoded after a Close frame.
        return Ok(());
    }
    if matches!(connection.phase, ConnectionPhase::Http(_)) {
        return take_answers(connection, scenario, &buffer[..filled]);
    }
    if matches!(connection.phase, ConnectionPhase::Opening { .. }) {
        let Some(head_bytes) = connection.take_response(&buffer[..filled])? else {
            connection.rest.extend_from_slice(&buffer[..filled]);
            return Ok(());
        };
        start = head_bytes;
        let (part, index) = (connection.part, connection.index);
        load.note_opened(id, at);
        scenario.on_open(load, id, part, index);
    }
    take_frames(load, scenario, id, start..filled, at)
}

/// Handles the HTTP responses to messages that were published by POST.
fn take_answers(
    connection: &mut Connection,
    scenario: &mut impl Scenario,
    bytes: &[u8],
) -> Result<(), (End, String)> {
    let ConnectionPhase::Http(responses) = &mut connection.phase else { return Ok(()) };
    let mut start = 0;
    while start < bytes.len() {
        let (taken, status) = responses.take(&bytes[start..])?;
        start += taken;
        if let Some(status) = status {
            scenario.on_answer(connection.index, status);
        } else if taken == 0 {
            break;
        }
    }
    connection.rest.extend_from_slice(&bytes[start..]);
    Ok(())
}

/// Decodes the frames in this range of the receive buffer.
fn take_frames(
    load: &mut Load,
    scenario: &mut impl Scenario,
    id: Id,
    range: Range<usize>,
    at: Moment,
) -> Result<(), (End, String)> {
    let Range { mut start, end: filled } = range;
    let opcode = load.opcode();
    let Load { connections, buffer, random, .. } = load;
    // A scenario may have reset the connection in `on_open`.
    let Some(connection) = connections.get_mut(id) else { return Ok(()) };
    let mut closed = None;
    let (part, index) = (connection.part, connection.index);
    let is_closing = matches!(connection.phase, ConnectionPhase::Closing);
    while closed.is_none() && start < filled {
        let Connection { decoder, assembly, outbound, .. } = &mut *connection;
        let decoded = decoder
            .decode(&LIMITS, &mut buffer[start..filled], assembly)
            .map_err(|error: ProtocolError| (End::Protocol, error.to_string()))?;
        start += decoded.consumed;
        match decoded.event {
            None => break,
            Some(Event::Message(message)) => {
                scenario.on_message(
                    &mut Peer { part, index, outbound, random, opcode },
                    message,
                    at,
                );
            }
            Some(Event::Compressed(_)) => {
                return Err((End::Protocol, ProtocolError::ReservedBits.to_string()));
            }
            Some(Event::Ping(payload)) => {
                // A server that does not read our Pongs gets no more of them. RFC 6455 section
                // 5.5.3 requires an answer to the last Ping only.
                if outbound.len() < PONGS_BYTES_MAX {
                    encode_masked_frame(outbound, Opcode::Pong, payload, random.mask());
                }
            }
            Some(Event::Pong(payload)) => {
                scenario.on_pong(&mut Peer { part, index, outbound, random, opcode }, payload, at);
            }
            Some(Event::Close(frame)) => {
                let code = frame.as_ref().map_or(CloseCode::NO_STATUS, |frame| frame.code);
                let reason = frame.map_or(String::new(), |frame| frame.reason.to_owned());
                if !is_closing {
                    let answer =
                        if code == CloseCode::NO_STATUS { CloseCode::NORMAL } else { code };
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
