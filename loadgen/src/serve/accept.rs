//! Accepts connections: how many per turn, and when again if no file descriptor is free.
use std::io;
use std::time::Duration;

use mio::Interest;

use super::connection::ServerConnection;
use super::receiver::Receiver;
use super::server::Server;
use crate::stderr::tell;

/// Connections accepted in one turn. This takes some milliseconds, during which nothing is read.
const ACCEPTS_PER_TURN_MAX: usize = 256;
/// The pause before accepting again when the process has no file descriptor left.
const ACCEPT_AGAIN: Duration = Duration::from_millis(100);

impl Server {
    pub(super) fn accept(&mut self) {
        self.accept_at = None;
        for _ in 0..ACCEPTS_PER_TURN_MAX {
            let mut stream = match self.listener.accept() {
                Ok((stream, _)) => stream,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return,
                // The connection was reset before it was accepted.
                Err(error) if error.kind() == io::ErrorKind::ConnectionAborted => continue,
                Err(error) => {
                    if !std::mem::replace(&mut self.out_of_files, true) {
                        tell(&format!(
                            "loadgen: cannot accept: {error}; raise the limit on open files \
                             (ulimit -Hn)"
                        ));
                    }
                    self.accept_at = Some(self.clock.now() + ACCEPT_AGAIN);
                    return;
                }
            };
            let id = self.connections.next_id();
            let interest = Interest::READABLE | Interest::WRITABLE;
            if let Err(error) = self.poll.registry().register(&mut stream, id.token(), interest) {
                tell(&format!("loadgen: a connection cannot be watched and is closed: {error}"));
                continue;
            }
            let receiver = Receiver::new(self.args.seed, self.accepted);
            self.accepted += 1;
            self.connections.insert(ServerConnection::new(stream, receiver));
        }
        self.accept_at = Some(self.clock.now());
    }
}
