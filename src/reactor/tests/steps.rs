//! Runs a reactor's turn step by step, so that another reactor can run between two steps. The steps
//! must do exactly what [`Reactor::turn`](super::super::Reactor::turn) does; a test of the swarm
//! compares the two.

use super::world::SimReactor;

/// What a reactor that is in the middle of a turn does next.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Step {
    HearCommands,
    BeginMail,
    /// Takes one record from the rings.
    TakeRecord,
    EndMail,
    GoOnWithWaiting,
    /// Handles one readiness event of those that the wait has returned.
    TakeReadiness,
    GoOnWithUnfinished,
    GoOnWithHandshakes,
    DecideOnDeferred,
    Accept,
    CheckDeadlines,
    Review,
    Notify,
    Sweep,
    EndTurn,
}

/// What is left of a turn after a step.
pub(super) enum Left {
    /// The turn goes on with this step.
    Step(Step),
    /// The turn has ended. The value is false if it was the reactor's last turn.
    Turn(bool),
}

/// Begins a turn by waiting for events. Returns its next step.
pub(super) fn begin(reactor: &mut SimReactor) -> Step {
    reactor.wait().expect("a simulated wait does not fail");
    Step::HearCommands
}

/// Takes one step of a turn. Returns what is left of the turn.
pub(super) fn take(reactor: &mut SimReactor, step: Step) -> Left {
    Left::Step(match step {
        Step::HearCommands => {
            reactor.hear_commands();
            Step::BeginMail
        }
        Step::BeginMail => {
            reactor.begin_mail();
            Step::TakeRecord
        }
        Step::TakeRecord if reactor.take_record() => Step::TakeRecord,
        Step::TakeRecord => Step::EndMail,
        Step::EndMail => {
            reactor.end_mail();
            Step::GoOnWithWaiting
        }
        Step::GoOnWithWaiting => {
            reactor.peers.go_on_with_waiting();
            reactor.begin_reading();
            Step::TakeReadiness
        }
        Step::TakeReadiness if reactor.take_readiness() => Step::TakeReadiness,
        Step::TakeReadiness => Step::GoOnWithUnfinished,
        Step::GoOnWithUnfinished => {
            reactor.begin_reading();
            reactor.peers.go_on_with_unfinished();
            Step::GoOnWithHandshakes
        }
        Step::GoOnWithHandshakes => {
            reactor.peers.go_on_with_handshakes();
            Step::DecideOnDeferred
        }
        Step::DecideOnDeferred => {
            reactor.peers.decide_on_deferred(&mut reactor.deferred);
            Step::Accept
        }
        Step::Accept => {
            reactor.listeners.accept(&mut reactor.peers);
            Step::CheckDeadlines
        }
        Step::CheckDeadlines => {
            reactor.peers.check_deadlines(&mut reactor.deadlines);
            Step::Review
        }
        Step::Review => {
            reactor.peers.review(&mut reactor.review);
            Step::Notify
        }
        Step::Notify => {
            reactor.notify_reactors();
            Step::Sweep
        }
        Step::Sweep => {
            reactor.peers.sweep();
            Step::EndTurn
        }
        Step::EndTurn => return Left::Turn(reactor.end_turn()),
    })
}
