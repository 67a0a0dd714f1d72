//! One client of a run: what it is, what it has heard, and what may become of it.

use std::collections::VecDeque;

use super::super::client::{Client, Heard};

/// What an actor wants of the server.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Role {
    /// Subscribes to the channel of this name, and may publish there.
    Member(&'static str),
    /// Subscribes to two channels, and publishes to the first.
    Both,
    /// Subscribes to nothing; its end is announced to a channel.
    Mourned,
    /// Has every message sent back.
    Echo,
    /// Asks over HTTP.
    Visitor,
}

impl Role {
    /// What it receives.
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
    /// Reads, answers, and has done nothing wrong so far.
    pub(super) is_healthy: bool,
    pub(super) is_stalled: bool,
    /// Sends nothing more, or has gone.
    pub(super) is_done: bool,
    /// The end of a frame that has been begun.
    pub(super) unsaid: Vec<u8>,
    /// It has kept the server waiting for the end of a frame.
    pub(super) has_paused: bool,
    /// Everything that a member has received.
    pub(super) received: Vec<Vec<u8>>,
    /// How many messages of its channels had been accepted when it was heard to be let in: it
    /// receives all others.
    pub(super) joined: Vec<usize>,
    /// Echoes that are still to come.
    pub(super) echoes: VecDeque<Vec<u8>>,
    /// It has been let in, and so gets an answer to everything.
    pub(super) was_answered: bool,
    /// Answers that are still to come.
    pub(super) answers: usize,
    /// The Close that has come.
    pub(super) closed: Option<u16>,
    pub(super) reason: String,
    /// Published by this actor so far; numbers its messages.
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

    /// Sends a frame, behind what is left of the last one.
    pub(super) fn send(&mut self, bytes: &[u8]) {
        self.finish_frame();
        self.client.peer.send(bytes);
    }

    pub(super) fn finish_frame(&mut self) {
        self.client.peer.send(&std::mem::take(&mut self.unsaid));
    }

    pub(super) fn can_send(&self) -> bool {
        !self.is_done
            && self.closed.is_none()
            && !self.client.is_gone()
            && !self.client.peer.has_crashed()
    }

    /// Ends its side, once.
    pub(super) fn hang_up(&mut self) {
        if !self.is_done {
            self.is_done = true;
            self.client.peer.close_write();
        }
    }

    /// Hears what has come, and answers pings. Statuses of answers that refuse are returned.
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
                    Role::Mourned | Role::Visitor => panic!("a message for nobody"),
                },
                Heard::Ping if self.can_send() && !self.is_stalled => {
                    let frame = self.client.frame(super::super::frames::Opcode::Pong, b"");
                    // A control frame may come between fragments, never inside a frame.
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
