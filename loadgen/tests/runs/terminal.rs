//! The live view: on a terminal, a line that is redrawn and erased at the end; without a terminal,
//! a plain line every few seconds. Only the report is written to standard output.
use std::fs::File;
use std::io::Read as _;
use std::process::{Child, Command, Stdio};

use rustix::pty::{OpenptFlags, grantpt, ioctl_tiocgptpeer, openpt, unlockpt};
use rustix::termios::{Winsize, tcsetwinsize};

use crate::serve::Server;

/// `ESC [ 2 K` erases the line under the cursor.
const CLEAR_LINE: &str = "\x1b[2K";

fn command(server: &Server, flags: &str) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_loadgen"));
    command.args(["echo", &format!("ws://{}/", server.address), "-c", "3"]);
    command.args(flags.split_whitespace()).stdout(Stdio::piped());
    command
}

/// Starts the command with a terminal of 120 columns as its standard error. Returns our side of the
/// terminal too.
fn start_on_a_terminal(mut command: Command) -> (Child, File) {
    let flags = OpenptFlags::RDWR | OpenptFlags::NOCTTY;
    let ours = openpt(flags).unwrap();
    grantpt(&ours).unwrap();
    unlockpt(&ours).unwrap();
    let theirs = ioctl_tiocgptpeer(&ours, flags).unwrap();
    tcsetwinsize(&theirs, Winsize { ws_row: 24, ws_col: 120, ws_xpixel: 0, ws_ypixel: 0 }).unwrap();
    // The command is dropped with its handle of the terminal's other side, so that reading ends
    // when the child process does.
    (command.env("TERM", "xterm").stderr(theirs).spawn().unwrap(), File::from(ours))
}

/// Runs the command on a terminal. Returns what was written to standard output and to the terminal.
fn run_on_a_terminal(command: Command) -> (String, String) {
    let (child, mut terminal) = start_on_a_terminal(command);
    let reader = std::thread::spawn(move || {
        let (mut shown, mut piece) = (Vec::new(), [0; 4096]);
        while let Ok(taken @ 1..) = terminal.read(&mut piece) {
            shown.extend_from_slice(&piece[..taken]);
        }
        String::from_utf8(shown).unwrap()
    });
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(0));
    (String::from_utf8(output.stdout).unwrap(), reader.join().unwrap())
}

#[test]
fn on_a_terminal_there_is_a_bar_with_figures_and_at_the_end_there_is_none() {
    let server = Server::start("--echo");
    let (report, shown) = run_on_a_terminal(command(&server, "--rate 300 -W 1s -d 2s"));
    let drawings: Vec<_> = shown.split(CLEAR_LINE).collect();
    let drawn = |words: &[&str]| {
        assert!(
            drawings.iter().any(|line| words.iter().all(|word| line.contains(word))),
            "{words:?} {shown:?}"
        );
    };
    drawn(&["echo ", "warm-up: 3 open, sent "]);
    drawn(&["echo ", "█", "measuring: 3 open, sent ", "/s, received ", "/s, p99 ", " ms"]);
    // The view stays on one line, which is erased at the end.
    assert!(!shown.contains('\n'), "{shown:?}");
    assert_eq!(drawings[drawings.len() - 1].trim(), "", "{shown:?}");
    assert!(report.starts_with("loadgen ") && !report.contains('\x1b'), "{report}");
    assert!(report.contains("VERDICT"));
}

#[test]
fn a_terminal_that_is_closed_does_not_end_the_run() {
    let server = Server::start("--echo");
    let (child, mut terminal) = start_on_a_terminal(command(&server, "--rate 300 -W 0 -d 2s"));
    // The live view has begun.
    assert!(terminal.read(&mut [0; 16]).unwrap() > 0);
    drop(terminal);
    let output = child.wait_with_output().unwrap();
    let report = String::from_utf8(output.stdout).unwrap();
    assert_eq!(output.status.code(), Some(0), "{report}");
    assert!(report.ends_with("PASSED\n"), "{report}");
}

#[test]
fn without_a_terminal_there_is_a_plain_line_each_five_seconds_unless_none_is_wanted() {
    let server = Server::start("--echo");
    let run = |flags: &str| {
        let mut command = command(&server, &format!("--rate 300 -W 1s -d 5s {flags}"));
        command.stderr(Stdio::piped()).spawn().unwrap()
    };
    let (telling, silent) = (run(""), run("--no-progress"));
    let [telling, silent] = [telling, silent].map(|run| run.wait_with_output().unwrap());
    let said = String::from_utf8(telling.stderr).unwrap();
    let lines: Vec<_> = said.lines().collect();
    assert_eq!(lines.len(), 1, "{said}");
    assert!(lines[0].starts_with("echo 5 s: measuring: 3 open, sent "), "{said}");
    assert!(!said.contains('\x1b') && !said.contains('\r'), "{said:?}");
    assert_eq!(String::from_utf8(silent.stderr).unwrap(), "");
    for output in [telling.stdout, silent.stdout] {
        let report = String::from_utf8(output).unwrap();
        assert!(report.starts_with("loadgen ") && !report.contains("measuring: "), "{report}");
    }
}
