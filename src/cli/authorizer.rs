//! `--authorize-url` and `--authorize-timeout`: the application that decides who may connect.

use std::time::Duration;

use fanfare::Authorizer;

use super::config::Config;
use super::config_error::ConfigError;

/// The longest time that a handshake may wait for the application. A browser gives up later.
const TIMEOUT_MAX: Duration = Duration::from_secs(60);

/// Returns the application that is asked, if any. `has_tokens`: there are keys for tokens.
pub(crate) fn authorizer(
    config: &Config,
    has_tokens: bool,
) -> Result<Option<Authorizer>, ConfigError> {
    let wrong = |text: &str| Err(ConfigError::Rule(text.to_owned()));
    let timeout = config.authorize_timeout.0;
    if timeout.is_zero() || timeout > TIMEOUT_MAX {
        return wrong(
            "--authorize-timeout must be more than zero and at most 1m: every handshake waits as \
             long where the application does not answer",
        );
    }
    match &config.authorize_url {
        Some(_) if has_tokens => wrong(
            "--authorize-url together with a key for tokens: one of them must decide who may \
             connect; the application is sent the token too, and can check it, so leave out \
             --jwt-secret, --jwt-secret-file and --jwt-public-key",
        ),
        Some(url) => Ok(Some(Authorizer { url: url.clone(), timeout })),
        None => Ok(None),
    }
}

#[cfg(test)]
mod tests {
    use super::super::flag_values::Time;
    use super::*;

    fn outcome(change: impl FnOnce(&mut Config), has_tokens: bool) -> Result<bool, String> {
        let url = "http://127.0.0.1:8000/".parse().ok();
        let mut config = Config { authorize_url: url, ..Config::default() };
        change(&mut config);
        let asked = authorizer(&config, has_tokens).map_err(|error| error.to_string())?;
        Ok(asked.is_some())
    }

    #[test]
    fn an_application_and_keys_for_tokens_exclude_each_other() {
        assert_eq!(outcome(|_| {}, false), Ok(true));
        assert_eq!(outcome(|config| config.authorize_url = None, true), Ok(false));
        let error = outcome(|_| {}, true).unwrap_err();
        assert!(error.contains("--authorize-url") && error.contains("--jwt-secret"), "{error}");
    }

    #[test]
    fn the_time_for_an_answer_has_bounds() {
        for (millis, is_good) in [(0, false), (1, true), (60_000, true), (60_001, false)] {
            let time = Time(Duration::from_millis(millis));
            let outcome = outcome(|config| config.authorize_timeout = time, false);
            assert_eq!(outcome.is_ok(), is_good, "{millis}: {outcome:?}");
        }
    }
}
