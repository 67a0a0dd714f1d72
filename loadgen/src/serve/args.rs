//! The command line of `loadgen serve`.
use std::net::SocketAddr;

use clap::Args;

use super::faults::FaultPlan;

/// A server to try the load generator on: it makes only the faults that are asked for, and counts
/// them.
///
/// Prints `listening on ADDRESS` when it is ready; at SIGINT or SIGTERM, and at SIGUSR1 without
/// ending, its ledger as one line of JSON. There, `copies` are messages that the kernel has taken
/// in full for a receiver, both of a duplicate, so that (messages) x (receivers) = copies + dropped
/// - duplicated.
#[derive(Args, Clone, Debug)]
pub(crate) struct ServeArgs {
    /// Address and port; port 0 lets the kernel choose
    #[arg(long, default_value = "127.0.0.1:9001", value_name = "ADDRESS")]
    pub(crate) listen: SocketAddr,
    /// Send each message back to its sender
    #[arg(long, required_unless_present_any = ["broadcast", "sink", "refuse"])]
    #[arg(conflicts_with_all = ["broadcast", "sink"])]
    pub(crate) echo: bool,
    /// Send each message to every open connection, in one order. A POST publishes its body as a
    /// text
    #[arg(long, conflicts_with = "sink")]
    pub(crate) broadcast: bool,
    /// Read, and answer nothing but Ping and Close
    #[arg(long)]
    pub(crate) sink: bool,
    /// Leave the sender out of a broadcast
    #[arg(long, requires = "broadcast", conflicts_with_all = ["echo", "sink"])]
    pub(crate) no_own_copy: bool,
    /// drop=P,dup=P,reorder=P,corrupt=P: probabilities for each copy to a receiver, at most one
    /// fault each; stall=2s@10s: do nothing for 2 s, 10 s after the first message; close=CODE@N:
    /// close each receiver with this code after N messages
    #[arg(long, value_name = "LIST", value_parser = FaultPlan::parse, conflicts_with = "sink")]
    pub(crate) fault: Option<FaultPlan>,
    /// This many messages are delivered whole before faults begin: of the server in a broadcast, of
    /// each connection in an echo. A client's probe needs one
    #[arg(long, default_value_t = 1, value_name = "N")]
    pub(crate) fault_after: u64,
    /// Chooses the faults: the nth copy on the kth connection has the same fate in every run
    #[arg(long, default_value_t = 1)]
    pub(crate) seed: u64,
    /// Answer every opening handshake with this status
    #[arg(long, value_name = "STATUS", value_parser = clap::value_parser!(u16).range(200..=599))]
    pub(crate) refuse: Option<u16>,
    /// Answer every opening handshake with the Sec-WebSocket-Accept of another key
    #[arg(long, conflicts_with = "refuse")]
    pub(crate) wrong_accept: bool,
}

/// What the server does with a message.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum ServeMode {
    Echo,
    Broadcast,
    Sink,
}

impl ServeArgs {
    pub(crate) fn mode(&self) -> ServeMode {
        match (self.broadcast, self.sink) {
            (true, _) => ServeMode::Broadcast,
            (false, true) => ServeMode::Sink,
            // Either `--echo` was given, or `--refuse`, with which no message is ever received.
            (false, false) => ServeMode::Echo,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Parser;

    #[derive(Parser)]
    struct Line {
        #[command(flatten)]
        args: ServeArgs,
    }

    fn parse(line: &str) -> Result<ServeArgs, clap::Error> {
        Line::try_parse_from(line.split(' ')).map(|line| line.args)
    }

    #[test]
    fn one_mode_is_chosen_unless_every_handshake_is_refused() {
        assert_eq!(parse("serve --broadcast --no-own-copy").unwrap().mode(), ServeMode::Broadcast);
        assert_eq!(parse("serve --sink").unwrap().mode(), ServeMode::Sink);
        assert_eq!(parse("serve --refuse 403").unwrap().mode(), ServeMode::Echo);
        for line in [
            "serve",
            "serve --echo --sink",
            "serve --echo --no-own-copy",
            "serve --sink --fault drop=1",
        ] {
            assert!(parse(line).is_err(), "{line}");
        }
    }

    #[test]
    fn a_bad_fault_or_status_is_a_usage_error() {
        for flags in
            ["--fault drop=2", "--refuse 101", "--refuse 403 --wrong-accept", "--listen 9001"]
        {
            assert!(parse(&format!("serve --echo {flags}")).is_err(), "{flags}");
        }
    }
}
