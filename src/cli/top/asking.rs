//! Asks a server for its figures and its busiest channels, and says what is wrong if it does not
//! tell them.

use std::time::{Instant, SystemTime, UNIX_EPOCH};

use serde::Deserialize;

use crate::cli::client::Client;
use crate::cli::client_tls::ClientTls;
use crate::cli::url::Url;

use super::figures::Figures;

/// How many channels are asked for: more than fit on a screen.
const CHANNELS_MAX: usize = 100;

/// By what the channels are sorted.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum ChannelOrder {
    Subscribers,
    Rate,
    Lag,
}

impl ChannelOrder {
    pub(super) fn label(self) -> &'static str {
        match self {
            ChannelOrder::Subscribers => "subscribers",
            ChannelOrder::Rate => "rate",
            ChannelOrder::Lag => "lag",
        }
    }
}

/// What a server has told.
pub(crate) struct TopReply {
    pub(super) figures: Figures,
    /// The time of the wall clock then, in seconds.
    pub(super) unix_seconds: f64,
    /// The channels, and whether there are more. `None` if the server did not tell them.
    pub(super) channels: Option<BusiestChannels>,
}

/// The answer to `/-/channels`.
#[derive(Clone, Debug, Default, Deserialize)]
pub(crate) struct BusiestChannels {
    pub(super) channels: Vec<BusyChannel>,
    pub(super) more: bool,
}

/// A channel in that answer.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct BusyChannel {
    pub(super) channel: String,
    pub(super) subscribers: u64,
    pub(super) rate: f64,
    pub(super) lag: u64,
    pub(super) kept_bytes: u64,
}

/// A client that asks again and again.
pub(crate) struct Asker {
    pub(super) url: Url,
    /// The value of the header `Authorization`, if there is a key.
    authorization: Option<String>,
    tls: ClientTls,
    client: Option<Client>,
}

impl Asker {
    pub(super) fn new(url: Url, tls: ClientTls, key: Option<String>) -> Asker {
        let authorization = key.map(|key| format!("Bearer {key}"));
        Asker { url, authorization, tls, client: None }
    }

    /// Asks for everything that is shown. The error is a sentence for the user.
    pub(super) fn ask(&mut self, order: ChannelOrder) -> Result<TopReply, String> {
        let metrics = self.page("/-/metrics")?;
        let at = Instant::now();
        let figures = Figures::read(&metrics, at).ok_or_else(|| {
            format!("{} answers, but not as fanfare does: is it another program?", self.url)
        })?;
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let query = format!("/-/channels?sort={}&limit={CHANNELS_MAX}", order.label());
        // The figures are worth showing without the channels.
        let channels = self.page(&query).ok().and_then(|text| serde_json::from_str(&text).ok());
        Ok(TopReply { figures, unix_seconds: since.as_secs_f64(), channels })
    }

    /// Asks for a page, over the same connection as long as the server keeps it open.
    fn page(&mut self, page: &str) -> Result<String, String> {
        let kept = self.client.take();
        let mut client = match kept.and_then(|mut one| (!one.has_ended()).then_some(one)) {
            Some(client) => client,
            None => Client::connect(&self.url, &self.tls)?,
        };
        let authorization = self.authorization.as_deref();
        let headers: Vec<_> =
            authorization.map(|value| ("Authorization", value)).into_iter().collect();
        let answer = client.request("GET", &self.url.page(page), &headers, &[])?;
        if answer.status == 200 {
            self.client = Some(client);
            return Ok(answer.body);
        }
        let (status, body) = (answer.status, answer.body.lines().next().unwrap_or_default());
        let advice = advice(status, self.authorization.is_some());
        Err(format!("{} answers {status}: {body}{advice}", self.url))
    }
}

/// Returns what the user can do about a status, to be appended to the server's own text.
fn advice(status: u16, has_key: bool) -> &'static str {
    match (status, has_key) {
        (401 | 403, false) => {
            ". Give the server's publish key with --key-file FILE or in FANFARE_PUBLISH_KEY, or \
             ask at the address of its --admin-listen"
        }
        (401 | 403, true) => ". Is this the key that the server was started with?",
        (404, _) => ". Does it tell its figures at the address of its --admin-listen?",
        _ => "",
    }
}
