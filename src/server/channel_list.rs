//! `/-/channels`: the channels, by subscribers, rate or lag, as JSON.

use percent_encoding::percent_decode;
use serde::Serialize;

use crate::protocol::{Request, Response};
use crate::reactor::{
    CHANNELS_LISTED_MAX, ChannelListing, ChannelQuery, ChannelSort, NotPublished, Ticket, Visitor,
};

use super::channel_answers::json;
use super::rejection::Rejection;

/// The channels that are listed where the query does not say how many.
const LIMIT_DEFAULT: usize = 100;

const BAD_SORT: &str = "bad query: sort is subscribers, rate or lag";
const BAD_LIMIT: &str = "bad query: limit is a number from 1 to 1000";
const BAD_FILTER: &str = "bad query: filter is not percent-encoded UTF-8";
const BAD_NAME: &str = "bad query: this page takes filter, sort and limit";

/// Asks for the list that a request wants.
pub(crate) fn ask(
    visitor: &mut Visitor<'_>,
    request: &Request<'_>,
) -> Result<Result<Ticket, NotPublished>, Rejection> {
    let query = parse(request.query().unwrap_or_default()).map_err(Rejection::Query)?;
    Ok(visitor.list_channels(query))
}

/// Reads a query, in the form that browsers give to it: a space is `+` or `%20`.
fn parse(query: &str) -> Result<ChannelQuery, &'static str> {
    let mut parsed =
        ChannelQuery { filter: Box::default(), sort: ChannelSort::default(), limit: LIMIT_DEFAULT };
    for parameter in query.split('&').filter(|parameter| !parameter.is_empty()) {
        let (name, value) = parameter.split_once('=').unwrap_or((parameter, ""));
        match name {
            "filter" => {
                let spaced = value.replace('+', " ");
                let decoded = percent_decode(spaced.as_bytes()).decode_utf8();
                parsed.filter = decoded.map_err(|_| BAD_FILTER)?.into();
            }
            "sort" => {
                parsed.sort = match value {
                    "subscribers" => ChannelSort::Subscribers,
                    "rate" => ChannelSort::Rate,
                    "lag" => ChannelSort::Lag,
                    _ => return Err(BAD_SORT),
                }
            }
            "limit" => {
                let is_allowed = |limit: &usize| (1..=CHANNELS_LISTED_MAX).contains(limit);
                parsed.limit = value.parse().ok().filter(is_allowed).ok_or(BAD_LIMIT)?;
            }
            _ => return Err(BAD_NAME),
        }
    }
    Ok(parsed)
}

/// Returns the answer with a list; 503 if there is none.
pub(crate) fn answer(listing: Option<&ChannelListing>) -> Response {
    match listing {
        Some(listing) => json(200, &ChannelsAnswer::new(listing)),
        None => Response::text(503, "not every reactor has answered: see /-/healthz\n")
            .header("Retry-After", "1"),
    }
}

/// A list of channels as JSON has it.
#[derive(Serialize)]
struct ChannelsAnswer<'n> {
    channels: Vec<ChannelRow<'n>>,
    more: bool,
}

#[derive(Serialize)]
struct ChannelRow<'n> {
    channel: &'n str,
    subscribers: u64,
    rate: f64,
    lag: u64,
    kept_bytes: u64,
    messages: u64,
}

impl ChannelsAnswer<'_> {
    fn new(listing: &ChannelListing) -> ChannelsAnswer<'_> {
        let rows = listing.channels.iter().map(|one| ChannelRow {
            channel: &one.name,
            subscribers: one.subscribers,
            rate: (one.rate * 100.0).round() / 100.0,
            lag: one.lag,
            kept_bytes: one.kept_bytes,
            messages: one.messages,
        });
        ChannelsAnswer { channels: rows.collect(), more: listing.more }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::reactor::ListedChannel;

    #[test]
    fn a_query_is_read_as_browsers_write_it() {
        let query = parse("filter=caf%C3%A9+%2B&sort=lag&limit=1000").unwrap();
        assert_eq!(&*query.filter, "caf\u{e9} +");
        assert_eq!((query.sort, query.limit), (ChannelSort::Lag, 1000));
        let query = parse("").unwrap();
        assert_eq!((&*query.filter, query.sort, query.limit), ("", ChannelSort::Subscribers, 100));
    }

    #[test]
    fn a_query_with_a_mistake_says_what_is_right() {
        for (query, text) in [
            ("sort=name", BAD_SORT),
            ("sort", BAD_SORT),
            ("limit=0", BAD_LIMIT),
            ("limit=1001", BAD_LIMIT),
            ("limit=-1", BAD_LIMIT),
            ("limit=99999999999999999999", BAD_LIMIT),
            ("filter=%ff", BAD_FILTER),
            ("token=secret", BAD_NAME),
        ] {
            assert_eq!(parse(query), Err(text), "{query}");
        }
    }

    #[test]
    fn names_are_escaped_and_rates_rounded() {
        let one = ListedChannel {
            name: "a\"\\\u{2028}</script>".into(),
            subscribers: 2,
            rate: 1.0 / 3.0,
            ..ListedChannel::default()
        };
        let listing = ChannelListing { channels: vec![one], more: true };
        let text = serde_json::to_string(&ChannelsAnswer::new(&listing)).unwrap();
        let body: serde_json::Value = serde_json::from_str(&text).unwrap();
        assert_eq!(body["channels"][0]["channel"], "a\"\\\u{2028}</script>");
        assert_eq!(body["channels"][0]["rate"], 0.33);
        assert_eq!(body["more"], true);
        assert_eq!(answer(None).status(), 503);
    }
}
