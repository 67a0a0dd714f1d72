//! Timeouts and pings. Each turn checks only the connections that the timer wheel lists as due.
//! There is no timer object for each connection.

use std::time::Duration;

use crate::instant::Instant;
use crate::net::{Net, Token};
use crate::protocol::{CloseCode, Opcode, encode_frame};

use super::api::Handler;
use super::connection::{CoarseInstant, Phase, slot_of};
use super::core::{ConnectionOf, Core};
use super::limits::{
    BODY_BYTES_PER_SECOND_MIN, DEADLINE_RETRY, DEADLINES_PER_TURN_MAX, PAUSE_GRACE, PAUSE_MIN,
    WAIT_MAX,
};
use super::peers::Peers;

/// The Close reason for a peer whose credentials have expired.
const EXPIRED: &str = "the credentials have expired";

/// The state of one reactor's deadline checks, kept from turn to turn.
pub(super) struct DeadlineChecks {
    last_turn: Instant,
    /// When the grace period after the last pause of the process ends. No timeout is enforced
    /// before, because what peers sent during the pause must be read first. How long a
    /// peer has taken no bytes counts from here at the earliest, because during the pause none were
    /// sent to it.
    judge_from: Instant,
    /// More connections, or idle channels, were due than one turn may check, so the next turn
    /// follows without waiting.
    pub(super) is_behind: bool,
}

impl DeadlineChecks {
    pub(super) fn new(now: Instant) -> DeadlineChecks {
        DeadlineChecks { last_turn: now, judge_from: now, is_behind: false }
    }

    /// Begins a turn. Returns true if connections may be checked in it: false for a while after the
    /// process was paused.
    fn begin(&mut self, now: Instant) -> bool {
        let pause = now.saturating_since(self.last_turn);
        if pause >= PAUSE_MIN {
            self.judge_from = now + PAUSE_GRACE;
        } else if self.last_turn < self.judge_from {
            // During the grace period, a shorter pause extends that period.
            self.judge_from = self.judge_from + pause.saturating_sub(WAIT_MAX);
        }
        self.last_turn = now;
        self.is_behind = false;
        now >= self.judge_from
    }
}

impl<N: Net, H: Handler> Peers<N, H> {
    /// Checks the connections that the timer wheel lists as due, and forgets idle channels.
    pub(super) fn check_deadlines(&mut self, checks: &mut DeadlineChecks) {
        let now = self.core.turn.now;
        if checks.begin(now) {
            let mut budget = DEADLINES_PER_TURN_MAX;
            while budget > 0
                && let Some(slot) = self.core.timers.take_due(now)
            {
                budget -= 1;
                if let Some(token) = self.connections.token_at(slot) {
                    let judge_from = checks.judge_from;
                    self.step(token, |core, connection| {
                        core.check_deadline(connection, judge_from);
                        core.timers.check_by(slot, core.next_check(connection));
                    });
                }
            }
            checks.is_behind = budget == 0;
        }
        checks.is_behind |= self.core.exchange.hub.forget_idle(now);
    }
}

impl<N: Net, H: Handler> Core<N, H> {
    fn check_deadline(&mut self, connection: &mut ConnectionOf<N, H>, judge_from: Instant) {
        let now = self.turn.now;
        if connection.starved {
            self.on_writable(connection);
        }
        // While the process was paused we sent nothing, so that time does not count as lack of
        // progress.
        let progress_at = connection.progress_at.near(now).max(judge_from);
        let stuck = connection.blocked && now >= progress_at + self.limits.slow_timeout;
        let due = now >= connection.deadline.near(now);
        // A timeout is not enforced while bytes from the peer may be unread or decoding is paused.
        let io = &connection.io;
        let is_paused =
            connection.unfinished || connection.waits_to_publish > 0 || io.owes() || io.is_held();
        let unheard = connection.readable || is_paused;
        let late = due && !unheard;
        let dripping = self.message_due(connection).is_some_and(|due| now >= due) && !unheard;
        match &connection.phase {
            Phase::Http(_) if stuck => self.lose(connection),
            // A request that waits for our answer does not time out.
            Phase::Http(http) if late && http.answer.is_none() => self.time_out_request(connection),
            Phase::Http(_) => {}
            Phase::Open(_) if stuck => self.close_without_progress(connection),
            Phase::Open(_) if self.has_expired(connection) => {
                self.close(connection, CloseCode::UNAUTHORIZED, EXPIRED);
            }
            Phase::Open(_) if dripping => {
                let reason = "the message took too long to arrive";
                self.close(connection, CloseCode::POLICY_VIOLATION, reason);
            }
            // The send buffer is full: an earlier ping may still be queued, and a new ping would
            // only be queued too.
            Phase::Open(_) if due && connection.blocked => {
                self.set_deadline(connection, self.limits.pong_timeout);
            }
            Phase::Open(_) if late && connection.awaiting_pong => {
                self.close(connection, CloseCode::NO_PONG, "no pong came in time");
            }
            Phase::Open(_) if late => self.ping(connection),
            Phase::Open(_) => {}
            Phase::Closing { .. } if due => self.reset_early(connection),
            Phase::Lingering { .. } if due => self.remove(connection),
            Phase::Closing { .. } | Phase::Lingering { .. } | Phase::Gone(_) => {}
        }
        self.await_expiry(connection);
    }

    fn ping(&mut self, connection: &mut ConnectionOf<N, H>) {
        self.turn.counters.pings_sent.add(1);
        encode_frame(&mut self.outgoing.replies, Opcode::Ping, b"");
        if !self.send_replies(connection) {
            return;
        }
        self.set_deadline(connection, self.limits.pong_timeout);
        connection.awaiting_pong = matches!(connection.phase, Phase::Open(_));
    }

    /// Sets the deadline of a connection, for what is due next in its present phase, to this long
    /// from now.
    pub(super) fn set_deadline(&mut self, connection: &mut ConnectionOf<N, H>, from_now: Duration) {
        let deadline = self.turn.now + from_now.min(CoarseInstant::FURTHEST);
        connection.deadline = CoarseInstant::new(deadline);
        self.timers.check_by(slot_of(connection.token), deadline);
    }

    /// Sets the deadline of a connection to the time of its next ping.
    pub(super) fn await_ping(&mut self, connection: &mut ConnectionOf<N, H>) {
        let interval = self.spread_ping_interval();
        self.set_deadline(connection, interval);
    }

    /// Has the timer wheel check a connection when its credentials expire, if they do.
    pub(super) fn await_expiry(&mut self, connection: &ConnectionOf<N, H>) {
        if let Some(moment) = self.expiry(connection) {
            self.timers.check_by(slot_of(connection.token), moment);
        }
    }

    /// Returns when the credentials of an open connection expire, by the wall clock as it is now.
    /// If they have expired, that is the present moment.
    ///
    /// The wall clock may be set at any time. So the moment is not kept: it is worked out at each
    /// check, and there is one at least each time that the timer wheel has turned.
    fn expiry(&self, connection: &ConnectionOf<N, H>) -> Option<Instant> {
        let Phase::Open(_) = &connection.phase else { return None };
        let unix_time = Duration::from_secs(u64::from(connection.expires_at?.get()));
        Some(self.turn.now + unix_time.saturating_sub(self.turn.unix_time))
    }

    fn has_expired(&self, connection: &ConnectionOf<N, H>) -> bool {
        self.expiry(connection).is_some_and(|moment| moment <= self.turn.now)
    }

    /// Has the timer wheel check the connection at the moment by which the message that begins now
    /// must be complete. Returns the present moment.
    pub(super) fn begin_message(&mut self, token: Token) -> CoarseInstant {
        if let Some(timeout) = self.limits.message_timeout {
            self.timers.check_by(slot_of(token), self.turn.now + timeout);
        }
        CoarseInstant::new(self.turn.now)
    }

    /// Has the timer wheel check a connection that has just been blocked: when its socket must have
    /// accepted bytes again, or sooner if its write is to be repeated.
    pub(super) fn check_progress(&mut self, connection: &ConnectionOf<N, H>) {
        self.timers.check_by(slot_of(connection.token), self.next_check(connection));
    }

    /// Returns when the message that a connection is receiving, if any, must be complete. A large
    /// message has as long as it needs at `BODY_BYTES_PER_SECOND_MIN`.
    fn message_due(&self, connection: &ConnectionOf<N, H>) -> Option<Instant> {
        let since = connection.message_since?.near(self.turn.now);
        let slowest = connection.io.assembled_bytes() / u64::from(BODY_BYTES_PER_SECOND_MIN);
        Some(since + self.limits.message_timeout? + Duration::from_secs(slowest))
    }

    /// Returns when the timeouts of a connection, which has just been checked, must be checked
    /// next.
    pub(super) fn next_check(&self, connection: &ConnectionOf<N, H>) -> Instant {
        let now = self.turn.now;
        let retry = now + DEADLINE_RETRY;
        let progress_at = connection.progress_at.near(now);
        let stuck = connection.blocked.then(|| progress_at + self.limits.slow_timeout);
        let starved = connection.starved.then_some(retry);
        // A deadline that has passed could not be enforced in this check, so it is tried again
        // soon. The other deadlines must not be postponed by that.
        let next = |moment: Instant| if moment > now { moment } else { retry };
        [stuck, starved, self.message_due(connection)]
            .into_iter()
            .flatten()
            .map(next)
            .fold(next(connection.deadline.near(now)), Instant::min)
    }

    /// Returns the ping interval, varied at random by up to a fifth.
    fn spread_ping_interval(&mut self) -> Duration {
        // xorshift64 suffices: the numbers must be spread evenly, not unpredictable.
        self.jitter ^= self.jitter << 13;
        self.jitter ^= self.jitter >> 7;
        self.jitter ^= self.jitter << 17;
        let fraction = (self.jitter >> 40) as f64 / (1u64 << 24) as f64;
        self.limits.ping_interval.mul_f64(0.8 + 0.4 * fraction)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn after_a_pause_nothing_is_judged_before_there_was_time_to_read() {
        let mut checks = DeadlineChecks::new(Instant::ZERO);
        let woken = Instant::ZERO + Duration::from_secs(60);
        assert!(!checks.begin(woken));
        assert!(!checks.begin(woken + PAUSE_GRACE / 2));
        assert!(checks.begin(woken + PAUSE_GRACE));
    }

    #[test]
    fn a_shorter_pause_behind_it_takes_nothing_of_the_time_to_read() {
        let mut checks = DeadlineChecks::new(Instant::ZERO);
        let mut now = Instant::ZERO + Duration::from_secs(60);
        assert!(!checks.begin(now));
        now = now + (PAUSE_MIN - Duration::from_millis(1));
        assert!(!checks.begin(now), "there was only one turn to read in");
        now = now + WAIT_MAX;
        assert!(checks.begin(now), "twice as long as a turn waits is enough");
    }
}
