//! The server, and one turn of its event loop: wait, read, publish, write.
use std::collections::VecDeque;
use std::fmt::Display;
use std::io::{self, Write as _};
use std::time::Duration;

use mio::event::Event;
use mio::net::TcpListener;
use mio::{Events, Interest, Poll, Token};

use super::args::ServeArgs;
use super::connection::{ServerConnection, ServerPhase};
use super::faults::{FaultPlan, Ledger};
use super::receiver::Next;
use super::round::Round;
use super::signals::Signals;
use crate::net::clock::{Clock, Moment, Timer};
use crate::net::slots::{Id, Slots};
use crate::net::socket::{raise_open_files, receive_buffer};

/// Readiness events processed in one turn of the event loop.
const EVENTS_PER_TURN_MAX: usize = 1024;

const LISTENER: Token = Token(usize::MAX);
const TIMER: Token = Token(usize::MAX - 1);
const SIGNALS: Token = Token(usize::MAX - 2);

/// Serves until a signal ends it. The error says why it cannot serve.
pub(crate) fn serve(args: ServeArgs) -> Result<(), String> {
    // If the limit cannot be raised, `accept` fails when it is reached, and that is reported.
    raise_open_files();
    let listen = args.listen;
    let listener = TcpListener::bind(listen).map_err(|error| match error.kind() {
        io::ErrorKind::AddrInUse => {
            format!("{listen} is in use: stop what listens there, or choose another --listen")
        }
        io::ErrorKind::AddrNotAvailable => format!("{listen} is not an address of this machine"),
        io::ErrorKind::PermissionDenied => {
            format!("{listen} may not be listened on: ports below 1024 are privileged")
        }
        _ => format!("cannot listen on {listen}: {error}"),
    })?;
    Server::new(args, listener)
        .and_then(|mut server| server.run())
        .map_err(|error| error.to_string())
}

pub(super) struct Server {
    pub(super) args: ServeArgs,
    pub(super) plan: FaultPlan,
    pub(super) listener: TcpListener,
    /// When to accept next. `None` until the listener reports a connection.
    pub(super) accept_at: Option<Moment>,
    pub(super) out_of_files: bool,
    pub(super) poll: Poll,
    pub(super) timer: Timer,
    pub(super) signals: Signals,
    pub(super) clock: Clock,
    pub(super) connections: Slots<ServerConnection>,
    pub(super) accepted: u64,
    pub(super) buffer: Vec<u8>,
    pub(super) round: Round,
    /// Reused to encode one echoed message where the fault plan applies to copies: this copy may
    /// then be dropped, duplicated, reordered or corrupted on purpose.
    pub(super) scratch: Vec<u8>,
    pub(super) ledger: Ledger,
    /// Connections to read again without new readiness: a read has used its whole budget, or the
    /// peer has closed after its last bytes. The flag is true if the peer has closed.
    pub(super) unfinished: Vec<(Id, bool)>,
    /// Receivers that hold a copy back, and until when. Sorted by time: all hold equally long.
    pub(super) held: VecDeque<(Moment, Id)>,
    /// Connections that are ending, and when they are removed: all have equally long, so sorted.
    pub(super) ending: VecDeque<(Moment, Id)>,
    pub(super) stall_at: Option<Moment>,
    /// Receivers to close after the round: delivery failed or was the last, or they are too far
    /// behind. Empty between rounds, and kept to use its memory again.
    pub(super) gone: Vec<Id>,
}

impl Server {
    fn new(args: ServeArgs, mut listener: TcpListener) -> io::Result<Server> {
        // Accepted sockets inherit this option.
        socket2::SockRef::from(&listener).set_tcp_nodelay(true)?;
        let poll = Poll::new()?;
        poll.registry().register(&mut listener, LISTENER, Interest::READABLE)?;
        let timer = Timer::new(poll.registry(), TIMER)?;
        let signals = Signals::register(poll.registry(), SIGNALS)?;
        Ok(Server {
            plan: args.fault.unwrap_or_default(),
            args,
            listener,
            accept_at: None,
            out_of_files: false,
            poll,
            timer,
            signals,
            clock: Clock::start(),
            connections: Slots::new(),
            accepted: 0,
            buffer: receive_buffer(),
            round: Round::default(),
            scratch: Vec::new(),
            ledger: Ledger::default(),
            unfinished: Vec::new(),
            held: VecDeque::new(),
            ending: VecDeque::new(),
            stall_at: None,
            gone: Vec::new(),
        })
    }

    fn run(&mut self) -> io::Result<()> {
        // This line reports that the server is ready, and its port.
        say(&format_args!("listening on {}", self.listener.local_addr()?));
        let mut events = Events::with_capacity(EVENTS_PER_TURN_MAX);
        let mut unfinished = Vec::new();
        while !self.signals.is_ending() {
            if self.signals.take_report() {
                say(&self.settled_ledger());
            }
            self.handle_timeouts();
            self.wait(&mut events)?;
            std::mem::swap(&mut unfinished, &mut self.unfinished);
            for (id, hung_up) in unfinished.drain(..) {
                self.read(id, hung_up);
            }
            for event in &events {
                match event.token() {
                    LISTENER => self.accept_at = Some(self.clock.now()),
                    SIGNALS => self.signals.drain(),
                    TIMER => {}
                    token => self.on_ready(Id::of(token), event),
                }
            }
            self.end_round();
        }
        self.drain(&mut events)?;
        say(&self.settled_ledger());
        Ok(())
    }

    fn wait(&mut self, events: &mut Events) -> io::Result<()> {
        let now = self.clock.now();
        let first = |queue: &VecDeque<(Moment, Id)>| queue.front().map(|(at, _)| *at);
        let until = [self.accept_at, self.stall_at, first(&self.held), first(&self.ending)];
        let until = until.into_iter().flatten().min();
        let busy = !self.unfinished.is_empty() || until.is_some_and(|until| until <= now);
        if let (false, Some(until)) = (busy, until) {
            self.timer.arm(until, now)?;
        }
        match self.poll.poll(events, busy.then_some(Duration::ZERO)) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {
                events.clear();
                Ok(())
            }
            other => other,
        }
    }

    fn handle_timeouts(&mut self) {
        let now = self.clock.now();
        if self.accept_at.is_some_and(|at| at <= now) {
            self.accept();
        }
        if let Some(stall) = self.plan.stall
            && self.stall_at.take_if(|at| *at <= now).is_some()
        {
            std::thread::sleep(stall.length);
        }
        while let Some((_, id)) = self.held.pop_front_if(|(at, _)| *at <= now) {
            let Some(connection) = self.connections.get_mut(id) else { continue };
            connection.receiver.release(now, &mut connection.outbound, &mut self.ledger);
            self.flush(id);
        }
        while let Some((_, id)) = self.ending.pop_front_if(|(at, _)| *at <= now) {
            self.remove(id);
        }
    }

    fn on_ready(&mut self, id: Id, event: &Event) {
        if event.is_writable() || event.is_error() {
            if let Some(connection) = self.connections.get_mut(id) {
                connection.blocked = false;
            }
            self.flush(id);
        }
        let hung_up = event.is_read_closed() || event.is_error();
        if event.is_readable() || hung_up {
            self.read(id, hung_up);
        }
    }

    /// Sends every receiver the messages received in this turn.
    pub(super) fn end_round(&mut self) {
        if self.round.is_empty() {
            return;
        }
        let now = self.clock.now();
        let Server { connections, round, args, plan, ledger, .. } = self;
        for (id, connection) in connections.iter_mut() {
            if connection.phase != ServerPhase::Open {
                continue;
            }
            let next = round.deliver(id, connection, args, plan, now, ledger);
            connection.round_taken = 0;
            match next {
                Ok(Next::GoOn) if connection.is_too_far_behind() => self.gone.push(id),
                Ok(Next::GoOn) => {}
                Ok(Next::Release(at)) => self.held.push_back((at, id)),
                Ok(Next::Close) | Err(_) => self.gone.push(id),
            }
        }
        self.round.clear();
        while let Some(id) = self.gone.pop() {
            self.end_receiver(id);
        }
    }
}

/// Prints a line. If standard output is closed, the server goes on.
fn say(line: &dyn Display) {
    let _ = writeln!(io::stdout(), "{line}");
}
