//! Where a configuration comes from: the environment overrides the file, flags override both.

use std::cmp::Ordering;
use std::ffi::{OsStr, OsString};
use std::path::PathBuf;

use clap::error::{ContextKind, ContextValue};
use clap::parser::ValueSource;
use clap::{ArgMatches, Args, Command, FromArgMatches};

use super::config::Config;
use super::config_error::ConfigError;

/// The flags that concern the configuration itself.
#[derive(Args, Default)]
pub(crate) struct Sources {
    /// Read the configuration from a TOML file, in which every flag is a key
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Print the configuration that results, as a TOML file, and end
    #[arg(long)]
    pub(crate) print_config: bool,
    /// Flags whose values come from environment variables, with the names of these.
    #[arg(skip)]
    from_environment: Vec<(String, String)>,
    /// Flags whose values come from the file, with the lines that set them.
    #[arg(skip)]
    from_file: Vec<(String, usize)>,
    /// Flags whose values come from the command line.
    #[arg(skip)]
    from_command_line: Vec<String>,
}

/// Where a server listens that has a certificate, unless it is told otherwise.
const DEFAULT_TLS_LISTEN: &str = "tls:127.0.0.1:8443";

/// Adds all flags of a server to a command.
pub(crate) fn augment(command: Command) -> Command {
    // `for_update` makes no flag required, and only the flags that are given override the file.
    let command = Config::augment_args_for_update(Sources::augment_args(command));
    // Each flag has an environment variable of the same name.
    command.mut_args(|argument| match argument.get_long() {
        Some(flag) if flag != "print-config" => {
            let name = format!("FANFARE_{}", flag.replace('-', "_").to_uppercase());
            argument.env(name)
        }
        _ => argument,
    })
}

/// Reads the file, if any, and overrides it with the environment and the command line.
pub(crate) fn read(matches: &ArgMatches) -> Result<(Config, Sources), ConfigError> {
    let mut sources = Sources::from_arg_matches(matches).map_err(|error| usage(&error))?;
    let command = augment(Command::new("fanfare"));
    let from = |source: ValueSource| {
        command.get_arguments().filter(move |argument| {
            matches.value_source(argument.get_id().as_str()) == Some(source)
        })
    };
    let named = |argument: &clap::Arg| {
        let variable = argument.get_env()?.to_str()?.to_owned();
        Some((format!("--{}", argument.get_long()?), variable))
    };
    sources.from_environment = from(ValueSource::EnvVariable).filter_map(named).collect();
    let of_line = from(ValueSource::CommandLine).filter_map(clap::Arg::get_long);
    sources.from_command_line = of_line.map(|flag| format!("--{flag}")).collect();
    let mut config = match &sources.config {
        Some(path) => {
            let (config, lines) = Config::read(path)?;
            sources.from_file = lines_that_count(lines, matches);
            config
        }
        None => Config::default(),
    };
    config.update_from_arg_matches(matches).map_err(|error| usage(&error))?;
    match compare(matches, "publish_key", "publish_key_file") {
        Ordering::Less => config.publish_key = None,
        Ordering::Greater => config.publish_key_file = None,
        Ordering::Equal => {}
    }
    let has_certificate = config.tls_self_signed || !config.tls_cert.is_empty();
    if has_certificate && !sources.is_given("--listen") {
        config.listen = vec![DEFAULT_TLS_LISTEN.to_owned()];
    }
    Ok((config, sources))
}

/// Compares two flags that give the same thing in two ways: the greater one is given nearer to the
/// user, and overrides the other. The command line is nearer than the environment, and that is
/// nearer than the file.
pub(crate) fn compare(matches: &ArgMatches, one: &str, other: &str) -> Ordering {
    let nearness = |id| match matches.value_source(id) {
        Some(ValueSource::CommandLine) => 2,
        Some(ValueSource::EnvVariable) => 1,
        _ => 0,
    };
    nearness(one).cmp(&nearness(other))
}

/// Returns the flags of those keys of a file that nothing overrides, with their lines.
fn lines_that_count(lines: Vec<(String, usize)>, matches: &ArgMatches) -> Vec<(String, usize)> {
    let counts = |key: &str| {
        let id = key.replace('-', "_");
        !matches!(matches.try_contains_id(&id), Ok(true))
    };
    let lines = lines.into_iter().filter(|(key, _)| counts(key));
    lines.map(|(key, line)| (format!("--{key}"), line)).collect()
}

/// Makes an error that never occurs: the arguments that clap has accepted always fit these structs.
fn usage(error: &clap::Error) -> ConfigError {
    ConfigError::Rule(error.to_string())
}

impl Sources {
    /// Returns true if a flag has its value from anywhere.
    fn is_given(&self, flag: &str) -> bool {
        self.from_command_line.iter().any(|own| own == flag)
            || self.from_environment.iter().any(|(own, _)| own == flag)
            || self.from_file.iter().any(|(own, _)| own == flag)
    }

    /// Says where the value of a setting comes from.
    pub(crate) fn origin_of(&self, key: &str) -> String {
        let flag = format!("--{key}");
        let variable = self.from_environment.iter().find(|(own, _)| *own == flag);
        if self.from_command_line.contains(&flag) {
            return format!("{flag}, on the command line");
        }
        if let Some((_, variable)) = variable {
            return format!("{variable}, in the environment");
        }
        match (&self.config, self.from_file.iter().find(|(own, _)| *own == flag)) {
            (Some(path), Some((_, line))) => format!("{}, line {line}", path.display()),
            _ => "default".to_owned(),
        }
    }

    /// Returns the text of an error in the configuration. If it is about flags that were set by
    /// environment variables or in the file, it names these, or the file and the line, too.
    pub(crate) fn explain(&self, error: &ConfigError) -> String {
        let mut text = error.to_string();
        for (flag, variable) in &self.from_environment {
            if mentions(&text, flag) {
                text.push_str(&format!(" (the environment variable {variable} sets {flag})"));
            }
        }
        for (flag, line) in &self.from_file {
            if let Some(path) = self.config.as_ref().filter(|_| mentions(&text, flag)) {
                text.push_str(&format!(" ({}, line {line}, sets {flag})", path.display()));
            }
        }
        text
    }
}

/// Returns true if a text contains this flag, and not only a longer flag that begins with the same
/// name.
fn mentions(text: &str, flag: &str) -> bool {
    let goes_on =
        |rest: &str| rest.starts_with(|next: char| next == '-' || next.is_ascii_alphanumeric());
    text.match_indices(flag).any(|(place, _)| !goes_on(&text[place + flag.len()..]))
}

/// Returns the command without the variables that are set but empty: such a variable counts as one
/// that is not set, because in container files that is the usual way to leave a setting unset.
pub(crate) fn without_empty_variables(
    command: Command,
    is_empty: &impl Fn(&OsStr) -> bool,
) -> Command {
    let command = command.mut_args(|argument| match argument.get_env().is_some_and(is_empty) {
        true => argument.env(None::<&str>),
        false => argument,
    });
    command.mut_subcommands(|one| without_empty_variables(one, is_empty))
}

/// Names the environment variable in an error about its value, which otherwise names only the flag.
/// `arguments` are those of the process.
/// Returns true if it is such an error.
pub(crate) fn name_variable(
    error: &mut clap::Error,
    command: &Command,
    arguments: &[OsString],
) -> bool {
    let Some(ContextValue::String(shown)) = error.get(ContextKind::InvalidArg) else {
        return false;
    };
    let flag = shown.split([' ', '=', '[']).next().unwrap_or_default();
    let is_given = arguments.iter().any(|argument| {
        argument
            .to_str()
            .and_then(|text| text.strip_prefix(flag))
            .is_some_and(|rest| rest.is_empty() || rest.starts_with('='))
    });
    let of_flag = |argument: &&clap::Arg| {
        argument.get_long().is_some_and(|long| flag.strip_prefix("--") == Some(long))
    };
    let variable = all_arguments(command).find(of_flag).and_then(clap::Arg::get_env);
    let Some(variable) = variable.filter(|_| !is_given) else { return false };
    let text = format!("{}, the environment variable of {shown}", variable.display());
    error.insert(ContextKind::InvalidArg, ContextValue::String(text));
    true
}

/// Rejects variables that begin with `FANFARE_` and belong to no flag, because a misspelt variable
/// would otherwise be ignored.
pub(crate) fn check_environment(
    command: &Command,
    variables: impl IntoIterator<Item = (String, String)>,
) -> Result<(), ConfigError> {
    let is_known = |name: &str| {
        all_arguments(command).filter_map(clap::Arg::get_env).any(|known| known == name)
    };
    let unknown = variables.into_iter().find(|(name, value)| {
        name.starts_with("FANFARE_")
            && !value.is_empty()
            && !is_known(name)
            && !is_service_link(name, value)
    });
    unknown.map_or(Ok(()), |(name, _)| Err(ConfigError::UnknownVariable(name)))
}

fn all_arguments(command: &Command) -> impl Iterator<Item = &clap::Arg> {
    std::iter::once(command).chain(command.get_subcommands()).flat_map(Command::get_arguments)
}

/// Returns true for a variable that Kubernetes sets in containers for each service whose name
/// begins with `fanfare`: a service `fanfare-metrics` sets `FANFARE_METRICS_SERVICE_HOST`,
/// `FANFARE_METRICS_SERVICE_PORT_HTTP`, `FANFARE_METRICS_PORT` (the URL `tcp://…`) and
/// `FANFARE_METRICS_PORT_8080_TCP_ADDR`, among others.
fn is_service_link(name: &str, value: &str) -> bool {
    let is_of_one_port = |rest: &str| {
        let mut words = rest.split('_');
        words.next().is_some_and(|port| port.parse::<u16>().is_ok())
            && words.next().is_some_and(|protocol| ["TCP", "UDP", "SCTP"].contains(&protocol))
            && words.next().is_none_or(|last| ["PROTO", "PORT", "ADDR"].contains(&last))
            && words.next().is_none()
    };
    name.ends_with("_SERVICE_HOST")
        || name.ends_with("_SERVICE_PORT")
        || name.contains("_SERVICE_PORT_")
        || name.ends_with("_PORT") && value.contains("://")
        || name.rsplit_once("_PORT_").is_some_and(|(_, rest)| is_of_one_port(rest))
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use super::super::flag_values::Size;
    use super::*;

    fn config(arguments: &[&str]) -> Result<Config, String> {
        let command =
            augment(Command::new("fanfare")).mut_args(|argument| argument.env(None::<&str>));
        let matches = command
            .try_get_matches_from([&["fanfare"], arguments].concat())
            .map_err(|e| e.to_string())?;
        read(&matches).map(|(config, _)| config).map_err(|error| error.to_string())
    }

    fn file(text: &str) -> tempfile::NamedTempFile {
        let mut file = tempfile::NamedTempFile::with_suffix(".toml").unwrap();
        file.write_all(text.as_bytes()).unwrap();
        file
    }

    #[test]
    fn without_sources_the_defaults_stand() {
        assert_eq!(config(&[]).unwrap().to_toml(), Config::default().to_toml());
    }

    #[test]
    fn the_command_line_goes_over_the_file_and_the_file_over_the_defaults() {
        let file = file(
            "listen = '127.0.0.1:1'\nmax-message-size = '1KiB'\n\
             channel-buffer = 4096\necho = true\n",
        );
        let path = file.path().to_str().unwrap();
        let read = config(&["--config", path]).unwrap();
        assert_eq!((read.listen, read.echo), (vec!["127.0.0.1:1".to_owned()], true));
        let read = config(&[
            "--config",
            path,
            "--max-message-size",
            "2KiB",
            "--listen=a:1,b:2",
            "--echo=false",
        ]);
        let read = read.unwrap();
        assert_eq!((read.max_message_size, read.channel_buffer), (Size(2048), Size(4096)));
        assert_eq!((read.listen, read.echo), (vec!["a:1".to_owned(), "b:2".to_owned()], false));
        assert_eq!(read.max_channels, Config::default().max_channels);
    }

    #[test]
    fn with_a_certificate_tls_is_spoken_by_default() {
        let listen = |arguments: &[&str]| config(arguments).unwrap().listen;
        assert_eq!(listen(&["--tls-self-signed"]), ["tls:127.0.0.1:8443"]);
        assert_eq!(listen(&["--tls-cert=a", "--tls-key=b"]), ["tls:127.0.0.1:8443"]);
        assert_eq!(listen(&["--tls-self-signed", "--listen=a:1"]), ["a:1"]);
        let file = file("listen = 'a:1'\ntls-self-signed = true");
        assert_eq!(listen(&["--config", file.path().to_str().unwrap()]), ["a:1"]);
    }

    #[test]
    fn a_switch_needs_no_value() {
        assert!(config(&["--echo"]).unwrap().echo);
        assert!(!config(&["--echo=false"]).unwrap().echo);
        assert!(config(&["--log-events", "--echo"]).unwrap().log_events);
    }

    #[test]
    fn errors_name_the_key() {
        for (text, expected) in [
            ("lissen = '127.0.0.1:1'", "lissen"),
            ("reactors = 'four'", "reactors"),
            ("history-size = 4", "history-size"),
            ("ping-interval = -25", "ping-interval"),
            ("max-message-size = '64 potatoes'", "64 potatoes"),
            ("allowed-origins = ['example.com']", "example.com"),
            ("publish = 'everyone'", "everyone"),
            ("echo = 1", "echo"),
            ("listen = [", "line 1"),
        ] {
            let file = file(text);
            let error = config(&["--config", file.path().to_str().unwrap()]).unwrap_err();
            assert!(error.contains(expected), "{text}: {error}");
        }
        assert!(
            config(&["--config", "/nowhere/fanfare.toml"])
                .unwrap_err()
                .contains("/nowhere/fanfare.toml")
        );
    }

    #[test]
    fn an_error_in_the_file_names_the_line_and_does_not_show_the_key() {
        for text in [
            "echo = true\npublish-key = 7205",
            "echo = true\npublish-key = [7205]",
            "echo = true\npublish-key = x7205",
            "echo = true\npublish-key = 'x7205",
            "echo = true\npublish-key 'x7205'",
            "echo = true\npublish-kee = 'x7205'",
        ] {
            let error = config(&["--config", file(text).path().to_str().unwrap()]).unwrap_err();
            let (path, error) = error.split_once(", ").unwrap();
            assert!(path.ends_with(".toml"), "{path}");
            assert!(error.starts_with("line 2: ") && !error.contains("7205"), "{text}: {error}");
        }
    }

    #[test]
    fn a_key_comes_from_one_place_and_is_not_shown() {
        let key = file("from-a-file\n");
        let path = key.path().to_str().unwrap();
        assert!(config(&["--publish-key-file", path]).unwrap().publish_key().unwrap().is_some());
        let both = config(&["--publish-key-file", path, "--publish-key", "x"]).unwrap();
        assert!(both.publish_key().unwrap_err().to_string().contains("choose one"));
        let shown = config(&["--publish-key", "hush"]).unwrap();
        assert!(!shown.to_toml().contains("hush") && !format!("{shown:?}").contains("hush"));
    }

    #[test]
    fn a_misspelt_variable_is_an_error() {
        for name in ["FANFARE_LISTEN", "FANFARE_CONFIG", "PATH"] {
            assert_eq!(refused(name, "x"), None);
        }
        for name in ["FANFARE_LISSEN", "FANFARE_HISTORY_SIZE", "FANFARE_PORT"] {
            assert!(refused(name, "8080").unwrap().contains(name), "{name}");
        }
        assert_eq!(refused("FANFARE_LISSEN", ""), None, "an empty variable is not set");
    }

    /// Returns the text of the error about one variable, or `None` if it is accepted.
    fn refused(name: &str, value: &str) -> Option<String> {
        let command = augment(Command::new("fanfare"));
        let variable = (name.to_owned(), value.to_owned());
        check_environment(&command, [variable]).err().map(|error| error.to_string())
    }

    #[test]
    fn what_kubernetes_sets_for_a_service_of_a_like_name_is_no_error() {
        for service in ["", "_METRICS", "_METRICS_V2", "_PORT"] {
            for (rest, value) in [
                ("_SERVICE_HOST", "10.0.0.7"),
                ("_SERVICE_PORT", "8080"),
                ("_SERVICE_PORT_HTTP", "8080"),
                ("_PORT", "tcp://10.0.0.7:8080"),
                ("_PORT_8080_TCP", "tcp://10.0.0.7:8080"),
                ("_PORT_8080_TCP_PROTO", "tcp"),
                ("_PORT_8080_TCP_PORT", "8080"),
                ("_PORT_8080_TCP_ADDR", "10.0.0.7"),
                ("_PORT_53_UDP_ADDR", "10.0.0.7"),
            ] {
                let name = format!("FANFARE{service}{rest}");
                assert_eq!(refused(&name, value), None, "{name}");
            }
        }
        for name in [
            "FANFARE_METRICS_HOST",
            "FANFARE_METRICS_PORT",
            "FANFARE_PORT_HTTP",
            "FANFARE_PORT_8080_TCP_ADR",
            "FANFARE_PORT_8080_TLS",
        ] {
            assert!(refused(name, "8080").unwrap().contains(name), "{name}");
        }
    }

    #[test]
    fn an_empty_variable_is_one_that_is_not_set() {
        let command = Command::new("fanfare").subcommand(augment(Command::new("serve")));
        let command = without_empty_variables(command, &|name| name == "FANFARE_LISTEN");
        let serve = command.find_subcommand("serve").unwrap();
        let variable = |flag: &str| {
            let mut arguments = serve.get_arguments();
            arguments.find(|argument| argument.get_long() == Some(flag)).unwrap().get_env()
        };
        assert_eq!(variable("listen"), None);
        assert_eq!(variable("reactors"), Some(OsStr::new("FANFARE_REACTORS")));
    }

    #[test]
    fn an_error_about_a_flag_names_the_variable_that_sets_it() {
        let from_environment = [("--listen", "FANFARE_LISTEN"), ("--echo", "FANFARE_ECHO")]
            .map(|(flag, variable)| (flag.to_owned(), variable.to_owned()))
            .into();
        let from_file = vec![("--channel-buffer".to_owned(), 7)];
        let config = Some(PathBuf::from("/etc/fanfare.toml"));
        let sources = Sources { config, from_environment, from_file, ..Sources::default() };
        let explained = |text: &str| sources.explain(&ConfigError::Rule(text.to_owned()));
        assert!(explained("--listen 80: no").contains("FANFARE_LISTEN"));
        assert_eq!(explained("--listen-more is no flag"), "--listen-more is no flag");
        assert!(!explained("--listen 80: no").contains("FANFARE_ECHO"));
        let text = explained("--channel-buffer is too small");
        assert!(text.ends_with(" (/etc/fanfare.toml, line 7, sets --channel-buffer)"), "{text}");
    }

    #[test]
    fn the_items_of_a_list_are_trimmed() {
        let read = config(&[
            "--allowed-origins= https://a.example , https://b.example",
            "--allowed-hosts=a.example, b.example ",
            "--listen= 127.0.0.1:1, 127.0.0.1:2",
        ]);
        let read = read.unwrap();
        let origins: Vec<_> = read.allowed_origins.iter().map(ToString::to_string).collect();
        assert_eq!(origins, ["https://a.example", "https://b.example"]);
        assert_eq!(read.allowed_hosts, ["a.example", "b.example"]);
        assert_eq!(read.listen, ["127.0.0.1:1", "127.0.0.1:2"]);
        let file =
            file("allowed-origins = [' https://a.example ']\nallowed-hosts = ' a.example'\n");
        let read = config(&["--config", file.path().to_str().unwrap()]).unwrap();
        assert_eq!(read.allowed_origins[0].to_string(), "https://a.example");
        assert_eq!(read.allowed_hosts, ["a.example"]);
    }

    #[test]
    fn every_key_of_the_file_is_a_flag_with_a_variable_of_the_same_name() {
        let command = augment(Command::new("fanfare"));
        let table: toml::Table = toml::from_str(&Config::default().to_toml()).unwrap();
        for key in table.keys() {
            let argument =
                command.get_arguments().find(|argument| argument.get_long() == Some(key));
            let variable = argument.and_then(clap::Arg::get_env).and_then(|name| name.to_str());
            assert_eq!(
                variable,
                Some(&*format!("FANFARE_{}", key.replace('-', "_").to_uppercase())),
                "{key}"
            );
        }
    }

    #[test]
    fn the_help_shows_the_defaults_as_they_are() {
        let command = augment(Command::new("fanfare"));
        let table: toml::Table = toml::from_str(&Config::default().to_toml()).unwrap();
        let mut shown = 0;
        for argument in command.get_arguments() {
            let help = argument.get_help().map(ToString::to_string).unwrap_or_default();
            let value = match argument.get_long().and_then(|key| table.get(key)) {
                Some(toml::Value::String(value)) => value.clone(),
                Some(toml::Value::Integer(value)) => value.to_string(),
                Some(toml::Value::Array(values)) if values.len() == 1 => {
                    values[0].as_str().unwrap().to_owned()
                }
                _ => continue,
            };
            assert!(help.ends_with(&format!("[default: {value}]")), "{help}: {value}");
            shown += 1;
        }
        assert!(shown >= 12, "{shown}");
    }
}
