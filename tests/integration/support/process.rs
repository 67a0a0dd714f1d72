//! The real command as a process of its own.

use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::process::{Child, Command, ExitStatus, Stdio};

use rustix::process::{Pid, Signal, kill_process};

use super::wait_for;

/// A running `fanfare` that listens on a port of its own. It is killed if the test gives up on it.
pub(crate) struct Program {
    pub(crate) address: SocketAddr,
    child: Child,
}

impl Program {
    /// Starts the command with these arguments.
    pub(crate) fn start(arguments: &[&str]) -> Program {
        let mut command = Command::new(env!("CARGO_BIN_EXE_fanfare"));
        command.args(arguments);
        Program::start_by(command)
    }

    /// Starts the command in a shell that may open so many files.
    pub(crate) fn start_with_open_files(open_files: u32, arguments: &[&str]) -> Program {
        let mut command = Command::new("sh");
        command.args(["-c", &format!("ulimit -n {open_files} && exec \"$0\" \"$@\"")]);
        command.arg(env!("CARGO_BIN_EXE_fanfare")).args(arguments);
        Program::start_by(command)
    }

    fn start_by(mut command: Command) -> Program {
        command.args(["--listen", "127.0.0.1:0"]).stderr(Stdio::piped()).stdin(Stdio::null());
        let variables = std::env::vars_os().map(|(name, _)| name);
        for name in variables.filter(|name| name.to_string_lossy().starts_with("FANFARE_")) {
            command.env_remove(name);
        }
        let mut child = command.spawn().expect("the command starts");
        let mut lines = BufReader::new(child.stderr.take().expect("it is piped")).lines();
        let address =
            lines.by_ref().map(|line| line.expect("log lines are text")).find_map(|line| {
                let (_, rest) = line.split_once("listening on http://")?;
                rest.split([';', ',', ' ']).next()?.parse().ok()
            });
        // Whatever it logs later is read, so that it never waits for a reader.
        std::thread::spawn(move || lines.for_each(drop));
        Program { address: address.expect("it says where it listens"), child }
    }

    pub(crate) fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.child), signal).expect("it is there to be signalled");
    }

    /// How it ended, when it has.
    pub(crate) fn wait(&mut self) -> ExitStatus {
        wait_for("the end of the process", || self.child.try_wait().expect("it can be waited for"))
    }

    /// Resident memory, in bytes.
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
