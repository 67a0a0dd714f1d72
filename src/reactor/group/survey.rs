//! Surveys: questions about all channels, to which every reactor contributes.
//!
//! A survey has two rounds. In the first each reactor offers the channels that might be on the
//! list; the reactor that was asked chooses among them. In the second each reactor adds what it
//! knows of those that were chosen, because the subscribers of one channel are on all reactors.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::hub::ReactorNumber;
use crate::reactor::ticket::Ticket;

/// The most channels in one list.
pub const CHANNELS_LISTED_MAX: usize = 1000;

/// The most surveys at the same time. They share the walks through the channels.
const SURVEYS_MAX: usize = 8;

/// What a list of channels is sorted by: the largest first. Channels that are equal in it are
/// sorted by name.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum ChannelSort {
    /// The number of subscribers.
    #[default]
    Subscribers,
    /// The number of messages a second.
    Rate,
    /// How far the slowest subscriber is behind.
    Lag,
}

/// Which channels are listed, and how.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ChannelQuery {
    /// Only channels whose names contain this text; empty for all.
    pub filter: Box<str>,
    /// The order.
    pub sort: ChannelSort,
    /// The most channels to return; at most [`CHANNELS_LISTED_MAX`].
    pub limit: usize,
}

/// One channel of a list.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct ListedChannel {
    /// The name of the channel.
    pub name: Box<str>,
    /// The number of subscribers on all reactors.
    pub subscribers: u64,
    /// The number of messages that were published since the channel was first used.
    pub messages: u64,
    /// Messages a second, over the time since the last list: at least one second, at most thirty.
    pub rate: f64,
    /// How many messages the slowest subscriber is behind, rounded up to the start of a segment of
    /// the log; zero if nobody is behind.
    pub lag: u64,
    /// The bytes kept for subscribers that are behind, on all reactors together.
    pub kept_bytes: u64,
}

/// The answer to a [`ChannelQuery`].
#[derive(Clone, PartialEq, Debug, Default)]
pub struct ChannelListing {
    /// The channels, in the order asked for.
    pub channels: Vec<ListedChannel>,
    /// True if there are more than the limit allows.
    pub more: bool,
}

/// The channels that a reactor offers in the first round.
#[derive(Default)]
pub(crate) struct Offer {
    /// Names, with the figure by which the list is sorted.
    pub(crate) channels: Vec<(u64, Box<str>)>,
    /// How many channels there are whose home is that reactor and whose names match.
    pub(crate) matching: usize,
}

/// A survey that is under way.
pub(crate) struct Survey {
    number: u64,
    pub(crate) query: ChannelQuery,
    /// The reactor that was asked, and the request that waits for the answer.
    pub(crate) asker: ReactorNumber,
    pub(crate) ticket: Ticket,
    state: Mutex<Rounds>,
    is_over: AtomicBool,
}

#[derive(Default)]
struct Rounds {
    /// How many reactors have not contributed to the present round yet.
    missing: usize,
    /// The first round: what was offered. A channel that several reactors offer has the largest
    /// figure of them.
    offered: HashMap<Box<str>, u64>,
    matching: usize,
    /// The second round: the channels that were chosen, as far as their figures are known.
    chosen: Option<Arc<[Box<str>]>>,
    listed: Vec<ListedChannel>,
}

impl Survey {
    /// Contributes to the first round. Returns true if every reactor has.
    pub(crate) fn offer(&self, offer: Offer) -> bool {
        let mut rounds = self.rounds();
        for (figure, name) in offer.channels {
            let most = rounds.offered.entry(name).or_default();
            *most = figure.max(*most);
        }
        rounds.matching += offer.matching;
        rounds.missing -= 1;
        rounds.missing == 0
    }

    /// If the first round is over and the second has not begun, begins it. Returns true if so.
    pub(crate) fn choose(&self, reactors: usize) -> bool {
        let mut rounds = self.rounds();
        if rounds.missing > 0 || rounds.chosen.is_some() {
            return false;
        }
        let order = |one: &(u64, Box<str>), other: &(u64, Box<str>)| {
            other.0.cmp(&one.0).then_with(|| one.1.cmp(&other.1))
        };
        let offered = std::mem::take(&mut rounds.offered);
        let mut offered: Vec<_> =
            offered.into_iter().map(|(name, figure)| (figure, name)).collect();
        let limit = self.query.limit;
        if offered.len() > limit {
            offered.select_nth_unstable_by(limit, order);
            offered.truncate(limit);
        }
        offered.sort_unstable_by(order);
        let listed = |(_, name): &(u64, Box<str>)| ListedChannel {
            name: name.clone(),
            ..ListedChannel::default()
        };
        rounds.listed = offered.iter().map(listed).collect();
        rounds.chosen = Some(offered.into_iter().map(|(_, name)| name).collect());
        rounds.missing = reactors;
        true
    }

    /// Returns the channels of the second round, if it has begun.
    pub(crate) fn chosen(&self) -> Option<Arc<[Box<str>]>> {
        self.rounds().chosen.clone()
    }

    /// Contributes to the second round: what this reactor knows of each channel that was chosen, in
    /// the same order. Returns true if every reactor has.
    pub(crate) fn contribute(&self, own: &[ListedChannel]) -> bool {
        let mut rounds = self.rounds();
        for (sum, own) in rounds.listed.iter_mut().zip(own) {
            sum.subscribers += own.subscribers;
            sum.messages += own.messages;
            sum.rate += own.rate;
            sum.lag = sum.lag.max(own.lag);
            sum.kept_bytes += own.kept_bytes;
        }
        rounds.missing -= 1;
        rounds.missing == 0
    }

    /// If the second round is over, returns the list.
    pub(crate) fn listing(&self) -> Option<ChannelListing> {
        let mut rounds = self.rounds();
        if rounds.missing > 0 || rounds.chosen.is_none() {
            return None;
        }
        let channels = std::mem::take(&mut rounds.listed);
        Some(ChannelListing { more: rounds.matching > channels.len(), channels })
    }

    /// Returns true if nobody waits for the answer any more.
    pub(crate) fn is_over(&self) -> bool {
        self.is_over.load(Ordering::Relaxed)
    }

    fn rounds(&self) -> MutexGuard<'_, Rounds> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The surveys that are under way.
#[derive(Default)]
pub(crate) struct Surveys {
    /// The number of the latest survey.
    latest: AtomicU64,
    under_way: Mutex<Vec<Arc<Survey>>>,
}

impl Surveys {
    /// Begins a survey among this many reactors. Returns false if there are too many.
    pub(crate) fn begin(
        &self,
        query: ChannelQuery,
        asker: ReactorNumber,
        ticket: Ticket,
        reactors: usize,
    ) -> bool {
        let mut under_way = self.under_way();
        if under_way.len() >= SURVEYS_MAX {
            return false;
        }
        let number = self.latest.load(Ordering::Relaxed) + 1;
        let query = ChannelQuery { limit: query.limit.min(CHANNELS_LISTED_MAX), ..query };
        let state = Mutex::new(Rounds { missing: reactors, ..Rounds::default() });
        let is_over = AtomicBool::new(false);
        under_way.push(Arc::new(Survey { number, query, asker, ticket, state, is_over }));
        self.latest.store(number, Ordering::Release);
        true
    }

    /// Returns true if a survey has begun since the one of this number.
    pub(crate) fn are_newer_than(&self, seen: u64) -> bool {
        self.latest.load(Ordering::Relaxed) != seen
    }

    /// Returns the surveys that have begun since a reactor has seen the survey of number `seen`,
    /// and notes that it has seen them.
    pub(crate) fn since(&self, seen: &mut u64) -> Vec<Arc<Survey>> {
        if self.latest.load(Ordering::Acquire) == *seen {
            return Vec::new();
        }
        let under_way = self.under_way();
        let new = under_way.iter().filter(|survey| survey.number > *seen).cloned().collect();
        *seen = self.latest.load(Ordering::Relaxed);
        new
    }

    /// Ends a survey: it has been answered, or takes too long.
    pub(crate) fn end(&self, survey: &Survey) {
        survey.is_over.store(true, Ordering::Relaxed);
        self.under_way().retain(|other| other.number != survey.number);
    }

    fn under_way(&self) -> MutexGuard<'_, Vec<Arc<Survey>>> {
        self.under_way.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
