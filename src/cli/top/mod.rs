//! `fanfare top`: what a server does, in a terminal.
//!
//! | file | holds |
//! |---|---|
//! | `asking` | asks the server for its figures, and says what is wrong if it does not tell them |
//! | `figures` | the figures of one moment, read from the text of `/-/metrics` |
//! | `overview` | what has changed between two moments |
//! | `board` | everything that is shown, with the past minutes |
//! | `drawing` | draws the board |
//! | `screen` | the terminal: keys, signals, and redrawing |
//! | `plain` | the same as plain text, once |
//! | `amounts` | numbers, bytes and times as people read them |

mod amounts;
mod asking;
mod board;
mod drawing;
mod figures;
mod overview;
mod plain;
mod screen;

use std::io::{self, IsTerminal};
use std::thread;
use std::time::Duration;

use clap::ArgMatches;

use super::client_tls::ClientTls;
use super::flag_values::Time;
use super::healthcheck;
use super::key_flags::KeyFlags;
use super::sources;
use super::terminal::print;
use super::tls_flags::TlsFlags;
use super::url::Url;

use asking::Asker;
use board::Board;

/// Show what a server does: connections, messages, times, refusals and the busiest channels. The
/// configuration is read as `serve` reads it
#[derive(clap::Args)]
#[command(
    after_help = "Keys: q ends; s, r and l sort the channels by subscribers, rate and lag.\n\n\
    Where the standard output is no terminal, or with --once, one overview is printed as text.\n\n\
    Exit codes: 0 fine; 1 the server is not there or does not tell: standard error says why; 2 the \
    command line is wrong."
)]
pub(crate) struct TopVerb {
    /// URL of the server [default: the address on which the configuration says that it listens]
    #[arg(env = "FANFARE_URL")]
    url: Option<Url>,
    /// The same as a flag, as the other verbs have it
    #[arg(long = "url", value_name = "URL")]
    url_flag: Option<Url>,
    #[command(flatten)]
    key: KeyFlags,
    #[command(flatten)]
    tls: TlsFlags,
    /// How often the server is asked
    #[arg(long, value_name = "TIME", default_value = "1s")]
    interval: Time,
    /// Print one overview as text, of what has happened in one interval
    #[arg(long)]
    once: bool,
}

/// More often than this the figures would be mostly about being asked for.
const INTERVAL_MIN: Duration = Duration::from_millis(100);

impl TopVerb {
    pub(crate) fn run(&self, matches: &ArgMatches) -> Result<(), String> {
        let interval = self.interval.0.max(INTERVAL_MIN);
        let mut asker = self.asker(matches)?;
        let mut board = Board::new(asker.url.to_string());
        // A server that is not there, or does not tell, is an error now, and later only news.
        board.take(asker.ask(board.sort));
        if let Some(trouble) = board.trouble {
            return Err(trouble);
        }
        if self.once || !io::stdout().is_terminal() {
            thread::sleep(interval);
            board.take(asker.ask(board.sort));
            return match &board.trouble {
                Some(trouble) => Err(trouble.clone()),
                None => print(|out| out.write_all(plain::text(&board).as_bytes())),
            };
        }
        screen::run(board, asker, interval)
    }

    /// Returns who asks the server that is named on the command line, or else the one that the
    /// configuration is for, with its key.
    fn asker(&self, matches: &ArgMatches) -> Result<Asker, String> {
        let key = self.key.read(matches)?;
        if let Some(url) = self.url_flag.as_ref().or(self.url.as_ref()) {
            let tls = ClientTls::new(url, &self.tls)?;
            return Ok(Asker::new(url.clone(), tls, key));
        }
        let (config, _) = sources::read(matches).map_err(|error| error.to_string())?;
        let url = healthcheck::url_of(&config)?;
        let tls = ClientTls::new(&url, healthcheck::flags_for_this_machine(&self.tls))?;
        let own = config.publish_key_text().map_err(|error| error.to_string())?;
        Ok(Asker::new(url, tls, key.or(own.map(|(key, _)| key))))
    }
}
