//! How busy both sides were between two moments: the threads of this process, and those of the
//! server's process.
use super::process::{Process, ThreadTimes};
use crate::net::clock::Moment;

/// The processor times of both sides, read at one moment.
#[derive(Clone, Debug)]
pub(crate) struct Sample {
    at: Moment,
    own: Vec<ThreadTimes>,
    server: Option<ServerSample>,
}

#[derive(Clone, Debug)]
struct ServerSample {
    threads: Vec<ThreadTimes>,
    /// How many cores the server may run on.
    cores: u32,
}

impl Sample {
    pub(crate) fn now(at: Moment, server: Option<Process>) -> Sample {
        let own = Process::own().threads().unwrap_or_default();
        let server = server.and_then(|server| {
            Some(ServerSample { threads: server.threads().ok()?, cores: server.cores().ok()? })
        });
        Sample { at, own, server }
    }

    pub(crate) fn at(&self) -> Moment {
        self.at
    }
}

/// Processor use between two samples. Shares are fractions of one core during that time.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Usage {
    pub(crate) elapsed_nanos: u64,
    /// Share of the time that this process's busiest thread ran.
    pub(crate) busiest_share: f64,
    /// The largest share of the time that a thread of this process ran or waited for a core.
    pub(crate) wanting_share: f64,
    /// Share of the time that the thread of `wanting_share` could have run but had no core.
    pub(crate) waiting_share: f64,
    pub(crate) own_nanos: u64,
    pub(crate) server: Option<ServerUsage>,
}

#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct ServerUsage {
    pub(crate) nanos: u64,
    pub(crate) share: f64,
    /// Share of the server's busiest thread, or of all its cores if larger. 1 is the maximum.
    pub(crate) saturation: f64,
}

impl Usage {
    pub(crate) fn between(before: &Sample, after: &Sample) -> Usage {
        let elapsed_nanos = after.at.nanos_since(before.at);
        let share =
            |nanos: u64| if elapsed_nanos == 0 { 0.0 } else { nanos as f64 / elapsed_nanos as f64 };
        let own = spent(&before.own, &after.own);
        let wanting = own.iter().max_by_key(|thread| thread.running_nanos + thread.waiting_nanos);
        Usage {
            elapsed_nanos,
            busiest_share: share(own.iter().map(|thread| thread.running_nanos).max().unwrap_or(0)),
            wanting_share: wanting
                .map_or(0.0, |thread| share(thread.running_nanos + thread.waiting_nanos)),
            waiting_share: wanting.map_or(0.0, |thread| share(thread.waiting_nanos)),
            own_nanos: own.iter().map(|thread| thread.running_nanos).sum(),
            server: before.server.as_ref().zip(after.server.as_ref()).map(|(before, after)| {
                let threads = spent(&before.threads, &after.threads);
                let nanos = threads.iter().map(|thread| thread.running_nanos).sum();
                let busiest = threads.iter().map(|thread| thread.running_nanos).max().unwrap_or(0);
                let saturation = share(busiest).max(share(nanos) / f64::from(after.cores));
                ServerUsage { nanos, share: share(nanos), saturation }
            }),
        }
    }
}

/// Returns the processor time of each thread between two samples. A thread that began in between
/// starts at zero.
fn spent(before: &[ThreadTimes], after: &[ThreadTimes]) -> Vec<ThreadTimes> {
    let since = |thread: &ThreadTimes| {
        let earlier = before.iter().find(|earlier| earlier.id == thread.id);
        let (running, waiting) =
            earlier.map_or((0, 0), |earlier| (earlier.running_nanos, earlier.waiting_nanos));
        ThreadTimes {
            id: thread.id,
            running_nanos: thread.running_nanos.saturating_sub(running),
            waiting_nanos: thread.waiting_nanos.saturating_sub(waiting),
        }
    };
    after.iter().map(since).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample(nanos: u64, own: &[(u32, u64, u64)], server: &[(u32, u64, u64)]) -> Sample {
        let times = |threads: &[(u32, u64, u64)]| {
            let of = |(id, running_nanos, waiting_nanos)| ThreadTimes {
                id,
                running_nanos,
                waiting_nanos,
            };
            threads.iter().copied().map(of).collect::<Vec<_>>()
        };
        let server = ServerSample { threads: times(server), cores: 2 };
        Sample { at: Moment::from_nanos(nanos), own: times(own), server: Some(server) }
    }

    #[test]
    fn the_busiest_thread_counts_and_not_the_sum() {
        let before = sample(0, &[(1, 500, 0), (2, 0, 0)], &[(7, 100, 0)]);
        let after = sample(1_000, &[(1, 700, 0), (2, 300, 600)], &[(7, 600, 0), (8, 250, 0)]);
        let usage = Usage::between(&before, &after);
        assert_eq!((usage.elapsed_nanos, usage.own_nanos), (1_000, 500));
        assert_eq!(
            (usage.busiest_share, usage.wanting_share, usage.waiting_share),
            (0.3, 0.9, 0.6)
        );
        let server = usage.server.unwrap();
        assert_eq!((server.nanos, server.share, server.saturation), (750, 0.75, 0.5));
    }
}
