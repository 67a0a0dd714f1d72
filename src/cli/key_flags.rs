//! The publish key of `pub` and `top`.

use std::path::PathBuf;

use clap::ArgMatches;
use fanfare::PublishKey;

use super::given_secret::{self, GivenSecret};

/// Where the publish key of a client comes from.
#[derive(clap::Args)]
pub(crate) struct KeyFlags {
    /// The server's publish key
    #[arg(long, env = "FANFARE_PUBLISH_KEY", hide_env_values = true)]
    key: Option<String>,
    /// A file that holds the server's publish key
    #[arg(long, value_name = "FILE", env = "FANFARE_PUBLISH_KEY_FILE")]
    key_file: Option<PathBuf>,
}

impl KeyFlags {
    /// Returns the publish key, given directly or in a file.
    pub(crate) fn read(&self, matches: &ArgMatches) -> Result<Option<String>, String> {
        let kind = ("key", "FANFARE_PUBLISH_KEY");
        let given = (self.key.as_deref(), self.key_file.as_deref());
        let Some(GivenSecret { text, called }) = given_secret::read(matches, kind, given)? else {
            return Ok(None);
        };
        PublishKey::new(&text).map_err(|error| format!("{called}: {error}"))?;
        Ok(Some(text))
    }
}
