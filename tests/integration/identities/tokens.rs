//! The table of tokens.

use fanfare::{BroadcastOptions, JwtKey, JwtKeyError, PublishKey, Reject};
use jsonwebtoken::Algorithm::{ES256, EdDSA, HS256, HS384, HS512, PS256, RS256};
use serde_json::{Value, json};

use super::making::{
    ED25519_PUBLIC, LEEWAY, OLD_SECRET, P256_PUBLIC, RSA_PUBLIC, SECRET, by, claims, ed25519,
    encoded, hmac, key_set, now, options, p256, rsa, sign, token,
};
use super::{Asker, Outcome};
use crate::support::Running;

const GOOD: Outcome = (101, None);
const BAD: Outcome = (401, Some("bad_credentials"));
const EXPIRED: Outcome = (401, Some("expired"));
const NOT_HERE: Outcome = (403, Some("forbidden_channel"));

type Row = (&'static str, String, Outcome);

/// Tokens whose signature, key or form is the point.
fn forms() -> Vec<Row> {
    let good = token(&json!({}));
    let [header, payload, signature] = [0, 1, 2].map(|part| good.split('.').nth(part).unwrap());
    let other = token(&json!({ "sub": "somebody else" }));
    let other = other.split('.').nth(1).unwrap();
    let hs = |header: &str| sign(&hmac(SECRET), HS256, header, claims(&json!({})));
    let none =
        |alg: &str| format!("{}.{payload}.", encoded(format!(r#"{{"typ":"JWT","alg":"{alg}"}}"#)));
    let es = by(&p256(), ES256, Some("ec-1"));
    let (es_message, _) = es.rsplit_once('.').unwrap();
    let standard = format!("{header}.{payload}.{}+", &signature[1..]);
    vec![
        ("by the secret", good.clone(), GOOD),
        ("by the secret before it", by(&hmac(OLD_SECRET), HS256, None), GOOD),
        ("by RSA", by(&rsa(), RS256, None), GOOD),
        ("by RSA, whose key has no kid", by(&rsa(), RS256, Some("any")), GOOD),
        ("by P-256", es.clone(), GOOD),
        ("by P-256 without a kid", by(&p256(), ES256, None), GOOD),
        ("by Ed25519", by(&ed25519(), EdDSA, Some("ed-1")), GOOD),
        ("without typ", hs(r#"{"alg":"HS256"}"#), GOOD),
        ("by another secret", by(&hmac(&"x".repeat(32)), HS256, None), BAD),
        ("by an empty secret", by(&hmac(""), HS256, None), BAD),
        ("an unknown kid", by(&p256(), ES256, Some("ec-2")), BAD),
        ("an empty kid", by(&p256(), ES256, Some("")), BAD),
        ("the kid of another key", by(&p256(), ES256, Some("ed-1")), BAD),
        ("the kid of a key for encryption", by(&rsa(), RS256, Some("enc-1")), GOOD),
        ("the secret that is in the set", by(&hmac(&"x".repeat(32)), HS256, Some("oct-1")), BAD),
        ("a kid that is a path", hs(r#"{"alg":"HS256","kid":"../../dev/null"}"#), GOOD),
        ("a kid that is a number", hs(r#"{"alg":"HS256","kid":1}"#), BAD),
        ("HS384", by(&hmac(SECRET), HS384, None), BAD),
        ("HS512", by(&hmac(SECRET), HS512, None), BAD),
        ("PS256 with the key for RS256", by(&rsa(), PS256, None), BAD),
        ("HS256 with the public key as the secret", by(&hmac(RSA_PUBLIC), HS256, None), BAD),
        ("the same without the last line end", by(&hmac(RSA_PUBLIC.trim()), HS256, None), BAD),
        ("HS256 with the point as the secret", by(&hmac(P256_PUBLIC), HS256, Some("ec-1")), BAD),
        (
            "HS256 that says RS256",
            { sign(&hmac(RSA_PUBLIC), HS256, r#"{"alg":"RS256"}"#, claims(&json!({}))) },
            BAD,
        ),
        (
            "ES256 that says HS256",
            { sign(&p256(), ES256, r#"{"alg":"HS256"}"#, claims(&json!({}))) },
            BAD,
        ),
        ("alg none", none("none"), BAD),
        ("alg None", none("None"), BAD),
        ("alg NONE", none("NONE"), BAD),
        ("alg none with a signature", format!("{}{signature}", none("none")), BAD),
        ("an empty alg", none(""), BAD),
        ("no alg", hs(r#"{"typ":"JWT"}"#), BAD),
        ("alg twice", hs(r#"{"alg":"none","alg":"HS256"}"#), BAD),
        ("alg in small letters", hs(r#"{"alg":"hs256"}"#), BAD),
        ("a list as alg", hs(r#"{"alg":["HS256"]}"#), BAD),
        ("an extension that must be understood", hs(r#"{"alg":"HS256","crit":["exp"]}"#), BAD),
        ("a header that is no object", hs(r#""HS256""#), BAD),
        ("a header that is no JSON", hs("{alg:HS256}"), BAD),
        ("a key of its own", hs(r#"{"alg":"RS256","jwk":{"kty":"RSA","n":"AQ","e":"AQAB"}}"#), BAD),
        ("without a signature", format!("{header}.{payload}."), BAD),
        ("two parts", format!("{header}.{payload}"), BAD),
        ("one part", header.to_owned(), BAD),
        ("four parts", format!("{good}.x"), BAD),
        ("dots alone", "..".to_owned(), BAD),
        ("a signature that is cut", good[..good.len() - 4].to_owned(), BAD),
        ("a signature that goes on", format!("{good}AAAA"), BAD),
        ("the signature of other claims", format!("{header}.{other}.{signature}"), BAD),
        (
            "the signature of another header",
            { format!("{}.{payload}.{signature}", encoded(r#"{"alg":"HS256"}"#)) },
            BAD,
        ),
        ("an ECDSA signature of zeros", format!("{es_message}.{}", encoded([0; 64])), BAD),
        ("base64 of the other alphabet", standard, BAD),
        ("base64 with padding", format!("{good}="), BAD),
        ("the token of another kind", "sesame".to_owned(), BAD),
    ]
}

/// Tokens whose claims are the point.
fn contents() -> Vec<Row> {
    let raw = |claims: &[u8]| sign(&hmac(SECRET), HS256, r#"{"alg":"HS256"}"#, claims);
    let t = now();
    let with = |changes: Value| token(&changes);
    let deep = format!(r#"{{"x":{}{}}}"#, "[".repeat(1000), "]".repeat(1000));
    vec![
        ("exp far away", with(json!({ "exp": 99_999_999_999_u64 })), GOOD),
        ("exp beyond every clock", with(json!({ "exp": 1e300 })), GOOD),
        ("exp with a fraction", with(json!({ "exp": t as f64 + 60.5 })), GOOD),
        ("exp past, within the leeway", with(json!({ "exp": t - 60 })), GOOD),
        ("exp past, beyond the leeway", with(json!({ "exp": t - LEEWAY - 1 })), EXPIRED),
        ("exp past by the leeway", with(json!({ "exp": t - LEEWAY })), EXPIRED),
        ("exp of last year", with(json!({ "exp": t - 31_536_000 })), EXPIRED),
        ("exp 0", with(json!({ "exp": 0 })), EXPIRED),
        ("exp below 0", with(json!({ "exp": -1 })), EXPIRED),
        ("no exp", with(json!({ "exp": null })), BAD),
        ("exp null", raw(br#"{"exp":null}"#), BAD),
        ("exp as a string", with(json!({ "exp": (t + 60).to_string() })), BAD),
        ("exp as a date", with(json!({ "exp": "2099-01-01" })), BAD),
        ("exp true", with(json!({ "exp": true })), BAD),
        ("exp in a list", with(json!({ "exp": [t + 60] })), BAD),
        ("exp infinite", raw(br#"{"exp":1e999}"#), BAD),
        ("exp not a number", raw(br#"{"exp":NaN}"#), BAD),
        ("exp twice", raw(format!(r#"{{"exp":{},"exp":{}}}"#, t + 60, t + 60).as_bytes()), BAD),
        ("nbf past", with(json!({ "nbf": t - 60 })), GOOD),
        ("nbf to come, within the leeway", with(json!({ "nbf": t + 60 })), GOOD),
        ("nbf to come, beyond the leeway", with(json!({ "nbf": t + 2 * LEEWAY })), BAD),
        ("nbf as a string", with(json!({ "nbf": t.to_string() })), BAD),
        ("nbf beyond every clock", with(json!({ "nbf": 1e300 })), BAD),
        ("iat to come", with(json!({ "iat": t + 3_600 })), GOOD),
        ("no issuer", with(json!({ "iss": null })), BAD),
        ("another issuer", with(json!({ "iss": "https://evil.example" })), BAD),
        ("an issuer that begins alike", with(json!({ "iss": "https://auth.example.evil" })), BAD),
        ("an issuer with a slash", with(json!({ "iss": "https://auth.example/" })), BAD),
        ("an issuer that is a number", with(json!({ "iss": 7 })), BAD),
        ("audience in a list", with(json!({ "aud": ["other", "fanfare"] })), GOOD),
        ("no audience", with(json!({ "aud": null })), BAD),
        ("another audience", with(json!({ "aud": "other" })), BAD),
        ("an audience in other letters", with(json!({ "aud": "Fanfare" })), BAD),
        ("other audiences", with(json!({ "aud": ["other", "fanfare2"] })), BAD),
        ("no audience in a list", with(json!({ "aud": [] })), BAD),
        ("an audience that is an object", with(json!({ "aud": { "fanfare": true } })), BAD),
        ("claims that nobody knows", with(json!({ "admin": true, "x": { "y": [1] } })), GOOD),
        ("claims in a list", raw(b"[]"), BAD),
        ("claims in a string", raw(br#""news""#), BAD),
        ("no claims", raw(b"{}"), BAD),
        ("claims that are no JSON", raw(b"exp=1"), BAD),
        ("claims that are no UTF-8", raw(b"{\"iss\":\"\xff\"}"), BAD),
        ("claims a thousand deep", raw(deep.as_bytes()), BAD),
        ("64 patterns", with(json!({ "subscribe": vec!["news"; 64] })), GOOD),
        ("65 patterns", with(json!({ "subscribe": vec!["news"; 65] })), BAD),
        ("a pattern of 255 bytes", with(json!({ "publish": ["x".repeat(255)] })), GOOD),
        ("a pattern of 256 bytes", with(json!({ "publish": ["x".repeat(256)] })), BAD),
        ("an empty pattern", with(json!({ "subscribe": ["news", ""] })), BAD),
        ("three stars", with(json!({ "subscribe": ["***"] })), BAD),
        ("a pattern alone", with(json!({ "subscribe": "news" })), BAD),
        ("patterns of numbers", with(json!({ "subscribe": [1] })), BAD),
        ("patterns in an object", with(json!({ "subscribe": { "news": true } })), BAD),
    ]
}

/// Tokens whose patterns are the point: what they say of the channel `news/uk`.
fn patterns() -> Vec<(&'static str, Value, Outcome)> {
    vec![
        ("its name", json!(["news/uk"]), GOOD),
        ("the last of many", json!(["a", "b/*", "news/uk"]), GOOD),
        ("a star for the segment", json!(["news/*"]), GOOD),
        ("a star for the other", json!(["*/uk"]), GOOD),
        ("a star for each", json!(["*/*"]), GOOD),
        ("a star within", json!(["n*s/u*"]), GOOD),
        ("two stars", json!(["**"]), GOOD),
        ("two stars behind", json!(["news/**"]), GOOD),
        ("two stars in front", json!(["**/uk"]), GOOD),
        ("two stars over the slash", json!(["ne**k"]), GOOD),
        ("a star, which stays in a segment", json!(["*"]), NOT_HERE),
        ("a star over the slash", json!(["news*"]), NOT_HERE),
        ("a star for nothing", json!(["news/uk*"]), NOT_HERE),
        ("two stars for nothing", json!(["news/uk**"]), NOT_HERE),
        ("two stars below it", json!(["news/uk/**"]), NOT_HERE),
        ("one star too many", json!(["*/*/*"]), NOT_HERE),
        ("the segment above", json!(["news"]), NOT_HERE),
        ("a beginning", json!(["news/u"]), NOT_HERE),
        ("an end", json!(["uk"]), NOT_HERE),
        ("more than it", json!(["news/uk/london"]), NOT_HERE),
        ("other letters", json!(["News/UK"]), NOT_HERE),
        ("with its slash", json!(["/news/uk"]), NOT_HERE),
        ("with a slash behind", json!(["news/uk/"]), NOT_HERE),
        ("as in a URL", json!(["news%2Fuk"]), NOT_HERE),
        ("a question mark", json!(["news/u?"]), NOT_HERE),
        ("a class of letters", json!(["news/[u]k"]), NOT_HERE),
        ("a regular expression", json!([".*"]), NOT_HERE),
        ("alternatives", json!(["{news/uk,sport}"]), NOT_HERE),
        ("a space behind", json!(["news/uk "]), NOT_HERE),
        ("a list that is empty", json!([]), NOT_HERE),
        ("no claim", Value::Null, NOT_HERE),
    ]
}

/// Returns rows that are asked on `WS PATH`, and the path of each.
fn rows() -> Vec<(&'static str, Row)> {
    let of_pattern = |(what, list, outcome)| (what, token(&json!({ "subscribe": list })), outcome);
    let on_news = forms().into_iter().chain(contents()).map(|row| ("/news", row));
    on_news.chain(patterns().into_iter().map(|row| ("/news/uk", of_pattern(row)))).collect()
}

#[test]
fn each_token_has_its_status_and_its_metric() {
    let server = Running::broadcast_with(options(), |builder| builder.reactors(1));
    let mut asker = Asker::new(server.address);
    let rows = rows();
    assert!(rows.len() >= 80, "{}", rows.len());
    for (path, (what, token, expected)) in rows {
        let header = format!("Authorization: Bearer {token}\r\n");
        let (outcome, answer, _) = asker.ask(&format!("WS {path}"), &header, &token);
        assert_eq!(outcome, expected, "{what}: {answer}");
        assert_eq!(answer.contains("invalid_token"), expected.0 == 401, "{what}: {answer}");
        let read = if expected.0 == 101 { (200, None) } else { expected };
        assert_eq!(asker.ask(&format!("GET {path}"), &header, &token).0, read, "{what}");
    }
    let (outcome, answer, _) = asker.ask("WS /news", "", "");
    assert_eq!(outcome, (401, Some("missing_credentials")));
    assert!(answer.contains("(\"WWW-Authenticate\", \"Bearer\")"), "{answer}");
}

#[test]
fn each_token_that_is_refused_is_told_by_a_close_code_if_the_operator_wants_it() {
    let options = BroadcastOptions { reject: Reject::Close, ..options() };
    let server = Running::broadcast_with(options, |builder| builder.reactors(1));
    let mut asker = Asker::new(server.address);
    for (path, (what, token, (status, reason))) in rows() {
        // What is not in the alphabet of subprotocols is not a handshake.
        if token.contains('=') || token.is_empty() {
            continue;
        }
        let offered = format!("Sec-WebSocket-Protocol: bearer, {token}\r\n");
        let (outcome, answer, mut peer) = asker.ask(&format!("WS {path}"), &offered, &token);
        assert_eq!(outcome, (101, reason), "{what}");
        assert!(answer.contains("(\"Sec-WebSocket-Protocol\", \"bearer\")"), "{what}: {answer}");
        if status != 101 {
            let frame = peer.frame();
            let (code, text) = frame.close().unwrap();
            assert_eq!(code, 4000 + status, "{what}");
            assert!(!text.is_empty() && !text.contains(&token), "{what}: {text}");
        }
    }
}

#[test]
fn a_token_is_8_kib_long_at_most() {
    let server = Running::broadcast_with(options(), |builder| builder.reactors(1));
    let mut asker = Asker::new(server.address);
    let padded = |bytes: usize| token(&json!({ "x": "y".repeat(bytes) }));
    let longest = (5_000..7_000).rev().map(padded).find(|token| token.len() <= 8_192).unwrap();
    for (token, expected) in [
        (longest.clone(), GOOD),
        (padded(6_200), BAD),
        (padded(9_000), BAD),
        (format!("{longest}{}", "A".repeat(8_193 - longest.len())), BAD),
        ("A".repeat(8_192), BAD),
        (".".repeat(8_192), BAD),
        ("A".repeat(17_000), (431, Some("too_large"))),
    ] {
        let header = format!("Authorization: Bearer {token}\r\n");
        assert_eq!(asker.ask("WS /news", &header, &token).0, expected, "{}", token.len());
    }
    assert!(longest.len() > 8_185, "{}", longest.len());
}

#[test]
fn a_key_fixes_its_algorithm_and_is_long_enough() {
    assert_eq!(JwtKey::secret(&[b'x'; 31]).err(), Some(JwtKeyError::ShortSecret));
    for (text, count) in [(RSA_PUBLIC, 1), (P256_PUBLIC, 1), (ED25519_PUBLIC, 1), (&key_set(), 2)] {
        assert_eq!(JwtKey::public(text).unwrap().len(), count);
    }
    let p384 = include_str!("keys/p384.pub.pem");
    let several = [RSA_PUBLIC, P256_PUBLIC].concat();
    let damaged = RSA_PUBLIC.replace("MIIB", "AAAA");
    for (text, expected) in [
        (include_str!("keys/rsa.pem"), JwtKeyError::Private),
        (include_str!("keys/p256.pem"), JwtKeyError::Private),
        (include_str!("keys/rsa1024.pub.pem"), JwtKeyError::ShortRsa),
        (p384, JwtKeyError::NoUsableKey),
        (&several, JwtKeyError::Several),
        (&damaged, JwtKeyError::NoUsableKey),
        ("", JwtKeyError::UnknownForm),
        ("secret", JwtKeyError::UnknownForm),
        (r#"{"keys":[]}"#, JwtKeyError::NoUsableKey),
        (r#"{"keys":[{"kty":"oct","k":"AAAA"}]}"#, JwtKeyError::NoUsableKey),
        (r#"{"keys":[{"kty":"RSA","n":"AQAB","e":"AQAB"}]}"#, JwtKeyError::ShortRsa),
        ("{", JwtKeyError::UnknownForm),
        (&" ".repeat(300_000), JwtKeyError::TooLarge),
    ] {
        assert_eq!(JwtKey::public(text).err(), Some(expected), "{expected}");
    }
    let key = JwtKey::secret(SECRET.as_bytes()).unwrap();
    assert!(!format!("{key:?}").contains("48") && !format!("{key:?}").contains(SECRET));
    assert!(!format!("{:?}", options()).contains(SECRET));
}

#[test]
fn a_post_takes_the_publish_claim_or_the_publish_key() {
    use fanfare::PublishPolicy::{All, None as Nobody, Token};
    let key = || Some(PublishKey::new("sesame").unwrap());
    let of = |subscribe: &[&str], publish: &[&str]| {
        let token = token(&json!({ "subscribe": subscribe, "publish": publish }));
        format!("Authorization: Bearer {token}\r\n")
    };
    let [publisher, reader, stranger] =
        [of(&[], &["news"]), of(&["news"], &["*/*"]), of(&["old"], &["old"])];
    let by_key = "Authorization: Bearer sesame\r\n".to_owned();
    let wrong = "Authorization: Bearer wrong\r\n".to_owned();
    let expired = format!("Authorization: Bearer {}\r\n", token(&json!({ "exp": 1 })));
    let missing = (401, Some("missing_credentials"));
    let forbidden = (403, Some("forbidden_publish"));
    let [sent, bad, past] = [(202, None), BAD, EXPIRED];
    // By row: none, the publish key, a wrong one, an expired token, and tokens to publish, to
    // subscribe, and for another channel.
    for (publish, publish_key, expected) in [
        (None, None, [missing, bad, bad, past, sent, forbidden, forbidden]),
        (None, key(), [missing, sent, bad, past, sent, forbidden, forbidden]),
        (Some(Token), key(), [missing, sent, bad, past, sent, forbidden, forbidden]),
        (Some(All), None, [missing, bad, bad, past, sent, sent, forbidden]),
        (Some(All), key(), [missing, sent, bad, past, sent, sent, forbidden]),
        (Some(Nobody), None, [forbidden; 7]),
        (Some(Nobody), key(), [missing, sent, bad, past, forbidden, forbidden, forbidden]),
    ] {
        let what = format!("{publish:?} {publish_key:?}");
        let options = BroadcastOptions { publish, publish_key, ..options() };
        let server = Running::broadcast_with(options, |builder| builder.reactors(1));
        let mut asker = Asker::new(server.address);
        let requests = ["", &by_key, &wrong, &expired, &publisher, &reader, &stranger];
        for (headers, expected) in requests.into_iter().zip(expected) {
            let (outcome, answer, _) = asker.ask("POST /news", headers, "");
            assert_eq!(outcome, expected, "{what} {headers}: {answer}");
        }
    }
}
