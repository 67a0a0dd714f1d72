//! The rules of a guarded server: tokens, a rule for channels, and every limit of an address or a
//! peer, each high enough to let everybody in.

use std::time::{SystemTime, UNIX_EPOCH};

use fanfare::{
    BroadcastOptions, Builder, ChannelRule, ChannelRules, JwtKey, PublishPolicy, SubscribePolicy,
};
use jsonwebtoken::{EncodingKey, Header};
use serde_json::json;

const SECRET: &[u8] = b"0123456789abcdef0123456789abcdef";
const MANY: Option<u32> = Some(1_000_000);

/// Returns a token that allows everything for an hour.
pub(crate) fn token() -> String {
    let now =
        SystemTime::now().duration_since(UNIX_EPOCH).expect("it is later than 1970").as_secs();
    let claims = json!({ "exp": now + 3_600, "subscribe": ["**"], "publish": ["**"] });
    jsonwebtoken::encode(&Header::default(), &claims, &EncodingKey::from_secret(SECRET))
        .expect("claims can be signed")
}

pub(crate) fn options() -> BroadcastOptions {
    let mut rule = ChannelRule::new("news".parse().expect("a pattern"));
    rule.subscribe = Some(SubscribePolicy::Token);
    rule.publish = Some(PublishPolicy::Token);
    BroadcastOptions {
        jwt_keys: vec![JwtKey::secret(SECRET).expect("it is long enough")],
        channel_rules: ChannelRules::new([rule]).expect("few rules"),
        message_rate: MANY,
        credential_failures_per_ip: MANY,
        openings_per_ip: MANY,
        ..BroadcastOptions::default()
    }
}

pub(crate) fn limit<A>(builder: Builder<A>) -> Builder<A> {
    builder.max_connections_per_ip(MANY).accept_rate(MANY)
}
