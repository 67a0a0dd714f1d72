//! All connections of a reactor, by token. The token of a closed connection finds none.

use slab::Slab;

use crate::hub::ReactorNumber;
use crate::net::Token;
#[cfg(any(test, fuzzing))]
use crate::work::{self, Work};

use super::Connection;

/// Combines a slot of the slab (low half) and the generation of the connection in it (high half):
/// how many connections the reactor had before it. An event for a closed connection finds
/// another generation or an empty slot, and is ignored.
fn token(index: usize, generation: u32) -> Token {
    Token(u64::from(generation) << 32 | index as u64)
}

/// Returns the slot of the connection with this token.
pub(crate) fn slot_of(token: Token) -> usize {
    (token.0 & u64::from(u32::MAX)) as usize
}

fn generation(token: Token) -> u32 {
    (token.0 >> 32) as u32
}

/// Generations from this one on are for the tokens of listeners, and for the wake-up of a waiting
/// reactor.
const GENERATION_END: u32 = u32::MAX;

/// Returns a connection's number for logs. With two reactors, the connections of the first reactor
/// are 1, 3, 5, ... and those of the second 2, 4, 6, ... The slot is not part of it: a generation
/// counts all connections of its reactor, so it is enough to make the number unique in the server,
/// until the count wraps around.
pub(crate) fn running_number(of: Token, own: ReactorNumber, reactors: usize) -> u64 {
    u64::from(generation(of)) * reactors as u64 + u64::from(own.0) + 1
}

/// Returns the token of a listener.
pub(crate) fn listener_token(number: usize) -> Token {
    token(number, GENERATION_END)
}

/// Returns the number of the listener that has this token, or `None` if it is not a listener's.
pub(crate) fn listener_number(of: Token) -> Option<usize> {
    (generation(of) == GENERATION_END).then(|| slot_of(of))
}

/// All connections of a reactor.
pub(crate) struct Connections<T, S> {
    slab: Slab<Connection<T, S>>,
    /// The generation of the next connection. It wraps around after four thousand million
    /// connections.
    generation: u32,
}

impl<T, S> Connections<T, S> {
    pub(crate) fn new() -> Connections<T, S> {
        Connections { slab: Slab::new(), generation: 0 }
    }

    /// Adds the connection that the closure makes with its token.
    pub(crate) fn insert(
        &mut self,
        connection: impl FnOnce(Token) -> Connection<T, S>,
    ) -> &mut Connection<T, S> {
        #[cfg(any(test, fuzzing))]
        work::note(Work::Connection);
        let place = self.slab.vacant_entry();
        let token = token(place.key(), self.generation);
        self.generation = match self.generation + 1 {
            GENERATION_END => 0,
            next => next,
        };
        place.insert(connection(token))
    }

    pub(crate) fn get_mut(&mut self, token: Token) -> Option<&mut Connection<T, S>> {
        #[cfg(any(test, fuzzing))]
        work::note(Work::Connection);
        self.slab.get_mut(slot_of(token)).filter(|connection| connection.token == token)
    }

    pub(crate) fn remove(&mut self, token: Token) -> Option<Connection<T, S>> {
        self.get_mut(token)?;
        Some(self.slab.remove(slot_of(token)))
    }

    pub(crate) fn len(&self) -> usize {
        self.slab.len()
    }

    /// Returns how many slots a loop over all connections must visit, including vacant ones.
    pub(crate) fn places(&self) -> usize {
        // The slab does not expose how many slots it has used. Its capacity is at least that, and
        // grows by doubling.
        self.slab.capacity()
    }

    /// Returns the token of the connection in this slot, if there is one.
    pub(crate) fn token_at(&self, place: usize) -> Option<Token> {
        #[cfg(any(test, fuzzing))]
        work::note(Work::Connection);
        self.slab.get(place).map(|connection| connection.token)
    }

    #[cfg(test)]
    pub(crate) fn iter(&self) -> impl Iterator<Item = &Connection<T, S>> {
        self.slab.iter().map(|(_, connection)| connection)
    }
}

#[cfg(test)]
mod tests {
    use super::super::{AcceptedFrom, Quota};
    use super::*;
    use crate::instant::Instant;
    use crate::transport::IoBuffers;

    fn insert(connections: &mut Connections<&'static str, ()>, stream: &'static str) -> Token {
        let address = "127.0.0.1:1".parse().unwrap();
        let here = AcceptedFrom { address, is_proxy: false, tells_first: false };
        let quota = Quota::Ordinary;
        let new = |token| {
            Connection::new(token, IoBuffers::new(stream, None), here, quota, None, Instant::ZERO)
        };
        connections.insert(new).token
    }

    #[test]
    fn a_token_of_a_connection_that_has_gone_finds_nobody() {
        let mut connections = Connections::new();
        let first = insert(&mut connections, "first");
        assert_eq!(connections.remove(first).map(|gone| gone.io.stream), Some("first"));
        let second = insert(&mut connections, "second");
        assert_eq!(slot_of(first), slot_of(second), "the slot is used again");
        assert!(connections.get_mut(first).is_none());
        assert!(connections.remove(first).is_none());
        assert_eq!(connections.get_mut(second).map(|found| found.io.stream), Some("second"));
        assert_eq!(connections.token_at(slot_of(second)), Some(second));
        let number = |of, own| running_number(of, ReactorNumber(own), 2);
        assert_eq!((number(first, 0), number(first, 1), number(second, 0)), (1, 2, 3));
    }

    #[test]
    fn no_connection_ever_has_the_token_of_a_listener() {
        let mut connections = Connections { slab: Slab::new(), generation: GENERATION_END - 1 };
        let last = insert(&mut connections, "last");
        let next = insert(&mut connections, "next");
        assert_eq!((listener_number(last), listener_number(next)), (None, None));
        assert_eq!(listener_number(listener_token(3)), Some(3));
    }
}
