//! One client of a random run: its role, what it has received, and how it may end.

use std::collections::VecDeque;

use super::super::client::{Client, Heard};

/// What a client of a random run does.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Role {
    /// Subscribes to the channel of this name, and may publish there.
    Member(&'static str),
    /// Subscribes to two channels, and publishes to the first.
    Both,
    /// Subscribes to nothing; when its connection ends, a farewell is published to a channel.
    Mourned,
    /// Sends messages and expects each one back.
    Echo,
    /// Sends HTTP requests.
    Visitor,
}

impl Role {
    /// Returns the channels to which a client of this role subscribes.
    pub(super) fn channels(&self) -> &[&'static str] {
        match self {
            Role::Member(channel) => std::slice::from_ref(channel),
            Role::Both => &["two-a", "two-b"],
            Role::Mourned | Role::Echo | Role::Visitor => &[],
        }
    }
}

pub(super) struct Actor {
    pub(super) client: Client,
    pub(super) role: Role,
    /// The client reads, answers pings, and has not misbehaved so far.
    pub(super) is_healthy: bool,
    pub(super) is_stalled: bool,
    /// The client sends nothing more, or has disconnected.
    pub(super) is_done: bool,
    /// The unsent rest of a frame that the client has begun to send.
    pub(super) unsaid: Vec<u8>,
    /// The client has made the server wait for the rest of a frame at least once.
    pub(super) has_paused: bool,
    /// Every message received as a subscriber, in order.
    pub(super) received: Vec<Vec<u8>>,
    /// By channel: how many messages had been accepted when the client read its 101. It must
    /// receive all later ones.
    pub(super) joined: Vec<usize>,
    /// Messages that the server must still send back.
    pub(super) echoes: VecDeque<Vec<u8>>,
    /// The client has had an HTTP answer: its connection was accepted, so it gets an answer to
    /// every request.
    pub(super) was_answered: bool,
    /// How many HTTP answers it still waits for.
    pub(super) answers: usize,
    /// The code of the Close frame that it has received, if any.
    pub(super) closed: Option<u16>,
    pub(super) reason: String,
    /// The number of its last message; the upper 16 bits are the number of the publisher.
    pub(super) published: u32,
}

impl Actor {
    pub(super) fn new(client: Client, role: Role) -> Actor {
        Actor {
            client,
            role,
            is_healthy: true,
            is_stalled: false,
            is_done: false,
            unsaid: Vec::new(),
            has_paused: false,
            received: Vec::new(),
            joined: Vec::new(),
            echoes: VecDeque::new(),
            was_answered: false,
            answers: 0,
            closed: None,
            reason: String::new(),
            published: 0,
        }
    }

    /// Sends the rest of the previous frame, if any, and then this frame.
    pub(super) fn send(&mut self, bytes: &[u8]) {
        self.finish_frame();
        self.client.send(bytes);
    }

    pub(super) fn finish_frame(&mut self) {
        self.client.send(&std::mem::take(&mut self.unsaid));
    }

    pub(super) fn can_send(&self) -> bool {
        !self.is_done
            && self.closed.is_none()
            && !self.client.is_gone()
            && !self.client.peer.has_crashed()
    }

    /// Closes the client's side of the connection, unless that has been done.
    pub(super) fn hang_up(&mut self) {
        if !self.is_done {
            self.is_done = true;
            self.client.peer.close_write();
        }
    }

    /// Reads what has arrived, and answers pings. Returns the status of each HTTP error response.
    pub(super) fn hear(&mut self) -> Vec<u16> {
        let mut refused = Vec::new();
        if self.client.peer.received_bytes() == 0 {
            return refused;
        }
        while !self.client.is_open()
            && let Some(answered) = self.client.answered()
        {
            if self.role == Role::Visitor {
                self.was_answered = true;
                self.answers = self.answers.saturating_sub(1);
            }
            if answered.status >= 400 {
                refused.push(answered.status);
            }
            if !answered.keep_alive {
                self.is_done = true;
            }
        }
        if !self.client.is_open() {
            return refused;
        }
        for heard in self.client.heard() {
            match heard {
                Heard::Message(payload) => match self.role {
                    Role::Echo => assert_eq!(self.echoes.pop_front(), Some(payload), "an echo"),
                    Role::Member(_) | Role::Both => self.received.push(payload),
                    Role::Mourned | Role::Visitor => panic!("a message without a subscription"),
                },
                Heard::Compressed(_) => unreachable!("the client inflates it"),
                Heard::Ping if self.can_send() && !self.is_stalled => {
                    let frame = self.client.frame(super::super::frames::Opcode::Pong, b"");
                    // A control frame may stand between fragments, but never inside a frame.
                    self.send(&frame);
                }
                Heard::Ping | Heard::Pong(_) => {}
                Heard::Close(code, reason) => {
                    self.closed = Some(code);
                    self.reason = reason;
                }
            }
        }
        refused
    }
}
