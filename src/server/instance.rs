//! A server that has been bound: run it, publish to it, end it.

use std::io;
use std::net::SocketAddr;

use crate::net::{MioNet, MioWaker};
use crate::protocol::Message;
use crate::reactor::{Handler, PublishError, Reactor, Remote};

use super::builder::Builder;
use super::closures::{ClosureHandler, Closures};

/// A WebSocket server that listens and waits to be [run](Server::run).
///
/// ```
/// use fanfare::{CloseCode, Context, Handler, Message, Request, Server, Upgrade, Visitor};
///
/// struct Echo;
///
/// impl Handler for Echo {
///     type Session = ();
///
///     fn on_upgrade(&mut self, _visitor: &mut Visitor<'_>, _request: &Request<'_>) -> Upgrade<()> {
///         Upgrade::Accept(())
///     }
///
///     fn on_message(&mut self, peer: &mut Context<'_, ()>, message: Message<'_>) {
///         peer.send(message);
///     }
/// }
///
/// let server = Server::builder().listen("127.0.0.1:0").handler(|_reactor| Echo).bind()?;
/// println!("listening on {}", server.local_addresses()[0]);
/// # server.stopper().drain();
/// server.run()?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct Server<H: Handler> {
    pub(super) reactor: Reactor<MioNet, H>,
    pub(super) addresses: Vec<SocketAddr>,
    pub(super) admin_addresses: Vec<SocketAddr>,
}

impl Server<ClosureHandler> {
    /// Begins a server: give it addresses, limits if need be, and a [handler](Builder::handler) or closures.
    pub fn builder() -> Builder<Closures> {
        Builder::new()
    }
}

impl<H: Handler> Server<H> {
    /// Where the server listens, with the ports that the system has chosen.
    pub fn local_addresses(&self) -> &[SocketAddr] {
        &self.addresses
    }

    /// Where it listens for the operator.
    pub fn admin_addresses(&self) -> &[SocketAddr] {
        &self.admin_addresses
    }

    /// A handle to publish from any thread.
    pub fn publisher(&self) -> Publisher {
        Publisher { reactor: self.reactor.remote() }
    }

    /// A handle to end the server from any thread.
    pub fn stopper(&self) -> Stopper {
        Stopper { reactor: self.reactor.remote() }
    }

    /// Serves on this thread until the server has been drained or stopped.
    ///
    /// # Errors
    ///
    /// When waiting for events fails: the process is in trouble.
    pub fn run(mut self) -> io::Result<()> {
        self.reactor.run()
    }
}

/// Publishes from any thread of the process. Messages of one clone keep their order.
///
/// ```
/// # let server = fanfare::Server::builder().listen("127.0.0.1:0").bind()?;
/// use fanfare::Message;
///
/// let publisher = server.publisher();
/// std::thread::spawn(move || publisher.try_publish("news", Message::text("hello, all")));
/// # server.stopper().drain();
/// server.run()?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone)]
pub struct Publisher {
    reactor: Remote<MioWaker>,
}

impl Publisher {
    /// Puts a message on its way to the subscribers of a channel. Does not block.
    ///
    /// # Errors
    ///
    /// [`PublishError`]; the message then reaches nobody. After [`PublishError::Busy`] it may be tried again.
    pub fn try_publish(&self, channel: &str, message: Message<'_>) -> Result<(), PublishError> {
        self.reactor.try_publish(channel, message.kind(), message.payload())
    }
}

/// Ends the server, from any thread.
///
/// ```
/// let server = fanfare::Server::builder().listen("127.0.0.1:0").bind()?;
/// let stopper = server.stopper();
/// let running = std::thread::spawn(move || server.run());
/// stopper.drain();
/// running.join().expect("the server does not panic")?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone)]
pub struct Stopper {
    reactor: Remote<MioWaker>,
}

impl Stopper {
    /// Takes no new connections, sends what is pending, closes every connection with 1012, and ends
    /// [`Server::run`]; at the latest after the drain timeout.
    pub fn drain(&self) {
        self.reactor.drain();
    }

    /// Ends [`Server::run`] now; connections are cut.
    pub fn stop(&self) {
        self.reactor.stop();
    }
}
