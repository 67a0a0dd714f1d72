//! One reactor's part in surveys, which list channels. It walks through its channels a portion at a
//! time, once for all surveys that wait, and at most once a second.
//!
//! A rate is the number of messages since the walk before, divided by the time since then. So a
//! survey waits until the walk before is at least a second ago; if it is too long ago, or there was
//! none, a walk that only counts comes first. The counts are dropped when nobody has asked for a
//! while.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::sync::Arc;
use std::time::Duration;

use crate::hub::{ChannelFigures, ChannelName, Hub, ReactorNumber};
use crate::instant::Instant;

use super::group::{ChannelListing, ChannelSort, ListedChannel, Offer, Shared, Survey};
use super::ticket::Ticket;

/// The slots of channels that a turn looks at: a tenth of a millisecond.
const SLOTS_PER_TURN_MAX: usize = 512;
/// The channels whose figures a turn looks up by name.
const NAMES_PER_TURN_MAX: usize = 128;
/// The least time from one walk to the next.
const WALK_PERIOD_MIN: Duration = Duration::from_secs(1);
/// The counts of a walk are used for this long.
const COUNTS_AGE_MAX: Duration = Duration::from_secs(30);
/// A survey that takes longer is given up: a reactor stands still.
const SURVEY_TIME_MAX: Duration = Duration::from_secs(10);

/// What the last walk has counted at one slot.
#[derive(Clone, Copy, Default)]
struct Counted {
    /// The lower bits of the channel's epoch and of its number of messages.
    epoch: u32,
    messages: u32,
    /// Messages a second.
    rate: f32,
}

/// A walk through all slots.
struct Walk {
    /// The portion that comes next.
    next: usize,
    began: Instant,
    /// The time from the walk before to this one; `None` if that one's counts are not used.
    seconds: Option<f32>,
}

/// A survey, and what this reactor has contributed to it.
struct Task {
    survey: Arc<Survey>,
    began: Instant,
    stage: Stage,
}

enum Stage {
    /// Waits for the next walk.
    Waiting,
    Walking(Top),
    /// Waits for the other reactors.
    Offered,
    /// Looks up the channels that were chosen.
    LookingUp(Arc<[Box<str>]>, Vec<ListedChannel>),
    Done,
}

/// One reactor's part in the surveys; see the module comment.
#[derive(Default)]
pub(super) struct Surveyor {
    /// The number of the latest survey that was taken up.
    seen: u64,
    tasks: Vec<Task>,
    walk: Option<Walk>,
    /// What the last walk has counted, in portions of `SLOTS_PER_TURN_MAX`, and when it began.
    counted: Vec<Box<[Counted]>>,
    counted_at: Option<Instant>,
    last_asked: Instant,
}

/// What the other parts of the reactor must do after a step.
#[derive(Default)]
pub(super) struct AfterStep {
    /// Other reactors have something to do.
    pub(super) wakes_others: bool,
    /// Surveys of this reactor that are over. `None`: some reactor has not contributed in time.
    pub(super) answers: Vec<(Ticket, Option<ChannelListing>)>,
}

impl Surveyor {
    /// A quick check: if false, [`step`](Self::step) has nothing to do.
    pub(super) fn has_work(&self, shared: &Shared) -> bool {
        !self.tasks.is_empty()
            || self.walk.is_some()
            || self.counted_at.is_some()
            || shared.surveys.are_newer_than(self.seen)
    }

    /// Returns how long the reactor may wait for events as far as surveys are concerned; `None` if
    /// they do not matter.
    pub(super) fn may_wait(&self, now: Instant) -> Option<Duration> {
        if self.walk.is_some() || self.tasks.iter().any(|task| task.stage.is_looking_up()) {
            return Some(Duration::ZERO);
        }
        let waits = self.tasks.iter().any(|task| matches!(task.stage, Stage::Waiting));
        waits.then(|| self.walk_at().map_or(Duration::ZERO, |moment| moment.saturating_since(now)))
    }

    /// Does this turn's part of the work.
    pub(super) fn step(
        &mut self,
        hub: &Hub,
        shared: &Shared,
        own: ReactorNumber,
        now: Instant,
    ) -> AfterStep {
        let mut after = AfterStep::default();
        self.take_up(shared, own, now, &mut after);
        if self.tasks.is_empty() && self.walk.is_none() {
            self.drop_old_counts(now);
            return after;
        }
        self.go_on_walking(hub, now, &mut after);
        self.look_up(hub, &mut after);
        self.conclude(shared, own, now, &mut after);
        after
    }

    fn take_up(
        &mut self,
        shared: &Shared,
        own: ReactorNumber,
        now: Instant,
        after: &mut AfterStep,
    ) {
        for survey in shared.surveys.since(&mut self.seen) {
            after.wakes_others |= survey.asker == own;
            self.last_asked = now;
            self.tasks.push(Task { survey, began: now, stage: Stage::Waiting });
        }
    }

    fn drop_old_counts(&mut self, now: Instant) {
        if self.counted_at.is_some() && now >= self.last_asked + COUNTS_AGE_MAX {
            self.counted_at = None;
            self.counted = Vec::new();
        }
    }

    /// Returns when the next walk may begin; `None` if at once.
    fn walk_at(&self) -> Option<Instant> {
        self.counted_at.map(|moment| moment + WALK_PERIOD_MIN)
    }

    /// Begins a walk if one is due, and walks through one portion of the slots.
    fn go_on_walking(&mut self, hub: &Hub, now: Instant, after: &mut AfterStep) {
        let waits = self.tasks.iter().any(|task| matches!(task.stage, Stage::Waiting));
        if self.walk.is_none() && waits && self.walk_at().is_none_or(|moment| moment <= now) {
            let since = self.counted_at.map(|moment| now.saturating_since(moment));
            let since = since.filter(|since| *since <= COUNTS_AGE_MAX);
            if since.is_some() {
                self.tasks.iter_mut().for_each(Task::begin_walking);
            } else {
                self.counted.clear();
            }
            let seconds = since.map(|since| since.as_secs_f32());
            self.walk = Some(Walk { next: 0, began: now, seconds });
        }
        let Some(mut walk) = self.walk.take() else { return };
        if walk.next * SLOTS_PER_TURN_MAX < hub.slots_end() {
            self.walk_portion(hub, &walk);
            walk.next += 1;
            self.walk = Some(walk);
            return;
        }
        self.counted_at = Some(walk.began);
        for task in &mut self.tasks {
            if let Stage::Walking(top) = &mut task.stage {
                after.wakes_others |= task.survey.offer(top.take_offer());
                task.stage = Stage::Offered;
            }
        }
    }

    fn walk_portion(&mut self, hub: &Hub, walk: &Walk) {
        if self.counted.len() == walk.next {
            self.counted.push(vec![Counted::default(); SLOTS_PER_TURN_MAX].into());
        }
        let first = walk.next * SLOTS_PER_TURN_MAX;
        for (place, counted) in self.counted[walk.next].iter_mut().enumerate() {
            let Some(figures) = hub.figures_at(first + place) else {
                *counted = Counted::default();
                continue;
            };
            counted.count(&figures, walk.seconds);
            for task in &mut self.tasks {
                if let Stage::Walking(top) = &mut task.stage {
                    top.consider(&figures, counted.rate, &task.survey);
                }
            }
        }
    }

    /// Looks up some of the channels that were chosen.
    fn look_up(&mut self, hub: &Hub, after: &mut AfterStep) {
        let mut budget = NAMES_PER_TURN_MAX;
        for task in &mut self.tasks {
            if matches!(task.stage, Stage::Offered)
                && let Some(chosen) = task.survey.chosen()
            {
                let known = Vec::with_capacity(chosen.len());
                task.stage = Stage::LookingUp(chosen, known);
            }
            let Stage::LookingUp(chosen, known) = &mut task.stage else { continue };
            while budget > 0 && known.len() < chosen.len() {
                budget -= 1;
                known.push(look_up(hub, &self.counted, &chosen[known.len()]));
            }
            if known.len() == chosen.len() {
                after.wakes_others |= task.survey.contribute(known);
                task.stage = Stage::Done;
            }
        }
    }

    /// For the surveys of this reactor: begins the second round when the first is over, and answers
    /// when the second is. Forgets what is over.
    fn conclude(
        &mut self,
        shared: &Shared,
        own: ReactorNumber,
        now: Instant,
        after: &mut AfterStep,
    ) {
        for task in self.tasks.iter().filter(|task| task.survey.asker == own) {
            let survey = &task.survey;
            after.wakes_others |= survey.choose(shared.reactors());
            let listing = survey.listing();
            if listing.is_some() || now >= task.began + SURVEY_TIME_MAX {
                shared.surveys.end(survey);
                after.answers.push((survey.ticket, listing));
            }
        }
        self.tasks.retain(|task| !task.survey.is_over());
    }
}

impl Task {
    fn begin_walking(&mut self) {
        if matches!(self.stage, Stage::Waiting) {
            self.stage = Stage::Walking(Top::default());
        }
    }
}

impl Stage {
    fn is_looking_up(&self) -> bool {
        matches!(self, Stage::LookingUp(..))
    }
}

impl Counted {
    /// Replaces the counts by those of now.
    fn count(&mut self, figures: &ChannelFigures<'_>, seconds: Option<f32>) {
        let (epoch, messages) = (figures.epoch as u32, figures.messages as u32);
        // A channel that was not here at the last walk has begun since then.
        let before = if self.epoch == epoch { self.messages } else { 0 };
        let more = messages.wrapping_sub(before);
        let rate = seconds.map_or(0.0, |seconds| more as f32 / seconds);
        *self = Counted { epoch, messages, rate };
    }
}

/// Returns what this reactor knows of a channel.
fn look_up(hub: &Hub, counted: &[Box<[Counted]>], name: &str) -> ListedChannel {
    let found = ChannelName::parse(name).ok().and_then(|name| hub.figures_of(name));
    let Some((slot, figures)) = found else { return ListedChannel::default() };
    let counted = counted
        .get(slot / SLOTS_PER_TURN_MAX)
        .map(|portion| portion[slot % SLOTS_PER_TURN_MAX])
        .filter(|counted| counted.epoch == figures.epoch as u32);
    let of_home = |figure: u64| if figures.is_at_home { figure } else { 0 };
    ListedChannel {
        name: Box::default(),
        subscribers: figures.subscribers,
        messages: of_home(figures.messages),
        rate: counted.filter(|_| figures.is_at_home).map_or(0.0, |counted| counted.rate.into()),
        lag: figures.lag,
        kept_bytes: figures.kept_bytes,
    }
}

/// The channels that a reactor will offer: the first of the list as far as it can know.
#[derive(Default)]
struct Top {
    /// The last of them is at the front.
    channels: BinaryHeap<Reverse<(u64, Reverse<Box<str>>)>>,
    matching: usize,
}

impl Top {
    fn consider(&mut self, figures: &ChannelFigures<'_>, rate: f32, survey: &Survey) {
        let query = &survey.query;
        // Only a home knows all subscribers and all messages. Lag there is on every reactor.
        let is_judged_here = figures.is_at_home || query.sort == ChannelSort::Lag;
        let name = figures.name.as_str();
        if !is_judged_here || !name.contains(&*query.filter) {
            return;
        }
        self.matching += usize::from(figures.is_at_home);
        let figure = match query.sort {
            ChannelSort::Subscribers => figures.subscribers,
            // The bits of numbers that are not negative have the same order as the numbers.
            ChannelSort::Rate => u64::from(rate.to_bits()),
            ChannelSort::Lag => figures.lag,
        };
        if self.channels.len() >= query.limit {
            let comes_after =
                self.channels.peek().is_none_or(|Reverse((last, Reverse(last_name)))| {
                    (figure, Reverse(name)) <= (*last, Reverse(&**last_name))
                });
            if comes_after {
                return;
            }
            self.channels.pop();
        }
        self.channels.push(Reverse((figure, Reverse(name.into()))));
    }

    fn take_offer(&mut self) -> Offer {
        let channels = std::mem::take(&mut self.channels).into_iter();
        let channels = channels.map(|Reverse((figure, Reverse(name)))| (figure, name)).collect();
        Offer { channels, matching: self.matching }
    }
}
