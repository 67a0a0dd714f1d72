//! `fanfare pub`: publishes by POST, over one connection.

use std::io::{self, BufRead, Read};

use super::client::{Client, Url};
use super::terminal::print_foreign;

/// Publish a message, or each line of the standard input
#[derive(clap::Args)]
pub(crate) struct Publish {
    /// The channel, such as news
    channel: String,
    /// The message; without one, each line of the standard input is a message
    message: Option<String>,
    /// Where the server is
    #[arg(long, env = "FANFARE_URL", default_value = "http://localhost:8080")]
    url: Url,
    /// The server's publish key
    #[arg(long, env = "FANFARE_PUBLISH_KEY", hide_env_values = true)]
    key: Option<String>,
    /// Send a binary message; without MESSAGE all of the standard input is one
    #[arg(long)]
    binary: bool,
}

impl Publish {
    pub(crate) fn run(&self) -> Result<(), String> {
        let mut client = Client::connect(&self.url)?;
        if let Some(message) = &self.message {
            return self.publish(&mut client, message.as_bytes());
        }
        let mut input = io::stdin().lock();
        let unreadable = |error| format!("cannot read the standard input: {error}");
        let mut message = Vec::new();
        if self.binary {
            input.read_to_end(&mut message).map_err(unreadable)?;
            return self.publish(&mut client, &message);
        }
        while input.read_until(b'\n', &mut message).map_err(unreadable)? > 0 {
            if client.has_ended() {
                client = Client::connect(&self.url)?;
            }
            let line = message.strip_suffix(b"\n").unwrap_or(&message);
            self.publish(&mut client, line.strip_suffix(b"\r").unwrap_or(line))?;
            message.clear();
        }
        Ok(())
    }

    /// Publishes one message and prints the answer, which is JSON.
    fn publish(&self, client: &mut Client, message: &[u8]) -> Result<(), String> {
        let content_type =
            if self.binary { "application/octet-stream" } else { "text/plain; charset=utf-8" };
        let authorization = self.key.as_ref().map(|key| format!("Bearer {key}"));
        let mut headers = vec![("Content-Type", content_type)];
        headers.extend(authorization.as_deref().map(|value| ("Authorization", value)));
        let answer = client.request("POST", &self.url.channel(&self.channel), &headers, message)?;
        match answer.status {
            200..=299 => print_foreign(answer.body.as_bytes(), ""),
            status => Err(format!("not published: {status}: {}", answer.body.trim_end())),
        }
    }
}
