//! Timeouts and pings. Each turn checks the deadlines of a part of the slab (the table of
//! connections), so there is no timer object per connection, and no turn in which all connections
//! are checked.

use std::time::Duration;

use crate::instant::Instant;
use crate::net::Net;
use crate::protocol::{CloseCode, Opcode, encode_frame};

use super::api::Handler;
use super::connection::Phase;
use super::core::{ConnectionOf, Core};
use super::limits::{
    BODY_BYTES_PER_SECOND_MIN, DEADLINE_SWEEP_PERIOD, DEADLINES_PER_TURN_MAX, PAUSE_GRACE,
    PAUSE_MIN, WAIT_MAX,
};
use super::peers::Peers;

pub(super) struct DeadlineSweep {
    /// The slot of the connection table (slab) that is checked next.
    place: usize,
    /// Every slot that was due up to this moment has been checked.
    swept_until: Instant,
    last_turn: Instant,
    /// After a pause of the process, no timeout is enforced before this moment, and time without
    /// progress counts from here.
    judge_from: Instant,
    /// More connections, or idle channels, were due than one turn may check, so the next turn
    /// follows without waiting.
    pub(super) is_behind: bool,
}

impl DeadlineSweep {
    pub(super) fn new(now: Instant) -> DeadlineSweep {
        DeadlineSweep {
            place: 0,
            swept_until: now,
            last_turn: now,
            judge_from: now,
            is_behind: false,
        }
    }

    /// Returns how many of the slab's slots (`places`) are to be checked now.
    fn places_due(&mut self, now: Instant, places: usize) -> usize {
        let pause = now.saturating_since(self.last_turn);
        if pause >= PAUSE_MIN {
            self.judge_from = now + PAUSE_GRACE;
        } else if self.last_turn < self.judge_from {
            // During the grace period, a shorter pause extends that period.
            self.judge_from = self.judge_from + pause.saturating_sub(WAIT_MAX);
        }
        self.last_turn = now;
        self.is_behind = false;
        if now < self.judge_from || places == 0 {
            self.swept_until = now;
            return 0;
        }
        let elapsed = now.saturating_since(self.swept_until).min(DEADLINE_SWEEP_PERIOD);
        let (period, places) = (DEADLINE_SWEEP_PERIOD.as_nanos() as u64, places as u64);
        let elapsed = elapsed.as_nanos() as u64;
        let due = places * elapsed / period;
        // Time worth less than one slot, and slots beyond the budget, carry over to the next turn.
        let looked_at = due.min(DEADLINES_PER_TURN_MAX as u64);
        self.is_behind = looked_at < due;
        self.swept_until =
            Instant::from_nanos(now.as_nanos() - elapsed + looked_at * period / places);
        looked_at as usize
    }
}

impl<N: Net, H: Handler> Peers<N, H> {
    /// Checks the deadlines of this turn's part of the connections, and forgets idle channels.
    pub(super) fn check_deadlines(&mut self, sweep: &mut DeadlineSweep) {
        let places = self.connections.places();
        for _ in 0..sweep.places_due(self.core.turn.now, places) {
            let place = sweep.place % places;
            sweep.place = place + 1;
            if let Some(token) = self.connections.token_at(place) {
                let judge_from = sweep.judge_from;
                self.step(token, |core, connection| core.check_deadline(connection, judge_from));
            }
        }
        sweep.is_behind |= self.core.exchange.hub.forget_idle(self.core.turn.now);
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
        let progress_at = connection.progress_at.max(judge_from);
        let stuck = connection.blocked && now >= progress_at + self.limits.slow_timeout;
        let due = now >= connection.deadline;
        // A timeout is not enforced while bytes from the peer may be unread or decoding is paused.
        let io = &connection.io;
        let is_paused =
            connection.unfinished || connection.waits_for_channel || io.owes() || io.is_held();
        let unheard = connection.readable || is_paused;
        let late = due && !unheard;
        let dripping = match (connection.message_since, self.limits.message_timeout) {
            (Some(since), Some(timeout)) => {
                let slowest = io.assembled_bytes() / u64::from(BODY_BYTES_PER_SECOND_MIN);
                now >= since.instant() + timeout + Duration::from_secs(slowest) && !unheard
            }
            _ => false,
        };
        match &connection.phase {
            Phase::Http(_) if stuck => self.lose(connection),
            // A request that waits for our answer does not time out.
            Phase::Http(http) if late && http.answer.is_none() => self.time_out_request(connection),
            Phase::Http(_) => {}
            Phase::Open(_) if stuck => self.close_without_progress(connection),
            Phase::Open(_) if dripping => {
                let reason = "the message took too long to arrive";
                self.close(connection, CloseCode::POLICY_VIOLATION, reason);
            }
            // The send buffer is full: an earlier ping may still be queued, and a new ping would
            // only be queued too.
            Phase::Open(_) if due && connection.blocked => {
                connection.deadline = now + self.limits.pong_timeout;
            }
            Phase::Open(open) if late && open.awaiting_pong => {
                self.close(connection, CloseCode::NO_PONG, "no pong came in time");
            }
            Phase::Open(_) if late => self.ping(connection),
            Phase::Open(_) => {}
            Phase::Closing { .. } if due => self.reset_early(connection),
            Phase::Lingering { .. } if due => self.remove(connection),
            Phase::Closing { .. } | Phase::Lingering { .. } | Phase::Gone(_) => {}
        }
    }

    fn ping(&mut self, connection: &mut ConnectionOf<N, H>) {
        self.turn.counters.pings_sent += 1;
        encode_frame(&mut self.outgoing.replies, Opcode::Ping, b"");
        if !self.send_replies(connection) {
            return;
        }
        connection.deadline = self.turn.now + self.limits.pong_timeout;
        if let Phase::Open(open) = &mut connection.phase {
            open.awaiting_pong = true;
        }
    }

    /// Returns the ping interval, varied at random by up to a fifth.
    pub(super) fn spread_ping_interval(&mut self) -> Duration {
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
    fn a_sweep_of_more_than_one_turn_looks_at_goes_on_at_once_and_looks_at_everybody() {
        let mut sweep = DeadlineSweep::new(Instant::ZERO);
        let mut now = Instant::ZERO + DEADLINE_SWEEP_PERIOD;
        let (places, mut looked_at) = (100_000, sweep.places_due(now, 100_000));
        while sweep.is_behind {
            now = now + Duration::from_micros(10);
            looked_at += sweep.places_due(now, places);
        }
        assert!((places..places + 2 * DEADLINES_PER_TURN_MAX).contains(&looked_at), "{looked_at}");
    }

    #[test]
    fn a_few_connections_are_looked_at_in_their_time_however_short_the_turns() {
        let mut sweep = DeadlineSweep::new(Instant::ZERO);
        let turns = (1..=1000).map(|turn| Instant::ZERO + Duration::from_millis(turn));
        let looked_at: usize = turns.map(|now| sweep.places_due(now, 4)).sum();
        assert_eq!(looked_at, 8, "four slots in half a second");
    }

    #[test]
    fn after_a_pause_nothing_is_judged_before_there_was_time_to_read() {
        let mut sweep = DeadlineSweep::new(Instant::ZERO);
        let woken = Instant::ZERO + Duration::from_secs(60);
        assert_eq!(sweep.places_due(woken, 1000), 0);
        assert_eq!(sweep.places_due(woken + PAUSE_GRACE / 2, 1000), 0);
        assert!(sweep.places_due(woken + PAUSE_GRACE + DEADLINE_SWEEP_PERIOD, 1000) > 0);
    }

    #[test]
    fn a_shorter_pause_behind_it_takes_nothing_of_the_time_to_read() {
        let mut sweep = DeadlineSweep::new(Instant::ZERO);
        let mut now = Instant::ZERO + Duration::from_secs(60);
        sweep.places_due(now, 1000);
        now = now + (PAUSE_MIN - Duration::from_millis(1));
        assert_eq!(sweep.places_due(now, 1000), 0, "there was only one turn to read in");
        now = now + WAIT_MAX;
        assert!(sweep.places_due(now, 1000) > 0, "twice as long as a turn waits is enough");
    }
}
