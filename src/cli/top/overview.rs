//! What a server has done between two moments, and what it holds at the second one.

use super::figures::Figures;

/// How long turns and deliveries take: of a hundred, all but one take less.
const QUANTILE: f64 = 0.99;

/// What is shown of a server, apart from its channels.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Overview {
    pub(super) version: String,
    /// How long the server has run, in seconds.
    pub(super) age: Option<u64>,
    pub(super) is_draining: bool,
    pub(super) websockets: f64,
    /// Connections that speak HTTP or have sent nothing yet.
    pub(super) others: f64,
    pub(super) subscriptions: f64,
    pub(super) channels: f64,
    /// Copies of messages that wait to be sent.
    pub(super) pending: f64,
    pub(super) log_bytes: f64,
    pub(super) memory_limit: Option<f64>,
    pub(super) resident_bytes: Option<f64>,
    /// What has happened since the moment before; `None` at the first one, and after the server
    /// was started again.
    pub(super) pace: Option<PerSecond>,
    /// Refusals by their reasons, the most frequent first.
    pub(super) refusals: Vec<RefusalPace>,
}

/// What happens in a second.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct PerSecond {
    pub(super) opened: f64,
    pub(super) messages: f64,
    pub(super) deliveries: f64,
    pub(super) dropped: f64,
    pub(super) sent_bytes: f64,
    pub(super) received_bytes: f64,
    /// Processor time, in cores.
    pub(super) cores: Option<f64>,
    /// In seconds; `None` if there was no turn or delivery.
    pub(super) turn_p99: Option<f64>,
    pub(super) delivery_p99: Option<f64>,
}

/// How often something was refused for one reason.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct RefusalPace {
    pub(super) reason: String,
    pub(super) per_second: f64,
    pub(super) total: f64,
}

impl Overview {
    /// Compares two moments. `unix_seconds` is the time of the wall clock at the second one.
    pub(super) fn between(before: Option<&Figures>, now: &Figures, unix_seconds: f64) -> Overview {
        let started = now.of("process_start_time_seconds");
        let is_same = |before: &&Figures| before.of("process_start_time_seconds") == started;
        let before = before.filter(is_same);
        let gauge = |name| now.of(name).unwrap_or_default();
        Overview {
            version: now.version().unwrap_or_default().to_owned(),
            age: started.map(|started| (unix_seconds - started).max(0.0) as u64),
            is_draining: gauge("fanfare_draining") > 0.0,
            websockets: now.with("fanfare_connections", "transport", "websocket"),
            others: now.with("fanfare_connections", "transport", "http"),
            subscriptions: gauge("fanfare_subscriptions"),
            channels: gauge("fanfare_channels"),
            pending: gauge("fanfare_messages_pending"),
            log_bytes: gauge("fanfare_channel_log_bytes"),
            memory_limit: now.of("fanfare_memory_limit_bytes"),
            resident_bytes: now.of("process_resident_memory_bytes"),
            pace: before.map(|before| PerSecond::between(before, now)),
            refusals: refusals(before, now),
        }
    }
}

/// Returns the time between two moments, in seconds.
fn elapsed(before: &Figures, now: &Figures) -> f64 {
    now.at.saturating_duration_since(before.at).as_secs_f64().max(1e-3)
}

impl PerSecond {
    fn between(before: &Figures, now: &Figures) -> PerSecond {
        let elapsed = elapsed(before, now);
        let rate = |name| (now.sum(name) - before.sum(name)).max(0.0) / elapsed;
        PerSecond {
            opened: rate("fanfare_connections_opened_total"),
            messages: rate("fanfare_messages_published_total"),
            deliveries: rate("fanfare_messages_delivered_total"),
            dropped: rate("fanfare_messages_dropped_total"),
            sent_bytes: rate("fanfare_sent_bytes_total"),
            received_bytes: rate("fanfare_received_bytes_total"),
            cores: now.of("process_cpu_seconds_total").map(|_| rate("process_cpu_seconds_total")),
            turn_p99: quantile("fanfare_turn_seconds", before, now),
            delivery_p99: quantile("fanfare_delivery_seconds", before, now),
        }
    }
}

/// Returns the quantile of what a histogram has counted between two moments. Within a bucket it is
/// interpolated, as Prometheus does; above the last bound it is that bound.
fn quantile(name: &str, before: &Figures, now: &Figures) -> Option<f64> {
    let (before, now) = (before.buckets(name), now.buckets(name));
    let counted = now.iter().enumerate().map(|(place, (bound, count))| {
        (*bound, count - before.get(place).map_or(0.0, |(_, count)| *count))
    });
    let counted: Vec<(f64, f64)> = counted.collect();
    let (_, total) = *counted.last()?;
    if total <= 0.0 {
        return None;
    }
    let rank = QUANTILE * total;
    let (mut from, mut below) = (0.0, 0.0);
    for (bound, count) in counted {
        if count >= rank {
            if bound.is_infinite() {
                return Some(from);
            }
            return Some(from + (bound - from) * (rank - below) / (count - below).max(1e-9));
        }
        (from, below) = (bound, count);
    }
    Some(from)
}

fn refusals(before: Option<&Figures>, now: &Figures) -> Vec<RefusalPace> {
    const NAME: &str = "fanfare_rejects_total";
    let of = |(total, reason): (f64, &str)| {
        let earlier = before.map(|before| (before.with(NAME, "reason", reason), before));
        let per_second =
            earlier.map_or(0.0, |(count, before)| (total - count).max(0.0) / elapsed(before, now));
        RefusalPace { reason: reason.to_owned(), per_second, total }
    };
    let refused = now.labelled(NAME, "reason").filter(|(total, _)| *total > 0.0);
    let mut refusals: Vec<RefusalPace> = refused.map(of).collect();
    refusals.sort_by(|one, other| {
        let by_pace = other.per_second.total_cmp(&one.per_second);
        by_pace.then(other.total.total_cmp(&one.total)).then(one.reason.cmp(&other.reason))
    });
    refusals
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use super::*;

    fn figures(at: Instant, text: &str) -> Figures {
        Figures::read(&format!("fanfare_build_info{{version=\"1.2\"}} 1\n{text}"), at).unwrap()
    }

    const BEFORE: &str = "process_start_time_seconds 1000\n\
        fanfare_messages_published_total{source=\"http\"} 10\n\
        fanfare_messages_published_total{source=\"websocket\"} 5\n\
        fanfare_rejects_total{reason=\"rate\"} 7\nfanfare_rejects_total{reason=\"method\"} 0\n\
        fanfare_turn_seconds_bucket{le=\"0.001\"} 100\n\
        fanfare_turn_seconds_bucket{le=\"0.01\"} 100\n\
        fanfare_turn_seconds_bucket{le=\"+Inf\"} 100\n";
    const AFTER: &str = "process_start_time_seconds 1000\n\
        fanfare_messages_published_total{source=\"http\"} 20\n\
        fanfare_messages_published_total{source=\"websocket\"} 15\n\
        fanfare_rejects_total{reason=\"rate\"} 7\nfanfare_rejects_total{reason=\"method\"} 4\n\
        fanfare_turn_seconds_bucket{le=\"0.001\"} 198\n\
        fanfare_turn_seconds_bucket{le=\"0.01\"} 200\n\
        fanfare_turn_seconds_bucket{le=\"+Inf\"} 200\n";

    #[test]
    fn rates_are_differences_by_the_time_between() {
        let start = Instant::now();
        let before = figures(start, BEFORE);
        let now = figures(start + Duration::from_secs(2), AFTER);
        let overview = Overview::between(Some(&before), &now, 1060.5);
        assert_eq!((overview.version.as_str(), overview.age), ("1.2", Some(60)));
        let pace = overview.pace.unwrap();
        assert_eq!(pace.messages, 10.0);
        // Of a hundred turns, 98 took a millisecond at most, and two up to ten.
        assert!((pace.turn_p99.unwrap() - 0.0055).abs() < 1e-9, "{:?}", pace.turn_p99);
        assert_eq!(pace.delivery_p99, None);
        let refused: Vec<_> =
            overview.refusals.iter().map(|one| (&*one.reason, one.per_second, one.total)).collect();
        assert_eq!(refused, [("method", 2.0, 4.0), ("rate", 0.0, 7.0)]);
    }

    #[test]
    fn a_server_that_was_started_again_has_no_pace_yet() {
        let start = Instant::now();
        let before = figures(start, AFTER);
        let again = BEFORE.replace("1000", "2000");
        let now = figures(start + Duration::from_secs(1), &again);
        assert_eq!(Overview::between(Some(&before), &now, 2001.0).pace, None);
        assert_eq!(Overview::between(None, &now, 2001.0).pace, None);
    }
}
