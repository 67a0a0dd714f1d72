//! Tests that every errno that the man pages name occurs, and has the documented effect.

use std::collections::BTreeSet;

use super::*;

/// So many calls that each errno of a fault, drawn at random, has come up.
const CALLS: usize = 500;

/// The errnos of accept(2) and tcp(7) that concern the accepted connection, not the listener.
const OF_THE_CONNECTION: [i32; 9] = [
    libc::ECONNABORTED,
    libc::EPROTO,
    libc::ENETDOWN,
    libc::ENOPROTOOPT,
    libc::EHOSTDOWN,
    libc::EHOSTUNREACH,
    libc::EOPNOTSUPP,
    libc::ENETUNREACH,
    libc::ETIMEDOUT,
];

#[test]
fn an_accept_fails_with_everything_that_leaves_the_queue_as_it_was() {
    let mut pair = Pair::new(SimFaults { accept_shortage: 1.0, ..SimFaults::NONE });
    let other = pair.world.connect(80);
    let drawn: BTreeSet<i32> =
        (0..CALLS).filter_map(|_| errno(pair.net.accept(&mut pair.listener))).collect();
    let named = [libc::EMFILE, libc::ENFILE, libc::ENOBUFS, libc::ENOMEM, libc::EPERM, libc::EINTR];
    assert_eq!(drawn, BTreeSet::from(named));
    pair.world.set_faults(SimFaults::NONE);
    assert_eq!(pair.net.accept(&mut pair.listener).unwrap().1, other.addr());
}

#[test]
fn an_accept_fails_with_every_error_of_its_connection_and_the_next_is_sound() {
    let mut pair = Pair::new(SimFaults::NONE);
    let mut drawn = BTreeSet::new();
    for _ in 0..CALLS {
        let (lost, sound) = (pair.world.connect(80), pair.world.connect(80));
        pair.world.set_faults(SimFaults { accept_aborts: 1.0, ..SimFaults::NONE });
        drawn.extend(errno(pair.net.accept(&mut pair.listener)));
        pair.world.set_faults(SimFaults::NONE);
        assert_eq!(pair.net.accept(&mut pair.listener).unwrap().1, sound.addr());
        assert!(lost.is_reset() && !sound.is_reset());
    }
    assert!(drawn.is_superset(&BTreeSet::from(OF_THE_CONNECTION)), "{drawn:?}");
}

#[test]
fn a_read_and_a_write_fail_with_everything_that_changes_nothing() {
    let mut pair =
        Pair::new(SimFaults { read_shortage: 1.0, write_shortage: 1.0, ..SimFaults::NONE });
    pair.peer.send(b"there");
    let named = BTreeSet::from([libc::ENOBUFS, libc::ENOMEM, libc::EINTR]);
    let (mut of_reads, mut of_writes) = (BTreeSet::new(), BTreeSet::new());
    for _ in 0..CALLS {
        of_reads.extend(errno(pair.net.read(&mut pair.stream, &mut [0; 16])));
        of_writes.extend(errno(pair.net.write(&mut pair.stream, b"back")));
    }
    assert_eq!((&of_reads, &of_writes), (&named, &named));
    pair.world.set_faults(SimFaults::NONE);
    assert_eq!(pair.read().unwrap(), b"there");
    assert_eq!(pair.write(b"back"), Ok(4));
    assert_eq!(pair.peer.take_received(), b"back");
}

#[test]
fn a_loss_is_told_once_by_a_read_or_a_write_whatever_its_error() {
    let (mut of_reads, mut of_writes) = (BTreeSet::new(), BTreeSet::new());
    let (mut net, world) = SimNet::new(1, SimFaults { losses: 1.0, ..SimFaults::NONE });
    let mut listener = world.listener(80);
    for number in 0..CALLS {
        let _peer = world.connect(80);
        let (mut stream, _) = net.accept(&mut listener).unwrap();
        if number % 2 == 0 {
            of_reads.extend(errno(net.read(&mut stream, &mut [0; 16])));
        } else {
            of_writes.extend(errno(net.write(&mut stream, b"x")));
        }
        assert_eq!(errno(net.write(&mut stream, b"x")), Some(libc::EPIPE));
        assert_eq!(net.read(&mut stream, &mut [0; 16]).unwrap(), 0);
    }
    let named = BTreeSet::from([libc::ETIMEDOUT, libc::EHOSTUNREACH, libc::ENETUNREACH]);
    assert!(of_reads.is_superset(&named), "{of_reads:?}");
    assert_eq!(of_reads, of_writes);
}

#[test]
fn what_had_arrived_before_a_loss_is_read_first() {
    let mut pair = Pair::new(SimFaults { losses: 1.0, ..SimFaults::NONE });
    pair.peer.send(b"arrived");
    assert_eq!(pair.read().unwrap(), b"arrived");
    assert_eq!(pair.poll(), [readiness(true, true, true)]);
    assert!(errno(pair.net.read(&mut pair.stream, &mut [0; 16])).is_some());
    assert_eq!(pair.read().unwrap(), b"");
}

#[test]
fn after_the_end_a_reset_is_a_broken_pipe_and_a_loss_is_told_by_a_write_alone() {
    let mut pair = Pair::new(SimFaults::NONE);
    pair.peer.close_write();
    pair.peer.reset();
    assert_eq!(pair.read().unwrap(), b"");
    assert_eq!(errno(pair.net.write(&mut pair.stream, b"x")), Some(libc::EPIPE));

    let mut pair = Pair::new(SimFaults::NONE);
    pair.peer.close_write();
    pair.world.set_faults(SimFaults { losses: 1.0, ..SimFaults::NONE });
    assert_eq!(pair.read().unwrap(), b"");
    assert_ne!(errno(pair.net.write(&mut pair.stream, b"x")), Some(libc::EPIPE));
    assert_eq!(errno(pair.net.write(&mut pair.stream, b"x")), Some(libc::EPIPE));
}

#[test]
fn a_seed_may_draw_every_fault() {
    let drawn: Vec<SimFaults> = (0..200).map(SimFaults::from_seed).collect();
    for fault in [0, 1, 2] {
        let chance =
            |faults: &SimFaults| [faults.losses, faults.read_shortage, faults.resets][fault];
        let present = drawn.iter().filter(|faults| chance(faults) > 0.0).count();
        assert!((60..140).contains(&present), "{present} of 200");
    }
    assert!(
        drawn.iter().all(|faults| faults.losses < 0.01),
        "more often and little else would happen"
    );
}
