//! The behaviour of a [`Net`]. Each test runs on real loopback sockets and on the simulated
//! network, so that what holds in the simulation holds in reality. The tests describe what Linux
//! does.

mod ends;

use std::io::ErrorKind;

use self::ends::{Peer, World};
use super::*;

const LISTENER: Token = Token(0);
const STREAM: Token = Token(1);

/// The most waits for one event, so that a test ends if a broken simulation never reports it.
const WAITS_MAX: usize = 1000;

/// One registered stream and its peer, on either kind of network.
struct Pair<W: World> {
    world: W,
    net: W::Net,
    listener: <W::Net as Net>::Listener,
    stream: <W::Net as Net>::Stream,
    peer: W::Peer,
}

impl<W: World> Pair<W> {
    /// Connects a peer to a stream. The first readiness of the listener and of the stream has been
    /// consumed.
    fn new() -> Pair<W> {
        let (world, mut net, mut listener) = W::new();
        net.listen(&mut listener, LISTENER).unwrap();
        let peer = world.connect();
        wait_for(&mut net, LISTENER, |told| told.readable);
        let (mut stream, _) = net.accept(&mut listener).unwrap();
        net.register(&mut stream, STREAM).unwrap();
        assert_eq!(wait_for(&mut net, STREAM, |_| true), WRITABLE);
        Pair { world, net, listener, stream, peer }
    }

    fn wait_for(&mut self, enough: impl Fn(&Readiness) -> bool) -> Readiness {
        wait_for(&mut self.net, STREAM, enough)
    }

    fn poll(&mut self) -> Vec<Readiness> {
        poll(&mut self.net)
    }

    /// Reads once. Returns the bytes, or the kind of the error.
    fn read(&mut self) -> Result<Vec<u8>, ErrorKind> {
        let mut buffer = [0; 16];
        let bytes = self.net.read(&mut self.stream, &mut buffer).map_err(|error| error.kind())?;
        Ok(buffer[..bytes].to_vec())
    }

    fn write(&mut self, bytes: &[u8]) -> Result<usize, ErrorKind> {
        self.net.write(&mut self.stream, bytes).map_err(|error| error.kind())
    }

    /// Writes until there is no room. Returns how many bytes were accepted.
    fn fill(&mut self) -> usize {
        let chunk = vec![7; 100_000];
        let mut written = 0;
        loop {
            match self.write(&chunk) {
                Ok(bytes) => written += bytes,
                Err(error) => {
                    assert_eq!(error, ErrorKind::WouldBlock);
                    return written;
                }
            }
        }
    }
}

const WRITABLE: Readiness =
    Readiness { token: STREAM, readable: false, writable: true, hung_up: false };
const READABLE: Readiness =
    Readiness { token: STREAM, readable: true, writable: false, hung_up: false };
const BOTH: Readiness = Readiness { token: STREAM, readable: true, writable: true, hung_up: false };
const HUNG_UP: Readiness =
    Readiness { token: STREAM, readable: true, writable: true, hung_up: true };

fn wait_for<N: Net>(net: &mut N, token: Token, enough: impl Fn(&Readiness) -> bool) -> Readiness {
    let mut readiness = Vec::new();
    for _ in 0..WAITS_MAX {
        net.wait(&mut readiness, None).unwrap();
        if let Some(told) = readiness.iter().find(|told| told.token == token && enough(told)) {
            return *told;
        }
    }
    panic!("what is waited for never comes");
}

fn poll<N: Net>(net: &mut N) -> Vec<Readiness> {
    let mut readiness = vec![HUNG_UP];
    net.wait(&mut readiness, Some(Duration::ZERO)).unwrap();
    readiness
}

/// Makes each function two tests: on real sockets and on the simulated network.
macro_rules! on_both {
    ($($(#[$meta:meta])* fn $name:ident<W: World>() $body:block)*) => {
        $($(#[$meta])* fn $name<W: World>() $body)*

        mod on_loopback {
            $(#[test] fn $name() { super::$name::<super::ends::Loopback>(); })*
        }

        mod on_the_simulated_network {
            $(#[test] fn $name() { super::$name::<crate::net::sim::SimWorld>(); })*
        }
    };
}

on_both! {
    fn an_edge_is_told_once<W: World>() {
        let mut pair = Pair::<W>::new();
        assert_eq!(pair.poll(), []);
        pair.peer.send(b"one");
        assert_eq!(pair.wait_for(|told| told.readable), BOTH);
        assert_eq!(pair.poll(), []);
        pair.peer.send(b"two");
        assert_eq!(pair.wait_for(|told| told.readable), BOTH);
        assert_eq!(pair.read().unwrap(), b"onetwo");
        assert_eq!(pair.read(), Err(ErrorKind::WouldBlock));
        assert_eq!(pair.poll(), []);
    }

    fn what_is_left_by_a_read_is_not_told_again<W: World>() {
        let mut pair = Pair::<W>::new();
        pair.peer.send(&[1; 20]);
        pair.wait_for(|told| told.readable);
        assert_eq!(pair.read().unwrap().len(), 16);
        assert_eq!(pair.poll(), []);
        assert_eq!(pair.read().unwrap().len(), 4);
    }

    fn what_is_there_at_the_registration_is_told<W: World>() {
        let (world, mut net, mut listener) = W::new();
        let mut peer = world.connect();
        peer.send(b"early");
        net.listen(&mut listener, LISTENER).unwrap();
        wait_for(&mut net, LISTENER, |told| told.readable);
        let (mut stream, _) = net.accept(&mut listener).unwrap();
        net.register(&mut stream, STREAM).unwrap();
        wait_for(&mut net, STREAM, |told| told.readable);
        assert_eq!(net.read(&mut stream, &mut [0; 16]).unwrap(), 5);
    }

    fn the_connections_in_the_queue_are_told_once<W: World>() {
        let (world, mut net, mut listener) = W::new();
        let _peers = [world.connect(), world.connect()];
        net.listen(&mut listener, LISTENER).unwrap();
        let told = wait_for(&mut net, LISTENER, |_| true);
        assert!(told.readable && !told.writable && !told.hung_up);
        assert_eq!(poll(&mut net), []);
        net.accept(&mut listener).unwrap();
        assert_eq!(poll(&mut net), []);
        net.accept(&mut listener).unwrap();
        let Err(error) = net.accept(&mut listener) else { panic!("nobody is left in the queue") };
        assert_eq!(error.kind(), ErrorKind::WouldBlock);
    }

    fn a_closed_listener_resets_its_queue<W: World>() {
        let mut pair = Pair::<W>::new();
        let mut waiting = pair.world.connect();
        pair.net.unlisten(pair.listener);
        assert!(waiting.is_reset());
        pair.peer.send(b"the others live on");
        wait_for(&mut pair.net, STREAM, |told| told.readable);
    }

    fn slices_are_written_as_if_they_were_one<W: World>() {
        let mut pair = Pair::<W>::new();
        assert_eq!(pair.write(b"wel"), Ok(3));
        let slices = [IoSlice::new(b"co"), IoSlice::new(b""), IoSlice::new(b"me")];
        assert_eq!(pair.net.write_vectored(&mut pair.stream, &slices).unwrap(), 4);
        assert_eq!(pair.peer.read(7), b"welcome");
    }

    fn the_end_is_hung_up_and_comes_after_the_bytes<W: World>() {
        let mut pair = Pair::<W>::new();
        pair.peer.send(b"last");
        pair.peer.close_write();
        assert_eq!(pair.wait_for(|told| told.hung_up), HUNG_UP);
        assert_eq!(pair.read().unwrap(), b"last");
        assert_eq!(pair.poll(), []);
        assert_eq!(pair.read().unwrap(), b"");
        assert_eq!(pair.read().unwrap(), b"");
        assert_eq!(pair.write(b"answer"), Ok(6));
        assert_eq!(pair.peer.read(6), b"answer");
    }

    fn what_is_written_last_comes_before_the_end_whichever_way_that_is_made<W: World>() {
        for closes in [false, true] {
            let mut pair = Pair::<W>::new();
            assert_eq!(pair.write(b"a"), Ok(1));
            assert_eq!(pair.net.write_last(&mut pair.stream, b"nd bye").unwrap(), 6);
            match closes {
                true => pair.net.close(pair.stream),
                false => pair.net.shutdown_write(&mut pair.stream).unwrap(),
            }
            assert_eq!(pair.peer.read(7), b"and bye");
            assert!(!pair.peer.is_reset());
        }
    }

    fn after_our_end_the_peer_can_still_be_read<W: World>() {
        let mut pair = Pair::<W>::new();
        assert_eq!(pair.write(b"bye"), Ok(3));
        pair.net.shutdown_write(&mut pair.stream).unwrap();
        assert_eq!(pair.write(b"more"), Err(ErrorKind::BrokenPipe));
        assert_eq!(pair.peer.read(3), b"bye");
        assert!(!pair.peer.is_reset());
        pair.peer.send(b"late");
        assert_eq!(pair.wait_for(|told| told.readable), BOTH);
        assert_eq!(pair.read().unwrap(), b"late");
        pair.peer.close_write();
        assert_eq!(pair.wait_for(|told| told.hung_up), HUNG_UP);
        assert_eq!(pair.read().unwrap(), b"");
    }

    fn a_peer_that_does_not_read_blocks_us_until_it_does<W: World>() {
        let mut pair = Pair::<W>::new();
        let written = pair.fill();
        assert!(written > 16 * 1024);
        assert_eq!(pair.poll(), []);
        pair.peer.send(b"still here");
        assert_eq!(pair.wait_for(|told| told.readable), READABLE);
        assert_eq!(pair.read().unwrap(), b"still here");
        pair.peer.read(written);
        assert_eq!(pair.wait_for(|told| told.writable), WRITABLE);
        assert_eq!(pair.write(b"more"), Ok(4));
        assert_eq!(pair.peer.read(4), b"more");
    }

    fn room_appears_only_after_a_refused_write<W: World>() {
        let mut pair = Pair::<W>::new();
        assert_eq!(pair.write(&[1; 1000]), Ok(1000));
        pair.peer.read(1000);
        assert_eq!(pair.poll(), []);
    }

    /// On Linux unread bytes survive a reset; elsewhere, or by a simulated fault, they may not.
    fn a_reset_is_told_as_everything_and_fails_one_call<W: World>() {
        let mut pair = Pair::<W>::new();
        pair.peer.send(b"unread");
        pair.wait_for(|told| told.readable);
        pair.peer.reset();
        assert_eq!(wait_for(&mut pair.net, STREAM, |told| told.hung_up), HUNG_UP);
        let mut buffer = [0; 16];
        let mut read =
            || pair.net.read(&mut pair.stream, &mut buffer).map_err(|error| error.kind());
        assert_eq!(read(), Ok(6));
        assert_eq!(read(), Err(ErrorKind::ConnectionReset));
        assert_eq!(read(), Ok(0));
        let error = pair.net.write(&mut pair.stream, b"x").unwrap_err();
        assert_eq!(error.kind(), ErrorKind::BrokenPipe);
        let error = pair.net.shutdown_write(&mut pair.stream).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::NotConnected);
        // The hang-up is reported although the shutdown failed; nothing else is.
        assert_eq!(wait_for(&mut pair.net, STREAM, |_| true), HUNG_UP);
        assert_eq!(poll(&mut pair.net), []);
    }

    fn a_write_after_a_reset_fails_and_the_next_differently<W: World>() {
        let mut pair = Pair::<W>::new();
        pair.peer.reset();
        wait_for(&mut pair.net, STREAM, |told| told.hung_up);
        let mut write = || pair.net.write(&mut pair.stream, b"x").unwrap_err().kind();
        assert_eq!(write(), ErrorKind::ConnectionReset);
        assert_eq!(write(), ErrorKind::BrokenPipe);
        assert_eq!(pair.net.read(&mut pair.stream, &mut [0; 16]).unwrap(), 0);
    }

    fn a_peer_that_has_closed_answers_a_write_with_a_reset<W: World>() {
        let mut pair = Pair::<W>::new();
        pair.peer.send(b"bye");
        drop(pair.peer);
        assert_eq!(wait_for(&mut pair.net, STREAM, |told| told.hung_up), HUNG_UP);
        assert_eq!(pair.net.write(&mut pair.stream, b"x").unwrap(), 1);
        assert_eq!(wait_for(&mut pair.net, STREAM, |_| true), HUNG_UP);
        let error = pair.net.write(&mut pair.stream, b"x").unwrap_err();
        assert_eq!(error.kind(), ErrorKind::BrokenPipe);
        assert_eq!(pair.net.read(&mut pair.stream, &mut [0; 16]).unwrap(), 3);
        assert_eq!(pair.net.read(&mut pair.stream, &mut [0; 16]).unwrap(), 0);
    }

    fn a_connection_reset_in_the_queue_is_accepted_all_the_same<W: World>() {
        let mut pair = Pair::<W>::new();
        let mut other = pair.world.connect();
        other.send(b"hi");
        wait_for(&mut pair.net, LISTENER, |told| told.readable);
        other.reset();
        let (mut stream, _) = pair.net.accept(&mut pair.listener).unwrap();
        pair.net.register(&mut stream, Token(2)).unwrap();
        let told = wait_for(&mut pair.net, Token(2), |told| told.hung_up);
        assert_eq!(told, Readiness { token: Token(2), ..HUNG_UP });
        assert_eq!(pair.net.read(&mut stream, &mut [0; 16]).unwrap(), 2);
        let error = pair.net.read(&mut stream, &mut [0; 16]).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::ConnectionReset);
    }

    fn a_close_sends_what_was_written_and_is_told_no_more<W: World>() {
        let mut pair = Pair::<W>::new();
        let written = pair.fill();
        pair.net.close(pair.stream);
        assert_eq!(pair.peer.read(written).len(), written);
        assert!(!pair.peer.is_reset());
        assert_eq!(poll(&mut pair.net), []);
    }

    fn a_close_with_something_unread_is_a_reset<W: World>() {
        let mut pair = Pair::<W>::new();
        pair.peer.send(b"unread");
        pair.wait_for(|told| told.readable);
        pair.net.close(pair.stream);
        assert!(pair.peer.is_reset());
    }

    fn a_reset_of_ours_reaches_the_peer_as_one<W: World>() {
        let mut pair = Pair::<W>::new();
        pair.net.reset(pair.stream);
        assert!(pair.peer.is_reset());
        assert_eq!(poll(&mut pair.net), []);
    }

    fn a_wake_up_ends_one_wait<W: World>() {
        let mut pair = Pair::<W>::new();
        let waker = pair.net.waker();
        waker.wake();
        waker.clone().wake();
        let mut readiness = Vec::new();
        pair.net.wait(&mut readiness, None).unwrap();
        assert_eq!(readiness, []);
        let before = pair.net.now();
        pair.net.wait(&mut readiness, Some(Duration::from_millis(1))).unwrap();
        assert!(pair.net.now().saturating_since(before) >= Duration::from_millis(1));
    }
}
