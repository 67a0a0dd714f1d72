//! `fanfare pub`: publishes by POST, over one connection.

use std::io::{self, BufRead, IsTerminal, Read, Write};

use clap::ArgMatches;

use super::client::{Client, advice};
use super::client_tls::ClientTls;
use super::key_flags::KeyFlags;
use super::terminal::print_foreign;
use super::tls_flags::TlsFlags;
use super::token_flags::TokenFlags;
use super::url::{ChannelUrl, Url};

/// Publish a message, or each line of the standard input
#[derive(clap::Args)]
#[command(
    after_help = "Each answer of the server is printed: the id of the message, and how many \
    subscribers there are.\n\n\
    Exit codes: 0 everything is published; 1 something is not, and nothing after it: standard \
    error says what and why; 2 the command line is wrong."
)]
pub(crate) struct Publish {
    /// The channel, such as news; or its whole URL, such as http://localhost:8080/news
    channel: String,
    /// The message; without one, each line of the standard input is a message
    message: Option<String>,
    /// Where the server is, if the channel is no URL
    #[arg(long, env = "FANFARE_URL", default_value = "http://localhost:8080")]
    url: Url,
    #[command(flatten)]
    key: KeyFlags,
    #[command(flatten)]
    token: TokenFlags,
    #[command(flatten)]
    tls: TlsFlags,
    /// Send a binary message; without MESSAGE all of the standard input is one message
    #[arg(long)]
    binary: bool,
}

/// The longest message that is read. Servers take less: `--max-message-size` is at most 1 GiB, and
/// 64 KiB by default.
const MESSAGE_BYTES_MAX: u64 = 1 << 30;

/// What all messages of one run have in common.
struct Posting<'p> {
    place: ChannelUrl,
    content_type: &'static str,
    authorization: Option<&'p str>,
}

impl Publish {
    pub(crate) fn run(&self, matches: &ArgMatches) -> Result<(), String> {
        let credentials = match self.key.read(matches)? {
            Some(key) => Some(key),
            None => self.token.read(matches)?,
        };
        let authorization = credentials.map(|key| format!("Bearer {key}"));
        let posting = Posting {
            place: ChannelUrl::new(&self.channel, &self.url)?,
            content_type: match self.binary {
                true => "application/octet-stream",
                false => "text/plain; charset=utf-8",
            },
            authorization: authorization.as_deref(),
        };
        let tls = ClientTls::new(&posting.place.server, &self.tls)?;
        let mut client = Client::connect(&posting.place.server, &tls)?;
        if let Some(message) = &self.message {
            return posting.publish(&mut client, message.as_bytes());
        }
        let mut input = io::stdin().lock();
        let unreadable = |error| format!("cannot read the standard input: {error}");
        let mut message = Vec::new();
        if self.binary {
            input.take(MESSAGE_BYTES_MAX + 1).read_to_end(&mut message).map_err(unreadable)?;
            check_length(&message)?;
            return posting.publish(&mut client, &message);
        }
        if input.is_terminal() {
            let place = &posting.place;
            // If standard error cannot be written, messages can still be published.
            let _ = writeln!(io::stderr(), "fanfare: each line is published to {place}");
        }
        for line in 1.. {
            let of_line = |error| format!("line {line}: {error}");
            let mut input = input.by_ref().take(MESSAGE_BYTES_MAX + 1);
            if input.read_until(b'\n', &mut message).map_err(unreadable)? == 0 {
                break;
            }
            check_length(&message).map_err(of_line)?;
            if client.has_ended() {
                client = Client::connect(&posting.place.server, &tls).map_err(of_line)?;
            }
            let text = message.strip_suffix(b"\n").unwrap_or(&message);
            let text = text.strip_suffix(b"\r").unwrap_or(text);
            posting.publish(&mut client, text).map_err(of_line)?;
            message.clear();
        }
        Ok(())
    }
}

/// Refuses a message that was not read whole.
fn check_length(message: &[u8]) -> Result<(), String> {
    match message.len() as u64 > MESSAGE_BYTES_MAX {
        true => Err("this message is longer than 1GiB, which no server takes".to_owned()),
        false => Ok(()),
    }
}

impl Posting<'_> {
    /// Publishes one message and prints the answer, which is JSON.
    fn publish(&self, client: &mut Client, message: &[u8]) -> Result<(), String> {
        let mut headers = vec![("Content-Type", self.content_type)];
        headers.extend(self.authorization.map(|value| ("Authorization", value)));
        let answer = client.request("POST", &self.place.target, &headers, message)?;
        match answer.status {
            200..=299 => print_foreign(answer.body.as_bytes(), ""),
            status => {
                let (place, body) = (&self.place, answer.body.trim_end());
                let advice = advice(status, self.authorization.is_some());
                Err(format!("not published to {place}: {status}: {body}{advice}"))
            }
        }
    }
}
