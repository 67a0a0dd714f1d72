//! A WebSocket client over a simulated peer, built on the frame client of all tests. It checks
//! everything that the server sends, and panics on the first wrong byte.

use super::frames::{FrameClient, Opcode, handshake, handshake_with, request};
use super::tls_client::TlsClient;
use crate::net::sim::SimPeer;
use crate::protocol::{Deflater, Inflater};

pub(super) use super::frames::{Answered, Heard};

pub(super) struct Client {
    pub(super) peer: SimPeer,
    frames: FrameClient,
    /// What the connection is encrypted with, if it is.
    tls: Option<TlsClient>,
}

impl Client {
    pub(super) fn new(peer: SimPeer) -> Client {
        Client { peer, frames: FrameClient::new(0), tls: None }
    }

    /// Makes a client that speaks TLS.
    pub(super) fn over_tls(peer: SimPeer, tls: TlsClient) -> Client {
        tls.send(&peer, b"");
        Client { peer, frames: FrameClient::new(0), tls: Some(tls) }
    }

    /// Returns true if the client has read the 101 of its handshake.
    pub(super) fn is_open(&self) -> bool {
        self.frames.is_open
    }

    // Sending.

    pub(super) fn send(&self, bytes: &[u8]) {
        match &self.tls {
            Some(tls) => tls.send(&self.peer, bytes),
            None => self.peer.send(bytes),
        }
    }

    pub(super) fn upgrade(&self, path: &str) {
        self.send(&handshake(path));
    }

    /// Offers compression in the opening handshake.
    pub(super) fn upgrade_with_compression(&mut self, path: &str) {
        self.frames.offers_compression = true;
        let offer = [("Sec-WebSocket-Extensions", "permessage-deflate")];
        self.send(&handshake_with(path, &offer));
    }

    /// Sends a message compressed.
    pub(super) fn say_compressed(&mut self, opcode: Opcode, message: &[u8]) {
        let mut payload = Vec::new();
        Deflater::new(1, 15).deflate(message, &mut payload);
        let frame = self.frames.compressed(opcode, &payload);
        self.send(&frame);
    }

    /// Sends a frame with this first byte.
    pub(super) fn say_frame(&mut self, first_byte: u8, payload: &[u8]) {
        let frame = self.frames.frame_of(first_byte, payload);
        self.send(&frame);
    }

    pub(super) fn request(&self, method: &str, path: &str, headers: &[(&str, &str)], body: &[u8]) {
        self.send(&request(method, path, headers, body));
    }

    /// Returns the bytes of a frame without sending them.
    pub(super) fn frame(&mut self, opcode: Opcode, payload: &[u8]) -> Vec<u8> {
        self.frames.frame(opcode, payload)
    }

    /// Returns the bytes of a frame that may be a fragment of a message.
    pub(super) fn fragment(&mut self, fin: bool, opcode: Opcode, payload: &[u8]) -> Vec<u8> {
        self.frames.fragment(fin, opcode, payload)
    }

    pub(super) fn say(&mut self, opcode: Opcode, payload: &[u8]) {
        let frame = self.frame(opcode, payload);
        self.send(&frame);
    }

    pub(super) fn text(&mut self, text: &str) {
        self.say(Opcode::Text, text.as_bytes());
    }

    pub(super) fn binary(&mut self, payload: &[u8]) {
        self.say(Opcode::Binary, payload);
    }

    pub(super) fn close(&mut self, code: u16, reason: &str) {
        let frame = self.frames.close(code, reason);
        self.send(&frame);
    }

    // Receiving.

    fn take_received(&self) -> Vec<u8> {
        match &self.tls {
            Some(tls) => tls.take_received(&self.peer),
            None => self.peer.take_received(),
        }
    }

    pub(super) fn tls(&self) -> &TlsClient {
        self.tls.as_ref().expect("a client that speaks TLS")
    }

    /// Returns true if the server has ended TLS by an alert.
    pub(super) fn was_refused_by_tls(&self) -> bool {
        self.tls.as_ref().is_some_and(TlsClient::was_refused)
    }

    /// Returns the next HTTP response, or `None` if it has not arrived completely.
    pub(super) fn answered(&mut self) -> Option<Answered> {
        self.frames.receive(&self.take_received());
        self.frames.response(false)
    }

    /// Returns all messages and control frames that have arrived; the 101 before them is read too.
    /// Compressed messages are inflated.
    pub(super) fn heard(&mut self) -> Vec<Heard> {
        self.heard_as_sent().into_iter().map(inflated).collect()
    }

    /// Like [`heard`](Self::heard), with compressed messages as they were sent.
    pub(super) fn heard_as_sent(&mut self) -> Vec<Heard> {
        if !self.is_open() {
            match self.answered() {
                None => return Vec::new(),
                Some(answered) => assert_eq!(answered.status, 101, "refused: {}", answered.body),
            }
        }
        self.frames.receive(&self.take_received());
        self.frames.heard()
    }

    /// Returns the messages that have arrived. Panics if anything else has.
    pub(super) fn messages(&mut self) -> Vec<Vec<u8>> {
        let only_messages = |heard| match heard {
            Heard::Message(payload) => payload,
            other => panic!("not a message: {other:?}"),
        };
        self.heard().into_iter().map(only_messages).collect()
    }

    /// Returns the close code if the last frame that has arrived is a Close frame.
    pub(super) fn close_code(&mut self) -> Option<u16> {
        match self.heard().pop() {
            Some(Heard::Close(code, _)) => Some(code),
            _ => None,
        }
    }

    /// Returns true if the server has closed or reset the connection.
    pub(super) fn is_gone(&self) -> bool {
        self.peer.is_reset() || self.peer.is_ended()
    }

    pub(super) fn stall(&self) {
        self.peer.set_window(0);
        self.peer.set_reading(false);
    }

    /// Reads up to this many bytes, and then stops reading.
    pub(super) fn sip(&self, bytes: usize) {
        self.peer.set_window(bytes);
        self.peer.set_window(0);
        self.peer.read(bytes);
    }

    pub(super) fn wake(&self) {
        self.peer.set_window(1 << 20);
        self.peer.set_reading(true);
    }
}

fn inflated(heard: Heard) -> Heard {
    let Heard::Compressed(payload) = heard else { return heard };
    let mut message = Vec::new();
    Inflater::new().inflate(&payload, usize::MAX, &mut message).expect("it is compressed");
    Heard::Message(message)
}
