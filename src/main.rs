//! The `fanfare` command.

#[expect(rustdoc::bare_urls, reason = "the doc comments of flags are their help texts")]
mod cli;

use std::process::ExitCode;

fn main() -> ExitCode {
    cli::main()
}
