//! `fanfare echo`: a plain RFC 6455 echo server without limits, for conformance suites and
//! benchmarks.

use std::sync::Arc;

use fanfare::{Builder, Context, Handler, Message, Request, Server, Upgrade, Visitor};

use super::config::LogFormat;
use super::run;
use super::signals::Signals;

/// The memory limit of each reactor, unless the largest message needs more.
const REACTOR_MEMORY_BYTES: usize = 1 << 30;

/// Serve an echo on every path, limits lifted: for conformance suites and benchmarks
#[derive(clap::Args)]
pub(crate) struct Echo {
    /// Address to listen on; may be given several times
    #[arg(
        long,
        env = "FANFARE_LISTEN",
        value_name = "ADDR",
        value_delimiter = ',',
        value_parser = super::flag_values::trimmed::<String>,
        default_value = "127.0.0.1:8080"
    )]
    listen: Vec<String>,
    /// Threads, one listening socket each: one, to measure against other servers on one core
    #[arg(long, env = "FANFARE_REACTORS", value_name = "N", default_value = "1")]
    reactors: usize,
    /// The largest message
    #[arg(long, value_name = "SIZE", default_value = "64MiB")]
    max_message_size: super::flag_values::Size,
    /// How log lines are written
    #[arg(long, env = "FANFARE_LOG_FORMAT", value_name = "FORMAT", default_value = "text")]
    log_format: LogFormat,
}

impl Echo {
    pub(crate) fn run(&self) -> Result<(), String> {
        let signals = Signals::take_over()?;
        let _log = super::logging::start(self.log_format, Arc::default())?;
        super::resources::raise_open_files();
        let message_bytes_max = self.max_message_size.0;
        let channel_buffer_bytes = message_bytes_max.saturating_mul(2);
        let builder = self.listen.iter().fold(Server::builder(), Builder::listen);
        let builder = builder
            .reactors(self.reactors)
            .max_message_size(message_bytes_max)
            .channel_buffer(channel_buffer_bytes);
        let memory_bytes =
            builder.memory_limit_min().max(REACTOR_MEMORY_BYTES.saturating_mul(self.reactors));
        let server = builder
            .memory_limit(memory_bytes)
            .max_fragments(u32::MAX)
            .message_timeout(None)
            .max_connections(super::resources::connections_max(
                super::resources::open_files_max(),
                self.reactors,
            ))
            .handler(|_reactor| EchoHandler)
            .bind()
            .map_err(|error| run::explain(&error))?;
        run::serve(server, signals, None, "echoing every message")
    }
}

struct EchoHandler;

impl Handler for EchoHandler {
    type Session = ();

    fn on_upgrade(&mut self, _visitor: &mut Visitor<'_>, _request: &Request<'_>) -> Upgrade<()> {
        Upgrade::Accept(())
    }

    fn on_message(&mut self, peer: &mut Context<'_, ()>, message: Message<'_>) {
        peer.send(message);
    }
}
