//! Closures that a [`Builder`] accepts instead of a handler, for short programs.

use serde_json::Value;

use crate::protocol::{CloseCode, Message};

use super::builder::Builder;
use super::closure_handler::{Closures, Peer};
use super::origin::OriginPattern;

/// Closures replace a [`Handler`](crate::Handler). Each of them is optional.
///
/// ```
/// use fanfare::{ChannelName, Message, Server, event};
///
/// let server = Server::builder()
///     .listen("127.0.0.1:0")
///     .on_connection(|peer| {
///         if let Ok(lobby) = ChannelName::parse("lobby") {
///             let _ = peer.subscribe(lobby);
///         }
///     })
///     .on_message(|peer, message| peer.send(message))
///     .on_event("move", |peer, data| {
///         peer.send(Message::text(&event("moved", &data)));
///     })
///     .on_close(|peer, code, reason| println!("{}: {code} {reason}", peer.session()))
///     .bind()?;
/// # server.stopper().drain();
/// server.run()?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
impl Builder<Closures> {
    /// Called when a peer has connected: the closure may subscribe it, send to it or close it.
    pub fn on_connection(mut self, call: impl Fn(&mut Peer<'_>) + Send + Sync + 'static) -> Self {
        self.application.connection = Some(Box::new(call));
        self
    }

    /// Called for each message that is not an [`on_event`](Self::on_event) event.
    pub fn on_message(
        mut self,
        call: impl Fn(&mut Peer<'_>, Message<'_>) + Send + Sync + 'static,
    ) -> Self {
        self.application.message = Some(Box::new(call));
        self
    }

    /// Called for each custom event of this name: the text message `{"event":"name","data":…}`.
    /// Without a `data` member the data is [`Value::Null`].
    pub fn on_event(
        mut self,
        name: impl Into<String>,
        call: impl Fn(&mut Peer<'_>, Value) + Send + Sync + 'static,
    ) -> Self {
        self.application.events.push((name.into(), Box::new(call)));
        self
    }

    /// Called when the connection has ended; nothing can be sent any more.
    pub fn on_close(
        mut self,
        call: impl Fn(&mut Peer<'_>, CloseCode, &str) + Send + Sync + 'static,
    ) -> Self {
        self.application.close = Some(Box::new(call));
        self
    }

    /// Sets the origins of web pages that may connect; by default only pages from this server's own
    /// host. Programs that are not browsers send no origin and are always allowed.
    ///
    /// ```
    /// let pages = "https://*.example.com".parse()?;
    /// let builder = fanfare::Server::builder().allowed_origins([pages]);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn allowed_origins(mut self, origins: impl IntoIterator<Item = OriginPattern>) -> Self {
        self.application.allowed_origins.extend(origins);
        self
    }

    /// Sets the host names, besides `localhost` and IP addresses, that requests from this machine
    /// may carry in Host. Other names are refused with 403, because a web page could point its own
    /// name to this machine. A proxy on this machine that passes on the client's `Host` needs its
    /// public names in this list.
    ///
    /// ```
    /// let builder = fanfare::Server::builder().allowed_hosts(["chat.example.com"]);
    /// ```
    pub fn allowed_hosts(mut self, hosts: impl IntoIterator<Item = impl Into<String>>) -> Self {
        self.application.allowed_hosts.extend(hosts.into_iter().map(Into::into));
        self
    }
}
