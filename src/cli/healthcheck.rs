//! `fanfare healthcheck`: asks a server whether it is healthy, for containers.

use super::client::{Client, Url};

/// Exit with 0 if the server is well, with 1 if not
#[derive(clap::Args)]
pub(crate) struct Healthcheck {
    /// Where the server is
    #[arg(long, env = "FANFARE_URL", default_value = "http://127.0.0.1:8080")]
    url: Url,
}

impl Healthcheck {
    pub(crate) fn run(&self) -> Result<(), String> {
        let answer =
            Client::connect(&self.url)?.request("GET", &self.url.page("/-/healthz"), &[], &[])?;
        match answer.status {
            200 => Ok(()),
            status => Err(format!("{} answers {status}: {}", self.url, answer.body.trim_end())),
        }
    }
}
