//! What signals do to a server: SIGTERM and SIGINT end it, SIGHUP reloads its configuration,
//! SIGUSR1 and SIGUSR2 do nothing.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{SyncSender, TrySendError, sync_channel};
use std::thread;
use std::time::{Duration, Instant};

use fanfare::Stopper;
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM, SIGUSR1, SIGUSR2};
use signal_hook::iterator;
use tracing::{error, info};

use super::systemd;

/// A further signal within this time counts as the same request: a terminal, `docker stop` and a
/// supervisor may each send one.
const ONE_WISH: Duration = Duration::from_secs(1);

/// Called at SIGHUP, on a thread of its own. The flag is true once the server is ending.
pub(crate) type OnReload = Box<dyn FnMut(&AtomicBool) + Send>;

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
    pub(crate) fn heed(self, stopper: Stopper, reload: Option<OnReload>) -> Result<(), String> {
        let Signals(mut signals) = self;
        for signal in [SIGTERM, SIGINT] {
            signals.add_signal(signal).map_err(|error| explain(&error))?;
        }
        let is_ending = Arc::new(AtomicBool::new(false));
        let reloads = reload.map(|reload| Reloads::start(reload, Arc::clone(&is_ending)));
        let reloads = reloads.transpose()?;
        spawn("signals", move || {
            let mut ending = EndSignals { first_at: None, is_ending };
            for signal in signals.forever() {
                hear(signal, &mut ending, &stopper, reloads.as_ref());
            }
        })
    }
}

/// The thread that reloads. To read names and rules may take seconds, and a signal that ends the
/// server must not wait for that.
struct Reloads(SyncSender<()>);

impl Reloads {
    fn start(mut reload: OnReload, is_ending: Arc<AtomicBool>) -> Result<Reloads, String> {
        let (ask, asked) = sync_channel(1);
        spawn("reloads", move || asked.iter().for_each(|()| reload(&is_ending)))?;
        Ok(Reloads(ask))
    }

    fn ask(&self) {
        match self.0.try_send(()) {
            // If one is waiting already, it will read what is there then.
            Ok(()) | Err(TrySendError::Full(())) => {}
            Err(TrySendError::Disconnected(())) => {
                error!("SIGHUP: an earlier reload has failed by a bug, and none is possible now");
            }
        }
    }
}

fn spawn(name: &str, run: impl FnOnce() + Send + 'static) -> Result<(), String> {
    let thread = thread::Builder::new().name(name.to_owned()).spawn(run);
    thread.map(|_| ()).map_err(|error| explain(&error))
}

fn explain(error: &io::Error) -> String {
    format!("cannot watch for signals: {error}")
}

fn hear(signal: i32, ending: &mut EndSignals, stopper: &Stopper, reloads: Option<&Reloads>) {
    match signal {
        SIGHUP => match reloads {
            Some(reloads) => reloads.ask(),
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

/// The signals that ask the server to end.
#[derive(Default)]
struct EndSignals {
    /// The time of the first.
    first_at: Option<Instant>,
    /// Whether there was one.
    is_ending: Arc<AtomicBool>,
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
                self.is_ending.store(true, Ordering::SeqCst);
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
