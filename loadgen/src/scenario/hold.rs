//! Idle connections, and what each of them costs the server: the slope of its memory between two
//! numbers of connections, not a total, for a total also holds what the server costs without any.
use std::time::Duration;

use fanfare::protocol::Message;

use crate::cli::HoldArgs;
use crate::clock::Moment;
use crate::connection::Part;
use crate::load::{Ended, Id, Load};
use crate::opening::{Batch, Opening, Pace};
use crate::process::{Memory, Process, tcp_memory_bytes};
use crate::report::{Report, Value};
use crate::run::{Peer, Progress, Scenario, Turn, Work};
use crate::series::Recorder;
use crate::team::{LOOK_AGAIN, Team, share};

const HELD: Part = Part(0);

/// The numbers of connections at which memory is read; for fewer connections, quarters of them.
const STEPS: [u64; 3] = [5_000, 10_000, 15_000];
/// Between the last opening of a step and its reading: the server finishes what the openings have
/// left.
const SETTLE: Duration = Duration::from_millis(500);

struct Step {
    open: u64,
    memory: Option<Memory>,
    tcp_bytes: Option<u64>,
}

enum Stage {
    Opening(Opening),
    /// This thread has opened its share of the step.
    Opened,
    Settling {
        until: Moment,
    },
    /// Memory was read, by the first thread.
    Read,
    Holding {
        until: Moment,
    },
}

pub(crate) struct Hold {
    pace: Pace,
    hold: Duration,
    server: Option<Process>,
    /// How many connections of the whole run each step reaches; ascending.
    targets: Vec<u64>,
    /// Which step this is.
    at: usize,
    before: Step,
    steps: Vec<Step>,
    after_hold: Option<Step>,
    ended: u64,
    stage: Stage,
}

impl Hold {
    pub(crate) fn new(args: &HoldArgs, server: Option<Process>, team: &Team) -> Hold {
        let mut hold = Hold {
            pace: Pace::of(&args.common),
            hold: args.hold,
            server: server.filter(|_| team.is_first()),
            targets: targets(args.connections),
            at: 0,
            before: step(server, 0),
            steps: Vec::new(),
            after_hold: None,
            ended: 0,
            stage: Stage::Opened,
        };
        hold.stage = Stage::Opening(hold.opening(team));
        hold
    }

    /// This thread's share of what is missing from the last step to this one.
    fn opening(&self, team: &Team) -> Opening {
        let count = |total: u64| {
            let part = share(total, team.thread(), team.threads());
            part.end - part.start
        };
        let before = self.at.checked_sub(1).map_or(0, |at| self.targets[at]);
        let missing = count(self.targets[self.at]) - count(before);
        Opening::new(self.pace, [Batch::new(HELD, missing)])
    }
}

fn step(server: Option<Process>, open: u64) -> Step {
    let memory = server.and_then(|server| server.memory().ok());
    Step { open, memory, tcp_bytes: tcp_memory_bytes().ok() }
}

fn targets(connections: u64) -> Vec<u64> {
    let steps =
        if connections > STEPS[2] { STEPS } else { [1, 2, 3].map(|part| connections * part / 4) };
    let mut targets: Vec<u64> =
        steps.into_iter().chain([connections]).filter(|step| *step > 0).collect();
    targets.dedup();
    targets
}

impl Scenario for Hold {
    fn on_open(&mut self, _load: &mut Load, _id: Id, _part: Part, _index: u32) {}

    fn on_message(&mut self, _peer: &mut Peer<'_>, _message: Message<'_>, _at: Moment) {}

    fn on_ended(&mut self, _load: &mut Load, ended: &Ended) {
        self.ended += u64::from(ended.was_open);
    }

    fn on_turn(&mut self, load: &mut Load, now: Moment) -> Turn {
        loop {
            self.stage = match &mut self.stage {
                Stage::Opening(opening) => match opening.turn(load, now) {
                    Some(again) => return Turn::Until(again),
                    None => Stage::Opened,
                },
                Stage::Opened => match load.team.meet(2 * self.at, now) {
                    Some(at) => Stage::Settling { until: at + SETTLE },
                    // Another thread may have seen Ctrl-C one meeting earlier, and is gone.
                    None if load.is_stopping() => return Turn::Done,
                    None => return Turn::Until(now + LOOK_AGAIN),
                },
                Stage::Settling { until } if now < *until => return Turn::Until(*until),
                Stage::Settling { .. } => {
                    if load.team.is_first() {
                        self.steps.push(step(self.server, load.team.open_on_all()));
                    }
                    Stage::Read
                }
                Stage::Read => match load.team.meet(2 * self.at + 1, now) {
                    None if load.is_stopping() => return Turn::Done,
                    None => return Turn::Until(now + LOOK_AGAIN),
                    Some(_) if self.at + 1 < self.targets.len() && !load.is_stopping() => {
                        self.at += 1;
                        Stage::Opening(self.opening(&load.team))
                    }
                    Some(at) => {
                        load.team.begin(at);
                        Stage::Holding { until: at + self.hold }
                    }
                },
                Stage::Holding { until } if now < *until && !load.is_stopping() => {
                    return Turn::Until(*until);
                }
                Stage::Holding { .. } => {
                    if load.team.is_first() {
                        self.after_hold = Some(step(self.server, load.team.open_on_all()));
                    }
                    return Turn::Done;
                }
            };
        }
    }

    fn progress(&self) -> Progress {
        Progress::default()
    }

    fn absorb(&mut self, other: Hold) {
        self.ended += other.ended;
    }

    fn recorder(&self) -> Option<&Recorder> {
        None
    }

    fn work(&self) -> Work {
        Work::default()
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
        // Between the first step and the third: the last one is not among them, so that both ends
        // are round.
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
        report.section("check").row("connections_ended", Value::Count(self.ended));
        report.fail_if_any(self.ended, "connections ended before the run did");
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
