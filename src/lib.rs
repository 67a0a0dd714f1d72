//! fanfare: a WebSocket broadcast server, as a library.
//!
//! ```
//! use std::time::Duration;
//!
//! use fanfare::{ChannelName, CloseCode, Message, Server};
//!
//! # fn main() -> std::io::Result<()> {
//! let server = Server::builder()
//!     .listen("127.0.0.1:0")
//!     .on_connection(|peer| {
//!         let lobby = ChannelName::parse("lobby").expect("a valid name");
//!         if peer.subscribe(lobby).is_err() {
//!             peer.close(CloseCode::TRY_AGAIN_LATER, "the server is full");
//!         }
//!     })
//!     .on_message(|peer, message| peer.send(message))
//!     .bind()?;
//! println!("listening on {:?}", server.local_addresses());
//! let publisher = server.publisher(); // Clone + Send: publish from any thread
//! std::thread::spawn(move || {
//!     loop {
//!         let _ = publisher.try_publish("lobby", Message::text("tick"));
//!         std::thread::sleep(Duration::from_secs(1));
//!     }
//! });
//! # server.stopper().drain();
//! server.run()
//! # }
//! ```
//!
//! In this example every URL leads to the same channel. The library does not make channels of URLs:
//! a connection receives what the program subscribes it to.
//!
//! Closures are enough for a small program; a larger one implements [`Handler`], which may decline
//! an upgrade, answers plain requests and keeps a session for each connection. The folder
//! `examples` has a chat with private rooms, a scoreboard and a thread that publishes.
//!
//! A [`Server`] runs one reactor on each core. Each has its own handler, so handlers need no locks.
//! A channel exists as soon as somebody names it; its messages have one order for all subscribers,
//! and each subscriber receives each of them once, or is told why not.
//!
//! # Features
//!
//! | feature | adds |
//! |---|---|
//! | `cli` (default) | the command `fanfare`, which needs the three below |
//! | `broadcast` | `Broadcast`: the standalone server as a [`Handler`], with its metrics |
//! | `tls` | `ServerTls`: certificates from files for [`Builder::tls`] |
//! | `units` | for the commands of this repository: how they read durations, sizes, counts |
//!
//! A program with a handler or closures of its own needs none of them, and builds in a third of the
//! time with `default-features = false`.
//!
//! # What is promised
//!
//! Semantic versioning covers the items of this page and of [`protocol`], which is public for the
//! sake of clients. The hidden modules can be reached for the benchmarks and commands of this
//! repository; they may change at any time.
#[doc(hidden)]
pub mod hub;
#[doc(hidden)]
pub mod instant;
mod ip_network;
#[doc(hidden)]
pub mod net;
pub mod protocol;
#[doc(hidden)]
pub mod reactor;
mod server;
mod slot_lists;
mod split_mix;
mod transport;
#[cfg(feature = "units")]
#[doc(hidden)]
pub mod units;
#[cfg(any(test, fuzzing))]
mod work;

pub use hub::{
    Accepted, ChannelInfo, ChannelName, ChannelNameError, DropReason, Ledger, MessageId, Refused,
    SlowPolicies, SlowPolicy,
};
pub use instant::Instant;
pub use ip_network::{IpNetwork, IpNetworkError};
pub use protocol::{CloseCode, Message, MessageKind, Request, Response};
pub use reactor::{
    Answer, ChannelListing, ChannelQuery, ChannelSort, Context, Counters, Deferral, Handler,
    ListedChannel, NotPublished, PublishError, RefusalReason, RefusedMessage, RejectReason,
    Rejected, ResponseHeaders, Review, Served, Standstill, Status, Subscription, Ticket,
    TlsHandshake, Upgrade, Visitor,
};
pub use serde_json::Value;
#[cfg(feature = "broadcast")]
pub use server::{
    AccessToken, AddressCounts, AuthorizeUrl, AuthorizeUrlError, Authorizer, Broadcast,
    BroadcastOptions, BroadcastSession, ChannelPattern, ChannelPatternError, ChannelRule,
    ChannelRules, JwtKey, JwtKeyError, MessageRate, PublishKey, PublishKeyError, PublishPolicy,
    Reject, ReloadFigures, RuleFault, SharedOptions, SubscribePolicy, TokenError, TooManyRules,
};
pub use server::{
    BindError, Builder, ClosureHandler, Closures, Factory, Health, LimitsError, OriginPattern,
    OriginPatternError, Peer, Publisher, Reloader, Server, Stopper, event,
};
#[cfg(feature = "tls")]
pub use server::{ClientAuthorities, ServerTls, TlsCertificate, TlsError, TlsOptions, TlsProvider};
pub use transport::TlsSettings;
