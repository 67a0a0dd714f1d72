//! One question to the application, about one handshake.

use std::net::IpAddr;
use std::sync::{Arc, OnceLock, Weak};
use std::time::{Duration, Instant};

use ::http::Request;

use crate::reactor::Deferral;

use super::verdict::Verdict;

/// Where the verdict on a handshake is put. The handler keeps it as long as the peer waits.
#[derive(Default)]
pub(crate) struct VerdictSlot(OnceLock<Verdict>);

impl VerdictSlot {
    /// Returns the verdict, if there is one.
    pub(crate) fn take(self: Arc<VerdictSlot>) -> Option<Verdict> {
        Arc::into_inner(self)?.0.into_inner()
    }
}

/// A question that waits to be asked, or is being asked.
pub(crate) struct Question {
    request: Request<()>,
    /// The peers of one address, or of one IPv6 /64, take turns with the others.
    pub(super) address: IpAddr,
    deadline: Instant,
    outcome: Weak<VerdictSlot>,
    /// When it is dropped, the handler goes on with the handshake.
    deferral: Deferral,
}

impl Question {
    /// Makes a question that must be answered within a time. Returns also where its answer will be.
    pub(crate) fn new(
        request: Request<()>,
        address: IpAddr,
        timeout: Duration,
        deferral: Deferral,
    ) -> (Question, Arc<VerdictSlot>) {
        let outcome = Arc::<VerdictSlot>::default();
        let deadline = Instant::now() + timeout;
        let weak = Arc::downgrade(&outcome);
        (Question { request, address, deadline, outcome: weak, deferral }, outcome)
    }

    /// Returns false if the peer has left meanwhile.
    pub(super) fn is_wanted(&self) -> bool {
        self.outcome.strong_count() > 0
    }

    /// Returns how much time is left; `None` if it is over.
    pub(super) fn time_left(&self) -> Option<Duration> {
        Some(self.deadline.saturating_duration_since(Instant::now())).filter(|left| !left.is_zero())
    }

    pub(super) fn request(&self) -> Request<()> {
        self.request.clone()
    }

    /// Answers it.
    pub(super) fn answer(self, verdict: Verdict) {
        if let Some(outcome) = self.outcome.upgrade() {
            // It is set once, because this takes the question.
            let _ = outcome.0.set(verdict);
        }
        drop(self.deferral);
    }
}
