//! A server process under callgrind.

use std::fs;
use std::io::{BufRead as _, BufReader};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::thread;

use rustix::process::{Pid, Signal, WaitOptions, kill_process, waitpid};

pub(crate) struct Server {
    process: Child,
    pub(crate) address: SocketAddr,
    /// The file to which callgrind writes its counts.
    counts: PathBuf,
}

impl Server {
    pub(crate) fn start(program: &str, flags: &[&str]) -> Server {
        let counts = std::env::temp_dir().join(format!("instructions.{}", std::process::id()));
        let mut process = Command::new("valgrind")
            .args(["--tool=callgrind", "--quiet"])
            .arg(format!("--callgrind-out-file={}", counts.display()))
            .arg(program)
            .args(["--listen", "127.0.0.1:0"])
            .args(flags)
            .env_remove("RUST_LOG")
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .expect("valgrind does not start; Debian has it in the package valgrind");
        let mut lines = BufReader::new(process.stderr.take().unwrap()).lines();
        let mut said = String::new();
        let address = loop {
            let Some(line) = lines.next() else { panic!("the server did not start:\n{said}") };
            let line = line.unwrap();
            if let Some((_, address)) = line.split_once("listening on http://") {
                let end = address.find(|one: char| one != '.' && one != ':' && !one.is_numeric());
                break address[..end.unwrap_or(address.len())].parse().unwrap();
            }
            said += &line;
            said.push('\n');
        };
        // The rest of its output must be read too, so that it does not block.
        thread::spawn(move || lines.for_each(drop));
        Server { process, address, counts }
    }

    /// Stops the server's process while `act` runs, so that it finds everything that was sent at
    /// once, whatever the scheduler does.
    pub(crate) fn while_stopped(&mut self, act: impl FnOnce()) {
        let process = Pid::from_child(&self.process);
        kill_process(process, Signal::STOP).unwrap();
        let (_, status) = waitpid(Some(process), WaitOptions::UNTRACED).unwrap().unwrap();
        assert!(status.stopped(), "the server has ended");
        act();
        kill_process(process, Signal::CONT).unwrap();
    }

    /// Ends the server. Returns how many instructions it has executed.
    pub(crate) fn end(mut self) -> u64 {
        kill_process(Pid::from_child(&self.process), Signal::TERM).unwrap();
        assert!(self.process.wait().unwrap().success(), "the server failed");
        let text = fs::read_to_string(&self.counts).unwrap();
        fs::remove_file(&self.counts).unwrap();
        let totals = text.lines().find_map(|line| line.strip_prefix("totals: ")).unwrap();
        totals.trim().parse().unwrap()
    }

    /// Returns the file descriptor of the epoll instance with which this client's connection is
    /// registered: each reactor has one. The kernel reports it in `/proc`, so the server needs no
    /// code for it.
    pub(crate) fn epoll_of(&self, client: SocketAddr) -> u64 {
        let process = format!("/proc/{}", self.process.id());
        let hex = |address: SocketAddr| format!("0100007F:{:04X}", address.port());
        let (near, far) = (hex(self.address), hex(client));
        let sockets = fs::read_to_string(format!("{process}/net/tcp")).unwrap();
        let inode: u64 = sockets
            .lines()
            .map(|line| line.split_whitespace().collect::<Vec<_>>())
            .find(|fields| fields[1] == near && fields[2] == far)
            .map(|fields| fields[9].parse().unwrap())
            .expect("the kernel does not list the connection");
        // `/proc` has a file for each epoll instance, with a line for each registered socket.
        let registered = format!(" ino:{inode:x} ");
        fs::read_dir(format!("{process}/fdinfo"))
            .unwrap()
            .map(|entry| entry.unwrap())
            .find(|entry| {
                fs::read_to_string(entry.path()).is_ok_and(|info| info.contains(&registered))
            })
            .map(|entry| entry.file_name().to_string_lossy().parse().unwrap())
            .expect("no reactor waits for the connection")
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // After `end` there is nothing left to kill.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
