//! The work that a reactor does between two system calls, counted by kind. The simulator charges
//! simulated time for it, so that a long loop without a system call takes time too. Counted in
//! tests only; the product does not count.

use std::cell::Cell;

/// A kind of work. `net/sim/costs.rs` says how long each takes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Work {
    /// A connection is looked up, or its slot in the table of connections is read.
    Connection,
    /// A channel is looked up.
    Channel,
    /// A channel is looked up by its name.
    Name,
    /// A subscriber of a channel is read, moved or changed.
    Subscriber,
    /// A subscription is looked up.
    Subscription,
    /// An entry of a list (of events, outcomes, waiting connections) is visited.
    Entry,
    /// A frame is decoded.
    Frame,
    /// The head of an HTTP request is parsed.
    Head,
    /// A TLS handshake goes on: keys are exchanged, or a signature is made.
    Handshake,
    /// A byte is encrypted or decrypted.
    CipherByte,
    /// After a reload, the application decides on a connection.
    Review,
    /// A message is appended to a log.
    Append,
    /// A record is written to a ring between reactors, or read from one.
    Record,
    /// A byte is copied or unmasked.
    Byte,
    /// A byte of a message is deflated.
    DeflatedByte,
    /// Another reactor is woken, by a system call that the simulated network does not see.
    Wake,
}

impl Work {
    /// How many kinds there are.
    pub(crate) const KINDS: usize = Work::Wake as usize + 1;
}

thread_local! {
    /// One count for all reactors is enough, because the simulator runs them in one thread.
    static DONE: [Cell<u64>; Work::KINDS] = const { [const { Cell::new(0) }; Work::KINDS] };
}

/// Counts one piece of work of this kind.
pub(crate) fn note(work: Work) {
    note_many(work, 1);
}

/// Counts `times` pieces of work of this kind.
pub(crate) fn note_many(work: Work, times: usize) {
    DONE.with(|done| {
        let count = &done[work as usize];
        count.set(count.get() + times as u64);
    });
}

/// Returns how often each kind of work was counted in this thread since the last call.
pub(crate) fn take() -> [u64; Work::KINDS] {
    DONE.with(|done| std::array::from_fn(|kind| done[kind].take()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_noted_is_taken_once() {
        take();
        note(Work::Frame);
        note_many(Work::Byte, 300);
        let done = take();
        assert_eq!((done[Work::Frame as usize], done[Work::Byte as usize]), (1, 300));
        assert_eq!(take(), [0; Work::KINDS]);
    }
}
