//! Fuzz target: one connection to an echo server, over a simulated network with faults. The stream
//! of the client arrives in pieces. What the server sends is compared with what RFC 6455 demands
//! for the whole stream.
//!
//! Input: bytes for limits, faults and the sizes of the pieces, then frames, most of them valid.
#![no_main]

use std::cell::RefCell;
use std::rc::Rc;
use std::time::Duration;

use fanfare::hub::{Homes, HubLimits};
use fanfare::net::Net;
use fanfare::net::sim::{SimCall, SimFaults, SimLimits, SimNet, SimPeer, SimWorld};
use fanfare::protocol::{ClientHandshake, CloseCode, DecoderLimits, Message, Request};
use fanfare::reactor::{
    Context, Handler, ListenerKind, Reactor, ReactorLimits, Upgrade, Visitor, setups,
};
use fanfare_fuzz::input::Input;
use fanfare_fuzz::rfc6455::{self, End, Limits};
use libfuzzer_sys::fuzz_target;

const PORT: u16 = 80;
const TURNS_MAX: usize = 20_000;

/// If this many turns make no system call to read or write, nothing more will happen.
const QUIET_TURNS: usize = 3;

fuzz_target!(|data: &[u8]| {
    let mut input = Input::new(data);
    let (choices, pieces, seed) = (input.byte(), input.byte(), input.byte());
    let limits = match choices & 3 {
        0 => Limits { message_bytes_max: 20, fragments_max: 3 },
        1 => Limits { message_bytes_max: 300, fragments_max: 5 },
        _ => Limits { message_bytes_max: 4096, fragments_max: 50 },
    };
    let mut server = Server::new(limits, u64::from(seed), choices);
    // Pieces of two sizes alternate, and also decide how many turns the server has between them.
    let sizes = [usize::from(pieces & 7) + 1, usize::from(pieces >> 3) * 9 + 1];
    let is_stalled = choices & 4 != 0;
    let mut stream = stream(&mut input);

    if is_stalled {
        // A client that sends anything after its Close frame is answered with a reset, which
        // destroys what it has not read, as in real TCP. So the stream of a client that does not
        // read ends with its Close.
        let lengths: Vec<usize> = (0..=stream.len()).collect();
        let is_open =
            |end: &usize| !matches!(rfc6455::echo(&stream[..*end], limits).1, End::Closed(..));
        stream.truncate(lengths.partition_point(is_open));
        server.peer.set_window(50);
        server.peer.set_reading(false);
    }
    let mut rest = &stream[..];
    for size in sizes.into_iter().cycle() {
        let (piece, behind) = rest.split_at(size.min(rest.len()));
        rest = behind;
        server.peer.send(piece);
        server.turn();
        if rest.is_empty() {
            break;
        }
    }
    server.rest();
    if is_stalled {
        server.peer.set_window(1 << 20);
        server.peer.set_reading(true);
        server.rest();
    }
    let received = server.peer.take_received();
    let (answers, end) = rfc6455::echo(&stream, limits);
    let code = check(&received, &answers, &end);

    server.peer.close_write();
    server.rest();
    server.world.advance(Duration::from_secs(3));
    server.rest();
    assert_eq!(server.world.open_streams(), 0, "the connection ends");
    assert!(server.peer.take_received().is_empty(), "something came behind the end");
    assert_eq!(*server.closed.borrow(), [code]);
});

/// Checks that the server has sent the expected answers, then the Close frame that belongs to
/// `end`, and nothing else. Returns the code with which the connection has ended.
fn check(received: &[u8], answers: &[rfc6455::Frame], end: &End) -> u16 {
    let mut expected = Vec::new();
    answers.iter().for_each(|answer| rfc6455::encode(answer, &mut expected));
    let tail = received.strip_prefix(&expected[..]).unwrap_or_else(|| {
        panic!(
            "other answers: {:?}\nexpected {answers:?} {end:?}",
            String::from_utf8_lossy(received)
        )
    });
    let closes_with =
        |code: u16| tail.len() >= 4 && tail[0] == 0x88 && tail[2..4] == code.to_be_bytes();
    match end {
        End::Closed(code, reason) => {
            let mut close = Vec::new();
            let answered = code.unwrap_or(1000).to_be_bytes();
            rfc6455::encode(&(8, [&answered[..], reason].concat()), &mut close);
            assert_eq!(tail, close);
            // Section 7.1.5: a Close frame without a code counts as 1005.
            code.unwrap_or(CloseCode::NO_STATUS.as_u16())
        }
        End::Failed(code) => {
            assert!(closes_with(*code), "{tail:?} is no Close with {code}");
            assert_eq!(tail.len(), 2 + usize::from(tail[1]), "bytes behind the Close");
            assert!(std::str::from_utf8(&tail[4..]).is_ok());
            *code
        }
        End::MayFail(code) if closes_with(*code) => *code,
        End::Open | End::MayFail(_) => {
            assert!(tail.is_empty(), "{tail:?} behind the answers");
            CloseCode::ABNORMAL.as_u16()
        }
    }
}

const CODES: [u16; 16] =
    [1000, 1001, 1003, 1004, 1005, 1006, 1007, 1011, 1014, 1015, 1016, 2999, 3000, 4999, 5000, 0];

/// Makes a stream of frames from the input, most of them valid.
fn stream(input: &mut Input<'_>) -> Vec<u8> {
    let mut stream = Vec::new();
    let mut key = [0x37, 0xfa, 0x21, 0x3d];
    while !input.is_empty() && stream.len() < 20_000 {
        let kind = input.byte();
        if kind & 7 == 7 {
            let count = usize::from(input.byte() % 16);
            stream.extend_from_slice(input.bytes(count));
            continue;
        }
        let opcode = [1, 2, 0, 9, 10, 8, 0][usize::from(kind & 7)];
        let size = usize::from(input.byte());
        let mut payload = match kind & 16 == 0 {
            true => input.bytes(size).to_vec(),
            false => vec![b'a'; size * 20],
        };
        if opcode == 8 && kind & 32 == 0 {
            let code = CODES[usize::from(input.byte()) % CODES.len()];
            payload.splice(..0, code.to_be_bytes());
        }
        // Mutations of a frame: reserved bits, a missing mask, a wrong length, a length in too long
        // a form.
        let mutation = if kind & 192 == 192 { input.byte() } else { 0 };
        let fin = kind & 8 == 0;
        stream.push(
            u8::from(fin) << 7 | opcode | if mutation & 3 == 3 { mutation & 0x7f } else { 0 },
        );
        let declared = payload.len() + usize::from(mutation & 12 == 12);
        let masked = u8::from(mutation & 48 != 48) << 7;
        match (declared, mutation >> 6) {
            (_, 2) => {
                stream.push(masked | 126);
                stream.extend_from_slice(&(declared as u16).to_be_bytes());
            }
            (_, 3) => {
                stream.push(masked | 127);
                stream.extend_from_slice(&(declared as u64).to_be_bytes());
            }
            (..126, _) => stream.push(masked | declared as u8),
            _ => {
                stream.push(masked | 126);
                stream.extend_from_slice(&(declared as u16).to_be_bytes());
            }
        }
        if masked != 0 {
            key = key.map(|byte: u8| byte.wrapping_mul(29).wrapping_add(7));
            stream.extend_from_slice(&key);
            payload.iter_mut().zip(key.iter().cycle()).for_each(|(byte, key)| *byte ^= key);
        }
        stream.extend_from_slice(&payload);
    }
    stream
}

/// An echo server, and its only client, whose handshake has been accepted.
struct Server {
    world: SimWorld,
    reactor: Reactor<SimNet, Echo>,
    peer: SimPeer,
    /// The close codes of all connections that have ended.
    closed: Rc<RefCell<Vec<u16>>>,
}

impl Server {
    fn new(limits: Limits, seed: u64, choices: u8) -> Server {
        let world = SimWorld::new(seed, SimFaults::NONE);
        world.hold_clock(true);
        world.set_limits(SimLimits {
            send_buffer_bytes: if choices & 8 == 0 { 16 * 1024 } else { 64 },
            receive_buffer_bytes: if choices & 16 == 0 { 128 * 1024 } else { 16 },
            ..SimLimits::default()
        });
        let net = world.reactor();
        let decoder = DecoderLimits {
            message_bytes_max: limits.message_bytes_max,
            fragments_max: limits.fragments_max as u32,
        };
        let limits = ReactorLimits { decoder, ..ReactorLimits::default() };
        let homes = Homes::new([7; 16], 1);
        let setups =
            setups(vec![net.waker()], homes, world.now(), &limits, HubLimits::default(), None);
        let setup = setups.into_iter().next().expect("one for each waker");
        let closed = Rc::new(RefCell::new(Vec::new()));
        let echo = Echo { closed: Rc::clone(&closed) };
        let listeners = vec![(world.listener(PORT), ListenerKind::Public, None)];
        let reactor = Reactor::new(net, listeners, echo, setup).expect("a listener is registered");

        let peer = world.connect(PORT);
        let mut request = Vec::new();
        ClientHandshake::new([7; 16]).write_request(&mut request, "localhost", "/", &[]);
        peer.send(&request);
        let mut server = Server { world, reactor, peer, closed };
        server.rest();
        let response = server.peer.take_received();
        assert!(response.starts_with(b"HTTP/1.1 101 ") && response.ends_with(b"\r\n\r\n"));

        let usual = |bit: u8| if choices & bit == 0 { 0.0 } else { 0.4 };
        server.world.set_faults(SimFaults {
            short_reads: usual(32),
            refused_reads: usual(32),
            short_writes: usual(64),
            refused_writes: usual(64),
            spurious_readiness: usual(128),
            narrow_readiness: usual(128),
            early_waits: usual(128),
            ..SimFaults::NONE
        });
        server
    }

    fn turn(&mut self) {
        assert!(
            self.reactor.turn().expect("a simulated wait does not fail"),
            "nobody has stopped it"
        );
    }

    /// Runs turns until nothing is left to do.
    fn rest(&mut self) {
        let calls = |world: &SimWorld| world.calls(SimCall::Read) + world.calls(SimCall::Write);
        let mut quiet = 0;
        for _ in 0..TURNS_MAX {
            let before = calls(&self.world);
            self.turn();
            let is_quiet = self.world.everyone_sleeps() && calls(&self.world) == before;
            quiet = if is_quiet { quiet + 1 } else { 0 };
            if quiet == QUIET_TURNS {
                return;
            }
        }
        panic!("the server does not come to rest");
    }
}

struct Echo {
    closed: Rc<RefCell<Vec<u16>>>,
}

impl Handler for Echo {
    type Session = ();

    fn on_upgrade(&mut self, _: &mut Visitor<'_>, _: &Request<'_>) -> Upgrade<()> {
        Upgrade::Accept(())
    }

    fn on_message(&mut self, peer: &mut Context<'_, ()>, message: Message<'_>) {
        peer.send(message);
    }

    fn on_close(&mut self, _: &mut Context<'_, ()>, code: CloseCode, _: &str) {
        self.closed.borrow_mut().push(code.as_u16());
    }
}
