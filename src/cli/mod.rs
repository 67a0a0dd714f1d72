//! The command: flags, environment and file become a configuration; each subcommand is one file.
//!
//! It uses only the public API of the library.

mod authorizer;
mod certificates;
mod channel_table;
mod check;
mod client;
mod client_tls;
mod completions;
mod config;
mod config_changes;
mod config_error;
mod config_file;
mod echo;
mod flag_values;
mod given_secret;
mod healthcheck;
mod key_flags;
mod listen_flag;
mod log_format;
mod log_writer;
mod logging;
mod man;
mod publish;
mod reload;
mod resources;
mod rules;
mod run;
mod self_signed;
mod settings;
mod signals;
mod sources;
mod subscribe;
mod systemd;
mod terminal;
mod text_file;
mod tls_flags;
mod token;
mod token_flags;
mod token_keys;
mod top;
mod url;
mod wire;

use std::ffi::{OsStr, OsString};
use std::io::{self, Write};
use std::process::ExitCode;

use clap::{ArgMatches, Args, Command, FromArgMatches};
use fanfare::{Broadcast, Builder, ServerTls, SharedOptions};
use tracing::{info, warn};

use check::Check;
use completions::Completions;
use echo::Echo;
use healthcheck::Healthcheck;
use man::Man;
use publish::Publish;
use reload::Reload;
use run::TlsNames;
use settings::Settings;
use signals::Signals;
use subscribe::Subscribe;
use terminal::print;
use token::TokenVerb;
use top::TopVerb;

/// Runs the command line of this process.
pub(crate) fn main() -> ExitCode {
    let is_empty = |name: &OsStr| std::env::var_os(name).is_some_and(|value| value.is_empty());
    let command = sources::without_empty_variables(command(), &is_empty);
    let matches = match command.clone().try_get_matches() {
        Ok(matches) => matches,
        Err(mut error) => {
            let arguments: Vec<OsString> = std::env::args_os().collect();
            if !sources::name_variable(&mut error, &command, &arguments) {
                error.exit();
            }
            // A wrong variable is a wrong configuration, and not a wrong command line.
            // If the error cannot be printed, there is no way left to report it.
            let _ = error.print();
            return ExitCode::FAILURE;
        }
    };
    let variables = std::env::vars_os().filter_map(|(name, value)| {
        Some((name.into_string().ok()?, value.to_string_lossy().into_owned()))
    });
    let checked =
        sources::check_environment(&command, variables).map_err(|error| error.to_string());
    match checked.and_then(|()| dispatch(&matches)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // The error may quote an answer of the server, so its control characters are escaped.
            let error = terminal::harmless(error.as_bytes());
            // If this fails too, there is no way left to report it.
            let _ = writeln!(io::stderr(), "fanfare: {error}");
            ExitCode::FAILURE
        }
    }
}

fn command() -> Command {
    let server =
        |name, about| sources::augment(Command::new(name)).about(about).long_about(None::<&str>);
    server("fanfare", "A WebSocket broadcast server: one URL is one channel")
        .version(env!("CARGO_PKG_VERSION"))
        .after_help("Exit codes: 0 fine, 1 something went wrong, 2 the command line is wrong.")
        .args_conflicts_with_subcommands(true)
        .subcommand(server("serve", "Serve WebSocket channels: what is done without a verb"))
        .subcommand(Check::augment_args(sources::augment(Command::new("check"))))
        .subcommand(Echo::augment_args(Command::new("echo")))
        .subcommand(Publish::augment_args(Command::new("pub")))
        .subcommand(Subscribe::augment_args(Command::new("sub")))
        .subcommand(TokenVerb::augment_args(Command::new("token")))
        .subcommand(Healthcheck::augment_args(sources::augment(Command::new("healthcheck"))))
        .subcommand(TopVerb::augment_args(sources::augment(Command::new("top"))))
        .subcommand(Completions::augment_args(Command::new("completions")))
        .subcommand(Man::augment_args(Command::new("man")))
}

fn dispatch(matches: &ArgMatches) -> Result<(), String> {
    match matches.subcommand() {
        None => serve(matches),
        Some(("serve", matches)) => serve(matches),
        Some(("check", matches)) => parsed::<Check>(matches)?.run(matches),
        Some(("echo", matches)) => parsed::<Echo>(matches)?.run(),
        Some(("pub", matches)) => parsed::<Publish>(matches)?.run(matches),
        Some(("sub", matches)) => parsed::<Subscribe>(matches)?.run(matches),
        Some(("token", matches)) => parsed::<TokenVerb>(matches)?.run(),
        Some(("healthcheck", matches)) => {
            let (config, _) = sources::read(matches).map_err(|error| error.to_string())?;
            parsed::<Healthcheck>(matches)?.run(&config)
        }
        Some(("top", matches)) => parsed::<TopVerb>(matches)?.run(matches),
        Some(("completions", matches)) => parsed::<Completions>(matches)?.run(command()),
        Some(("man", matches)) => parsed::<Man>(matches)?.run(command()),
        Some((verb, _)) => Err(format!("there is no verb {verb}")),
    }
}

fn parsed<T: FromArgMatches>(matches: &ArgMatches) -> Result<T, String> {
    T::from_arg_matches(matches).map_err(|error| error.to_string())
}

fn serve(matches: &ArgMatches) -> Result<(), String> {
    let signals = Signals::take_over()?;
    let (config, sources) = sources::read(matches).map_err(|error| error.to_string())?;
    let settings = Settings::new(config).map_err(|error| sources.explain(&error))?;
    if sources.print_config {
        return print(|out| out.write_all(settings.to_toml().as_bytes()));
    }
    // Before there are other threads, because the environment is changed.
    let sockets = if settings.takes_sockets() { systemd::sockets()? } else { Vec::new() };
    let log = logging::start(settings.log_format(), settings.log_lines_dropped())?;
    for warning in settings.warnings() {
        warn!("{warning}");
    }
    resources::raise_open_files();
    let options = SharedOptions::new(settings.options().clone());
    options.current().reloads.note_start();
    let shared = options.clone();
    let tls = settings.tls().map(ServerTls::new).transpose();
    let tls = tls.map_err(|error| error.to_string())?;
    let builder = sockets.into_iter().fold(settings.builder(), Builder::listen_on);
    let tls_settings = tls.as_ref().map(ServerTls::settings);
    let builder = tls_settings.into_iter().fold(builder, Builder::tls);
    let builder = builder.handler(move |_reactor| Broadcast::new(shared.clone()));
    let server = builder.bind().map_err(|error| run::explain(&error))?;
    let admin = server.admin_addresses().first().map(|address| {
        let url = run::example_url(*address);
        format!("; health and metrics: {url}/-/healthz, {url}/-/metrics")
    });
    let (admin, hint) = (admin.unwrap_or_default(), settings.host_hint());
    let bearer = settings.needed_bearer();
    let key = bearer.map(|what| format!("-H 'Authorization: Bearer {what}' "));
    let key = key.unwrap_or_default();
    let config = settings.config();
    let of = |tls| TlsNames::of(tls, config.tls_self_signed, &config.allowed_hosts);
    let names = settings.tls().map(of);
    if let Some(text) = names.as_ref().and_then(|names| names.announcement(&server)) {
        info!("{text}");
    }
    let example = run::example(&server, &key, names.as_ref());
    let what = format!("{example}{}{admin}{hint}", settings.key_hint());
    let (matches, log_format) = (matches.clone(), log.format.clone());
    let reloader = server.reloader();
    let mut reload = Reload { matches, settings, options, tls, reloader, log_format };
    run::serve(server, signals, Some(Box::new(move |is_ending| reload.run(is_ending))), &what)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        command().debug_assert();
    }
}
