//! Making a connection: one address of the server after another is tried until TCP is connected to
//! one, and then the opening handshake follows.
use std::io;

use fanfare::protocol::HeadScanner;
use mio::Interest;

use super::{HANDSHAKE_TIMEOUT, Load};
use crate::net::clock::Moment;
use crate::net::connection::{Attempt, Connection, ConnectionPhase, Part};
use crate::net::ends::End;
use crate::net::post::Responses;
use crate::net::slots::Id;
use crate::net::socket::connect;
use crate::net::stream::Stream;
use crate::net::target::Target;

impl Load {
    /// Begins to open a WebSocket. The scenario's `on_open` or `on_ended` reports the outcome.
    pub(crate) fn open(&mut self, part: Part, index: u32) {
        self.begin(part, index, false);
    }

    /// Begins to open a connection for publishing by POST. It is open once TCP is connected.
    pub(crate) fn open_http(&mut self, part: Part, index: u32) {
        self.begin(part, index, true);
    }

    fn begin(&mut self, part: Part, index: u32, is_http: bool) {
        self.counts[usize::from(part.0)].wanted += 1;
        self.openings_under_way += 1;
        let ordinal = self.ordinal;
        self.ordinal = self.ordinal.wrapping_add(self.thread.count());
        let address = self.target(is_http).addresses.first();
        let attempt = Attempt { ordinal, is_http, address, ..Attempt::default() };
        self.try_addresses(part, index, attempt);
    }

    fn target(&self, is_http: bool) -> &Target {
        self.settings.publish.as_ref().filter(|_| is_http).unwrap_or(&self.settings.target)
    }

    /// Tries one address after another until a connection to one is under way.
    pub(super) fn try_addresses(&mut self, part: Part, index: u32, mut attempt: Attempt) {
        while let Err(error) = self.begin_opening(part, index, &attempt) {
            match self.next_attempt(attempt, &error.to_string()) {
                Ok(next) => attempt = next,
                Err(text) => {
                    return self.note_end(part, index, false, End::NotConnected, || text);
                }
            }
        }
    }

    /// Returns the attempt that follows one that has failed with `error`. When all addresses have
    /// failed, the error says so.
    pub(super) fn next_attempt(
        &self,
        mut attempt: Attempt,
        error: &str,
    ) -> Result<Attempt, String> {
        let addresses = &self.target(attempt.is_http).addresses;
        if addresses.count() == 1 {
            return Err(error.to_owned());
        }
        let separator = if attempt.failures.is_empty() { "" } else { "; " };
        let address = addresses.at(attempt.address);
        attempt.failures.push_str(&format!("{separator}{address}: {error}"));
        attempt.failed_count += 1;
        if attempt.failed_count == addresses.count() {
            return Err(attempt.failures);
        }
        attempt.address = addresses.after(attempt.address);
        Ok(attempt)
    }

    fn begin_opening(&mut self, part: Part, index: u32, attempt: &Attempt) -> io::Result<()> {
        let began = self.clock.now();
        self.opening_span.get_or_insert((began, began));
        let settings = &self.settings;
        let Attempt { ordinal, is_http, .. } = *attempt;
        let source = settings.sources.map(|sources| sources.address_of(ordinal));
        let target = self.target(is_http);
        let address = target.addresses.at(attempt.address);
        let tcp = connect(address, source, self.receive_buffers[usize::from(part.0)])?;
        let mut stream = match &target.tls {
            Some(tls) => Stream::tls(tcp, &tls.config, tls.server_name.clone())?,
            None => Stream::Plain(tcp),
        };
        let mut request = Vec::new();
        let phase = if is_http {
            ConnectionPhase::Connecting { began }
        } else {
            let path = target.path_of(ordinal);
            let nonce = self.random.nonce();
            ConnectionPhase::Opening {
                handshake: self.upgrades.begin(&mut request, &path, nonce),
                scanner: HeadScanner::default(),
                began,
                connected: None,
            }
        };
        let id = self.connections.next_id();
        let interest = Interest::READABLE | Interest::WRITABLE;
        self.poll.registry().register(stream.tcp_mut(), id.token(), interest)?;
        let attempt = attempt.clone();
        self.connections.insert(Connection::new(stream, attempt, part, index, phase, request));
        self.deadlines.push_back((began + HANDSHAKE_TIMEOUT, id));
        Ok(())
    }

    /// Handles a writable socket. The first event without an error means that TCP is connected; an
    /// error is returned by the next write. Returns true if a connection for POST has opened.
    pub(crate) fn on_writable(&mut self, id: Id, has_error: bool) -> bool {
        let Some(connection) = self.connections.get_mut(id) else { return false };
        connection.writable = true;
        if has_error {
            return false;
        }
        if connection.is_connecting() {
            let target = &self.settings.target;
            let publish = self.settings.publish.as_ref().filter(|_| connection.attempt.is_http);
            publish.unwrap_or(target).addresses.note_reached(connection.attempt.address);
        }
        match &mut connection.phase {
            ConnectionPhase::Opening { began, connected: connected @ None, .. } => {
                let now = self.clock.now();
                *connected = Some(now);
                self.tcp.record(now.nanos_since(*began));
                false
            }
            ConnectionPhase::Connecting { began } => {
                let now = self.clock.now();
                self.tcp.record(now.nanos_since(*began));
                connection.phase = ConnectionPhase::Http(Responses::default());
                self.count_opened(id, now);
                true
            }
            ConnectionPhase::Opening { .. }
            | ConnectionPhase::Http(_)
            | ConnectionPhase::Open
            | ConnectionPhase::Closing
            | ConnectionPhase::Closed => false,
        }
    }

    /// Records that the 101 has been read.
    pub(crate) fn note_opened(&mut self, id: Id, at: Moment) {
        let Some(connection) = self.connections.get_mut(id) else { return };
        let ConnectionPhase::Opening { began, connected, .. } = connection.phase else { return };
        connection.phase = ConnectionPhase::Open;
        self.upgrade.record(at.nanos_since(connected.unwrap_or(began)));
        self.count_opened(id, at);
    }

    fn count_opened(&mut self, id: Id, at: Moment) {
        let Some(connection) = self.connections.get_mut(id) else { return };
        self.openings_under_way -= 1;
        let counts = &mut self.counts[usize::from(connection.part.0)];
        counts.opened += 1;
        counts.open += 1;
        if let Some((_, last)) = &mut self.opening_span {
            *last = at;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::net::{SocketAddr, TcpListener};
    use std::sync::Arc;

    use fanfare::protocol::Opcode;

    use super::super::LoadSettings;
    use super::*;
    use crate::net::target::{Addresses, ServerUrl};
    use crate::net::tls::Trust;
    use crate::run::threads::{ThisThread, Threads};

    /// Returns an address at which nothing listens, and the bound socket that keeps other processes
    /// from using it.
    fn deaf() -> (socket2::Socket, SocketAddr) {
        let socket = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None);
        let socket = socket.unwrap();
        socket.bind(&SocketAddr::from(([127, 0, 0, 1], 0)).into()).unwrap();
        let address = socket.local_addr().unwrap().as_socket().unwrap();
        (socket, address)
    }

    fn load(addresses: Vec<SocketAddr>) -> Load {
        let url = ServerUrl::parse("ws://127.0.0.1/").unwrap();
        let mut target = Target::find(&url, None, Trust::System).unwrap();
        target.addresses = Arc::new(Addresses::new(addresses));
        let settings = LoadSettings {
            target,
            publish: None,
            sources: None,
            headers: Vec::new(),
            subprotocols: Vec::new(),
            opcode: Opcode::Text,
            seed: 1,
        };
        let threads = Threads::new(1, Arc::default());
        Load::new(settings, ThisThread::new(threads, 0)).unwrap()
    }

    /// Opens a connection and waits until TCP is connected or it has failed.
    fn connect_one(load: &mut Load) {
        load.open(Part(0), 0);
        let mut events = mio::Events::with_capacity(8);
        while load.ended.is_empty()
            && load.connections.iter_mut().all(|(_, connection)| connection.is_connecting())
        {
            load.poll.poll(&mut events, None).unwrap();
            for event in &events {
                let id = Id::of(event.token());
                load.on_writable(id, event.is_error());
                load.flush_one(id);
            }
        }
    }

    #[test]
    fn the_next_address_is_tried_and_the_one_that_was_reached_is_remembered() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let (_kept, deaf) = deaf();
        let mut load = load(vec![deaf, listener.local_addr().unwrap()]);
        for _ in 0..2 {
            connect_one(&mut load);
            listener.accept().unwrap();
            assert!(load.ended.is_empty() && load.ends.most_frequent().is_none());
            assert_eq!(load.target(false).addresses.first(), 1);
        }
        assert_eq!((load.counts(Part(0)).wanted, load.openings_under_way()), (2, 2));
    }

    #[test]
    fn if_no_address_can_be_reached_the_error_names_them_all() {
        let ((_one, first), (_other, second)) = (deaf(), deaf());
        let mut load = load(vec![first, second]);
        connect_one(&mut load);
        assert_eq!((load.counts(Part(0)).failed, load.openings_under_way()), (1, 0));
        let text = load.ends.text(End::NotConnected);
        let refused = |address| format!("{address}: Connection refused");
        assert!(text.starts_with(&refused(first)) && text.contains(&refused(second)), "{text}");
    }
}
