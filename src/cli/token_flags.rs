//! The token of `pub` and `sub`.

use std::cmp::Ordering;
use std::path::PathBuf;

use clap::ArgMatches;

use super::{sources, text_file};

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
        let order = sources::compare(matches, "token", "token_file");
        let token = self.token.as_ref().filter(|_| order != Ordering::Less);
        let path = self.token_file.as_ref().filter(|_| order != Ordering::Greater);
        let path = match (token, path) {
            (Some(_), Some(_)) => {
                return Err(
                    "--token and --token-file (or their variables) are two tokens: give one"
                        .to_owned(),
                );
            }
            (None, None) => return Ok(None),
            (Some(token), None) => return checked(token, "--token (or FANFARE_TOKEN)").map(Some),
            (None, Some(path)) => path,
        };
        let failed = |error| format!("cannot read the token in {}: {error}", path.display());
        let text = text_file::read(path).map_err(failed)?;
        checked(text.trim_end(), &format!("the token in {}", path.display())).map(Some)
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
