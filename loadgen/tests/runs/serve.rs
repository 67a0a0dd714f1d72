//! Tests of `loadgen serve` against a client with a different codec: what the server reports must
//! equal what the client received.
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::process::{Child, ChildStdout, Command, Stdio};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use tungstenite::protocol::frame::coding::CloseCode;
use tungstenite::{Error, Message, WebSocket};

/// Longer than any answer takes, and longer than a copy is held back.
const SILENCE: Duration = Duration::from_millis(400);

/// The server process, which ends with the test.
pub(crate) struct Server {
    child: Child,
    lines: BufReader<ChildStdout>,
    pub(crate) address: SocketAddr,
}

impl Server {
    pub(crate) fn start(flags: &str) -> Server {
        let mut child = Command::new(env!("CARGO_BIN_EXE_loadgen"))
            .args(["serve", "--listen", "127.0.0.1:0"])
            .args(flags.split_whitespace())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap());
        let mut line = String::new();
        lines.read_line(&mut line).unwrap();
        let address = line.trim().strip_prefix("listening on ").unwrap().parse().unwrap();
        Server { child, lines, address }
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    fn connect(&self) -> WebSocket<TcpStream> {
        self.try_connect().unwrap()
    }

    fn try_connect(&self) -> Result<WebSocket<TcpStream>, Error> {
        let stream = TcpStream::connect(self.address).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
        match tungstenite::client(format!("ws://{}/any/path?at=all", self.address), stream) {
            Ok((socket, _)) => Ok(socket),
            Err(tungstenite::HandshakeError::Failure(error)) => Err(error),
            Err(tungstenite::HandshakeError::Interrupted(_)) => panic!("no answer"),
        }
    }

    pub(crate) fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.child), signal).unwrap();
    }

    pub(crate) fn ledger_after(&mut self, signal: Signal) -> Value {
        self.signal(signal);
        let mut line = String::new();
        self.lines.read_line(&mut line).unwrap();
        serde_json::from_str(&line).unwrap()
    }

    /// Waits until the server has received this many messages.
    pub(crate) fn await_messages(&mut self, messages: u64) {
        while self.messages() < messages {
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    /// Returns how many messages the server has received.
    pub(crate) fn messages(&mut self) -> u64 {
        counts(&self.ledger_after(Signal::USR1), ["messages_in"])[0]
    }

    /// Ends the server with SIGTERM and returns its ledger.
    pub(crate) fn end(mut self) -> Value {
        let ledger = self.ledger_after(Signal::TERM);
        assert_eq!(self.child.wait().unwrap().code(), Some(0));
        ledger
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

pub(crate) fn counts<const N: usize>(ledger: &Value, names: [&str; N]) -> [u64; N] {
    names.map(|name| ledger[name].as_u64().unwrap())
}

/// Reads messages until none arrives for a while.
fn read_all(socket: &mut WebSocket<TcpStream>) -> Vec<String> {
    socket.get_ref().set_read_timeout(Some(SILENCE)).unwrap();
    let mut texts = Vec::new();
    loop {
        match socket.read() {
            Ok(message) => texts.push(message.into_text().unwrap().to_string()),
            Err(Error::Io(_)) => return texts,
            Err(error) => panic!("{error}"),
        }
    }
}

#[test]
fn an_echo_keeps_kind_contents_and_order() {
    let server = Server::start("--echo");
    let mut socket = server.connect();
    let large = vec![0xa5; 3 << 20];
    let messages = [
        Message::text("grüße"),
        Message::binary(large),
        Message::text(""),
        Message::binary(vec![0]),
    ];
    for message in &messages {
        socket.send(message.clone()).unwrap();
    }
    for message in &messages {
        assert!(socket.read().unwrap() == *message);
    }
    socket.send(Message::Ping(vec![7].into())).unwrap();
    assert_eq!(socket.read().unwrap(), Message::Pong(vec![7].into()));
    socket.close(None).unwrap();
    assert!(matches!(socket.read(), Ok(Message::Close(_))));
    assert!(matches!(socket.read(), Err(Error::ConnectionClosed)));
    assert_eq!(
        counts(&server.end(), ["connections", "messages_in", "copies", "dropped"]),
        [1, 4, 4, 0]
    );
}

#[test]
fn a_broadcast_reaches_everybody_in_one_order_and_the_sender_if_wanted() {
    for (flags, own) in [("--broadcast", 1), ("--broadcast --no-own-copy", 0)] {
        let server = Server::start(flags);
        let mut sockets: Vec<_> = (0..4).map(|_| server.connect()).collect();
        for number in 0..50 {
            for (sender, socket) in sockets[..2].iter_mut().enumerate() {
                socket.send(Message::text(format!("{sender}-{number}"))).unwrap();
            }
        }
        let seen: Vec<_> = sockets.iter_mut().map(read_all).collect();
        assert_eq!((seen[3].len(), &seen[2]), (100, &seen[3]));
        for (sender, own_seen) in seen[..2].iter().enumerate() {
            let is_own = |text: &&String| text.starts_with(&format!("{sender}-"));
            assert_eq!(own_seen.iter().filter(is_own).count(), 50 * own);
            assert!(own_seen.iter().eq(seen[3].iter().filter(|text| own == 1 || !is_own(text))));
        }
        assert_eq!(counts(&server.end(), ["messages_in", "copies"]), [100, 300 + 100 * own as u64]);
    }
}

#[test]
fn a_sink_answers_nothing_but_ping_and_close() {
    let server = Server::start("--sink");
    let mut socket = server.connect();
    socket.send(Message::text("into the sink")).unwrap();
    socket.send(Message::Ping(vec![1].into())).unwrap();
    assert_eq!(socket.read().unwrap(), Message::Pong(vec![1].into()));
    socket.close(None).unwrap();
    assert!(matches!(socket.read(), Ok(Message::Close(_))));
    assert_eq!(counts(&server.end(), ["messages_in", "copies"]), [1, 0]);
}

#[test]
fn posts_are_published_also_behind_each_other_and_in_pieces() {
    let server = Server::start("--broadcast");
    let mut socket = server.connect();
    let mut stream = TcpStream::connect(server.address).unwrap();
    let post = |body: &str| {
        format!("POST /x HTTP/1.1\r\nHost: x\r\nContent-Length: {}\r\n\r\n{body}", body.len())
    };
    let requests = [post("one"), post(""), post("three"), post("in pieces")].concat();
    let (first, second) = requests.as_bytes().split_at(requests.len() - 4);
    stream.write_all(first).unwrap();
    for expected in ["one", "", "three"] {
        assert_eq!(socket.read().unwrap(), Message::text(expected));
    }
    stream.write_all(second).unwrap();
    assert_eq!(socket.read().unwrap(), Message::text("in pieces"));
    let mut answers = vec![0; 4 * "HTTP/1.1 201 Created\r\nContent-Length: 0\r\n\r\n".len()];
    stream.read_exact(&mut answers).unwrap();
    assert_eq!(String::from_utf8(answers).unwrap().matches("HTTP/1.1 201 Created\r\n").count(), 4);
    assert_eq!(counts(&server.end(), ["connections", "messages_in", "copies"]), [1, 4, 4]);
}

#[test]
fn a_handshake_can_be_refused_or_answered_wrongly() {
    let server = Server::start("--refuse 403");
    let Err(Error::Http(response)) = server.try_connect() else { panic!("not refused") };
    assert_eq!(response.status(), 403);
    assert_eq!(counts(&server.end(), ["connections"]), [0]);
    let server = Server::start("--echo --wrong-accept");
    assert!(matches!(server.try_connect(), Err(Error::Protocol(_))));
}

#[test]
fn the_ledger_is_what_the_receivers_saw_to_the_message() {
    const MESSAGES: usize = 4_000;
    let server = Server::start("--broadcast --fault drop=0.03,dup=0.03,reorder=0.03 --seed 5");
    let receivers: Vec<_> = (0..4).map(|_| server.connect()).collect();
    let mut sender = server.connect();
    let read = |mut socket| std::thread::spawn(move || read_all(&mut socket));
    let readers: Vec<_> = receivers.into_iter().map(read).collect();
    for number in 0..MESSAGES {
        sender.send(Message::text(format!("{number:08}"))).unwrap();
        if number % 100 == 0 {
            std::thread::sleep(Duration::from_millis(1));
        }
    }
    let mut seen: Vec<_> = readers.into_iter().map(|reader| reader.join().unwrap()).collect();
    seen.push(read_all(&mut sender));
    let (mut absent, mut extra, mut overtaken) = (0, 0, 0);
    for texts in &seen {
        assert_eq!(texts[0], "00000000", "the first message has no fault");
        let mut times = vec![0; MESSAGES];
        let mut highest = 0;
        for number in texts.iter().map(|text| text.parse::<usize>().unwrap()) {
            times[number] += 1;
            overtaken += u64::from(number < highest);
            highest = highest.max(number);
        }
        absent += times.iter().filter(|times| **times == 0).count() as u64;
        extra += times.iter().filter(|times| **times == 2).count() as u64;
        assert!(times.iter().all(|times| *times <= 2), "a copy has at most one fault");
    }
    let ledger = server.end();
    let copies = seen.iter().map(Vec::len).sum::<usize>() as u64;
    assert_eq!(
        counts(&ledger, ["copies", "dropped", "duplicated", "reordered", "corrupted"]),
        [copies, absent, extra, overtaken, 0]
    );
    assert!(absent > 300 && extra > 300 && overtaken > 300);
}

#[test]
fn one_kind_of_fault_is_counted_exactly() {
    const MESSAGES: usize = 3_000;
    for fault in ["drop", "dup", "reorder", "corrupt"] {
        let server = Server::start(&format!("--echo --fault {fault}=0.05"));
        let mut socket = server.connect();
        let mut sent = Vec::new();
        for number in 0..MESSAGES {
            sent.push(format!("{number:08} {}", "x".repeat(number % 50)));
            socket.write(Message::text(sent[number].clone())).unwrap();
        }
        socket.flush().unwrap();
        let seen = read_all(&mut socket);
        let ledger = server.end();
        let missing = sent.iter().filter(|text| !seen.contains(text)).count() as u64;
        let foreign = seen.iter().filter(|text| !sent.contains(text)).count() as u64;
        let twice = seen.windows(2).filter(|pair| pair[0] == pair[1]).count() as u64;
        let overtaken = seen.windows(2).filter(|pair| pair[1] < pair[0]).count() as u64;
        let [dropped, duplicated, reordered, corrupted] =
            counts(&ledger, ["dropped", "duplicated", "reordered", "corrupted"]);
        assert!(dropped + duplicated + reordered + corrupted > 75, "{fault} {ledger}");
        match fault {
            "drop" => assert_eq!((missing, foreign, twice, overtaken), (dropped, 0, 0, 0)),
            "dup" => assert_eq!((missing, foreign, twice, overtaken), (0, 0, duplicated, 0)),
            "reorder" => assert_eq!((missing, foreign, twice, overtaken), (0, 0, 0, reordered)),
            _ => {
                assert_eq!(
                    sent.iter().zip(&seen).filter(|(a, b)| a != b).count() as u64,
                    corrupted
                );
            }
        }
    }
}

#[test]
fn the_ledger_is_told_in_between_without_ending() {
    let mut server = Server::start("--echo");
    let mut socket = server.connect();
    for number in 1..=2 {
        socket.send(Message::text("x")).unwrap();
        socket.read().unwrap();
        let ledger = server.ledger_after(Signal::USR1);
        assert_eq!(counts(&ledger, ["messages_in", "copies"]), [number, number]);
    }
}

#[test]
fn a_receiver_that_does_not_read_is_closed_and_what_it_did_not_get_is_not_counted() {
    let server = Server::start("--echo");
    let mut socket = server.connect();
    let mut written = 0;
    let payload = vec![1; 1 << 20];
    // The client reads nothing meanwhile. Once 64 MiB are queued for it, the server stops echoing,
    // so this loop can finish.
    for _ in 0..100 {
        socket.send(Message::binary(payload.clone())).unwrap();
        written += 1;
    }
    let mut read = 0;
    let close = loop {
        match socket.read().unwrap() {
            Message::Binary(bytes) => read += u64::from(bytes.len() == payload.len()),
            Message::Close(frame) => break frame.unwrap(),
            other => panic!("{other}"),
        }
    };
    assert_eq!(close.code, CloseCode::Again);
    let ledger = server.end();
    assert_eq!(counts(&ledger, ["copies", "closed_behind"]), [read, 1]);
    assert!(read < written);
}

#[test]
fn each_receiver_is_closed_with_the_code_that_was_asked_for() {
    let server = Server::start("--broadcast --fault close=4008@3");
    let (mut one, mut other) = (server.connect(), server.connect());
    for _ in 0..3 {
        one.send(Message::text("x")).unwrap();
        one.read().unwrap();
    }
    for socket in [&mut one, &mut other] {
        let close = loop {
            if let Message::Close(frame) = socket.read().unwrap() {
                break frame.unwrap();
            }
        };
        assert_eq!(u16::from(close.code), 4008);
    }
    assert_eq!(counts(&server.end(), ["copies"]), [6]);
}

#[test]
fn a_stall_is_one_silence_of_its_length() {
    let server = Server::start("--echo --fault stall=300ms@50ms");
    let mut socket = server.connect();
    let began = std::time::Instant::now();
    let mut slow = 0;
    while began.elapsed() < Duration::from_millis(700) {
        let sent = std::time::Instant::now();
        socket.send(Message::text("x")).unwrap();
        socket.read().unwrap();
        slow += u64::from(sent.elapsed() > Duration::from_millis(250));
        std::thread::sleep(Duration::from_millis(5));
    }
    // A busy machine may increase the count, but never decreases it.
    assert!(slow >= 1);
}

#[test]
fn a_port_in_use_is_said_in_words() {
    let server = Server::start("--sink");
    let output = Command::new(env!("CARGO_BIN_EXE_loadgen"))
        .args(["serve", "--sink", "--listen", &server.address.to_string()])
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&output.stderr).contains("is in use"));
}
