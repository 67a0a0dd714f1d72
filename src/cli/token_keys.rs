//! The keys of tokens, as flags and files give them.

use std::path::{Path, PathBuf};

use fanfare::JwtKey;

use super::config::{Config, Secret};
use super::config_error::ConfigError;
use super::text_file;

/// The most keys of one server.
const KEYS_MAX: usize = 64;

/// Returns the secrets, those that are given directly first.
pub(crate) fn secrets(given: &[Secret], files: &[PathBuf]) -> Result<Vec<String>, ConfigError> {
    let given = given.iter().map(|Secret(text)| Ok(text.clone()));
    given.chain(files.iter().map(|path| Ok(text_of(path)?.trim_end().to_owned()))).collect()
}

/// Reads all keys, and checks the settings that need one.
pub(crate) fn keys(config: &Config) -> Result<Vec<JwtKey>, ConfigError> {
    let mut keys = of_secrets(&secrets(&config.jwt_secret, &config.jwt_secret_file)?)?;
    for path in &config.jwt_public_key {
        keys.extend(of_public_file(path)?);
    }
    if keys.len() > KEYS_MAX {
        let text = format!(
            "--jwt-public-key: there are {} keys, and at most {KEYS_MAX} may be",
            keys.len()
        );
        return Err(ConfigError::Rule(text));
    }
    let needs_key = [
        ("--jwt-issuer", config.jwt_issuer.is_some()),
        ("--jwt-audience", config.jwt_audience.is_some()),
        ("--token-cookie", config.token_cookie.is_some()),
        ("--token-query", config.token_query),
    ];
    match needs_key.into_iter().find(|(_, is_set)| *is_set) {
        Some((flag, _)) if keys.is_empty() => Err(ConfigError::Rule(format!(
            "{flag} without a key: no token is needed; give a --jwt-secret, --jwt-secret-file or \
             --jwt-public-key"
        ))),
        _ => Ok(keys),
    }
}

/// Makes keys of secrets.
pub(crate) fn of_secrets(secrets: &[String]) -> Result<Vec<JwtKey>, ConfigError> {
    let wrong = |error| ConfigError::Rule(format!("--jwt-secret or --jwt-secret-file: {error}"));
    secrets.iter().map(|secret| JwtKey::secret(secret.as_bytes()).map_err(wrong)).collect()
}

/// Reads the public keys of a file.
pub(crate) fn of_public_file(path: &Path) -> Result<Vec<JwtKey>, ConfigError> {
    let wrong = |error| ConfigError::Rule(format!("--jwt-public-key {}: {error}", path.display()));
    JwtKey::public(&text_of(path)?).map_err(wrong)
}

fn text_of(path: &Path) -> Result<String, ConfigError> {
    let failed = |source| ConfigError::Read { path: path.to_owned(), source };
    text_file::read(path).map_err(failed)
}
