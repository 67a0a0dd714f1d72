//! What can be wrong with a configuration, in words that say what to do.

use std::fmt;
use std::io;
use std::path::PathBuf;

/// What is wrong with a configuration.
#[derive(Debug)]
pub(crate) enum ConfigError {
    /// A file cannot be read.
    Read { path: PathBuf, source: io::Error },
    /// The file does not say what it should; the error names the key and the line.
    Parse { path: PathBuf, source: Box<toml::de::Error> },
    /// The key is given twice.
    TwoKeys,
    /// The key cannot be one.
    Key(fanfare::PublishKeyError),
    /// A variable that looks like one of ours and is none.
    UnknownVariable(String),
    /// Two values that do not go together.
    Rule(String),
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ConfigError::Read { path, source } => write!(f, "cannot read {}: {source}", path.display()),
            ConfigError::Parse { path, source } => write!(f, "{}: {source}", path.display()),
            ConfigError::TwoKeys => {
                f.write_str("--publish-key and --publish-key-file are both given: choose one")
            }
            ConfigError::Key(error) => write!(f, "--publish-key: {error}"),
            ConfigError::UnknownVariable(name) => {
                write!(
                    f,
                    "the environment variable {name} is not one that fanfare knows: see `fanfare serve --help`"
                )
            }
            ConfigError::Rule(text) => f.write_str(text),
        }
    }
}
