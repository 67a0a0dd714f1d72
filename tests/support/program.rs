//! A server in a process of its own: the command `fanfare`, or any other program that prints the
//! address on which it listens.

use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::process::{Child, ChildStderr, Command, Stdio};

use rustix::process::{Pid, Signal, kill_process};

use super::wait_for;

/// What a server prints to standard error before its address.
const LISTENING: &str = "listening on http";

/// A running server program. It is killed when this is dropped.
pub(crate) struct Program {
    pub(crate) address: SocketAddr,
    pub(crate) url: String,
    /// The line with the address on which the program listens.
    pub(crate) first_line: String,
    /// What it has printed before.
    pub(crate) printed_before: String,
    child: Child,
}

/// The standard error of a program. If it is dropped, the program writes to a broken pipe.
pub(crate) struct Log(BufReader<ChildStderr>);

/// Returns the command `fanfare` with these arguments, and without any `FANFARE_` variable.
pub(crate) fn fanfare(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_fanfare"));
    command.args(arguments);
    let variables = std::env::vars_os().map(|(name, _)| name);
    for name in variables.filter(|name| name.to_string_lossy().starts_with("FANFARE_")) {
        command.env_remove(name);
    }
    command
}

impl Program {
    /// Starts `fanfare` with these arguments on a free port, and waits until it listens.
    pub(crate) fn start(arguments: &[&str]) -> Program {
        let (program, log) = Program::start_with_log(arguments);
        log.read_in_background();
        program
    }

    /// Starts `fanfare` on this address, and waits until it listens.
    pub(crate) fn start_at(address: SocketAddr, arguments: &[&str]) -> Program {
        let mut command = fanfare(arguments);
        command.args(["--listen", &address.to_string()]);
        let (program, log) = Program::run(command);
        log.read_in_background();
        program
    }

    /// Starts `fanfare` on a free port. The test reads the log.
    pub(crate) fn start_with_log(arguments: &[&str]) -> (Program, Log) {
        let mut command = fanfare(arguments);
        command.args(["--listen", "127.0.0.1:0"]);
        Program::run(command)
    }

    /// Starts `fanfare` in a shell that limits the number of open files.
    pub(crate) fn start_with_open_files(open_files: u32, arguments: &[&str]) -> (Program, Log) {
        let mut command = Command::new("sh");
        command.args(["-c", &format!("ulimit -n {open_files} && exec \"$0\" \"$@\"")]);
        let fanfare = fanfare(arguments);
        command.arg(fanfare.get_program()).args(fanfare.get_args());
        command.args(["--listen", "127.0.0.1:0"]);
        for (name, value) in fanfare.get_envs() {
            assert_eq!(value, None, "variables are only removed");
            command.env_remove(name);
        }
        Program::run(command)
    }

    /// Starts any program that writes `listening on http://ADDRESS` (or `https://`) to standard
    /// error, and waits for that line.
    pub(crate) fn run(mut command: Command) -> (Program, Log) {
        command.stdin(Stdio::null()).stderr(Stdio::piped());
        let mut child = command.spawn().expect("the program starts");
        let mut log = Log(BufReader::new(child.stderr.take().expect("it is piped")));
        let (printed_before, line) = log.read_up_to(LISTENING);
        let (_, rest) = line.split_once(LISTENING).expect("the line has been looked for");
        let (scheme, rest) = rest.split_once("://").expect("a URL");
        let address = rest.split([';', ',', ' ', '/', '\n']).next().expect("there is a first part");
        let url = format!("http{scheme}://{address}");
        let address = address.parse().expect("an address and a port");
        (Program { address, url, first_line: line, printed_before, child }, log)
    }

    pub(crate) fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.child), signal).expect("it is there to be signalled");
    }

    /// Waits for the end of the process. Returns its exit code.
    pub(crate) fn exit_code(&mut self) -> Option<i32> {
        let status = || self.child.try_wait().expect("it can be waited for");
        wait_for("the end of the process", status).code()
    }

    /// Sends a signal until the program ends; repeated, because a second signal within a second is
    /// ignored. Returns the exit code.
    pub(crate) fn signal_until_the_end(&mut self, signal: Signal) -> Option<i32> {
        let ended = wait_for("the end of the process", || {
            self.signal(signal);
            self.child.try_wait().expect("it can be waited for")
        });
        ended.code()
    }

    /// Returns the resident memory of the process, in bytes.
    pub(crate) fn resident_bytes(&self) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id())).unwrap();
        let line =
            status.lines().find_map(|line| line.strip_prefix("VmRSS:")).expect("it is resident");
        line.trim().trim_end_matches(" kB").parse::<u64>().unwrap() * 1024
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Log {
    /// Reads up to and including a line that contains this text. Returns that line.
    pub(crate) fn wait_for(&mut self, text: &str) -> String {
        self.read_up_to(text).1
    }

    /// Does the same. Returns the lines before it, too.
    fn read_up_to(&mut self, text: &str) -> (String, String) {
        let (mut before, mut line) = (String::new(), String::new());
        while self.0.read_line(&mut line).expect("a log is text") > 0 {
            if line.contains(text) {
                return (before, line);
            }
            before.push_str(&line);
            line.clear();
        }
        panic!("the program has ended without saying {text:?}: {before}");
    }

    /// Reads the rest of the log on another thread, so that the program never blocks on a full
    /// pipe.
    pub(crate) fn read_in_background(mut self) {
        std::thread::spawn(move || std::io::copy(&mut self.0, &mut std::io::sink()));
    }
}
