//! How long each message took to reach the last of its receivers.
use crate::measure::latency::Latencies;

/// With several threads, at most this many messages are timed. Later ones are left out.
const MESSAGES_MAX: usize = 4 << 20;

pub(super) enum LastReceiver {
    /// The run has one thread, so it knows which receiver is the last.
    Alone(Latencies),
    /// For each publisher and message, the nanoseconds until the last receiver of this thread had
    /// the message; zero until then. `absorb` finds the slowest thread.
    OfThread(Vec<Vec<u64>>),
}

impl LastReceiver {
    pub(super) fn new(threads: u32, publishers: usize) -> LastReceiver {
        match threads {
            1 => LastReceiver::Alone(Latencies::new()),
            // The lists are allocated at the beginning, so that nothing is allocated per message.
            _ => LastReceiver::OfThread(
                (0..publishers)
                    .map(|_| Vec::with_capacity(MESSAGES_MAX / publishers.max(1)))
                    .collect(),
            ),
        }
    }

    /// Records that a measured message needed `nanos` to reach the last receiver of this thread.
    pub(super) fn complete(&mut self, publisher: usize, sequence: u32, nanos: u64) {
        match self {
            LastReceiver::Alone(latencies) => latencies.record(nanos),
            LastReceiver::OfThread(publishers) => {
                let (times, at) = (&mut publishers[publisher], sequence as usize);
                if at >= times.capacity() {
                    return;
                }
                if times.len() <= at {
                    times.resize(at + 1, 0);
                }
                times[at] = nanos.max(1);
            }
        }
    }

    /// Combines the records of two threads that both have receivers: the later time counts.
    pub(super) fn absorb(&mut self, other: LastReceiver) {
        match (self, other) {
            (LastReceiver::Alone(latencies), LastReceiver::Alone(others)) => {
                latencies.merge(&others);
            }
            (LastReceiver::OfThread(publishers), LastReceiver::OfThread(others)) => {
                for (times, others) in publishers.iter_mut().zip(others) {
                    // A message that has reached all receivers of only one thread is left out.
                    times.truncate(others.len());
                    for (time, other) in times.iter_mut().zip(others) {
                        *time = if *time == 0 || other == 0 { 0 } else { other.max(*time) };
                    }
                }
            }
            (LastReceiver::Alone(_), LastReceiver::OfThread(_))
            | (LastReceiver::OfThread(_), LastReceiver::Alone(_)) => {
                unreachable!("all threads use the same variant")
            }
        }
    }

    pub(super) fn latencies(&self) -> Latencies {
        let mut all = Latencies::new();
        match self {
            LastReceiver::Alone(latencies) => all.merge(latencies),
            LastReceiver::OfThread(publishers) => {
                publishers
                    .iter()
                    .flatten()
                    .filter(|nanos| **nanos > 0)
                    .for_each(|nanos| all.record(*nanos));
            }
        }
        all
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_slower_thread_is_the_last_and_what_one_has_not_is_left_out() {
        let mut one = LastReceiver::new(2, 1);
        let mut other = LastReceiver::new(2, 1);
        for (sequence, [mine, theirs]) in
            [[10, 40], [30, 20], [5, 0], [7, 7]].into_iter().enumerate()
        {
            one.complete(0, sequence as u32, mine);
            if theirs > 0 {
                other.complete(0, sequence as u32, theirs);
            }
        }
        one.absorb(other);
        let latencies = one.latencies();
        let histogram = latencies.histogram();
        assert_eq!((histogram.len(), histogram.min(), histogram.max()), (3, 7, 40));
    }
}
