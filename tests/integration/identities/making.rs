//! Makes tokens of every kind, good and bad.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use fanfare::{BroadcastOptions, JwtKey};
use jsonwebtoken::jwk::Jwk;
use jsonwebtoken::{Algorithm, EncodingKey, crypto};
use serde_json::{Value, json};

pub(crate) const SECRET: &str = "0123456789abcdef0123456789abcdef";
pub(crate) const OLD_SECRET: &str = "the-secret-of-last-month-still-good";
/// The leeway in seconds: so long that a slow machine changes no outcome.
pub(crate) const LEEWAY: i64 = 3_600;
pub(crate) const RSA_PUBLIC: &str = include_str!("keys/rsa.pub.pem");
pub(crate) const P256_PUBLIC: &str = include_str!("keys/p256.pub.pem");
pub(crate) const ED25519_PUBLIC: &str = include_str!("keys/ed25519.pub.pem");

pub(crate) fn rsa() -> EncodingKey {
    EncodingKey::from_rsa_pem(include_bytes!("keys/rsa.pem")).unwrap()
}

pub(crate) fn p256() -> EncodingKey {
    EncodingKey::from_ec_pem(include_bytes!("keys/p256.pem")).unwrap()
}

pub(crate) fn ed25519() -> EncodingKey {
    EncodingKey::from_ed_pem(include_bytes!("keys/ed25519.pem")).unwrap()
}

pub(crate) fn hmac(secret: &str) -> EncodingKey {
    EncodingKey::from_secret(secret.as_bytes())
}

pub(crate) fn now() -> i64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs().cast_signed()
}

pub(crate) fn encoded(bytes: impl AsRef<[u8]>) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

/// Signs a header and claims as they are.
pub(crate) fn sign(
    key: &EncodingKey,
    algorithm: Algorithm,
    header: &str,
    claims: impl AsRef<[u8]>,
) -> String {
    let message = format!("{}.{}", encoded(header), encoded(claims));
    let signature = crypto::sign(message.as_bytes(), key, algorithm).unwrap();
    format!("{message}.{signature}")
}

/// Returns claims that are good, with changes: null removes a claim.
pub(crate) fn claims(changes: &Value) -> String {
    let mut claims = json!({
        "iss": "https://auth.example",
        "aud": "fanfare",
        "exp": now() + 600,
        "subscribe": ["news", "chat/*"],
        "publish": ["news"],
    });
    for (name, value) in changes.as_object().unwrap() {
        match value {
            Value::Null => drop(claims.as_object_mut().unwrap().remove(name)),
            value => claims[name] = value.clone(),
        }
    }
    claims.to_string()
}

/// Returns a token for HS256 with these changes to its claims.
pub(crate) fn token(changes: &Value) -> String {
    sign(&hmac(SECRET), Algorithm::HS256, r#"{"typ":"JWT","alg":"HS256"}"#, claims(changes))
}

/// Returns a good token by another algorithm.
pub(crate) fn by(key: &EncodingKey, algorithm: Algorithm, kid: Option<&str>) -> String {
    let mut header = json!({ "alg": format!("{algorithm:?}") });
    if let Some(kid) = kid {
        header["kid"] = json!(kid);
    }
    sign(key, algorithm, &header.to_string(), claims(&json!({})))
}

/// Returns a set with the public key on P-256 as `ec-1`, Ed25519 as `ed-1`, and keys that are for
/// something else.
pub(crate) fn key_set() -> String {
    let of = |key: &EncodingKey, algorithm, kid: &str| {
        let mut jwk =
            serde_json::to_value(Jwk::from_encoding_key(key, algorithm).unwrap()).unwrap();
        jwk["kid"] = json!(kid);
        jwk
    };
    let mut for_encryption = of(&rsa(), Algorithm::RS256, "enc-1");
    for_encryption["use"] = json!("enc");
    for_encryption.as_object_mut().unwrap().remove("alg");
    let set = json!({ "keys": [
        of(&p256(), Algorithm::ES256, "ec-1"),
        of(&ed25519(), Algorithm::EdDSA, "ed-1"),
        for_encryption,
        { "kty": "oct", "kid": "oct-1", "k": encoded("x".repeat(32)) },
        { "kty": "new", "kid": "new-1" },
    ]});
    set.to_string()
}

/// Returns the options of a server with keys of every kind.
pub(crate) fn options() -> BroadcastOptions {
    let mut jwt_keys = vec![
        JwtKey::secret(SECRET.as_bytes()).unwrap(),
        JwtKey::secret(OLD_SECRET.as_bytes()).unwrap(),
    ];
    jwt_keys.extend(JwtKey::public(RSA_PUBLIC).unwrap());
    jwt_keys.extend(JwtKey::public(&key_set()).unwrap());
    BroadcastOptions {
        jwt_keys,
        jwt_issuer: Some("https://auth.example".to_owned()),
        jwt_audience: Some("fanfare".to_owned()),
        jwt_leeway: Duration::from_secs(LEEWAY.cast_unsigned()),
        ..BroadcastOptions::default()
    }
}
