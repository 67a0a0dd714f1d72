//! Everything that is shown, with the past of what is plotted.

use std::collections::VecDeque;

use super::asking::{BusiestChannels, ChannelOrder, TopReply};
use super::figures::Figures;
use super::overview::Overview;

/// How many past values are kept: as many as the widest screen shows.
const PAST_MAX: usize = 512;

/// What is plotted, in the order in which it is shown.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Plot {
    Connections,
    Messages,
    Deliveries,
    SentBytes,
    TurnTime,
    DeliveryTime,
}

impl Plot {
    pub(super) const ALL: [Plot; 6] = [
        Plot::Connections,
        Plot::Messages,
        Plot::Deliveries,
        Plot::SentBytes,
        Plot::TurnTime,
        Plot::DeliveryTime,
    ];

    /// Returns the value at the end of an interval. `None` if there is none yet.
    pub(super) fn value(self, overview: &Overview) -> Option<f64> {
        let pace = overview.pace.as_ref();
        match self {
            Plot::Connections => Some(overview.websockets + overview.others),
            Plot::Messages => pace.map(|pace| pace.messages),
            Plot::Deliveries => pace.map(|pace| pace.deliveries),
            Plot::SentBytes => pace.map(|pace| pace.sent_bytes),
            Plot::TurnTime => pace.and_then(|pace| pace.turn_p99),
            Plot::DeliveryTime => pace.and_then(|pace| pace.delivery_p99),
        }
    }
}

/// The state of the screen.
pub(crate) struct Board {
    /// The server that is asked.
    pub(super) url: String,
    pub(super) sort: ChannelOrder,
    pub(super) overview: Option<Overview>,
    pub(super) channels: BusiestChannels,
    /// Why the server was not asked in vain the last time, if it was.
    pub(super) trouble: Option<String>,
    before: Option<Figures>,
    /// By plot: its past values, the newest last. `None` where there was none.
    past: [VecDeque<Option<f64>>; Plot::ALL.len()],
}

impl Board {
    pub(super) fn new(url: String) -> Board {
        Board {
            url,
            sort: ChannelOrder::Subscribers,
            overview: None,
            channels: BusiestChannels::default(),
            trouble: None,
            before: None,
            past: Default::default(),
        }
    }

    /// Takes what the server has told, or why it has not.
    pub(super) fn take(&mut self, told: Result<TopReply, String>) {
        let told = match told {
            Ok(told) => told,
            Err(trouble) => {
                self.trouble = Some(trouble);
                self.past.iter_mut().for_each(|past| remember(past, None));
                return;
            }
        };
        self.trouble = None;
        let overview = Overview::between(self.before.as_ref(), &told.figures, told.unix_seconds);
        for (plot, past) in Plot::ALL.into_iter().zip(&mut self.past) {
            remember(past, plot.value(&overview));
        }
        self.overview = Some(overview);
        self.before = Some(told.figures);
        if let Some(channels) = told.channels {
            self.channels = channels;
        }
    }

    /// Returns the last values of a plot, at most this many, the newest last.
    pub(super) fn past(&self, plot: Plot, count: usize) -> impl Iterator<Item = Option<f64>> {
        let past = &self.past[plot as usize];
        past.iter().skip(past.len().saturating_sub(count)).copied()
    }
}

fn remember(past: &mut VecDeque<Option<f64>>, value: Option<f64>) {
    if past.len() == PAST_MAX {
        past.pop_front();
    }
    past.push_back(value);
}
