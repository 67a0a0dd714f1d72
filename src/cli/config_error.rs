//! Errors in a configuration; each text says what to do.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

#[derive(Debug)]
pub(crate) enum ConfigError {
    /// A file cannot be read.
    Read { path: PathBuf, source: io::Error },
    /// The file has an error. The text names the key but does not quote the line, which may hold
    /// the publish key.
    Parse { path: PathBuf, line: usize, text: String },
    /// The publish key is given twice: directly and as a file.
    TwoKeys,
    /// The text is not valid as a publish key; `place` is the flag that gives it.
    Key { place: String, error: fanfare::PublishKeyError },
    /// A variable begins with `FANFARE_` and belongs to no flag.
    UnknownVariable(String),
    /// A value is not allowed, by itself or together with another.
    Rule(String),
}

impl ConfigError {
    /// Makes the error for a configuration file that is not valid; `file` is its text.
    pub(crate) fn parse(path: &Path, file: &str, mut error: toml::de::Error) -> ConfigError {
        let at = error.span().map_or(0, |span| span.start);
        let line = 1 + file.bytes().take(at).filter(|byte| *byte == b'\n').count();
        // Without the text of the file, the error names the key, and cannot quote a line that may
        // hold the publish key.
        error.set_input(None);
        let text = error.to_string().trim_end().replace('\n', " ");
        ConfigError::Parse { path: path.to_owned(), line, text }
    }
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ConfigError::Read { path, source } => {
                write!(f, "cannot read {}: {source}", path.display())
            }
            ConfigError::Parse { path, line, text } => {
                write!(f, "{}, line {line}: {text}", path.display())
            }
            ConfigError::TwoKeys => {
                f.write_str("--publish-key and --publish-key-file are both given: choose one")
            }
            ConfigError::Key { place, error } => write!(f, "{place}: {error}"),
            ConfigError::UnknownVariable(name) => {
                write!(
                    f,
                    "the environment variable {name} is not one that fanfare knows: see \
                     `fanfare serve --help`"
                )
            }
            ConfigError::Rule(text) => f.write_str(text),
        }
    }
}
