//! SIGINT and SIGTERM end the server, SIGUSR1 asks for the ledger. They wake the poll through a
//! socket pair, so that a signal just before a wait still ends that wait.
use std::io::{self, Read as _};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::net::interrupt::on_interrupt;
use mio::net::UnixStream;
use mio::{Interest, Registry, Token};
use signal_hook::consts::{SIGINT, SIGTERM, SIGUSR1};

pub(super) struct Signals {
    end: Arc<AtomicBool>,
    report: Arc<AtomicBool>,
    wake: UnixStream,
}

impl Signals {
    pub(super) fn register(registry: &Registry, token: Token) -> io::Result<Signals> {
        let (end, report) = (on_interrupt()?, Arc::new(AtomicBool::new(false)));
        let (mut wake, waker) = UnixStream::pair()?;
        registry.register(&mut wake, token, Interest::READABLE)?;
        let waker = std::os::unix::net::UnixStream::from(std::os::fd::OwnedFd::from(waker));
        signal_hook::flag::register(SIGUSR1, Arc::clone(&report))?;
        // Handlers run in the order of registration, so the flag is set before the poll wakes.
        for signal in [SIGINT, SIGTERM, SIGUSR1] {
            signal_hook::low_level::pipe::register(signal, waker.try_clone()?)?;
        }
        Ok(Signals { end, report, wake })
    }

    pub(super) fn is_ending(&self) -> bool {
        self.end.load(Ordering::Relaxed)
    }

    pub(super) fn take_report(&self) -> bool {
        self.report.swap(false, Ordering::Relaxed)
    }

    /// Empties the socket pair. Each signal causes a new edge, so a failed read does no harm.
    pub(super) fn drain(&mut self) {
        while matches!(self.wake.read(&mut [0; 64]), Ok(64)) {}
    }
}
