//! Idle connections, and what each of them costs the server. The server's memory is read at two
//! numbers of connections and the slope is reported, because the total includes memory that the
//! server needs without any connection.
use std::time::Duration;

use crate::cli::scenarios::HoldArgs;
use crate::measure::process::{Memory, Process, tcp_memory_bytes};
use crate::net::clock::Moment;
use crate::net::connection::Part;
use crate::report::gather::Report;
use crate::report::value::Value;
use crate::run::load::{Ended, Load};
use crate::run::opening::{Batch, Opening, Pace};
use crate::run::scenario::{Scenario, Turn};
use crate::run::threads::{LOOK_AGAIN, ThisThread};

const HELD: Part = Part(0);

/// Numbers of open connections at which the server's memory is read. A run with up to 15,000
/// connections reads it at each quarter instead.
const STEPS: [u64; 3] = [5_000, 10_000, 15_000];
/// The server has this long to finish the openings of a step before its memory is read.
const SETTLE: Duration = Duration::from_millis(500);

struct HoldStep {
    open: u64,
    memory: Option<Memory>,
    tcp_bytes: Option<u64>,
}

enum HoldStage {
    Opening(Opening),
    /// This thread has opened its share of the connections of this step.
    Opened,
    Settling {
        until: Moment,
    },
    /// The first thread has read the server's memory.
    Read,
    Holding {
        until: Moment,
    },
}

pub(crate) struct Hold {
    pace: Pace,
    hold: Duration,
    server: Option<Process>,
    /// How many connections of the whole run are open at the end of each step; ascending.
    targets: Vec<u64>,
    /// The index in `targets` of the current step.
    at: usize,
    before: HoldStep,
    steps: Vec<HoldStep>,
    after_hold: Option<HoldStep>,
    ended: u64,
    stage: HoldStage,
}

impl Hold {
    pub(crate) fn new(args: &HoldArgs, server: Option<Process>, thread: &ThisThread) -> Hold {
        let mut hold = Hold {
            pace: Pace::of(&args.common),
            hold: args.duration,
            server: server.filter(|_| thread.is_first()),
            targets: targets(args.connections),
            at: 0,
            before: step(server, 0),
            steps: Vec::new(),
            after_hold: None,
            ended: 0,
            stage: HoldStage::Opened,
        };
        hold.stage = HoldStage::Opening(hold.opening(thread));
        hold
    }

    /// Returns the opening of this thread's share of the connections that this step adds.
    fn opening(&self, thread: &ThisThread) -> Opening {
        let before = self.at.checked_sub(1).map_or(0, |at| self.targets[at]);
        let missing = thread.share_count(self.targets[self.at]) - thread.share_count(before);
        Opening::new(self.pace, [Batch::new(HELD, missing)])
    }

    /// Ends this thread's part of an interrupted run. The connections that it has not opened are
    /// counted.
    fn give_up(&self, load: &mut Load) -> Turn {
        let all = self.targets.last().copied().unwrap_or(0);
        let missing = load.thread.share_count(all) - load.thread.share_count(self.targets[self.at]);
        load.note_not_begun(HELD, missing);
        Turn::Done
    }
}

fn step(server: Option<Process>, open: u64) -> HoldStep {
    let memory = server.and_then(|server| server.memory().ok());
    HoldStep { open, memory, tcp_bytes: tcp_memory_bytes().ok() }
}

pub(super) fn targets(connections: u64) -> Vec<u64> {
    let steps =
        if connections > STEPS[2] { STEPS } else { [1, 2, 3].map(|part| connections * part / 4) };
    let mut targets: Vec<u64> =
        steps.into_iter().chain([connections]).filter(|step| *step > 0).collect();
    targets.dedup();
    targets
}

impl Scenario for Hold {
    fn on_ended(&mut self, _load: &mut Load, ended: &Ended) {
        self.ended += u64::from(ended.was_open);
    }

    fn on_turn(&mut self, load: &mut Load, now: Moment) -> Turn {
        loop {
            self.stage = match &mut self.stage {
                HoldStage::Opening(opening) => match opening.turn(load, now) {
                    Some(again) => return Turn::Until(again),
                    None => HoldStage::Opened,
                },
                HoldStage::Opened => match load.thread.wait_at(2 * self.at, now) {
                    Some(at) => HoldStage::Settling { until: at + SETTLE },
                    // After Ctrl-C another thread may have ended before this barrier.
                    None if load.is_stopping() => return self.give_up(load),
                    None => return Turn::Until(now + LOOK_AGAIN),
                },
                HoldStage::Settling { until } if now < *until => return Turn::Until(*until),
                HoldStage::Settling { .. } => {
                    if load.thread.is_first() {
                        self.steps.push(step(self.server, load.thread.open_on_all()));
                    }
                    HoldStage::Read
                }
                HoldStage::Read => match load.thread.wait_at(2 * self.at + 1, now) {
                    None if load.is_stopping() => return self.give_up(load),
                    None => return Turn::Until(now + LOOK_AGAIN),
                    Some(_) if self.at + 1 < self.targets.len() && load.is_stopping() => {
                        return self.give_up(load);
                    }
                    Some(_) if self.at + 1 < self.targets.len() => {
                        self.at += 1;
                        HoldStage::Opening(self.opening(&load.thread))
                    }
                    Some(at) => {
                        load.thread.begin(at);
                        // If no connection has opened, there is nothing to hold.
                        let is_in_vain = load.thread.open_on_all() == 0;
                        let hold = if is_in_vain { Duration::ZERO } else { self.hold };
                        HoldStage::Holding { until: at + hold }
                    }
                },
                HoldStage::Holding { until } if now < *until && !load.is_stopping() => {
                    return Turn::Until(*until);
                }
                HoldStage::Holding { .. } => {
                    if load.thread.is_first() {
                        self.after_hold = Some(step(self.server, load.thread.open_on_all()));
                    }
                    return Turn::Done;
                }
            };
        }
    }

    fn absorb(&mut self, other: Hold) {
        self.ended += other.ended;
    }

    fn report(&mut self, load: &Load, report: &mut Report) {
        load.report(report, &[("connections", HELD)]);
        let section = report.section("memory");
        let named = std::iter::once(("before".to_owned(), &self.before))
            .chain(self.steps.iter().map(|step| (format!("at_{}", step.open), step)))
            .chain(self.after_hold.iter().map(|step| ("after_hold".to_owned(), step)));
        for (name, step) in named {
            let of = |value: fn(&Memory) -> u64| step.memory.as_ref().map(value).map(Value::Bytes);
            section
                .optional(&format!("{name}_resident_bytes"), of(|memory| memory.resident_bytes))
                .optional(
                    &format!("{name}_proportional_bytes"),
                    of(|memory| memory.proportional_bytes),
                )
                .optional(&format!("{name}_anonymous_bytes"), of(|memory| memory.anonymous_bytes))
                .optional(&format!("{name}_kernel_tcp_bytes"), step.tcp_bytes.map(Value::Bytes));
        }
        // The slope lies between the first and the third step. The last step is left out, so that
        // both ends are round numbers.
        let (from, to) = (self.steps.first(), self.steps.iter().take(STEPS.len()).next_back());
        if let Some((from, to)) = from.zip(to).filter(|(from, to)| from.open < to.open) {
            let per_connection = |value: fn(&Memory) -> u64| {
                let (before, after) = (value(from.memory.as_ref()?), value(to.memory.as_ref()?));
                Some(Value::Growth((after as i64 - before as i64) / (to.open - from.open) as i64))
            };
            report
                .section("slope")
                .row("from_connections", Value::Count(from.open))
                .row("to_connections", Value::Count(to.open))
                .optional(
                    "resident_per_connection_bytes",
                    per_connection(|memory| memory.resident_bytes),
                )
                .optional(
                    "anonymous_per_connection_bytes",
                    per_connection(|memory| memory.anonymous_bytes),
                );
        }
        report.check("connections_ended", self.ended, "connections ended before the run did");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_is_read_at_round_numbers_and_at_the_end() {
        assert_eq!(targets(19_000), [5_000, 10_000, 15_000, 19_000]);
        assert_eq!(targets(15_000), [3_750, 7_500, 11_250, 15_000]);
        assert_eq!(targets(2), [1, 2]);
        assert_eq!(targets(1), [1]);
    }
}
