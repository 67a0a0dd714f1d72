//! How much mail (records from reactors) one turn takes: of every reactor some answers, then some
//! messages, then some requests.

use crate::hub::ReactorNumber;
use crate::reactor::counters::LiveCounters;
use crate::reactor::limits::{RECORDS_OF_ONE_MIN, RECORDS_PER_TURN_MAX};

use super::exchange::{Exchange, Taken};

/// The kinds of mail, in the order in which a turn takes them. Each has a share of the turn, so
/// that none waits for ever behind another.
const KINDS: [Kind; 3] = [Kind::Answers, Kind::Messages, Kind::Requests];

#[derive(Clone, Copy)]
enum Kind {
    Answers,
    Messages,
    Requests,
}

#[derive(Default)]
pub(crate) struct MailTurn {
    /// There may be more mail than this turn took.
    pub(crate) is_left: bool,
    /// Some of the mail that is left can be taken in the next turn: the budget was spent, or a
    /// record waits for the sweep. If false, all of it waits for another reactor to make room.
    pub(crate) goes_on: bool,
    /// The reactor whose mail is taken first. It changes with every turn.
    first_sender: usize,
    /// The reactors whose rings may have mail, in the order of this turn.
    senders: Vec<ReactorNumber>,
    /// By kind: how many records a turn takes out of one ring.
    budgets: [usize; KINDS.len()],
    /// The index in `KINDS` of the kind that is taken now.
    kind: usize,
    /// The index of the sender whose mail of this kind is taken now.
    sender: usize,
    /// How many more records may be taken out of the current ring.
    budget: usize,
}

impl MailTurn {
    /// Starts taking the mail of a turn.
    pub(crate) fn begin(&mut self, exchange: &mut Exchange) {
        let reactors = exchange.shared.reactors();
        (self.is_left, self.goes_on) = (false, false);
        self.first_sender = (self.first_sender + 1) % reactors;
        exchange.waits_for_sweep = false;
        exchange.take_note_of_requests();
        exchange.forget_refused();
        self.senders.clear();
        let mut from = self.first_sender;
        while let Some(sender) = exchange.inbox.sender_from(from) {
            self.senders.push(sender);
            from = sender.index() + 1;
        }
        from = 0;
        while let Some(sender) = exchange.inbox.sender_from(from)
            && sender.index() < self.first_sender
        {
            self.senders.push(sender);
            from = sender.index() + 1;
        }
        if self.senders.is_empty() {
            return self.begin_kind(KINDS.len());
        }
        // A reactor writes neither answers nor messages to itself.
        let others = self.senders.len() - usize::from(self.senders.contains(&exchange.own));
        self.budgets = [budget(others), budget(others), budget(self.senders.len())];
        self.begin_kind(0);
    }

    fn begin_kind(&mut self, kind: usize) {
        (self.kind, self.sender) = (kind, 0);
        self.begin_ring();
    }

    fn begin_ring(&mut self) {
        self.budget = self.budgets.get(self.kind).copied().unwrap_or(0);
    }

    /// Goes on with the next kind of mail. Returns false if this was the last.
    pub(crate) fn next_kind(&mut self) -> bool {
        self.begin_kind(self.kind + 1);
        self.kind < KINDS.len()
    }

    /// Takes the next record of the current kind. Returns false once the turn has taken its share
    /// of every ring of this kind.
    pub(crate) fn take_next(&mut self, exchange: &mut Exchange, counters: &LiveCounters) -> bool {
        let Some(kind) = KINDS.get(self.kind) else { return false };
        while let Some(&from) = self.senders.get(self.sender) {
            let taken = match kind {
                _ if self.budget == 0 => Taken::AfterSweep,
                Kind::Answers | Kind::Messages if from == exchange.own => Taken::None,
                Kind::Answers => exchange.take_answer_from(from),
                Kind::Messages => exchange.take_message(from),
                Kind::Requests => exchange.serve_request(from, counters),
            };
            match taken {
                Taken::One => {
                    self.budget -= 1;
                    return true;
                }
                Taken::None => {}
                Taken::AfterSweep => self.leave_for_next_turn(),
                Taken::AfterRoom => self.is_left = true,
            }
            self.sender += 1;
            self.begin_ring();
        }
        false
    }

    /// Notes that the next turn can take more.
    pub(crate) fn leave_for_next_turn(&mut self) {
        (self.is_left, self.goes_on) = (true, true);
    }
}

/// Returns how many records a turn takes out of one of so many rings.
fn budget(rings: usize) -> usize {
    (RECORDS_PER_TURN_MAX / rings.max(1)).max(RECORDS_OF_ONE_MIN)
}
