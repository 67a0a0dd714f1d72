//! The connections of one thread, by id. A connection that reuses a slot gets a different id.
use mio::Token;
use slab::Slab;

/// The id of a connection: its slot in the slab, and the generation, which differs from that of
/// earlier connections in the slot.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Id {
    key: u32,
    generation: u32,
}

impl Id {
    pub(crate) fn of(token: Token) -> Id {
        Id { key: token.0 as u32, generation: (token.0 >> 32) as u32 }
    }

    /// Returns the connection's token, which lies in the lower half of all tokens. Other sources of
    /// readiness use the upper half.
    pub(crate) fn token(self) -> Token {
        Token((self.generation as usize) << 32 | self.key as usize)
    }
}

pub(crate) struct Slots<T> {
    slab: Slab<(u32, T)>,
    /// Generation of the next connection. Below 2^31, so that tokens stay in the lower half.
    generation: u32,
}

impl<T> Slots<T> {
    pub(crate) fn new() -> Slots<T> {
        Slots { slab: Slab::new(), generation: 0 }
    }

    /// Returns the id that the next [`Slots::insert`] will give.
    pub(crate) fn next_id(&self) -> Id {
        Id { key: self.slab.vacant_key() as u32, generation: self.generation }
    }

    pub(crate) fn insert(&mut self, connection: T) {
        self.slab.insert((self.generation, connection));
        self.generation = (self.generation + 1) & (u32::MAX >> 1);
    }

    /// Returns `None` if the connection was removed, even if its slot is in use again.
    pub(crate) fn get_mut(&mut self, id: Id) -> Option<&mut T> {
        let (generation, connection) = self.slab.get_mut(id.key as usize)?;
        (*generation == id.generation).then_some(connection)
    }

    pub(crate) fn remove(&mut self, id: Id) -> Option<T> {
        self.get_mut(id)?;
        Some(self.slab.remove(id.key as usize).1)
    }

    pub(crate) fn iter_mut(&mut self) -> impl Iterator<Item = (Id, &mut T)> {
        self.slab.iter_mut().map(|(key, (generation, connection))| {
            (Id { key: key as u32, generation: *generation }, connection)
        })
    }
}
