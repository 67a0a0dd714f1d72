//! `fanfare echo`: a plain RFC 6455 echo server without limits, for conformance suites and
//! benchmarks.

use std::path::PathBuf;
use std::sync::Arc;

use fanfare::protocol::CompressionOptions;
use fanfare::{Builder, Context, Handler, Message, Request, Server, ServerTls, Upgrade, Visitor};
use tracing::info;

use super::certificates::CertificateFlags;
use super::config::LogFormat;
use super::run::{self, TlsNames};
use super::signals::Signals;

/// The memory limit of each reactor, unless the largest message needs more.
const REACTOR_MEMORY_BYTES: usize = 1 << 30;

/// Serve an echo on every path, limits lifted: for conformance suites and benchmarks
#[derive(clap::Args)]
pub(crate) struct Echo {
    /// Address to listen on; may be given several times; tls:ADDR speaks TLS
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
    /// The certificate of addresses that speak TLS, in PEM
    #[arg(long, value_name = "FILE", env = "FANFARE_TLS_CERT")]
    tls_cert: Vec<PathBuf>,
    /// Its private key
    #[arg(long, value_name = "FILE", env = "FANFARE_TLS_KEY")]
    tls_key: Vec<PathBuf>,
    /// Make a certificate, which clients trust only if they are told to
    #[arg(long)]
    tls_self_signed: bool,
    /// Compress messages for clients that offer it (permessage-deflate)
    #[arg(long)]
    compression: bool,
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
        let tls = self.certificates().read(None).map_err(|error| error.to_string())?;
        let names = tls.as_ref().map(|tls| TlsNames::of(tls, self.tls_self_signed, &[]));
        let tls =
            tls.as_ref().map(ServerTls::new).transpose().map_err(|error| error.to_string())?;
        let builder = self.listen.iter().fold(Server::builder(), Builder::listen);
        let settings = tls.as_ref().map(ServerTls::settings);
        let builder = settings.into_iter().fold(builder, Builder::tls);
        let builder = builder
            .reactors(self.reactors)
            .max_message_size(message_bytes_max)
            .channel_buffer(channel_buffer_bytes);
        let memory_bytes =
            builder.memory_limit_min().max(REACTOR_MEMORY_BYTES.saturating_mul(self.reactors));
        let server = builder
            .memory_limit(memory_bytes)
            .compression(self.compression.then(|| CompressionOptions {
                message_bytes_min: 0,
                ..CompressionOptions::default()
            }))
            .max_fragments(u32::MAX)
            .message_timeout(None)
            .max_connections(super::resources::connections_max(
                super::resources::open_files_max(),
                self.reactors,
            ))
            .handler(|_reactor| EchoHandler)
            .bind()
            .map_err(|error| run::explain(&error))?;
        if let Some(text) = names.and_then(|names| names.announcement(&server)) {
            info!("{text}");
        }
        run::serve(server, signals, None, "echoing every message")
    }

    fn certificates(&self) -> CertificateFlags<'_> {
        CertificateFlags {
            listen: &self.listen,
            certificates: &self.tls_cert,
            keys: &self.tls_key,
            client_authorities: None,
            is_self_signed: self.tls_self_signed,
            names: &[],
        }
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
