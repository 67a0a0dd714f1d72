//! The threads that ask the application, so that no reactor waits for it.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;

use super::fair_queue::FairQueue;
use super::http_client::HttpClient;
use super::question::Question;
use super::verdict::{NoVerdict, Verdict};

/// The most questions that are asked at the same time. An application that answers in 10 ms decides
/// on 3,200 handshakes a second then.
const THREADS_MAX: usize = 32;
/// The most questions that wait for a thread. Each holds the head of a handshake, of 16 KiB at
/// most.
const WAITING_MAX: usize = 1024;

/// Threads that ask. They are started when there are questions, and end when this is dropped.
pub(crate) struct SideThreads(Arc<ThreadsShared>);

struct ThreadsShared {
    state: Mutex<AskingState>,
    /// There is a question, or no more will come.
    news: Condvar,
    client: HttpClient,
}

struct AskingState {
    waiting: FairQueue<Question>,
    threads: usize,
    /// How many of them have nothing to do.
    idle: usize,
    is_closed: bool,
}

impl Default for SideThreads {
    fn default() -> SideThreads {
        let waiting = FairQueue::new(WAITING_MAX);
        let state = Mutex::new(AskingState { waiting, threads: 0, idle: 0, is_closed: false });
        SideThreads(Arc::new(ThreadsShared {
            state,
            news: Condvar::new(),
            client: HttpClient::new(),
        }))
    }
}

impl std::fmt::Debug for SideThreads {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("SideThreads")
    }
}

impl Drop for SideThreads {
    fn drop(&mut self) {
        self.0.state().is_closed = true;
        self.0.news.notify_all();
    }
}

impl SideThreads {
    /// Has a question asked. Where there is no room for all, one of them is answered at once.
    pub(crate) fn ask(&self, question: Question) {
        let mut state = self.0.state();
        let gone = match state.waiting.is_full() {
            true => state.waiting.remove_unless(Question::is_wanted),
            false => Vec::new(),
        };
        let mut left_out = state.waiting.push(question.address, question);
        if state.idle < state.waiting.len() && state.threads < THREADS_MAX {
            let shared = Arc::clone(&self.0);
            let thread = thread::Builder::new().name("authorizer".to_owned());
            match thread.spawn(move || shared.ask_all()) {
                Ok(_) => state.threads += 1,
                // Without any thread, nobody would come to it.
                Err(_) if state.threads == 0 => left_out = left_out.or_else(|| state.waiting.pop()),
                Err(_) => {}
            }
        }
        drop(state);
        self.0.news.notify_one();
        drop(gone);
        if let Some(question) = left_out {
            question.answer(Verdict::None(NoVerdict::TooMany));
        }
    }
}

impl ThreadsShared {
    fn state(&self) -> MutexGuard<'_, AskingState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits for the next question. `None`: no more will come.
    fn next(&self) -> Option<Question> {
        let mut state = self.state();
        loop {
            if state.is_closed {
                return None;
            }
            if let Some(question) = state.waiting.pop() {
                return Some(question);
            }
            state.idle += 1;
            state = self.news.wait(state).unwrap_or_else(PoisonError::into_inner);
            state.idle -= 1;
        }
    }

    fn ask_all(&self) {
        while let Some(question) = self.next() {
            if !question.is_wanted() {
                continue;
            }
            let verdict = match question.time_left() {
                // A fault in the library must not cost a thread.
                Some(left) => catch_unwind(AssertUnwindSafe(|| self.client.ask(&question, left)))
                    .unwrap_or(Verdict::None(NoVerdict::Failed)),
                None => Verdict::None(NoVerdict::TooSlow),
            };
            question.answer(verdict);
        }
    }
}
