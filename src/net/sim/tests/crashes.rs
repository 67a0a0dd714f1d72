//! Peers that crash after every possible number of bytes.

use super::*;

const CRASHES: [SimCrash; 3] = [SimCrash::Close, SimCrash::Reset, SimCrash::Silence];

/// Returns the result of the read that follows the last byte of a crashed peer.
fn end_of(how: SimCrash) -> Result<Vec<u8>, ErrorKind> {
    match how {
        SimCrash::Close => Ok(Vec::new()),
        SimCrash::Reset => Err(ErrorKind::ConnectionReset),
        SimCrash::Silence => Err(ErrorKind::WouldBlock),
    }
}

#[test]
fn a_peer_crashes_after_any_byte_that_it_sends() {
    let sent = b"hello world";
    for how in CRASHES {
        for bytes in 0..=sent.len() {
            let mut pair = Pair::new(SimFaults::NONE);
            pair.peer.crash_after_sent(bytes as u64, how);
            assert_eq!(pair.peer.has_crashed(), bytes == 0);
            // Sent in two calls, because the crash counts the bytes of all calls together.
            pair.peer.send(&sent[..5]);
            pair.peer.send(&sent[5..]);
            assert!(pair.peer.has_crashed());
            if bytes > 0 {
                assert_eq!(pair.read().unwrap(), &sent[..bytes], "{how:?}");
            }
            assert_eq!(pair.read(), end_of(how), "after {bytes} bytes: {how:?}");
        }
    }
}

#[test]
fn a_peer_crashes_after_any_byte_that_it_receives() {
    for how in CRASHES {
        for bytes in 0..=5 {
            let mut pair = Pair::new(SimFaults::NONE);
            pair.peer.crash_after_received(bytes, how);
            let _ = pair.write(b"hello");
            assert!(pair.peer.has_crashed());
            assert_eq!(pair.peer.take_received(), &b"hello"[..bytes as usize]);
            // Bytes sent after the crash do not arrive.
            let _ = pair.write(b"x");
            assert_eq!(
                pair.peer.is_reset(),
                how != SimCrash::Silence,
                "after {bytes} bytes: {how:?}"
            );
        }
    }
}

#[test]
fn a_crash_that_is_never_reached_changes_nothing() {
    let mut pair = Pair::new(SimFaults::NONE);
    pair.peer.crash_after_sent(6, SimCrash::Reset);
    pair.peer.crash_after_received(6, SimCrash::Silence);
    pair.peer.send(b"hello");
    pair.peer.close_write();
    assert_eq!(pair.read().unwrap(), b"hello");
    assert_eq!(pair.read().unwrap(), b"");
    assert_eq!(pair.write(b"back"), Ok(4));
    assert!(!pair.peer.has_crashed());
    assert_eq!(pair.peer.take_received(), b"back");
}

#[test]
fn a_crash_at_a_byte_that_is_past_comes_at_once_and_takes_back_nothing() {
    let mut pair = Pair::new(SimFaults::NONE);
    pair.peer.send(b"hello");
    pair.peer.crash_after_sent(2, SimCrash::Reset);
    assert!(pair.peer.has_crashed());
    assert_eq!(pair.read().unwrap(), b"hello");
    assert_eq!(pair.read(), Err(ErrorKind::ConnectionReset));
}

#[test]
fn the_end_does_not_overtake_a_crash_at_the_last_byte() {
    let mut pair = Pair::new(SimFaults::NONE);
    pair.world
        .set_limits(SimLimits { latency_max: Duration::from_millis(1), ..SimLimits::default() });
    pair.peer.crash_after_sent(5, SimCrash::Silence);
    pair.peer.send(b"hello");
    pair.peer.close_write();
    pair.world.advance(Duration::from_secs(1));
    assert_eq!(pair.read().unwrap(), b"hello");
    assert_eq!(pair.read(), Err(ErrorKind::WouldBlock));
}

#[test]
fn a_silent_peer_takes_what_the_send_buffer_holds_and_answers_nothing() {
    let mut pair = Pair::new(SimFaults::NONE);
    pair.peer.crash(SimCrash::Silence);
    let send_buffer_bytes = SimLimits::default().send_buffer_bytes;
    assert_eq!(pair.write(&[1; 100_000]), Ok(send_buffer_bytes));
    assert_eq!(pair.write(b"x"), Err(ErrorKind::WouldBlock));
    pair.peer.send(b"lost");
    pair.peer.close_write();
    pair.peer.reset();
    pair.peer.set_reading(true);
    pair.world.advance(Duration::from_secs(3600));
    assert_eq!(pair.poll(), []);
    assert_eq!(pair.read(), Err(ErrorKind::WouldBlock));
    drop(pair.peer);
    assert_eq!(poll(&mut pair.net), [], "nobody is there to close it");
    pair.net.close(pair.stream);
    assert_eq!(pair.world.open_streams(), 0);
}

#[test]
fn a_silent_peer_is_found_by_a_timeout_of_the_system_alone() {
    let mut pair = Pair::new(SimFaults { resets: 1.0, ..SimFaults::NONE });
    pair.peer.crash(SimCrash::Silence);
    assert_eq!(pair.read(), Err(ErrorKind::WouldBlock), "no reset comes from there");
    pair.world.set_faults(SimFaults { losses: 1.0, ..SimFaults::NONE });
    assert!(!matches!(
        pair.read(),
        Ok(_) | Err(ErrorKind::WouldBlock | ErrorKind::ConnectionReset)
    ));
}

#[test]
fn a_silent_peer_does_not_hear_that_it_was_reset() {
    let mut pair = Pair::new(SimFaults::NONE);
    pair.peer.set_reading(false);
    pair.write(b"unread").unwrap();
    pair.peer.crash(SimCrash::Silence);
    pair.net.reset(pair.stream);
    assert_eq!(pair.peer.read(100), 0);
    assert!(pair.peer.is_reset(), "the test can tell");
}

#[test]
fn a_crash_with_something_unread_is_a_reset_as_a_close_is() {
    let mut pair = Pair::new(SimFaults::NONE);
    pair.peer.set_reading(false);
    pair.peer.crash_after_received(3, SimCrash::Close);
    assert_eq!(pair.write(b"unread"), Ok(6));
    assert_eq!(pair.poll(), [readiness(true, true, true)]);
    assert_eq!(pair.read(), Err(ErrorKind::ConnectionReset));
}

#[test]
fn with_latency_a_crash_still_comes_after_the_very_byte() {
    for seed in 0..50 {
        let (mut net, world) = SimNet::new(seed, SimFaults::NONE);
        world.set_limits(SimLimits {
            latency_max: Duration::from_millis(3),
            ..SimLimits::default()
        });
        let mut listener = world.listener(80);
        let peer = world.connect(80);
        peer.crash_after_sent(12_345, SimCrash::Reset);
        peer.send(&[7; 50_000]);
        world.advance(Duration::from_secs(10));
        let (mut stream, _) = net.accept(&mut listener).unwrap();
        assert_eq!(net.read(&mut stream, &mut [0; 50_000]).unwrap(), 12_345);
        assert_eq!(errno(net.read(&mut stream, &mut [0; 1])), Some(libc::ECONNRESET));
    }
}
