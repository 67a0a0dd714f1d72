//! The keys that tokens are checked with.

use std::fmt;

use jsonwebtoken::jwk::{
    AlgorithmParameters, EllipticCurve, Jwk, JwkSet, KeyAlgorithm, KeyOperations, PublicKeyUse,
};
use jsonwebtoken::{Algorithm, DecodingKey, DecodingKeyKind, crypto};

use super::mark::Mark;

/// The shortest secret: as long as the hash (RFC 7518 section 3.2). Whoever has a token can try out
/// secrets as fast as his machines allow.
const SECRET_BYTES_MIN: usize = 32;
/// The shortest modulus of an RSA key (RFC 7518 section 3.3: 2048 bits).
const MODULUS_BYTES_MIN: usize = 256;
/// The size of a point on P-256, uncompressed.
const P256_BYTES: usize = 65;
/// The largest file of keys.
const FILE_BYTES_MAX: usize = 256 << 10;
/// The most keys in one file. A token that names no key is tried with each of its algorithm.
const KEYS_MAX: usize = 32;

/// A key that tokens (JWT, RFC 7519) are checked with. It fixes the algorithm; what a token says
/// about its algorithm only selects among the keys.
#[derive(Clone)]
pub struct JwtKey {
    pub(super) algorithm: Algorithm,
    /// The identifier of the key, if it has one. It is then used only for tokens that name it, or
    /// that name none.
    pub(super) id: Option<Box<str>>,
    pub(super) key: DecodingKey,
    /// Stands for the algorithm and the key, without the identifier.
    pub(super) mark: Mark,
}

/// Why something is not a [`JwtKey`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum JwtKeyError {
    /// The secret has fewer than 32 bytes.
    ShortSecret,
    /// The file is larger than 256 KiB, or holds more than 32 keys.
    TooLarge,
    /// The file is neither PEM nor a JSON Web Key Set.
    UnknownForm,
    /// The file holds a private key.
    Private,
    /// The file holds several keys in PEM.
    Several,
    /// The key has fewer than 2048 bits.
    ShortRsa,
    /// The set holds a secret, or no key for RS256, ES256 or EdDSA.
    NoUsableKey,
    /// The key is damaged.
    Damaged,
}

impl fmt::Display for JwtKeyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            JwtKeyError::ShortSecret => {
                "the secret is too short to be safe: it needs 32 bytes or more, such as those of \
                 `openssl rand -hex 32`"
            }
            JwtKeyError::TooLarge => "there are more than 256 KiB or more than 32 keys",
            JwtKeyError::UnknownForm => {
                "this is neither a public key in PEM (BEGIN PUBLIC KEY) nor a JSON Web Key Set"
            }
            JwtKeyError::Private => {
                "this is a private key: keep it where tokens are made, and give the server the \
                 public one (openssl pkey -pubout)"
            }
            JwtKeyError::Several => "there are several keys in PEM: give each a file of its own",
            JwtKeyError::ShortRsa => "an RSA key needs 2048 bits or more",
            JwtKeyError::NoUsableKey => {
                "there is no public key for RS256, ES256 (P-256) or EdDSA (Ed25519)"
            }
            JwtKeyError::Damaged => "the key cannot be read: it is damaged",
        })
    }
}

impl std::error::Error for JwtKeyError {}

impl From<jsonwebtoken::errors::Error> for JwtKeyError {
    fn from(_: jsonwebtoken::errors::Error) -> JwtKeyError {
        JwtKeyError::Damaged
    }
}

/// Two keys are equal if they are the same key for the same algorithm, under the same identifier.
impl PartialEq for JwtKey {
    fn eq(&self, other: &JwtKey) -> bool {
        self.mark == other.mark && self.id == other.id
    }
}

impl Eq for JwtKey {}

/// Does not show the key.
impl fmt::Debug for JwtKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "JwtKey({:?}, ..)", self.algorithm)
    }
}

impl JwtKey {
    /// Makes a key for HS256 of a secret that the server shares with whoever makes the tokens.
    ///
    /// # Errors
    ///
    /// [`JwtKeyError::ShortSecret`].
    pub fn secret(secret: &[u8]) -> Result<JwtKey, JwtKeyError> {
        if secret.len() < SECRET_BYTES_MIN {
            return Err(JwtKeyError::ShortSecret);
        }
        let key = DecodingKey::from_secret(secret);
        Ok(JwtKey::new(Algorithm::HS256, None, key))
    }

    /// Reads public keys from the text of a file: one key in PEM, or a JSON Web Key Set (RFC 7517).
    /// An RSA key is for RS256, one on the curve P-256 for ES256, and Ed25519 for EdDSA. Keys of a
    /// set that are for something else are passed over.
    ///
    /// # Errors
    ///
    /// [`JwtKeyError`].
    pub fn public(text: &str) -> Result<Vec<JwtKey>, JwtKeyError> {
        if text.len() > FILE_BYTES_MAX {
            return Err(JwtKeyError::TooLarge);
        }
        let keys = match text.trim_start().starts_with('{') {
            true => of_set(text)?,
            false => vec![of_pem(text)?],
        };
        for key in &keys {
            key.check()?;
        }
        Ok(keys)
    }

    fn new(algorithm: Algorithm, id: Option<Box<str>>, key: DecodingKey) -> JwtKey {
        let mark = match key.kind() {
            DecodingKeyKind::SecretOrDer(bytes) => {
                Mark::of([&[algorithm as u8], &bytes[..]].concat())
            }
            DecodingKeyKind::RsaModulusExponent { n, e } => {
                Mark::of([&n[..], b" ", &e[..]].concat())
            }
        };
        JwtKey { algorithm, id, key, mark }
    }

    /// Checks that the key is one of its algorithm, and long enough.
    fn check(&self) -> Result<(), JwtKeyError> {
        if self.algorithm == Algorithm::RS256 {
            let bytes = match self.key.kind() {
                // The key is the modulus and a few bytes more.
                DecodingKeyKind::SecretOrDer(der) => der.len(),
                DecodingKeyKind::RsaModulusExponent { n, .. } => n.len(),
            };
            if bytes < MODULUS_BYTES_MIN {
                return Err(JwtKeyError::ShortRsa);
            }
        }
        // A signature that is wrong is no error here, but a key that cannot be used is.
        crypto::verify(&"A".repeat(86), b"", &self.key, self.algorithm)?;
        Ok(())
    }
}

fn of_pem(text: &str) -> Result<JwtKey, JwtKeyError> {
    if text.contains("PRIVATE KEY-----") {
        return Err(JwtKeyError::Private);
    }
    match text.matches("-----BEGIN ").count() {
        0 => return Err(JwtKeyError::UnknownForm),
        1 => {}
        _ => return Err(JwtKeyError::Several),
    }
    if !text.contains("-----BEGIN PUBLIC KEY-----")
        && !text.contains("-----BEGIN RSA PUBLIC KEY-----")
    {
        return Err(JwtKeyError::UnknownForm);
    }
    let pem = text.trim().as_bytes();
    let key = |algorithm, key| JwtKey::new(algorithm, None, key);
    let is_on_p256 =
        |one: &DecodingKey| one.try_get_as_bytes().is_ok_and(|point| point.len() == P256_BYTES);
    let found = if let Ok(one) = DecodingKey::from_ed_pem(pem) {
        Some(key(Algorithm::EdDSA, one))
    } else if let Ok(one) = DecodingKey::from_ec_pem(pem) {
        is_on_p256(&one).then(|| key(Algorithm::ES256, one))
    } else {
        DecodingKey::from_rsa_pem(pem).ok().map(|one| key(Algorithm::RS256, one))
    };
    found.ok_or(JwtKeyError::NoUsableKey)
}

fn of_set(text: &str) -> Result<Vec<JwtKey>, JwtKeyError> {
    let set: JwkSet = serde_json::from_str(text).map_err(|_| JwtKeyError::UnknownForm)?;
    if set.keys.len() > KEYS_MAX {
        return Err(JwtKeyError::TooLarge);
    }
    let mut keys = Vec::new();
    for jwk in &set.keys {
        if let Some(algorithm) = algorithm_of(jwk) {
            let id = jwk.common.key_id.as_deref().map(Box::from);
            keys.push(JwtKey::new(algorithm, id, DecodingKey::from_jwk(jwk)?));
        }
    }
    if keys.is_empty() { Err(JwtKeyError::NoUsableKey) } else { Ok(keys) }
}

/// Returns the algorithm that a key of a set is for, if it may check signatures by one of those
/// that are taken.
fn algorithm_of(jwk: &Jwk) -> Option<Algorithm> {
    let common = &jwk.common;
    let for_signatures = common
        .public_key_use
        .as_ref()
        .is_none_or(|one| *one == PublicKeyUse::Signature)
        && common.key_operations.as_ref().is_none_or(|all| all.contains(&KeyOperations::Verify));
    let (algorithm, named) = match &jwk.algorithm {
        AlgorithmParameters::RSA(_) => (Algorithm::RS256, KeyAlgorithm::RS256),
        AlgorithmParameters::EllipticCurve(key) if key.curve == EllipticCurve::P256 => {
            (Algorithm::ES256, KeyAlgorithm::ES256)
        }
        AlgorithmParameters::OctetKeyPair(key) if key.curve == EllipticCurve::Ed25519 => {
            (Algorithm::EdDSA, KeyAlgorithm::EdDSA)
        }
        _ => return None,
    };
    let fits = common.key_algorithm.is_none_or(|one| one == named);
    (for_signatures && fits).then_some(algorithm)
}
