//! The watcher of a run, on its own thread. It records each second and shows the live view.
use std::io::IsTerminal as _;
use std::time::Duration;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use super::threads::Threads;
use crate::cli::common::PhaseArgs;
use crate::measure::process::Process;
use crate::measure::usage::{Sample, Usage};
use crate::net::clock::Moment;
use crate::report::second::{Second, SecondPhase};
use crate::stderr::tell;

/// How often the live view is redrawn.
const REDRAW_EVERY: Duration = Duration::from_millis(200);
/// Without a terminal, the live view prints one line in this many seconds.
const LINE_EVERY: u64 = 5;

/// The incomplete second at the end of a run is shown if it is at least a tenth of a second long.
const REST_NANOS_MIN: u64 = 100_000_000;

/// Processor times, and the counts of all threads, at one moment.
struct Look {
    sample: Sample,
    sent: u64,
    delivered: u64,
}

/// One second of the run.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Watched {
    /// Counts of this second. Its latencies are left empty: the scenario records those.
    pub(crate) second: Second,
    /// Share of this second in which loadgen's busiest thread ran or waited for a core.
    pub(crate) wanting_share: f64,
}

/// Settings of the watcher.
pub(crate) struct Watch {
    pub(crate) name: &'static str,
    /// How many connections the run opens.
    pub(crate) connections: u64,
    pub(crate) server: Option<Process>,
    pub(crate) phases: Option<PhaseArgs>,
    /// True if there is a live view.
    pub(crate) shows: bool,
}

impl Watch {
    /// Watches until the run is over. Returns the seconds of the run, in order.
    pub(crate) fn run(&self, shared: &Threads) -> Vec<Watched> {
        let mut seconds = Vec::new();
        let view = View::new(self);
        let mut before = self.look(shared);
        while !shared.is_over() {
            let now = shared.clock.now();
            if now.second() == before.sample.at().second() {
                view.draw(self, shared, now, seconds.last().map(|last: &Watched| &last.second));
                let left = Duration::from_nanos(1_000_000_000 - now.as_nanos() % 1_000_000_000);
                std::thread::sleep(left.min(REDRAW_EVERY));
                continue;
            }
            let after = self.look(shared);
            let second = self.between(shared, &before, &after);
            view.on_second(self, shared, now, &second.second);
            seconds.push(second);
            before = after;
        }
        // The run rarely ends on a full second, so the incomplete one is reported too.
        let last = self.look(shared);
        if last.sample.at().nanos_since(before.sample.at()) >= REST_NANOS_MIN {
            seconds.push(self.between(shared, &before, &last));
        }
        view.end();
        seconds
    }

    fn look(&self, shared: &Threads) -> Look {
        Look {
            sample: Sample::now(shared.clock.now(), self.server),
            sent: shared.sum(|figures| &figures.sent),
            delivered: shared.sum(|figures| &figures.delivered),
        }
    }

    fn between(&self, shared: &Threads, before: &Look, after: &Look) -> Watched {
        let usage = Usage::between(&before.sample, &after.sample);
        let rate = |count: u64| per_second(count, usage.elapsed_nanos);
        let second = Second {
            second: before.sample.at().second().into(),
            phase: self.phase(shared, before.sample.at(), after.sample.at()),
            open: shared.sum(|figures| &figures.open),
            sent: rate(after.sent.saturating_sub(before.sent)),
            delivered: rate(after.delivered.saturating_sub(before.delivered)),
            p50_ns: None,
            p99_ns: None,
            max_ns: None,
            loadgen_share: usage.busiest_share,
            server_share: usage.server.map(|server| server.saturation),
        };
        Watched { second, wanting_share: usage.wanting_share }
    }

    /// Returns the phase of a second. One that lies in two phases does not count as measured.
    fn phase(&self, shared: &Threads, from: Moment, to: Moment) -> SecondPhase {
        let Some(began) = shared.began() else { return SecondPhase::Connect };
        let Some(phases) = self.phases else {
            let is_over = shared.measured_until().is_some_and(|until| until < to);
            return if is_over { SecondPhase::Drain } else { SecondPhase::Measure };
        };
        let measured_from = began + phases.warmup;
        let measured_to = shared.measured_until().unwrap_or(measured_from + phases.duration);
        if to <= began {
            SecondPhase::Connect
        } else if from < measured_from {
            SecondPhase::Warmup
        } else if to <= measured_to {
            SecondPhase::Measure
        } else {
            SecondPhase::Drain
        }
    }

    /// Describes the current state of the run in one line.
    fn line(&self, shared: &Threads, now: Moment, last: Option<&Second>) -> String {
        let open = shared.sum(|figures| &figures.open);
        let failed = shared.sum(|figures| &figures.failed);
        let failed = if failed > 0 { format!(", {failed} failed") } else { String::new() };
        let Some(began) = shared.began() else {
            return format!("opening: {open} of {} open{failed}", self.connections);
        };
        let Some(phases) = self.phases else {
            let opened = shared.sum(|figures| &figures.opened);
            let rate = last.map_or(0, |last| last.delivered);
            return format!("{open} open, {opened} opened, {rate}/s{failed}");
        };
        let phase = if now < began + phases.warmup {
            "warm-up"
        } else if now < began + phases.warmup + phases.duration {
            "measuring"
        } else {
            "draining"
        };
        let (sent, delivered) = last.map_or((0, 0), |last| (last.sent, last.delivered));
        let p99 = shared
            .figures
            .iter()
            .map(|figures| figures.p99_nanos.load(std::sync::atomic::Ordering::Relaxed))
            .max();
        let p99 = p99
            .filter(|nanos| *nanos > 0)
            .map_or(String::new(), |nanos| format!(", p99 {:.2} ms", nanos as f64 / 1e6));
        format!("{phase}: {open} open, sent {sent}/s, received {delivered}/s{p99}{failed}")
    }
}

/// Returns `count` in `nanos` as a rate. The watcher may wake late, after more than a second.
fn per_second(count: u64, nanos: u64) -> u64 {
    (u128::from(count) * 1_000_000_000 / u128::from(nanos.max(1))) as u64
}

/// The live view: a progress bar on a terminal, a line every few seconds without one, or nothing.
enum View {
    Bar(ProgressBar),
    Lines,
    Nothing,
}

impl View {
    fn new(watch: &Watch) -> View {
        if !watch.shows {
            return View::Nothing;
        }
        if !std::io::stderr().is_terminal() {
            return View::Lines;
        }
        let style =
            ProgressStyle::with_template("{prefix} {bar:24} {msg}").expect("a constant template");
        let bar = ProgressBar::with_draw_target(Some(1_000), ProgressDrawTarget::stderr())
            .with_style(style);
        bar.set_prefix(watch.name);
        View::Bar(bar)
    }

    fn draw(&self, watch: &Watch, shared: &Threads, now: Moment, last: Option<&Second>) {
        let View::Bar(bar) = self else { return };
        let total = watch.phases.map(|phases| phases.warmup + phases.duration);
        if let (Some(began), Some(total)) = (shared.began(), total) {
            let done = now.nanos_since(began) as f64 / total.as_nanos().max(1) as f64;
            bar.set_position((done * 1_000.0) as u64);
        }
        bar.set_message(watch.line(shared, now, last));
    }

    fn on_second(&self, watch: &Watch, shared: &Threads, now: Moment, last: &Second) {
        if matches!(self, View::Lines) && (last.second + 1).is_multiple_of(LINE_EVERY) {
            let line = watch.line(shared, now, Some(last));
            tell(&format!("{} {} s: {line}", watch.name, last.second + 1));
        }
    }

    fn end(&self) {
        if let View::Bar(bar) = self {
            bar.finish_and_clear();
        }
    }
}
