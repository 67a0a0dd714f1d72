//! The token of `pub` and `sub`.

use std::path::PathBuf;

use clap::ArgMatches;

use super::given_secret::{self, GivenSecret};

/// Where the token of a client comes from.
#[derive(clap::Args)]
pub(crate) struct TokenFlags {
    /// A token that the server takes
    #[arg(long, env = "FANFARE_TOKEN", hide_env_values = true)]
    token: Option<String>,
    /// A file that holds a token
    #[arg(long, value_name = "FILE", env = "FANFARE_TOKEN_FILE")]
    token_file: Option<PathBuf>,
}

impl TokenFlags {
    /// Returns the token, given directly or in a file.
    pub(crate) fn read(&self, matches: &ArgMatches) -> Result<Option<String>, String> {
        let kind = ("token", "FANFARE_TOKEN");
        let given = (self.token.as_deref(), self.token_file.as_deref());
        let Some(GivenSecret { text, called }) = given_secret::read(matches, kind, given)? else {
            return Ok(None);
        };
        checked(&text, &called).map(Some)
    }
}

/// Returns a token that can be sent. A line end in it would begin another header.
fn checked(token: &str, what: &str) -> Result<String, String> {
    if token.is_empty() {
        return Err(format!("{what} is empty"));
    }
    if !token.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Err(format!("{what} holds a space or a character that is not ASCII"));
    }
    Ok(token.to_owned())
}
