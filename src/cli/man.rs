//! `fanfare man DIR`: the man pages, made from the same texts as `--help`.

use std::path::PathBuf;

use clap::Command;

/// Write the man pages into a directory: fanfare.1, and one for each verb
#[derive(clap::Args)]
#[command(hide = true)]
pub(crate) struct Man {
    #[arg(value_name = "DIR")]
    directory: PathBuf,
}

impl Man {
    /// Writes the pages of `command`.
    pub(crate) fn run(&self, command: Command) -> Result<(), String> {
        let directory = &self.directory;
        clap_mangen::generate_to(command, directory)
            .map_err(|error| format!("cannot write man pages to {}: {error}", directory.display()))
    }
}
