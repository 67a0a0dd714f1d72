//! Small servers to run against. They use tungstenite's codec, because a fault in fanfare's codec
//! might not show if it were used on both sides. They cause faults where a test wants them, and
//! live as long as the test process.
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use fanfare::protocol::{CloseCode, Opcode, encode_close, encode_frame};
use tungstenite::Message;

/// What happens to message number `message` (the probe is 0) on its way to receiver number
/// `receiver`, counted in the order of opening.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fault {
    None,
    Drop {
        message: usize,
        receiver: usize,
    },
    Duplicate {
        message: usize,
        receiver: usize,
    },
    /// The message is sent after the next one.
    Swap {
        message: usize,
        receiver: usize,
    },
    Alter {
        message: usize,
        receiver: usize,
    },
    /// Close 4008 is sent instead, and nothing more.
    Cut {
        message: usize,
        receiver: usize,
    },
}

/// Accepts connections for ever, each on a thread of its own.
fn serve(on_connection: impl Fn(TcpStream) + Send + Sync + 'static) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let on_connection = Arc::new(on_connection);
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let on_connection = Arc::clone(&on_connection);
            std::thread::spawn(move || on_connection(stream.unwrap()));
        }
    });
    address
}

/// Sends back the result of `answer` for each text. Its first argument counts the texts of the
/// connection.
pub(crate) fn echo(answer: fn(usize, String) -> String) -> SocketAddr {
    serve(move |stream| {
        let mut socket = tungstenite::accept(stream).unwrap();
        let mut count = 0;
        while let Ok(message) = socket.read() {
            if let Message::Text(text) = message {
                let _ = socket.send(Message::text(answer(count, text.to_string())));
                count += 1;
            }
        }
    })
}

/// Answers every request with these bytes, and closes.
pub(crate) fn answering(bytes: &'static [u8]) -> SocketAddr {
    serve(move |mut stream| {
        let _ = stream.read(&mut [0; 4096]);
        let _ = stream.write_all(bytes);
    })
}

/// Opens this many connections, and answers all further requests with these bytes.
pub(crate) fn full_after(room: usize, refusal: &'static [u8]) -> SocketAddr {
    let opened = AtomicUsize::new(0);
    serve(move |mut stream| {
        if opened.fetch_add(1, Ordering::Relaxed) < room {
            let mut socket = tungstenite::accept(stream).unwrap();
            while socket.read().is_ok() {}
        } else {
            let _ = stream.read(&mut [0; 4096]);
            let _ = stream.write_all(refusal);
        }
    })
}

#[derive(Default)]
struct Channel {
    receivers: Vec<TcpStream>,
    messages: usize,
    /// The message that [`Fault::Swap`] holds back.
    held: Vec<u8>,
}

/// Sends every text to all connections, the sender too, in the same order, except for one fault.
pub(crate) fn broadcast(fault: Fault) -> SocketAddr {
    let channel = Arc::new(Mutex::new(Channel::default()));
    serve(move |stream| {
        let writer = stream.try_clone().unwrap();
        let mut socket = {
            // The lock is held until the connection is in the list, so that nothing is published
            // between its 101 and that moment.
            let mut channel = channel.lock().unwrap();
            let socket = tungstenite::accept(stream).unwrap();
            channel.receivers.push(writer);
            socket
        };
        while let Ok(message) = socket.read() {
            if let Message::Text(text) = message {
                channel.lock().unwrap().publish(text.as_bytes(), fault);
            }
        }
        // Another handle of the socket stays in the list of receivers.
        let _ = socket.get_ref().shutdown(Shutdown::Both);
    })
}

impl Channel {
    fn publish(&mut self, payload: &[u8], fault: Fault) {
        let number = self.messages;
        self.messages += 1;
        let mut frame = Vec::new();
        encode_frame(&mut frame, Opcode::Text, payload);
        for (at, stream) in self.receivers.iter_mut().enumerate() {
            let hits = |message, receiver| message == number && receiver == at;
            let mut bytes = frame.clone();
            match fault {
                Fault::Drop { message, receiver } if hits(message, receiver) => bytes.clear(),
                Fault::Duplicate { message, receiver } if hits(message, receiver) => {
                    bytes.extend_from_slice(&frame);
                }
                Fault::Swap { message, receiver } if hits(message, receiver) => {
                    std::mem::swap(&mut self.held, &mut bytes);
                }
                Fault::Swap { message, receiver } if hits(message + 1, receiver) => {
                    bytes.append(&mut self.held);
                }
                Fault::Alter { message, receiver } if hits(message, receiver) => {
                    *bytes.last_mut().unwrap() ^= 1;
                }
                Fault::Cut { message, receiver } if receiver == at && message <= number => {
                    bytes.clear();
                    if message == number {
                        encode_close(&mut bytes, CloseCode::SLOW_CONSUMER, "too slow");
                    }
                }
                _ => {}
            }
            // A closed connection stays in the list, so that the indexes of others do not change.
            let _ = stream.write_all(&bytes);
        }
    }
}

/// The floor process, which ends with the test.
pub(crate) struct Floor {
    child: Child,
    pub(crate) address: SocketAddr,
}

impl Floor {
    pub(crate) fn start(mode: &str, size: usize) -> Floor {
        let mut child = Command::new(env!("CARGO_BIN_EXE_floor"))
            .args(["--listen", "127.0.0.1:0", "--size", &size.to_string(), mode])
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let address = line.trim().strip_prefix("listening on ").unwrap().parse().unwrap();
        Floor { child, address }
    }

    pub(crate) fn pid(&self) -> String {
        self.child.id().to_string()
    }
}

impl Drop for Floor {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
