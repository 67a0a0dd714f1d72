//! Tokens (JWT, RFC 7519): whether one is good, and what it allows.

use std::fmt;
use std::time::Duration;

use jsonwebtoken::errors::{Error, ErrorKind};
use jsonwebtoken::{Algorithm, Header, Validation, decode, decode_header};
use serde::Deserialize;
use serde_json::Value;

use super::channel_pattern::ChannelPattern;
use super::jwt_key::JwtKey;
use super::mark::Mark;
use super::options::BroadcastOptions;

/// The longest token. The whole head of a request may have 16 KiB.
pub(crate) const TOKEN_BYTES_MAX: usize = 8 << 10;
/// The most patterns in one claim.
const PATTERNS_MAX: usize = 64;
/// The most issuers, and audiences, of a token that are remembered for a reload.
const NAMES_MAX: usize = 8;
/// The most keys that a token is tried with: checking a signature takes long.
const TRIES_MAX: usize = 8;

/// What a token allows, until when.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AccessToken {
    /// The channels that its bearer may read.
    pub subscribe: Vec<ChannelPattern>,
    /// The channels that its bearer may publish to.
    pub publish: Vec<ChannelPattern>,
    /// When the server stops to take it, leeway included: the time since 1970-01-01 UTC.
    pub expires: Duration,
}

/// Why a token is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TokenError {
    /// It is longer than 8 KiB.
    TooLong,
    /// It is not a signed token, or a claim or a header is not of its type.
    Malformed,
    /// No key of the server is of the algorithm and the key identifier that it names.
    UnknownKey,
    /// Its signature is not that of a key of the server.
    BadSignature,
    /// It has no `exp`.
    NoExpiry,
    /// Its `exp` has passed.
    Expired,
    /// Its `nbf` has not come yet.
    NotYet,
    /// Its `iss` is not the one that the server asks for.
    WrongIssuer,
    /// Its `aud` does not name this server.
    WrongAudience,
    /// `subscribe` or `publish` has too many patterns, or one that is not valid.
    BadPattern,
}

impl TokenError {
    /// Returns a text for people.
    #[must_use]
    pub const fn reason(self) -> &'static str {
        match self {
            TokenError::TooLong => "the token is longer than 8 KiB",
            TokenError::Malformed => "this is not a token, or one of its claims has a wrong type",
            TokenError::UnknownKey => "no key fits the alg and kid of the token",
            TokenError::BadSignature => "the signature of the token is wrong",
            TokenError::NoExpiry => "the token has no exp: tokens must end",
            TokenError::Expired => "the token has expired",
            TokenError::NotYet => "the token is not valid yet: nbf is in the future",
            TokenError::WrongIssuer => "the token is of another issuer: see --jwt-issuer",
            TokenError::WrongAudience => {
                "the token is for another audience: see aud and --jwt-audience"
            }
            TokenError::BadPattern => "subscribe or publish has a pattern that is not valid",
        }
    }
}

impl fmt::Display for TokenError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.reason())
    }
}

impl std::error::Error for TokenError {}

/// Which key has signed a token, and for whom it is. After a reload the token is judged again by
/// this.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Signed {
    key: Mark,
    /// The key identifier that the token names.
    id: Option<Mark>,
    issuers: Vec<Mark>,
    audiences: Vec<Mark>,
}

/// The claims that the server reads. The library checks `iss` and `aud`.
#[derive(Deserialize)]
struct Claims {
    exp: Option<f64>,
    nbf: Option<f64>,
    #[serde(default)]
    iss: Value,
    #[serde(default)]
    aud: Value,
    #[serde(default)]
    subscribe: Vec<String>,
    #[serde(default)]
    publish: Vec<String>,
}

impl AccessToken {
    /// Returns true if the token lets its bearer read a channel.
    #[must_use]
    pub fn may_subscribe(&self, channel: &str) -> bool {
        self.subscribe.iter().any(|pattern| pattern.matches(channel))
    }

    /// Returns true if the token lets its bearer publish to a channel.
    #[must_use]
    pub fn may_publish(&self, channel: &str) -> bool {
        self.publish.iter().any(|pattern| pattern.matches(channel))
    }
}

impl BroadcastOptions {
    /// Checks a token by the keys and rules of these options. `unix_time` is the time since
    /// 1970-01-01 UTC.
    ///
    /// # Errors
    ///
    /// The first rule that the token breaks.
    pub fn check_token(&self, token: &str, unix_time: Duration) -> Result<AccessToken, TokenError> {
        self.check_token_timed(token, unix_time).0.map(|(token, _)| token)
    }

    /// Like [`check_token`](Self::check_token). Also returns how it is signed, and about how long
    /// the check has taken: with several keys of one algorithm, a token that names none is tried
    /// with each.
    pub(crate) fn check_token_timed(
        &self,
        token: &str,
        unix_time: Duration,
    ) -> (Result<(AccessToken, Signed), TokenError>, Duration) {
        let mut taken = Duration::ZERO;
        if token.len() > TOKEN_BYTES_MAX {
            return (Err(TokenError::TooLong), taken);
        }
        let Ok(header) = decode_header(token) else { return (Err(TokenError::Malformed), taken) };
        // An extension that must be understood (RFC 7515 section 4.1.11): none is.
        if header.crit.is_some() {
            return (Err(TokenError::Malformed), taken);
        }
        let mut refusal = TokenError::UnknownKey;
        let keys = self.jwt_keys.iter().filter(|key| key.may_fit(&header));
        for key in keys.take(TRIES_MAX) {
            taken += key.checking_time();
            match decode::<Claims>(token, &key.key, &self.validation(key)) {
                Ok(data) => {
                    let signed = Signed::of(key, &header, &data.claims);
                    let token = self.judge(&data.claims, unix_time);
                    return (token.map(|token| (token, signed)), taken);
                }
                Err(error) => refusal = error.into(),
            }
            if refusal != TokenError::BadSignature {
                break;
            }
        }
        (Err(refusal), taken)
    }

    /// Checks a token again that was good by other options, apart from its times.
    pub(crate) fn check_signed(&self, signed: &Signed) -> Result<(), TokenError> {
        let is_key = |key: &JwtKey| {
            let named = key.id.as_ref().map(|id| Mark::of(id.as_bytes()));
            key.mark == signed.key && (named.is_none() || signed.id.is_none() || named == signed.id)
        };
        if !self.jwt_keys.iter().any(is_key) {
            return Err(TokenError::UnknownKey);
        }
        if self.jwt_issuer.as_ref().is_some_and(|one| !signed.issuers.contains(&Mark::of(one))) {
            return Err(TokenError::WrongIssuer);
        }
        let is_for_us = match &self.jwt_audience {
            Some(audience) => signed.audiences.contains(&Mark::of(audience)),
            None => signed.audiences.is_empty(),
        };
        if is_for_us { Ok(()) } else { Err(TokenError::WrongAudience) }
    }

    /// Returns what the library checks. It does not check times: it would read the clock itself.
    fn validation(&self, key: &JwtKey) -> Validation {
        let mut validation = Validation::new(key.algorithm);
        validation.validate_exp = false;
        validation.validate_nbf = false;
        validation.required_spec_claims.clear();
        if let Some(issuer) = &self.jwt_issuer {
            validation.set_issuer(&[issuer]);
            validation.required_spec_claims.insert("iss".to_owned());
        }
        if let Some(audience) = &self.jwt_audience {
            validation.set_audience(&[audience]);
            validation.required_spec_claims.insert("aud".to_owned());
        }
        validation
    }

    /// Decides on the claims of a token whose signature is good.
    fn judge(&self, claims: &Claims, unix_time: Duration) -> Result<AccessToken, TokenError> {
        let exp = moment(claims.exp.ok_or(TokenError::NoExpiry)?);
        let expires = exp.saturating_add(self.jwt_leeway);
        if expires <= unix_time {
            return Err(TokenError::Expired);
        }
        if claims.nbf.is_some_and(|nbf| moment(nbf) > unix_time.saturating_add(self.jwt_leeway)) {
            return Err(TokenError::NotYet);
        }
        Ok(AccessToken {
            subscribe: patterns(&claims.subscribe)?,
            publish: patterns(&claims.publish)?,
            expires,
        })
    }
}

impl Signed {
    fn of(key: &JwtKey, header: &Header, claims: &Claims) -> Signed {
        let id = header.kid.as_ref().map(Mark::of);
        Signed { key: key.mark, id, issuers: names(&claims.iss), audiences: names(&claims.aud) }
    }
}

/// Returns the marks of the names in a claim that is one or a list of them.
fn names(claim: &Value) -> Vec<Mark> {
    let of = |one: &Value| one.as_str().map(Mark::of);
    match claim.as_array() {
        Some(all) => all.iter().take(NAMES_MAX).filter_map(of).collect(),
        None => of(claim).into_iter().collect(),
    }
}

/// How long it takes to check a signature by a secret, and by the slowest of the other algorithms
/// (ES256; RS256 takes three quarters of it, EdDSA a fifth).
const HMAC_TIME: Duration = Duration::from_micros(10);
const SIGNATURE_TIME: Duration = Duration::from_micros(300);

/// Returns the moment of a `NumericDate` (RFC 7519 section 2). One before 1970 counts as 1970, and
/// one that is too far away to be counted as the last that can be.
fn moment(seconds: f64) -> Duration {
    match Duration::try_from_secs_f64(seconds) {
        Ok(moment) => moment,
        Err(_) if seconds > 0.0 => Duration::MAX,
        Err(_) => Duration::ZERO,
    }
}

fn patterns(texts: &[String]) -> Result<Vec<ChannelPattern>, TokenError> {
    if texts.len() > PATTERNS_MAX {
        return Err(TokenError::BadPattern);
    }
    texts.iter().map(|text| text.parse().map_err(|_| TokenError::BadPattern)).collect()
}

impl JwtKey {
    /// Returns true if a token with this header may be signed by this key.
    fn may_fit(&self, header: &Header) -> bool {
        let is_named = match (&self.id, &header.kid) {
            (Some(own), Some(named)) => **own == **named,
            (None, _) | (_, None) => true,
        };
        header.alg == self.algorithm && is_named
    }

    fn checking_time(&self) -> Duration {
        match self.algorithm {
            Algorithm::HS256 => HMAC_TIME,
            _ => SIGNATURE_TIME,
        }
    }
}

impl From<Error> for TokenError {
    fn from(error: Error) -> TokenError {
        match error.kind() {
            ErrorKind::InvalidSignature => TokenError::BadSignature,
            ErrorKind::InvalidIssuer => TokenError::WrongIssuer,
            ErrorKind::InvalidAudience => TokenError::WrongAudience,
            ErrorKind::MissingRequiredClaim(claim) if claim == "iss" => TokenError::WrongIssuer,
            ErrorKind::MissingRequiredClaim(_) => TokenError::WrongAudience,
            ErrorKind::InvalidAlgorithm => TokenError::UnknownKey,
            _ => TokenError::Malformed,
        }
    }
}

#[cfg(test)]
mod tests {
    use jsonwebtoken::{EncodingKey, encode};
    use serde_json::json;

    use super::*;

    #[test]
    fn each_key_that_a_token_is_tried_with_counts_as_work() {
        let secret = |number: usize| format!("{number:032}");
        let options = |keys: usize| BroadcastOptions {
            jwt_keys: (0..keys)
                .map(|number| JwtKey::secret(secret(number).as_bytes()).unwrap())
                .collect(),
            ..BroadcastOptions::default()
        };
        let by = |algorithm, number| {
            let key = EncodingKey::from_secret(secret(number).as_bytes());
            encode(&Header::new(algorithm), &json!({ "exp": 60 }), &key).unwrap()
        };
        let hs = Algorithm::HS256;
        for (keys, token, tries) in [
            (1, by(hs, 0), 1),
            (3, by(hs, 0), 1),
            (3, by(hs, 2), 3),
            (3, by(hs, 99), 3),
            (20, by(hs, 99), 8),
            (3, by(Algorithm::HS512, 0), 0),
            (3, "x".repeat(9_000), 0),
            (3, "a.b.c".to_owned(), 0),
        ] {
            let (_, taken) = options(keys).check_token_timed(&token, Duration::ZERO);
            assert_eq!(taken, HMAC_TIME * tries, "{keys} keys");
        }
    }
}
