//! Reads from a connection with one `recv`, and processes what is then complete.
use std::io::{self, Read as _};
use std::ops::Range;

use fanfare::protocol::{CloseCode, DecoderLimits, Event, Opcode, ProtocolError, encode_frame};

use super::args::ServeMode;
use super::connection::{ServerConnection, ServerPhase};
use super::faults::FaultPlan;
use super::http::MESSAGE_BYTES_MAX;
use super::receiver::{Delivery, Next};
use super::server::Server;
use crate::net::clock::Moment;
use crate::net::slots::Id;
use crate::net::socket::READ_BYTES_MAX;

const LIMITS: DecoderLimits =
    DecoderLimits { message_bytes_max: MESSAGE_BYTES_MAX, fragments_max: 1 << 16 };

/// Why a connection is closed after a read.
struct Closing {
    code: CloseCode,
    reason: &'static str,
}

impl Server {
    /// Does one `recv` and processes everything that it completes. A short read means that the
    /// socket is empty, unless the peer has closed: the close is reported only once, by the same
    /// readiness event as the bytes.
    pub(super) fn read(&mut self, id: Id, hung_up: bool) {
        let Some(connection) = self.connections.get_mut(id) else { return };
        let held = connection.rest.len();
        let taken = match connection.stream.read(&mut self.buffer[held..held + READ_BYTES_MAX]) {
            Ok(0) => return self.remove(id),
            Ok(taken) => taken,
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => 0,
            Err(_) => return self.remove(id),
        };
        self.ledger.bytes_in += taken as u64;
        self.buffer[..held].copy_from_slice(&connection.rest);
        connection.rest.clear();
        self.take(id, held + taken);
        self.flush(id);
        if hung_up || taken == READ_BYTES_MAX || taken == 0 {
            self.unfinished.push((id, hung_up));
        }
        if self.round.is_full() {
            self.end_round();
        }
    }

    /// Processes the first `filled` bytes of the receive buffer: requests, then frames.
    fn take(&mut self, id: Id, filled: usize) {
        let Some(connection) = self.connections.get_mut(id) else { return };
        if connection.phase == ServerPhase::Ending {
            return;
        }
        let messages_before = self.ledger.messages_in;
        let mut start = 0;
        if let ServerPhase::Http { .. } = connection.phase {
            let (round, ledger, args) = (&mut self.round, &mut self.ledger, &self.args);
            start = connection.take_requests(&self.buffer[..filled], args, |message| {
                round.push(message, id, ledger.messages_in >= args.fault_after);
                ledger.messages_in += 1;
            });
            match connection.phase {
                ServerPhase::Http { .. } => {}
                ServerPhase::Open => {
                    self.ledger.connections += 1;
                    connection.round_taken = self.round.len();
                }
                ServerPhase::Ending => self.note_ending(id),
            }
        }
        self.take_frames(id, start, filled);
        if messages_before == 0 && self.ledger.messages_in > 0 {
            self.stall_at = self.plan.stall.map(|stall| self.clock.now() + stall.after);
        }
    }

    fn take_frames(&mut self, id: Id, mut start: usize, filled: usize) {
        let Server { connections, buffer, round, scratch, ledger, args, plan, clock, .. } = self;
        let Some(connection) = connections.get_mut(id) else { return };
        let mut closing = None;
        let mut release = None;
        // The clock is read once for all messages of a read, and only if a copy may be held back.
        let now = if plan.touches_copies() { clock.now() } else { Moment::default() };
        while connection.phase == ServerPhase::Open && closing.is_none() && start < filled {
            let ServerConnection { decoder, assembly, outbound, receiver, .. } = connection;
            let decoded = match decoder.decode(&LIMITS, &mut buffer[start..filled], assembly) {
                Ok(decoded) => decoded,
                Err(error) => {
                    closing = Some(Closing { code: error.close_code(), reason: error.reason() });
                    break;
                }
            };
            start += decoded.consumed;
            match decoded.event {
                None => break,
                Some(Event::Message(message)) => {
                    let may_fail = ledger.messages_in >= args.fault_after;
                    ledger.messages_in += 1;
                    let next = match args.mode() {
                        ServeMode::Sink => Next::GoOn,
                        ServeMode::Broadcast => {
                            round.push(message, id, may_fail);
                            Next::GoOn
                        }
                        ServeMode::Echo if !plan.touches_copies() => {
                            let frames = outbound.frames();
                            encode_frame(frames, message.kind().opcode(), message.payload());
                            ledger.copies += 1;
                            Next::GoOn
                        }
                        ServeMode::Echo => {
                            scratch.clear();
                            encode_frame(scratch, message.kind().opcode(), message.payload());
                            let delivery = Delivery {
                                frame: scratch,
                                payload_bytes: message.payload().len(),
                                may_fail: receiver.messages() >= args.fault_after,
                            };
                            receiver.deliver(plan, delivery, now, outbound, ledger)
                        }
                    };
                    match next {
                        Next::GoOn => {}
                        Next::Release(at) => release = Some(at),
                        Next::Close => closing = close_after(plan),
                    }
                }
                Some(Event::Compressed(_)) => {
                    let error = ProtocolError::ReservedBits;
                    closing = Some(Closing { code: error.close_code(), reason: error.reason() });
                }
                Some(Event::Ping(payload)) => {
                    encode_frame(outbound.frames(), Opcode::Pong, payload);
                }
                Some(Event::Pong(_)) => {}
                Some(Event::Close(frame)) => {
                    let code = frame.map_or(CloseCode::NORMAL, |frame| frame.code);
                    closing = Some(Closing { code, reason: "" });
                }
            }
        }
        if let Some(at) = release {
            self.held.push_back((at, id));
        }
        self.keep_or_close(id, start..filled, closing);
    }

    /// Closes the connection if `closing` is set, or keeps the bytes `rest` for its next read.
    fn keep_or_close(&mut self, id: Id, rest: Range<usize>, closing: Option<Closing>) {
        if let Some(closing) = closing {
            return self.close(id, &closing);
        }
        let Some(connection) = self.connections.get_mut(id) else { return };
        if connection.phase != ServerPhase::Ending {
            connection.rest.extend_from_slice(&self.buffer[rest]);
        }
    }

    /// Closes the connection, after delivering to it what was published before.
    fn close(&mut self, id: Id, closing: &Closing) {
        let now = self.clock.now();
        let Server { connections, round, ledger, args, plan, .. } = self;
        let Some(connection) = connections.get_mut(id) else { return };
        if round.deliver(id, connection, args, plan, now, ledger).is_err() {
            return self.remove(id);
        }
        connection.close(closing.code, closing.reason, ledger);
        self.note_ending(id);
    }
}

fn close_after(plan: &FaultPlan) -> Option<Closing> {
    plan.close
        .map(|close| Closing { code: close.code, reason: "after so many messages, as asked for" })
}
