//! The sending half of a fan-out: what this thread's publishers send, and when.
use super::settings::Pacing;
use super::state::Fanout;
use crate::check::payload::Stamp;
use crate::net::clock::Moment;
use crate::run::load::Load;
use crate::run::schedule::Schedule;
use crate::run::timeline::Timeline;

/// Open loop: at most this many messages are sent in a turn, so that a late thread still reads.
const SENDS_PER_TURN_MAX: u32 = 1_024;

impl Fanout {
    /// Sends the probe, the first message of the run. Returns false if its publisher is not open.
    pub(crate) fn send_probe(&mut self, load: &mut Load, now: Moment, timeline: &Timeline) -> bool {
        let is_open = self.publishers[0].id.is_some();
        if is_open {
            self.send(load, 0, now, timeline);
        }
        is_open
    }

    /// If messages are sent at a rate (open loop), starts it: the first message is due at `at`.
    pub(crate) fn begin(&mut self, at: Moment) {
        if let Pacing::Open { per_second } = self.settings.pacing
            && !self.own.is_empty()
        {
            self.schedule = Some(Schedule::new(at, per_second));
        }
    }

    /// Returns true if this thread has sent as many measured messages as it was asked for.
    pub(crate) fn is_budget_spent(&self) -> bool {
        self.budget == Some(0) && !self.own.is_empty()
    }

    /// Returns true if this thread has no publisher and the other threads' publishers have stopped.
    pub(crate) fn is_over_elsewhere(&self) -> bool {
        self.own.is_empty()
            && (0..self.publishers.len()).all(|publisher| self.board.total(publisher).is_some())
    }

    /// Queues the messages that are due. They are written at the end of the turn.
    pub(crate) fn send_due(&mut self, load: &mut Load, now: Moment, timeline: &Timeline) {
        if self.own.is_empty() || self.is_dead() {
            return;
        }
        match self.settings.pacing {
            Pacing::Closed { inflight, pipeline } => {
                for at in self.own.clone() {
                    self.counts.given_up +=
                        self.publishers[at].window.give_up(now - self.settings.patience);
                    let under_way = self.publishers[at].window.under_way();
                    if pipeline && under_way > 0 {
                        continue;
                    }
                    for _ in under_way..inflight {
                        self.send(load, at, now, timeline);
                    }
                }
            }
            Pacing::Open { .. } => {
                for _ in 0..SENDS_PER_TURN_MAX {
                    let due = self.schedule.as_mut().and_then(|schedule| schedule.take_due(now));
                    let Some(intended) = due else { break };
                    // If a publisher's connection has ended, the next publisher sends instead.
                    while self.publishers[self.next_publisher].id.is_none() {
                        self.pass_turn();
                    }
                    self.send(load, self.next_publisher, intended, timeline);
                    self.pass_turn();
                }
            }
        }
    }

    fn pass_turn(&mut self) {
        self.next_publisher += 1;
        if self.next_publisher == self.own.end {
            self.next_publisher = self.own.start;
        }
    }

    /// Returns when the next message is due; `None` if messages are not sent at a rate.
    pub(crate) fn next_due(&self) -> Option<Moment> {
        self.schedule.as_ref().map(Schedule::next)
    }

    fn send(&mut self, load: &mut Load, at: usize, intended: Moment, timeline: &Timeline) {
        let is_measured = timeline.measures(intended);
        let Some(id) = self.publishers[at].id else { return };
        if is_measured && let Some(budget) = &mut self.budget {
            if *budget == 0 {
                return;
            }
            *budget -= 1;
        }
        let sequence = self.publishers[at].sent;
        if sequence == u32::MAX - 1 {
            // All sequence numbers have been used.
            self.budget = Some(0);
            return;
        }
        let missing = self.missing(at);
        let publisher = &mut self.publishers[at];
        publisher.sent += 1;
        publisher.window.push(intended, missing);
        let delay = load.clock.now().nanos_since(intended);
        let stamp = Stamp {
            publisher: at as u16,
            sequence,
            intended,
            delay_micros: Stamp::delay_micros(delay),
        };
        self.payloads.write(&mut self.scratch, stamp);
        if self.settings.by_post {
            load.post(id, &self.scratch);
        } else {
            load.send(id, &self.scratch);
        }
        self.counts.published += 1;
        if is_measured {
            if publisher.measured.is_empty() {
                publisher.measured = sequence..sequence;
            }
            publisher.measured.end = sequence + 1;
            self.counts.measured_published += 1;
            self.counts.published_in_time +=
                u64::from(stamp.sent().is_some_and(|sent| timeline.measures(sent)));
            self.send_delay.record(delay);
        }
    }
}
