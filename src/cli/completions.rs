//! `fanfare completions SHELL`: what a shell needs to complete the flags.

use std::io;

use clap::Command;
use clap_complete::Shell;

use super::terminal::print;

/// Print the completions of a shell: save them where it looks for completions
#[derive(clap::Args)]
#[command(hide = true)]
pub(crate) struct Completions {
    shell: Shell,
}

impl Completions {
    /// Prints the completions of `command`.
    pub(crate) fn run(&self, mut command: Command) -> Result<(), String> {
        let mut script = Vec::new();
        clap_complete::generate(self.shell, &mut command, "fanfare", &mut script);
        print(|out| io::Write::write_all(out, &script))
    }
}
