//! Starts the threads of a run. Each drives its share of the connections; at the end their records
//! are combined.
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use super::load::{Load, LoadSettings};
use super::scenario::Scenario;
use super::threads::{ThisThread, Threads};
use super::turn;
use super::watch::{Watch, Watched};

/// The combined result of all threads when a run is over.
pub(crate) struct Finished<S> {
    pub(crate) load: Load,
    pub(crate) scenario: S,
    pub(crate) seconds: Vec<Watched>,
}

/// Settings of every run.
pub(crate) struct Runner {
    pub(crate) settings: LoadSettings,
    pub(crate) threads: u32,
    /// Ends the run early. Set by Ctrl-C.
    pub(crate) stop: Arc<AtomicBool>,
    pub(crate) watch: Watch,
}

impl Runner {
    /// Runs a scenario on all threads. `make` builds each thread's instance of the scenario.
    pub(crate) fn run<S: Scenario + Send>(
        &self,
        make: impl Fn(&ThisThread) -> S + Sync,
    ) -> io::Result<Finished<S>> {
        let shared = Threads::new(self.threads, Arc::clone(&self.stop));
        std::thread::scope(|scope| {
            let mut workers = Vec::new();
            for number in 0..self.threads {
                let (shared, make) = (&shared, &make);
                let work = move || {
                    let thread = ThisThread::new(Arc::clone(shared), number);
                    let mut end = EndOfThread { shared, number: number as usize, is_good: false };
                    let mut scenario = make(&thread);
                    let mut load = Load::new(self.settings.clone(), thread)?;
                    turn::run(&mut load, &mut scenario)?;
                    end.is_good = true;
                    io::Result::Ok((load, scenario))
                };
                let builder = std::thread::Builder::new().name(format!("load-{number}"));
                match builder.spawn_scoped(scope, work) {
                    Ok(worker) => workers.push(worker),
                    // The threads that did start must not wait for this one at a barrier.
                    Err(error) => {
                        shared.fail();
                        return Err(error);
                    }
                }
            }
            let seconds = self.watch.run(&shared);
            let mut halves = Vec::new();
            for worker in workers {
                halves.push(
                    worker
                        .join()
                        .map_err(|_| io::Error::other("a thread of loadgen has panicked"))??,
                );
            }
            let mut halves = halves.into_iter();
            let (mut load, mut scenario) = halves.next().ok_or(io::ErrorKind::NotFound)?;
            for (other_load, other) in halves {
                load.absorb(&other_load);
                scenario.absorb(other);
            }
            Ok(Finished { load, scenario, seconds })
        })
    }
}

/// When dropped, marks a thread as over. If the thread has failed, the others stop waiting for it.
struct EndOfThread<'a> {
    shared: &'a Threads,
    number: usize,
    is_good: bool,
}

impl Drop for EndOfThread<'_> {
    fn drop(&mut self) {
        if !self.is_good {
            self.shared.fail();
        }
        self.shared.figures[self.number].is_over.store(true, Ordering::Relaxed);
    }
}
