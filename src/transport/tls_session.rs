//! TLS on one connection, by rustls: what is read is decrypted, and what is written is encrypted
//! and sent, one record per `send`.
//!
//! To its user the stream behaves as a TCP stream does. What makes this so: if the kernel does not
//! take the last record of a write whole, the last byte in it counts as not written. So whoever
//! writes is blocked, is told when the socket is writable, and comes back with that byte, which is
//! then only counted. If it is an earlier record, what follows is not written anyway.

use std::io;
use std::sync::Arc;

use rustls::HandshakeKind;
use rustls::ServerConfig;
use rustls::server::UnbufferedServerConnection;
use rustls::unbuffered::{ConnectionState, EncodeTlsData, UnbufferedStatus};

use crate::net::Net;
#[cfg(any(test, fuzzing))]
use crate::work::{self, Work};

use super::io_results::{Extent, Received, Sent, received, sent};
use super::tls_failure::TlsFailure;
use super::tls_scratch::{RECORD_BYTES_MAX, TlsScratch};
use super::{Buffer, BufferPool};

/// The same towards a peer that is slow, or while connections hold much memory, so that less waits
/// for it. With the ciphertext's overhead it is what a connection may hold when memory is short.
const SMALL_RECORD_BYTES: usize = 4 * 1024 - 64;
/// The most records of one write, so that other connections do not wait for it: 256 KiB.
const RECORDS_PER_WRITE_MAX: usize = 16;
/// After this many small records that the kernel has taken whole, a peer is not slow any more.
const SMALL_RECORDS: u8 = 8;
/// The most bytes of a handshake that is not complete. A ClientHello has some hundred bytes to two
/// thousand, a chain of client certificates up to ten thousand.
const HANDSHAKE_BYTES_MAX: usize = 32 * 1024;
/// The first byte of a TLS connection: the content type of handshake records.
const HANDSHAKE_RECORD: u8 = 22;

/// How far a connection has come.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum TlsStage {
    /// The bytes before the handshake are plain: a header of the PROXY protocol.
    BeforeHandshake,
    /// Nothing has come yet.
    Hello,
    Handshake,
    Established,
    /// Nothing more is decrypted, and nothing encrypted.
    Failed,
}

/// How a handshake has ended well.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Established {
    /// With a certificate and a signature.
    Full,
    /// With a ticket of an earlier connection.
    Resumed,
}

/// The server's side of TLS on one connection. When idle it owns no buffer.
pub(crate) struct TlsSession {
    rustls: UnbufferedServerConnection,
    stage: TlsStage,
    /// The peer will send nothing more: it has sent a `close_notify`.
    has_peer_ended: bool,
    has_said_goodbye: bool,
    /// The connection has failed, behind bytes that were decrypted and are to be read first.
    failure: Option<TlsFailure>,
    /// It has said something in its handshake, which costs a signature or keys.
    has_answered: bool,
    /// The kernel has accepted a part of `unsent`.
    has_progress: bool,
    /// What the last refusal was.
    refusal: Sent,
    /// The first byte that is written next is encrypted already, and was sent with the rest of its
    /// record.
    owes_byte: bool,
    /// How many of the next records are small.
    small_records: u8,
    /// Ciphertext received that is no complete record, or handshake message, yet.
    received: Option<Buffer>,
    /// Ciphertext that the kernel has not accepted yet.
    unsent: Option<Buffer>,
}

impl TlsSession {
    /// Begins with the next byte of the stream, or with a header of the PROXY protocol before it.
    pub(crate) fn new(
        config: Arc<ServerConfig>,
        begins_plain: bool,
    ) -> Result<TlsSession, rustls::Error> {
        Ok(TlsSession {
            rustls: UnbufferedServerConnection::new(config)?,
            stage: if begins_plain { TlsStage::BeforeHandshake } else { TlsStage::Hello },
            has_peer_ended: false,
            has_said_goodbye: false,
            failure: None,
            has_answered: false,
            has_progress: false,
            refusal: Sent::Blocked,
            owes_byte: false,
            small_records: 0,
            received: None,
            unsent: None,
        })
    }

    /// Begins the handshake with these bytes, which were received behind a PROXY header.
    pub(crate) fn begin_handshake(&mut self, first: &[u8], pool: &mut BufferPool) {
        debug_assert!(self.stage == TlsStage::BeforeHandshake, "the handshake begins once");
        self.stage = TlsStage::Hello;
        self.keep(first, pool);
    }

    /// Returns true if the next bytes of the stream are not encrypted.
    pub(crate) fn begins_plain(&self) -> bool {
        self.stage == TlsStage::BeforeHandshake
    }

    /// Returns true until the handshake is complete or has failed.
    pub(crate) fn is_handshaking(&self) -> bool {
        matches!(self.stage, TlsStage::BeforeHandshake | TlsStage::Hello | TlsStage::Handshake)
    }

    /// Returns true if the handshake was completed and nothing has failed since.
    pub(crate) fn is_established(&self) -> bool {
        self.stage == TlsStage::Established
    }

    /// Returns true if the peer has been sent an answer to its first message.
    pub(crate) fn is_half_way(&self) -> bool {
        self.stage == TlsStage::Handshake && self.rustls.protocol_version().is_some()
    }

    /// Gives up a handshake that is under way. Returns whether anything had come of it, and `None`
    /// if none was.
    pub(crate) fn give_up_handshake(&mut self) -> Option<bool> {
        let has_begun = self.stage == TlsStage::Handshake;
        self.is_handshaking().then(|| {
            self.stage = TlsStage::Failed;
            has_begun
        })
    }

    /// Returns true, once, if the session has said something in its handshake.
    pub(crate) fn take_answered(&mut self) -> bool {
        std::mem::take(&mut self.has_answered)
    }

    /// Returns true, once, if the kernel has accepted a part of what it had refused before.
    pub(crate) fn take_progress(&mut self) -> bool {
        std::mem::take(&mut self.has_progress)
    }

    /// Returns how the handshake has ended.
    pub(crate) fn established(&self) -> Established {
        match self.rustls.handshake_kind() {
            Some(HandshakeKind::Resumed) => Established::Resumed,
            _ => Established::Full,
        }
    }

    /// Calls `recv` once and decrypts what has come into `room`, which must have space for more
    /// than a record. `hung_up`: a short read does not mean that the socket is empty.
    pub(super) fn receive<N: Net>(
        &mut self,
        net: &mut N,
        stream: &mut N::Stream,
        room: &mut [u8],
        hung_up: bool,
        pool: &mut BufferPool,
    ) -> Result<Received, TlsFailure> {
        if self.stage == TlsStage::BeforeHandshake {
            return Ok(received(net.read(stream, room), room.len())?);
        }
        if let Some(failure) = self.failure.take() {
            return Err(failure);
        }
        if self.has_peer_ended {
            return Ok(Received::End);
        }
        let mut tls = std::mem::take(&mut pool.tls);
        tls.grow(room.len());
        let result = self.receive_through(net, stream, room, &mut tls, pool);
        pool.tls = tls;
        let (seen, filled) = result?;
        // What came before the end is decoded first.
        let is_more = self.has_peer_ended || self.failure.is_some() || hung_up && seen.count() > 0;
        Ok(match seen {
            Received::End => Received::End,
            Received::Drained(_) if !is_more => Received::Drained(filled),
            Received::Drained(_) | Received::Bytes(_) => Received::Bytes(filled),
        })
    }

    /// Returns what `recv` has returned, and how many bytes were decrypted.
    fn receive_through<N: Net>(
        &mut self,
        net: &mut N,
        stream: &mut N::Stream,
        room: &mut [u8],
        tls: &mut TlsScratch,
        pool: &mut BufferPool,
    ) -> Result<(Received, usize), TlsFailure> {
        // No more is received than has room when it is decrypted, with what was kept.
        let kept = self.restore(&mut tls.received, pool);
        if kept > HANDSHAKE_BYTES_MAX || kept >= room.len() {
            return Err(self.fail(TlsFailure::Malformed));
        }
        let space = &mut tls.received[kept..room.len()];
        let seen = received(net.read(stream, space), space.len())?;
        let end = kept + seen.count();
        if self.stage == TlsStage::Hello && end > 0 {
            self.stage = TlsStage::Handshake;
            if tls.received[0] != HANDSHAKE_RECORD {
                return Err(self.fail(TlsFailure::NotTls));
            }
        }
        let decrypted = self.decrypt(&mut tls.received[..end], room, &mut tls.sent, pool);
        // What the kernel refuses goes out with the next write, or when the socket is writable.
        let answered = self.send_rest(net, stream, pool);
        let (used, filled) = decrypted;
        if let Some(failure) = self.failure.take_if(|_| filled == 0) {
            return Err(failure);
        }
        answered?;
        if !self.has_peer_ended {
            self.keep(&tls.received[used..end], pool);
        }
        Ok((seen, filled))
    }

    fn fail(&mut self, failure: TlsFailure) -> TlsFailure {
        self.stage = TlsStage::Failed;
        failure
    }

    /// Decrypts what was received, and prepares what TLS itself has to say. Returns how many bytes
    /// were used, and how many were decrypted; what stands before a fault is good.
    fn decrypt(
        &mut self,
        ciphertext: &mut [u8],
        room: &mut [u8],
        sent: &mut [u8],
        pool: &mut BufferPool,
    ) -> (usize, usize) {
        #[cfg(any(test, fuzzing))]
        {
            work::note_many(Work::CipherByte, ciphertext.len());
            work::note_many(Work::Handshake, usize::from(self.is_handshaking()));
        }
        let (mut used, mut filled) = (0, 0);
        loop {
            let UnbufferedStatus { mut discard, state } =
                self.rustls.process_tls_records(&mut ciphertext[used..]);
            let mut goes_on = true;
            match state {
                Ok(ConnectionState::ReadTraffic(mut records)) => {
                    while let Some(record) = records.next_record() {
                        // It cannot be an error, and there is always room: no more was received.
                        let Ok(record) = record else { break };
                        let end = filled + record.payload.len();
                        let Some(space) = room.get_mut(filled..end) else { break };
                        space.copy_from_slice(record.payload);
                        (filled, discard) = (end, discard + record.discard);
                    }
                }
                Ok(ConnectionState::EncodeTlsData(message)) => {
                    append(&mut self.unsent, encode(message, sent), pool);
                    self.has_answered |= self.stage == TlsStage::Handshake;
                }
                Ok(ConnectionState::TransmitTlsData(sent)) => sent.done(),
                // A server that takes no data before the handshake is over is not sent any.
                Ok(ConnectionState::ReadEarlyData(_)) => {
                    self.failure = Some(self.fail(TlsFailure::Malformed));
                    return (ciphertext.len(), filled);
                }
                Ok(ConnectionState::PeerClosed) => self.has_peer_ended = true,
                Ok(_) => goes_on = false,
                Err(error) => {
                    self.failure = Some(self.fail(TlsFailure::of(&error)));
                    self.prepare_alert(&mut ciphertext[used + discard..], sent, pool);
                    return (ciphertext.len(), filled);
                }
            }
            used += discard;
            if !goes_on {
                break;
            }
        }
        if self.stage == TlsStage::Handshake && !self.rustls.is_handshaking() {
            self.stage = TlsStage::Established;
        }
        let is_established = self.stage == TlsStage::Established && !self.has_peer_ended;
        if is_established && begins_with_a_record(&ciphertext[used..]) {
            self.failure = Some(self.fail(TlsFailure::Malformed));
            used = ciphertext.len();
        }
        (used, filled)
    }

    /// Has the peer told why its handshake, or its record, was refused: takes what rustls has to
    /// say up to its alert. Behind that it must not be called again, because it would look at the
    /// record that it has refused, or at the message, once more. `rest`: what was received and is
    /// not used, which it looks at if it has nothing to say.
    fn prepare_alert(&mut self, rest: &mut [u8], sent: &mut [u8], pool: &mut BufferPool) {
        let mut is_said = false;
        while !is_said {
            let state = self.rustls.process_tls_records(rest).state;
            let Ok(ConnectionState::EncodeTlsData(message)) = state else { return };
            let record = encode(message, sent);
            is_said = is_alert(record);
            append(&mut self.unsent, record, pool);
        }
    }

    /// Encrypts and sends `bytes`, which are not none. If the kernel refuses a part, that part is
    /// to be written again before anything else.
    pub(super) fn write<N: Net>(
        &mut self,
        net: &mut N,
        stream: &mut N::Stream,
        bytes: &[u8],
        extent: Extent,
        pool: &mut BufferPool,
    ) -> io::Result<(usize, Sent)> {
        match self.send_rest(net, stream, pool)? {
            Sent::All => {}
            refused => return Ok((0, refused)),
        }
        let mut tls = std::mem::take(&mut pool.tls);
        tls.grow(0);
        let written = self.write_records(net, stream, bytes, extent, &mut tls.sent, pool);
        pool.tls = tls;
        written
    }

    fn write_records<N: Net>(
        &mut self,
        net: &mut N,
        stream: &mut N::Stream,
        bytes: &[u8],
        extent: Extent,
        record: &mut [u8],
        pool: &mut BufferPool,
    ) -> io::Result<(usize, Sent)> {
        let mut taken = usize::from(std::mem::take(&mut self.owes_byte));
        debug_assert!(taken <= bytes.len(), "whoever was refused a byte comes back with it");
        let is_last = extent == Extent::Last;
        let mut records = 0;
        while taken < bytes.len() {
            if extent == Extent::Part && records == RECORDS_PER_WRITE_MAX {
                break;
            }
            records += 1;
            let record_max = match self.small_records > 0 || pool.is_half_used() {
                true => SMALL_RECORD_BYTES,
                false => RECORD_BYTES_MAX,
            };
            let end = bytes.len().min(taken + record_max);
            let is_end = end == bytes.len();
            let count = self.encrypt(&bytes[taken..end], is_last && is_end, record)?;
            let offered = &record[..count];
            let result = match is_last && is_end {
                true => net.write_last(stream, offered),
                false => net.write(stream, offered),
            };
            let (accepted, outcome) = sent(result, count)?;
            taken = end;
            if outcome != Sent::All {
                append(&mut self.unsent, &offered[accepted..], pool);
                self.refusal = outcome;
                self.small_records = SMALL_RECORDS;
                self.owes_byte = is_end;
                return Ok((taken - usize::from(is_end), outcome));
            }
            self.small_records = self.small_records.saturating_sub(1);
        }
        Ok((taken, Sent::All))
    }

    /// Encrypts a record, and the `close_notify` behind it if this `is_last`. Returns the length.
    fn encrypt(&mut self, bytes: &[u8], is_last: bool, record: &mut [u8]) -> io::Result<usize> {
        if self.stage != TlsStage::Established {
            return Err(io::ErrorKind::NotConnected.into());
        }
        let Ok(ConnectionState::WriteTraffic(mut traffic)) =
            self.rustls.process_tls_records(&mut []).state
        else {
            return Err(io::ErrorKind::NotConnected.into());
        };
        #[cfg(any(test, fuzzing))]
        work::note_many(Work::CipherByte, bytes.len());
        let mut count = traffic.encrypt(bytes, record).map_err(io::Error::other)?;
        if is_last {
            let goodbye = traffic.queue_close_notify(&mut record[count..]);
            count += goodbye.map_err(io::Error::other)?;
            self.has_said_goodbye = true;
        }
        Ok(count)
    }

    /// Sends what the kernel has refused of a record that is encrypted.
    pub(super) fn send_rest<N: Net>(
        &mut self,
        net: &mut N,
        stream: &mut N::Stream,
        pool: &mut BufferPool,
    ) -> io::Result<Sent> {
        let Some(unsent) = &mut self.unsent else { return Ok(Sent::All) };
        let offered = unsent.unread().len();
        let (accepted, outcome) = sent(net.write(stream, unsent.unread()), offered)?;
        unsent.use_up(accepted);
        self.has_progress |= accepted > 0;
        self.refusal = outcome;
        if outcome == Sent::All {
            self.unsent.take().into_iter().for_each(|buffer| pool.put(buffer));
        }
        Ok(outcome)
    }

    /// Tells the peer that nothing more comes (`close_notify`, RFC 8446 section 6.1), if the kernel
    /// takes it at once: a peer that waits for it takes the end of the stream for the same.
    pub(super) fn say_goodbye<N: Net>(
        &mut self,
        net: &mut N,
        stream: &mut N::Stream,
        pool: &mut BufferPool,
    ) {
        if self.has_said_goodbye || self.stage != TlsStage::Established || self.unsent.is_some() {
            return;
        }
        let mut tls = std::mem::take(&mut pool.tls);
        tls.grow(0);
        if let Ok(count) = self.encrypt(&[], true, &mut tls.sent) {
            // The connection ends next, whatever becomes of this.
            let _ = net.write(stream, &tls.sent[..count]);
        }
        pool.tls = tls;
    }

    /// Returns how the kernel has refused a part of what TLS itself, or a write, has to say; `None`
    /// if it has taken all.
    pub(crate) fn refusal(&self) -> Option<Sent> {
        self.unsent.is_some().then_some(self.refusal)
    }

    /// Drops what was received, because nothing more will be decrypted.
    pub(super) fn forget_received(&mut self, pool: &mut BufferPool) {
        self.received.take().into_iter().for_each(|buffer| pool.put(buffer));
    }

    /// Moves the ciphertext that was kept to the front of `into`. Returns how much there is.
    fn restore(&mut self, into: &mut [u8], pool: &mut BufferPool) -> usize {
        let Some(received) = self.received.take() else { return 0 };
        let kept = received.unread().len();
        // There is always room: no more is kept than was received into a buffer of this size.
        into[..kept].copy_from_slice(received.unread());
        pool.put(received);
        kept
    }

    fn keep(&mut self, rest: &[u8], pool: &mut BufferPool) {
        if !rest.is_empty() {
            append(&mut self.received, rest, pool);
        }
    }

    pub(super) fn buffers(&self) -> impl Iterator<Item = &Buffer> {
        [&self.received, &self.unsent].into_iter().flatten()
    }

    pub(super) fn buffers_mut(&mut self) -> impl Iterator<Item = &mut Buffer> {
        [&mut self.received, &mut self.unsent].into_iter().flatten()
    }

    /// Gives all buffers back to the pool.
    pub(super) fn dismantle(self, pool: &mut BufferPool) {
        [self.received, self.unsent].into_iter().flatten().for_each(|buffer| pool.put(buffer));
    }
}

/// Returns true if a record that rustls has made is an alert. If it is encrypted as TLS 1.3 does
/// it, only its length tells: that of an alert, its type and its tag (RFC 8446 sections 5.2 and 6).
/// A handshake message is longer.
fn is_alert(record: &[u8]) -> bool {
    const LENGTH: usize = 5 + 2 + 1 + 16;
    matches!(record, [21, ..]) || matches!(record, [23, ..] if record.len() == LENGTH)
}

/// Returns true if these bytes, which rustls has looked at and does not give up, begin with a whole
/// record. Then it holds only a part of a handshake message. rustls would have to be shown these
/// bytes at each call, also when something is encrypted, and panics if they are missing. In the
/// handshake that is done; later no client sends a message in pieces.
fn begins_with_a_record(bytes: &[u8]) -> bool {
    let &[_, _, _, high, low, ref rest @ ..] = bytes else { return false };
    rest.len() >= usize::from(u16::from_be_bytes([high, low]))
}

fn append(buffer: &mut Option<Buffer>, bytes: &[u8], pool: &mut BufferPool) {
    let buffer = buffer.get_or_insert_with(|| pool.take());
    buffer.append(bytes);
    pool.count(buffer);
}

/// Writes a message of a handshake down. The scratch is as large as the largest, so it fits.
fn encode<'a, Data>(mut message: EncodeTlsData<'_, Data>, scratch: &'a mut [u8]) -> &'a [u8] {
    let count = message.encode(scratch).unwrap_or_default();
    &scratch[..count]
}
