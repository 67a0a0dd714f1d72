//! Who may publish to a channel, and who may subscribe to it: what its rule says, and the options
//! of the server where there is none. Decided once, when a request or a handshake comes.

use crate::hub::ChannelName;
use crate::protocol::Request;
use crate::reactor::Visitor;

use super::access::Denied;
use super::channel_rules::{ChannelRule, MessageRate};
use super::options::BroadcastOptions;
use super::policies::{PublishPolicy, SubscribePolicy};
use super::publish_key::check_key;
use super::sign_in::SignIn;
use super::token::AccessToken;

/// Decides on a POST to a channel.
pub(crate) fn check_post(
    options: &BroadcastOptions,
    visitor: &mut Visitor<'_>,
    request: &Request<'_>,
    channel: ChannelName<'_>,
    is_local: bool,
) -> Result<(), Denied> {
    let name = channel.as_str();
    let by_rule = options.channel_rules.of(name).and_then(|rule| rule.publish);
    if by_rule == Some(PublishPolicy::All) {
        return Ok(());
    }
    let policy = by_rule.or(options.publish);
    let by_key = options.publish_key.as_ref().map(|key| check_key(key, request));
    match by_key {
        Some(Ok(())) => return Ok(()),
        Some(Err(denied)) if !options.takes_tokens() => return Err(denied),
        None if !options.takes_tokens() => {
            return match by_rule {
                Some(_) => Err(Denied::PublishOff),
                None if options.authorizer.is_some() => Err(Denied::PostWithoutKey),
                None if is_local => Ok(()),
                None => Err(Denied::PublishElsewhere),
            };
        }
        None if policy == Some(PublishPolicy::None) => return Err(Denied::PublishOff),
        Some(Err(_)) | None => {}
    }
    let token = SignIn::default().check_token(options, visitor, request, Some(name))?;
    let may = match policy {
        Some(PublishPolicy::None) => return Err(Denied::PublishOff),
        // Whoever may subscribe could publish over a WebSocket just as well.
        Some(PublishPolicy::All) => token.may_subscribe(name) || token.may_publish(name),
        Some(PublishPolicy::Token) | None => token.may_publish(name),
    };
    if may { Ok(()) } else { Err(Denied::PublishNotInToken) }
}

/// Decides on reading a channel by GET.
pub(crate) fn check_read(
    options: &BroadcastOptions,
    visitor: &mut Visitor<'_>,
    request: &Request<'_>,
    channel: ChannelName<'_>,
) -> Result<(), Denied> {
    if !reading_takes_credentials(options, options.channel_rules.of(channel.as_str())) {
        return Ok(());
    }
    if options.authorizer.is_some() && !options.takes_tokens() {
        let key = options.publish_key.as_ref().ok_or(Denied::ReadWithoutKey)?;
        return check_key(key, request);
    }
    check_subscribe(options, visitor, request, channel, &mut SignIn::default()).map(|_| ())
}

/// Whether a subscriber may publish; else, what it is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Publishing {
    Allowed,
    /// Nobody like it may: `--publish`, or the channel's rule, says so.
    ByNoRule,
    /// Its token does not allow it.
    NotByToken,
    /// It has no token, and needs one.
    TokenMissing,
    /// The application does not let it.
    NotGranted,
}

/// What is decided on a peer that wants to subscribe.
pub(crate) enum Access {
    /// It may, and it may publish or not, at this rate.
    Decided(Publishing, Option<MessageRate>),
    /// The application must be asked.
    AskApplication,
}

/// Decides on a peer that wants to subscribe. A peer whose token was checked is closed when the
/// token ends.
pub(crate) fn check_entry(
    options: &BroadcastOptions,
    visitor: &mut Visitor<'_>,
    request: &Request<'_>,
    channel: ChannelName<'_>,
    is_local: bool,
    sign_in: &mut SignIn,
) -> Result<Access, Denied> {
    let rule = options.channel_rules.of(channel.as_str());
    let rate = rule.and_then(|rule| rule.message_rate);
    let policy = rule.and_then(|rule| rule.publish).or(options.publish);
    if reading_takes_credentials(options, rule) {
        if options.authorizer.is_some() {
            let Some(granted) = sign_in.granted() else { return Ok(Access::AskApplication) };
            if !granted.may_subscribe {
                return Err(Denied::ChannelNotGranted);
            }
            let publishing = by_policy(policy, granted.may_publish, Publishing::NotGranted);
            return Ok(Access::Decided(publishing, rate));
        }
        let token = check_subscribe(options, visitor, request, channel, sign_in)?;
        visitor.expire_at(token.expires);
        return Ok(Access::Decided(publishing_by_token(policy, &token, channel), rate));
    }
    let publishing = match policy {
        Some(PublishPolicy::All) => Publishing::Allowed,
        Some(PublishPolicy::None) => Publishing::ByNoRule,
        Some(PublishPolicy::Token) | None if options.takes_tokens() => {
            publishing_beside_readers(options, visitor, request, channel, sign_in)?
        }
        Some(PublishPolicy::Token) => Publishing::ByNoRule,
        None if is_local && options.authorizer.is_none() => Publishing::Allowed,
        None => Publishing::ByNoRule,
    };
    Ok(Access::Decided(publishing, rate))
}

/// Decides on publishing by token where everybody may read.
fn publishing_beside_readers(
    options: &BroadcastOptions,
    visitor: &mut Visitor<'_>,
    request: &Request<'_>,
    channel: ChannelName<'_>,
    sign_in: &mut SignIn,
) -> Result<Publishing, Denied> {
    if !sign_in.has_token(options, visitor, request) {
        return Ok(Publishing::TokenMissing);
    }
    // A token that is not good is refused, so that the client learns of it before it sends.
    let token = sign_in.check_token(options, visitor, request, Some(channel.as_str()))?;
    visitor.expire_at(token.expires);
    Ok(publishing_by_token(Some(PublishPolicy::Token), &token, channel))
}

/// Decides whether a token lets its bearer publish over a WebSocket.
fn publishing_by_token(
    policy: Option<PublishPolicy>,
    token: &AccessToken,
    channel: ChannelName<'_>,
) -> Publishing {
    by_policy(policy, token.may_publish(channel.as_str()), Publishing::NotByToken)
}

/// Decides whether a peer may publish that has signed in: `may` says whether that allows it, and
/// `not` is the result if it counts and does not.
fn by_policy(policy: Option<PublishPolicy>, may: bool, not: Publishing) -> Publishing {
    match policy {
        Some(PublishPolicy::All) => Publishing::Allowed,
        Some(PublishPolicy::None) => Publishing::ByNoRule,
        Some(PublishPolicy::Token) | None if may => Publishing::Allowed,
        Some(PublishPolicy::Token) | None => not,
    }
}

/// Returns true if whoever reads a channel, or subscribes to it, must sign in.
fn reading_takes_credentials(options: &BroadcastOptions, rule: Option<&ChannelRule>) -> bool {
    match rule.and_then(|rule| rule.subscribe) {
        Some(SubscribePolicy::All) => false,
        Some(SubscribePolicy::Token) => true,
        None => options.takes_credentials(),
    }
}

/// Decides on reading a channel where tokens are needed. Returns the token.
fn check_subscribe(
    options: &BroadcastOptions,
    visitor: &mut Visitor<'_>,
    request: &Request<'_>,
    channel: ChannelName<'_>,
    sign_in: &mut SignIn,
) -> Result<AccessToken, Denied> {
    let token = sign_in.check_token(options, visitor, request, Some(channel.as_str()))?;
    if token.may_subscribe(channel.as_str()) { Ok(token) } else { Err(Denied::ChannelNotInToken) }
}
