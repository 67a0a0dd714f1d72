//! What signals do to a server: SIGTERM and SIGINT end it, SIGHUP reloads its configuration,
//! SIGUSR1 and SIGUSR2 do nothing.

use std::io;
use std::time::{Duration, Instant};

use fanfare::Stopper;
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM, SIGUSR1, SIGUSR2};
use signal_hook::iterator;
use tracing::info;

use super::systemd;

/// A further signal within this time counts as the same request: a terminal, `docker stop` and a
/// supervisor may each send one.
const ONE_WISH: Duration = Duration::from_secs(1);

/// Called at SIGHUP, with true if the server is ending already.
pub(crate) type OnReload = Box<dyn FnMut(bool) + Send>;

/// The signals that this process has taken over.
pub(crate) struct Signals(iterator::Signals);

impl Signals {
    /// Takes over the signals that would otherwise kill the process although they are not meant to.
    /// To be called at the very start, because a signal may arrive at any time.
    pub(crate) fn take_over() -> Result<Signals, String> {
        iterator::Signals::new([SIGHUP, SIGUSR1, SIGUSR2])
            .map(Signals)
            .map_err(|error| explain(&error))
    }

    /// From now on, SIGTERM or SIGINT drains the server. A second one, later than `ONE_WISH`, ends
    /// the server at once. SIGHUP reloads, if there is anything to reload. Those that come while a
    /// reload is under way are one, which follows it and reads what is there then.
    pub(crate) fn heed(self, stopper: Stopper, mut reload: Option<OnReload>) -> Result<(), String> {
        let Signals(mut signals) = self;
        for signal in [SIGTERM, SIGINT] {
            signals.add_signal(signal).map_err(|error| explain(&error))?;
        }
        let watch = move || {
            let mut ending = EndSignals::default();
            for signal in signals.forever() {
                hear(signal, &mut ending, &stopper, reload.as_mut());
            }
        };
        let thread = std::thread::Builder::new().name("signals".to_owned()).spawn(watch);
        thread.map(|_| ()).map_err(|error| explain(&error))
    }
}

fn explain(error: &io::Error) -> String {
    format!("cannot watch for signals: {error}")
}

fn hear(signal: i32, ending: &mut EndSignals, stopper: &Stopper, reload: Option<&mut OnReload>) {
    match signal {
        SIGHUP => match reload {
            Some(reload) => reload(ending.first_at.is_some()),
            None => info!("SIGHUP: this verb has nothing to reload"),
        },
        SIGUSR1 => info!("SIGUSR1 means nothing to this server"),
        SIGUSR2 => info!("SIGUSR2 means nothing to this server"),
        _ => match ending.hear(Instant::now()) {
            Step::Drain => {
                info!("draining; a second signal, at least a second later, ends at once");
                systemd::tell_stopping("draining");
                stopper.drain();
            }
            Step::SameWish => {
                info!("draining already; a signal within a second counts as the first");
            }
            Step::Stop => {
                info!("ending at once");
                systemd::tell_stopping("ending at once");
                stopper.stop();
            }
        },
    }
}

/// The time of the first signal that asked the server to end.
#[derive(Default)]
struct EndSignals {
    first_at: Option<Instant>,
}

/// What the server does at a signal that asks it to end.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Step {
    Drain,
    /// Nothing: the signal came together with the one that has begun the drain.
    SameWish,
    Stop,
}

impl EndSignals {
    fn hear(&mut self, now: Instant) -> Step {
        match self.first_at {
            None => {
                self.first_at = Some(now);
                Step::Drain
            }
            Some(first_at) if now < first_at + ONE_WISH => Step::SameWish,
            Some(_) => Step::Stop,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_signal_that_comes_twice_within_a_second_is_one_and_a_later_one_ends_at_once() {
        let (mut ending, start) = (EndSignals::default(), Instant::now());
        let mut after = |milliseconds| ending.hear(start + Duration::from_millis(milliseconds));
        assert_eq!(after(0), Step::Drain);
        assert_eq!(after(0), Step::SameWish);
        assert_eq!(after(999), Step::SameWish);
        assert_eq!(after(1000), Step::Stop);
    }
}
