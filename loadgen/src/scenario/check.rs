//! A first look at a server: does it accept connections, answer a Ping, echo, broadcast, send
//! publishers their own messages, keep payloads unchanged? It uses two connections and a few
//! messages. Each finding is printed immediately, and at the end a command line to run next.
use std::time::Duration;

use fanfare::protocol::{Message, Opcode};

use crate::measure::machine::Machine;
use crate::net::clock::Moment;
use crate::net::connection::Part;
use crate::net::slots::Id;
use crate::report::finished;
use crate::report::gather::Report;
use crate::report::value::Value;
use crate::run::load::{Ended, Load};
use crate::run::scenario::{Peer, Scenario, Turn};
use crate::stderr::tell;

const SPEAKER: Part = Part(0);
const LISTENER: Part = Part(1);

/// How long to wait for a Pong or a message before it counts as missing.
const PATIENCE: Duration = Duration::from_secs(2);
/// If no message arrives for this long after the last one, no more are expected.
const QUIET: Duration = Duration::from_millis(300);

/// The message that is sent. It is plain text, so a server that wraps messages leaves it intact.
const MESSAGE: &[u8] = b"loadgen check: what becomes of this message?";
const PING: &[u8] = b"loadgen check";

enum CheckStage {
    Begin,
    /// Both connections are being opened.
    Opening {
        until: Moment,
    },
    Pinging {
        since: Moment,
    },
    Speaking {
        until: Moment,
    },
    Over,
}

/// How often one connection has received `MESSAGE`, in which form.
#[derive(Clone, Copy, Default, PartialEq, Eq, Debug)]
struct Heard {
    /// The message exactly as it was sent.
    exactly: u32,
    /// The message with other bytes around it.
    wrapped: u32,
    other: u32,
}

impl Heard {
    fn note(&mut self, payload: &[u8]) {
        let count = if payload == MESSAGE {
            &mut self.exactly
        } else if payload.windows(MESSAGE.len()).any(|window| window == MESSAGE) {
            &mut self.wrapped
        } else {
            &mut self.other
        };
        *count += 1;
    }

    fn has_message(self) -> bool {
        self.exactly + self.wrapped > 0
    }
}

/// What the shown command line is made of, quoted for a shell.
#[derive(Clone, Debug)]
pub(crate) struct ShownWords {
    /// The name under which this program was started.
    pub(crate) program: String,
    pub(crate) url: String,
    /// The flags that say how to connect, each after a space.
    pub(crate) flags: String,
    /// A sentence about flags that are not shown.
    pub(crate) omission: Option<String>,
}

pub(crate) struct Check {
    shown: ShownWords,
    machine: Machine,
    tells: bool,
    stage: CheckStage,
    ids: [Option<Id>; 2],
    has_speaker_ended: bool,
    ping_nanos: Option<u64>,
    heard: [Heard; 2],
    last_heard: Option<Moment>,
}

impl Check {
    /// With `tells`, each finding is printed on standard error as soon as it is known.
    pub(crate) fn new(shown: ShownWords, machine: Machine, tells: bool) -> Check {
        Check {
            shown,
            machine,
            tells,
            stage: CheckStage::Begin,
            ids: [None; 2],
            has_speaker_ended: false,
            ping_nanos: None,
            heard: [Heard::default(); 2],
            last_heard: None,
        }
    }

    fn tell(&self, what: &str) {
        if self.tells {
            tell(what);
        }
    }

    fn speaker(&self) -> Option<Id> {
        self.ids[0]
    }

    /// Returns what the server does: "it echoes", "it broadcasts", and so on.
    fn finding(&self) -> &'static str {
        let [speaker, listener] = self.heard.map(Heard::has_message);
        match (self.ids, speaker, listener) {
            ([None, _], _, _) => "does not open",
            (_, true, false) => "echoes",
            (_, true, true) => "broadcasts, to the sender too",
            (_, false, true) => "broadcasts, but not to the sender",
            (_, false, false) => "neither echoes nor broadcasts",
        }
    }

    /// Returns the command line to run next. `None` if the server did not open.
    fn next_line(&self) -> Option<String> {
        self.speaker()?;
        let [speaker, listener] = self.heard.map(Heard::has_message);
        let (scenario, load) = match (speaker, listener, self.is_kept()) {
            (_, true, true) => ("broadcast", "-c 100 --rate 100"),
            (_, true, false) => ("broadcast", "-c 100 --rate 100 --verify count"),
            (true, false, true) => ("echo", "-c 100 --rate 1k"),
            (true, false, false) => ("echo", "-c 100 --rate 1k --verify off"),
            (false, false, _) if self.ping_nanos.is_some() => ("ping", "-c 100 --rate 1k"),
            (false, false, _) => ("hold", "-c 100"),
        };
        let ShownWords { program, url, flags, .. } = &self.shown;
        Some(format!("{program} {scenario} {url} {load}{flags}"))
    }

    /// Returns true if the server puts nothing around a message.
    fn is_kept(&self) -> bool {
        self.heard.iter().all(|heard| heard.wrapped == 0)
    }
}

impl Scenario for Check {
    fn on_open(&mut self, _load: &mut Load, id: Id, _part: Part, index: u32) {
        self.ids[index as usize] = Some(id);
    }

    fn on_message(&mut self, peer: &mut Peer<'_>, message: Message<'_>, at: Moment) {
        let heard = &mut self.heard[peer.index as usize];
        heard.note(message.payload());
        // Other messages, such as a greeting, do not show what the server does with a message.
        if heard.has_message() {
            self.last_heard = Some(at);
        }
    }

    fn on_pong(&mut self, _peer: &mut Peer<'_>, payload: &[u8], at: Moment) {
        if let CheckStage::Pinging { since } = self.stage
            && payload == PING
        {
            self.ping_nanos = Some(at.nanos_since(since));
        }
    }

    fn on_ended(&mut self, load: &mut Load, ended: &Ended) {
        self.has_speaker_ended |= ended.index == 0;
        let how = if ended.was_open { "ended" } else { "not opened" };
        let text = finished::on_one_line(load.ends.text(ended.end));
        self.tell(&format!("connection {}: {how}: {} {text}", ended.index + 1, ended.end));
    }

    fn on_turn(&mut self, load: &mut Load, now: Moment) -> Turn {
        loop {
            self.stage = match self.stage {
                CheckStage::Begin => {
                    let Machine { open_files, ports, cores } = self.machine;
                    let ports =
                        ports.map_or("an unknown number of".to_owned(), |ports| ports.to_string());
                    self.tell(&format!(
                        "this machine: {open_files} open files, {ports} ports on each source \
                         address, {cores} cores"
                    ));
                    load.open(SPEAKER, 0);
                    load.open(LISTENER, 1);
                    // Longer than an opening may take: unanswered openings have ended by then.
                    CheckStage::Opening { until: now + 10 * PATIENCE }
                }
                CheckStage::Opening { until } => {
                    if load.openings_under_way() > 0 && now < until && !load.is_stopping() {
                        return Turn::Until(until);
                    }
                    match self.speaker() {
                        None => CheckStage::Over,
                        Some(id) => {
                            self.tell("handshake: 101");
                            load.send_frame(id, Opcode::Ping, PING);
                            CheckStage::Pinging { since: now }
                        }
                    }
                }
                CheckStage::Pinging { since } => {
                    if self.ping_nanos.is_none()
                        && now < since + PATIENCE
                        && !self.has_speaker_ended
                    {
                        return Turn::Until(since + PATIENCE);
                    }
                    match self.ping_nanos {
                        Some(nanos) => {
                            self.tell(&format!("ping: answered in {} µs", nanos / 1_000));
                        }
                        None => self.tell("ping: not answered"),
                    }
                    if let Some(id) = self.speaker() {
                        load.send(id, MESSAGE);
                    }
                    CheckStage::Speaking { until: now + PATIENCE }
                }
                CheckStage::Speaking { until } => {
                    let until = self.last_heard.map_or(until, |heard| until.min(heard + QUIET));
                    if now < until && !load.is_stopping() {
                        return Turn::Until(until);
                    }
                    self.tell(&format!("message: the server {}", self.finding()));
                    if let Some(line) = self.next_line() {
                        self.tell(&format!("\nrun next:\n  {line}\n"));
                    }
                    if let Some(omission) = &self.shown.omission {
                        self.tell(omission);
                    }
                    CheckStage::Over
                }
                CheckStage::Over => return Turn::Done,
            };
        }
    }

    fn absorb(&mut self, _other: Check) {}

    fn report(&mut self, load: &Load, report: &mut Report) {
        load.report(report, &[("connections", SPEAKER), ("listeners", LISTENER)]);
        let [speaker, listener] = self.heard;
        let is_kept = self.is_kept();
        let has_message = speaker.has_message() || listener.has_message();
        report
            .section("machine")
            .row("open_files", Value::Count(self.machine.open_files))
            .optional("ports_per_address", self.machine.ports.map(Value::Count))
            .row("cores", Value::Count(self.machine.cores));
        report
            .section("server")
            .row("finding", Value::Text(format!("the server {}", self.finding())))
            .row("answers_ping", Value::Flag(self.ping_nanos.is_some()))
            .optional("ping_ns", self.ping_nanos.map(Value::Nanos))
            .row("echoes", Value::Flag(speaker.has_message() && !listener.has_message()))
            .row("broadcasts", Value::Flag(listener.has_message()))
            .row("own_copies", Value::Flag(speaker.has_message()))
            .optional("keeps_payload", has_message.then_some(Value::Flag(is_kept)))
            .row("other_messages", Value::Count(u64::from(speaker.other + listener.other)))
            .optional("run_next", self.next_line().map(Value::Text));
        if has_message && !is_kept {
            report.note(
                "the server puts something around a payload: broadcast with --verify count finds \
                 it in there"
                    .to_owned(),
            );
        }
    }
}
