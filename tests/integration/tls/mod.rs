//! Tests of TLS with the real command, with certificates of an authority that the tests make.

mod authority;
mod broken;
mod clients;
mod flags;
mod handshakes;
mod reloads;
mod self_signed;
mod tls_client;

use std::net::SocketAddr;
use std::process::Command;

use crate::support::{Log, Program};

/// The command, with one plain listener and one that speaks TLS.
struct TlsServer {
    program: Program,
    log: Log,
    tls: SocketAddr,
}

impl TlsServer {
    fn start(flags: &[&str]) -> TlsServer {
        TlsServer::start_with(&[&["--listen", "tls:127.0.0.1:0"], flags].concat(), "https://")
    }

    /// Starts a server with these listeners. `shown` stands in front of the address in question
    /// where the server says on what it listens.
    fn start_with(flags: &[&str], shown: &str) -> TlsServer {
        let (program, log) = Program::start_with_log(flags);
        let (_, rest) = program.first_line.split_once(shown).expect("it listens there");
        let tls = rest.split([';', ',', ' ', '/']).next().and_then(|text| text.parse().ok());
        let tls = tls.expect("an address and a port");
        TlsServer { program, log, tls }
    }
}

/// Runs a command to its end. Returns its exit code, and everything that it has printed.
fn run(command: &mut Command) -> (Option<i32>, String) {
    let output = command.output().expect("the command is installed");
    let printed = [output.stdout, output.stderr].concat();
    (output.status.code(), String::from_utf8_lossy(&printed).into_owned())
}
