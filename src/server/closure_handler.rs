//! An application made of closures, and the [`Handler`] that calls them.

use std::sync::Arc;

use serde_json::Value;

use crate::protocol::{CloseCode, Message, Request};
use crate::reactor::{Context, Handler, Upgrade, Visitor};

use super::access::{self, Denied, HostRules};
use super::custom_event::CustomEvent;
use super::origin::{OriginPattern, origin_is_allowed};

/// The peer for which a closure is called. Its session is the path it requested, such as `/news`.
pub type Peer<'a> = Context<'a, String>;

type OnConnection = dyn Fn(&mut Peer<'_>) + Send + Sync;
type OnMessage = dyn Fn(&mut Peer<'_>, Message<'_>) + Send + Sync;
type OnEvent = dyn Fn(&mut Peer<'_>, Value) + Send + Sync;
type OnClose = dyn Fn(&mut Peer<'_>, CloseCode, &str) + Send + Sync;

/// An application made of closures, which every reactor shares.
#[derive(Default)]
pub struct Closures {
    pub(super) connection: Option<Box<OnConnection>>,
    pub(super) message: Option<Box<OnMessage>>,
    pub(super) events: Vec<(String, Box<OnEvent>)>,
    pub(super) close: Option<Box<OnClose>>,
    pub(super) allowed_hosts: Vec<String>,
    pub(super) allowed_origins: Vec<OriginPattern>,
}

impl Closures {
    /// Checks the origin and the host of a handshake.
    fn check(&self, visitor: &Visitor<'_>, request: &Request<'_>) -> Result<(), Denied> {
        let is_allowed = origin_is_allowed(
            &self.allowed_origins,
            request.header("Origin"),
            request.host(),
            visitor.via.scheme(),
        );
        if !is_allowed {
            return Err(Denied::Origin);
        }
        let rules = HostRules {
            allowed_hosts: &self.allowed_hosts,
            allowed_origins: &self.allowed_origins,
            trusts_loopback: true,
        };
        access::check_host(&rules, visitor.address().ip(), request).map(|_| ())
    }

    pub(super) fn into_factory(self) -> impl Fn(usize) -> ClosureHandler + Send + Sync + 'static {
        let closures = Arc::new(self);
        move |_reactor| ClosureHandler(Arc::clone(&closures))
    }
}

/// The [`Handler`] that calls closures.
pub struct ClosureHandler(Arc<Closures>);

impl ClosureHandler {
    /// Returns the closure and the data if the message is a custom event that has a closure.
    fn event(&self, message: Message<'_>) -> Option<(&OnEvent, Value)> {
        // Programs without custom events must not pay for parsing.
        if self.0.events.is_empty() {
            return None;
        }
        let event = CustomEvent::parse(message.as_text()?)?;
        let (_, call) = self.0.events.iter().find(|(name, _)| *name == event.name)?;
        let data =
            event.data.map_or(Ok(Value::Null), |data| serde_json::from_str(data.get())).ok()?;
        Some((call, data))
    }
}

impl Handler for ClosureHandler {
    type Session = String;

    fn on_upgrade(&mut self, visitor: &mut Visitor<'_>, request: &Request<'_>) -> Upgrade<String> {
        match self.0.check(visitor, request) {
            Ok(()) => Upgrade::Accept(request.path().to_owned()),
            Err(denied) => {
                visitor.reject_as(denied.reject_reason());
                Upgrade::Respond(denied.response())
            }
        }
    }

    fn on_open(&mut self, peer: &mut Peer<'_>) {
        if let Some(call) = &self.0.connection {
            call(peer);
        }
    }

    fn on_message(&mut self, peer: &mut Peer<'_>, message: Message<'_>) {
        if let Some((call, data)) = self.event(message) {
            call(peer, data);
        } else if let Some(call) = &self.0.message {
            call(peer, message);
        }
    }

    fn on_close(&mut self, peer: &mut Peer<'_>, code: CloseCode, reason: &str) {
        if let Some(call) = &self.0.close {
            call(peer, code, reason);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn handler(names: &[&str]) -> ClosureHandler {
        let mut builder = crate::Server::builder();
        for name in names {
            builder = builder.on_event(*name, |_peer, _data| {});
        }
        builder.application.into_factory()(0)
    }

    fn data(handler: &ClosureHandler, text: &str) -> Option<Value> {
        handler.event(Message::text(text)).map(|(_, data)| data)
    }

    #[test]
    fn an_event_goes_to_the_closure_of_its_name() {
        let handler = handler(&["move", "chat"]);
        assert_eq!(data(&handler, r#"{"event":"chat","data":[1]}"#), Some(serde_json::json!([1])));
        assert_eq!(data(&handler, r#"{"event":"move"}"#), Some(Value::Null));
        assert_eq!(data(&handler, r#"{"event":"other","data":1}"#), None);
        assert_eq!(data(&handler, "hello"), None);
        assert!(handler.event(Message::binary(br#"{"event":"chat"}"#)).is_none());
    }
}
