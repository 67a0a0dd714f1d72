//! Tests of `fanfare top` with a real server: as text, and in a terminal.

use std::fs::File;
use std::io::{Read as _, Write as _};
use std::net::TcpListener;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::thread;

use assert_cmd::assert::OutputAssertExt as _;
use rustix::process::{Pid, Signal, kill_process};
use rustix::pty::{OpenptFlags, grantpt, ioctl_tiocgptpeer, openpt, unlockpt};
use rustix::termios::{LocalModes, Winsize, tcgetattr, tcsetwinsize};

use crate::support::{Peer, Program, ask_once, fanfare, wait_for};

fn text_of(command: &mut Command, code: i32) -> (String, String) {
    let output = command.assert().code(code).get_output().clone();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    (text(output.stdout), text(output.stderr))
}

#[test]
fn without_a_terminal_one_overview_is_printed_as_text() {
    let server = Program::start(&["--reactors", "2"]);
    let _subscribers = ["/news", "/news", "/a/b"].map(|path| Peer::subscribe(server.address, path));
    ask_once(server.address, "PUT /news", &[], "");
    let (shown, error) = text_of(&mut fanfare(&["top", &server.url, "--interval", "100ms"]), 0);
    assert_eq!(error, "");
    let starts = ["fanfare ", "connections   3 WebSockets, ", "messages      0/s\n"];
    assert!(starts.iter().all(|start| shown.contains(start)), "{shown}");
    assert!(shown.contains("refused       method 0/s (1)\n"), "{shown}");
    assert!(shown.contains("p99") && shown.contains(" for channels, "), "{shown}");
    let channels = shown.split_once("kept  channel\n").unwrap().1;
    let names: Vec<_> = channels.lines().map(|line| line.rsplit(' ').next().unwrap()).collect();
    assert_eq!(names, ["news", "a/b"]);
    assert!(!shown.contains('\u{1b}'));
}

#[test]
fn it_asks_where_the_configuration_listens_with_the_key_that_it_has() {
    let server = Program::start(&["--publish-key", "sesame"]);
    let listen = server.address.to_string();
    let mut command = fanfare(&["top", "--once", "--interval", "100ms"]);
    command.env("FANFARE_LISTEN", &listen).env("FANFARE_PUBLISH_KEY", "sesame");
    let (shown, _) = text_of(&mut command, 0);
    assert!(shown.starts_with("fanfare ") && shown.contains(&format!(" at http://{listen}")));
}

/// Answers one connection with this text, as something else than fanfare, or a proxy, may.
fn answers(text: &'static str) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        // The request, which fits into one segment.
        assert!(stream.read(&mut [0; 1024]).unwrap() > 0);
        stream.write_all(text.as_bytes()).unwrap();
    });
    url
}

#[test]
fn a_server_that_does_not_tell_is_explained() {
    let nobody = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let unauthorized = "HTTP/1.1 401 Unauthorized\r\nContent-Length: 3\r\n\r\nno\n";
    let forbidden = "HTTP/1.1 403 Forbidden\r\nContent-Length: 3\r\n\r\nno\n";
    let missing = "HTTP/1.1 404 Not Found\r\nContent-Length: 3\r\n\r\nno\n";
    let other = "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nup 1\n";
    for (url, key, words) in [
        (format!("http://{nobody}"), None, "is fanfare running there?"),
        (answers(unauthorized), None, "answers 401: no. Give the server's publish key"),
        (answers(forbidden), None, "answers 403: no. Give the server's publish key"),
        (answers(forbidden), Some("k"), "answers 403: no. Is this the key"),
        (answers(missing), None, "--admin-listen"),
        (answers(other), None, "not as fanfare does"),
        (answers("SSH-2.0-x\r\n\r\n"), None, "does not answer as HTTP"),
    ] {
        let mut command = fanfare(&["top", &url]);
        if let Some(key) = key {
            command.args(["--key", key]);
        }
        let (shown, error) = text_of(&mut command, 1);
        assert_eq!(shown, "");
        assert!(error.contains(words), "{words}: {error}");
    }
}

/// `fanfare top` in a terminal of its own.
struct Terminal {
    child: Child,
    ours: File,
    /// What the terminal shows.
    screen: Arc<Mutex<vt100::Parser>>,
}

impl Terminal {
    fn start(url: &str, rows: u16, columns: u16) -> Terminal {
        let flags = OpenptFlags::RDWR | OpenptFlags::NOCTTY;
        let ours = openpt(flags).unwrap();
        grantpt(&ours).unwrap();
        unlockpt(&ours).unwrap();
        let theirs = ioctl_tiocgptpeer(&ours, flags).unwrap();
        tcsetwinsize(&theirs, size(rows, columns)).unwrap();
        // The terminal is to be the one that controls the process, so that it is told of its size.
        let top = fanfare(&["top", url, "--interval", "100ms"]);
        let mut command = Command::new("setsid");
        command.args(["--ctty", "--wait"]).arg(top.get_program()).args(top.get_args());
        for (name, _) in top.get_envs() {
            command.env_remove(name);
        }
        command.env("TERM", "xterm").stdin(theirs.try_clone().unwrap());
        command.stdout(theirs.try_clone().unwrap()).stderr(Stdio::from(theirs));
        let child = command.spawn().unwrap();
        drop(command);
        let (ours, screen) = (File::from(ours), vt100::Parser::new(rows, columns, 0));
        let screen = Arc::new(Mutex::new(screen));
        let (mut reader, shown) = (ours.try_clone().unwrap(), Arc::clone(&screen));
        thread::spawn(move || {
            let mut piece = [0; 4096];
            while let Ok(taken @ 1..) = reader.read(&mut piece) {
                shown.lock().unwrap().process(&piece[..taken]);
            }
        });
        Terminal { child, ours, screen }
    }

    fn contents(&self) -> String {
        self.screen.lock().unwrap().screen().contents()
    }

    fn wait_for(&self, words: &[&str]) -> String {
        wait_for(&format!("{words:?} in {:?}", self.contents()), || {
            let shown = self.contents();
            words.iter().all(|word| shown.contains(word)).then_some(shown)
        })
    }

    fn resize(&self, rows: u16, columns: u16) {
        self.screen.lock().unwrap().screen_mut().set_size(rows, columns);
        tcsetwinsize(&self.ours, size(rows, columns)).unwrap();
    }

    /// Waits for the end. The terminal must be as it was.
    fn has_ended(mut self) {
        let status = self.child.wait().unwrap();
        assert_eq!(status.code(), Some(0), "{}", self.contents());
        wait_for("the last bytes", || {
            let screen = self.screen.lock().unwrap();
            let is_left = !screen.screen().alternate_screen() && !screen.screen().hide_cursor();
            is_left.then_some(())
        });
        let modes = tcgetattr(&self.ours).unwrap().local_modes;
        assert!(modes.contains(LocalModes::ECHO | LocalModes::ICANON), "it is no longer raw");
    }
}

fn size(rows: u16, columns: u16) -> Winsize {
    Winsize { ws_row: rows, ws_col: columns, ws_xpixel: 0, ws_ypixel: 0 }
}

#[test]
fn in_a_terminal_it_plots_sorts_and_ends_by_a_key() {
    let server = Program::start(&["--reactors", "2"]);
    let _subscriber = Peer::subscribe(server.address, "/news");
    let mut terminal = Terminal::start(&server.url, 30, 100);
    let plots = ["┌ connections ", "┌ messages ", "┌ bytes sent ", "┌ delivery p99 "];
    terminal.wait_for(&[&plots[..], &["channel, by subscribers", "news", "up "]].concat());
    assert!(terminal.screen.lock().unwrap().screen().alternate_screen());
    terminal.ours.write_all(b"r").unwrap();
    terminal.wait_for(&["channel, by rate"]);
    // A narrow one has lines instead of plots, and one that is tiny does no harm.
    terminal.resize(12, 40);
    let shown = terminal.wait_for(&["connections   ", "delivery p99 ", "channel, by rate"]);
    assert!(!shown.contains('┌'), "{shown}");
    terminal.resize(2, 5);
    terminal.resize(30, 100);
    terminal.wait_for(&plots);
    terminal.ours.write_all(b"q").unwrap();
    terminal.has_ended();
}

#[test]
fn signals_and_ctrl_c_end_it_and_give_the_terminal_back() {
    let server = Program::start(&[]);
    for signal in [Some(Signal::TERM), Some(Signal::INT), None] {
        let mut terminal = Terminal::start(&server.url, 24, 80);
        terminal.wait_for(&["┌ connections "]);
        match signal {
            Some(signal) => kill_process(Pid::from_child(&terminal.child), signal).unwrap(),
            None => terminal.ours.write_all(b"\x03").unwrap(),
        }
        terminal.has_ended();
    }
}

#[test]
fn it_says_that_the_server_has_gone_and_goes_on_when_it_is_back() {
    let mut server = Program::start(&[]);
    let address = server.address;
    let mut terminal = Terminal::start(&server.url, 24, 80);
    terminal.wait_for(&["┌ connections "]);
    server.signal(Signal::TERM);
    assert_eq!(server.exit_code(), Some(0));
    terminal.wait_for(&["cannot connect to"]);
    let _server = Program::start_at(address, &[]);
    wait_for("the server to be back", || (!terminal.contents().contains("cannot")).then_some(()));
    terminal.ours.write_all(b"q").unwrap();
    terminal.has_ended();
}
