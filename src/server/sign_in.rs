//! How a peer has signed in. After a reload it is judged again by this, because neither its token
//! nor its key is kept.

use std::time::Duration;

use crate::protocol::{Request, Scheme};
use crate::reactor::{Via, Visitor};

use super::access::Denied;
use super::bearer_subprotocol::brings_credentials;
use super::channel_pattern::ChannelPattern;
use super::credentials::{TokenPlace, is_taken_from, token_of};
use super::mark::Mark;
use super::options::BroadcastOptions;
use super::publish_key::PublishKey;
use super::token::{AccessToken, Signed, TokenError};

/// What is kept of the token by which a peer was let in. When it ends stands in the connection.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct KeptToken {
    signed: Signed,
    place: TokenPlace,
    /// The leeway that is part of the connection's end.
    leeway: Duration,
    may_subscribe: bool,
    may_publish: bool,
}

impl KeptToken {
    /// Judges the token by other options, as if it came again. Returns what it still allows on the
    /// connection's channel.
    fn check(
        &self,
        options: &BroadcastOptions,
        visitor: &Visitor<'_>,
        request: &Request<'_>,
        scheme: Option<Scheme>,
    ) -> Result<AccessToken, Denied> {
        if !is_taken_from(self.place, options, request, scheme) {
            return Err(Denied::TokenMissing);
        }
        options.check_signed(&self.signed).map_err(denied)?;
        // Without an end it was not the token that let the peer in.
        let ended = visitor.expires_at().ok_or(Denied::TokenMissing)?;
        let expires = ended.saturating_sub(self.leeway).saturating_add(options.jwt_leeway);
        if expires <= visitor.unix_time() {
            return Err(Denied::TokenExpired);
        }
        let patterns = |may: bool| may.then(ChannelPattern::any).into_iter().collect();
        Ok(AccessToken {
            subscribe: patterns(self.may_subscribe),
            publish: patterns(self.may_publish),
            expires,
        })
    }
}

/// What the application has granted a peer on its channel.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Granted {
    pub(crate) may_subscribe: bool,
    pub(crate) may_publish: bool,
}

/// The credentials of one request or handshake; or, after a reload, what is kept of them.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub(crate) struct SignIn {
    /// It is a review, and what follows is what was kept.
    is_kept: bool,
    /// The token that was good. In a review: that is judged again.
    token: Option<KeptToken>,
    /// Through whom the peer has come.
    via: Option<Via>,
    /// What the application has granted, if it was asked. After a reload that still counts: what it
    /// would say now is not known.
    granted: Option<Granted>,
    /// The publish key that has opened the server under a foreign name.
    key: Option<Mark>,
    /// There were credentials that were not needed, so it is not known what they are worth.
    has_unread: bool,
}

impl SignIn {
    /// Returns true in a review.
    pub(crate) fn is_kept(&self) -> bool {
        self.is_kept
    }

    /// Returns through whom the peer has come, and notes it.
    pub(crate) fn via(&mut self, visitor: &Visitor<'_>) -> Via {
        if !self.is_kept {
            self.via = Some(visitor.via);
        }
        self.via.unwrap_or(Via::PLAIN)
    }

    /// Returns the same for a review.
    pub(crate) fn kept(&self) -> SignIn {
        SignIn { is_kept: true, ..self.clone() }
    }

    /// Returns the same for the table of those who are in.
    pub(crate) fn to_keep(&self) -> SignIn {
        SignIn { is_kept: false, ..self.clone() }
    }

    /// Makes that of a peer about which the application was asked.
    pub(crate) fn by_application(granted: Granted) -> SignIn {
        SignIn { granted: Some(granted), ..SignIn::default() }
    }

    pub(crate) fn granted(&self) -> Option<Granted> {
        self.granted
    }

    /// Returns true if there is a token, good or not.
    pub(crate) fn has_token(
        &mut self,
        options: &BroadcastOptions,
        visitor: &Visitor<'_>,
        request: &Request<'_>,
    ) -> bool {
        let scheme = self.via(visitor).scheme();
        match self.is_kept {
            true => self.token.is_some(),
            false => token_of(options, request, scheme).is_some(),
        }
    }

    /// Checks the token of a request for a channel, or for the echo service.
    pub(crate) fn check_token(
        &mut self,
        options: &BroadcastOptions,
        visitor: &mut Visitor<'_>,
        request: &Request<'_>,
        channel: Option<&str>,
    ) -> Result<AccessToken, Denied> {
        let scheme = self.via(visitor).scheme();
        if self.is_kept {
            let kept = self.token.as_mut().ok_or(Denied::TokenMissing)?;
            let token = kept.check(options, visitor, request, scheme)?;
            kept.leeway = options.jwt_leeway;
            return Ok(token);
        }
        let (place, token) = token_of(options, request, scheme).ok_or(Denied::TokenMissing)?;
        let (checked, taken) = options.check_token_timed(token, visitor.unix_time());
        visitor.charge(taken);
        let (token, signed) = checked.map_err(denied)?;
        self.token = Some(KeptToken {
            signed,
            place,
            leeway: options.jwt_leeway,
            may_subscribe: channel.is_none_or(|channel| token.may_subscribe(channel)),
            may_publish: channel.is_some_and(|channel| token.may_publish(channel)),
        });
        Ok(token)
    }

    /// To be called when a peer is let in: notes whether it has brought credentials that were not
    /// looked at.
    pub(crate) fn note_unread(&mut self, options: &BroadcastOptions, request: &Request<'_>) {
        let scheme = self.via.unwrap_or(Via::PLAIN).scheme();
        // To the application a cookie may have been one.
        let has_cookie = || self.granted.is_some() && request.header_bytes("Cookie").is_some();
        self.has_unread = self.token.is_none()
            && self.key.is_none()
            && (brings_credentials(request)
                || has_cookie()
                || options.takes_tokens() && token_of(options, request, scheme).is_some());
    }

    /// Returns true if the peer may have credentials that nobody has looked at.
    pub(crate) fn has_unread(&self) -> bool {
        self.has_unread
    }

    /// Notes that the publish key of these options has made a foreign name in Host pass.
    pub(crate) fn note_key(&mut self, options: &BroadcastOptions) {
        self.key = options.publish_key.as_ref().map(PublishKey::mark);
    }

    /// Returns true in a review if the key that was noted is still the publish key.
    pub(crate) fn keeps_key(&self, options: &BroadcastOptions) -> bool {
        let present = options.publish_key.as_ref().map(PublishKey::mark);
        self.is_kept && self.key.is_some() && self.key == present
    }
}

fn denied(error: TokenError) -> Denied {
    match error {
        TokenError::Expired => Denied::TokenExpired,
        error => Denied::TokenWrong(error.reason()),
    }
}
