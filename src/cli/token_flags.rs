//! The token of `pub` and `sub`.

use std::path::PathBuf;

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
    pub(crate) fn read(&self) -> Result<Option<String>, String> {
        let path = match (&self.token, &self.token_file) {
            (Some(_), Some(_)) => {
                return Err(
                    "--token and --token-file (or their variables) are two tokens: give one"
                        .to_owned(),
                );
            }
            (token, None) => return Ok(token.clone()),
            (None, Some(path)) => path,
        };
        let failed = |error| format!("cannot read the token in {}: {error}", path.display());
        Ok(Some(std::fs::read_to_string(path).map_err(failed)?.trim_end().to_owned()))
    }
}
