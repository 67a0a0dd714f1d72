//! Tests of the flags between threads under every order in which the operations of two threads can
//! occur (`cargo test --test loom`). The tests compile the source file of the server itself, with
//! loom's atomics instead of those of `std`.

use loom::sync::Arc;
use loom::sync::atomic;
use loom::sync::atomic::{AtomicUsize, Ordering};
use loom::thread;

#[path = "../src/reactor/mail/flags.rs"]
mod flags;

use flags::{Pending, Senders, Starved};

/// A model of a ring: how many records were written and how many were read, with the memory
/// orderings of a real ring.
#[derive(Default)]
struct Ring {
    put: AtomicUsize,
    taken: AtomicUsize,
}

impl Ring {
    fn put(&self) {
        self.put.store(self.put.load(Ordering::Relaxed) + 1, Ordering::Release);
    }

    fn take_all(&self) -> usize {
        let put = self.put.load(Ordering::Acquire);
        self.taken.store(put, Ordering::Release);
        put
    }

    fn inside(&self) -> usize {
        self.put.load(Ordering::Relaxed) - self.taken.load(Ordering::Acquire)
    }
}

/// A model of the eventfd with which a reactor is woken: a wake-up stays pending until the
/// receiver's next wait.
#[derive(Default)]
struct Waker(AtomicUsize);

impl Waker {
    fn wake(&self) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }

    fn take(&self) -> bool {
        self.0.swap(0, Ordering::SeqCst) > 0
    }
}

#[test]
fn what_was_put_down_is_seen_or_a_wake_up_is_still_to_come() {
    loom::model(|| {
        let shared = Arc::new((Pending::new(), Ring::default(), Waker::default()));
        let sender = {
            let shared = Arc::clone(&shared);
            thread::spawn(move || {
                let (pending, ring, waker) = &*shared;
                for _ in 0..2 {
                    ring.put();
                    if pending.announce() {
                        waker.wake();
                    }
                }
            })
        };
        let (pending, ring, waker) = &*shared;
        let mut seen = 0;
        for _ in 0..2 {
            waker.take();
            pending.clear();
            seen = ring.take_all();
        }
        sender.join().unwrap();
        assert!(seen == 2 || waker.take(), "asleep, with {} in the ring", 2 - seen);
    });
}

#[test]
fn two_senders_and_one_wake_up_lose_nothing() {
    loom::model(|| {
        let shared =
            Arc::new((Pending::new(), [Ring::default(), Ring::default()], Waker::default()));
        let senders: Vec<_> = (0..2)
            .map(|number| {
                let shared = Arc::clone(&shared);
                thread::spawn(move || {
                    let (pending, rings, waker) = &*shared;
                    rings[number].put();
                    if pending.announce() {
                        waker.wake();
                    }
                })
            })
            .collect();
        let (pending, rings, waker) = &*shared;
        waker.take();
        pending.clear();
        let seen: usize = rings.iter().map(Ring::take_all).sum();
        senders.into_iter().for_each(|sender| sender.join().unwrap());
        assert!(seen == 2 || waker.take(), "asleep, with {} in the rings", 2 - seen);
    });
}

#[test]
fn a_writer_that_found_no_room_sees_it_later_or_is_told() {
    loom::model(|| {
        let shared = Arc::new((Starved::new(), Ring::default(), Waker::default()));
        // The ring is full from the start.
        shared.1.put();
        let reader = {
            let shared = Arc::clone(&shared);
            thread::spawn(move || {
                let (starved, ring, waker) = &*shared;
                ring.take_all();
                if starved.relieve() {
                    waker.wake();
                }
            })
        };
        let (starved, ring, waker) = &*shared;
        let mut has_room = ring.inside() == 0;
        if !has_room {
            starved.declare();
            has_room = ring.inside() == 0;
        }
        reader.join().unwrap();
        assert!(has_room || waker.take(), "it waits for room that is there");
    });
}

#[test]
fn whoever_has_written_is_among_the_senders_now_or_next_time() {
    loom::model(|| {
        let shared = Arc::new((Senders::new(2), [Ring::default(), Ring::default()]));
        let senders: Vec<_> = (0..2)
            .map(|number| {
                let shared = Arc::clone(&shared);
                thread::spawn(move || {
                    shared.1[number].put();
                    shared.0.add(number);
                })
            })
            .collect();
        let mut seen = [0; 2];
        let mut look = || {
            shared.0.take(|word, bits| {
                assert_eq!(word, 0);
                for (number, seen) in seen.iter_mut().enumerate() {
                    if bits >> number & 1 == 1 {
                        *seen = shared.1[number].take_all();
                    }
                }
            });
        };
        look();
        senders.into_iter().for_each(|sender| sender.join().unwrap());
        look();
        assert_eq!(seen, [1, 1]);
    });
}
