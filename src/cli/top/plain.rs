//! The overview as plain text, for a file or a pipe.

use std::fmt::Write as _;

use crate::cli::terminal::harmless;

use super::amounts::{age, bytes, number, seconds};
use super::board::Board;
use super::overview::{Overview, PerSecond};

/// How many channels are listed.
const CHANNELS_MAX: usize = 10;

/// Returns the overview, one subject a line.
pub(super) fn text(board: &Board) -> String {
    let Some(overview) = &board.overview else { return String::new() };
    let mut text = format!("{}\n", headline(board, overview));
    for (subject, figures) in lines(overview) {
        // Writing to a string does not fail.
        let _ = writeln!(text, "{subject:<14}{figures}");
    }
    let _ = writeln!(text, "{:<14}{}", "refused", refusals(overview));
    if !board.channels.channels.is_empty() {
        let _ = writeln!(text, "\nsubscribers  messages/s       lag       kept  channel");
    }
    for one in board.channels.channels.iter().take(CHANNELS_MAX) {
        let (rate, kept) = (number(one.rate), bytes(one.kept_bytes as f64));
        let (subscribers, name) = (one.subscribers, harmless(one.channel.as_bytes()));
        let _ = writeln!(text, "{subscribers:>11}  {rate:>10}  {:>8}  {kept:>9}  {name}", one.lag);
    }
    if board.channels.more || board.channels.channels.len() > CHANNELS_MAX {
        text.push_str("and others\n");
    }
    text
}

/// Returns which server it is, and how it is.
pub(super) fn headline(board: &Board, overview: &Overview) -> String {
    let age = overview.age.map(|seconds| format!(", up {}", age(seconds))).unwrap_or_default();
    let draining = if overview.is_draining { ", about to end" } else { "" };
    let version = harmless(overview.version.as_bytes());
    format!("fanfare {version} at {}{age}{draining}", board.url)
}

/// Returns each subject and its figures.
pub(super) fn lines(overview: &Overview) -> Vec<(&'static str, String)> {
    let Overview { websockets, others, subscriptions, channels, pending, .. } = overview;
    let default = PerSecond::default();
    let pace = overview.pace.as_ref().unwrap_or(&default);
    let time = |time: Option<f64>| time.map_or("none".to_owned(), seconds);
    let [websockets, others, subscriptions, channels, pending] =
        [websockets, others, subscriptions, channels, pending].map(|count| number(*count));
    vec![
        (
            "connections",
            format!(
                "{websockets} WebSockets, {others} of HTTP, {}/s opened; {subscriptions} \
                 subscriptions, {channels} channels",
                number(pace.opened)
            ),
        ),
        ("messages", format!("{}/s", number(pace.messages))),
        (
            "deliveries",
            format!(
                "{}/s, {}/s dropped, {pending} pending",
                number(pace.deliveries),
                number(pace.dropped)
            ),
        ),
        ("bytes", format!("{}/s out, {}/s in", bytes(pace.sent_bytes), bytes(pace.received_bytes))),
        ("turn p99", time(pace.turn_p99)),
        ("delivery p99", time(pace.delivery_p99)),
        ("memory", memory(overview)),
    ]
}

/// Returns what the memory is used for.
pub(super) fn memory(overview: &Overview) -> String {
    let limit = overview.memory_limit.map(|limit| format!(" of {}", bytes(limit)));
    let resident = overview.resident_bytes.map(|all| format!(", {} in all", bytes(all)));
    let cores = overview.pace.as_ref().and_then(|pace| pace.cores);
    let cores = cores.map(|cores| format!("; {cores:.2} cores"));
    format!(
        "{}{} for channels{}{}",
        bytes(overview.log_bytes),
        limit.unwrap_or_default(),
        resident.unwrap_or_default(),
        cores.unwrap_or_default()
    )
}

/// Returns the refusals by reason, the most frequent first.
pub(super) fn refusals(overview: &Overview) -> String {
    let refusals = overview.refusals.iter().map(|one| {
        let reason = harmless(one.reason.as_bytes());
        format!("{reason} {}/s ({})", number(one.per_second), number(one.total))
    });
    let all: Vec<String> = refusals.collect();
    if all.is_empty() { "nothing".to_owned() } else { all.join(", ") }
}
