//! An echo server with a different codec and a thread for each connection, to try loadgen on code
//! that is independent of this project.
//!
//! ```text
//! cargo run --release -p loadgen --example tungstenite_echo -- 127.0.0.1:9002
//! ```
use std::net::{TcpListener, TcpStream};

fn main() -> std::io::Result<()> {
    let address = std::env::args().nth(1).unwrap_or_else(|| "127.0.0.1:9002".to_owned());
    let listener = TcpListener::bind(address)?;
    println!("listening on {}", listener.local_addr()?);
    for stream in listener.incoming() {
        let stream = stream?;
        stream.set_nodelay(true)?;
        std::thread::spawn(move || echo(stream));
    }
    Ok(())
}

/// Echoes until the peer closes or the connection breaks.
fn echo(stream: TcpStream) {
    let Ok(mut socket) = tungstenite::accept(stream) else { return };
    while let Ok(message) = socket.read() {
        if (message.is_text() || message.is_binary()) && socket.send(message).is_err() {
            return;
        }
    }
}
