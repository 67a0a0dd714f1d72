//! The threads that ask the application, so that no reactor waits for it.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::net::IpAddr;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

use super::fair_queue::FairQueue;
use super::http_client::HttpClient;
use super::question::Question;
use super::verdict::{NoVerdict, Verdict};

/// The most questions that are asked at the same time. An application that answers in 10 ms decides
/// on 3,200 handshakes a second then.
const THREADS_MAX: usize = 32;
/// The most of them about peers of one address: the application may be slow about these alone.
const OF_ONE_ADDRESS_MAX: usize = 24;
/// The most questions that wait for a thread. Each holds the head of a handshake, about 40 KiB at
/// most as it is kept for the library.
const WAITING_MAX: usize = 1024;

/// How often it is looked whose time is over. All threads may be busy for as long as questions may
/// take, so none of them can answer those that wait for them.
const LOOK_PERIOD: Duration = Duration::from_millis(50);

/// Threads that ask. They are started when there are questions, and end when this is dropped.
pub(crate) struct SideThreads(Arc<ThreadsShared>);

struct ThreadsShared {
    state: Mutex<AskingState>,
    /// There is a question, or no more will come.
    news: Condvar,
    /// The same, for the thread that looks whose time is over: there is one that must wait.
    news_for_clock: Condvar,
    client: HttpClient,
}

struct AskingState {
    waiting: FairQueue<Question>,
    /// How many questions are being asked, by address.
    under_way: HashMap<IpAddr, usize>,
    threads: usize,
    /// How many of them have nothing to do.
    idle: usize,
    clock: Clock,
    is_closed: bool,
}

/// What the thread does that looks whose time is over.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Clock {
    /// It is not started.
    Not,
    /// Nobody waits, or did not when it looked last, so it does not look.
    Rests,
    /// It looks once in each `LOOK_PERIOD`.
    Looks,
}

impl Default for SideThreads {
    fn default() -> SideThreads {
        let waiting = FairQueue::new(WAITING_MAX);
        let state = Mutex::new(AskingState {
            waiting,
            under_way: HashMap::new(),
            threads: 0,
            idle: 0,
            clock: Clock::Not,
            is_closed: false,
        });
        SideThreads(Arc::new(ThreadsShared {
            state,
            news: Condvar::new(),
            news_for_clock: Condvar::new(),
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
        self.0.news_for_clock.notify_all();
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
        let is_short = state.idle < state.waiting.len();
        if is_short && state.threads < THREADS_MAX {
            let shared = Arc::clone(&self.0);
            let thread = thread::Builder::new().name("authorizer".to_owned());
            match thread.spawn(move || shared.ask_all()) {
                Ok(_) => state.threads += 1,
                // Without any thread, nobody would come to it.
                Err(_) if state.threads == 0 => {
                    left_out = left_out.or_else(|| state.waiting.pop(|_| true));
                }
                Err(_) => {}
            }
        }
        if is_short {
            self.0.start_to_look(&mut state);
        }
        drop(state);
        self.0.news.notify_one();
        drop(gone);
        if let Some(question) = left_out {
            question.answer(Verdict::None(NoVerdict::TooMany));
        }
    }
}

impl AskingState {
    /// Takes the next question to be asked.
    fn take(&mut self) -> Option<Question> {
        let under_way = &self.under_way;
        let is_few = |address: &IpAddr| {
            under_way.get(address).is_none_or(|asked| *asked < OF_ONE_ADDRESS_MAX)
        };
        let question = self.waiting.pop(is_few)?;
        *self.under_way.entry(question.address).or_default() += 1;
        Some(question)
    }

    /// Notes that a question about a peer of this address has been answered.
    fn note_asked(&mut self, address: IpAddr) {
        if let Entry::Occupied(mut asked) = self.under_way.entry(address) {
            *asked.get_mut() -= 1;
            if *asked.get() == 0 {
                asked.remove();
            }
        }
    }
}

impl ThreadsShared {
    fn state(&self) -> MutexGuard<'_, AskingState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits for the next question. `None`: no more will come.
    fn next(self: &Arc<ThreadsShared>) -> Option<Question> {
        let mut state = self.state();
        loop {
            if state.is_closed {
                return None;
            }
            if let Some(question) = state.take() {
                return Some(question);
            }
            if state.waiting.len() > 0 {
                // Those of an address about which enough are being asked.
                self.start_to_look(&mut state);
            }
            state.idle += 1;
            state = self.news.wait(state).unwrap_or_else(PoisonError::into_inner);
            state.idle -= 1;
        }
    }

    /// Has somebody look whose time is over, because a question must wait.
    fn start_to_look(self: &Arc<ThreadsShared>, state: &mut AskingState) {
        match state.clock {
            Clock::Looks => {}
            Clock::Rests => {
                state.clock = Clock::Looks;
                self.news_for_clock.notify_one();
            }
            Clock::Not => {
                let shared = Arc::clone(self);
                let thread = thread::Builder::new().name("authorizer-clock".to_owned());
                if thread.spawn(move || shared.end_those_too_late()).is_ok() {
                    state.clock = Clock::Looks;
                }
            }
        }
    }

    /// Answers those that still wait when their time is over, until no more will come.
    fn end_those_too_late(&self) {
        let mut state = self.state();
        while !state.is_closed {
            if state.clock == Clock::Rests {
                state = self.news_for_clock.wait(state).unwrap_or_else(PoisonError::into_inner);
                continue;
            }
            let in_time = |one: &Question| one.is_wanted() && one.time_left().is_some();
            let too_late = state.waiting.remove_unless(in_time);
            if state.waiting.len() == 0 {
                state.clock = Clock::Rests;
            }
            drop(state);
            for question in too_late {
                question.answer(Verdict::None(NoVerdict::TooSlow));
            }
            thread::sleep(LOOK_PERIOD);
            state = self.state();
        }
    }

    fn ask_all(self: &Arc<ThreadsShared>) {
        while let Some(question) = self.next() {
            let address = question.address;
            self.ask_one(question);
            self.state().note_asked(address);
        }
    }

    fn ask_one(&self, question: Question) {
        if question.is_wanted() {
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
