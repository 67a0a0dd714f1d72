//! The publish key of `pub` and `top`.

use std::cmp::Ordering;
use std::path::PathBuf;

use clap::ArgMatches;
use fanfare::PublishKey;

use super::{sources, text_file};

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
        let order = sources::compare(matches, "key", "key_file");
        let key = self.key.as_ref().filter(|_| order != Ordering::Less);
        let path = self.key_file.as_ref().filter(|_| order != Ordering::Greater);
        let path = match (key, path) {
            (Some(_), Some(_)) => {
                return Err(
                    "--key and --key-file (or their variables) are two keys: give one".to_owned()
                );
            }
            (None, None) => return Ok(None),
            (Some(key), None) => {
                let bad = |error| format!("--key (or FANFARE_PUBLISH_KEY): {error}");
                PublishKey::new(key).map_err(bad)?;
                return Ok(Some(key.clone()));
            }
            (None, Some(path)) => path,
        };
        let failed = |error| format!("cannot read the key in {}: {error}", path.display());
        let key = text_file::read(path).map_err(failed)?.trim_end().to_owned();
        let bad = |error| format!("the key in {}: {error}", path.display());
        PublishKey::new(&key).map_err(bad)?;
        Ok(Some(key))
    }
}
