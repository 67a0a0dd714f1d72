//! The slab of connections, with tokens that outlive their connection harmlessly.

use slab::Slab;

use crate::hub::ReactorNumber;
use crate::net::Token;

/// A connection's place in the slab (low half) and the generation of its tenant (high half): an
/// event for a connection that has gone finds another generation, or nothing, and is ignored.
fn token(index: usize, generation: u32) -> Token {
    Token(u64::from(generation) << 32 | index as u64)
}

fn index(token: Token) -> usize {
    (token.0 & u64::from(u32::MAX)) as usize
}

fn generation(token: Token) -> u32 {
    (token.0 >> 32) as u32
}

/// Generations from here on name what is not a connection: the listeners and the wake-up.
const GENERATION_END: u32 = u32::MAX;

/// A running number for people: of so many reactors, the first connection of the first is 1, that
/// of the next 2.
pub(super) fn running_number(of: Token, own: ReactorNumber, reactors: usize) -> u64 {
    u64::from(generation(of)) * reactors as u64 + u64::from(own.0) + 1
}

/// The token of a listener.
pub(super) fn listener_token(number: usize) -> Token {
    token(number, GENERATION_END)
}

/// The number of the listener that has this token.
pub(super) fn listener_number(of: Token) -> Option<usize> {
    (generation(of) == GENERATION_END).then(|| index(of))
}

/// All connections of a reactor.
pub(super) struct Connections<C> {
    slab: Slab<(u32, C)>,
    /// The generation of the next connection. It comes round after four thousand million of them.
    generation: u32,
}

impl<C> Connections<C> {
    pub(super) fn new() -> Connections<C> {
        Connections { slab: Slab::new(), generation: 0 }
    }

    pub(super) fn insert(&mut self, connection: C) -> Token {
        let generation = self.generation;
        self.generation = match generation + 1 {
            GENERATION_END => 0,
            next => next,
        };
        token(self.slab.insert((generation, connection)), generation)
    }

    pub(super) fn get_mut(&mut self, token: Token) -> Option<&mut C> {
        match self.slab.get_mut(index(token)) {
            Some((tenant, connection)) if *tenant == generation(token) => Some(connection),
            _ => None,
        }
    }

    #[cfg(test)]
    pub(super) fn get(&self, token: Token) -> Option<&C> {
        let (tenant, connection) = self.slab.get(index(token))?;
        (*tenant == generation(token)).then_some(connection)
    }

    pub(super) fn remove(&mut self, token: Token) -> Option<C> {
        self.get_mut(token)?;
        Some(self.slab.remove(index(token)).1)
    }

    pub(super) fn len(&self) -> usize {
        self.slab.len()
    }

    /// How many places a sweep has to look at, vacant ones included.
    pub(super) fn places(&self) -> usize {
        // The slab's own length of entries is private; its capacity is no less, and grows by
        // doubling.
        self.slab.capacity()
    }

    /// The token of the connection in a place, if one is there.
    pub(super) fn token_at(&self, place: usize) -> Option<Token> {
        self.slab.get(place).map(|(generation, _)| token(place, *generation))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_of_a_connection_that_has_gone_finds_nobody() {
        let mut connections = Connections::new();
        let first = connections.insert("first");
        assert_eq!(connections.remove(first), Some("first"));
        let second = connections.insert("second");
        assert_eq!(index(first), index(second), "the place is used again");
        assert_eq!(connections.get_mut(first), None);
        assert_eq!(connections.remove(first), None);
        assert_eq!(connections.get_mut(second), Some(&mut "second"));
        assert_eq!(connections.token_at(index(second)), Some(second));
        let number = |of, own| running_number(of, ReactorNumber(own), 2);
        assert_eq!((number(first, 0), number(first, 1), number(second, 0)), (1, 2, 3));
    }

    #[test]
    fn no_connection_ever_has_the_token_of_a_listener() {
        let mut connections = Connections { slab: Slab::new(), generation: GENERATION_END - 1 };
        let last = connections.insert(());
        let next = connections.insert(());
        assert_eq!((listener_number(last), listener_number(next)), (None, None));
        assert_eq!(listener_number(listener_token(3)), Some(3));
    }
}
