//! Tests of each fault alone.

use super::*;
use crate::net::is_shortage;

/// Returns true if this error means that the call has changed nothing.
fn is_not_done(error: &io::Error) -> bool {
    is_shortage(error)
        || [ErrorKind::Interrupted, ErrorKind::PermissionDenied].contains(&error.kind())
}

#[test]
fn a_reset_destroys_what_was_not_read() {
    let mut pair = Pair::new(SimFaults { destroying_resets: 1.0, ..SimFaults::NONE });
    pair.peer.send(b"unread");
    pair.peer.reset();
    assert_eq!(pair.poll(), [readiness(true, true, true)]);
    assert_eq!(pair.read(), Err(ErrorKind::ConnectionReset));
    assert_eq!(pair.write(b"x"), Err(ErrorKind::BrokenPipe));
}

#[test]
fn a_reset_of_ours_destroys_what_the_peer_has_not_read() {
    let mut pair = Pair::new(SimFaults { destroying_resets: 1.0, ..SimFaults::NONE });
    pair.peer.set_reading(false);
    pair.write(b"unread").unwrap();
    pair.net.reset(pair.stream);
    pair.peer.set_reading(true);
    assert_eq!(pair.peer.take_received(), b"");
    assert!(pair.peer.is_reset());
}

#[test]
fn a_reset_may_come_at_any_call() {
    let mut pair = Pair::new(SimFaults { resets: 1.0, ..SimFaults::NONE });
    assert_eq!(pair.write(b"x"), Err(ErrorKind::ConnectionReset));
    assert!(pair.peer.is_reset());
    assert_eq!(pair.poll(), [readiness(true, true, true)]);
}

#[test]
fn what_a_short_read_leaves_is_told_again() {
    let mut pair = Pair::new(SimFaults { short_reads: 1.0, ..SimFaults::NONE });
    pair.peer.send(b"0123456789");
    let mut received = Vec::new();
    while received.len() < 10 {
        assert_eq!(pair.poll(), [readiness(true, true, false)]);
        received.extend(pair.read().unwrap());
    }
    assert_eq!(received, b"0123456789");
    assert!(pair.world.calls(SimCall::Read) > 1);
    assert_eq!(pair.poll(), []);
}

#[test]
fn a_refused_read_is_told_again() {
    let mut pair = Pair::new(SimFaults { refused_reads: 1.0, ..SimFaults::NONE });
    pair.peer.send(b"there");
    assert_eq!(pair.poll().len(), 1);
    assert_eq!(pair.read(), Err(ErrorKind::WouldBlock));
    pair.world.set_faults(SimFaults::NONE);
    assert_eq!(pair.poll().len(), 1);
    assert_eq!(pair.read().unwrap(), b"there");
}

#[test]
fn room_is_told_after_a_short_or_refused_write() {
    for faults in [
        SimFaults { short_writes: 1.0, ..SimFaults::NONE },
        SimFaults { refused_writes: 1.0, ..SimFaults::NONE },
    ] {
        let mut pair = Pair::new(faults);
        pair.world.set_limits(SimLimits {
            latency_max: Duration::from_millis(1),
            ..SimLimits::default()
        });
        let taken = pair.write(b"0123456789").unwrap_or(0);
        assert!(taken < 10);
        pair.world.set_faults(SimFaults::NONE);
        assert_eq!(pair.write(b"0123456789"), Err(ErrorKind::WouldBlock));
        pair.world.advance(Duration::from_millis(1));
        assert_eq!(pair.poll(), [readiness(false, true, false)]);
        assert_eq!(pair.write(b"0123456789"), Ok(10));
    }
}

#[test]
fn a_write_short_of_memory_is_told_by_nothing() {
    let mut pair = Pair::new(SimFaults { write_shortage: 1.0, ..SimFaults::NONE });
    let error = pair.net.write(&mut pair.stream, b"x").unwrap_err();
    assert!(is_not_done(&error));
    assert_eq!(pair.poll(), []);
    pair.world.set_faults(SimFaults::NONE);
    assert_eq!(pair.write(b"x"), Ok(1));
}

#[test]
fn a_read_short_of_memory_is_told_by_nothing() {
    let mut pair = Pair::new(SimFaults { read_shortage: 1.0, ..SimFaults::NONE });
    pair.peer.send(b"x");
    pair.poll();
    let error = pair.net.read(&mut pair.stream, &mut [0; 1]).unwrap_err();
    assert!(is_not_done(&error));
    assert_eq!(pair.poll(), []);
    pair.world.set_faults(SimFaults::NONE);
    assert_eq!(pair.read().unwrap(), b"x");
}

#[test]
fn an_accept_short_of_something_leaves_the_connection_in_the_queue() {
    let mut pair = Pair::new(SimFaults { accept_shortage: 1.0, ..SimFaults::NONE });
    let other = pair.world.connect(80);
    assert_eq!(pair.poll().len(), 1);
    assert!(is_not_done(&pair.net.accept(&mut pair.listener).unwrap_err()));
    assert_eq!(pair.poll(), []);
    pair.world.set_faults(SimFaults::NONE);
    let (_stream, addr) = pair.net.accept(&mut pair.listener).unwrap();
    assert_eq!(addr, other.addr());
}

#[test]
fn an_aborted_connection_leaves_the_queue() {
    let mut pair = Pair::new(SimFaults { accept_aborts: 1.0, ..SimFaults::NONE });
    let other = pair.world.connect(80);
    let error = pair.net.accept(&mut pair.listener).unwrap_err();
    assert!(!is_not_done(&error) && error.kind() != ErrorKind::WouldBlock);
    assert_eq!(pair.net.accept(&mut pair.listener).unwrap_err().kind(), ErrorKind::WouldBlock);
    assert!(other.is_reset());
}

#[test]
fn descriptors_run_out() {
    let mut pair = Pair::new(SimFaults::NONE);
    pair.world.set_limits(SimLimits { streams_max: 1, ..SimLimits::default() });
    let _other = pair.world.connect(80);
    let error = pair.net.accept(&mut pair.listener).unwrap_err();
    assert_eq!(error.raw_os_error(), Some(libc::EMFILE));
    pair.net.close(pair.stream);
    assert!(pair.net.accept(&mut pair.listener).is_ok());
}

#[test]
fn a_registration_may_fail_and_be_tried_again() {
    let mut pair = Pair::new(SimFaults { register_shortage: 1.0, ..SimFaults::NONE });
    let _other = pair.world.connect(80);
    let (mut stream, _) = pair.net.accept(&mut pair.listener).unwrap();
    assert!(is_shortage(&pair.net.register(&mut stream, Token(2)).unwrap_err()));
    pair.world.set_faults(SimFaults::NONE);
    pair.net.register(&mut stream, Token(2)).unwrap();
}

#[test]
fn a_test_can_fail_the_next_call() {
    let mut pair = Pair::new(SimFaults::NONE);
    pair.peer.send(b"x");
    pair.peer.fail_next_read(libc::ETIMEDOUT);
    pair.peer.fail_next_write(libc::ENOBUFS);
    pair.world.fail_next_accept(libc::ENFILE);
    assert_eq!(pair.read(), Err(ErrorKind::TimedOut));
    assert!(is_shortage(&pair.net.write(&mut pair.stream, b"x").unwrap_err()));
    assert!(is_shortage(&pair.net.accept(&mut pair.listener).unwrap_err()));
    assert_eq!(pair.read().unwrap(), b"x");
    assert_eq!(pair.write(b"x"), Ok(1));
}

#[test]
fn narrow_readiness_tells_only_what_is_new() {
    let mut pair = Pair::new(SimFaults { narrow_readiness: 1.0, ..SimFaults::NONE });
    pair.peer.send(b"x");
    assert_eq!(pair.poll(), [readiness(true, false, false)]);
    pair.peer.close_write();
    assert_eq!(pair.poll(), [readiness(true, false, true)]);
}

#[test]
fn spurious_readiness_tells_of_nothing() {
    let mut pair = Pair::new(SimFaults { spurious_readiness: 1.0, ..SimFaults::NONE });
    let told = pair.poll();
    assert!(told == [readiness(true, false, false)] || told == [readiness(false, true, false)]);
    assert_eq!(pair.read(), Err(ErrorKind::WouldBlock));
    pair.peer.send(b"x");
    assert_eq!(pair.poll(), [readiness(true, true, false)], "a socket is told once");
}

#[test]
fn spurious_readiness_crowds_nothing_out() {
    let mut pair = Pair::new(SimFaults { spurious_readiness: 1.0, ..SimFaults::NONE });
    pair.world.set_limits(SimLimits { events_per_wait_max: 1, ..SimLimits::default() });
    let _other = pair.world.connect(80);
    assert!(pair.poll().iter().any(|told| told.token == LISTENER));
}

#[test]
fn stale_readiness_tells_of_a_closed_stream() {
    let mut pair = Pair::new(SimFaults { stale_readiness: 1.0, ..SimFaults::NONE });
    assert_eq!(pair.poll(), []);
    pair.net.close(pair.stream);
    let told = poll(&mut pair.net);
    assert_eq!(told.iter().map(|told| told.token).collect::<Vec<_>>(), [STREAM]);
}

#[test]
fn an_early_wait_keeps_what_is_ready_for_the_next() {
    let mut pair = Pair::new(SimFaults { early_waits: 1.0, ..SimFaults::NONE });
    pair.peer.send(b"x");
    assert_eq!(pair.poll(), []);
    pair.world.set_faults(SimFaults::NONE);
    assert_eq!(pair.poll().len(), 1);
}

#[test]
fn what_one_wait_does_not_tell_the_next_does() {
    let mut pair = Pair::new(SimFaults::NONE);
    pair.world.set_limits(SimLimits { events_per_wait_max: 1, ..SimLimits::default() });
    let _other = pair.world.connect(80);
    pair.peer.send(b"x");
    assert_eq!(pair.poll()[0].token, LISTENER);
    assert_eq!(pair.poll()[0].token, STREAM);
    assert_eq!(pair.poll(), []);
}
