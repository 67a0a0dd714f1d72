//! The builder: makes a listening server from addresses, limits and an application.

use std::io;
use std::os::fd::OwnedFd;
use std::thread::available_parallelism;
use std::time::Duration;

use crate::TlsSettings;
use crate::hub::{Homes, HubLimits, SlowPolicy};
use crate::ip_network::IpNetwork;
use crate::net::{MioNet, Net};
use crate::protocol::CompressionOptions;
use crate::reactor::{Handler, ReactorLimits, RingSizes, reactor_memory_min, setups};

use super::bind_error::{BindError, LimitsError};
use super::closure_handler::{ClosureHandler, Closures};
use super::instance::{Server, Thread};
use super::listen_address::{ListenAddress, check_overlap};
use super::listeners::listen_on_all;
use super::reloader::Reloader;

/// The upper bound of the largest message: body lengths are kept in 32 bits, and a message is held
/// in one contiguous buffer.
const MESSAGE_BYTES_MAX: usize = 1 << 30;

/// The most reactors: each has three rings to every other one, and a share of the memory.
const REACTORS_MAX: usize = 256;

/// One part in this many of the memory limit may hold partly sent frames that have left the log.
const PRIVATE_PART: usize = 8;

/// The user and the group of the server may open its sockets in the file system.
const SOCKET_MODE: u32 = 0o660;

/// Collects what a [`Server`] needs; made by [`Server::builder`]. A limit has the name of the flag
/// of the command that sets it: [`max_connections`](Builder::max_connections) is
/// `--max-connections`. Every limit has a default that suits a public server with small messages.
///
/// `A` says where the application comes from: [closures](Closures), or the [factory](Factory) given
/// to [`handler`](Builder::handler).
#[must_use = "nothing listens before `bind`"]
pub struct Builder<A> {
    addresses: Vec<String>,
    admin_addresses: Vec<String>,
    /// Sockets that already listen.
    handed: Vec<OwnedFd>,
    /// The mode of the files of sockets in the file system.
    socket_mode: u32,
    /// How many reactors were asked for; `None`: see [`reactor_count`](Builder::reactor_count).
    reactors: Option<usize>,
    rings: Option<RingSizes>,
    tls: Option<TlsSettings>,
    reactor: ReactorLimits,
    hub: HubLimits,
    pub(super) application: A,
}

/// The function that makes the handler of each reactor.
pub struct Factory<F>(F);

impl Server<ClosureHandler> {
    /// Begins a server. It needs addresses and a [handler](Builder::handler) or closures; limits
    /// are optional.
    pub fn builder() -> Builder<Closures> {
        Builder {
            addresses: Vec::new(),
            admin_addresses: Vec::new(),
            handed: Vec::new(),
            socket_mode: SOCKET_MODE,
            reactors: None,
            rings: None,
            tls: None,
            reactor: ReactorLimits::default(),
            hub: HubLimits::default(),
            application: Closures::default(),
        }
    }
}

impl Builder<Closures> {
    /// Serves with a [`Handler`]. `make` is called with the number of each reactor, so that each
    /// has its own handler, which needs no locks. Closures set before are dropped.
    ///
    /// This handler accepts peers that show a ticket, and declines others with a status, a header
    /// and a text of its own:
    ///
    /// ```
    /// use fanfare::{ChannelName, Context, Handler, Request, Response, Server, Upgrade, Visitor};
    ///
    /// struct Theatre;
    ///
    /// impl Handler for Theatre {
    ///     type Session = String;
    ///
    ///     fn on_upgrade(
    ///         &mut self,
    ///         _visitor: &mut Visitor<'_>,
    ///         request: &Request<'_>,
    ///     ) -> Upgrade<String> {
    ///         if request.header("X-Ticket").is_some() {
    ///             return Upgrade::Accept(request.path().to_owned());
    ///         }
    ///         let response = Response::text(402, "tickets, please\n");
    ///         Upgrade::Respond(response.header("Link", "</tickets>"))
    ///     }
    ///
    ///     fn on_open(&mut self, peer: &mut Context<'_, String>) {
    ///         if let Ok(stage) = ChannelName::parse("stage") {
    ///             let _ = peer.subscribe(stage);
    ///         }
    ///     }
    /// }
    ///
    /// let server = Server::builder().listen("127.0.0.1:0").handler(|_reactor| Theatre).bind()?;
    /// # server.stopper().drain();
    /// server.run()?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn handler<H, F>(self, make: F) -> Builder<Factory<F>>
    where
        H: Handler,
        F: Fn(usize) -> H + Send + Sync + 'static,
    {
        self.with(Factory(make)).0
    }

    /// Listens, and makes a server that answers by the closures.
    ///
    /// # Errors
    ///
    /// [`BindError`].
    pub fn bind(self) -> Result<Server<ClosureHandler>, BindError> {
        let (builder, closures) = self.with(());
        builder.bind_with(closures.into_factory())
    }
}

impl<F> Builder<Factory<F>> {
    /// Listens, and makes a server that answers by the handlers.
    ///
    /// # Errors
    ///
    /// [`BindError`].
    pub fn bind<H>(self) -> Result<Server<H>, BindError>
    where
        H: Handler,
        F: Fn(usize) -> H + Send + Sync + 'static,
    {
        let (builder, Factory(make)) = self.with(());
        builder.bind_with(make)
    }
}

impl Builder<()> {
    fn bind_with<H, F>(self, make: F) -> Result<Server<H>, BindError>
    where
        H: Handler,
        F: Fn(usize) -> H + Send + Sync + 'static,
    {
        self.check().map_err(BindError::Limits)?;
        let reactors = self.reactor_count();
        let all = self.resolve()?;
        if let Some(address) = all.iter().find(|address| address.is_tls && self.tls.is_none()) {
            return Err(BindError::NoCertificate { address: address.text.clone() });
        }
        let listening =
            listen_on_all(&all, self.handed, self.socket_mode, self.tls.as_ref(), reactors)?;
        let nets: io::Result<Vec<_>> = (0..reactors).map(|_| MioNet::new()).collect();
        let mut nets = nets.map_err(BindError::System)?;
        let mut key = [0; 16];
        nets[0].fill_random(&mut key);
        let homes = Homes::new(key, reactors as u16);
        let wakers = nets.iter().map(MioNet::waker).collect();
        let setups = setups(wakers, homes, nets[0].now(), &self.reactor, self.hub, self.rings);
        let parts = nets.into_iter().zip(listening.listeners).zip(setups);
        let threads =
            parts.map(|((net, listeners), setup)| Thread { net, listeners, setup }).collect();
        Ok(Server {
            threads,
            make: Box::new(make),
            addresses: listening.addresses,
            admin_addresses: listening.admin_addresses,
            shown: listening.shown,
            files: listening.files,
        })
    }
}

impl<A> Builder<A> {
    /// Replaces the application, and returns the previous one.
    fn with<B>(self, application: B) -> (Builder<B>, A) {
        let Builder { addresses, admin_addresses, handed, socket_mode, tls, .. } = self;
        let (reactors, rings, reactor, hub) = (self.reactors, self.rings, self.reactor, self.hub);
        let builder = Builder {
            addresses,
            admin_addresses,
            handed,
            socket_mode,
            reactors,
            rings,
            tls,
            reactor,
            hub,
            application,
        };
        (builder, self.application)
    }

    /// Listens on an address such as `127.0.0.1:8080`, `[::]:8080` or `localhost:8080`; port 0 lets
    /// the system choose. For a name, the server listens on every address of this machine that the
    /// name resolves to. May be called several times.
    ///
    /// With `proxy:` in front, each connection must begin with a header of the PROXY protocol
    /// (version 2), and come from a [trusted proxy](Builder::trusted_proxies). `unix:/run/f.sock`
    /// is a socket in the file system: whoever may open it is a trusted proxy. A file that another
    /// server has left there is replaced, and the server removes its own at its end. With `tls:` in
    /// front, [TLS](Builder::tls) is spoken there; `proxy+tls:` is both, the header
    /// first.
    pub fn listen(mut self, address: impl Into<String>) -> Self {
        self.addresses.push(address.into());
        self
    }

    /// By what TLS is spoken on addresses that begin with `tls:` or `proxy+tls:`. The feature `tls`
    /// has `ServerTls`, which makes the settings of files with certificates.
    pub fn tls(mut self, settings: &TlsSettings) -> Self {
        self.tls = Some(settings.clone());
        self
    }

    /// Listens on a socket that another process has opened, such as the service manager: TCP, or in
    /// the file system. All threads share it.
    pub fn listen_on(mut self, socket: impl Into<OwnedFd>) -> Self {
        self.handed.push(socket.into());
        self
    }

    /// The mode of the files of `unix:` sockets, which says who may open them. Default: 0o660.
    pub fn socket_mode(mut self, mode: u32) -> Self {
        self.socket_mode = mode;
        self
    }

    /// Listens on one more address, for the operator: a handler recognizes connections to it with
    /// [`Visitor::is_admin`](crate::Visitor::is_admin). No limit on connections applies to it but
    /// 32 at once, and it stays open during a drain. A `Broadcast` server then serves health and
    /// metrics there only, to every client that reaches the address.
    pub fn admin_listen(mut self, address: impl Into<String>) -> Self {
        self.admin_addresses.push(address.into());
        self
    }

    /// How many threads serve. Each has listening sockets and a handler of its own, and the system
    /// spreads the connections among them. The messages of a channel have one order for all
    /// threads. At most 256. Default: the number of cores; fewer if the
    /// [memory](Builder::memory_limit) is not enough for so many.
    pub fn reactors(mut self, reactors: usize) -> Self {
        self.reactors = Some(reactors);
        self
    }

    /// The size of each ring between two reactors, at least 2 KiB. For tests that need full rings;
    /// by default the sizes follow from the memory limit.
    #[doc(hidden)]
    pub fn ring_bytes(mut self, bytes: usize) -> Self {
        self.rings = Some(RingSizes { bytes: bytes.max(RingSizes::MIN.bytes), ..RingSizes::MIN });
        self
    }

    /// The largest message, in bytes: received, published, or as the body of a request. Default 64
    /// KiB.
    pub fn max_message_size(mut self, bytes: usize) -> Self {
        self.reactor.decoder.message_bytes_max = bytes;
        self.reactor.http.body_bytes_max = bytes;
        self.hub.message_bytes_max = bytes;
        self
    }

    /// The most fragments that a message may consist of.
    pub fn max_fragments(mut self, fragments: u32) -> Self {
        self.reactor.decoder.fragments_max = fragments;
        self
    }

    /// How long a message may take from its first byte to its last; `None`: no limit.
    pub fn message_timeout(mut self, timeout: Option<Duration>) -> Self {
        self.reactor.message_timeout = timeout;
        self
    }

    /// The most connections at the same time; a further one is answered 503.
    pub fn max_connections(mut self, connections: usize) -> Self {
        self.reactor.connections_max = connections;
        self
    }

    /// The most simultaneous connections from one IPv4 address or IPv6 /64; requests on a further
    /// one are answered 429, except those that the handler [exempts](Handler::is_exempt). Default:
    /// no limit.
    pub fn max_connections_per_ip(mut self, connections: Option<u32>) -> Self {
        self.reactor.connections_per_address_max = connections;
        self
    }

    /// The proxies in front of the server. What they tell in `X-Forwarded-For` is the address of
    /// the client, for [`Visitor::address`](crate::Visitor::address) and for limits per address,
    /// and `X-Forwarded-Proto` is the scheme that an origin must have to be the server's own. Each
    /// of them must set or append these headers itself. Default: none.
    pub fn trusted_proxies(mut self, proxies: impl IntoIterator<Item = IpNetwork>) -> Self {
        self.reactor.trusted_proxies = proxies.into_iter().collect();
        self
    }

    /// Connections accepted per second; further ones wait in the system's queue. Default: no limit.
    pub fn accept_rate(mut self, accepts: Option<u32>) -> Self {
        self.reactor.accepts_per_second_max = accepts;
        self
    }

    /// The most channels at the same time. A new one takes the place of a channel that has no
    /// subscribers, and is refused only if all have some. Default: a million.
    pub fn max_channels(mut self, channels: usize) -> Self {
        self.hub.channels_max = channels;
        self
    }

    /// Memory for all channels with their names and logs (three quarters) and for what connections
    /// hold. When the logs' part is full, slow subscribers are cut off; if subscribers that are not
    /// slow need all of it, publishing is refused. Each reactor has an equal share, which must hold
    /// at least one channel's buffer (with several reactors at least two, see
    /// [`memory_limit_min`](Self::memory_limit_min)). Default 1 GiB.
    pub fn memory_limit(mut self, bytes: usize) -> Self {
        self.hub.memory_bytes = bytes;
        // The budget for partly sent frames is a part of this memory, and is smaller if there is
        // little of it.
        self.hub.private_bytes_max =
            HubLimits::default().private_bytes_max.min(bytes / PRIVATE_PART);
        self
    }

    /// How far a subscriber may fall behind, in bytes of one channel. At least twice the largest
    /// message. Default 1 MiB.
    pub fn channel_buffer(mut self, bytes: usize) -> Self {
        self.hub.channel_buffer_bytes = bytes;
        self
    }

    /// What happens to a subscriber that falls further behind than
    /// [`channel_buffer`](Builder::channel_buffer). Default: it is disconnected.
    pub fn slow_policy(mut self, policy: SlowPolicy) -> Self {
        self.hub.slow_policy = policy;
        self
    }

    /// How long a peer may accept no byte while bytes wait for it; then it is closed with 4008.
    /// Default 10 s.
    pub fn slow_timeout(mut self, timeout: Duration) -> Self {
        self.reactor.slow_timeout = timeout;
        self
    }

    /// Compresses messages for clients that offer permessage-deflate (RFC 7692), each message once
    /// for all subscribers that read it so, and reads the compressed messages of these clients.
    /// Default: no client gets compressed messages.
    pub fn compression(mut self, options: Option<CompressionOptions>) -> Self {
        self.reactor.compression = options;
        self.hub.compression = options;
        self
    }

    /// The longest time from accept to the end of the request's head; after it the answer is 408.
    /// Default 5 s.
    pub fn handshake_timeout(mut self, timeout: Duration) -> Self {
        self.reactor.handshake_timeout = timeout;
        self
    }

    /// How long an HTTP connection may be idle before its next request. Default 60 s.
    pub fn idle_timeout(mut self, timeout: Duration) -> Self {
        self.reactor.idle_timeout = timeout;
        self
    }

    /// The time between two pings to one peer, give or take a fifth. Default 25 s.
    pub fn ping_interval(mut self, interval: Duration) -> Self {
        self.reactor.ping_interval = interval;
        self
    }

    /// The longest time from a ping to the next bytes from the peer; after it the close code is
    /// 4408. Default 10 s.
    pub fn pong_timeout(mut self, timeout: Duration) -> Self {
        self.reactor.pong_timeout = timeout;
        self
    }

    /// How long a [drain](crate::Stopper::drain) may take; with zero it cuts everybody off at once.
    /// Default 20 s.
    pub fn drain_timeout(mut self, timeout: Duration) -> Self {
        self.reactor.drain_timeout = timeout;
        self
    }

    /// Puts limits of this builder into force on a server that serves: `max_connections`,
    /// `max_connections_per_ip`, `accept_rate`, and all timeouts and intervals. Has the reactors
    /// reload, as [`Reloader::reload`] does, and they change everything in one turn.
    ///
    /// Nobody is closed for a lower limit. For what a connection is just waiting for, such as its
    /// next ping, the former time holds. Everything else of the builder counts for nothing; so does
    /// `max_connections_per_ip` if the server was made without it, because then the connections of
    /// each address were not counted.
    ///
    /// # Errors
    ///
    /// As [`check`](Builder::check). Nothing has changed then.
    pub fn apply_to(&self, reloader: &Reloader) -> Result<(), LimitsError> {
        self.check()?;
        reloader.reload_with(&self.reactor);
        Ok(())
    }

    /// Checks the limits, as [`bind`](Builder::bind) does.
    ///
    /// # Errors
    ///
    /// The first rule that is broken.
    pub fn check(&self) -> Result<(), LimitsError> {
        let message_bytes_max = self.hub.message_bytes_max;
        let reactors = self.reactor_count();
        let rules = [
            (reactors > 0, LimitsError::NoReactor),
            (reactors <= REACTORS_MAX, LimitsError::TooManyReactors),
            (message_bytes_max > 0, LimitsError::NoMessage),
            (message_bytes_max <= MESSAGE_BYTES_MAX, LimitsError::MessageTooLarge),
            (
                self.reactor.connections_max > 0
                    && self.reactor.connections_per_address_max != Some(0),
                LimitsError::NoConnection,
            ),
            (self.hub.channels_max > 0, LimitsError::NoChannel),
            (self.hub.channel_buffer_bytes / 2 >= message_bytes_max, LimitsError::BufferTooSmall),
            (self.hub.memory_bytes >= self.memory_limit_min(), LimitsError::MemoryTooSmall),
            (self.reactor.decoder.fragments_max > 0, LimitsError::NoMessage),
            (
                self.reactor.compression.is_none_or(CompressionOptions::is_in_range),
                LimitsError::CompressionOutOfRange,
            ),
            (!self.times().contains(&Some(Duration::ZERO)), LimitsError::NoTime),
        ];
        rules.into_iter().find(|(is_kept, _)| !is_kept).map_or(Ok(()), |(_, error)| Err(error))
    }

    /// Returns the interval and the timeouts that must not be zero.
    fn times(&self) -> [Option<Duration>; 6] {
        let ReactorLimits {
            handshake_timeout,
            idle_timeout,
            ping_interval,
            pong_timeout,
            slow_timeout,
            message_timeout,
            ..
        } = self.reactor;
        let always = [handshake_timeout, idle_timeout, ping_interval, pong_timeout, slow_timeout];
        let [a, b, c, d, e] = always.map(Some);
        [a, b, c, d, e, message_timeout]
    }

    /// Checks that the addresses can be resolved, and that none is given twice, as
    /// [`bind`](Builder::bind) does.
    ///
    /// # Errors
    ///
    /// [`BindError::Listen`] or [`BindError::Twice`].
    pub fn check_addresses(&self) -> Result<(), BindError> {
        self.resolve().map(|_| ())
    }

    /// Resolves all addresses: first those of `listen`, then those of `admin_listen`.
    fn resolve(&self) -> Result<Vec<ListenAddress>, BindError> {
        if self.addresses.is_empty() && self.handed.is_empty() {
            return Err(BindError::NoAddress);
        }
        let public = self.addresses.iter().map(|text| ListenAddress::public(text));
        let admin = self.admin_addresses.iter().map(|text| ListenAddress::admin(text));
        let all = public.chain(admin).collect::<Result<Vec<_>, _>>()?;
        check_overlap(&all)?;
        Ok(all)
    }

    /// Returns how many reactors there will be: the number set, or else one for each core, but no
    /// more than the memory is enough for, so that the same limits are valid on every machine.
    pub fn reactor_count(&self) -> usize {
        self.reactors.unwrap_or_else(|| {
            let cores = available_parallelism().map_or(1, usize::from).min(REACTORS_MAX);
            let suffices =
                |reactors: &usize| self.hub.memory_bytes >= self.memory_bytes_for(*reactors);
            (1..=cores).rev().find(suffices).unwrap_or(1)
        })
    }

    /// Returns the smallest [`memory_limit`](Self::memory_limit) with which this number of reactors
    /// can serve.
    pub fn memory_limit_min(&self) -> usize {
        self.memory_bytes_for(self.reactor_count())
    }

    fn memory_bytes_for(&self, reactors: usize) -> usize {
        let hub = HubLimits { compression: self.reactor.compression, ..self.hub };
        reactor_memory_min(reactors, &hub).saturating_mul(reactors)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_defaults_go_together() {
        assert_eq!(Server::builder().check(), Ok(()));
    }

    #[test]
    fn limits_that_cannot_work_are_refused_before_anything_is_bound() {
        let builder = || Server::builder().listen("127.0.0.1:0");
        let compression = CompressionOptions::default();
        for (builder, error) in [
            (builder().max_message_size(0), LimitsError::NoMessage),
            (builder().max_message_size((1 << 30) + 1), LimitsError::MessageTooLarge),
            (builder().max_connections(0), LimitsError::NoConnection),
            (builder().max_channels(0), LimitsError::NoChannel),
            (builder().max_message_size(1000).channel_buffer(1999), LimitsError::BufferTooSmall),
            (builder().memory_limit(1000), LimitsError::MemoryTooSmall),
            (builder().memory_limit(4 << 20).reactors(4), LimitsError::MemoryTooSmall),
            (builder().reactors(0), LimitsError::NoReactor),
            (builder().reactors(257), LimitsError::TooManyReactors),
            (builder().pong_timeout(Duration::ZERO), LimitsError::NoTime),
            (builder().slow_timeout(Duration::ZERO), LimitsError::NoTime),
            (builder().idle_timeout(Duration::ZERO), LimitsError::NoTime),
            (builder().message_timeout(Some(Duration::ZERO)), LimitsError::NoTime),
            (builder().max_connections_per_ip(Some(0)), LimitsError::NoConnection),
            (builder().max_fragments(0), LimitsError::NoMessage),
            (
                builder().compression(Some(CompressionOptions { window_bits: 8, ..compression })),
                LimitsError::CompressionOutOfRange,
            ),
            (
                builder().compression(Some(CompressionOptions { level: 10, ..compression })),
                LimitsError::CompressionOutOfRange,
            ),
        ] {
            assert!(
                matches!(builder.bind(), Err(BindError::Limits(found)) if found == error),
                "{error:?}"
            );
        }
    }

    #[test]
    fn the_least_memory_suffices_and_less_does_not() {
        for reactors in [1, 2, 4, 64, REACTORS_MAX] {
            let builder = |bytes: usize| Server::builder().reactors(reactors).memory_limit(bytes);
            let least = builder(1).memory_limit_min();
            assert_eq!(builder(least).check(), Ok(()), "{reactors} reactors");
            assert_eq!(
                builder(least - 1).check(),
                Err(LimitsError::MemoryTooSmall),
                "{reactors} reactors"
            );
        }
    }

    #[test]
    fn by_default_there_are_as_many_reactors_as_the_memory_is_enough_for() {
        let cores = available_parallelism().map_or(1, usize::from).min(REACTORS_MAX);
        for memory_bytes in [1 << 20, 4 << 20, 16 << 20, 64 << 20, 1 << 30] {
            let builder = Server::builder().memory_limit(memory_bytes);
            assert_eq!(builder.check(), Ok(()), "{memory_bytes} bytes");
            let one_more = builder.memory_bytes_for(builder.reactor_count() + 1);
            assert!(
                builder.reactor_count() == cores || one_more > memory_bytes,
                "{memory_bytes} bytes"
            );
        }
        assert_eq!(Server::builder().memory_limit(1 << 20).reactor_count(), 1);
    }

    #[test]
    fn an_address_in_use_is_named() {
        let first = Server::builder().listen("127.0.0.1:0").bind().unwrap();
        let address = first.local_addresses()[0].to_string();
        let error = Server::builder().listen(&address).bind().err().unwrap();
        assert!(error.to_string().contains(&address), "{error}");
        assert_eq!(io::Error::from(error).kind(), io::ErrorKind::AddrInUse);
    }

    #[test]
    fn the_same_address_twice_is_told_apart_from_one_in_use() {
        let free = Server::builder().listen("127.0.0.1:0").bind().unwrap().local_addresses()[0];
        let everywhere = format!("0.0.0.0:{}", free.port());
        let free = free.to_string();
        for (one, other) in [(&free, &free), (&everywhere, &free)] {
            for builder in [
                Server::builder().listen(one).listen(other),
                Server::builder().listen(one).admin_listen(other),
            ] {
                let error = builder.bind().err().unwrap();
                assert!(matches!(error, BindError::Twice { .. }), "{error}");
                assert!(error.to_string().contains(&*free), "{error}");
            }
        }
    }

    #[test]
    fn both_families_may_be_listened_on_at_one_port_in_any_order() {
        let six = Server::builder().listen("[::]:0").bind();
        let Ok(six) = six else { return };
        let port = six.local_addresses()[0].port();
        drop(six);
        let both = [format!("0.0.0.0:{port}"), format!("[::]:{port}")];
        for [one, other] in [[&both[0], &both[1]], [&both[1], &both[0]]] {
            let server = Server::builder().reactors(2).listen(one).listen(other).bind().unwrap();
            assert_eq!(server.local_addresses().len(), 2);
        }
    }

    #[test]
    fn without_a_certificate_no_tls_is_spoken() {
        for address in ["tls:127.0.0.1:0", "proxy+tls:127.0.0.1:0"] {
            let error = Server::builder().listen(address).bind().err().unwrap();
            assert!(matches!(error, BindError::NoCertificate { .. }), "{error}");
            assert!(error.to_string().contains(address), "{error}");
        }
    }

    #[test]
    fn without_an_address_there_is_no_server() {
        assert!(matches!(Server::builder().bind(), Err(BindError::NoAddress)));
    }
}
