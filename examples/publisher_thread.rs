//! A thread of the program measures something, and publishes it to all subscribers.
//!
//! ```sh
//! cargo run --example publisher_thread        # listens on 127.0.0.1:8080
//! cargo run -- sub clock                      # in another terminal: a line four times a second
//! ```

use std::thread;
use std::time::{Duration, Instant};

use fanfare::{ChannelName, CloseCode, Message, PublishError, Publisher, Server};

const INTERVAL: Duration = Duration::from_millis(250);

/// Publishes until the server has ended, and prints what was refused.
fn tick(publisher: &Publisher) {
    let start = Instant::now();
    loop {
        let text = format!("up for {} ms", start.elapsed().as_millis());
        match publisher.try_publish("clock", Message::text(&text)) {
            // A tick that finds the server busy is skipped; there will be another.
            Ok(()) | Err(PublishError::Busy) => thread::sleep(INTERVAL),
            // The server had taken earlier ticks, and then had no memory for them. Old ticks are of
            // no use; a program that needs every message would publish these again.
            Err(PublishError::Refused(ticks)) => {
                eprintln!("{} ticks have reached nobody: {}", ticks.len(), ticks[0].reason);
            }
            Err(_) => return,
        }
    }
}

fn main() -> std::io::Result<()> {
    let address = std::env::args().nth(1).unwrap_or_else(|| "127.0.0.1:8080".to_owned());
    let server = Server::builder()
        .listen(address)
        .on_connection(|peer| {
            let clock = ChannelName::parse("clock");
            if !clock.is_ok_and(|clock| peer.subscribe(clock).is_ok()) {
                peer.close(CloseCode::TRY_AGAIN_LATER, "the server is full");
            }
        })
        .bind()?;
    eprintln!("listening on http://{}", server.local_addresses()[0]);
    let publisher = server.publisher();
    thread::spawn(move || tick(&publisher));
    server.run()
}
