//! A server that has been bound: it can be run, published to, and ended.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::thread;

use crate::TlsSettings;
use crate::hub::{ChannelName, Homes};
use crate::net::{MioListener, MioNet, MioWaker, SocketFile};
use crate::protocol::Message;
use crate::reactor::{
    Handle, Handler, ListenerKind, Liveness, PublishError, PublisherLine, Reactor, RefusedMessage,
    Setup, Standstill,
};

use super::reloader::Reloader;

/// A WebSocket server that listens but does not serve until it is [run](Server::run).
///
/// ```
/// use fanfare::{CloseCode, Context, Handler, Message, Request, Server, Upgrade, Visitor};
///
/// struct Echo;
///
/// impl Handler for Echo {
///     type Session = ();
///
///     fn on_upgrade(&mut self, _: &mut Visitor<'_>, _: &Request<'_>) -> Upgrade<()> {
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
    /// What the thread of each reactor needs to start; at least one.
    pub(super) threads: Vec<Thread>,
    /// Makes the handler of a reactor. Called on the reactor's thread.
    pub(super) make: Box<dyn Fn(usize) -> H + Send + Sync>,
    pub(super) addresses: Vec<SocketAddr>,
    pub(super) admin_addresses: Vec<SocketAddr>,
    pub(super) shown: Vec<String>,
    /// The files of sockets, which are removed when the server has ended.
    pub(super) files: Vec<SocketFile>,
}

/// What the thread of one reactor needs to start.
pub(super) struct Thread {
    pub(super) net: MioNet,
    pub(super) listeners: Vec<(MioListener, ListenerKind, Option<TlsSettings>)>,
    pub(super) setup: Setup<MioWaker>,
}

impl Thread {
    /// Serves on this thread. When this reactor ends, even by a panic of the handler, all others
    /// end too: otherwise their requests to this reactor would wait forever.
    fn run<H: Handler>(self, make: impl FnOnce() -> H, stopper: Stopper) -> io::Result<()> {
        let _stop_others = StopOthers(stopper);
        Reactor::new(self.net, self.listeners, make(), self.setup)?.run()
    }
}

struct StopOthers(Stopper);

impl Drop for StopOthers {
    fn drop(&mut self) {
        self.0.stop();
    }
}

impl<H: Handler> Server<H> {
    /// Returns the TCP addresses on which the server listens, with the ports that the system has
    /// chosen. Those where the PROXY protocol is spoken stand last.
    pub fn local_addresses(&self) -> &[SocketAddr] {
        &self.addresses
    }

    /// Returns the addresses of [`Builder::admin_listen`](super::Builder::admin_listen), resolved.
    pub fn admin_addresses(&self) -> &[SocketAddr] {
        &self.admin_addresses
    }

    /// Returns where the server listens for channels, for people: `http://127.0.0.1:8080`,
    /// `https://127.0.0.1:8443`, `proxy:127.0.0.1:8081`, `unix:/run/f.sock`.
    pub fn listening(&self) -> &[String] {
        &self.shown
    }

    /// Returns how many threads serve.
    pub fn reactors(&self) -> usize {
        self.threads.len()
    }

    /// Returns a handle that publishes from any thread.
    pub fn publisher(&self) -> Publisher {
        let (homes, reactors) = (self.threads[0].setup.homes(), self.handles());
        Publisher::new(homes, reactors)
    }

    /// Returns a handle that ends the server from any thread.
    pub fn stopper(&self) -> Stopper {
        Stopper { reactors: self.handles() }
    }

    /// Returns a handle that reloads the server from any thread.
    pub fn reloader(&self) -> Reloader {
        Reloader::new(self.handles())
    }

    /// Returns a handle that tells from any thread whether all reactors turn.
    pub fn health(&self) -> Health {
        Health(self.threads[0].setup.liveness())
    }

    fn handles(&self) -> Arc<[Handle<MioWaker>]> {
        self.threads.iter().map(|thread| thread.setup.handle()).collect()
    }

    /// Serves until a [`Stopper`] has drained or stopped the server: the first reactor runs on this
    /// thread, the others on threads of their own.
    ///
    /// # Errors
    ///
    /// A thread cannot be started, or waiting for events fails.
    pub fn run(self) -> io::Result<()> {
        let (stopper, make, _files) = (self.stopper(), &self.make, self.files);
        let mut threads = self.threads.into_iter().enumerate();
        let first = threads.next();
        thread::scope(|scope| {
            // If one thread cannot be started, those that have been started must end.
            let _stop_others = StopOthers(stopper.clone());
            let mut others = Vec::new();
            for (number, thread) in threads {
                let stopper = stopper.clone();
                let builder = thread::Builder::new().name(format!("reactor-{number}"));
                others.push(
                    builder.spawn_scoped(scope, move || thread.run(|| make(number), stopper))?,
                );
            }
            let mut outcome =
                first.map_or(Ok(()), |(number, thread)| thread.run(|| make(number), stopper));
            for other in others {
                let ended = other.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic));
                outcome = outcome.and(ended);
            }
            outcome
        })
    }
}

/// Publishes from any thread of the process. Messages that one clone publishes to one channel keep
/// their order.
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
pub struct Publisher {
    homes: Arc<Homes>,
    reactors: Arc<[Handle<MioWaker>]>,
    line: Arc<PublisherLine>,
}

/// A clone is a publisher of its own: refusals of messages that the original has published are not
/// reported to it, and do not make its own messages be refused.
impl Clone for Publisher {
    fn clone(&self) -> Publisher {
        Publisher::new(Arc::clone(&self.homes), Arc::clone(&self.reactors))
    }
}

impl Publisher {
    fn new(homes: Arc<Homes>, reactors: Arc<[Handle<MioWaker>]>) -> Publisher {
        let line = Arc::new(PublisherLine::new(reactors.len()));
        Publisher { homes, reactors, line }
    }

    /// Publishes a message to the subscribers of a channel. Does not block. If the channel is full,
    /// the message waits until the channel has room. Later messages of this publisher to channels
    /// of the same reactor then wait too; those of other publishers, such as clones of this one, do
    /// not. Once too many messages wait, all publishers are told [`PublishError::Busy`].
    ///
    /// # Errors
    ///
    /// [`PublishError`]; no subscriber then receives the message. After [`PublishError::Busy`] the
    /// caller may try again. A message that was taken may still be refused later by the channel's
    /// home reactor; then every message behind it is refused too, and a later call returns all of
    /// them as [`PublishError::Refused`].
    pub fn try_publish(&self, channel: &str, message: Message<'_>) -> Result<(), PublishError> {
        let name = ChannelName::parse(channel).map_err(PublishError::Name)?;
        let home = &self.reactors[self.homes.home_of(name).index()];
        home.try_publish(&self.line, name, message)
    }

    /// Returns the messages that the server has taken from this publisher and then refused, those
    /// of each channel in the order in which they were published; none if all have been accepted.
    /// Returns `None` as long as some of them are under way: ask again later. Calling this is
    /// optional, as the next [`try_publish`](Self::try_publish) reports the same; it is meant for a
    /// publisher that has published its last message.
    pub fn take_refused(&self) -> Option<Vec<RefusedMessage>> {
        self.line.take_refused()
    }
}

/// Tells from any thread whether every reactor of a server turns.
///
/// ```
/// let server = fanfare::Server::builder().listen("127.0.0.1:0").bind()?;
/// let health = server.health();
/// assert!(health.standing_still().is_empty());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone)]
pub struct Health(Liveness);

impl Health {
    /// Returns the reactors that have not begun a turn for two seconds: a callback does not return,
    /// the machine has no time for them, or [`Server::run`] was not called or has ended. A reactor
    /// without work turns twice a second.
    pub fn standing_still(&self) -> Vec<Standstill> {
        self.0.standing_still(MioNet::clock())
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
    reactors: Arc<[Handle<MioWaker>]>,
}

impl Stopper {
    /// Accepts no new connections, sends what is pending, closes every connection with 1012, and
    /// ends [`Server::run`]; at the latest after the drain timeout.
    pub fn drain(&self) {
        self.reactors.iter().for_each(Handle::drain);
    }

    /// Ends [`Server::run`] now; connections are reset.
    pub fn stop(&self) {
        self.reactors.iter().for_each(Handle::stop);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Request, Upgrade, Visitor};

    struct Nothing;

    impl Handler for Nothing {
        type Session = ();

        fn on_upgrade(&mut self, _: &mut Visitor<'_>, _: &Request<'_>) -> Upgrade<()> {
            Upgrade::Accept(())
        }
    }

    #[test]
    fn a_handler_that_cannot_be_made_ends_the_server() {
        for without in [&[0][..], &[1], &[0, 1]] {
            let make = move |number| {
                assert!(!without.contains(&number), "no handler for this one");
                Nothing
            };
            let server =
                Server::builder().listen("127.0.0.1:0").reactors(2).handler(make).bind().unwrap();
            // The server must end: requests to a reactor that no longer runs would wait forever.
            assert!(thread::spawn(move || server.run()).join().is_err(), "{without:?}");
        }
    }
}
