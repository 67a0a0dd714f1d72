//! Where a configuration comes from: the environment overrides the file, flags override both.

use std::path::PathBuf;

use clap::{ArgMatches, Args, Command, FromArgMatches};

use super::config::Config;
use super::config_error::ConfigError;

/// The flags that concern the configuration itself.
#[derive(Args)]
pub(crate) struct Sources {
    /// Read the configuration from a TOML file, in which every flag is a key
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Print the configuration that results, as a TOML file, and end
    #[arg(long)]
    pub(crate) print_config: bool,
}

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
    let sources = Sources::from_arg_matches(matches).map_err(|error| usage(&error))?;
    let mut config = match &sources.config {
        Some(path) => Config::read(path)?,
        None => Config::default(),
    };
    config.update_from_arg_matches(matches).map_err(|error| usage(&error))?;
    Ok((config, sources))
}

/// Makes an error that never occurs: arguments that clap has matched fit the structs they are for.
fn usage(error: &clap::Error) -> ConfigError {
    ConfigError::Rule(error.to_string())
}

/// Rejects variables that begin with `FANFARE_` and belong to no flag, because a misspelt variable
/// would otherwise be ignored.
pub(crate) fn check_environment(
    command: &Command,
    names: impl IntoIterator<Item = String>,
) -> Result<(), ConfigError> {
    let commands = || std::iter::once(command).chain(command.get_subcommands());
    let is_known = |name: &str| {
        commands()
            .flat_map(Command::get_arguments)
            .filter_map(clap::Arg::get_env)
            .any(|known| known == name)
    };
    // Kubernetes sets such variables in containers when there is a service named fanfare.
    let is_service_link = |name: &str| {
        name.starts_with("FANFARE_SERVICE_")
            || name == "FANFARE_PORT"
            || name.starts_with("FANFARE_PORT_")
    };
    let unknown = names
        .into_iter()
        .find(|name| name.starts_with("FANFARE_") && !is_known(name) && !is_service_link(name));
    unknown.map_or(Ok(()), |name| Err(ConfigError::UnknownVariable(name)))
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
            ("ping-interval = 25", "ping-interval"),
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
        let command = augment(Command::new("fanfare"));
        let check = |name: &str| check_environment(&command, [name.to_owned()]);
        for name in [
            "FANFARE_LISTEN",
            "FANFARE_CONFIG",
            "FANFARE_SERVICE_HOST",
            "FANFARE_PORT_80_TCP",
            "PATH",
        ] {
            assert!(check(name).is_ok(), "{name}");
        }
        for name in ["FANFARE_LISSEN", "FANFARE_HISTORY_SIZE"] {
            assert!(check(name).unwrap_err().to_string().contains(name), "{name}");
        }
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
