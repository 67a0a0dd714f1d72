//! Where things stand in the configuration file.

use std::ops::Range;
use std::path::{Path, PathBuf};

use super::config_error::ConfigError;

/// The path of the file, and where its lines begin; not its text, which may hold secrets.
#[derive(Clone, Debug, Default)]
pub(crate) struct ConfigFile {
    path: PathBuf,
    /// The place of each line end, in bytes.
    line_ends: Vec<usize>,
}

impl ConfigFile {
    /// Notes where things stand in a file whose text is valid.
    pub(crate) fn new(path: &Path, text: &str) -> ConfigFile {
        let line_ends = text.bytes().enumerate().filter(|(_, byte)| *byte == b'\n');
        ConfigFile { path: path.to_owned(), line_ends: line_ends.map(|(place, _)| place).collect() }
    }

    /// Returns the number of the line in which something begins.
    pub(crate) fn line(&self, span: Range<usize>) -> usize {
        1 + self.line_ends.partition_point(|end| *end < span.start)
    }

    /// Says where something stands.
    pub(crate) fn place(&self, span: Range<usize>) -> String {
        format!("{}, line {}", self.path.display(), self.line(span))
    }

    /// Makes an error about what stands somewhere.
    pub(crate) fn error(&self, span: Range<usize>, text: String) -> ConfigError {
        ConfigError::Parse { path: self.path.clone(), line: self.line(span), text }
    }
}
